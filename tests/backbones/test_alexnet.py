"""AlexNet as a backbone like any other."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.backbones import fold, layers
from sslzoo.backbones.alexnet import FORMS
from sslzoo.errors import BadInput, UnknownName
from tests.backbones.alexnets import GRAY, alexnet, near, photos


@pytest.mark.parametrize("form", FORMS)
def test_it_can_be_saved_and_read_back(form, tmp_path):
    net = alexnet(form)
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = photos(net.input_shape[1] or 64)
    found, expected = again(images), net(images)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_folded_it_has_no_normalisation_left():
    net = alexnet("split")
    twin = fold.folded(net)
    kinds = {type(layer) for layer in twin.layers}
    assert not kinds & {layers.BatchNorm, fold.Affine}
    near(twin(photos(64))["fc7"], net(photos(64))["fc7"])


def test_only_in_training_fc6_and_fc7_are_dropped():
    net, images = alexnet(size=0), photos(227)
    quiet, loud = net(images), net(images, training=True)
    np.testing.assert_array_equal(loud["pool5"], quiet["pool5"])
    quiet, loud = np.asarray(quiet["fc6"]), np.asarray(loud["fc6"])
    kept = loud > 0
    near(loud[kept], 2 * quiet[kept])
    assert 0.3 < kept.sum() / (quiet > 0).sum() < 0.7


ELSEWHERE = """
import sys
import keras, numpy as np
import sslzoo.backbones
net, images, found = sys.argv[1:]
features = keras.models.load_model(net).predict(np.load(images), verbose=0)
np.savez(found, **features)
"""


@pytest.mark.parametrize(
    "backend, form, options",
    [
        pytest.param("jax", "split", {}, marks=pytest.mark.slow),
        pytest.param("jax", "larsson", GRAY, marks=pytest.mark.slow),
        pytest.param("torch", "split", {}, marks=pytest.mark.slow),
        pytest.param("torch", "larsson", GRAY, marks=pytest.mark.slow),
    ],
)
def test_other_backends_give_the_same(backend, form, options, tmp_path):
    pytest.importorskip(backend)
    net, images, found = (tmp_path / f for f in ("net.keras", "images.npy", "y.npz"))
    here = alexnet(form, **options)
    here.save(net)
    np.save(images, photos(70))
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, net, images, found],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
    )
    with np.load(found) as features:
        for name, value in here(photos(70)).items():
            near(features[name], value)


@pytest.mark.parametrize(
    "options, error, message",
    [
        (dict(form="splitt"), UnknownName, "Did you mean 'split'"),
        (dict(layout="group"), UnknownName, "Did you mean 'grouped'"),
        (dict(geometry="fix"), UnknownName, "fixed, dense, small, same"),
        (dict(norm="batch"), UnknownName, "lrn, bn, none"),
        (dict(pixels="labs"), UnknownName, "Did you mean 'lab'"),
        (dict(size=64), BadInput, "pool5 has 1 cells.* 227 or 224"),
        (dict(size=5), BadInput, "pool5 has 0 cells"),
        (dict(form="split", norm="lrn"), BadInput, "mixes the two halves"),
        (dict(width=0), BadInput, "width=0"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        backbones.build("alexnet", **options)

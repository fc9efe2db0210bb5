"""Every method trains a network that is none of ours: a user's own, wrapped."""

import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from sslzoo import backbones, methods
from sslzoo.backbones import split
from sslzoo.errors import BadInput
from sslzoo.methods import split_brain
from sslzoo.methods.barlow_twins import BarlowTwins
from sslzoo.methods.byol import BYOL
from sslzoo.methods.colorization import Colorization
from sslzoo.methods.exemplar import Exemplar
from sslzoo.methods.info_nce import InfoNCE
from sslzoo.methods.jigsaw import Jigsaw
from sslzoo.methods.moco import MoCo
from sslzoo.methods.relative_patch import RelativePatch
from sslzoo.methods.rotation import Rotation
from sslzoo.methods.simclr import SimCLR
from sslzoo.methods.simsiam import SimSiam
from sslzoo.methods.split_brain import SplitBrain
from sslzoo.methods.supervised import Supervised
from sslzoo.methods.vicreg import VICReg

SIDE, PATCH = 16, 8
COLOURS = dict(strides={"last": 4}, points=8, hidden=8, spread=0.3, dropout=0.0)
COLUMNS = {**COLOURS, "strides": {"data": 1, "early": 2, "last": 4}}
PATCHES = dict(patch=PATCH, embedding=4, hidden=8, dropout=0.0)
CELLS = dict(top="last", stride=4, hidden=8)


def own(channels=3, name="mine"):
    return keras.Sequential(
        [
            keras.Input((None, None, channels)),
            layers.Conv2D(4, 3, 2, "same", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="early"),
            layers.Conv2D(6, 3, 2, "same", name="second"),
            layers.LeakyReLU(name="last"),
        ],
        name=name,
    )


def wrapped(model, pixels=None):
    features = {"early": "early", "last": "last"}
    return backbones.wrap(model, features, pixels)


def rgb():
    model = own()
    return [model], wrapped(model)


def seeing(pixels):
    """Of what `pixels` makes of RGB."""
    model = own(len(pixels) if pixels != "gray" else 1)
    return [model], wrapped(model, pixels)


def halves():
    pair = [own(1, "of_light"), own(2, "of_colours")]
    return pair, split.joined(*map(wrapped, pair))


def row(name):
    """A row of split-brain, and the network that it wants."""
    sees = split_brain.sees(name, depth=True)
    make = rgb if sees in ("rgb", "hha") else lambda: seeing(sees)
    return SplitBrain, halves if name == "split" else make, dict(row=name, **CELLS)


GIVEN = {
    "barlow_twins": (BarlowTwins, rgb, dict(outputs=8)),
    "byol": (BYOL, rgb, dict(steps=2, hidden=8, outputs=4)),
    "colorization": (Colorization, lambda: seeing("gray"), COLOURS),
    "colorization, hypercolumns": (Colorization, lambda: seeing("l"), COLUMNS),
    "exemplar": (Exemplar, rgb, dict(embedding=4)),
    "info_nce": (InfoNCE, rgb, dict(steps=2, hidden=8, outputs=4)),
    "jigsaw": (Jigsaw, rgb, dict(orders=8, subset=2, **PATCHES)),
    "moco": (MoCo, rgb, dict(keys=16, outputs=4)),
    "relative_patch": (RelativePatch, rgb, PATCHES),
    "rotation": (Rotation, rgb, {}),
    "simclr": (SimCLR, rgb, dict(outputs=4)),
    "simsiam": (SimSiam, rgb, dict(outputs=8, bottleneck=4)),
    "split_brain": row("split"),
    "split_brain, L to ab": row("L_ab"),
    "split_brain, ab to L": row("ab_L"),
    "split_brain, Lab": row("Lab_Lab"),
    "split_brain, depth": row("RGB_HHA"),
    "supervised": (Supervised, rgb, dict(classes=3)),
    "vicreg": (VICReg, rgb, dict(outputs=8)),
}


def batch(n=4):
    """What any of them is shown; pictures of different colours."""
    rng = np.random.default_rng(0)

    def pictures(*shape):
        light = rng.random((n, *[1] * len(shape), 3))
        return tf.constant(rng.random((n, *shape, 3)) * light, tf.float32)

    whole = {name: pictures(SIDE, SIDE) for name in ("view1", "view2", "image", "hha")}
    parts = {"patches": pictures(9, PATCH, PATCH), "copies": pictures(3, SIDE, SIDE)}
    return {**whole, **parts, "label": tf.range(n) % 3, "n": tf.range(n)}


@pytest.mark.parametrize("kind, make, settings", GIVEN.values(), ids=GIVEN)
def test_a_network_of_the_users_own_learns(kind, make, settings):
    """Two steps: the heads of split-brain are zero, and the first moves them alone."""
    own_models, backbone = make()
    method = kind(backbone, example=None, **settings)
    method.compile(keras.optimizers.SGD(0.1))
    before = [w.numpy() for model in own_models for w in kernels(model)]
    for _ in range(2):
        assert np.isfinite(float(method.train_step(batch())["loss"]))
    after = [w.numpy() for model in own_models for w in kernels(model)]
    assert len(after) == 2 * len(own_models)
    assert all(np.abs(a - b).max() > 1e-6 for a, b in zip(before, after))
    features = method.deployable()(np.zeros((2, 3 * PATCH, 3 * PATCH, 3), "float32"))
    assert features["pooled"].shape == (2, 6 * len(own_models))


@pytest.mark.parametrize("kind, make, settings", GIVEN.values(), ids=GIVEN)
def test_what_keras_saves_of_it_is_read_back_to_the_bit(kind, make, settings, tmp_path):
    """With its optimizer, and a sum that is half made: it goes on as it would have."""
    method = kind(make()[1], example=None, **settings)
    method.compile(keras.optimizers.SGD(0.1, momentum=0.9), accumulate=2)
    for _ in range(3):
        method.train_step(batch())
    method.reset_metrics()
    method.save(tmp_path / "method.keras")
    again = keras.saving.load_model(tmp_path / "method.keras")
    assert type(again) is kind and again.accumulate == 2
    for one, other in zip(state(method), state(again), strict=True):
        np.testing.assert_array_equal(one, other)
    one, other = (float(m.train_step(batch())["loss"]) for m in (method, again))
    assert one == other
    for one, other in zip(state(method), state(again), strict=True):
        np.testing.assert_array_equal(one, other)


def state(method):
    return [np.asarray(v) for v in [*method.variables, *method.optimizer.variables]]


def kernels(model):
    return [w for w in model.weights if w.name == "kernel"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, pixels",
    [
        ("colorization", "gray"),
        ("split_brain, Lab", "lab"),
        ("split_brain, L to ab", "l"),
        ("jigsaw", None),
        ("rotation", None),
        ("simclr", None),
    ],
)
def test_one_of_keras_applications_learns(name, pixels):
    kind, _, settings = GIVEN[name]
    planes = {"gray": 1, "l": 1}.get(pixels, 3)
    model = keras.applications.MobileNetV2(
        (None, None, planes), alpha=0.35, weights=None, include_top=False
    )
    ends = {"early": "expanded_conv_project_BN", "last": "block_2_add"}
    backbone = backbones.wrap(model, ends, pixels)
    method = kind(backbone, example=None, **settings)
    method.compile(keras.optimizers.SGD(0.1))
    first = model.get_layer("Conv1").kernel
    before = first.numpy()
    for _ in range(2):
        assert np.isfinite(float(method.train_step(batch())["loss"]))
    assert np.abs(first.numpy() - before).max() > 1e-6


@pytest.mark.parametrize("kind, make, settings", GIVEN.values(), ids=GIVEN)
def test_one_that_is_not_wrapped_is_told_how(kind, make, settings):
    with pytest.raises(BadInput, match=r"sslzoo\.backbones\.wrap\(model\)"):
        kind(own(), example=None, **settings)


def test_a_network_whose_gradient_tensorflow_has_wrong_is_refused(monkeypatch):
    images = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(4, 1, strides=2, name="narrow")(images)
    model = keras.Model(images, {"pooled": layers.GlobalAveragePooling2D()(x)})
    with pytest.raises(BadInput, match=r"narrow of .* sees 3 channels.*MaxPooling2D"):
        BYOL(model, 1, None)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    BYOL(model, 1, None, hidden=4)


def test_each_is_a_method_that_there_is():
    """A new one needs no row: its recipe trains it. With a row it is tried here too."""
    found = {module.name for module in pkgutil.iter_modules(methods.__path__)}
    assert {name.partition(",")[0] for name in GIVEN} <= found


def test_colorizing_keeps_keras_own_scale_and_shift():
    """As ours: they learn nothing while colours are learned."""
    (model,), backbone = seeing("gray")
    method = Colorization(backbone, None, **COLOURS)
    method.compile(keras.optimizers.SGD(0.1))
    method.train_step(batch())
    norm = model.get_layer("norm")
    np.testing.assert_array_equal(norm.gamma, 1)
    np.testing.assert_array_equal(norm.beta, 0)
    assert np.abs(norm.moving_mean).max() > 0

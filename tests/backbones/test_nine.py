"""The mean over nine patches, as a network of images."""

import json

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.backbones import fold
from sslzoo.backbones.nine import nine
from sslzoo.errors import BadInput

RNG = np.random.default_rng(0)


def pictures(height, width, n=2):
    return RNG.random((n, height, width, 3)).astype("float32")


@pytest.mark.parametrize("height, width", [(24, 24), (31, 40), (16, 8)])
def test_it_is_the_mean_over_nine_patches(height, width):
    """At three patches each way they lie side by side."""
    trunk = backbones.build("tiny")
    images = pictures(height, width)
    found = nine(trunk, 8)(images)
    patches = [
        images[:, top : top + 8, left : left + 8]
        for top in (0, (height - 8) // 2, height - 8)
        for left in (0, (width - 8) // 2, width - 8)
    ]
    features = [trunk(patch) for patch in patches]
    for name in ("block1", "block2", "pooled"):
        expected = np.mean([f[name] for f in features], axis=0)
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5)


def test_what_the_trunk_learns_it_has_learned():
    trunk = backbones.build("tiny")
    model = nine(trunk, 8)
    before = np.asarray(model(pictures(24, 24))["pooled"])
    for weight in trunk.trainable_weights:
        weight.assign(weight + 0.1)
    assert np.abs(np.asarray(model(pictures(24, 24))["pooled"]) - before).max() > 0.01
    assert {id(w) for w in model.weights} == {id(w) for w in trunk.weights}


@pytest.mark.parametrize("name", ["resnet50v2", "revnet50", "vgg19bn"])
def test_it_is_written_read_and_folded(name):
    options = dict(image_size=32) if name == "vgg19bn" else dict(stem="patch")
    trunk = backbones.build(name, width=1 / 32, pixels="per_image", **options)
    for weight in trunk.weights:
        if "moving" in weight.path:
            weight.assign(RNG.uniform(0.5, 2, weight.shape))
    model, images = nine(trunk, 32), pictures(96, 96, 1)
    expected = np.asarray(model(images)["pooled"])
    twin = keras.models.model_from_json(json.dumps(json.loads(model.to_json())))
    twin.set_weights(model.get_weights())
    np.testing.assert_allclose(twin(images)["pooled"], expected, rtol=1e-5, atol=1e-6)
    light = fold.folded(twin)(images)["pooled"]
    np.testing.assert_allclose(light, expected, rtol=1e-3, atol=1e-4)


def test_too_small_an_image_and_another_patch_are_told():
    model = nine(backbones.build("tiny"), 16)
    with pytest.raises(BadInput, match="Images of 12 x 30: patches of 16"):
        model(pictures(12, 30))
    trunk = backbones.build("vgg19bn", width=1 / 32, image_size=32)
    with pytest.raises(BadInput, match="patch=24, but vgg19bn takes images of 32"):
        nine(trunk, 24)

"""Two networks side by side."""

import keras
import numpy as np
import pytest
import skimage.color

from sslzoo import backbones
from sslzoo.backbones import split
from sslzoo.errors import BadInput


def test_each_half_is_the_network_of_its_channels(tmp_path):
    net = backbones.build("split", half="resnet18", width=1 / 16, stem="small")
    images = np.random.default_rng(0).random((2, 16, 16, 3)).astype("float32")
    lab = skimage.color.rgb2lab(images) - [50, 0, 0]
    found = net(images)
    light = net.get_layer("light")(lab[..., :1].astype("float32"))
    colour = net.get_layer("colour")(lab[..., 1:].astype("float32"))
    for name, value in found.items():
        expected = np.concatenate([light[name], colour[name]], -1)
        np.testing.assert_allclose(value, expected, rtol=1e-2, atol=1e-3)
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")(images)
    np.testing.assert_array_equal(again["pooled"], found["pooled"])


def test_two_of_half_the_width_are_as_wide_as_one():
    with keras.StatelessScope():
        both, one = backbones.build("split"), backbones.build("resnet18")
    assert both.output["pooled"].shape == one.output["pooled"].shape
    assert backbones.feature_info(both) == backbones.feature_info(one)


def test_gray_images_cannot_be_split():
    with pytest.raises(BadInput, match="channels=1: what is split"):
        backbones.build("split", channels=1)


def own(channels, width=4, name="last"):
    images = keras.Input((None, None, channels))
    x = keras.layers.Conv2D(width, 3, 2, name=name)(images)
    return keras.Model(images, x, name=f"of_{channels}")


def test_two_of_your_own_are_joined(tmp_path):
    light, colour = own(1), own(2)
    net = split.joined(light, colour)
    images = np.random.default_rng(0).random((2, 16, 16, 3)).astype("float32")
    lab = (skimage.color.rgb2lab(images) - [50, 0, 0]).astype("float32")
    expected = np.concatenate([light(lab[..., :1]), colour(lab[..., 1:])], -1)
    found, mean = net(images), expected.mean((1, 2))
    # Sums of 18 of Lab, which skimage rounds in the fourth digit.
    np.testing.assert_allclose(found["last"], expected, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(found["pooled"], mean, rtol=1e-3, atol=1e-2)
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")(images)
    np.testing.assert_array_equal(again["pooled"], found["pooled"])


@pytest.mark.parametrize(
    "light, colour, words",
    [
        ([3], [2], "of_3 takes images of 3 channels, .* shown 1"),
        ([2], [1], "of_2 takes images of 2 channels, .* shown 1"),
        ([1], [2, 5], "gives .*4.*that of a and b .*5.*same features"),
        ([1], [2, 4, "end"], "gives .*last.*that of a and b .*end"),
    ],
    ids=str,
)
def test_halves_that_do_not_go_together_are_refused(light, colour, words):
    with pytest.raises(BadInput, match=words):
        split.joined(own(*light), own(*colour))

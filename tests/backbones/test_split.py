"""Two networks side by side."""

import keras
import numpy as np
import pytest
import skimage.color

from sslzoo import backbones
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

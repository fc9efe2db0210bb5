"""Split-brain's AlexNet as its authors began it."""

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.backbones import alexnet_start, data_dependent
from sslzoo.data.toyworld import ToyWorld

SHAPE = dict(width=1 / 16, geometry="small")


@pytest.fixture(scope="module")
def images():
    world = ToyWorld("train", 8, 48)
    return np.stack([world.read(i)["image"] for i in range(8)]) / np.float32(255)


@pytest.mark.parametrize(
    "form, pixels", [("split", "lab"), ("split", "l"), ("single", "lab"), ("half", "l")]
)
def test_channels_begin_with_one_mean_and_one_spread(form, pixels, images):
    """Behind conv1 to conv5, where nothing is normalised; fc6 stays as it was."""
    options = dict(form=form, pixels=pixels, **SHAPE)
    net = backbones.build("alexnet", **options, norm="none")
    before = {layer.name: layer.get_weights() for layer in net.layers}
    alexnet_start.kmeans(net, images, 300, **options)
    convolutions = [
        layer.output
        for layer in net.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.name.startswith("conv")
    ]
    probe = keras.Model(net.input, convolutions)
    for said in probe(images):
        said = np.reshape(said, (-1, said.shape[-1]))
        np.testing.assert_allclose(said.mean(0), 0.1, atol=2e-3)
        np.testing.assert_allclose(said.std(0), 1, atol=2e-3)
    for name in ("fc6", "fc7"):
        for old, new in zip(before[name], net.get_layer(name).get_weights()):
            np.testing.assert_array_equal(old, new)


def test_a_half_begins_as_it_would_alone(images):
    options = dict(form="split", **SHAPE)
    net = backbones.build("alexnet", **options)
    alexnet_start.kmeans(net, images, 300, seed=3, **options)
    light = backbones.build("alexnet", form="half", pixels="l", norm="none", **SHAPE)
    names = alexnet_start.DRAWN
    light = data_dependent.within_layers(light, images, 300, 3, names=names)
    np.testing.assert_allclose(
        net.get_layer("conv1_first").kernel, light.get_layer("conv1").kernel, rtol=1e-5
    )
    kernel = light.get_layer("conv3").kernel
    mine = net.get_layer("conv3").kernel[..., : kernel.shape[-1]]
    np.testing.assert_allclose(mine, kernel, rtol=1e-4, atol=1e-6)

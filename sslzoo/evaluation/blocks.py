"""What a network knows at each of its blocks, as vectors."""

import keras

from sslzoo.backbones import layers
from sslzoo.backbones.nine import nine
from sslzoo.heads import vectors


def blocks(method, size, names, most=9000):
    """A model of images: each of these features as about `most` numbers.

    As Revisiting compares blocks, see `vectors.endpoints`. Of a method of patches that
    is done to each of nine, before their mean is taken.

    Args:
        size: of the images.
    """
    patch = method.made_with.get("patch")
    trunk = method.backbone if patch else method.deployable()
    for name in names:
        layers.known(name, trunk.output, "endpoint")
    image = keras.Input((patch or size,) * 2 + trunk.input_shape[-1:])
    of_all = trunk(image)
    maps = keras.Model(image, {name: of_all[name] for name in names})
    found = vectors.endpoints(maps, patch or size, most)
    return nine(found, patch) if patch else found


def one(method, size, name):
    """A model of images, whose "pooled" is that of `blocks` which has this name."""
    model = blocks(method, size, [name])
    return keras.Model(model.input, {"pooled": model.output[name]})

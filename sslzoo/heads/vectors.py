"""Every map of a network as a vector of about 9000 numbers, for linear classifiers.

Revisiting's (Kolesnikov et al., 2019) takes the largest of windows that do not overlap:
see `endpoints`.

Split-brain's evaluation (Zhang et al., 2017, Table 7) resizes each to s x s cells,

    s = floor sqrt(9600 / channels):   10, 6, 5, 5, 6 of AlexNet's conv1 .. conv5

by lines between cells, corners on corners, and where it shrinks by a tent as wide.
"""

import math

import keras
import numpy as np
from keras import ops

from sslzoo.errors import BadInput


def vectors(model, dimensions=9600):
    """A model of the maps of `model`, `{name: [n, s * s * channels]}`.

    "pooled", fc6 and fc7 are left out, and no map is made larger than it is.
    """
    found = {}
    for name, value in model.output.items():
        if name not in ("pooled", "fc6", "fc7"):
            if None in value.shape[1:]:
                raise BadInput(
                    f"{model.name} takes images of any size, and vectors are of one. "
                    "Give its maps of an input of that size: keras.Model(image, "
                    "model(image)) with image = keras.Input((180, 180, 3))."
                )
            side = max(1, math.isqrt(dimensions // value.shape[-1]))
            x = Resized(side, name=f"{name}_resized")(value)
            found[name] = keras.layers.Flatten(name=f"{name}_vector")(x)
    return keras.Model(model.input, found, name=f"{model.name}_vectors")


def endpoints(model, size, most=9000):
    """A model of all features of `model`, each `[n, d]`: vectors as they are, and maps

        max over windows of k x k cells,   k = ceil sqrt(h w c / most)

    of those with more than `most` numbers; rows and columns that fill no window are
    left out. Of a network of patches: `nine(endpoints(trunk, patch), patch)`, since the
    authors pool each patch before the mean is taken.

    Args:
        size: of the images.
    """
    images = keras.Input((size, size, model.input_shape[-1]), name="endpoint_images")
    found = {}
    for name, x in model.call(images).items():
        if len(x.shape) == 4:
            height, width, channels = x.shape[1:]
            if height * width * channels > most:
                k = math.ceil(math.sqrt(height * width * channels / most))
                k = min(k, height, width)
                x = keras.layers.MaxPooling2D(k, k, name=f"{name}_windows")(x)
            x = keras.layers.Flatten(name=f"{name}_endpoint")(x)
        found[name] = x
    return keras.Model(images, found, name=f"{model.name}_endpoints")


@keras.saving.register_keras_serializable("sslzoo")
class Resized(keras.layers.Layer):
    """Maps `[n, h, w, c]` of at most `side` cells each way.

        p_i = i (h - 1) / (side - 1),   weight of cell j ~ max(0, 1 - |j - p_i| / r)

    with r = max(1, (h - 1) / (side - 1)), and the weights of each i of sum 1. What the
    authors' Caffe does; r is as other code of that layer has it.
    """

    def __init__(self, side, **options):
        super().__init__(**options)
        self.side = side

    def call(self, maps):
        for axis in (1, 2):
            if maps.shape[axis] > self.side:
                mix = ops.convert_to_tensor(_tent(maps.shape[axis], self.side))
                mix = ops.cast(mix, maps.dtype)
                maps = ops.moveaxis(ops.tensordot(maps, mix, [axis, 1]), -1, axis)
        return maps

    def compute_output_shape(self, shape):
        n, height, width, channels = shape
        return n, min(height, self.side), min(width, self.side), channels

    def get_config(self):
        return {**super().get_config(), "side": self.side}


def _tent(full, side):
    """`[side, full]`: how much of each of `full` lines is in each of `side`."""
    step = (full - 1) / max(1, side - 1)
    place = step * np.arange(side) if side > 1 else np.array([(full - 1) / 2])
    away = np.abs(place[:, None] - np.arange(full)) / max(1, step)
    weight = np.maximum(0, 1 - away)
    return (weight / weight.sum(axis=1, keepdims=True)).astype("float32")

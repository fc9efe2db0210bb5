"""Networks and batches so small that NumPy can do the same."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo.backbones import tiny


def mean_colour():
    """Images -> their mean colour through one linear layer; no normalisation."""
    images = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(images)
    x = keras.layers.Dense(6, name="features")(x)
    return keras.Model(images, {"pooled": x})


def lived_in():
    """A small network whose normalisations have running averages of their own."""
    backbone, rng = tiny.tiny(), np.random.default_rng(2)
    settled(backbone, rng)
    for weight in backbone.weights:
        if "moving" in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return backbone


def settled(model, rng):
    """Gives what is learned in a model, and in its target, numbers by `rng`."""
    for weight in model.weights:
        name = weight.path.rpartition("/")[2]
        if name in ("kernel", "bias", "gamma", "beta"):
            centre = 1.0 if name == "gamma" else 0.0
            weight.assign(rng.normal(centre, 0.5, weight.shape))


def batch(n=8):
    """Two views of n images, of different colours, which no rounding can equal."""
    rng = np.random.default_rng(1)
    both = rng.random((2, n, 16, 16, 3)) * rng.random((2, n, 1, 1, 3))
    labels = {"label": tf.constant(np.arange(n) % 2)}
    return {"view1": single(both[0]), "view2": single(both[1]), **labels}


def single(array):
    return tf.constant(array, tf.float32)


def numbers(model):
    return {weight.path: np.asarray(weight, np.float64) for weight in model.weights}

"""Colorization: what is asked of a colour, where, and of whom."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo import color
from sslzoo.backbones import layers
from sslzoo.losses import colorization as losses
from sslzoo.methods import colorization
from sslzoo.verify.checking import same, true
from sslzoo.verify.small import settled, single


def made(**settings):
    """A small colorizer of one map of stride 2, its weights always the same."""
    images = keras.Input((None, None, 3))
    x = layers.Gray()(images)
    x = keras.layers.Conv2D(6, 3, 2, padding="same", activation="relu")(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    backbone = keras.Model(images, {"map": x, "pooled": pooled})
    settings = {"hidden": 0, "points": 3, "margin": 2, **settings}
    method = colorization.Colorization(backbone, None, {"map": 2}, **settings)
    method.compile(keras.optimizers.SGD(0.1))
    settled(method, np.random.default_rng(0))
    return method


def hues_and_chromas():
    """Hue and chroma of known colours are theirs, and are found in their bins."""
    known = [  # R, G, B; hue as a part of a turn, chroma
        ((1, 0, 0), 0, 1),
        ((0.5, 1, 0), 1 / 4, 1),
        ((0.2, 0.2, 0.7), 2 / 3, 0.5),
        ((0.6, 0.2, 0.5), 1 - 1 / 8, 0.4),
        ((0.3, 0.3, 0.3), 0, 0),
    ]
    rgb, hue, chroma = (np.float32([row[i] for row in known]) for i in range(3))
    found = color.hue_chroma(rgb)
    same(found[0], hue, "hue", atol=1e-5)
    same(found[1], chroma, "chroma", atol=1e-5)
    image = np.zeros((1, 8, 8), np.float32)
    image[0, 0, 0] = 1
    corner = color.histograms_at(image, np.int32([[[1, 1]]]))[0, 0]
    expected = np.eye(32)[0] * 24 / 25 + np.eye(32)[31] / 25
    same(corner, expected, "histogram of the 25 pixels that a corner has around it")


def histogram_loss():
    """The histogram loss weighs hue by chroma, and chroma by the room it has."""
    t, other = np.float32([[0.5, 0.5, 0, 0]]), np.float32([[1, 0, 0, 0]])
    zeros = np.zeros_like(t)
    for chroma, gray, expected in (
        (0.2, 0.5, 5 * 0.2 * np.log(2) + np.log(4)),
        (0.0, 0.1, 0.3 * np.log(4)),
        (1.0, 1.0, 5 * np.log(2)),
    ):
        weights = np.float32([chroma]), np.float32([gray])
        found = losses.hue_chroma_kl(t, other, zeros, zeros, *weights)
        same(found, expected, f"loss at chroma {chroma} and gray {gray}", atol=1e-5)


def few_places():
    """At few places a colorizer says what it says there when all are asked."""
    images = single(np.random.default_rng(1).random((2, 12, 12, 3)))
    dense, sparse = made(points=0), made(points=40)
    seeds = sparse.seeds({"n": tf.range(2)})
    places = sparse.places(seeds, (12, 12)).numpy()
    inside = places.min() >= 2 and places.max() < 10
    true(inside, "A place is outside the margin.")
    every = dense.answers(images, None)
    every = np.reshape(every, (2, 8, 8, -1))
    expected = [every[n][tuple((places[n] - 2).T)] for n in range(2)]
    same(sparse.answers(images, places), expected, "answers", atol=1e-5)


def counters_decide():
    """Where colours are asked depends on the numbers of the examples alone."""
    method = made()
    whole = method.places(method.seeds({"n": tf.range(6)}), (12, 12)).numpy()
    part = method.places(method.seeds({"n": tf.range(4, 6)}), (12, 12))
    same(part, whole[4:], "places of a part of the batch")
    true(len({p.tobytes() for p in whole}) > 1, "Two images have the same places.")


def gray_alone():
    """A colorizer sees gray: colours of one gray get one answer."""
    images = single(np.random.default_rng(1).random((2, 12, 12, 3)))
    method = made()
    places = method.places(method.seeds({"n": tf.range(2)}), (12, 12))
    answers = method.answers(images, places)
    other = method.answers(tf.reverse(images, [-1]), places)
    same(other, answers, "answers to the same gray", atol=1e-5)


CHECKS = (
    hues_and_chromas,
    histogram_loss,
    few_places,
    counters_decide,
    gray_alone,
)

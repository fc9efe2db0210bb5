"""Rotation: which turn is which, and what even answers cost."""

import numpy as np

from sslzoo.methods import rotation
from sslzoo.verify.checking import same
from sslzoo.verify.small import mean_colour, single


def turns_to_the_pixel():
    """Copy k of an image is it turned k times by 90 degrees against the clock."""
    images = np.random.default_rng(0).random((2, 5, 5, 3))
    found = np.asarray(rotation.quarter_turns(single(images)))
    for k in range(4):
        same(found[k::4], np.rot90(images, k, axes=(1, 2)), f"turn {k}", atol=1e-6)


def turns_by_hand():
    """The loss is the mean of -log p of the right turn, over all four."""
    method = rotation.Rotation(mean_colour(), None)
    p = np.array([0.1, 0.2, 0.3, 0.4])
    method.classifier.set_weights([np.zeros((6, 4)), np.log(p)])
    found = method.test_step({"view1": single(np.ones((3, 4, 4, 3)))})
    same(found["loss"], -np.log(p).mean(), "loss")
    same(found["accuracy"], 1 / 4, "accuracy")


CHECKS = (turns_to_the_pixel, turns_by_hand)

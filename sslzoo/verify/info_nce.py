"""The plane between BYOL and SimCLR: its loss, worked out term by term."""

import numpy as np

from sslzoo.methods import info_nce
from sslzoo.optim.sgd import SGD
from sslzoo.verify.checking import same, true
from sslzoo.verify.small import batch, mean_colour, settled

ALPHA = 0.2


def made(**settings):
    """Somewhere on the plane, with weights that are always the same."""
    settings = dict(steps=10, hidden=16, outputs=8, alpha=ALPHA, **settings)
    method = info_nce.InfoNCE(mean_colour(), example=None, **settings)
    method.compile(SGD(0.1))
    settled(method, np.random.default_rng(0))
    return method


def unit(z):
    z = np.asarray(z, np.float64)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def crowded(like, unlike):
    """ln of the sum over all views but itself, `[n]`, of two matrices of cosines."""
    sizes = np.exp(like / ALPHA)
    np.fill_diagonal(sizes, 0)
    return np.log(sizes.sum(1) + np.exp(unlike / ALPHA).sum(1))


def negatives():
    """Negatives are all other views of the batch, never the view itself."""
    seen = batch()
    for beta in (0.0, 0.5, 1.0):
        method = made(predictor="none", target="stop", beta=beta)
        z1, z2 = (unit(z) for z in method.look(seen).values())
        both = crowded(z1 @ z1.T, z1 @ z2.T) + crowded(z2 @ z2.T, z2 @ z1.T)
        expected = 4 - 4 * np.mean(np.sum(z1 * z2, axis=1))
        expected += 2 * ALPHA * beta * np.mean(both)
        same(method.test_step(seen)["loss"], expected, f"loss of beta {beta}", 1e-3)


def only_online_sides_learn():
    """A stopped target teaches nothing: an online one doubles the gradient."""
    seen, moved = batch(), {}
    for target in ("online", "stop"):
        method = made(predictor="none", target=target)
        start = np.asarray(method.backbone.get_layer("features").kernel)
        method.train_step(seen)
        moved[target] = method.backbone.get_layer("features").kernel - start
    true(np.abs(moved["stop"]).max() > 0, "The loss does not reach the backbone.")
    same(moved["online"], 2 * moved["stop"], "step of an online target", 1e-2, 1e-5)


CHECKS = (negatives, only_online_sides_learn)

"""SimCLR: its loss, and that both views are one batch."""

import numpy as np

from sslzoo.methods import simclr
from sslzoo.optim.sgd import SGD
from sslzoo.verify.checking import same
from sslzoo.verify.info_nce import ALPHA, crowded, unit
from sslzoo.verify.small import batch, mean_colour, settled


def made():
    method = simclr.SimCLR(mean_colour(), None, ALPHA, hidden=16, outputs=8)
    method.compile(SGD(0.1))
    settled(method, np.random.default_rng(0))
    return method


def told_apart():
    """Each view is told from all others, and the two directions are added."""
    method, seen = made(), batch()
    z1, z2 = (unit(z) for z in method.look(seen).values())
    both = crowded(z1 @ z1.T, z1 @ z2.T) + crowded(z2 @ z2.T, z2 @ z1.T)
    expected = np.mean(both) - 2 * np.mean(np.sum(z1 * z2, axis=1)) / ALPHA
    same(method.test_step(seen)["loss"], expected, "loss", 1e-3)


def one_pass():
    """Both views are normalised together: running averages move once in a step."""
    method, seen = made(), batch()
    pooled = [method.backbone(seen[v])["pooled"] for v in ("view1", "view2")]
    kernel = np.asarray(method.projector.get_layer("hidden1").kernel, np.float64)
    expected = 0.1 * (np.concatenate(pooled) @ kernel).mean(0)
    method.train_step(seen)
    found = method.projector.get_layer("norm1").moving_mean
    same(found, expected, "running mean of the projector", 1e-3, 1e-5)


CHECKS = (told_apart, one_pass)

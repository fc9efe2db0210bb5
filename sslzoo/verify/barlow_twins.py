"""Barlow Twins: its correlations."""

import numpy as np

from sslzoo.methods import barlow_twins
from sslzoo.verify.checking import same
from sslzoo.verify.small import batch, mean_colour, settled


def correlations():
    """The loss is of the correlations of columns: 1 with itself, 0 with others."""
    method, seen = (
        barlow_twins.BarlowTwins(mean_colour(), None, 0.3, outputs=8),
        batch(),
    )
    settled(method, np.random.default_rng(0))
    z1, z2 = (np.float64(z).T for z in method.look(seen).values())
    c = np.corrcoef(z1, z2)[:8, 8:]
    own = np.diagonal(c)
    expected = np.sum((1 - own) ** 2) + 0.3 * (np.sum(c**2) - np.sum(own**2))
    same(method.test_step(seen)["loss"], expected, "loss", 1e-2)


CHECKS = (correlations,)

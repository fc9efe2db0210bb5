"""VICReg: its variance, invariance and covariance."""

import numpy as np

from sslzoo.methods import vicreg
from sslzoo.verify.checking import same
from sslzoo.verify.small import batch, mean_colour, settled


def three_terms():
    """The loss is of distances, of unbiased deviations below 1, and of covariances."""
    weights, seen = (3.0, 5.0, 7.0), batch()
    method = vicreg.VICReg(mean_colour(), None, *weights, outputs=8)
    settled(method, np.random.default_rng(0))
    z1, z2 = (np.float64(z) for z in method.look(seen).values())
    expected = 3 * np.mean((z1 - z2) ** 2)
    for z in (z1, z2):
        cov = np.cov(z.T)
        own = np.diagonal(cov)
        expected += 5 * np.mean(np.maximum(0, 1 - np.sqrt(own + 1e-4))) / 2
        expected += 7 * (np.sum(cov**2) - np.sum(own**2)) / 8
    same(method.test_step(seen)["loss"], expected, "loss", 1e-3)


CHECKS = (three_terms,)

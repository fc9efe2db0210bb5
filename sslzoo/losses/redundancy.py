"""Losses that keep the columns of a projection apart, in place of its rows.

Both are of the batch of all replicas, with a gradient through every row of it.
"""

from keras import ops

from sslzoo import distribute
from sslzoo.errors import BadInput


def barlow_twins(z1, z2, redundancy=5e-3):
    """Zbontar et al., 2021: the correlations of two views' columns become 1 and 0.

        C_ij = mean over the batch of z1_i z2_j,   z of mean 0 and variance 1
        loss = sum_i (1 - C_ii)^2 + redundancy sum_{i != j} C_ij^2

    Args:
        z1, z2: `[n, d]`, row i of both from the same image.
    """
    z1, z2 = _standard(_every(z1)), _standard(_every(z2))
    n = ops.cast(ops.shape(z1)[0], z1.dtype)
    own = ops.mean(z1 * z2, axis=0)
    rest = _squares(z1, z2) / n**2 - ops.sum(ops.square(own))
    return ops.sum(ops.square(1 - own)) + redundancy * rest


def vicreg(z1, z2, invariance=25.0, variance=25.0, covariance=1.0):
    """Bardes et al., 2022: near each other, spread by columns, no column of another.

        s = mean |z1 - z2|^2 / d
        v = mean over columns of max(0, 1 - sqrt(var + 1e-4))
        c = sum_{i != j} cov_ij^2 / d
        loss = invariance s + variance (v(z1) + v(z2)) / 2 + covariance (c(z1) + c(z2))

    var and cov are unbiased. The halves of v are those of the authors' code; their
    equation has a factor of 1.

    Args:
        z1, z2: `[n, d]`, row i of both from the same image.
    """
    z1, z2 = _every(z1), _every(z2)
    loss = invariance * ops.mean(ops.square(z1 - z2))
    for z in (z1, z2):
        z = z - ops.mean(z, axis=0)
        n = ops.cast(ops.maximum(ops.shape(z)[0] - 1, 1), z.dtype)
        own = ops.sum(ops.square(z), axis=0) / n
        rest = _squares(z, z) / n**2 - ops.sum(ops.square(own))
        thin = ops.mean(ops.relu(1 - ops.sqrt(own + 1e-4)))
        loss += variance * thin / 2 + covariance * rest / z.shape[-1]
    return loss


def _squares(a, b):
    """sum_ij (a^T b)_ij^2 = sum_kl (a a^T)_kl (b b^T)_kl, by the smaller matrices."""
    n, d = a.shape
    if n is None or n > d:
        return ops.sum(ops.square(ops.matmul(ops.transpose(a), b)))
    by_rows = (ops.matmul(z, ops.transpose(z)) for z in (a, b))
    return ops.sum(ops.multiply(*by_rows))


def _every(z):
    """The rows of all replicas."""
    z = distribute.gather(z)
    if z.shape[0] == 1:
        raise BadInput("A batch of 1 image has no variance. Give batch_size=2 or more.")
    return z


def _standard(z):
    """Columns of mean 0 and variance 1, the biased, as batch normalisation has it."""
    z = z - ops.mean(z, axis=0)
    return z * ops.rsqrt(ops.mean(ops.square(z), axis=0) + 1e-5)

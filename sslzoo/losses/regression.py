"""Losses that pull a prediction onto a target."""

from keras import ops

from sslzoo import distribute


def cosine_distance(prediction, target):
    """Squared distance between unit vectors, the loss of BYOL (its equation 2).

        || p/|p| - y/|y| ||^2  =  2 - 2 cos(p, y),   in [0, 4]

    Args:
        prediction, target: `[n, d]`, row i of both from the same image.

    Returns:
        The mean over the n rows.
    """
    return ops.mean(2 - 2 * ops.sum(unit(prediction) * unit(target), axis=-1))


def normed_distance(prediction, target, norm="l2"):
    """BYOL's loss by another norm (its Table 20): the mean over rows of

        | m(p) - m(y) |^2

    m is "l2", x / |x|, which makes it `cosine_distance`; "layer", each row less its
    mean, by its deviation and by sqrt(d); "batch", each column likewise, over the
    batch of all replicas; or "none", x itself.

    Args:
        prediction, target: `[n, d]`, row i of both from the same image.
    """
    apart = NORMS[norm](prediction) - NORMS[norm](target)
    return ops.mean(ops.sum(ops.square(apart), axis=-1))


def best_linear(z, y, ridge=1e-3):
    """The linear predictor that is best on this batch, `[d, d]`: z Q is near y.

        Q = (z'z / n + ridge tr(z'z / n) / d)^-1 z'y / n

    Ridge regression over the n rows of all replicas; the ridge is relative, so that
    it does not depend on the length of projections. The gradient goes through z; y is
    a constant.

    Args:
        z, y: `[n, d]`, online and target projections, row i of both from one image.
            With n < d any y is met, ridge aside: nothing would be learned.
    """
    z, y = distribute.gather(z), distribute.gather(ops.stop_gradient(y))
    n, d = ops.cast(ops.shape(z)[0], z.dtype), z.shape[-1]
    square = ops.matmul(ops.transpose(z), z) / n
    square += ridge * ops.mean(ops.diagonal(square)) * ops.eye(d, dtype=z.dtype)
    return ops.solve(square, ops.matmul(ops.transpose(z), y) / n)


def half_squares(prediction, target, known=None):
    """Half the squared distance at every place of a map (split-brain's equation 1).

        l = 1/2 |x - y|^2

    Args:
        prediction, target: `[..., c]`.
        known: `[...]`, true where there is a target. Elsewhere the loss is 0, and the
            place counts all the same: so a batch costs what its shares do, however
            many replicas have them.

    Returns:
        The mean over all places, of the sum over c.
    """
    loss = ops.sum(ops.square(prediction - target), axis=-1) / 2
    return ops.mean(loss if known is None else ops.where(known, loss, 0))


def unit(x):
    """x / |x| along the last axis: x * rsqrt(max(sum x^2, 1e-12)), as the code has."""
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, 1e-12))


def _by_row(x):
    """Layer normalisation without parameters, by sqrt(d)."""
    x = x - ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt((variance + EPSILON) * x.shape[-1])


def _by_column(x):
    """Batch normalisation without parameters, by sqrt(d), over all replicas."""
    everyone = distribute.gather(x)
    mean = ops.mean(everyone, axis=0)
    variance = ops.mean(ops.square(everyone - mean), axis=0)
    return (x - mean) * ops.rsqrt((variance + EPSILON) * x.shape[-1])


EPSILON = 1e-5
NORMS = {"l2": unit, "layer": _by_row, "batch": _by_column, "none": lambda x: x}

"""Losses that pull a prediction onto a target."""

from keras import ops


def cosine_distance(prediction, target):
    """Squared distance between unit vectors, the loss of BYOL (its equation 2).

        || p/|p| - y/|y| ||^2  =  2 - 2 cos(p, y),   in [0, 4]

    Args:
        prediction, target: `[n, d]`, row i of both from the same image.

    Returns:
        The mean over the n rows.
    """
    return ops.mean(2 - 2 * ops.sum(unit(prediction) * unit(target), axis=-1))


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

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


def unit(x):
    """x / |x| along the last axis: x * rsqrt(max(sum x^2, 1e-12)), as the code has."""
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, 1e-12))

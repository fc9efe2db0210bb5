"""Losses that want what belongs together nearer than what does not."""

from keras import ops

from sslzoo import distribute
from sslzoo.errors import BadInput


def semi_hard_triplet(z, margin=0.5, squared=True, everyone=True):
    """The triplet loss of FaceNet (Schroff et al., 2015), as TensorFlow 1 mined it.

        loss = mean_{a, p} max(0, margin + d(a, p) - d(a, n(a, p)))

    over all ordered pairs of copies a, p of one image, a not p. n is the nearest copy
    of another image that is farther from a than p; where there is none, the farthest.

    Args:
        z: `[n, k, d]`, the k copies of n images. On several replicas n is the share of
            this one; the others lend theirs as negatives.
        squared: whether d is the squared Euclidean distance, as in Revisiting's code,
            or the distance, as its paper can be read.
        everyone: False mines within this replica, as their code does.

    Returns:
        The mean over the pairs of this replica.
    """
    n, k = ops.shape(z)[:2]
    positive = ops.expand_dims(distances(z, z, squared), -1)  # [n, k, k, 1]
    d, other = to_all(z, squared, everyone)
    if d.shape[-1] == k:
        raise BadInput(
            "A batch of 1 image has no other to tell it from. Give batch_size=2 or more"
            + (", of each replica." if not everyone else ".")
        )
    d, other = ops.expand_dims(d, 2), ops.expand_dims(other, 2)  # [n, k, 1, all]
    beyond = ops.logical_and(other, d > positive)
    nearest = ops.min(ops.where(beyond, d, float("inf")), axis=-1)
    farthest = ops.max(ops.where(other, d, float("-inf")), axis=-1)
    negative = ops.where(ops.any(beyond, axis=-1), nearest, farthest)
    loss = ops.relu(margin + positive[..., 0] - negative)
    pairs = 1 - ops.eye(k, dtype=loss.dtype)
    return ops.sum(loss * pairs) / ops.cast(n * k * (k - 1), loss.dtype)


def nearest_is_own(z, everyone=True):
    """Of how many copies the nearest other is of the same image: `[n, k]`, 0 or 1."""
    itself = ops.eye(ops.shape(z)[1]) * 1e30
    own = ops.min(distances(z, z) + itself, axis=-1)
    d, other = to_all(z, everyone=everyone)
    return ops.cast(own < ops.min(ops.where(other, d, float("inf")), -1), "float32")


def to_all(z, squared=True, everyone=True):
    """Distances `[n, k, all]` to every copy that there is, and which are of others."""
    n, k, dimensions = ops.shape(z)
    all_z = distribute.gather(z) if everyone else z
    first = distribute.first_row(z) if everyone else 0
    image = ops.repeat(ops.arange(ops.shape(all_z)[0]), k)
    other = image != ops.reshape(first + ops.arange(n), (n, 1, 1))
    return distances(z, ops.reshape(all_z, (1, -1, dimensions)), squared), other


def distances(a, b, squared=True):
    """|a_i - b_j| or its square, `[..., i, j]` of `[..., i, d]` and `[..., j, d]`."""
    square = ops.sum(ops.square(a), -1)[..., :, None]
    square = square + ops.sum(ops.square(b), -1)[..., None, :]
    square = square - 2 * ops.matmul(a, ops.swapaxes(b, -1, -2))
    square = ops.maximum(square, 0)  # What cancels may fall below.
    if squared:
        return square
    # At 0 the root has no slope: none is taken.
    apart = square > 0
    return ops.where(apart, ops.sqrt(ops.where(apart, square, 1)), 0)

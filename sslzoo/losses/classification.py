"""Losses that tell a class, at every place of a map or once."""

from keras import ops


def cross_entropy(logits, bins, weights=None, counts=None):
    """Cross entropy between what a place is and what is said of it.

        l = -sum_q H_q log p_q,   p = softmax(logits)

    H is one-hot where only bins are given, else `weights` on several bins. With
    `counts` each place's loss is multiplied by that of its foremost bin: see
    `color.rebalancing`. Zhang et al. (2016) multiply the gradient so, and report the
    loss without; here it is in both.

    Args:
        logits: `[..., Q]`.
        bins: int `[...]`; or `[..., k]` with weights of the same shape.
        counts: `[Q]`.

    Returns:
        The mean over all places.
    """
    logits = ops.convert_to_tensor(logits)
    if weights is None:
        bins = ops.expand_dims(bins, -1)
        weights = ops.ones_like(bins, dtype=logits.dtype)
    said = ops.take_along_axis(logits, bins, axis=-1)
    said = said - ops.logsumexp(logits, axis=-1, keepdims=True)
    loss = -ops.sum(weights * said, axis=-1)
    if counts is not None:
        first = ops.argmax(weights, axis=-1, keepdims=True)
        first = ops.take_along_axis(bins, first, axis=-1)[..., 0]
        loss = loss * ops.take(ops.convert_to_tensor(counts, loss.dtype), first)
    return ops.mean(loss)

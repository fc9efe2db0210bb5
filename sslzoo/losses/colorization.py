"""What a wrong colour costs, at the places of an image where it is asked.

Each is the mean over all places, also over those that count little: where a picture is
gray, its hue costs nothing, and the loss is so much smaller.
"""

from keras import ops


def hue_chroma_kl(hue, chroma, hue_logits, chroma_logits, centre, gray, hue_scale=5.0):
    """The histogram loss of Larsson et al.

        loss = mean_i 5 C_i KL(hue_i || softmax(.)) + w_i KL(chroma_i || softmax(.))
        w_i  = min(3 Y_i, 1, 3 (1 - Y_i))

    So hue counts where there is colour, and chroma not where black or white leave it no
    room.

    Args:
        hue, chroma: the targets, `[..., bins]`, of the sum 1; and logits of the same.
        centre, gray: C and Y of the pixel in the middle, `[...]`: its chroma and gray.
    """
    room = ops.clip(ops.minimum(3 * gray, 3 * (1 - gray)), 0, 1)
    loss = hue_scale * centre * kl(hue, hue_logits) + room * kl(chroma, chroma_logits)
    return ops.mean(loss)


def kl(target, logits):
    """KL(t || p) = sum_k t_k (log t_k - log p_k),   p = softmax(logits): `[...]`.

    A bin that is never found, t_k = 0, adds nothing.
    """
    found = ops.where(target > 0, target, 1)
    return ops.sum(target * (ops.log(found) - ops.log_softmax(logits)), axis=-1)


def squared_error(prediction, target):
    """mean_i |prediction_i - target_i|^2, of colours `[..., c]`."""
    return ops.mean(ops.sum(ops.square(prediction - target), axis=-1))

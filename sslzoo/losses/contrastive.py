"""Losses that tell the other view of an image from views of other images.

    S(u, v) = cos(phi(u), psi(v))

phi is what the network says of a view, psi what it is compared with: the same, or what
a target says. Others, the negatives, are those of all replicas; a gradient goes through
them too, on whatever replica they were made.
"""

import keras
from keras import ops

from sslzoo import distribute
from sslzoo.errors import BadInput
from sslzoo.losses.regression import cosine_distance, unit


def info_nce(phi1, phi2, psi1, psi2, alpha, beta):
    """What stands between BYOL and SimCLR: the paper's InfoNCE^{alpha, beta}, negated.

        InfoNCE = 2/n sum_i S(v_i, v'_i) - beta 2 alpha/n sum_i ln crowd_i
        crowd_i = sum_{j != i} exp(S(v_i, v_j)/alpha) + sum_j exp(S(v_i, v'_j)/alpha)
        loss    = (2 - InfoNCE of v, v') + (2 - InfoNCE of v', v)

    v are the first views and v' the second. beta 0: the loss of BYOL. beta 1 with psi =
    phi: 4 + 4 alpha `nt_xent`, the loss of SimCLR.

    Args:
        phi1, phi2, psi1, psi2: `[n, d]`, row i of all from the same image.
        alpha: the temperature, positive.
        beta: how much the others count, from 0 to 1.
    """
    loss = cosine_distance(phi1, psi2) + cosine_distance(phi2, psi1)
    if beta:
        first, second, _ = cosines(phi1, phi2, psi1, psi2)
        crowds = (ops.logsumexp(every / alpha, axis=1) for every in (first, second))
        loss += 2 * alpha * beta * ops.mean(sum(crowds))
    return loss


def nt_xent(z1, z2, temperature):
    """Normalised temperature-scaled cross entropy, the loss of SimCLR.

    Over the 2n embeddings z of n images seen twice, j(i) the other view of image i:

        l_i = -log( exp(cos(z_i, z_j(i)) / t) / sum_{k != i} exp(cos(z_i, z_k) / t) )

    Args:
        z1, z2: `[n, d]`, row i of both from the same image.
        temperature: t, positive.

    Returns:
        The mean of l_i over the 2n embeddings of this replica; and the part of them to
        which no other is more like than the other view.
    """
    first, second, other = cosines(z1, z2, z1, z2)
    every, other = ops.concatenate([first, second]), ops.concatenate([other, other])
    loss = keras.losses.sparse_categorical_crossentropy(
        other, every / temperature, from_logits=True
    )
    right = ops.argmax(every, axis=1) == other
    return ops.mean(loss), ops.mean(ops.cast(right, "float32"))


def cosines(phi1, phi2, psi1, psi2):
    """S of each first view with all first views, then with all second; and vice versa.

    With itself, S is -1e9: no part of any sum.

    Returns:
        Two of `[n, 2N]`, N being the batch of all replicas; and `[n]`, the column in
        which, of both, the other view of an image is.
    """
    all1, all2 = (distribute.gather(unit(psi)) for psi in (psi1, psi2))
    n, total = ops.shape(phi1)[0], ops.shape(all1)[0]
    if all1.shape[0] == 1:
        raise BadInput(
            "A batch of 1 image has none to tell it from. Give batch_size=2 or more."
        )
    image = distribute.first_row(phi1) + ops.arange(n)
    itself = ops.one_hot(image, total) > 0

    def of(phi, same, other):
        like = ops.matmul(unit(phi), ops.transpose(same))
        unlike = ops.matmul(unit(phi), ops.transpose(other))
        return ops.concatenate([ops.where(itself, -1e9, like), unlike], axis=1)

    return of(phi1, all1, all2), of(phi2, all2, all1), total + image


def against_queue(q, k, queue, temperature):
    """The loss of MoCo, whose negatives are keys of earlier batches.

        l_i = -log( exp(q_i k_i / t) / (exp(q_i k_i / t) + sum_j exp(q_i queue_j / t)) )

    Args:
        q, k: `[n, d]`, queries and their keys, made unit vectors here.
        queue: `[K, d]`, unit vectors.

    Returns:
        The mean of l_i, and the part of the queries to which no key of the queue is
        more like than their own.
    """
    q = unit(q)
    own = ops.sum(q * unit(k), axis=1, keepdims=True)
    logits = ops.concatenate([own, ops.matmul(q, ops.transpose(queue))], axis=1)
    right = ops.cast(ops.argmax(logits, axis=1) == 0, "float32")
    logits = logits / temperature
    return ops.mean(ops.logsumexp(logits, axis=1) - logits[:, 0]), ops.mean(right)

"""How far fine-tuning moves features (Larsson et al., 2017), arXiv:1703.04044, Fig. 3.

    r_c = corr(f_c, f'_c)

over all places of all held-out images: Pearson's, of channel c of a layer before (f)
and after (f'). The figure shows the median over the channels of each layer, and their
quartiles. A high r is a feature that was of use as it was. Which correlation the paper
takes, and over what, is not recorded.
"""

import numpy as np
import tensorflow as tf

from sslzoo.errors import BadInput
from sslzoo.evaluation.features import features
from sslzoo.zoo.load import known_feature


def evaluate(before, after, source, size, names=None, crop=None, batch_size=64):
    """The correlation of each layer of two models of the same features.

    Args:
        before, after: from RGB in [0, 1] to dicts of features, with the same channels.
        source: images that neither has learned from.
        size, crop: of the images shown, as `features` has them.
        names: of the features; all that both have without.

    Returns:
        {name: {"median", "low", "high", "channels", "constant"}}: the quartiles are low
        and high, "constant" the channels that have no correlation, since one of both
        is the same everywhere.
    """
    pairs = _pairs(before, after, names)

    def moments(images, training=False):
        ours, theirs = before(images, training=False), after(images, training=False)
        return {name: _moments(ours[name], theirs[name]) for name in pairs}

    found = features(moments, source, size, batch_size, None, pairs, crop)
    return {name: _summary(found[name].astype(np.float64)) for name in pairs}


def _pairs(before, after, names):
    ours, theirs = before.output, after.output
    if names is None:
        names = [name for name in ours if name in theirs]
    for name in names:
        a, b = (of[known_feature(name, of)].shape[-1] for of in (ours, theirs))
        if a != b:
            raise BadInput(
                f"{name} has {a} channels before and {b} after: give a network and "
                "what fine-tuning made of it."
            )
    return tuple(names)


def _moments(x, y):
    """Of each image and channel: both means, both squares, the product, `[n, c, 5]`.

    Squares and product are about the means of the image, so that few digits are lost.
    """
    x, y = (_flat(tf.cast(z, tf.float32)) for z in (x, y))
    mx, my = (tf.reduce_mean(z, axis=1, keepdims=True) for z in (x, y))
    dx, dy = x - mx, y - my
    about = [tf.reduce_mean(z, axis=1) for z in (dx * dx, dy * dy, dx * dy)]
    return tf.stack([mx[:, 0], my[:, 0], *about], axis=-1)


def _flat(x):
    """`[n, places, c]`."""
    return tf.reshape(x, (tf.shape(x)[0], -1, x.shape[-1]))


def _summary(moments):
    """Total = within images + between them."""
    x, y, within = moments[..., 0], moments[..., 1], moments[..., 2:].mean(axis=0)
    dx, dy = x - x.mean(axis=0), y - y.mean(axis=0)
    between = np.stack([dx * dx, dy * dy, dx * dy], axis=-1).mean(axis=0)
    xx, yy, xy = (within + between).T
    moves = (xx > 1e-12) & (yy > 1e-12)
    r = xy[moves] / np.sqrt(xx[moves] * yy[moves])
    low, median, high = np.quantile(r, [0.25, 0.5, 0.75]) if len(r) else [np.nan] * 3
    return {
        "median": float(median),
        "low": float(low),
        "high": float(high),
        "channels": len(xx),
        "constant": int((~moves).sum()),
    }

"""Exemplar: the triplets that are mined, at values worked by hand."""

import numpy as np
import tensorflow as tf

from sslzoo.losses import triplet
from sslzoo.methods import exemplar
from sslzoo.verify.checking import same, true
from sslzoo.verify.small import single


def semi_hard_by_hand():
    """Of strangers the nearest beyond the copy is taken, else the farthest."""
    near = single([[[0.0], [1.0]], [[3.0], [4.0]]])
    same(triplet.semi_hard_triplet(near, 4.0), 1 / 2, "nearest beyond")
    far = single([[[0.0], [10.0]], [[1.0], [2.0]]])
    same(triplet.semi_hard_triplet(far, 1.0), (97 + 20) / 4, "none beyond")


def copies_share_their_gray():
    """An image loses its colours before it is copied: all copies, or none."""
    images = np.random.default_rng(0).random((32, 8, 8, 3))
    seeds = np.stack([np.zeros(32, np.int64), np.arange(32)], axis=-1)
    item = {"image": single(images)}
    copies = exemplar.Copies(6, 2, gray=0.5)(item, tf.constant(seeds))["copies"]
    gray = np.ptp(np.asarray(copies), axis=-1).max(axis=(2, 3)) < 1e-5
    true((gray[:, 0] == gray[:, 1]).all(), "Copies of one image differ in having gray.")
    true(0 < gray.mean() < 1, "All images are gray, or none is, where half should be.")


CHECKS = (semi_hard_by_hand, copies_share_their_gray)

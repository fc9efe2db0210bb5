"""Cross entropy over maps, against NumPy in float64, and at values known by hand."""

import numpy as np
import pytest
import tensorflow as tf

from sslzoo import color
from sslzoo.losses.classification import cross_entropy


def by_hand(logits, dense, counts=None):
    """The equation, one place at a time; `dense` is H."""
    logits, total = np.float64(logits), 0.0
    places = logits.reshape(-1, logits.shape[-1])
    for z, h in zip(places, dense.reshape(len(places), -1)):
        p = np.exp(z - z.max())
        p /= p.sum()
        loss = -sum(h[q] * np.log(p[q]) for q in range(len(h)) if h[q])
        total += loss * (1 if counts is None else counts[h.argmax()])
    return total / len(places)


@pytest.mark.parametrize("counts", [None, np.linspace(0, 3, 7)])
def test_it_is_its_equation(counts):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (2, 3, 4, 7)).astype("float32")
    bins = rng.integers(0, 7, (2, 3, 4))
    found = cross_entropy(logits, bins, counts=counts)
    np.testing.assert_allclose(found, by_hand(logits, np.eye(7)[bins], counts), 1e-5)
    # Softly: three bins of each place, none twice, of which any may be the foremost.
    bins = np.argsort(rng.random((2, 3, 4, 7)), axis=-1)[..., :3]
    weights = rng.dirichlet(np.ones(3), (2, 3, 4)).astype("float32")
    dense = np.asarray(color.dense(bins, 7, weights), "float64")
    found = cross_entropy(logits, bins, weights, counts)
    np.testing.assert_allclose(found, by_hand(logits, dense, counts), 1e-5)


@pytest.mark.parametrize("classes", [313, 50])
def test_who_knows_nothing_pays_the_logarithm_of_all(classes):
    loss = cross_entropy(
        np.zeros((2, 5, 5, classes), "float32"), np.ones((2, 5, 5), int)
    )
    np.testing.assert_allclose(loss, np.log(classes), rtol=1e-6)


def test_large_logits_give_no_infinity_and_a_gradient():
    logits = tf.constant([[1e4, 0.0, -1e4]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(logits, np.array([2]))
    np.testing.assert_allclose(loss, 2e4)
    np.testing.assert_allclose(tape.gradient(loss, logits), [[1, 0, -1]])


def test_counts_multiply_the_gradient():
    logits, counts = tf.constant([[0.0, 0.0], [0.0, 0.0]]), np.float32([4, 0.5])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(logits, np.array([0, 1]), counts=counts)
    expected = np.array([[-0.5, 0.5], [0.5, -0.5]]) / 2 * counts[:, None]
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, rtol=1e-6)

import numpy as np
import tensorflow as tf

from sslzoo.losses.regression import cosine_distance, half_squares


def test_it_is_the_squared_distance_of_unit_vectors():
    p, y = np.random.default_rng(0).normal(size=(2, 6, 5))
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (p, y)]
    expected = np.mean(np.sum((unit[0] - unit[1]) ** 2, axis=1))
    np.testing.assert_allclose(cosine_distance(p, y), expected, rtol=1e-6)


def test_its_range_is_zero_to_four():
    e = np.eye(3, dtype="float32")
    assert float(cosine_distance(e, 5 * e)) == 0
    assert float(cosine_distance(e, e[[1, 2, 0]])) == 2
    assert float(cosine_distance(e, -e)) == 4


def test_a_zero_vector_gives_no_nan():
    assert (
        float(cosine_distance(np.zeros((1, 4), "float32"), np.ones((1, 4), "float32")))
        == 2
    )


def test_half_squares_are_half_of_the_squared_distance_at_each_place():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 4, 5, 2))
    expected = 0.5 * np.linalg.norm(x - y, axis=-1) ** 2
    np.testing.assert_allclose(half_squares(x, y), expected.mean(), rtol=1e-6)
    known = rng.random((3, 4, 5)) < 0.5
    found = half_squares(x, np.where(known[..., None], y, np.nan), known)
    np.testing.assert_allclose(found, np.sum(expected[known]) / 60, rtol=1e-6)


def test_a_place_where_nothing_is_known_teaches_nothing():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = half_squares(x, tf.zeros((2, 2)), np.array([True, False]))
    np.testing.assert_allclose(tape.gradient(loss, x), [[0.5, 1], [0, 0]])

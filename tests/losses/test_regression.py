import numpy as np

from sslzoo.losses.regression import cosine_distance


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

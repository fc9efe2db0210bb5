import numpy as np
import pytest
import tensorflow as tf

from sslzoo.losses.regression import (
    NORMS,
    best_linear,
    cosine_distance,
    half_squares,
    normed_distance,
)


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


def by_column(x):
    return (x - x.mean(0)) / np.sqrt((x.var(0) + 1e-5) * x.shape[1])


MAPS = {  # The paper's Table 20.
    "l2": lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
    "layer": lambda x: (
        (x - x.mean(1, keepdims=True))
        / np.sqrt((x.var(1, keepdims=True) + 1e-5) * x.shape[1])
    ),
    "batch": by_column,
    "none": lambda x: x,
}


@pytest.mark.parametrize("norm", NORMS)
def test_a_distance_by_any_norm_is_that_of_numpy(norm):
    p, y = np.random.default_rng(0).normal(2, 3, size=(2, 9, 5))
    expected = np.mean(np.sum((MAPS[norm](p) - MAPS[norm](y)) ** 2, axis=1))
    np.testing.assert_allclose(normed_distance(p, y, norm), expected, rtol=1e-5)
    assert set(MAPS) == set(NORMS)


def test_normalised_layers_are_of_length_one():
    """So that all but "none" are distances between 0 and 4 in the mean."""
    x = np.random.default_rng(0).normal(2, 3, size=(9, 5))
    rows = np.linalg.norm(NORMS["layer"](x), axis=1)
    np.testing.assert_allclose(rows, 1, rtol=1e-3)
    squares = np.sum(np.square(NORMS["batch"](x)), axis=1)
    np.testing.assert_allclose(np.mean(squares), 1, rtol=1e-3)


def test_by_columns_two_replicas_are_as_one(two_replicas):
    x = np.random.default_rng(0).normal(2, 3, size=(8, 5)).astype("float32")
    shares = two_replicas.experimental_distribute_values_from_function(
        lambda context: x[4 * context.replica_id_in_sync_group :][:4]
    )
    both = tf.function(lambda: two_replicas.run(NORMS["batch"], (shares,)))
    parts = two_replicas.experimental_local_results(both())
    np.testing.assert_allclose(tf.concat(parts, 0), by_column(x), rtol=1e-4)


def test_the_best_linear_predictor_is_that_of_scikit_learn():
    """Whose penalty is not relative, and not of the mean."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    z, y = np.random.default_rng(0).normal(size=(2, 20, 4))
    ridge = 0.3
    alpha = ridge * np.trace(z.T @ z) / 4
    model = linear_model.Ridge(alpha=alpha, fit_intercept=False).fit(z, y)
    np.testing.assert_allclose(best_linear(z, y, ridge), model.coef_.T, rtol=1e-5)


def test_the_best_linear_predictor_finds_the_one_that_is_there():
    rng = np.random.default_rng(0)
    z, q = rng.normal(size=(20, 4)), rng.normal(size=(4, 4))
    np.testing.assert_allclose(best_linear(z, z @ q, 1e-9), q, rtol=1e-5)
    longer = best_linear(7 * z, z @ q, 0.1)  # A relative ridge: no other prediction.
    np.testing.assert_allclose(7 * longer, best_linear(z, z @ q, 0.1), rtol=1e-5)


def test_the_gradient_goes_through_the_predictor_and_not_to_the_target():
    """By finite differences, of which those of y are not zero: it is stopped."""
    z, y = np.random.default_rng(0).normal(size=(2, 9, 3))

    def loss(z, y):
        return normed_distance(z @ best_linear(z, y), tf.constant(y0))

    y0, at, to = y, tf.constant(z), tf.constant(y)
    with tf.GradientTape() as tape:
        tape.watch([at, to])
        value = loss(at, to)
    to_z, to_y = tape.gradient(value, [at, to])
    expected = np.zeros_like(z)
    for place in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[place] = 1e-6
        ends = loss(tf.constant(z + step), y), loss(tf.constant(z - step), y)
        expected[place] = float(ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose(to_z, expected, rtol=1e-4, atol=1e-8)
    assert to_y is None and abs(float(loss(at, y + 0.1)) - float(value)) > 1e-4
    # With Q a constant it would be another.
    with tf.GradientTape() as tape:
        tape.watch(at)
        held = normed_distance(at @ tf.stop_gradient(best_linear(at, y)), y)
    assert abs(tape.gradient(held, at) - to_z).numpy().max() > 1e-3


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_by_any_norm_are_those_of_finite_differences(norm):
    p, y = np.random.default_rng(0).normal(2, 3, size=(2, 6, 4))
    at = tf.constant(p)
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = normed_distance(at, y, norm)
    expected = np.zeros_like(p)
    for place in np.ndindex(p.shape):
        step = np.zeros_like(p)
        step[place] = 1e-6
        up, down = (float(normed_distance(p + s, y, norm)) for s in (step, -step))
        expected[place] = (up - down) / 2e-6
    np.testing.assert_allclose(tape.gradient(value, at), expected, rtol=1e-4, atol=1e-7)


def test_the_best_linear_predictor_of_two_replicas_is_that_of_one(two_replicas):
    """And so is the gradient of a weight in front of it, added up."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(2, 12, 4)).astype("float32")
    start = tf.constant(rng.normal(size=(4, 3)).astype("float32"))

    def step(z, y, replicas):
        with tf.GradientTape() as tape:
            tape.watch(start)
            x, told = z @ start, y[:, :3]
            q = best_linear(x, told)
            loss = normed_distance(x @ q, told) / replicas
        return q, tape.gradient(loss, start)

    q, gradient = step(tf.constant(z), tf.constant(y), 1)
    shares = two_replicas.experimental_distribute_values_from_function(
        lambda context: np.stack([z, y])[:, 6 * context.replica_id_in_sync_group :][
            :, :6
        ]
    )

    @tf.function
    def both():
        return two_replicas.run(lambda x: step(x[0], x[1], 2), (shares,))

    found, parts = (two_replicas.experimental_local_results(v) for v in both())
    for each in found:
        np.testing.assert_allclose(each, q, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(sum(parts), gradient, rtol=1e-3, atol=1e-5)

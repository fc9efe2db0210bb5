"""Barlow Twins and VICReg: another library, closed forms, gradients, two replicas."""

import numpy as np
import pytest
import tensorflow as tf

from sslzoo.errors import BadInput
from sslzoo.losses import redundancy

# What lightly 1.5.26 was given too: more rows than columns, and fewer.
Z = np.cos(np.arange(2 * 6 * 5) ** 2.0).reshape(2, 6, 5)
WIDE = Z.reshape(2, 5, 6)


@pytest.mark.parametrize(
    "z, expected", [(Z, 4.888903200161373), (WIDE, 8.63821171124074)]
)
def test_barlow_twins_is_that_of_lightly(z, expected):
    """lightly.loss.BarlowTwinsLoss(0.0051)(*torch.tensor(z)), in float64."""
    ours = redundancy.barlow_twins(*z, 0.0051)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "z, weights, expected",
    [  # lightly.loss.VICRegLoss(*weights)(*torch.tensor(z)), in float64
        (Z, (25.0, 25.0, 1.0), 33.95417664028952),
        (Z, (3.0, 5.0, 7.0), 6.929993866426495),
        (WIDE, (25.0, 25.0, 1.0), 33.906711817005586),
        (WIDE, (3.0, 5.0, 7.0), 9.492804491852354),
    ],
)
def test_vicreg_is_that_of_lightly(z, weights, expected):
    np.testing.assert_allclose(redundancy.vicreg(*z, *weights), expected, rtol=1e-5)


def test_columns_that_say_one_thing_each_cost_nothing():
    """The columns of a Hadamard matrix are orthogonal, of mean 0 and variance 1."""
    two = np.array([[1.0, 1.0], [1.0, -1.0]])
    z = np.kron(np.kron(two, two), two)[:, 1:]
    assert float(redundancy.barlow_twins(z, z)) < 1e-6
    # Their unbiased deviation is sqrt(8 / 7), above 1.
    assert float(redundancy.vicreg(z, z)) < 1e-6
    same = np.repeat(z[:, :1], 3, axis=1)  # All correlations are 1.
    np.testing.assert_allclose(redundancy.barlow_twins(same, same, 0.5), 3, rtol=1e-4)
    # Nothing varies: each column falls short by 1 less the root of the epsilon.
    flat = redundancy.vicreg(0 * z, 0 * z, 1.0, 1.0, 1.0)
    np.testing.assert_allclose(flat, 1 - 0.01, rtol=1e-5)


LOSSES = {
    "barlow_twins": lambda z1, z2: redundancy.barlow_twins(z1, z2, 0.2),
    "vicreg": lambda z1, z2: redundancy.vicreg(z1, z2, 3.0, 5.0, 7.0),
}


@pytest.mark.parametrize("numbers", [Z, WIDE], ids=["rows", "columns"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_are_those_of_finite_differences(loss, numbers):
    z = tf.constant(numbers)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(z[0], z[1])
    expected = np.zeros_like(numbers)
    for place in np.ndindex(numbers.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = numbers.copy()
            moved[place] += step
            ends.append(float(loss(*tf.constant(moved))))
        expected[place] = (ends[0] - ends[1]) / 2e-6
    np.testing.assert_allclose(tape.gradient(value, z), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_two_replicas_have_the_loss_and_the_gradient_of_one(loss, two_replicas):
    z = np.random.default_rng(0).normal(size=(2, 8, 5)).astype("float32")
    start = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")

    def step(x, replicas):
        weight = tf.constant(start)
        with tf.GradientTape() as tape:
            tape.watch(weight)
            value = loss(x[0] @ weight, x[1] @ weight) / replicas
        return value, tape.gradient(value, weight)

    def share(context):
        n = context.replica_id_in_sync_group
        return z[:, 4 * n : 4 * n + 4]

    shares = two_replicas.experimental_distribute_values_from_function(share)
    both = tf.function(lambda: two_replicas.run(lambda x: step(x, 2), (shares,)))
    for two, one in zip(both(), step(tf.constant(z), 1)):
        total = two_replicas.reduce("SUM", two, axis=None)
        np.testing.assert_allclose(total, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", [redundancy.vicreg, redundancy.barlow_twins])
def test_a_last_batch_of_one_image_leaves_numbers(loss):
    """A graph does not know beforehand how many there are."""
    z = tf.constant([[1.0, 2.0, 3.0, 4.0]])
    spec = tf.TensorSpec((None, 4))

    @tf.function(input_signature=(spec, spec))
    def step(one, other):
        with tf.GradientTape() as tape:
            tape.watch(one)
            value = loss(one, other)
        return value, tape.gradient(value, one)

    for found in step(z, z + 1):
        assert np.isfinite(found).all()


@pytest.mark.parametrize("loss", [redundancy.vicreg, redundancy.barlow_twins])
def test_one_image_alone_has_no_variance(loss):
    with pytest.raises(BadInput, match="A batch of 1 image has no variance"):
        loss(tf.ones((1, 4)), tf.ones((1, 4)))

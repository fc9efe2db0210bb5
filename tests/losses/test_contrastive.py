"""Contrastive losses: their equations term by term, other libraries, gradients."""

import numpy as np
import pytest
import tensorflow as tf

from sslzoo.errors import BadInput
from sslzoo.losses import contrastive
from sslzoo.losses.regression import cosine_distance


def told():
    """What lightly 1.5.26 was given too: `[2, 6, 5]`, and a queue `[8, 5]`."""
    z = np.cos(np.arange(2 * 6 * 5) ** 2.0).reshape(2, 6, 5)
    queue = np.sin(np.arange(8 * 5) ** 2.0).reshape(8, 5)
    return z, queue / np.linalg.norm(queue, axis=1, keepdims=True)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def by_hand(phi, psi, alpha, beta):
    """The paper's equation, one term at a time: v is 0, v' is 1, then the reverse."""
    n, loss = len(phi[0]), 0
    for v, other in ((0, 1), (1, 0)):
        near = sum(cosine(phi[v][i], psi[other][i]) for i in range(n))
        crowd = 0
        for i in range(n):
            like = [cosine(phi[v][i], psi[v][j]) for j in range(n) if j != i]
            unlike = [cosine(phi[v][i], psi[other][j]) for j in range(n)]
            crowd += np.log(sum(np.exp(np.array(like + unlike) / alpha)))
        loss += 2 - (2 / n * near - beta * 2 * alpha / n * crowd)
    return loss


@pytest.mark.parametrize("n, alpha, beta", [(2, 0.5, 1), (4, 0.1, 0.5), (7, 1.0, 1)])
def test_info_nce_is_its_equation(n, alpha, beta):
    phi, psi = np.random.default_rng(n).normal(size=(2, 2, n, 5))
    ours = contrastive.info_nce(*phi, *psi, alpha, beta)
    np.testing.assert_allclose(ours, by_hand(phi, psi, alpha, beta), rtol=1e-5)


def test_without_negatives_it_is_byols_loss():
    phi, psi = np.random.default_rng(0).normal(size=(2, 2, 6, 5))
    ours = contrastive.info_nce(*phi, *psi, 0.1, 0.0)
    expected = cosine_distance(phi[0], psi[1]) + cosine_distance(phi[1], psi[0])
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("t", [0.1, 0.5])
def test_with_all_negatives_and_one_network_it_is_simclrs(t):
    """But for a factor and a constant, the "minor details" of the appendix."""
    z1, z2 = np.random.default_rng(0).normal(size=(2, 6, 5))
    ours = contrastive.info_nce(z1, z2, z1, z2, t, 1.0)
    loss, _ = contrastive.nt_xent(z1, z2, t)
    np.testing.assert_allclose(ours, 4 + 4 * t * float(loss), rtol=1e-5)


@pytest.mark.parametrize(
    "t, expected",
    [  # lightly.loss.NTXentLoss(t)(*torch.tensor(z)), in float64
        (0.1, 7.037617403406233),
        (0.5, 2.719816394654835),
    ],
)
def test_nt_xent_is_that_of_lightly(t, expected):
    z, _ = told()
    np.testing.assert_allclose(contrastive.nt_xent(*z, t)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("t", [0.1, 0.5])
def test_nt_xent_is_the_cross_entropy_of_torch(t):
    """Of all 2n embeddings against all, the diagonal left out."""
    torch = pytest.importorskip("torch")
    z = np.random.default_rng(1).normal(size=(2, 7, 5))
    every = torch.nn.functional.normalize(torch.tensor(z.reshape(14, 5)), dim=1)
    logits = every @ every.T / t
    logits.fill_diagonal_(-torch.inf)
    other = torch.arange(14).roll(7)
    expected = torch.nn.functional.cross_entropy(logits, other)
    loss, found = contrastive.nt_xent(*z, t)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    right = (logits.argmax(1) == other).double().mean()
    np.testing.assert_allclose(found, right, rtol=1e-6)


def test_a_single_image_is_refused():
    """There is no other image to be told from: the loss would be 0 for ever."""
    z = np.random.default_rng(0).normal(size=(1, 5))
    with pytest.raises(BadInput, match="batch_size=2 or more"):
        contrastive.nt_xent(z, z, 0.1)
    with pytest.raises(BadInput, match="batch_size=2 or more"):
        contrastive.info_nce(z, z, z, z, 0.1, 1.0)


def test_orthogonal_images_cost_what_can_be_worked_out():
    """Each view: itself again at cosine 1, and 2(n - 1) others at 0."""
    loss, found = contrastive.nt_xent(np.eye(4), 3 * np.eye(4), 0.5)
    np.testing.assert_allclose(loss, np.log(np.exp(2) + 6) - 2, rtol=1e-6)
    assert float(found) == 1


def test_where_all_is_one_nothing_is_found_but_by_chance():
    z = np.ones((8, 5))
    loss, found = contrastive.nt_xent(z, z, 0.1)
    np.testing.assert_allclose(loss, np.log(15), rtol=1e-5)
    assert float(found) <= 1 / 8


def test_a_queue_is_that_of_lightly():
    """NTXentLoss(0.2, memory_bank_size=(8, 5)), whose bank was set to the queue."""
    z, queue = told()
    loss, found = contrastive.against_queue(*z, queue, 0.2)
    np.testing.assert_allclose(loss, 3.858811704453602, rtol=1e-5)
    right = [
        cosine(q, k) > max(cosine(q, other) for other in queue) for q, k in zip(*z)
    ]
    np.testing.assert_allclose(found, np.mean(right), rtol=1e-6)
    assert 0 < np.mean(right) < 1


def finite_differences(loss, at, step=1e-6):
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (float(loss(up)) - float(loss(down))) / (2 * step)
    return gradient


LOSSES = {
    "info_nce, both sides": lambda z: contrastive.info_nce(*z, *z, 0.2, 0.7),
    "info_nce, one side": lambda z: contrastive.info_nce(*z, *told()[0], 0.2, 0.7),
    "nt_xent": lambda z: contrastive.nt_xent(*z, 0.3)[0],
    "queue": lambda z: contrastive.against_queue(*z, told()[1], 0.2)[0],
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gradients_are_those_of_finite_differences(loss):
    at = np.random.default_rng(3).normal(size=(2, 6, 5))
    z = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(z)
    assert value.dtype == tf.float64
    expected = finite_differences(lambda x: loss(tf.constant(x)), at)
    np.testing.assert_allclose(tape.gradient(value, z), expected, rtol=1e-4, atol=1e-7)


def test_of_shares_that_are_not_alike_each_row_is_its_own(two_replicas):
    """A last batch, say, of 5 images: 3 on one replica, 2 on the other."""
    z = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(np.moveaxis(z, 1, 0)).batch(4).unbatch()
    shares = two_replicas.experimental_distribute_dataset(data.batch(5))

    @tf.function
    def both(x):
        def one(x):
            loss, _ = contrastive.nt_xent(x[:, 0], x[:, 1], 0.2)
            return loss * tf.cast(tf.shape(x)[0], tf.float32)

        return two_replicas.run(one, (x,))

    (losses,) = (two_replicas.reduce("SUM", both(x), axis=None) for x in shares)
    expected, _ = contrastive.nt_xent(*tf.constant(z), 0.2)
    np.testing.assert_allclose(losses / 5, expected, rtol=1e-5)


def test_two_replicas_have_the_loss_and_the_gradient_of_one(two_replicas):
    """Of a weight in front of both sides: negatives teach it wherever they are."""
    z = np.random.default_rng(0).normal(size=(2, 8, 5)).astype("float32")
    start = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")

    def step(first, second, weight, replicas):
        with tf.GradientTape() as tape:
            tape.watch(weight)
            sides = first @ weight, second @ weight
            loss = contrastive.info_nce(*sides, *sides, 0.2, 1.0) / replicas
        return loss, tape.gradient(loss, weight)

    loss, gradient = step(tf.constant(z[0]), tf.constant(z[1]), tf.constant(start), 1)

    def share(context):
        n = context.replica_id_in_sync_group
        return z[:, 4 * n : 4 * n + 4]

    shares = two_replicas.experimental_distribute_values_from_function(share)

    @tf.function
    def both():
        return two_replicas.run(
            lambda x: step(x[0], x[1], tf.constant(start), 2), (shares,)
        )

    losses, gradients = (two_replicas.reduce("SUM", each, axis=None) for each in both())
    np.testing.assert_allclose(losses, loss, rtol=1e-5)
    np.testing.assert_allclose(gradients, gradient, rtol=1e-4, atol=1e-6)

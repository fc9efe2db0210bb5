"""Semi-hard triplets: by hand, written out in float64, and their slope."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics.pairwise import euclidean_distances

from sslzoo.errors import BadInput
from sslzoo.losses import triplet


def draw(n=5, k=3, d=4, scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).normal(size=(n, k, d))


def written_out(z, margin, squared):
    """The rule, pair by pair."""
    n, k, d = z.shape
    apart = euclidean_distances(z.reshape(-1, d), squared=squared)
    image, losses = np.repeat(np.arange(n), k), []
    for a in range(n * k):
        others = apart[a, image != image[a]]
        for p in range(n * k):
            if p == a or image[p] != image[a]:
                continue
            beyond = others[others > apart[a, p]]
            negative = beyond.min() if len(beyond) else others.max()
            losses.append(max(0, margin + apart[a, p] - negative))
    return np.mean(losses)


def test_two_images_on_a_line_by_hand():
    """A at 0 and 1, B at 3 and 4; squared, with a margin of 4.

    0 with 1: the nearest beyond 1 lies at 9; 4 + 1 - 9 < 0. 1 with 0: beyond 1 lies
    2^2; 4 + 1 - 4 = 1. B is the mirror of A.
    """
    z = tf.constant([[[0.0], [1.0]], [[3.0], [4.0]]])
    assert float(triplet.semi_hard_triplet(z, 4.0)) == pytest.approx((0 + 1) / 2)
    # Not squared: 4 + 1 - 3 and 4 + 1 - 2.
    found = triplet.semi_hard_triplet(z, 4.0, squared=False)
    assert float(found) == pytest.approx((2 + 3) / 2)


def test_where_none_is_beyond_the_farthest_is_taken():
    """0 and 10 of one image, 1 and 2 of the other: 10 away is nobody, but 100.

    0 with 10: 1 + 100 - 4; 10 with 0: 1 + 100 - 81. 1 with 2: beyond 1 is 81 for 1
    (0 is as near as 2, so not beyond); 2 with 1: 4 away is 0, 1 + 1 - 4 < 0.
    """
    z = tf.constant([[[0.0], [10.0]], [[1.0], [2.0]]])
    found = triplet.semi_hard_triplet(z, 1.0)
    assert float(found) == pytest.approx((97 + 20 + 0 + 0) / 4)


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("scale", [0.2, 1.0])
def test_it_is_the_rule_written_out(squared, scale):
    z = draw(6, 4, 5, scale)
    for margin in (0.5, 2.0):
        expected = written_out(z, margin, squared)
        found = triplet.semi_hard_triplet(tf.constant(z), margin, squared)
        assert expected > 0
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("squared", [True, False])
def test_its_slope_is_that_of_finite_differences(squared):
    z, step = draw(4, 3, 3, 0.5), 1e-6
    x = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = triplet.semi_hard_triplet(x, 0.5, squared)
    slope = tape.gradient(loss, x).numpy()
    for place in np.ndindex(z.shape):
        moved = [z.copy(), z.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (written_out(m, 0.5, squared) for m in moved)
        assert slope[place] == pytest.approx((up - down) / (2 * step), abs=1e-6)


def test_copies_in_one_place_have_a_slope_that_is_a_number():
    x = tf.constant(np.repeat(draw(3, 1, 2), 2, axis=1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = triplet.semi_hard_triplet(x, 5.0, squared=False)
    slope = tape.gradient(loss, x).numpy()
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0


def test_the_nearest_of_each_copy_is_known():
    z = draw(6, 3, 2)
    apart = euclidean_distances(z.reshape(-1, 2)) + 1e9 * np.eye(18)
    image = np.repeat(np.arange(6), 3)
    expected = image[apart.argmin(axis=1)] == image
    found = triplet.nearest_is_own(tf.constant(z, tf.float32)).numpy()
    np.testing.assert_array_equal(found.reshape(-1), expected)
    assert 0 < expected.mean() < 1


def test_two_replicas_mine_among_all_or_each_for_itself(two_replicas):
    """Their mean is the loss of all, and the slope of a lent negative comes back."""
    z = draw(4, 3, 4).astype("float32")

    @tf.function
    def step(everyone):
        def one():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            x = tf.gather(tf.reshape(tf.constant(z), (2, 2, 3, 4)), number)
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = triplet.semi_hard_triplet(x, 2.0, everyone=everyone) / 2
            return loss, tape.gradient(loss, x)

        return two_replicas.run(one)

    x = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = triplet.semi_hard_triplet(x, 2.0)
    losses, slopes = step(True)
    np.testing.assert_allclose(sum(losses.values), loss, rtol=1e-5)
    together = np.concatenate([s.numpy() for s in slopes.values])
    np.testing.assert_allclose(together, tape.gradient(loss, x), rtol=1e-4, atol=1e-6)
    apart = sum(step(False)[0].values)
    halves = [written_out(np.float64(half), 2.0, True) for half in (z[:2], z[2:])]
    np.testing.assert_allclose(apart, np.mean(halves), rtol=1e-5)
    assert abs(apart - loss) > 1e-3


def test_of_shares_that_are_not_alike_each_image_is_its_own(two_replicas):
    """A last batch, say, of 5 images: 3 on one replica, 2 on the other."""
    z = draw(5, 3, 4).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(z).batch(4).unbatch()
    shares = two_replicas.experimental_distribute_dataset(data.batch(5))

    @tf.function
    def both(x):
        def one(x):
            loss = triplet.semi_hard_triplet(x, 2.0)
            return loss * tf.cast(tf.shape(x)[0], tf.float32)

        return two_replicas.run(one, (x,))

    (losses,) = (two_replicas.reduce("SUM", both(x), axis=None) for x in shares)
    expected = triplet.semi_hard_triplet(tf.constant(z), 2.0)
    np.testing.assert_allclose(losses / 5, expected, rtol=1e-5)


def test_one_image_alone_is_refused():
    """It has no negative: the loss would be no number."""
    with pytest.raises(BadInput, match="A batch of 1 image has no other"):
        triplet.semi_hard_triplet(tf.ones((1, 3, 2)))

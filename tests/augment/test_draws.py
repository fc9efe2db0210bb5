import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from sslzoo.augment import draws

SEEDS = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, (500, 2))


def by_hand(seed):
    """The docstring of draws, in Python's unbounded integers."""
    mask = 2**64 - 1
    z = (draws.A * int(seed[0]) + draws.B * int(seed[1])) & mask
    z = ((z ^ z >> 30) * draws.C) & mask
    z = ((z ^ z >> 27) * draws.D) & mask
    return z ^ z >> 31


def numbers(seed=0, count=100_000):
    """What a run draws: one seed, many examples."""
    n = np.arange(count)
    return draws.uniform(np.stack([np.full(count, seed), n], axis=-1))


def test_the_bits_are_those_of_unbounded_integers():
    expected = np.array([by_hand(seed) for seed in SEEDS], np.uint64)
    np.testing.assert_array_equal(draws.bits(SEEDS).view(np.uint64), expected)


@pytest.mark.parametrize("compiled", [False, True])
def test_tensorflow_draws_the_bits_of_numpy(compiled):
    def all_kinds(seeds):
        return {
            "bits": draws.bits(seeds),
            "uniform": draws.uniform(seeds),
            "coin": draws.coin(seeds, 0.3),
            "permutation": draws.permutation(seeds, 5),
            "children": draws.children(seeds, 3),
        }

    theirs = tf.function(all_kinds, jit_compile=compiled)(tf.constant(SEEDS))
    for name, ours in all_kinds(SEEDS).items():
        np.testing.assert_array_equal(ours, theirs[name], err_msg=name)
        assert ours.dtype == theirs[name].dtype.as_numpy_dtype


def test_a_batch_is_a_loop_of_singles():
    for draw in (draws.uniform, lambda seed: draws.permutation(seed, 4)):
        singles = np.stack([draw(seed) for seed in SEEDS])
        np.testing.assert_array_equal(draw(SEEDS), singles)
    square = draws.uniform(SEEDS.reshape(50, 10, 2))
    np.testing.assert_array_equal(square.ravel(), draws.uniform(SEEDS))


@pytest.mark.parametrize("seed", [0, 1, -7, 2**40])
def test_numbers_are_uniform(seed):
    assert scipy.stats.kstest(numbers(seed), "uniform").pvalue > 1e-3


def test_the_first_children_of_examples_are_uniform_too():
    seeds = np.stack([np.zeros(50_000, np.int64), np.arange(50_000)], axis=-1)
    for child in draws.split(seeds, 3):
        assert scipy.stats.kstest(draws.uniform(child), "uniform").pvalue > 1e-3


def test_neighbours_runs_and_children_are_not_correlated():
    zero, one = numbers(0), numbers(1)
    seeds = np.stack([np.zeros(100_000, np.int64), np.arange(100_000)], axis=-1)
    first, second = (draws.uniform(child) for child in draws.split(seeds, 2))
    for a, b in [
        (zero[1:], zero[:-1]),
        (zero, one),
        (first, second),
        (zero, first),
        (first[1:], second[:-1]),
    ]:
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a))


def test_pairs_of_neighbours_fill_the_square_evenly():
    u = numbers()
    counts, *_ = np.histogram2d(u[0::2], u[1::2], bins=20, range=[[0, 1], [0, 1]])
    assert scipy.stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_numbers_lie_in_their_range_in_steps_of_24_bits():
    u = numbers()
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    np.testing.assert_array_equal(u * 2**24, np.round(u * 2**24))
    wide = draws.uniform(SEEDS, -3, 5)
    np.testing.assert_allclose(wide, 8 * draws.uniform(SEEDS) - 3, atol=1e-6)


def test_a_coin_is_sure_at_0_and_at_1():
    assert not draws.coin(SEEDS, 0).any() and draws.coin(SEEDS, 1).all()
    assert abs(np.mean(numbers() < 0.2) - 0.2) < 0.006


def test_the_24_orders_of_four_are_equally_frequent():
    seeds = np.stack([np.zeros(24_000, np.int64), np.arange(24_000)], axis=-1)
    orders = draws.permutation(seeds, 4)
    np.testing.assert_array_equal(np.sort(orders, axis=-1), [range(4)] * 24_000)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24 and scipy.stats.chisquare(counts).pvalue > 1e-3


def test_seeds_of_one_family_are_all_different():
    child = [draws.split(seed, 4) for seed in SEEDS]
    assert len({tuple(seed) for seeds in child for seed in seeds}) == 4 * len(SEEDS)


def test_a_field_is_uniform_and_another_for_each_name_and_example():
    seeds = tf.stack([tf.zeros(50, tf.int64), tf.range(50, dtype=tf.int64)], axis=-1)
    one = draws.field(seeds, "drop6", (None, 20, 30)).numpy()
    assert one.shape == (50, 20, 30) and one.min() >= 0 and one.max() < 1
    counts = np.histogram(one, 20, (0, 1))[0]
    assert np.sum((counts - 1500) ** 2 / 1500) < 19 + 5 * np.sqrt(38)
    other = draws.field(seeds, "drop7", (None, 20, 30)).numpy()
    for a, b in ((one, other), (one[:-1], one[1:]), (one[..., 1:], one[..., :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.03
    part = draws.field(seeds[7:9], "drop6", (None, 20, 30))
    np.testing.assert_array_equal(part, one[7:9])

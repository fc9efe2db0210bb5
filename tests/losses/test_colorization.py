"""The losses of colorizers, one place at a time in float64."""

import numpy as np

from sslzoo.losses import colorization as losses


def distributions(*shape):
    return np.random.default_rng(0).dirichlet(np.ones(shape[-1]), shape[:-1])


def logits(*shape):
    return np.random.default_rng(1).normal(size=shape)


def by_hand(t, z):
    """KL of one pair."""
    p = np.exp(z) / np.exp(z).sum()
    return sum(a * (np.log(a) - np.log(b)) for a, b in zip(t, p) if a > 0)


def test_kl_is_its_sum_over_the_bins_that_are_found():
    t, z = distributions(2, 3, 8), logits(2, 3, 8)
    t[..., :3] = 0
    t /= t.sum(axis=-1, keepdims=True)
    truth = [[by_hand(t[i, j], z[i, j]) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(losses.kl(t, z), truth, rtol=1e-6)
    assert np.all(losses.kl(t, z) > 0)
    np.testing.assert_allclose(losses.kl(t, np.log(t + 1e-30)), 0, atol=1e-6)


def test_hue_counts_by_chroma_and_chroma_where_there_is_room():
    hue, chroma = distributions(2, 4, 8), distributions(2, 4, 8)[::-1]
    a, b = logits(2, 4, 8), logits(2, 4, 8)[::-1]
    random = np.random.default_rng(2)
    centre, gray = random.random((2, 2, 4))
    gray[0] = 0, 1, 0.2, 0.9
    total = 0
    for i, j in np.ndindex(2, 4):
        room = min(3 * gray[i, j], 1, 3 * (1 - gray[i, j]))
        total += 5 * centre[i, j] * by_hand(hue[i, j], a[i, j])
        total += room * by_hand(chroma[i, j], b[i, j])
    ours = losses.hue_chroma_kl(hue, chroma, a, b, centre, gray)
    np.testing.assert_allclose(ours, total / 8, rtol=1e-6)


def test_squared_error_sums_over_colours_and_means_over_places():
    p, t = np.random.default_rng(0).normal(size=(2, 2, 5, 2))
    truth = np.mean(
        [np.sum((a - b) ** 2) for a, b in zip(p.reshape(10, 2), t.reshape(10, 2))]
    )
    np.testing.assert_allclose(losses.squared_error(p, t), truth, rtol=1e-6)

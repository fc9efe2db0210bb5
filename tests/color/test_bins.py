"""The bins of colours against the facts of the published set, and against NumPy."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import skimage.color
import tensorflow as tf

from sslzoo import color
from sslzoo.bench import timing
from sslzoo.bench.colours import BINS


def colours(n=4000):
    """ab of sRGB, `[n, 2]`, its corners among them, by scikit-image."""
    rgb = np.random.default_rng(0).random((n, 3))
    rgb[:8] = np.stack(np.meshgrid(*3 * [[0, 1]]), -1).reshape(-1, 3)
    return skimage.color.rgb2lab(rgb)[:, 1:].astype("float32")


def away(ab):
    """Distances to all bins, `[n, 313]`, float64."""
    return np.linalg.norm(ab[:, None].astype("float64") - color.AB_BINS, axis=-1)


def test_the_set_is_the_published_one():
    """Sheet 2.3: 313 bins, a rising, then b; where each a begins; the sum by hand."""
    ab = color.AB_BINS
    assert ab.shape == (313, 2) and len({tuple(point) for point in ab}) == 313
    assert not (ab % 10).any()
    assert sorted(map(tuple, ab)) == [tuple(point) for point in ab]
    counts = [5, 8, 10, 12, 14, 15, 16, 16, 17, 18]
    counts += [18, 18, 19, 20, 19, 20, 20, 19, 19, 10]
    assert [np.sum(ab[:, 0] == a) for a in range(-90, 101, 10)] == counts
    # The four whose cells have no corner in gamut, and the ends of all.
    for point in ((40, 90), (100, -90), (100, -10), (100, 0), (-90, 50), (60, -110)):
        assert point in {tuple(p) for p in ab.astype(int)}
    for point in ((-90, 40), (100, 10), (0, 110), (30, -100), (60, -120)):
        assert point not in {tuple(p) for p in ab.astype(int)}
    np.testing.assert_array_equal(ab[[0, 131, 303]], [[-90, 50], [10, -80], [100, -90]])


def test_every_colour_is_of_its_nearest_bin():
    ab = colours()
    np.testing.assert_array_equal(color.ab_bin(ab), away(ab).argmin(1))


@pytest.mark.slow
def test_the_8_bit_colours_reach_261_bins_each_its_point_of_the_grid():
    """Sheet 2.3: a true colour rounds to a point that is in the set."""
    side = np.arange(256) / 255
    reached = np.zeros(313, bool)
    for red in side:
        rgb = np.stack(np.meshgrid([red], side, side, indexing="ij"), -1)
        ab = np.asarray(color.rgb_to_lab(rgb.astype("float32")))[..., 1:]
        bins = np.asarray(color.ab_bin(ab))
        points = color.AB_BINS[bins]
        np.testing.assert_array_equal(points, 10 * np.round(ab / 10))
        reached[bins] = True
    assert reached.sum() == 261


def test_what_is_no_colour_has_the_bin_next_to_its_point():
    ab = np.float32([[104, 3], [-300, 300], [1000, -1000], [-96, 44], [3, 4.99]])
    expected = [[100, 0], [-80, 90], [100, -90], [-90, 50], [0, 0]]
    points = color.AB_BINS[np.asarray(color.ab_bin(ab))]
    np.testing.assert_array_equal(points[[0, 3, 4]], np.float32(expected)[[0, 3, 4]])
    assert (points[1] == color.AB_BINS[away(np.float32([[-110, 110]])).argmin()]).all()
    assert (points[2] == color.AB_BINS[away(np.float32([[110, -110]])).argmin()]).all()


def test_light_is_in_50_bins_of_two():
    light = np.float32([0, 1.99, 2, 49, 97.9, 98, 99.99, 100, 100.2, -0.1])
    expected = [0, 0, 1, 24, 48, 49, 49, 49, 49, 0]
    np.testing.assert_array_equal(color.l_bin(light), expected)
    assert list(color.L_BINS) == list(range(1, 100, 2))
    np.testing.assert_array_equal(color.l_bin(color.L_BINS), range(50))


@pytest.mark.parametrize("nearest", [5, 10])
def test_soft_bins_are_gaussians_of_the_nearest(nearest):
    """Also on the edges of cells, and out of gamut."""
    edges = [[5, 5], [15, -45], [0, 0], [-90, 90], [110, 110], [-110, -110], [99, 5]]
    ab = np.concatenate([colours(500), np.float32(edges)])
    bins, weights = color.soft_ab_bins(ab, nearest)
    far = away(ab)
    order = np.sort(far, axis=1)[:, :nearest]
    found = np.take_along_axis(far, np.asarray(bins), 1)
    np.testing.assert_allclose(found, order, rtol=1e-5, atol=1e-5)
    expected = np.exp((order[:, :1] ** 2 - order**2) / 50)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-6)


def test_a_wider_gaussian_is_flatter():
    ab = np.float32([[12, 31]])
    sharp, flat = (color.soft_ab_bins(ab, sigma=s)[1][0] for s in (1.0, 1e4))
    assert sharp[0] > 0.999
    np.testing.assert_allclose(flat, 0.2, atol=1e-4)


def test_dense_vectors_are_one_hot_or_soft():
    one = color.dense(np.array([[3, 0], [4, 2]]), 5)
    np.testing.assert_array_equal(one, np.eye(5)[[[3, 0], [4, 2]]])
    soft = color.dense(
        np.array([[3, 0], [4, 2]]), 5, np.float32([[0.2, 0.8], [0.5] * 2])
    )
    expected = [[0.8, 0, 0, 0.2, 0], [0, 0, 0.5, 0, 0.5]]
    np.testing.assert_allclose(soft, expected, atol=1e-7)


def test_the_annealed_mean_lies_between_the_mean_and_the_mode():
    p = np.random.default_rng(0).dirichlet(np.full(313, 0.1), (3, 4))
    logits = np.log(p + 1e-12).astype("float32") + 7.0  # Any constant is no matter.
    for temperature in (1.0, 0.38):
        part = (p + 1e-12) ** (1 / temperature)
        expected = part @ color.AB_BINS / part.sum(-1, keepdims=True)
        found = color.annealed_mean(logits, temperature=temperature)
        np.testing.assert_allclose(found, expected, atol=1e-3)
    mode = color.annealed_mean(logits, temperature=1e-3)
    np.testing.assert_allclose(mode, color.AB_BINS[p.argmax(-1)], atol=1e-3)
    light = color.annealed_mean(np.zeros((2, 50), "float32"), color.L_BINS)
    np.testing.assert_allclose(light, [50, 50], rtol=1e-6)


def test_a_colour_comes_back_from_its_soft_bins():
    """Within what five bins and their width blur: a mean of 1 of ab."""
    ab = colours(1000)
    bins, weights = color.soft_ab_bins(ab, sigma=5.0)
    logits = np.log(np.asarray(color.dense(bins, 313, weights)) + 1e-9)
    back = color.annealed_mean(logits, temperature=1.0)
    assert np.linalg.norm(back - ab, axis=-1).mean() < 2


def test_rebalancing_is_its_formula():
    prior = np.array([0.0, 6, 3, 1, 0])
    p = prior / 10
    for empty, counted in ((True, np.ones(5)), (False, prior > 0)):
        mixed = 0.5 * p + 0.5 * counted / counted.sum()
        expected = np.where(counted, 1 / np.where(counted, mixed, 1), 0)
        expected = expected / np.sum(p * expected)
        found = np.asarray(color.rebalancing(prior, empty=empty))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        np.testing.assert_allclose(np.sum(p * found), 1, rtol=1e-6)
    flat = color.rebalancing(prior, uniform=1.0)
    np.testing.assert_allclose(flat, [0, 1, 1, 1, 0], rtol=1e-6)


def test_black_and_gray_are_the_middle_bin_and_no_nan():
    black = color.rgb_to_lab(np.zeros((2, 4, 4, 3), "float32"))
    middle = int(np.flatnonzero((color.AB_BINS == 0).all(1))[0])
    assert (np.asarray(color.ab_bin(black[..., 1:])) == middle).all()
    assert (np.asarray(color.l_bin(black[..., 0])) == 0).all()
    bins, weights = color.soft_ab_bins(black[..., 1:])
    assert (np.asarray(bins)[..., 0] == middle).all()
    assert np.isfinite(np.asarray(weights)).all()


def test_what_is_soft_has_a_gradient():
    ab = tf.constant(colours(20), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(ab)
        weights = color.soft_ab_bins(ab)[1][..., 0]
    slope = tape.gradient(weights, ab)
    for axis in range(2):
        step = 1e-5 * np.eye(2)[axis]
        up, down = (color.soft_ab_bins(ab + s)[1][..., 0] for s in (step, -step))
        np.testing.assert_allclose(slope[:, axis], (up - down) / 2e-5, atol=1e-4)


ENCODE = """
def encode(lab):
    bins, weights = color.soft_ab_bins(lab[..., 1:])
    soft = color.dense(bins, 313, weights)
    hard = color.dense(color.ab_bin(lab[..., 1:]), 313)
    ab = color.annealed_mean(soft + hard)
    counts = color.rebalancing(ops.sum(hard, axis=(0, 1)))
    return [ab, ops.sum(soft * counts, -1), color.l_bin(lab[..., 0])]
"""


def test_compiled_it_is_the_same():
    known = {"color": color, "ops": keras.ops}
    exec(ENCODE, known)
    lab = skimage.color.rgb2lab(np.random.default_rng(0).random((6, 5, 3)))
    lab = tf.constant(lab, tf.float32)
    compiled = tf.function(known["encode"], jit_compile=True)(lab)
    for found, expected in zip(compiled, known["encode"](lab)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_on_jax_it_is_the_same():
    pytest.importorskip("jax")
    code = "import json, sys, jax, numpy as np\nfrom keras import ops\n"
    code += "from sslzoo import color\n" + ENCODE
    code += "lab = np.float32(json.loads(sys.argv[1]))\n"
    code += "print(json.dumps([np.asarray(x).tolist() for x in jax.jit(encode)(lab)]))"
    lab = skimage.color.rgb2lab(np.random.default_rng(0).random((6, 5, 3)))
    lab = lab.astype("float32")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    said = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lab.tolist())],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    known = {"color": color, "ops": keras.ops}
    exec(ENCODE, known)
    for found, expected in zip(json.loads(said), known["encode"](lab)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.skipif(not timing.LINUX, reason="it reads /proc")
def test_the_lookup_takes_at_most_one_and_a_half_times_the_planes(jit):
    """A tensor of distances to 313 bins would take 156 times as much."""
    assert 0.4 < float(timing.said(BINS, "200", "180", str(jit))) <= 1.5

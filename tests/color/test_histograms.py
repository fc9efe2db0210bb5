"""Histograms of hue and chroma against matplotlib, and NumPy one window at a time."""

import colorsys
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.colors import rgb_to_hsv

from sslzoo import color


def images(n=2, height=9, width=11):
    return np.random.default_rng(0).random((n, height, width, 3)).astype("float32")


def all_colours():
    side = np.arange(0, 256, 15)
    return np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1) / 255


def window_by_window(values, y, x):
    """One histogram in float64: a loop over the pixels of the window."""
    counts = np.zeros(32)
    for i in range(max(y - 3, 0), min(y + 4, values.shape[0])):
        for j in range(max(x - 3, 0), min(x + 4, values.shape[1])):
            counts[min(int(32 * float(values[i, j])), 31)] += 1
    return counts / counts.sum()


def test_hue_and_chroma_are_those_of_hsv():
    rgb = all_colours()
    hue, chroma = color.hue_chroma(rgb.astype("float32"))
    hsv = rgb_to_hsv(rgb)
    apart = np.abs(hue - hsv[..., 0])
    assert np.minimum(apart, 1 - apart).max() < 1e-6
    np.testing.assert_allclose(chroma, hsv[..., 1] * hsv[..., 2], atol=1e-6)
    assert np.max(hue) < 1 and np.min(hue) >= 0


def test_gray_and_black_have_the_hue_of_red_and_no_chroma():
    gray = np.linspace(0, 1, 5, dtype="float32")[:, None].repeat(3, axis=1)
    hue, chroma = color.hue_chroma(gray)
    assert not np.any(hue) and not np.any(chroma)


def test_a_hair_below_red_is_red_and_not_a_whole_turn():
    hue, _ = color.hue_chroma(np.array([[1, 0, 1e-9]], "float32"))
    assert 0 <= float(hue[0]) < 1


def test_bins_are_the_floor_and_one_is_of_the_last():
    values = np.array([0, 1 / 32 - 1e-6, 1 / 32, 0.5, 1], "float32")
    np.testing.assert_array_equal(color.histogram_bin(values), [0, 0, 1, 16, 31])


def test_each_window_is_counted_in_the_image_alone():
    values = images()[..., 0]
    dense = np.asarray(color.dense_histograms(values))
    for n, y, x in np.ndindex(2, 9, 11):
        truth = window_by_window(values[n], y, x)
        np.testing.assert_allclose(dense[n, y, x], truth, atol=1e-6)


def test_at_places_it_is_what_it_is_everywhere():
    values = images()[..., 0]
    places = np.stack(np.mgrid[0:9, 0:11], axis=-1).reshape(1, -1, 2).repeat(2, axis=0)
    sparse = color.histograms_at(values, places.astype("int32"))
    dense = np.reshape(color.dense_histograms(values), (2, 99, 32))
    np.testing.assert_allclose(sparse, dense, atol=1e-6)


def one_hot(bins):
    return np.eye(32, dtype="float32")[bins]


def test_a_certain_colour_is_decoded_to_itself():
    """Its middle of the bins, at the gray that the network was shown."""
    for hue, chroma, gray in [(0, 4, 0.5), (9, 10, 0.4), (21, 7, 0.6), (31, 12, 0.5)]:
        ours = color.colour_of(one_hot(hue), one_hot(chroma), np.float32(gray))
        h, c = (hue + 0.5) / 32, (chroma + 0.5) / 32
        truth = np.array(colorsys.hsv_to_rgb(h, c / 0.9, 0.9))
        np.testing.assert_allclose(ours, truth - truth.mean() + gray, atol=1e-5)
        np.testing.assert_allclose(np.mean(ours), gray, atol=1e-6)


def test_two_opposite_hues_are_gray_and_two_next_to_each_other_between():
    half = 0.5 * (one_hot(3) + one_hot(19))
    gray = color.colour_of(half, one_hot(16), np.float32(0.5))
    np.testing.assert_allclose(gray, 3 * [0.5], atol=1e-6)
    near = 0.5 * (one_hot(3) + one_hot(4))
    ours = color.colour_of(near, one_hot(8), np.float32(0.5))
    truth = np.array(colorsys.hsv_to_rgb(4 / 32, 8.5 / 32 / 0.9, 0.9))
    np.testing.assert_allclose(ours, truth - truth.mean() + 0.5, atol=1e-5)


def test_doubt_of_the_hue_fades_the_chroma():
    """|sum| / 32 over 0.03: a third of the votes opposite leave a third of 1.04."""
    votes = (2 / 3 * one_hot(0) + 1 / 3 * one_hot(16)).astype("float32")
    sure = np.asarray(color.colour_of(one_hot(0), one_hot(16), np.float32(0.5)))
    doubt = np.asarray(color.colour_of(votes, one_hot(16), np.float32(0.5)))
    np.testing.assert_allclose(doubt - 0.5, (sure - 0.5) / 3 / 32 / 0.03, atol=1e-5)


def test_the_chroma_is_the_median():
    votes = (0.4 * one_hot(2) + 0.2 * one_hot(5) + 0.4 * one_hot(20)).astype("float32")
    ours = color.colour_of(one_hot(0), votes, np.float32(0.5))
    np.testing.assert_allclose(np.ptp(ours), 5.5 / 32, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_black_picture_gives_numbers_also_compiled(compiled):
    @tf.function(jit_compile=compiled)
    def all_of(rgb):
        hue, chroma = color.hue_chroma(rgb)
        found = [color.dense_histograms(values) for values in (hue, chroma)]
        return found, color.colour_of(*found, tf.reduce_mean(rgb, axis=-1))

    (hue, chroma), shade = all_of(tf.zeros((1, 8, 8, 3)))
    assert np.all(hue[..., 0] == 1) and np.all(chroma[..., 0] == 1)
    assert np.isfinite(shade).all() and np.ptp(shade) < 0.05


ON_JAX = """
import sys
sys.modules["tensorflow"] = None  # As where it is not installed.
import numpy as np
from sslzoo import color
given = np.load(sys.argv[1])
hue, chroma = color.hue_chroma(given["rgb"])
dense = color.dense_histograms(hue)
sparse = color.histograms_at(chroma, given["places"])
shade = color.colour_of(sparse, sparse, given["rgb"][0, 0, :2, 0])
np.savez(sys.argv[2], dense=dense, sparse=sparse, shade=shade)
"""


@pytest.mark.slow
def test_on_jax_they_are_the_same(tmp_path):
    rgb, places = images(), np.array([[[0, 0], [4, 9]]] * 2, "int32")
    np.savez(tmp_path / "given.npz", rgb=rgb, places=places)
    paths = [tmp_path / "given.npz", tmp_path / "found.npz"]
    command = [sys.executable, "-c", ON_JAX, *paths]
    subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax"}, check=True)
    found = np.load(paths[1])
    hue, chroma = color.hue_chroma(rgb)
    sparse = color.histograms_at(chroma, places)
    shade = color.colour_of(sparse, sparse, rgb[0, 0, :2, 0])
    np.testing.assert_allclose(found["dense"], color.dense_histograms(hue), atol=1e-6)
    np.testing.assert_allclose(found["sparse"], sparse, atol=1e-6)
    np.testing.assert_allclose(found["shade"], shade, atol=1e-5)

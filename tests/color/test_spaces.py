"""Our colours against those of scikit-image, on 8-bit images."""

import numpy as np
import pytest
import skimage.color
import tensorflow as tf
from keras import ops

from sslzoo import color


def all_colours(step=1):
    """Every 8-bit RGB colour of which each channel is a multiple of `step`."""
    side = np.arange(0, 256, step)
    return np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1) / 255


def check(rgb):
    """Lab, and back, against float64 of scikit-image."""
    expected = skimage.color.rgb2lab(rgb)
    ours = color.rgb_to_lab(rgb.astype("float32"))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(color.lab_to_rgb(ours), rgb, rtol=0, atol=1e-4)
    back = color.lab_to_rgb(expected.astype("float32"))
    theirs = skimage.color.lab2rgb(expected)
    np.testing.assert_allclose(back, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("step", [5, 17])  # Both have black and white.
def test_lab_is_that_of_scikit_image(step):
    check(all_colours(step))


def test_dark_colours_are_on_the_line_near_black():
    """Up to 10 of 255 light is linear, and so is Lab of it."""
    check(all_colours()[:20, :20, :20])


@pytest.mark.slow
def test_all_16_million_colours_are():
    for plane in all_colours():
        check(plane)


def test_each_step_is_that_of_scikit_image():
    rgb = all_colours(15)
    linear = color.rgb_to_linear(rgb.astype("float32"))
    xyz = color.linear_to_xyz(linear)
    np.testing.assert_allclose(xyz, skimage.color.rgb2xyz(rgb), atol=1e-6)
    lab = color.xyz_to_lab(xyz)
    np.testing.assert_allclose(lab, skimage.color.xyz2lab(np.asarray(xyz)), atol=1e-3)
    np.testing.assert_allclose(color.lab_to_xyz(lab), xyz, atol=1e-5)
    np.testing.assert_allclose(color.xyz_to_linear(xyz), linear, atol=1e-5)
    np.testing.assert_allclose(color.linear_to_rgb(linear), rgb, atol=1e-5)


def test_colours_outside_of_rgb_are_clipped_as_by_scikit_image():
    lab = np.array([[50, 110, 0], [50, -110, 0], [30, 0, -60], [95, 0, 80.0]])
    expected = skimage.color.lab2rgb(lab)
    assert {0.0, 1.0} <= set(expected.flatten())
    ours = color.lab_to_rgb(lab.astype("float32"))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_a_lab_that_no_light_has_comes_back_the_same():
    lab = np.float32([[10, 0, 90], [5, 110, -110], [100, -128, 127]])
    again = color.xyz_to_lab(color.lab_to_xyz(lab))
    np.testing.assert_allclose(again, lab, atol=1e-3)


def test_the_constants_of_caffe_move_white_by_a_twentieth_of_a():
    """By hand: 500 ((0.95047 / 0.95074) ^ 1/3 - 1) = -0.0473; b, of 1.08883, stays."""
    white = color.rgb_to_lab(np.ones((1, 3), "float32"), "caffe")
    np.testing.assert_allclose(white, [[100, -0.0473, 0]], atol=2e-4)


@pytest.mark.parametrize("standard", color.STANDARDS)
def test_there_and_back_by_the_same_constants_is_nothing(standard):
    rgb = all_colours(51).astype("float32")
    lab = color.rgb_to_lab(rgb, standard)
    np.testing.assert_allclose(color.lab_to_rgb(lab, standard), rgb, atol=1e-5)


POINTS = np.array([[0, 0, 0], [0.01, 0.02, 0.03], [0.2, 0.5, 0.8], [1, 1, 1.0]])


@pytest.mark.parametrize(
    "convert, points",
    [
        (color.rgb_to_lab, [*POINTS, [-0.1, 0.5, 1.1]]),  # As a resizing overshoots.
        # Not at the borders of RGB, where the slope jumps; but outside, too.
        (
            color.lab_to_rgb,
            [*skimage.color.rgb2lab(0.9 * POINTS + 0.01), [50, -110, 0]],
        ),
    ],
)
def test_the_gradient_is_the_slope_of_the_function(convert, points):
    """Near black too, where it is a line; in float64, by differences."""
    points = tf.constant(points, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(points)
        y = convert(points)
    slope = tape.batch_jacobian(y, points).numpy()
    for i, step in enumerate(1e-6 * np.eye(3)):
        found = (convert(points + step) - convert(points - step)) / 2e-6
        np.testing.assert_allclose(slope[:, :, i], found, rtol=1e-4, atol=1e-6)


def test_black_has_a_gradient_in_single_precision():
    black = tf.zeros((1, 3))
    with tf.GradientTape() as tape:
        tape.watch(black)
        light = color.rgb_to_lab(black)[..., 0]
    # L = 116 * 7.787 Y there, and Y the row of the matrix times v / 12.92.
    row = np.array(color.STANDARDS["skimage"].matrix[1])
    expected = 116 * 7.787 / 12.92 * row
    np.testing.assert_allclose(tape.gradient(light, black)[0], expected, rtol=1e-5)


def test_compiled_it_is_the_same():
    rgb = all_colours(51).astype("float32")
    compiled = tf.function(color.rgb_to_lab, jit_compile=True)(rgb)
    np.testing.assert_allclose(compiled, color.rgb_to_lab(rgb), atol=1e-3)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 5, 3), (1, 2, 4, 5, 3)])
def test_the_shape_stays(shape):
    assert tuple(ops.shape(color.rgb_to_lab(np.ones(shape, "float32")))) == shape

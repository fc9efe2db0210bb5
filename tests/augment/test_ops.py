import colorsys
import itertools

import numpy as np
import pytest
import scipy.ndimage
import skimage.color
import tensorflow as tf

from sslzoo.augment import draws, ops

RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(size=(24, 20, 3)).astype(np.float32)
SEEDS = np.stack([np.full(64, 9), np.arange(64)], axis=-1)
# Gray, black, white, and ties of two colours: hue is delicate there.
GRAYS = [(0.5, 0.5, 0.5), (0, 0, 0), (1, 1, 1)]
PURE = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
TIES = [(0.7, 0.7, 0.1), (0.1, 0.7, 0.7), (0.7, 0.1, 0.7), (0.2, 0.2, 0.9)]
EDGE = np.array([[*GRAYS, *PURE, *TIES]], np.float32)


def on_pixels(formula, image, amount):
    x = ops.planes(tf.constant(image))
    return ops.pixels(formula(x, tf.constant(amount, tf.float32))).numpy()


def batch_of(image, n):
    return np.repeat(image[None], n, axis=0)


@pytest.mark.parametrize("image", [IMAGE, EDGE], ids=["noise", "edge"])
@pytest.mark.parametrize("amount", [-0.5, -0.1, 0.0, 0.07, 0.3, 1.0])
def test_hue_turns_as_in_scikit_image(image, amount):
    hsv = skimage.color.rgb2hsv(image.astype(np.float64))
    hsv[..., 0] = (hsv[..., 0] + amount) % 1
    expected = skimage.color.hsv2rgb(hsv)
    ours = on_pixels(ops.turn_hue, image, amount)
    np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("image", [IMAGE, EDGE], ids=["noise", "edge"])
@pytest.mark.parametrize("factor", [0.0, 0.8, 1.0, 1.2, 5.0])
def test_saturation_scales_as_in_colorsys(image, factor):
    def scaled(pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*map(float, pixel))
        return colorsys.hsv_to_rgb(hue, min(1, saturation * factor), value)

    ours = on_pixels(ops.scale_saturation, image, factor)
    expected = np.apply_along_axis(scaled, -1, image)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_brightness_adds():
    np.testing.assert_allclose(
        on_pixels(ops.add_brightness, IMAGE, -0.3), IMAGE - 0.3, atol=1e-7
    )


def test_contrast_keeps_the_mean_of_each_colour():
    image = IMAGE.astype(np.float64) * [1, 0.5, 0.25]
    mean = image.mean(axis=(0, 1))
    ours = on_pixels(ops.scale_contrast, image.astype(np.float32), 0.6)
    np.testing.assert_allclose(ours, mean + 0.6 * (image - mean), atol=1e-6)


def test_brightness_scales_where_it_is_told_to():
    """By 1 +- 0.4 times; torchvision calls it brightness too."""
    ours = ops.jitter(batch_of(IMAGE, 32), SEEDS[:32], 0.4, 0, 0, 0, 1, "scale")
    for seed, view in zip(SEEDS, ours.numpy()):
        amount = draws.split(draws.split(seed, 3)[1], 4)[0]
        factor = 0.6 + 0.8 * draws.uniform(amount)
        np.testing.assert_allclose(view, np.clip(IMAGE * factor, 0, 1), atol=1e-6)


def one_at_a_time(image, seed, most):
    """The four changes in float64, by other libraries, clipped after each."""

    def hsv(image, channel, change):
        values = skimage.color.rgb2hsv(image)
        values[..., channel] = change(values[..., channel])
        return skimage.color.hsv2rgb(values)

    def contrast(image, factor):
        mean = image.mean(axis=(0, 1))
        return mean + factor * (image - mean)

    _, amount, order = draws.split(seed, 3)
    b, c, s, h = (2 * draws.uniform(d) - 1 for d in draws.split(amount, 4))
    changes = [
        lambda x: x + most[0] * b,
        lambda x: contrast(x, 1 + most[1] * c),
        lambda x: hsv(x, 1, lambda value: np.minimum(1, value * (1 + most[2] * s))),
        lambda x: hsv(x, 0, lambda value: (value + most[3] * h) % 1),
    ]
    image = image.astype(np.float64)
    for number in draws.permutation(order, 4):
        image = np.clip(changes[number](image), 0, 1)
    return image


@pytest.mark.parametrize("most", [(0.4, 0.4, 0.2, 0.1), (0.8, 0.8, 0.8, 0.2)])
def test_jitter_is_its_four_changes_in_the_order_drawn_each_clipped(most):
    ours = ops.jitter(batch_of(IMAGE, 64), SEEDS, *most, probability=1)
    for seed, view in zip(SEEDS, ours.numpy()):
        np.testing.assert_allclose(view, one_at_a_time(IMAGE, seed, most), atol=1e-5)


def test_it_matters_that_jitter_clips_after_each_change():
    """0.9 + 0.4 is 1, not 1.3, before its contrast is halved."""
    bright = np.array([[[0.9] * 3, [0.1] * 3]], np.float32)
    x = ops.planes(tf.constant(bright))
    formulas = ops.add_brightness, ops.scale_contrast
    amounts = [tf.constant(0.4), tf.constant(0.5)]
    for number in (0, 1):
        x = ops.clip(ops.colour_change(x, tf.constant(number), formulas, amounts))
    # 1.0 and 0.5 have the mean 0.75.
    np.testing.assert_allclose(ops.pixels(x)[0, :, 0], [0.875, 0.625], atol=1e-6)


def test_each_image_of_a_batch_has_its_own_order():
    """All 24 orders come up, about equally often."""
    seeds = np.stack([np.zeros(2400, np.int64), np.arange(2400)], axis=-1)
    order = draws.split(seeds, 3)[2]
    pixel = np.array([[[0.9, 0.3, 0.2], [0.2, 0.6, 0.5]]], np.float32)
    views = ops.jitter(batch_of(pixel, 2400), seeds, 0.4, 0.4, 0.2, 0.1, 1).numpy()
    seen = {}
    for i, which in enumerate(map(tuple, draws.permutation(order, 4))):
        seen.setdefault(which, []).append(i)
    assert set(seen) == set(itertools.permutations(range(4)))
    assert all(60 < len(images) < 145 for images in seen.values())
    for images in seen.values():  # One of each, for time.
        expected = one_at_a_time(pixel, seeds[images[0]], (0.4, 0.4, 0.2, 0.1))
        np.testing.assert_allclose(views[images[0]], expected, atol=1e-5)


@pytest.mark.parametrize("size, expected", [(224, 23), (128, 13), (96, 9), (32, 3)])
def test_the_blur_has_the_taps_of_byol(size, expected):
    assert ops.taps(size) == expected
    point = np.zeros((size, size, 3), np.float32)
    point[size // 2, size // 2] = 1
    blurred = ops.gaussian(point, tf.constant(50.0)).numpy()
    assert np.count_nonzero(blurred[size // 2, :, 0]) == expected
    assert np.count_nonzero(blurred[:, size // 2, 1]) == expected


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
@pytest.mark.parametrize("shape", [(40, 40, 3), (64, 48, 3), (45, 70, 3)])
def test_blur_is_a_gaussian_of_scipy_with_black_around(shape, sigma):
    image = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    radius = int(shape[0] / 10 / 2)
    expected = image.astype(np.float64)
    for axis in (0, 1):
        expected = scipy.ndimage.gaussian_filter1d(
            expected, sigma, axis, mode="constant", radius=radius
        )
    ours = ops.gaussian(image, tf.constant(sigma))
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_sigma_is_drawn_per_image_from_a_tenth_to_two():
    point = np.zeros((60, 60, 3), np.float32)
    point[30, 30] = 1
    seeds = np.stack([np.zeros(300, np.int64), np.arange(300)], axis=-1)
    row = ops.blur(batch_of(point, 300), seeds, 1.0).numpy()[:, 30, :, 0]
    # k_0^2 / k_0 k_1 = exp(1 / 2 sigma^2); what underflows is sharper still.
    with np.errstate(divide="ignore"):
        ratio = row[:, 30] / row[:, 31]
        sigma = np.sqrt(0.5 / np.log(ratio))
    assert sigma.max() <= 2.001 and sigma.max() > 1.9
    assert 0.4 < np.mean(sigma < 1.05) < 0.6


def test_solarize_inverts_from_one_half_on():
    image = np.array([[[0, 0.25, 0.499], [0.5, 0.75, 1]]], np.float32)
    expected = [[[0, 0.25, 0.499], [0.5, 0.25, 0]]]
    np.testing.assert_allclose(ops.solarize(image, [0, 0], 1), expected, atol=1e-7)


def test_gray_is_the_weighted_sum_of_the_colours():
    expected = (IMAGE.astype(np.float64) @ [0.2989, 0.5870, 0.1140])[..., None]
    ours = ops.grayscale(IMAGE, [0, 0], 1)
    np.testing.assert_allclose(ours, np.repeat(expected, 3, axis=-1), atol=1e-6)


def test_flip_mirrors_left_and_right():
    np.testing.assert_array_equal(ops.flip(IMAGE, [0, 0], 1), IMAGE[:, ::-1])


ALL = {
    "flip": lambda image, seed, p: ops.flip(image, seed, p),
    "jitter": lambda image, seed, p: ops.jitter(image, seed, 0.4, 0.4, 0.2, 0.1, p),
    "gray": lambda image, seed, p: ops.grayscale(image, seed, p),
    "blur": lambda image, seed, p: ops.blur(image, seed, p),
    "solarize": lambda image, seed, p: ops.solarize(image, seed, p),
}


@pytest.mark.parametrize("name", ALL)
def test_an_op_is_applied_as_often_as_it_says(name):
    tiny = RNG.uniform(size=(20, 4, 3)).astype(np.float32)
    seeds = np.stack([np.ones(4000, np.int64), np.arange(4000)], axis=-1)
    for probability in (0.2, 0.8):
        views = ALL[name](batch_of(tiny, 4000), seeds, probability).numpy()
        changed = np.abs(views - tiny).max(axis=(1, 2, 3)) > 1e-6
        if name == "blur":  # The sharpest fifth or so of sigma changes next to nothing.
            assert 0.75 * probability < changed.mean() < probability + 0.02
        else:
            assert abs(changed.mean() - probability) < 0.026


@pytest.mark.parametrize("name", ALL)
def test_probability_0_gives_the_image_back_and_1_never_does(name):
    assert ALL[name](IMAGE, SEEDS[0], 0) is IMAGE
    views = ALL[name](batch_of(IMAGE, 64), SEEDS, 1.0).numpy()
    changed = np.abs(views - IMAGE).max(axis=(1, 2, 3)) > 0
    assert changed.all() or (name == "blur" and changed.mean() > 0.75)


@pytest.mark.parametrize("name", ALL)
def test_a_batch_is_changed_like_its_images(name):
    together = ALL[name](batch_of(IMAGE, 64), SEEDS, 0.5).numpy()
    for seed, view in zip(SEEDS[:16], together):
        alone = ALL[name](IMAGE, seed, 0.5)
        np.testing.assert_allclose(view, alone, atol=1e-6)

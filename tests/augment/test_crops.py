import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from sslzoo.augment import crops


def many_windows(height, width, count=20_000):
    seeds = np.stack([np.zeros(count, np.int64), np.arange(count)], axis=-1)
    return crops.random_windows(seeds, height, width)


def keys(x):
    """Keys' cubic kernel, a = -1/2."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def by_hand(image, window, size):
    """Bicubic in float64, weights written out one by one."""
    top, left, height, width = window
    part = image[top : top + height, left : left + width].astype(np.float64)

    def matrix(extent):
        rows = np.zeros((size, extent))
        for i in range(size):
            place = (i + 0.5) * extent / size - 0.5
            rows[i] = [keys(place - j) for j in range(extent)]
            rows[i] /= rows[i].sum()
        return rows

    view = np.einsum("sy,yxc,tx->stc", matrix(height), part, matrix(width))
    return np.clip(view / 255, 0, 1)


def noise(*shape):
    return np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)


def test_windows_lie_inside_the_image():
    for height, width in [(375, 500), (32, 32), (7, 300), (1, 1)]:
        top, left, h, w = many_windows(height, width, 3000).T
        assert (top >= 0).all() and (top + h <= height).all() and (h >= 1).all()
        assert (left >= 0).all() and (left + w <= width).all() and (w >= 1).all()


def test_a_window_by_hand(monkeypatch):
    """Half the area of 100 x 200, r = 1: w = h = 100; then the last place of 101."""
    u = np.array([0.5, 0.5, 0.999, 0.999], np.float32)
    monkeypatch.setattr(crops.draws, "uniform", lambda seed: u)
    window = crops.random_windows([0, 0], 100, 200, area=(0, 1))
    np.testing.assert_array_equal(window, [0, 100, 100, 100])


def test_area_is_uniform_and_shape_log_uniform():
    """In an image so large that nothing is rounded, and squares that always fit."""
    seeds = np.stack([np.zeros(20_000, np.int64), np.arange(20_000)], axis=-1)
    _, _, h, w = crops.random_windows(seeds, 10**6, 10**6, area=(0.08, 0.5)).T
    area = scipy.stats.uniform(0.08, 0.42)
    assert scipy.stats.kstest(h * w / 1e12, area.cdf).pvalue > 1e-3
    shape = scipy.stats.uniform(np.log(3 / 4), np.log(16 / 9))
    assert scipy.stats.kstest(np.log(w / h), shape.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(h * w, w / h)[0, 1]) < 0.03


def test_the_default_area_goes_from_8_to_100_hundredths():
    """What is cut to the image only loses area, so the small ones show the law."""
    _, _, h, w = many_windows(10**6, 10**6).T
    part = h * w / 1e12
    assert 0.079 < part.min() < 0.082 and part.max() > 0.98
    small = part[part < 0.5]
    assert scipy.stats.kstest(small, scipy.stats.uniform(0.08, 0.42).cdf).pvalue > 1e-3
    assert abs(len(small) / len(part) - 0.42 / 0.92) < 0.012


def test_every_place_where_a_window_fits_is_equally_frequent():
    """Windows of 4 in an image of 8 have five places, 0 to 4."""
    seeds = np.stack([np.zeros(20_000, np.int64), np.arange(20_000)], axis=-1)
    windows = crops.random_windows(seeds, 8, 8, area=(0.25, 0.25), ratio=(1, 1))
    assert (windows[:, 2:] == 4).all()
    for place in windows[:, :2].T:
        counts = np.bincount(place, minlength=5)
        assert len(counts) == 5 and scipy.stats.chisquare(counts).pvalue > 1e-3


def test_many_images_of_many_sizes_are_a_loop_of_singles():
    seeds = np.arange(12).reshape(2, 3, 2)
    height = np.array([[30, 40, 50], [60, 70, 80]])
    windows = crops.random_windows(seeds, height, 2 * height)
    for i in np.ndindex(2, 3):
        single = crops.random_windows(seeds[i], height[i], 2 * height[i])
        np.testing.assert_array_equal(windows[i], single)


def test_the_centre_by_hand():
    """7/8 of 375 is 328.1; what is left over, 47 and 172, is halved upwards."""
    np.testing.assert_array_equal(
        crops.centre_window(224, 375, 500), [24, 86, 328, 328]
    )
    np.testing.assert_array_equal(crops.centre_window(32, 32, 32), [8, 8, 16, 16])


@pytest.mark.parametrize("window", [(0, 0, 40, 50), (3, 7, 20, 31), (5, 5, 1, 2)])
def test_resize_is_keys_bicubic(window):
    """To half a step of tf.image's table of 1024 weights."""
    image = noise(40, 50, 3)
    ours = crops.resize(tf.constant(image), window, 24)
    np.testing.assert_allclose(ours, by_hand(image, window, 24), atol=2e-3)


def test_resize_is_that_of_tensorflow_clipped():
    image = noise(40, 50, 3)
    theirs = tf.image.resize(image[4:34, 6:48], (24, 24), "bicubic") / 255
    assert theirs.numpy().min() < 0 and theirs.numpy().max() > 1, "It must overshoot."
    ours = crops.resize(tf.constant(image), (4, 6, 30, 42), 24)
    np.testing.assert_allclose(ours, np.clip(theirs, 0, 1), atol=1e-6)


@pytest.mark.parametrize("size, side", [(32, 32), (24, 50), (96, 37)])
def test_a_batch_is_resized_like_its_images(size, side):
    images = noise(20, side, side + 3, 3)
    seeds = np.stack([np.zeros(20, np.int64), np.arange(20)], axis=-1)
    windows = crops.random_windows(seeds, side, side + 3)
    together = crops.resize(tf.constant(images), windows, size)
    for image, window, view in zip(images, windows, together):
        alone = crops.resize(tf.constant(image), window, size)
        np.testing.assert_allclose(view, alone, atol=1e-5)


def test_a_window_of_the_size_itself_is_a_slice():
    image = noise(40, 50, 3)
    expected = image[2:34, 3:35] / np.float32(255)
    alone = crops.resize(tf.constant(image), (2, 3, 32, 32), 32)
    batch = crops.resize(tf.constant(image[None]), np.array([[2, 3, 32, 32]]), 32)
    np.testing.assert_allclose(alone, expected, atol=1e-6)
    np.testing.assert_allclose(batch[0], expected, atol=1e-6)


def test_bytes_and_floats_give_the_same_view():
    image, window = noise(40, 50, 3), (1, 2, 30, 40)
    byte = crops.resize(tf.constant(image), window, 16)
    real = crops.resize(tf.constant(image / np.float32(255)), window, 16)
    np.testing.assert_allclose(byte, real, atol=1e-6)


def test_a_window_outside_the_image_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        crops.resize(tf.constant(noise(10, 10, 3)), (5, 5, 6, 5), 8)

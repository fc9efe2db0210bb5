"""Patches exact to the pixel, in their cells; and what becomes of their colours."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.augment import grid
from sslzoo.augment.grid import Grid
from sslzoo.errors import BadInput

RNG = np.random.default_rng(0)


def seeds(n):
    return np.stack([np.zeros(n, np.int64), np.arange(n)], axis=-1)


def test_a_patch_is_the_pixels_of_its_place():
    square = RNG.random((2, 15, 15, 3)).astype("float32")
    places = RNG.integers(0, 3, (2, 9, 2))
    found = grid.cut(tf.constant(square), places, 3).numpy()
    for image in range(2):
        for cell in range(9):
            down, right = places[image, cell] + 5 * np.array([cell // 3, cell % 3])
            expected = square[image, down : down + 3, right : right + 3]
            np.testing.assert_array_equal(found[image, cell], expected)


def places_of(example, n=600):
    """Where the patches of images lay, `[n, 9, 2]`: their pixels tell it."""
    side = example.size
    y, x = np.mgrid[:side, :side] / side
    square = np.broadcast_to(np.stack([y, x, 0 * x], -1), (n, side, side, 3))
    begun = {"square": tf.constant(square, tf.float32)}
    patches = example.finish(begun, seeds(n))["patches"].numpy()
    return np.rint(side * patches[:, :, 0, 0, :2]).astype(int)


def test_a_patch_lies_anywhere_in_its_cell():
    """64 of 85: 22 places each way, so gaps are of 0 to 42."""
    example = Grid(6, 8, gray=0)
    places = places_of(example)
    number = np.arange(9)
    inside = places - 8 * np.stack([number // 3, number % 3], -1)
    assert inside.min() == 0 and inside.max() == 2
    counts = np.stack([(inside == i).mean(axis=0) for i in range(3)])
    np.testing.assert_allclose(counts, 1 / 3, atol=0.08)
    gaps = places[:, 1:3, 1] - places[:, :2, 1] - 6
    assert gaps.min() == 0 and gaps.max() == 4
    # One patch tells nothing of another.
    flat = inside.reshape(len(inside), -1)
    assert np.abs(np.corrcoef(flat.T) - np.eye(18)).max() < 0.2


def test_what_is_seen_are_255_of_292_of_each_side():
    windows = Grid().windows(seeds(3000), 400, 600)[:, 0]
    assert {*windows[:, 2]} == {round(400 * 255 / 292)}
    assert {*windows[:, 3]} == {round(600 * 255 / 292)}
    assert windows[:, 0].min() == 0 and (windows[:, 0] + windows[:, 2]).max() == 400
    assert windows[:, 1].min() == 0 and (windows[:, 1] + windows[:, 3]).max() == 600
    assert Grid().size == 255 and Grid().stored == 292


def test_nothing_is_resized_where_nothing_need_be():
    image = RNG.random((12, 12, 3)).astype("float32")
    found = Grid(4, 4, stored=12, gray=0)({"image": image}, seeds(1)[0])["patches"]
    for cell in range(9):
        top, left = 4 * (cell // 3), 4 * (cell % 3)
        expected = image[top : top + 4, left : left + 4]
        np.testing.assert_allclose(found[cell], expected, atol=1e-6)


def test_a_batch_is_a_loop_of_singles():
    images = RNG.random((5, 20, 30, 3)).astype("float32")
    for example in (Grid(4, 6), Grid(4, 6, each=True), Grid(4, 6, colours="dropped")):
        many = example({"image": images}, seeds(5))["patches"]
        assert many.shape == (5, 9, 4, 4, 3)
        for i in range(5):
            one = example({"image": images[i]}, seeds(5)[i])["patches"]
            np.testing.assert_allclose(many[i], one, atol=1e-5)


@pytest.mark.parametrize("each", [False, True])
def test_two_of_three_images_or_patches_are_gray(each):
    example = Grid(4, 4, gray=2 / 3, each=each)
    square = RNG.random((300, 12, 12, 3)).astype("float32")
    found = example.finish({"square": tf.constant(square)}, seeds(300))["patches"]
    colours = Grid(4, 4, gray=0).finish({"square": tf.constant(square)}, seeds(300))
    colours, found = colours["patches"].numpy(), found.numpy()
    gray = np.ptp(found, axis=-1).max(axis=(2, 3)) < 1e-6
    assert gray.mean() == pytest.approx(2 / 3, abs=0.06)
    alike = (gray == gray[:, :1]).all(axis=1).mean()
    assert alike == 1 if not each else alike < 0.1
    mean = colours.mean(axis=-1, keepdims=True) + 0 * colours
    np.testing.assert_allclose(found[gray], mean[gray], atol=1e-6)
    np.testing.assert_array_equal(found[~gray], colours[~gray])


def test_one_colour_of_a_patch_stays_and_the_others_are_noise():
    patches = RNG.random((3000, 5, 5, 3)).astype("float32")
    found = grid.drop_colours(tf.constant(patches), seeds(3000), 0.01).numpy() - 0.5
    own = patches - patches.mean(axis=(1, 2), keepdims=True)
    stays = np.abs(found - own).max(axis=(1, 2)) < 1e-5
    np.testing.assert_array_equal(stays.sum(axis=-1), 1)
    np.testing.assert_allclose(stays.mean(axis=0), 1 / 3, atol=0.03)
    noise = np.moveaxis(found, -1, 1)[~stays]
    assert -0.01 <= noise.min() < -0.0099 and 0.0099 < noise.max() <= 0.01
    assert np.abs(noise.mean()) < 2e-4
    rows = noise.reshape(2 * 3000, -1)
    assert np.abs(np.corrcoef(rows[::2].ravel(), rows[1::2].ravel())[0, 1]) < 0.05


def test_evaluation_is_the_middle_in_colour():
    example = Grid(2, 4, stored=16, evaluate=True)
    np.testing.assert_array_equal(
        example.windows(seeds(2), 16, 16), [[[2, 2, 12, 12]]] * 2
    )
    image = RNG.random((16, 16, 3)).astype("float32")
    found = example({"image": image}, seeds(1)[0])["patches"]
    np.testing.assert_allclose(found[4], image[7:9, 7:9], atol=1e-6)


def test_it_is_read_back_from_its_config():
    example = Grid(4, 6, 20, "dropped", 0.3, True, 0.1)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(example)
    )
    assert twin.get_config() == example.get_config()


def test_a_grid_that_cannot_be_is_told():
    with pytest.raises(BadInput, match="give patch <= cell"):
        Grid(9, 8)
    with pytest.raises(BadInput, match="3 cell <= stored"):
        Grid(6, 8, stored=20)
    with pytest.raises(BadInput, match="it is 'gray' or 'dropped'"):
        Grid(colours="grey")
    with pytest.raises(BadInput, match="gray=2 is a probability"):
        Grid(gray=2)

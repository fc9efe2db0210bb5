"""Squares at a random scale: sides and places in closed form, and their pixels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.augment.patches import Patch
from sslzoo.errors import BadInput


def seeds(n):
    return np.stack([np.zeros(n, np.int64), np.arange(n)], axis=-1)


def test_the_scale_is_uniform_and_so_is_the_place():
    """Of 500 x 1000 pixels: 352 of S pixels are 352 / S of 500, S of 352 to 600."""
    windows = Patch(352).windows(seeds(20_000), 500, 1000)[:, 0]
    top, left, side, same = windows.T
    np.testing.assert_array_equal(side, same)
    truth = np.mean([round(352 * 500 / s) for s in range(352, 601)])
    assert side.mean() == pytest.approx(truth, rel=0.01)
    assert side.min() == round(352 * 500 / 600) and side.max() == 500
    assert top.min() == left.min() == 0
    assert (top + side).max() == 500 and (left + side).max() == 1000
    assert left.mean() == pytest.approx((1000 - side).mean() / 2, rel=0.03)
    assert abs(np.corrcoef(left, side)[0, 1]) < 0.3


def test_one_scale_of_the_size_itself_is_all_of_a_square():
    patch = Patch(8, (8, 8), flip=0)
    image = np.random.default_rng(0).random((8, 8, 3)).astype("float32")
    shown = patch({"image": image}, tf.constant([0, 5], tf.int64))["image"]
    np.testing.assert_allclose(shown, image, atol=1e-6)


def test_half_of_them_are_mirrored():
    patch = Patch(8, (8, 8))
    images = np.random.default_rng(0).random((200, 8, 8, 3)).astype("float32")
    shown = patch({"image": images}, tf.constant(seeds(200)))["image"].numpy()
    same = np.isclose(shown, images, atol=1e-6).all(axis=(1, 2, 3))
    turned = np.isclose(shown, images[:, :, ::-1], atol=1e-6).all(axis=(1, 2, 3))
    assert (same | turned).all() and 70 < turned.sum() < 130


def test_a_batch_is_a_loop_of_singles():
    patch = Patch(6, (6, 9))
    images = np.random.default_rng(0).random((5, 16, 12, 3)).astype("float32")
    many = patch({"image": images}, tf.constant(seeds(5)))["image"]
    for i in range(5):
        one = patch({"image": images[i]}, tf.constant(seeds(5)[i]))["image"]
        np.testing.assert_allclose(many[i], one, atol=1e-5)


def test_evaluation_is_the_centre():
    windows = Patch(8, (8, 12), evaluate=True).windows(seeds(2), 10, 20)
    np.testing.assert_array_equal(windows, [[[0, 5, 10, 10]]] * 2)


def test_a_scale_below_the_size_is_refused():
    with pytest.raises(BadInput, match="give size <= least <= most"):
        Patch(352, (200, 600))


def test_it_is_read_back_from_its_config():
    entry = keras.saving.serialize_keras_object(Patch(8, (9, 12), 0.25))
    twin = keras.saving.deserialize_keras_object(entry)
    assert twin.get_config() == Patch(8, (9, 12), 0.25).get_config()

"""RandAugment: each change against Pillow, whose they are; and how it is drawn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from sslzoo.augment import randaugment as ra
from sslzoo.errors import BadInput

RNG = np.random.default_rng(0)


def picture(size=24):
    """Smooth, and not all colours: 30 to 220."""
    small = Image.fromarray(RNG.integers(30, 220, (6, 6, 3), np.uint8))
    return small.resize((size, size), Image.Resampling.BICUBIC)


def affine(image, matrix):
    gray = (128, 128, 128)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=gray)


def by_pillow(name, image, part, signed):
    factor = 1 + 0.9 * signed
    side = image.size[0]
    return {
        "identity": lambda: image,
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "rotate": lambda: image.rotate(30 * signed, fillcolor=(128, 128, 128)),
        "solarize": lambda: ImageOps.solarize(image, round(255 * (1 - part))),
        "color": lambda: ImageEnhance.Color(image).enhance(factor),
        "posterize": lambda: ImageOps.posterize(image, round(8 - 4 * part)),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "shear_x": lambda: affine(image, (1, 0.3 * signed, 0, 0, 1, 0)),
        "shear_y": lambda: affine(image, (1, 0, 0, 0.3 * signed, 1, 0)),
        "shift_x": lambda: affine(image, (1, 0, 0.45 * signed * side, 0, 1, 0)),
        "shift_y": lambda: affine(image, (1, 0, 0, 0, 1, 0.45 * signed * side)),
    }[name]()


@pytest.mark.parametrize("name", ra.CHANGES)
@pytest.mark.parametrize("signed", [0.3, -0.8])
def test_a_change_is_pillows(name, signed):
    image, part = picture(), abs(signed)
    x = tf.constant(np.float32(image) / 255)
    found = tf.clip_by_value(ra.CHANGES[name](x, part, tf.constant(signed)), 0, 1)
    expected = np.float32(by_pillow(name, image, part, signed)) / 255
    far = np.abs(found.numpy() - expected).max(axis=-1)
    # Blends and stretches are cut to whole numbers there, and once more on the way; a
    # pixel midway between two may be either.
    rounded = name in ("autocontrast", "color", "contrast", "brightness", "sharpness")
    assert np.mean(far > (2.5 if rounded else 0.6) / 255) < 0.02, far.max()
    assert (np.abs(found - x).max() > 0.5 / 255) == (name != "identity")


def seeds(n):
    return np.stack([np.zeros(n, np.int64), np.arange(n)], axis=-1)


def test_each_change_is_drawn_as_often():
    """One of 14 at a time, told by what each makes of one picture."""
    x = tf.constant(np.float32(picture()) / 255)
    known = [
        tf.clip_by_value(change(x, 0.5, tf.constant(sign)), 0, 1).numpy()
        for sign in (0.5, -0.5)
        for change in ra.CHANGES.values()
    ]

    def one(seed):
        return ra.randaugment(x, seed, 1, 15.0)

    @tf.function
    def each(seeds):
        return tf.map_fn(one, seeds, tf.float32)

    found = each(tf.constant(seeds(560))).numpy()
    far = np.abs(found[:, None] - np.stack(known)).max(axis=(2, 3, 4))
    assert far.min(axis=1).max() < 1e-5
    counts = np.bincount(far.argmin(axis=1) % 14, minlength=14)
    assert counts.sum() == 560 and counts.min() > 20 and counts.max() < 60


def test_a_batch_is_a_loop_of_singles():
    example = ra.RandAugmented(10)
    images = RNG.random((6, 16, 20, 3)).astype("float32")
    many = example({"image": images}, seeds(6))["image"]
    for i in range(6):
        one = example({"image": images[i]}, seeds(6)[i])["image"]
        np.testing.assert_allclose(many[i], one, atol=1e-4)


def test_the_second_change_is_made_of_what_the_first_has_left():
    x = tf.constant(np.float32(picture()) / 255)
    seed = tf.constant([3, 4], tf.int64)
    once, twice = (ra.randaugment(x, seed, count, 15.0) for count in (1, 2))
    then = [
        tf.clip_by_value(change(once, 0.5, tf.constant(sign)), 0, 1)
        for sign in (0.5, -0.5)
        for change in ra.CHANGES.values()
    ]
    far = [float(tf.reduce_max(tf.abs(twice - one))) for one in then]
    assert min(far) < 1e-5 and np.abs(once - x).max() > 0.01
    assert np.abs(twice - once).max() > 0.01


def test_what_is_drawn_has_nothing_to_do_with_the_mirror():
    """Of no strength only autocontrast and equalize change anything: two of 14."""
    example = ra.RandAugmented(32, area=(1, 1), ratio=(1, 1), count=1, magnitude=0)
    ramp = np.linspace(0.3, 0.6, 32)[None, None, :, None] + np.zeros((400, 32, 32, 3))
    found = tf.function(example)({"image": np.float32(ramp)}, seeds(400))["image"]
    found = found.numpy()
    mirrored, stretched = (
        found[:, 0, 0, 0] > found[:, 0, -1, 0],
        found.max((1, 2, 3)) > 0.9,
    )
    assert stretched.mean() == pytest.approx(2 / 14, abs=0.05)
    for of in (stretched, ~stretched):
        assert mirrored[of].mean() == pytest.approx(1 / 2, abs=0.2)


def test_without_changes_it_is_the_view():
    example = ra.RandAugmented(10, count=0)
    image = RNG.random((1, 16, 20, 3)).astype("float32")
    plain = ra.views.Views(10, (ra.views.MIRROR,))
    expected = plain({"image": image}, seeds(1))["view1"]
    np.testing.assert_array_equal(
        example({"image": image}, seeds(1))["image"], expected
    )


def test_it_is_read_back_from_its_config_and_refuses_what_is_none():
    example = ra.RandAugmented(10, area=(0.2, 1.0), count=1, magnitude=4)
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(example)
    )
    assert twin.get_config() == example.get_config()
    with pytest.raises(BadInput, match="magnitude=31: give a number from 0 to 30"):
        ra.RandAugmented(10, magnitude=31)
    with pytest.raises(BadInput, match="count=-1 changes"):
        ra.RandAugmented(10, count=-1)

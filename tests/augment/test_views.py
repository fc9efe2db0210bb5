import dataclasses
import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from sslzoo.augment import crops, draws, ops
from sslzoo.augment.views import (
    BYOL_T,
    BYOL_T_PRIME,
    Changes,
    Views,
    evaluation_view,
)
from sslzoo.errors import BadInput

NOTHING = Changes(flip=0, jitter=0, gray=0, blur=0, solarize=0)


@pytest.fixture(scope="module")
def photo():
    """Smooth colours and some noise, uint8, 60 x 80."""
    y, x = np.mgrid[:60, :80] / 80
    colours = np.stack([x, y, 1 - x * y], axis=-1)
    noise = np.random.default_rng(0).normal(0, 0.05, colours.shape)
    return np.uint8(255 * np.clip(colours + noise, 0, 1))


@pytest.fixture(scope="module")
def byol():
    return Views(40)


def seeds(count, run=0):
    return np.stack([np.full(count, run), np.arange(count)], axis=-1)


def equal(views, others):
    return all(np.array_equal(views[name], others[name]) for name in views)


def test_the_two_families_are_those_of_the_paper():
    same = {"flip": 0.5, "jitter": 0.8, "gray": 0.2, "brighten": "add"}
    same |= {"brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1}
    assert dataclasses.asdict(BYOL_T) == same | {"blur": 1.0, "solarize": 0.0}
    assert dataclasses.asdict(BYOL_T_PRIME) == same | {"blur": 0.1, "solarize": 0.2}


def test_views_are_float_squares_in_0_1(byol, photo):
    for n in range(5):
        views = byol({"image": photo}, seeds(9)[n])
        assert set(views) == {"view1", "view2"}
        for view in views.values():
            assert view.shape == (40, 40, 3) and view.dtype == tf.float32
            assert 0 <= view.numpy().min() and view.numpy().max() <= 1


def test_the_same_seed_gives_the_same_pixels_and_another_gives_others(byol, photo):
    """So a run that is resumed at example 7 sees what it would have seen."""
    before = [byol({"image": photo}, seed) for seed in seeds(10)]
    again = byol({"image": photo}, seeds(10)[7])
    assert equal(again, before[7])
    assert not any(equal(again, before[n]) for n in (0, 6, 8))
    assert not equal(again, byol({"image": photo}, seeds(10, run=1)[7]))


def test_the_two_views_differ_in_window_and_in_changes(photo):
    windows = Views(40).windows(seeds(200), 60, 80)
    assert (windows[:, 0] != windows[:, 1]).any(axis=-1).mean() > 0.99
    twice = Views(40, (Changes(flip=0.5, jitter=0, gray=0, blur=0),) * 2)
    image = tf.constant(photo[:40, :40] / np.float32(255))
    several = [
        twice.finish({"view1": image, "view2": image}, seed) for seed in seeds(20)
    ]
    alike = [np.array_equal(views["view1"], views["view2"]) for views in several]
    assert 3 <= sum(alike) <= 17


def test_a_batch_is_made_like_its_examples(byol, photo):
    images = np.stack([photo, photo[::-1], photo[:, ::-1]] * 4)
    together = byol({"image": images}, seeds(12))
    for n in range(12):
        alone = byol({"image": images[n]}, seeds(12)[n])
        for name in together:
            np.testing.assert_allclose(together[name][n], alone[name], atol=2e-5)


def test_the_changes_come_in_byols_order(photo):
    """flip, jitter, gray, blur, solarize: solarize sees what is blurred."""
    changes = Changes(solarize=1.0, gray=1.0, flip=1.0, jitter=1.0)
    image = tf.constant(photo[:40, :40] / np.float32(255))
    views = Views(40, (changes,)).finish({"view1": image}, seeds(9)[3])
    seed = draws.split(draws.split(seeds(9)[3], 2)[1], 1)[0]
    flip, jitter, gray, blur, solarize = draws.split(seed, 5)
    x = ops.flip(image, flip, 1)
    x = ops.jitter(x, jitter, 0.4, 0.4, 0.2, 0.1, 1)
    x = ops.grayscale(x, gray, 1)
    x = ops.blur(x, blur, 1)
    x = ops.solarize(x, solarize, 1)
    np.testing.assert_allclose(views["view1"], np.clip(x, 0, 1), atol=2e-6)


def test_the_compiled_changes_are_the_plain_ones(byol, photo):
    image = tf.constant(photo[:40, :40] / np.float32(255))
    for seed in seeds(12):
        views = byol.finish({"view1": image, "view2": image}, seed)
        each = draws.split(draws.split(seed, 2)[1], 2)
        np.testing.assert_allclose(views["view1"], BYOL_T(image, each[0]), atol=2e-6)
        np.testing.assert_allclose(
            views["view2"], BYOL_T_PRIME(image, each[1]), atol=2e-6
        )


def test_each_change_is_as_frequent_as_the_family_says():
    """Told from pixels that each change moves in its own way."""
    row = np.linspace(0.1, 0.9, 20, dtype=np.float32)  # Rises: a flip makes it fall.
    image = np.stack([row * 0.4, row, row * 0.4 + 0.05], axis=-1)[None].repeat(20, 0)
    batch = tf.constant(np.repeat(image[None], 3000, axis=0))

    def views(**changes):
        some = dataclasses.replace(NOTHING, **changes)
        return some(batch, seeds(3000)).numpy()

    flipped = views(flip=BYOL_T.flip)
    assert abs(np.mean(flipped[:, 10, 0, 1] > 0.5) - 0.5) < 0.03
    jittered = views(jitter=BYOL_T.jitter)
    changed = np.abs(jittered - image).max(axis=(1, 2, 3)) > 1e-6
    assert abs(changed.mean() - 0.8) < 0.025
    gray = views(gray=BYOL_T.gray)
    assert abs(np.mean(gray[:, 10, 10, 0] == gray[:, 10, 10, 1]) - 0.2) < 0.025
    blurred = views(blur=BYOL_T_PRIME.blur)  # Of 0.1, those with a sigma that shows.
    assert 0.06 < np.mean(blurred[:, 0, 10, 1] != image[0, 10, 1]) < 0.12
    sun = views(solarize=BYOL_T_PRIME.solarize)
    assert abs(np.mean(sun[:, 10, -1, 1] < 0.5) - 0.2) < 0.025


def test_windows_relative_to_a_decoded_part_give_the_view_of_the_whole(byol, photo):
    seed = seeds(9)[4]
    windows = byol.windows(seed, 60, 80)
    top, left = windows[:, :2].min(axis=0)
    bottom, right = (windows[:, :2] + windows[:, 2:]).max(axis=0)
    part = {
        "image": photo[top:bottom, left:right],
        "windows": windows - [top, left, 0, 0],
    }
    assert equal(byol(part, seed), byol({"image": photo}, seed))


def test_start_draws_the_windows_of_numpy_where_there_are_none(photo):
    plain = Views(40, (None, None))
    views = plain({"image": photo}, seeds(9)[2])
    for i, window in enumerate(plain.windows(seeds(9)[2], 60, 80)):
        expected = crops.resize(tf.constant(photo), window, 40)
        np.testing.assert_array_equal(views[f"view{i + 1}"], expected)


def test_views_are_made_inside_a_dataset(byol, photo):
    """As the pipeline makes them: in a graph, images of any size, in parallel."""

    def make(n):
        image = tf.ensure_shape(tf.image.rot90(photo, tf.cast(n, tf.int32)), [None] * 3)
        seed = tf.stack([tf.constant(0, tf.int64), n])
        return byol({"image": tf.ensure_shape(image, [None, None, 3])}, seed)

    made = list(tf.data.Dataset.range(4).map(make, num_parallel_calls=2))
    for n, views in enumerate(made):
        assert views["view1"].shape == (40, 40, 3)
        expected = byol({"image": np.rot90(photo, n)}, seeds(4)[n])
        np.testing.assert_allclose(views["view1"], expected["view1"], atol=1e-6)


def test_evaluation_is_the_centre_and_nothing_else(photo):
    """7/8 of 60, less: 32 / (32 + 32) of it is 30; (60 - 30 + 1) // 2 = 15."""
    view = evaluation_view(32)({"image": photo}, seeds(1)[0])["view1"]
    expected = tf.image.resize(photo[15:45, 25:55], (32, 32), "bicubic") / 255
    np.testing.assert_allclose(view, np.clip(expected, 0, 1), atol=1e-6)
    batch = evaluation_view(32)({"image": photo[None]}, seeds(1))["view1"]
    np.testing.assert_allclose(batch[0], view, atol=1e-5)


def test_windows_of_many_examples_are_those_of_each():
    byol, height = Views(40), np.array([30, 40, 50])
    many = byol.windows(seeds(3), height, 2 * height)
    centres = Views(40, evaluate=True).windows(seeds(3), height, 2 * height)
    assert many.shape == centres.shape == (3, 2, 4) and many.dtype == np.int64
    for n in range(3):
        one = byol.windows(seeds(3)[n], height[n], 2 * height[n])
        np.testing.assert_array_equal(many[n], one)
        centre = crops.centre_window(40, height[n], 2 * height[n])
        np.testing.assert_array_equal(centres[n], [centre, centre])


def test_the_view_of_a_jpeg_is_near_to_what_pillow_makes_of_it(photo):
    """Another decoder and another bicubic: near, not equal."""
    stream = io.BytesIO()
    PIL.Image.fromarray(photo).save(stream, "JPEG", quality=95)
    image = tf.io.decode_jpeg(stream.getvalue(), channels=3)
    ours = crops.resize(image, (10, 20, 30, 40), 60)
    theirs = PIL.Image.open(stream).resize(
        (60, 60), PIL.Image.Resampling.BICUBIC, box=(20, 10, 60, 40)
    )
    assert np.abs(ours - np.asarray(theirs) / 255).mean() < 0.01


@pytest.mark.parametrize("wrong", [{"flip": 1.5}, {"blur": -0.1}, {"hue": -1}])
def test_changes_that_cannot_be_are_refused(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(BadInput, match=f"{name}={value}.*give"):
        Changes(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"contrast": 1.5}, {"saturation": 2}, {"brightness": 1.2, "brighten": "scale"}],
)
def test_no_factor_may_be_below_0(wrong):
    with pytest.raises(BadInput, match="departs from 1, and none is below 0: give"):
        Changes(**wrong)
    Changes(contrast=1, saturation=1, brightness=1.2)  # Which is added.


@pytest.mark.parametrize("area", [(-1, 1.0), (2, 1.0), (0.5, 0.4), (0.1, 1.5), (0, 1)])
def test_a_view_shows_a_part_of_an_image(area):
    with pytest.raises(BadInput, match=f"at least {area[0]} and at most {area[1]} of"):
        Views(32, area=area)


def test_brightness_is_added_or_scaled_and_nothing_else():
    with pytest.raises(BadInput, match="brighten='multiply'.*'add' or by 'scale'"):
        Changes(brighten="multiply")


def test_a_view_of_no_size_is_refused():
    with pytest.raises(BadInput, match="size of 1 or more, not 0"):
        Views(0)

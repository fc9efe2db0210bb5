"""BYOL's two families T and T' as whole views, told from their pixels alone.

Whatever is drawn, all of it acts on every view. So each test shows the families a
picture in which one trait can be read in spite of the others: of one white, say, no
flip, crop or hue leaves a trace, and what is dark has been solarized. Shares are held
to the law that they should have by a binomial test, amounts by Kolmogorov-Smirnov's.
"""

import numpy as np
import pytest
import scipy.stats
from matplotlib.colors import rgb_to_hsv

from sslzoo.augment.views import Views

COUNT, SIDE = 2500, 40
FAMILIES = ("view1", "view2")  # T and T'
CENTRE = (slice(None), SIDE // 2, SIDE // 2)
BYOL, CROPS = Views(SIDE), Views(SIDE, (None, None))


def views_of(picture, make=BYOL):
    """{"view1", "view2"} of many examples that all show this picture."""
    seeds = np.stack([np.full(COUNT, 5), np.arange(COUNT)], axis=-1)
    images = np.broadcast_to(np.float32(picture), (COUNT, SIDE, SIDE, 3))
    return {name: v.numpy() for name, v in make({"image": images}, seeds).items()}


def plain(red, green, blue):
    return np.full((SIDE, SIDE, 3), [red, green, blue])


def often(happened, probability):
    """Whether it happened about as often as it should."""
    happened = np.asarray(happened)
    law = scipy.stats.binomtest(int(happened.sum()), len(happened), probability)
    return law.pvalue > 1e-3


def uniform(values, low, high):
    law = scipy.stats.uniform(low, high - low)
    return scipy.stats.kstest(values, law.cdf).pvalue > 1e-3


def value(colours):
    """V of HSV."""
    return colours.max(axis=-1)


def chroma(colours):
    return colours.max(axis=-1) - colours.min(axis=-1)


@pytest.fixture(scope="module")
def white():
    return views_of(plain(1, 1, 1))


@pytest.fixture(scope="module")
def middle():
    """Gray of one half: brightness alone is seen; solarized it is what it was."""
    return views_of(plain(0.5, 0.5, 0.5))


@pytest.fixture(scope="module")
def coloured():
    """Near gray, so that no change of colour is ever cut at 0 or 1."""
    return views_of(plain(0.55, 0.5, 0.45))


@pytest.fixture(scope="module")
def dark_ramp():
    """Brighter from left to right; too dark to be solarized even when brightened."""
    ramp = np.linspace(0, 0.05, SIDE)
    return views_of(np.broadcast_to(ramp[:, None], (SIDE, SIDE, 3)))


@pytest.fixture(scope="module")
def map_():
    """Red tells where a pixel was from left to right, green from top to bottom."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    return views_of(np.stack([0.45 * x, 0.45 * y, np.full_like(x, 0.45)], axis=-1))


@pytest.mark.parametrize("name, probability", [*zip(FAMILIES, (0, 0.2))])
def test_a_fifth_of_the_second_family_is_solarized_and_none_of_the_first(
    white, name, probability
):
    """White less 0.4 is still 0.6; inverted it is at most 0.4."""
    assert often(value(white[name][CENTRE]) < 0.5, probability)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_fifth_is_gray(coloured, name):
    gray = np.ptp(coloured[name], axis=-1).max(axis=(1, 2)) < 1e-6
    assert often(gray, 0.2)


def test_gray_flips_and_solarizing_of_the_two_views_are_drawn_apart(
    coloured, dark_ramp
):
    gray = [np.ptp(coloured[name][CENTRE], axis=-1) < 1e-6 for name in FAMILIES]
    assert often(gray[0] & gray[1], 0.04)
    rise = [rises(dark_ramp[name]) for name in FAMILIES]
    seen = (rise[0] != 0) & (rise[1] != 0)
    assert often((rise[0] == rise[1])[seen], 0.5)


def rises(views):
    """1 where a view is brighter on its right, -1 on its left, 0 if it is all black."""
    half = SIDE // 2
    difference = views[:, :, half:].mean((1, 2, 3)) - views[:, :, :half].mean((1, 2, 3))
    return np.sign(np.where(np.abs(difference) > 1e-5, difference, 0))


@pytest.mark.parametrize("name", FAMILIES)
def test_half_of_the_views_are_mirrored(dark_ramp, name):
    rise = rises(dark_ramp[name])
    seen = rise[rise != 0]  # What was darkened to black shows nothing.
    assert len(seen) > COUNT / 2
    assert often(seen < 0, 0.5)


@pytest.mark.parametrize("name, probability", [*zip(FAMILIES, (1, 0.1))])
def test_the_first_family_is_blurred_and_a_tenth_of_the_second(
    white, name, probability
):
    """By a sigma of 0.1 to 2. Beyond the border is black, and the blur lets it in.

    In the middle of a side a white of v becomes v (1 + k_0) / 2, k_0 the weight of the
    pixel itself, which falls as sigma grows.
    """
    views = white[name]
    views = views[value(views[CENTRE]) > 0.5]  # Not those that are solarized.
    border = views[:, SIDE // 2, 0, 0] / views[:, SIDE // 2, SIDE // 2, 0]
    i = np.arange(-2, 3)  # Five taps at 40 pixels.
    for sigma in (0.5, 0.8, 1.2, 1.6):
        kernel = np.exp(-0.5 * (i / sigma) ** 2)
        edge = (1 + 1 / kernel.sum()) / 2
        assert often(border < edge, probability * (2 - sigma) / 1.9)


@pytest.mark.parametrize("name", FAMILIES)
def test_four_fifths_are_jittered(middle, name):
    assert often(np.abs(middle[name][CENTRE][:, 0] - 0.5) > 2e-4, 0.8)


def test_brightness_adds_up_to_four_tenths_either_way(middle):
    added = middle["view1"][CENTRE][:, 0] - 0.5
    assert uniform(added[np.abs(added) > 2e-4], -0.4, 0.4)


def test_saturation_is_a_factor_from_8_to_12_tenths(coloured):
    """Of one colour, brightness, contrast and hue leave the chroma as it was."""
    factor = chroma(coloured["view1"][CENTRE]) / 0.1
    changed = (factor > 0.1) & (np.abs(factor - 1) > 1e-4)  # Neither gray nor left.
    assert often(changed, 0.8 * 0.8)
    assert uniform(factor[changed], 0.8, 1.2)


def test_hue_turns_by_up_to_a_tenth_either_way(coloured):
    """(0.55, 0.5, 0.45) is orange, a twelfth of a turn."""
    colours = coloured["view1"][CENTRE]
    colours = colours[chroma(colours) > 0.01]  # Gray has none.
    turned = (rgb_to_hsv(np.float64(colours))[:, 0] + 0.5 - 1 / 12) % 1 - 0.5
    turned = turned[np.abs(turned) > 1e-4]
    assert uniform(turned, -0.1, 0.1)


def test_contrast_is_a_factor_from_6_to_14_tenths():
    """The slope of a ramp that is never cut at 0 or 1, beside that of its crop.

    A ramp stays a ramp when it is resized or blurred, but for its border.
    """
    ramp = np.linspace(0.42, 0.58, SIDE)
    ramp = np.broadcast_to(ramp[:, None], (SIDE, SIDE, 3))
    rise = [
        np.ptp(views_of(ramp, make)["view1"][:, SIDE // 2, 8:-8, 0], axis=1)
        for make in (BYOL, CROPS)
    ]
    factor = rise[0] / rise[1]
    changed = np.abs(factor - 1) > 1e-3  # Gray alone makes it 0.9999.
    assert often(changed, 0.8 * 0.9975)
    assert uniform(factor[changed], 0.6, 1.4)


def windows(views):
    """(width, height) of views, in parts of the picture, and which can be told.

    Those whose colours were left alone; the border of a blurred ramp is no ramp.
    """
    alone = np.abs(views[CENTRE][:, 2] - 0.45) < 1e-5
    kept = views[alone][:, 8:-8, 8:-8]
    wide = np.abs(np.diff(kept[..., 0], axis=2)).mean((1, 2))
    tall = np.abs(np.diff(kept[..., 1], axis=1)).mean((1, 2))
    scale = 0.45 / (SIDE - 1)
    return wide / scale, tall / scale, alone


@pytest.mark.parametrize("name", FAMILIES)
def test_crops_have_the_area_and_shape_of_the_paper(map_, name):
    """8 to 100 % of the area, log-uniform from 3:4 to 4:3, cut to the picture."""
    wide, tall, alone = windows(map_[name])
    assert often(alone, 0.2 * 0.8)  # Neither jittered nor gray.
    area, u = np.linspace(0.08, 1, 400), np.linspace(-1, 1, 401)
    shape = np.sqrt((4 / 3) ** u)[:, None]
    cut = np.minimum(1, np.sqrt(area) * shape) * np.minimum(1, np.sqrt(area) / shape)
    found = wide * tall
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - cut.mean()) < 3.3 * error
    assert found.min() > 0.07 and found.max() > 0.95
    assert often(found < 0.3, 0.22 / 0.92)
    small = found < 0.5  # Those are never cut.
    turned = np.log(wide / tall)[small] / np.log(4 / 3)
    assert uniform(turned, -1.1, 1.1) and often(np.abs(turned) < 0.5, 0.5)


@pytest.mark.parametrize("name", FAMILIES)
def test_views_fill_0_to_1_and_never_leave_it(name):
    """Of black and white squares, where the bicubic overshoots and colours add."""
    y, x = np.mgrid[:SIDE, :SIDE]
    checks = np.repeat(((x // 4 + y // 4) % 2)[..., None], 3, axis=-1)
    views = views_of(checks)[name]
    assert views.min() == 0 and 0.999 < views.max() <= 1

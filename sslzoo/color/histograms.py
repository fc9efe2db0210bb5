"""Colours as histograms of hue and chroma (Larsson et al., 2017), arXiv:1703.04044.

    V = max(R, G, B),   C = V - min(R, G, B),   H = the angle on the hexagon / 2 pi

H and C of gamma-encoded RGB, each in 32 bins; a target is how often each bin is found
in the 7 x 7 pixels around a place, and of these in those that are in the image. So a
network can say that it is one of two colours, where a mean would be a third.

Gray pixels have a hue too, that of red, and vote for it: what a place counts is weighed
by its chroma in the loss, not here.
"""

import math

import numpy as np
from keras import ops

HISTOGRAM_BINS = 32
HISTOGRAM_WINDOW = 7


def hue_chroma(rgb):
    """Hue in [0, 1), 0 where there is none, and chroma in [0, 1]: `[...]` of each."""
    rgb = ops.convert_to_tensor(rgb)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    top = ops.max(rgb, axis=-1)
    chroma = top - ops.min(rgb, axis=-1)
    unit = 1 / ops.where(chroma > 0, chroma, 1)
    sixths = ops.where(
        top == red,
        (green - blue) * unit,
        ops.where(top == green, 2 + (blue - red) * unit, 4 + (red - green) * unit),
    )
    hue = sixths / 6
    hue = hue - ops.floor(hue)
    return ops.where(hue < 1, hue, 0), chroma  # -1e-9 is 1 - 1e-9, in float32 1.


def histogram_bin(values, bins=HISTOGRAM_BINS):
    """The bin of each number of [0, 1], int32: floor(bins v), and 1 is of the last."""
    values = ops.floor(bins * ops.convert_to_tensor(values))
    return ops.cast(ops.clip(values, 0, bins - 1), "int32")


def dense_histograms(values, bins=HISTOGRAM_BINS, window=HISTOGRAM_WINDOW):
    """Of the window around every pixel, `[n, h, w, bins]` of `[n, h, w]`."""
    votes = _votes(histogram_bin(values, bins), bins)
    # "same" takes the mean of what is in the image.
    return ops.average_pool(votes, window, strides=1, padding="same")


def histograms_at(values, places, bins=HISTOGRAM_BINS, window=HISTOGRAM_WINDOW):
    """Of the window around some pixels, `[n, points, bins]` of `[n, h, w]`.

    Args:
        places: int `[n, points, 2]`, y and x.
    """
    n, height, width = ops.shape(values)
    reach = window // 2
    shifts = np.stack(np.mgrid[-reach : reach + 1, -reach : reach + 1], axis=-1)
    around = ops.expand_dims(places, -2) + shifts.reshape(1, 1, -1, 2)
    y, x = around[..., 0], around[..., 1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    y, x = ops.clip(y, 0, height - 1), ops.clip(x, 0, width - 1)
    image = ops.reshape(ops.arange(n), (-1, 1, 1))
    found = ops.take(
        ops.reshape(histogram_bin(values, bins), (-1,)),
        (image * height + y) * width + x,
    )
    inside = ops.cast(inside, "float32")
    votes = _votes(found, bins) * ops.expand_dims(inside, -1)
    return ops.sum(votes, axis=-2) / ops.sum(inside, axis=-1, keepdims=True)


def colour_of(hue, chroma, gray, faded=0.03):
    """One RGB for a pair of histograms, for display, as the authors decode them.

        C  = the median of chroma, times clip(m, 0, faded) / faded
        H  = the angle of z,   z = mean_k hue_k e^(2 pi i (k + 1/2) / bins),   m = |z|

    The fade takes the colour from where the network does not know its hue. m is a mean
    over bins, not a sum, and so at most 1 / 32: the fade begins early, at 0.96 of what
    m can be. How the authors match the lightness of what they get to the input is not
    recorded; here the mean of R, G and B is the gray that the network was shown, but
    where a colour is clipped to [0, 1].

    Args:
        hue, chroma: `[..., bins]`, of the sum 1.
        gray: `[...]`.

    Returns:
        `[..., 3]`.
    """
    hue, chroma = ops.convert_to_tensor(hue), ops.convert_to_tensor(chroma)
    gray, bins = ops.convert_to_tensor(gray), hue.shape[-1]
    centres = (np.arange(bins) + 0.5) / bins
    angles = 2 * math.pi * centres
    x = ops.mean(hue * ops.convert_to_tensor(np.cos(angles), hue.dtype), axis=-1)
    y = ops.mean(hue * ops.convert_to_tensor(np.sin(angles), hue.dtype), axis=-1)
    m = ops.sqrt(x * x + y * y)
    below = ops.cast(ops.cumsum(chroma, axis=-1) < 0.5, "int32")
    middle = ops.minimum(ops.sum(below, axis=-1), bins - 1)
    middle = ops.take(ops.convert_to_tensor(centres, gray.dtype), middle)
    turn = ops.arctan2(y, x) / (2 * math.pi)
    away = _from_top(turn) * ops.expand_dims(middle * ops.clip(m / faded, 0, 1), -1)
    shade = ops.expand_dims(gray, -1) + ops.mean(away, axis=-1, keepdims=True) - away
    return ops.clip(shade, 0, 1)


def _votes(found, bins):
    """One-hot vectors of bins, `[..., bins]`."""
    return ops.cast(ops.expand_dims(found, -1) == ops.arange(bins), "float32")


def _from_top(turn):
    """How far R, G and B of a hue are below V, in parts of C: `[..., 3]`."""
    start = ops.convert_to_tensor((5.0, 3.0, 1.0), turn.dtype)
    k = start + 6 * ops.expand_dims(turn, -1)
    k = k - 6 * ops.floor(k / 6)
    return ops.clip(ops.minimum(k, 4 - k), 0, 1)

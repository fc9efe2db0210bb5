"""Colours in the spaces of the papers: sRGB, linear light, XYZ, Lab.

    rgb_to_lab = xyz_to_lab(linear_to_xyz(rgb_to_linear(rgb))),   lab_to_rgb back again

RGB lies in [0, 1], L in [0, 100], a and b within about 110 of zero; all of them are
`[..., 3]`. These are `keras.ops` alone, so they run on any backend, under jit too, and
have a gradient at every colour, black as well.

XYZ and Lab are those of a `Standard`: authors typed their constants differently.
"""

import dataclasses

import numpy as np
from keras import ops


@dataclasses.dataclass(frozen=True)
class Standard:
    """The constants of XYZ and Lab, for the light D65."""

    matrix: tuple  # rows X, Y, Z of linear RGB
    white: tuple  # the XYZ that is to have a = b = 0
    threshold: float  # of XYZ / white, below which the cube root becomes a line
    slope: float  # of that line


STANDARDS = {
    "skimage": Standard(
        (
            (0.412453, 0.357580, 0.180423),
            (0.212671, 0.715160, 0.072169),
            (0.019334, 0.119193, 0.950227),
        ),
        (0.95047, 1.0, 1.08883),
        0.008856,
        7.787,
    ),
    # The ColorConv layer of the split-brain authors' Caffe. 0.95074 and 0.008867 are as
    # found there; others have 0.95047 and 0.008856. It makes 0.05 of a.
    "caffe": Standard(
        (
            (0.4124564, 0.3575761, 0.1804375),
            (0.2126729, 0.7151522, 0.0721750),
            (0.0193339, 0.1191920, 0.9503041),
        ),
        (0.95074, 1.0, 1.08883),
        0.008867,
        903.3 / 116,
    ),
}


def rgb_to_lab(rgb, standard="skimage"):
    return xyz_to_lab(linear_to_xyz(rgb_to_linear(rgb), standard), standard)


def lab_to_rgb(lab, standard="skimage"):
    """The nearest RGB, channel by channel, where a colour has none in [0, 1]."""
    linear = xyz_to_linear(lab_to_xyz(lab, standard), standard)
    return ops.clip(linear_to_rgb(linear), 0, 1)


# Both sides of a `where` have a gradient, and NaN times zero is NaN: the power is taken
# of nothing below its threshold.


def rgb_to_linear(rgb):
    """v / 12.92 up to 0.04045, and ((v + 0.055) / 1.055) ^ 2.4 above."""
    rgb = ops.convert_to_tensor(rgb)
    above = _power((ops.maximum(rgb, 0.04045) + 0.055) / 1.055, 2.4)
    return ops.where(rgb > 0.04045, above, rgb / 12.92)


def linear_to_rgb(linear):
    """12.92 v up to 0.0031308, and 1.055 v ^ (1 / 2.4) - 0.055 above."""
    linear = ops.convert_to_tensor(linear)
    above = 1.055 * _power(ops.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    return ops.where(linear > 0.0031308, above, 12.92 * linear)


def linear_to_xyz(linear, standard="skimage"):
    return _times(linear, STANDARDS[standard].matrix)


def xyz_to_linear(xyz, standard="skimage"):
    return _times(xyz, np.linalg.inv(STANDARDS[standard].matrix))


def xyz_to_lab(xyz, standard="skimage"):
    """L = 116 f(Y) - 16, a = 500 (f(X) - f(Y)), b = 200 (f(Y) - f(Z)).

    Here X, Y and Z are parts of the white's, and f is the cube root, but a line near 0.
    """
    known, xyz = STANDARDS[standard], ops.convert_to_tensor(xyz)
    part = xyz / ops.convert_to_tensor(known.white, xyz.dtype)
    root = _power(ops.maximum(part, known.threshold), 1 / 3)
    f = ops.where(part > known.threshold, root, known.slope * part + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return ops.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_xyz(lab, standard="skimage"):
    """The inverse of `xyz_to_lab`, also of colours that no light has."""
    known, lab = STANDARDS[standard], ops.convert_to_tensor(lab)
    y = (lab[..., 0] + 16) / 116
    f = ops.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    line = (f - 16 / 116) / known.slope
    part = ops.where(f > known.threshold ** (1 / 3), f * f * f, line)
    return part * ops.convert_to_tensor(known.white, lab.dtype)


def _power(x, p):
    """x ^ p of x > 0: on a CPU up to three times as fast as what is exact for all x."""
    return ops.exp(p * ops.log(x))


def _times(colours, matrix):
    """The matrix times each colour, as sums: a matmul may round to half precision."""
    colours = ops.convert_to_tensor(colours)
    matrix = ops.convert_to_tensor(np.asarray(matrix), colours.dtype)
    return ops.sum(ops.expand_dims(colours, -2) * matrix, axis=-1)

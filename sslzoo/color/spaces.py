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
    linear = _planes(rgb_to_linear(rgb))
    return _lab(_times(linear, STANDARDS[standard].matrix), STANDARDS[standard])


def lab_to_rgb(lab, standard="skimage"):
    """The nearest RGB, channel by channel, where a colour has none in [0, 1]."""
    linear = xyz_to_linear(lab_to_xyz(lab, standard), standard)
    return ops.clip(linear_to_rgb(linear), 0, 1)


def rgb_to_linear(rgb):
    """v / 12.92 up to 0.04045, and ((v + 0.055) / 1.055) ^ 2.4 above."""
    return _joined(
        ops.convert_to_tensor(rgb),
        0.04045,
        lambda v: v / 12.92,
        lambda v: _power((v + 0.055) / 1.055, 2.4),
    )


def linear_to_rgb(linear):
    """12.92 v up to 0.0031308, and 1.055 v ^ (1 / 2.4) - 0.055 above."""
    return _joined(
        ops.convert_to_tensor(linear),
        0.0031308,
        lambda v: 12.92 * v,
        lambda v: 1.055 * _power(v, 1 / 2.4) - 0.055,
    )


def linear_to_xyz(linear, standard="skimage"):
    return ops.stack(_times(_planes(linear), STANDARDS[standard].matrix), axis=-1)


def xyz_to_linear(xyz, standard="skimage"):
    back = np.linalg.inv(STANDARDS[standard].matrix)
    return ops.stack(_times(_planes(xyz), back), axis=-1)


def xyz_to_lab(xyz, standard="skimage"):
    """L = 116 f(Y) - 16, a = 500 (f(X) - f(Y)), b = 200 (f(Y) - f(Z)).

    Here X, Y and Z are parts of the white's, and f is the cube root, but a line near 0.
    """
    return _lab(_planes(xyz), STANDARDS[standard])


def lab_to_xyz(lab, standard="skimage"):
    """The inverse of `xyz_to_lab`, also of colours that no light has."""
    known, lab = STANDARDS[standard], ops.convert_to_tensor(lab)
    y = (lab[..., 0] + 16) / 116
    f = ops.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    part = _joined(
        f,
        known.threshold ** (1 / 3),
        lambda f: (f - 16 / 116) / known.slope,
        lambda f: f * f * f,
    )
    return part * ops.convert_to_tensor(known.white, lab.dtype)


def _lab(xyz, known):
    """Lab of the planes of XYZ."""
    x, y, z = (
        _joined(
            plane / white,
            known.threshold,
            lambda part: known.slope * part + 16 / 116,
            lambda part: _power(part, 1 / 3),
        )
        for plane, white in zip(xyz, known.white)
    )
    return ops.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


# Sums of planes, a power of what is above 0, a choice made by a product: on a CPU that
# runs operation by operation they are faster than what they stand for.


def _planes(colours):
    colours = ops.convert_to_tensor(colours)
    return [colours[..., i] for i in range(3)]


def _times(planes, matrix):
    """The matrix times each colour, as sums: a matmul may round to half precision."""
    return [
        sum(part * plane for part, plane in zip(row, planes))
        for row in np.asarray(matrix).tolist()
    ]


def _power(x, p):
    """x ^ p of x > 0."""
    return ops.exp(p * ops.log(x))


def _joined(x, threshold, below, above):
    """`below` of x up to the threshold, `above` of what is beyond it.

    Neither is asked of the other's x: both have a number there, and a gradient.
    """
    low, high = below(ops.minimum(x, threshold)), above(ops.maximum(x, threshold))
    return low + ops.cast(x > threshold, low.dtype) * (high - low)

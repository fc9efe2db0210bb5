"""Jigsaw: the hundred orders, the pixels of patches, and what is evaluated."""

import numpy as np

from sslzoo.augment import grid, permutations
from sslzoo.backbones import nine
from sslzoo.verify.checking import same
from sslzoo.verify.small import mean_colour, single

ROWS = {0: 876954321, 1: 987645213, 9: 987632451, 10: 896473215, 99: 875319426}


def orders_as_published():
    """The hundred orders are those of the authors' file."""
    found = permutations.farthest() + 1
    for row, digits in ROWS.items():
        same(found[row], [int(digit) for digit in str(digits)], f"order {row + 1}")


def patches_to_the_pixel():
    """A patch is the pixels of its place, in cells that lie row by row."""
    square = np.random.default_rng(0).random((1, 12, 12, 3))
    places = np.random.default_rng(1).integers(0, 2, (1, 9, 2))
    found = np.asarray(grid.cut(single(square), places, 3))[0]
    for cell in range(9):
        down, right = places[0, cell] + 4 * np.array([cell // 3, cell % 3])
        expected = square[0, down : down + 3, right : right + 3]
        same(found[cell], expected, f"patch {cell}")


def mean_over_nine():
    """What is evaluated is the mean over nine patches, side by side."""
    trunk = mean_colour()
    images = np.random.default_rng(0).random((2, 12, 12, 3))
    found = nine.nine(trunk, 4)(single(images))["pooled"]
    same(found, trunk(single(images))["pooled"], "of the mean colour", atol=1e-5)
    patch = single(images[:, 4:8, 4:8])
    same(nine.nine(trunk, 4)(patch)["pooled"], trunk(patch)["pooled"], "of one patch")


CHECKS = (orders_as_published, patches_to_the_pixel, mean_over_nine)

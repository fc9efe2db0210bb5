"""Colours, their bins, and depth as HHA, at values known by hand or published."""

import numpy as np

from sslzoo import color
from sslzoo.losses import classification, regression
from sslzoo.verify.checking import same, true


def lab_values():
    """Lab of black, white, primaries and gray is the published one, and comes back."""
    rgb = np.float32([[0, 0, 0], [1, 1, 1], *np.eye(3), [0.5, 0.5, 0.5]])
    expected = [
        *([0, 0, 0], [100, 0, 0], [53.24, 80.09, 67.20]),
        *([87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [53.39, 0, 0]),
    ]
    lab = color.rgb_to_lab(rgb)
    same(lab, expected, "Lab", rtol=0, atol=0.02)
    same(color.lab_to_rgb(lab), rgb, "RGB of Lab", atol=1e-4)


def colour_bins():
    """A colour is of the nearest of the 313 bins of ab; 50 bins of L are two wide."""
    true(color.AB_BINS.shape == (313, 2), "There are other bins than the 313.")
    side = np.linspace(0, 1, 9)
    rgb = np.stack(np.meshgrid(side, side, side), -1).reshape(-1, 3).astype("float32")
    ab = np.asarray(color.rgb_to_lab(rgb))[:, 1:]
    far = np.linalg.norm(ab[:, None] - color.AB_BINS, axis=-1)
    same(color.ab_bin(ab), far.argmin(1), "bins of ab")
    bins, weights = (np.asarray(x) for x in color.soft_ab_bins(ab))
    near = np.sort(far, axis=1)[:, :5]
    same(np.take_along_axis(far, bins, 1), near, "distances to soft bins", 1e-3, 1e-3)
    part = np.exp(-(near**2) / 50)
    same(weights, part / part.sum(1, keepdims=True), "weights of soft bins", 1e-3, 1e-5)
    found = color.l_bin(np.float32([0, 1.9, 2, 99, 100]))
    same(found, [0, 0, 1, 49, 49], "bins of L")


def bin_losses():
    """Over bins the loss is -log p; of a distance it is half the square."""
    logits = np.log(np.float32([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]))
    hard = classification.cross_entropy(logits, np.array([[1, 2]]))
    same(hard, -(np.log(0.25) + np.log(0.8)) / 2, "cross entropy")
    soft = classification.cross_entropy(
        logits, np.array([[[0, 1], [2, 0]]]), np.float32([[[0.5, 0.5], [0.75, 0.25]]])
    )
    each = 0.5 * np.log(0.5 * 0.25), 0.75 * np.log(0.8) + 0.25 * np.log(0.1)
    same(soft, -sum(each) / 2, "cross entropy with soft bins")
    found = regression.half_squares(np.float32([[3, 4], [1, 0]]), np.zeros((2, 2)))
    same(found, (12.5 + 0.5) / 2, "half of the squares")


def depth_as_hha():
    """HHA of a floor is 38, of a wall 128; a hole is black, and nothing is NaN."""
    camera = color.Camera((40.0, 40.0), (16.5, 8.5))
    v = (np.arange(1, 33) - 8.5) / 40
    depth = np.minimum(8, 1.5 / np.maximum(v, 1e-9))[:, None] * np.ones(32)
    depth[0, 0] = np.nan
    down = np.float32([0, 1, 0])
    hha = 255 * np.asarray(color.hha(depth.astype("float32"), camera, down=down))
    same(hha[0, 0], [0, 0, 0], "HHA of a hole")
    true(np.isfinite(hha).all(), "There is NaN in HHA.")
    same(hha[28, 10:20, 2], np.full(10, 38), "angle of a floor", 0, 0.3)
    same(hha[28, 10:20, 1], np.zeros(10), "height of a floor", 0, 0.3)
    same(hha[8, 10:20, 2], np.full(10, 128), "angle of a wall", 0, 0.3)
    same(hha[8, 10:20, 0], np.full(10, 31000 / 800), "disparity of a wall")


CHECKS = (lab_values, colour_bins, bin_losses, depth_as_hha)

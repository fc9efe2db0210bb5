"""Colours, and what networks learn of them: spaces, bins, histograms, depth."""

from sslzoo.color.bins import (
    AB_BINS,
    L_BINS,
    ab_bin,
    annealed_mean,
    dense,
    l_bin,
    rebalancing,
    soft_ab_bins,
)
from sslzoo.color.depth import NYU, Camera, gravity, hha, hha_to_geometry, normals
from sslzoo.color.spaces import (
    STANDARDS,
    Standard,
    lab_to_rgb,
    lab_to_xyz,
    linear_to_rgb,
    linear_to_xyz,
    rgb_to_lab,
    rgb_to_linear,
    xyz_to_lab,
    xyz_to_linear,
)

__all__ = [
    "AB_BINS",
    "L_BINS",
    "NYU",
    "STANDARDS",
    "Camera",
    "Standard",
    "ab_bin",
    "annealed_mean",
    "dense",
    "gravity",
    "hha",
    "hha_to_geometry",
    "l_bin",
    "lab_to_rgb",
    "lab_to_xyz",
    "linear_to_rgb",
    "linear_to_xyz",
    "normals",
    "rebalancing",
    "rgb_to_lab",
    "rgb_to_linear",
    "soft_ab_bins",
    "xyz_to_lab",
    "xyz_to_linear",
]

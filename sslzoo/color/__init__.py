"""Colours, and what networks learn of them: spaces, bins, histograms, depth."""

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
    "STANDARDS",
    "Standard",
    "lab_to_rgb",
    "lab_to_xyz",
    "linear_to_rgb",
    "linear_to_xyz",
    "rgb_to_lab",
    "rgb_to_linear",
    "xyz_to_lab",
    "xyz_to_linear",
]

"""The losses, at values worked by hand."""

import numpy as np

from sslzoo.losses import regression
from sslzoo.verify.checking import same


def loss_values():
    """The loss of two directions is 2 - 2 cos: 0 alike, 2 across, 4 opposite."""
    pairs = [
        ("alike, of other lengths", (3, 4), (6, 8), 0),
        ("across", (1, 0), (0, 5), 2),
        ("opposite", (1, 2), (-2, -4), 4),
        ("of (3, 4) and (4, 3)", (3, 4), (4, 3), 2 - 2 * 24 / 25),
    ]
    for what, p, y, expected in pairs:
        found = regression.cosine_distance(np.float32([p]), np.float32([y]))
        same(found, expected, f"loss, {what}", atol=1e-5)
    p, y = (np.float32([pair[side] for pair in pairs]) for side in (1, 2))
    same(regression.cosine_distance(p, y), 6.08 / 4, "loss, the mean of all four")


CHECKS = (loss_values,)

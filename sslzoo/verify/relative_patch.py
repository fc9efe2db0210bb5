"""Relative patches: which two patches each answer is asked of."""

import numpy as np

from sslzoo.methods import relative_patch
from sslzoo.verify.checking import true
from sslzoo.verify.small import mean_colour, settled, single


def pairs_with_the_middle():
    """Answer i is of the i-th patch around the middle and of the middle, no others."""
    method = relative_patch.RelativePatch(mean_colour(), None, 4, 5, 8)
    settled(method.puzzle, np.random.default_rng(0))
    patches = np.random.default_rng(1).random((1, 9, 4, 4, 3))
    before = np.asarray(method.logits(single(patches)))[0]
    for cell in range(9):
        other = patches.copy()
        other[:, cell] = 1 - other[:, cell]
        moved = np.abs(np.asarray(method.logits(single(other)))[0] - before).max(
            axis=-1
        )
        around = [k for k in range(9) if k != 4]
        expected = [cell in (4, k) for k in around]
        true(
            ((moved > 1e-6) == expected).all(),
            f"Patch {cell} counts in the answers {np.flatnonzero(moved > 1e-6)}, and "
            f"should in {np.flatnonzero(expected)}.",
        )


CHECKS = (pairs_with_the_middle,)

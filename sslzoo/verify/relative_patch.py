"""Relative patches: which two patches each answer is asked of."""

import numpy as np

from sslzoo.methods import jigsaw, relative_patch
from sslzoo.verify.checking import true
from sslzoo.verify.small import mean_colour, settled, single


def pairs_with_the_middle():
    """Answer i is of the i-th patch around the middle and of the middle, no others."""
    method = relative_patch.RelativePatch(mean_colour(), None, 4, 5, 8)
    settled(method.puzzle, np.random.default_rng(0))
    patches = np.random.default_rng(1).random((1, 9, 4, 4, 3))

    def said(patches):
        return np.asarray(method.logits(jigsaw.embed(method, single(patches))))[0]

    before = said(patches)
    for cell in range(9):
        other = patches.copy()
        other[:, cell] = 1 - other[:, cell]
        moved = np.abs(said(other) - before).max(axis=-1)
        around = [k for k in range(9) if k != 4]
        expected = [cell in (4, k) for k in around]
        true(
            ((moved > 1e-6) == expected).all(),
            f"Patch {cell} counts in the answers {np.flatnonzero(moved > 1e-6)}, and "
            f"should in {np.flatnonzero(expected)}.",
        )


CHECKS = (pairs_with_the_middle,)

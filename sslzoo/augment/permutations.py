"""The orders in which the patches of a puzzle are shown.

Noroozi and Favaro's (2016), arXiv:1603.09246: a hundred orders of nine patches, far
from one another in the number of places where they differ. Their file is remade here,
to its last row: among all 9! orders that is next which is on average farthest from
those there are,

    next = argmax_p sum_{q chosen} hamming(p, q) / 9

Which of equals is the first decides, hence the order in which MATLAB's `perms` lists
them, and the digits of float64 that are lost in the sum.
"""

import functools
import math

import numpy as np

from sslzoo.errors import BadInput

PATCHES = 9
FIRST = 46_080  # Of MATLAB's list: 8 7 6 9 5 4 3 2 1. It was drawn by chance.


@functools.cache
def farthest(count=100, symbols=PATCHES, first=FIRST):
    """`count` orders of 0 to `symbols` - 1, int64 `[count, symbols]`."""
    most = math.factorial(symbols)
    if not 1 <= count <= most:
        raise BadInput(
            f"orders={count}: there are {most} of {symbols} patches. "
            "Give 1 or more, and no more than these."
        )
    every = as_matlab(symbols)
    total, chosen = np.zeros(len(every)), [first]
    while len(chosen) < count:
        total += (every != every[chosen[-1]]).sum(axis=1) / symbols
        total[chosen[-1]] = -np.inf
        chosen.append(int(np.argmax(total)))
    orders = every[chosen].astype(np.int64) - 1
    orders.setflags(write=False)  # All who ask are given the same array.
    return orders


def as_matlab(n):
    """All orders of 1 .. n in the order of MATLAB's old `perms`, int8 `[n!, n]`.

    Those with n in front; then, for i = n - 1 down to 1, those with i in front, which
    are the first with i for n and n for i.
    """
    if n == 1:
        return np.ones((1, 1), np.int8)
    rest = as_matlab(n - 1)
    groups = [rest] + [
        np.where(rest == i, np.int8(n), rest) for i in range(n - 1, 0, -1)
    ]
    heads = [np.full((len(rest), 1), i, np.int8) for i in range(n, 0, -1)]
    return np.concatenate([np.hstack(pair) for pair in zip(heads, groups)])

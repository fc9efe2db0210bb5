"""Colours as classes: the 313 bins of ab, of Zhang et al. (2016), and 50 of L.

    ab:  the points of a grid of step 10 that are in gamut; a bin is what is next to it
    L:   bin i is [2 i, 2 i + 2), and white, 100, is of the last

What is next to a colour is looked up in a table of the whole grid, for each of its
cells made once: no colour is compared with 313 others. A bin is a number; `dense` makes
vectors of numbers, of one bin (one-hot) or of several with weights (soft).
"""

import functools

import numpy as np
from keras import ops

STEP = 10
# a: the first and last b. No simple rule of what is in gamut gives this set, which the
# authors published as it is. By rounding, a colour of sRGB reaches 261 of the 313.
IN_GAMUT = {
    -90: (50, 90),
    -80: (20, 90),
    -70: (0, 90),
    -60: (-20, 90),
    -50: (-30, 100),
    -40: (-40, 100),
    -30: (-50, 100),
    -20: (-50, 100),
    -10: (-60, 100),
    0: (-70, 100),
    10: (-80, 90),
    20: (-80, 90),
    30: (-90, 90),
    40: (-100, 90),
    50: (-100, 80),
    60: (-110, 80),
    70: (-110, 80),
    80: (-110, 70),
    90: (-110, 70),
    100: (-90, 0),
}
AB_BINS = np.array(  # [313, 2], in the authors' order: a first, then b, both rising
    [(a, b) for a, (low, high) in IN_GAMUT.items() for b in range(low, high + 1, STEP)],
    "float32",
)
L_BINS = np.arange(1, 100, 2, dtype="float32")  # [50], the middle of each

REACH = 11  # The grid goes to 110, on both sides of zero, in a and in b.
SIDE = 2 * REACH + 1
CELLS = STEP * np.stack(
    np.meshgrid(*2 * [np.arange(-REACH, REACH + 1)], indexing="ij"), axis=-1
).reshape(-1, 2)


def ab_bin(ab):
    """The bin of each colour, int32 `[...]` of `[..., 2]`.

    Of every colour of sRGB it is the nearest bin. Of others, such as an average, it is
    the bin that is nearest to their point of the grid.
    """
    return ops.take(_nearest(), _cell(ab), axis=0)


def l_bin(lightness):
    """The bin of each L, int32 of the same shape."""
    return ops.cast(ops.clip(ops.floor(lightness / 2), 0, len(L_BINS) - 1), "int32")


def soft_ab_bins(ab, nearest=5, sigma=5.0):
    """The bins next to each colour, and how much it is of each.

        weight_q = exp(-|ab - q|^2 / (2 sigma^2)) / (their sum over the nearest q)

    Args:
        ab: `[..., 2]`.
        nearest: number of bins: 5 in the paper; the published code has 10.

    Returns:
        Bins and weights, int32 and float `[..., nearest]`, the nearest first.
    """
    ab = ops.convert_to_tensor(ab)
    near = ops.take(_candidates(nearest), _cell(ab), axis=0)
    centres = ops.take(ops.convert_to_tensor(AB_BINS, ab.dtype), near, axis=0)
    square = ops.sum(ops.square(ops.expand_dims(ab, -2) - centres), axis=-1)
    closeness, which = ops.top_k(-square, nearest)
    bins = ops.take_along_axis(near, which, axis=-1)
    return bins, ops.softmax(closeness / (2 * sigma**2), axis=-1)


def dense(bins, count, weights=None):
    """Bins as vectors, `[..., count]`: one-hot, or soft where there are weights.

    Args:
        bins: `[...]`; `[..., k]` with weights of the same shape.
    """
    if weights is None:
        return ops.one_hot(bins, count)
    weights = ops.expand_dims(weights, -1)
    return ops.sum(weights * ops.one_hot(bins, count, dtype=weights.dtype), axis=-2)


def annealed_mean(logits, centres=AB_BINS, temperature=0.38):
    """The colour that a distribution stands for, `[..., 2]` of `[..., 313]`.

        sum_q q p_q^(1 / T) / sum_q p_q^(1 / T)

    T = 1 is the mean, gray where the network doubts; T to 0 the mode, vivid and
    spotted. 0.38 is the authors' choice between them.

    Args:
        logits: of p, or its logarithm.
        centres: of the bins: `AB_BINS`; or `L_BINS`, which give `[...]`.
    """
    part = ops.softmax(ops.convert_to_tensor(logits) / temperature, axis=-1)
    # As sums: a matmul may round to half precision.
    axes = [
        ops.sum(part * ops.convert_to_tensor(axis, part.dtype), axis=-1)
        for axis in np.atleast_2d(np.transpose(centres))
    ]
    return ops.stack(axes, axis=-1) if np.ndim(centres) > 1 else axes[0]


def rebalancing(prior, uniform=0.5, empty=False):
    """What a pixel of each bin counts, so that rare colours count more.

        w_q ~ 1 / ((1 - uniform) p_q + uniform / Q),   with   sum_q p_q w_q = 1

    Args:
        prior: p, how often each bin is found in the data; any positive scale.
        uniform: the share of equal parts: 1 rebalances nothing.
        empty: whether Q, and so w, is of all bins, as in the paper; else of those that
            are found, as in the code, and the others count 0. One-hot targets leave at
            least 52 of the 313 empty.
    """
    prior = ops.convert_to_tensor(prior)
    prior = prior / ops.sum(prior)
    counted = ops.ones_like(prior) if empty else ops.cast(prior > 0, prior.dtype)
    mixed = (1 - uniform) * prior + uniform * counted / ops.sum(counted)
    # What is not counted is neither divided by nor given a gradient.
    weight = counted / ops.where(counted > 0, mixed, 1)
    return weight / ops.sum(prior * weight)


def _cell(ab):
    """The number of the grid's point next to each colour."""
    places = ops.round(ops.convert_to_tensor(ab) / STEP)
    places = ops.minimum(ops.maximum(places, -REACH), REACH)
    places = ops.cast(places, "int8")  # Of a batch of pictures few copies are made.
    a, b = (ops.cast(places[..., i], "int16") for i in range(2))
    return (a + REACH) * SIDE + (b + REACH)


@functools.cache
def _nearest():
    """The bin nearest to each point of the grid, `[SIDE * SIDE]`."""
    away = np.linalg.norm(CELLS[:, None] - AB_BINS, axis=-1)
    return away.argmin(axis=1).astype("int32")


@functools.cache
def _candidates(nearest):
    """For each cell of the grid the bins among which are those nearest to any colour
    in it, `[SIDE * SIDE, k]`.

    A bin is out when as many as are wanted are surely nearer: when the nearest place of
    the cell is further from it than from each of them the furthest.
    """
    apart = np.abs(CELLS[:, None] - AB_BINS)
    least = np.linalg.norm(np.maximum(apart - STEP / 2, 0), axis=-1)
    most = np.linalg.norm(apart + STEP / 2, axis=-1)
    sure = np.sort(most, axis=1)[:, nearest - 1]
    k = int((least <= sure[:, None]).sum(axis=1).max())
    return np.argsort(least, axis=1, kind="stable")[:, :k].astype("int32")

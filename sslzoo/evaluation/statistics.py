"""Intervals for figures: over runs, over test items, and of paired differences.

Every function returns what JSON can hold: {"mean", "low", "high", "n", "values"}. Where
no interval can be known (one run), "low" and "high" are None.
"""

import math

import numpy as np

from sslzoo.errors import BadInput


def interval(values, confidence=0.95):
    """Mean of independent runs (seeds) with Student's interval.

    mean +- t(n - 1) * s / sqrt(n),   s^2 = sum (v - mean)^2 / (n - 1)

    Args:
        values: one figure a run, `[n]`.
    """
    values = _numbers(values, "values")
    _check_confidence(confidence)
    n, mean = len(values), float(np.mean(values))
    low = high = None
    if n > 1:
        half = t_quantile(0.5 + confidence / 2, n - 1)
        half *= float(np.std(values, ddof=1)) / math.sqrt(n)
        low, high = mean - half, mean + half
    return _report(mean, low, high, n, values)


def difference(ours, theirs, confidence=0.95):
    """Student's interval of ours - theirs, paired: run i of both shares seed or item.

    Zero outside the interval means that the difference is more than luck.
    """
    ours, theirs = _numbers(ours, "ours"), _numbers(theirs, "theirs")
    if len(ours) != len(theirs):
        raise BadInput(
            f"{len(ours)} values cannot be paired with {len(theirs)}. Give both for "
            "the same seeds or items, in the same order."
        )
    return interval(ours - theirs, confidence)


def bootstrap(values, seed=0, resamples=2000, confidence=0.95):
    """Mean over the test items of one run, with the percentile bootstrap interval.

    It tells how the figure would vary with other test items, not with other seeds.

    Args:
        values: one figure an item, for example 1 where the class was found, else 0.
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        As `interval`; n counts the items, and "values" holds the mean alone.
    """
    values = _numbers(values, "values")
    _check_confidence(confidence)
    if resamples < 1:
        raise BadInput(f"resamples={resamples}: give at least 1, usually 1000 or more.")
    n, mean = len(values), float(np.mean(values))
    random = np.random.default_rng(seed)
    means = [np.mean(values[random.integers(0, n, n)]) for _ in range(resamples)]
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return _report(mean, float(low), float(high), n, [mean])


def t_quantile(probability, freedom):
    """The point below which Student's t lies with `probability`, 0.5 and above.

    Args:
        freedom: degrees of freedom, a whole number from 1 on.
    """
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if _t_below(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _t_below(t, freedom):
    """P(T < t), t >= 0: the finite series in theta = atan(t / sqrt(freedom))."""
    theta = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(theta)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for i in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (i - 1) / i
        total += term
    total *= math.sin(theta)
    inside = 2 / math.pi * (theta + total) if odd else total
    return 0.5 + inside / 2


def _numbers(values, name):
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values):
        raise BadInput(f"{name} has shape {values.shape}. Give a list of figures, [n].")
    if not np.isfinite(values).all():
        raise BadInput(
            f"{name} holds NaN or infinity at {int(np.argmin(np.isfinite(values)))}. "
            "A run that failed has no figure: leave it out and say so."
        )
    return values


def _check_confidence(confidence):
    if not 0 < confidence < 1:
        raise BadInput(
            f"confidence={confidence} is not between 0 and 1. Give 0.95 for 95 %."
        )


def _report(mean, low, high, n, values):
    values = [float(value) for value in values]
    return {"mean": mean, "low": low, "high": high, "n": n, "values": values}

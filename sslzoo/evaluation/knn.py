"""k nearest neighbours on frozen features (Wu et al., 2018), no training at all.

    score(c) = sum over the k nearest train images i of class c of exp(cos(x, x_i) / t)

or, with `temperature=None`, the plain number of those neighbours. Ties are settled the
same way everywhere: of two neighbours equally near the one of the smaller index comes
first, of two classes with the same score the smaller class wins.

The search is exact. A float32 product over blocks finds who may be among the k nearest;
their cosines are then taken again in float64, one pair at a time, so that neither the
block nor the library behind the product can change a neighbour or a vote.
"""

import numpy as np

from sslzoo.errors import BadInput
from sslzoo.evaluation import labelled

SLACK = 1e-5  # Far above the error of a float32 cosine: about 1e-6 at d = 4096.


def evaluate(
    train,
    train_labels,
    test,
    test_labels,
    k=20,
    temperature=0.07,
    chunk=1024,
    block=16384,
):
    """Accuracy of the class with the highest score.

    Args:
        train, test: features, `[n, d]`, arrays or memory-mapped files; any n, also
            fewer than k. A row of zeros is at cosine 0 from everything.
        train_labels, test_labels: integers, `[n]`. A class that only the test has is
            counted as missed.
        k: neighbours that vote.
        temperature: t, positive, or None for an unweighted vote.
        chunk, block: test and train rows compared at once; they bound memory, not
            the result.

    Returns:
        {"top1": the share of test images whose class was found}.
    """
    found = predict(train, train_labels, test, k, temperature, chunk, block)
    test_labels = labelled.labels(test_labels, test, "test")
    return {"top1": float(np.mean(found == test_labels))}


def predict(train, train_labels, test, k=20, temperature=0.07, chunk=1024, block=16384):
    """The class that the neighbours of each test row vote for, `[n]`."""
    if temperature is not None and not temperature > 0:
        raise BadInput(
            f"temperature={temperature} is not positive. Give a number such as 0.07, "
            "or None for an unweighted vote."
        )
    train_labels = labelled.labels(train_labels, train, "train")
    classes, votes = np.unique(train_labels, return_inverse=True)
    cosines, neighbours = search(train, test, k, chunk, block)
    if temperature is None:
        weights = np.ones_like(cosines)
    else:  # Relative to the nearest: exp(1 / t) alone may be too large a number.
        weights = np.exp((cosines - cosines[:, :1]) / temperature)
    score = np.zeros((len(cosines), len(classes)))
    rows = np.arange(len(cosines))
    for rank in range(cosines.shape[1]):
        score[rows, votes[neighbours[:, rank]]] += weights[:, rank]
    return classes[score.argmax(axis=1)]


def search(train, test, k, chunk=1024, block=16384):
    """The k nearest train rows of each test row, nearest first.

    Returns:
        cosines `[n, k]` float64 and indices `[n, k]`; k is at most the train rows.
    """
    _check(train, test, k)
    k = min(k, len(train))
    best = [np.full((len(test), k), -np.inf), np.full((len(test), k), len(train))]
    for first in range(0, len(train), block):
        some = np.asarray(train[first : first + block])
        labelled.finite(some, first, "train")
        unit = _unit(some).T
        for start in range(0, len(test), chunk):
            asked = np.asarray(test[start : start + chunk])
            labelled.finite(asked, start, "test")
            cosine = _unit(asked) @ unit
            # The k-th nearest of this block, or of those before if that is nearer.
            edge = best[0][start : start + chunk, -1]
            if k <= len(some):
                edge = np.maximum(edge, -np.partition(-cosine, k - 1)[:, k - 1])
            near = cosine >= edge[:, None] - SLACK
            for i in np.flatnonzero(near.any(axis=1)):
                candidates = np.flatnonzero(near[i])
                exact = _cosine(asked[i], some[candidates])
                _merge(best, start + i, exact, first + candidates)
    return tuple(best)


def _merge(best, row, cosines, indices):
    k = best[0].shape[1]
    cosines = np.concatenate([best[0][row], cosines])
    indices = np.concatenate([best[1][row], indices])
    order = np.lexsort([indices, -cosines])[:k]
    best[0][row], best[1][row] = cosines[order], indices[order]


def _cosine(x, others):
    """Row by row: what is computed for a pair does not depend on the other pairs."""
    x, others = x.astype(np.float64), others.astype(np.float64)
    norms = np.sqrt(np.sum(x * x)) * np.sqrt(np.sum(others * others, axis=1))
    dots = np.sum(others * x, axis=1)
    return np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)


def _unit(x):
    norms = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    return (x / np.where(norms > 0, norms, 1)).astype(np.float32)


def _check(train, test, k):
    if k != int(k) or k < 1:
        raise BadInput(f"k={k} neighbours cannot vote. Give a whole number from 1 on.")
    labelled.features(train, "train")
    labelled.features(test, "test", train.shape[1])

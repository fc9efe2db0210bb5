"""Runs against random features, protocol by protocol, with seeds and intervals.

Each run is one seed of pretraining. The linear protocol holds out another part of the
training data for each of `seeds`, and a run's figure is their mean; kNN has no chance
in it. The interval of "trained" and of "random" is Student's over the runs, that of
their difference is paired by run; with one run there is none, and what is left is the
bootstrap over test items ("items"), which does not tell how another run would end.

Images that cannot be read are left out and named once; many of them are an error.
"""

import dataclasses
import logging

import numpy as np

from sslzoo.data.base import file_of
from sslzoo.data.quarantine import Quarantine
from sslzoo.evaluation import features, knn, linear, statistics

PROTOCOLS = ("knn", "linear")


def evaluate(runs, probes, protocols=PROTOCOLS, seeds=3, say=lambda words: None):
    """Every run on every set of labelled images.

    Args:
        runs: (name, trained model, untrained model) of each; the models from RGB in
            [0, 1] to a dict with "pooled".
        probes: name -> a dataclass with `train`, `test`, `size` and `crop`.
        protocols: of `PROTOCOLS`.
        seeds: hold-outs of the linear protocol.
        say: called with words before each long part.

    Returns:
        {set: {protocol: {"trained", "random", "difference": intervals, "runs": [...]}}}
    """
    results = {}
    for name, probe in probes.items():
        probe = guarded(probe)
        scores = {protocol: [] for protocol in protocols}
        for run, *models in runs:
            say(f"{run}: features of {name}")
            sets = [_sets(model, probe) for model in models]
            for protocol in protocols:
                say(f"{run}: {protocol} on {name}")
                trained, random = (_score(protocol, *s, seeds) for s in sets)
                scores[protocol].append(
                    {"run": run, "trained": trained, "random": random}
                )
        results[name] = {p: summary(rows) for p, rows in scores.items()}
    return results


def quick(model, probe, k=20):
    """How well the pooled features tell the classes of `probe`: {"knn", "linear"}.

    For the epochs of a run: kNN of `k` neighbours with an unweighted vote, and one
    logistic regression, C = 1 on standardized features.
    """
    sets = _sets(model, guarded(probe))
    return {
        "knn": knn.evaluate(*sets, k=k, temperature=None)["top1"],
        "linear": linear.evaluate(*sets, grid=(1.0,), standardize=True)["top1"],
    }


def guarded(probe, path=None, threshold=0.01):
    """`probe`, whose images that cannot be read are left out and not an error.

    Args:
        path: of quarantine.csv, which then names them.
        threshold: the part of the images of each source that may be unreadable.
    """
    sets = {
        key: source
        if isinstance(source, Quarantine)
        else Quarantine(source, path, threshold)
        for key, source in (("train", probe.train), ("test", probe.test))
    }
    return dataclasses.replace(probe, **sets)


def _sets(model, probe):
    """Train features and labels, test features and labels."""
    train, test = (_set(model, source, probe) for source in (probe.train, probe.test))
    return [*train, *test]


def _set(model, source, probe):
    """Features and labels of what can be read of a `Quarantine`."""
    known = set(source.met)
    found = features.features(model, source, probe.size, crop=probe.crop)
    if source.met - known:
        names = [file_of(source, i) or f"item {i}" for i in sorted(source.met)]
        logging.getLogger("sslzoo").warning(
            "%s of %s images of %s cannot be read and are left out: %s%s",
            *(len(names), source.count, source.name, ", ".join(names[:5])),
            " ..." if len(names) > 5 else "",
        )
    # Not all that its file names: those of a run's other sources may be of other
    # parts of the images, and which are known differs when it goes on.
    bad = sorted(source.met)
    return [np.delete(found[key], bad, axis=0) for key in ("pooled", "label")]


def _score(protocol, train, train_labels, test, test_labels, seeds):
    if protocol == "knn":
        right = knn.predict(train, train_labels, test) == test_labels
        return {"top1": float(np.mean(right)), "items": statistics.bootstrap(right)}
    found = [
        linear.evaluate(
            train, train_labels, test, test_labels, standardize=True, seed=seed
        )
        for seed in range(seeds)
    ]
    top1 = statistics.interval([each["top1"] for each in found])
    return {"top1": top1["mean"], "seeds": top1, "l2": [each["l2"] for each in found]}


def summary(rows):
    """The intervals of rows {"run", "trained": {"top1"}, "random": {"top1"}}."""
    trained, random = (
        [row[of]["top1"] for row in rows] for of in ("trained", "random")
    )
    return {
        "trained": statistics.interval(trained),
        "random": statistics.interval(random),
        "difference": statistics.difference(trained, random),
        "runs": rows,
    }

"""Moving a published checkpoint into our weights, with nothing left over."""

import logging
from fnmatch import fnmatchcase

import numpy as np

from sslzoo.errors import BadInput, nearest

log = logging.getLogger("sslzoo")
SHOWN = 8  # Lines of a kind in an error.


def assign(backbone, arrays, table, *, origin, ignored=()):
    """Sets every weight of `backbone` from `arrays`, one to one.

    A weight that keeps its random start, an array that finds no place, or one that is
    not finite makes a model that runs and is wrong; all are errors. Names and shapes
    are looked at first, and nothing is set where they do not fit.

    Args:
        arrays: name in the checkpoint -> array, or what NumPy makes one of.
        table: our weight's path -> its name in the checkpoint, or (name, change),
            where change(array) has our order of axes.
        origin: what to call the checkpoint in errors.
        ignored: patterns of names that are no part of the network, such as "head/*".

    Returns:
        {our path: their name}, of all weights.
    """
    weights = {weight.path: weight for weight in backbone.weights}
    table = {
        path: (entry, unchanged) if isinstance(entry, str) else entry
        for path, entry in table.items()
    }
    wrong = _wrong(weights, arrays, table, ignored)
    if any(wrong.values()):
        raise BadInput(
            f"{origin} does not fit the network {backbone.name!r}, and nothing was "
            f"set.\n{_report(wrong, len(weights))}\nBuild the network as the weights "
            "were trained: its depth, width, style and channels."
        )
    for path, weight in weights.items():
        name, change = table[path]
        array = change(_read(arrays[name], origin, name))
        if not np.isfinite(array).all():
            raise BadInput(f"{origin}: {name} has numbers that are not finite.")
        weight.assign(np.asarray(array, np.float32))
    report = {path: table[path][0] for path in weights}
    log.info("%s: %d arrays are in their places.", origin, len(report))
    log.debug("%s", "\n".join(f"{path} <- {name}" for path, name in report.items()))
    return report


def unchanged(array):
    return array


def flat(array):
    """Without axes of one: what a batch norm of Haiku keeps as (1, 1, 1, channels)."""
    return np.reshape(array, (max(np.shape(array), default=1),))


def hwio(array):
    """A kernel of torch and Caffe, (out, in, height, width), in the order of Keras."""
    return np.transpose(array, (2, 3, 1, 0))


def _read(array, origin, name):
    try:
        return np.asarray(array)
    except BadInput as error:
        raise BadInput(f"{origin}: {name}: {error}") from error


def _wrong(weights, arrays, table, ignored):
    """{what is wrong: lines that say so}."""
    used = [name for name, _ in table.values()]
    left = set(arrays) - set(used)
    left = {n for n in left if not any(fnmatchcase(n, p) for p in ignored)}
    return {
        "weights without an array": [
            f"{path} {tuple(weight.shape)}, to come from {table[path][0]!r}."
            + nearest(table[path][0], left)
            if path in table
            else f"{path} {tuple(weight.shape)}"
            for path, weight in weights.items()
            if path not in table or table[path][0] not in arrays
        ],
        "arrays without a place": [
            f"{name} {tuple(arrays[name].shape)}" for name in sorted(left)
        ],
        "arrays for two weights": sorted({n for n in used if used.count(n) > 1}),
        "places that the network lacks": sorted(set(table) - set(weights)),
        "arrays of another shape": [
            f"{path} {tuple(weights[path].shape)}, but {name} {arrays[name].shape}"
            for path, (name, change) in table.items()
            if path in weights
            and name in arrays
            and _shape(arrays[name].shape, change) != tuple(weights[path].shape)
        ],
    }


def _shape(shape, change):
    """That of the changed array, found without its numbers."""
    try:
        return change(np.broadcast_to(np.float32(0), shape)).shape
    except ValueError:
        return None


def _report(wrong, total):
    lines = []
    for what, found in wrong.items():
        if found:
            lines += [f"{len(found)} {what}:", *(f"    {one}" for one in found[:SHOWN])]
            lines += [f"    and {len(found) - SHOWN} more"] * (len(found) > SHOWN)
    return "\n".join([f"Of {total} weights:", *lines])

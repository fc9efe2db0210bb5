"""Moving a published checkpoint into our weights, with nothing left over."""

from fnmatch import fnmatchcase

import numpy as np

from sslzoo.errors import BadInput, nearest

SHOWN = 8  # Lines of a kind in an error.


class Report(dict):
    """What went where: {our path: their name} of all weights.

    Args:
        matched: how they were found, such as "by name".
        left: {what: names} of arrays in the file that are no part of the network.
    """

    def __init__(self, places, matched, left):
        super().__init__(places)
        self.matched, self.left, self.notes = matched, left, []

    def line(self):
        """In a few words."""
        left = [f"{len(names)} of {what}" for what, names in self.left.items() if names]
        found = f"{len(self)} arrays are in their places, found {self.matched}"
        words = [found, f"left out: {', '.join(left) or 'none'}", *self.notes]
        return "; ".join(words)

    def text(self):
        """All of it, a line for each array."""
        lines = [f"{path} <- {name}" for path, name in self.items()]
        for what, names in self.left.items():
            lines += [f"left out, of {what}: {name}" for name in sorted(names)]
        return "\n".join([self.line(), *lines]) + "\n"


def assign(backbone, arrays, table, *, origin, ignored=(), matched="by name"):
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
        matched: how the table was found, for the report.

    Returns:
        A Report, {our path: their name} of all weights.
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
        try:
            weight.assign(_numbers(arrays[name], change))
        except BadInput as error:
            raise BadInput(
                f"{origin}: {name}: {error} {backbone.name!r} was filled in part: "
                "build it anew."
            ) from error
    places = {path: table[path][0] for path in weights}
    return Report(places, matched, _left(set(arrays) - {*places.values()}, ignored))


def unchanged(array):
    return array


def flat(array):
    """Without axes of one: what a batch norm of Haiku keeps as (1, 1, 1, channels)."""
    return np.reshape(array, (max(np.shape(array), default=1),))


def hwio(array):
    """A kernel of torch and Caffe, (out, in, height, width), in the order of Keras."""
    return np.transpose(array, (2, 3, 1, 0))


def _left(names, patterns):
    """{pattern: names that it says}; a name goes to the first that does."""
    left = {pattern: [] for pattern in patterns}
    for name in sorted(names):
        left[next(p for p in patterns if fnmatchcase(name, p))].append(name)
    return left


def _numbers(array, change):
    with np.errstate(over="ignore"):  # What float32 cannot hold is told here.
        array = np.asarray(change(np.asarray(array)), np.float32)
    if not np.isfinite(array).all():
        raise BadInput("it has numbers that are not finite.")
    return array


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

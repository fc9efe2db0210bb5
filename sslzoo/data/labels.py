"""The same images with other labels: poorer, coarser or wrong ones.

Larsson et al. (2017), arXiv:1703.04044, Table 4, ask how much of what a network learns
lies in its labels:

    E10, E50    10 or 50 % of the images have a random label
    H16, H2     the classes merged to 16 or 2, along a tree of what they are
    R50, R16    the classes put into 50 or 16 buckets at random

and how much in their number, `per_class`. Which images and which buckets they had is
not published: all here follows a seed, and stays as it is from epoch to epoch.
"""

import collections
import json
import pathlib
import re

import numpy as np

from sslzoo.data.base import Source, labelled, sha256
from sslzoo.data.combined import Subset
from sslzoo.errors import BadInput, MissingFile

CIFAR10 = {  # A tree for tests and small studies, ours.
    "animal": {
        "mammal": {"pet": ["cat", "dog"], "hoofed": ["deer", "horse"]},
        "other": ["bird", "frog"],
    },
    "vehicle": {"road": ["automobile", "truck"], "elsewhere": ["airplane", "ship"]},
}


def spaced(source, space, tree=None, seed=0):
    """The source with the labels of a space: "", for its own, or "E10", "H2", "R50".

    Args:
        tree: for H: see `hierarchical`.
    """
    found = re.fullmatch(r"([EHR])([0-9]+)|", space)
    if not found:
        raise BadInput(
            f"labels={space!r}: give E10 for 10 % of random labels, H16 for 16 groups "
            "along a tree, R50 for 50 random buckets; nothing for those there are."
        )
    if not space:
        return source
    kind, number = found[1], int(found[2])
    if kind == "E":
        return noisy(source, number / 100, seed)
    if kind == "R":
        return random_buckets(source, number, seed)
    if tree is None:
        raise BadInput(f"labels={space} wants a tree of the classes.")
    return hierarchical(source, tree, number)


def noisy(source, part, seed=0):
    """A part of the images, to the nearest whole one, with a label drawn anew.

    It is drawn among all classes, so it may be what it was: whether that was so in the
    paper is not said.
    """
    if not 0 <= part <= 1:
        raise BadInput(f"{part:.0%} of the labels cannot be random: give 0 to 1.")
    labels = labelled(source).copy()
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(labels))[: round(part * len(labels))]
    labels[chosen] = random.integers(0, len(_classes(source)), len(chosen))
    return Relabelled(source, labels, source.classes)


def random_buckets(source, count, seed=0):
    """The classes in `count` buckets, as evenly as can be, by chance."""
    classes = _classes(source)
    _fewer(count, classes, source)
    bucket = np.empty(len(classes), np.int64)
    bucket[np.random.default_rng(seed).permutation(len(classes))] = (
        np.arange(len(classes)) % count
    )
    names = [f"bucket {i}" for i in range(count)]
    return Relabelled(source, bucket[labelled(source)], names)


def hierarchical(source, tree, count):
    """The classes in `count` groups along a tree.

    The tree is cut where most hangs: again and again the largest branch of the largest
    group becomes a group of its own. How the paper cut WordNet is not known.

    Args:
        tree: nested, {name: a tree, or a list of classes}; or the path of such a JSON
            file. It must have all classes of the source, and may have others.
    """
    classes = _classes(source)
    _fewer(count, classes, source)
    tree = _read(tree)
    leaves = collections.Counter(_leaves(tree))
    twice = [name for name in classes if leaves[name] > 1]
    if twice:
        raise BadInput(
            f"The tree has {', '.join(twice[:5])} in two places: in which group they "
            "belong is not told. Leave each class once."
        )
    tree = _pruned(tree, set(classes))
    known = _names(_branches(tree))
    missing = [name for name in classes if name not in known]
    if missing:
        raise BadInput(
            f"The tree does not cover the labels of {source.name}: it lacks "
            f"{', '.join(missing[:5])}{' ...' * (len(missing) > 5)}, {len(missing)} of "
            f"{len(classes)} classes. Add them, or leave their images out."
        )
    groups = cut(tree, count)
    group = {name: i for i, members in enumerate(groups) for name in members}
    lookup = np.array([group[name] for name in classes])
    names = [", ".join(sorted(members)[:3]) for members in groups]
    names = [f"{i}: {name}" for i, name in enumerate(names)]
    return Relabelled(source, lookup[labelled(source)], names)


def count(source):
    """How many classes there are."""
    return len(_classes(source))


def first(source, images):
    """The first so many images, or all that there are; 0 is all."""
    few = 0 < images < source.count
    return Subset(source, np.arange(images)) if few else source


def per_class(source, count, seed=0):
    """So many images of each class, as ImNt-100k has 100; 0 is all there are."""
    if not count:
        return source
    labels, chosen = labelled(source), []
    random = np.random.default_rng(seed)
    for i, name in enumerate(_classes(source)):
        members = random.permutation(np.flatnonzero(labels == i))
        if len(members) < count:
            raise BadInput(
                f"{source.name} has {len(members)} images of {name}, not {count}: give "
                "at most as many as the smallest class has."
            )
        chosen.append(members[:count])
    return Subset(source, np.sort(np.concatenate(chosen)))


def part(source, of_all, seed=0):
    """A part of the images of each class, to the nearest whole one, but one at least.

    Revisiting asks what few labels do by 10 and 5 % of them; whether by class is not
    recorded.
    """
    if not 0 < of_all <= 1:
        raise BadInput(f"A part of {of_all:g} of the images: give 0.1 for a tenth.")
    labels, random = labelled(source), np.random.default_rng(seed)
    chosen = []
    for i in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == i))
        chosen.append(members[: max(1, round(of_all * len(members)))])
    return Subset(source, np.sort(np.concatenate(chosen)))


def cut(tree, count):
    """The leaves of a tree in `count` groups, each a list; the largest first."""
    groups, whole = [_branches(tree)], []  # Those that may be parted, and leaves.
    while len(groups) + len(whole) < count and groups:
        groups.sort(key=lambda group: (-len(_names(group)), _names(group)))
        group = groups.pop(0)
        while len(group) == 1 and not isinstance(group[0], str):
            group = _branches(group[0])
        if len(group) == 1:
            whole.append(group)
            continue
        largest = max(group, key=lambda branch: len(_names([branch])))  # The first.
        groups += [[largest], [branch for branch in group if branch is not largest]]
    groups += whole
    if len(groups) < count:
        raise BadInput(f"The tree has {len(groups)} leaves, and not {count}.")
    return sorted(([*_names(group)] for group in groups), key=lambda g: (-len(g), g))


class Relabelled(Source):
    """The images of `source` with other labels, and names for them."""

    def __init__(self, source, labels, classes):
        self.source, self.count, self.name = source, source.count, source.name
        self.uniform = getattr(source, "uniform", False)
        self._set_labels(labels, classes)

    @property
    def fields(self):
        return self.source.fields

    def read(self, index, window=None, smallest=None, only=None):
        item = self.source.read(index, window, smallest, only)
        if "label" in item:
            item["label"] = self.labels[index]
        return item

    def batch(self, indices, only=None):
        batch = self.source.batch(indices, only)
        if "label" in batch:
            batch["label"] = self.labels[indices]
        return batch

    def size(self, index):
        return self.source.size(index)

    def file(self, index):
        return self.source.file(index)

    def fingerprint(self):
        return sha256(self.source.fingerprint(), self.labels, self.classes)


def _classes(source):
    if source.classes is None:
        return tuple(str(i) for i in range(int(labelled(source).max()) + 1))
    return source.classes


def _fewer(count, classes, source):
    if not 1 < count <= len(classes):
        raise BadInput(
            f"{count} groups of the {len(classes)} classes of {source.name}: give a "
            f"number from 2 to {len(classes)}."
        )


def _read(tree):
    if not isinstance(tree, (str, pathlib.Path)):
        return tree
    if not pathlib.Path(tree).is_file():
        raise MissingFile(
            f"No tree of labels {str(tree)!r}: a JSON file, nested, of which the "
            "innermost lists are of classes."
        )
    try:
        return json.loads(pathlib.Path(tree).read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{tree} is no JSON: {error}.") from None


def _leaves(tree):
    """Every class of a tree, as often as it has it; what is no tree is refused."""
    if isinstance(tree, dict):
        return [name for branch in tree.values() for name in _leaves(branch)]
    if isinstance(tree, (list, tuple)) and all(isinstance(name, str) for name in tree):
        return [*tree]
    raise BadInput(
        f"A tree of labels has {tree!r} where a branch should be: give "
        '{name: a tree}, or a list of classes, such as {"animal": ["cat", "dog"]}.'
    )


def _pruned(tree, classes):
    """The tree without leaves that are no classes, and what holds nothing then."""
    if isinstance(tree, dict):
        rest = {name: _pruned(branch, classes) for name, branch in tree.items()}
        return {name: branch for name, branch in rest.items() if branch}
    return [name for name in tree if name in classes]


def _branches(tree):
    return list(tree.values()) if isinstance(tree, dict) else list(tree)


def _names(group):
    """All leaves of some branches, in order."""
    found = []
    for branch in group:
        inner = [branch] if isinstance(branch, str) else _names(_branches(branch))
        found += inner
    return found

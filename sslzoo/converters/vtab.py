"""The four ResNet50-v2 of Revisiting that VTAB's collection on TF-Hub has.

Rotation, exemplar, jigsaw and relative patch: `vtab/rotation/1` and so on, unpacked by
the user into a folder. How their variables are named is recorded nowhere, so they are
mapped by their order: kernels and batch norms, each sorted by name with numbers in
names taken as such, must have the shapes of our layers, one by one, in exactly one of
the orders that codes have. Where two of one shape are told apart by order alone, their
names may differ only by numbers or single letters, which is what orders them. Any
leftover is an error; what went where is told.

The network is `backbones.build("resnet50v2")`. Whether the modules end in a ReLU is
not recorded, either; `last_relu=True` is the paper's plain v2.
"""

import itertools
import re

from sslzoo.converters.mapping import assign
from sslzoo.converters.readers import tensorflow_checkpoint
from sslzoo.errors import BadInput

NORM = ("gamma", "beta", "moving_mean", "moving_variance")
IGNORED = ("global_step", "*/global_step")


def convert(path, backbone):
    """Fills `backbone`, a "resnet50v2", from the folder of a module."""
    arrays = tensorflow_checkpoint.read(path)
    ours = {weight.path: tuple(weight.shape) for weight in backbone.weights}
    kernels = [name for name, array in arrays.items() if len(array.shape) == 4]
    norms = [n.rpartition("/")[0] for n in arrays if n.rpartition("/")[2] == "gamma"]
    units = _units(ours, backbone.name)

    convs = _ordered(
        kernels,
        [tuple(arrays[name].shape) for name in sorted(kernels, key=natural)],
        _conv_orders(units, ours),
        lambda layer: ours[f"{layer}/kernel"],
        f"{path}, kernels",
    )
    scales = _ordered(
        norms,
        [tuple(arrays[f"{name}/gamma"].shape) for name in sorted(norms, key=natural)],
        _norm_orders(units),
        lambda layer: ours[f"{layer}/gamma"],
        f"{path}, batch norms",
    )
    _trust(path, units, convs, scales)

    table = {f"{layer}/kernel": name for layer, name in convs.items()}
    for layer, name in scales.items():
        table.update({f"{layer}/{part}": f"{name}/{part}" for part in NORM})
    how = dict(origin=path, ignored=IGNORED, matched="by order and shape")
    return assign(backbone, arrays, table, **how)


def natural(name):
    """A key to sort names by: numbers in them by their size, folders before all."""
    return [
        [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", folder)]
        for folder in name.split("/")
    ]


def _units(ours, name):
    """The units in their order: block1_0, block1_1 ..."""
    found = [re.match(r"(block\d+_\d+)_pre_bn/gamma$", path) for path in ours]
    units = [hit[1] for hit in found if hit]
    if not units or any(f"{unit}_conv3/kernel" not in ours for unit in units):
        raise BadInput(
            f"The network {name!r} is no ResNet v2 of bottlenecks. Build one: "
            "build('resnet50v2')."
        )
    return units


def _conv_orders(units, ours):
    """The orders that our convolutions may have in a sorted checkpoint."""
    for root, shortcut in itertools.product(("first", "last"), repeat=2):
        layers = []
        for unit in units:
            names = [f"{unit}_conv{place}" for place in (1, 2, 3)]
            at = 0 if shortcut == "first" else 3
            if f"{unit}_shortcut_conv/kernel" in ours:
                names.insert(at, f"{unit}_shortcut_conv")
            layers += names
        layers.insert(0 if root == "first" else len(layers), "root_conv")
        yield layers


def _norm_orders(units):
    """The orders that our batch norms may have."""
    for last, pre in itertools.product(("last", "first"), ("first", "last")):
        layers = []
        for unit in units:
            names = [f"{unit}_1_bn", f"{unit}_2_bn"]
            names.insert(0 if pre == "first" else 2, f"{unit}_pre_bn")
            layers += names
        layers.insert(0 if last == "first" else len(layers), "last_bn")
        yield layers


def _ordered(names, shapes, orders, shape_of, what):
    """{our layer: their name}, by the one order that has the shapes of theirs."""
    names, orders = sorted(names, key=natural), list(orders)
    fitting = [order for order in orders if [*map(shape_of, order)] == shapes]
    if len(fitting) == 1:
        return dict(zip(fitting[0], names))
    nearest = max(orders, key=lambda order: _agreeing(map(shape_of, order), shapes))
    at = _agreeing(map(shape_of, nearest), shapes)
    there = f"{names[at]} {shapes[at]}" if at < len(names) else "the end"
    wanted = (
        f"{nearest[at]} {shape_of(nearest[at])}" if at < len(nearest) else "no more"
    )
    raise BadInput(
        f"{what}: {len(names)} of them do not have the shapes of the network, of "
        f"{len(nearest)}. In the likeliest order the first {at} fit; then comes "
        f"{there}, where {wanted} should. Nothing was set."
    )


def _agreeing(ours, theirs):
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs))
    return sum(1 for _ in pairs)


def _trust(path, units, convs, scales):
    """Raises where an order that shapes do not show is not shown by numbers, either."""
    pairs = [(f"{unit}_1_bn", f"{unit}_2_bn") for unit in units]
    for one, two in itertools.pairwise(units):
        if one.partition("_")[0] == two.partition("_")[0]:
            layers = [f"conv{place}" for place in (1, 2, 3)] + [
                "pre_bn",
                "1_bn",
                "2_bn",
            ]
            pairs += [(f"{one}_{layer}", f"{two}_{layer}") for layer in layers]
    names = convs | scales
    for one, two in pairs:
        if _bare(names[one]) != _bare(names[two]):
            raise BadInput(
                f"{path}: {names[one]!r} and {names[two]!r} have one shape, and names "
                "that do not say which is the first. Nothing was set."
            )


def _bare(name):
    """A name without its numbers, and without letters that stand alone."""
    name = re.sub(r"(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z0-9])", "#", name)
    return re.sub(r"_?\d+", "", name)

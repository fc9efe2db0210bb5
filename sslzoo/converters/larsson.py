"""Larsson's colour proxy (sheet color_proxy, 1, 4.1 and 7): Caffe's HDF5 snapshots.

    conv1/{0, 1} .. fc7/{0, 1}            AlexNet; VGG-16 has conv1_1 .. conv5_3
    batch_conv1/{0, 1, 2} ..              sum of means M, of variances V, their weight s
    conv1/0, res2a_branch1/0, res2a_branch2{a, b, c}/0, .. res5c_branch2c/0   ResNet-152
    bn_conv1/{0, 1, 2}, bn2a_branch1/..   as "batch_"
    scale_conv1/{0, 1}, scale2a_branch1/..   gamma and beta; 1 and 0 where there is none

A network with batch normalisation gets M / s and V / s. One without gets convolutions
that have it absorbed, as in the authors' evaluation:

    W' = W / sigma,   b' = (b - M / s) / sigma,   sigma = sqrt(V / s + 1e-5)

Where the file has no "batch_", there is nothing to absorb. fc6 and fc7 may be dense.

What was trained on top, the file has beside it, under names that are not recorded. It
is told by its structure: a chain of dense layers, from the hypercolumn or from the last
features to 32 bins of hue and 32 of chroma; and, where a layer makes gray of colours,
three weights of a third. Anything else that is left over is refused. What went where is
told.

The networks are "alexnet" of the form "larsson", with its norm or "bn"; "vgg16", with
batch normalisation or norm=False; and "resnet152" of the style "caffe".
"""

import math
import re

import keras
import numpy as np

from sslzoo.converters import resnets
from sslzoo.converters.mapping import assign, flat, hwio
from sslzoo.converters.readers import hdf5
from sslzoo.converters.readers.stored import Stored
from sslzoo.errors import BadInput

EPSILON = 1e-5
BINS = 32  # of hue, and of chroma
UNIT = re.compile(r"^res(\d)([a-z])(\d*)_branch(1|2[a-c])/0$")


def convert(path, backbone):
    """Fills `backbone` from a snapshot of the same architecture."""
    arrays = hdf5.read(path)
    left = _beside(arrays, backbone)
    arrays = {name: array for name, array in arrays.items() if name not in left}
    residual = any(UNIT.match(name) for name in arrays)
    arrays, table = (_resnet if residual else _plain)(path, arrays, backbone)
    report = assign(backbone, arrays, table, origin=path)
    report.left["what was trained on top"] = [*left]
    return report


# AlexNet and VGG-16.


def _plain(path, arrays, backbone):
    """The arrays, normalised as the network wants them; and its table."""
    layers = {layer.name: layer for layer in backbone.layers}
    arrays, table = _averaged(path, arrays, "batch_"), {}
    for conv, layer in layers.items():
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        table[f"{conv}/kernel"] = f"{conv}/0", _kernel(*layer.kernel.shape[:3])
        table[f"{conv}/bias"] = f"{conv}/1", flat
        if f"{conv}_bn" in layers:
            for place, of in enumerate(("moving_mean", "moving_variance")):
                table[f"{conv}_bn/{of}"] = f"batch_{conv}/{place}", flat
        elif f"batch_{conv}/0" in arrays:
            _absorb(path, arrays, conv)
    return arrays, table


def _kernel(height, width, channels):
    """A kernel of a convolution, or of a dense layer on (channel, row, column)."""

    def change(array):
        if np.ndim(array) == 2:
            array = np.reshape(array, (-1, channels, height, width))
        return hwio(array)

    return change


def _averaged(path, arrays, prefix):
    """The arrays, with means and variances in place of sums and their weight."""
    found = dict(arrays)
    norms = {name.rpartition("/")[0] for name in arrays if name.startswith(prefix)}
    for norm in sorted(norms):
        weight = found.pop(f"{norm}/2", None)
        if weight is not None and math.prod(weight.shape) == 1:
            weight = float(np.ravel(weight)[0])
        if not isinstance(weight, float) or not 0 < weight < math.inf:
            what = "not there" if weight is None else getattr(weight, "shape", weight)
            raise BadInput(
                f"{path}: {norm}/2 should be the weight of the sums of means and "
                f"variances, one number above 0, and is {what}. Nothing was set."
            )
        for sums in (f"{norm}/0", f"{norm}/1"):
            if sums in arrays:
                found[sums] = _later(lambda a, w=weight: a / w, arrays[sums])
    return found


def _later(change, first, *others):
    """change(first, ...), of the shape of the first, when it is asked for."""
    return Stored(first.shape, lambda: change(*map(np.asarray, (first, *others))))


def _absorb(path, arrays, conv):
    """Makes one of the convolution and its normalisation."""
    names = [f"{conv}/0", f"{conv}/1", f"batch_{conv}/0", f"batch_{conv}/1"]
    if missing := [name for name in names if name not in arrays]:
        raise BadInput(
            f"{path}: batch_{conv} is to be absorbed in {conv}, and there is no "
            f"{', '.join(missing)}. Nothing was set."
        )
    kernel, bias, mean, variance = (arrays.pop(name) for name in names)
    for each in (bias, mean, variance):
        if (math.prod(each.shape),) != kernel.shape[:1]:
            raise BadInput(
                f"{path}: {conv} has a kernel of {kernel.shape}, and the bias of it or "
                f"batch_{conv} has {each.shape}. Nothing was set."
            )

    def sigma(variance):
        with np.errstate(invalid="ignore"):  # `assign` refuses what is no number.
            return np.sqrt(flat(variance) + np.float32(EPSILON))

    arrays[names[0]] = _later(lambda w, v: (w.T / sigma(v)).T, kernel, variance)
    arrays[names[1]] = _later(
        lambda b, m, v: (flat(b) - flat(m)) / sigma(v), bias, mean, variance
    )


# ResNet.


def _resnet(path, arrays, backbone):
    """The arrays, with averages for sums and a scale for each; and the table."""
    hits = [hit.groups() for hit in map(UNIT.match, arrays) if hit]
    units = {}  # Of each group, as a, b1, b2 ..
    for stage, letter, number, _ in hits:
        units.setdefault(int(stage) - 1, set()).add((letter, int(number or 0), number))
    units = {group: sorted(found) for group, found in units.items()}
    places = [(int(h[0]) - 1, h[1] + h[2], h[3]) for h in hits if h[3] != "1"]
    found = resnets.planned(places, _stem(path, arrays))
    resnets.agree(path, found, backbone)

    def title(layer):
        """As 2a_branch2c; of the stem, _conv1."""
        if not layer.group:
            return "_conv1"
        letter, _, number = units[layer.group][layer.unit]
        branch = f"2{' abc'[layer.place]}" if layer.place else "1"
        return f"{layer.group + 1}{letter}{number}_branch{branch}"

    def conv(layer):
        return f"res{title(layer)}/0" if layer.group else "conv1/0"

    def norm(layer):
        return {
            "gamma": f"scale{title(layer)}/0",
            "beta": f"scale{title(layer)}/1",
            "moving_mean": f"bn{title(layer)}/0",
            "moving_variance": f"bn{title(layer)}/1",
        }

    arrays = _averaged(path, arrays, "bn")
    if not any(name.startswith("scale") for name in arrays):
        for layer in resnets.layers(backbone):
            channels, names = backbone.get_layer(layer.norm).gamma.shape, norm(layer)
            arrays[names["gamma"]] = np.ones(channels, "float32")
            arrays[names["beta"]] = np.zeros(channels, "float32")
    return arrays, resnets.table(backbone, conv, norm, hwio)


def _stem(path, arrays):
    shape = arrays["conv1/0"].shape if "conv1/0" in arrays else ()
    if len(shape) != 4:
        raise BadInput(f"{path} has units of a ResNet, and no kernel conv1/0.")
    outputs, channels, height, width = shape
    return height, width, channels, outputs


# What was trained on top.


def _beside(arrays, backbone):
    """Names of what is no part of the network: what makes gray, and the head."""
    ours = {layer.name for layer in backbone.layers} | {"conv1"}
    shapes = {
        name.removesuffix("/0"): tuple(array.shape)
        for name, array in arrays.items()
        if name.endswith("/0") and not name.startswith(("batch_", "bn", "scale", "res"))
        if name.removesuffix("/0") not in ours
    }
    gray = [
        layer
        for layer, shape in shapes.items()
        if math.prod(shape) == 3 and np.allclose(arrays[f"{layer}/0"], 1 / 3, atol=1e-4)
    ]
    found = {*gray, *_head(shapes, _inputs(backbone))}
    return {name for name in arrays if name.rpartition("/")[0] in found}


def _inputs(backbone):
    """How many numbers a head may be given: the hypercolumn, or the last features."""
    channels = {
        name: value.shape[-1]
        for name, value in backbone.output.items()
        if len(value.shape) == 4 and not name.startswith("pool")
    }
    gray = "data" not in channels  # Of the hypercolumn that is one, too.
    return {sum(channels.values()) + gray, [*channels.values()][-1]}


def _head(shapes, inputs):
    """Layers that lie on ways from so many `inputs` to 32 bins, by their shapes."""
    sizes = {
        layer: (shape[1], shape[0])
        for layer, shape in shapes.items()
        if len(shape) > 1 and all(side == 1 for side in shape[2:])
    }

    def joined(layers, known, here, there):
        """Those of `layers` that begin at `known`, and all that join them."""
        found = []
        while more := [n for n in layers if sizes[n][here] in known and n not in found]:
            found += more
            known = {*known, *(sizes[layer][there] for layer in more)}
        return found

    return joined(joined(sizes, inputs, 0, 1), {BINS}, 1, 0)

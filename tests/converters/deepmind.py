"""Files as DeepMind's: Haiku's networks, in their tree, written by dill."""

import typing

import dill
import haiku as hk
import jax
import numpy as np

from sslzoo import backbones
from sslzoo.converters import deepmind_byol
from tests.converters import haiku_nets

WIDTH = 1 / 16
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class _ByolExperimentState(typing.NamedTuple):
    """The authors' tuple; nobody who reads the file has their module."""

    online_params: typing.Any
    target_params: typing.Any
    online_state: typing.Any
    target_state: typing.Any
    opt_state: typing.Any


class ScaleByLarsState(typing.NamedTuple):
    mu: typing.Any


class AddWeightDecayState(typing.NamedTuple):
    pass


for _state in (_ByolExperimentState, ScaleByLarsState, AddWeightDecayState):
    _state.__module__ = "byol.nobody_has_this"


def head(name, inputs):
    """Shapes of a projector or predictor: sheet, section 2.3."""
    width = 12
    shapes = {
        f"{name}/linear": {"w": (inputs, width), "b": (width,)},
        f"{name}/batch_norm": {"scale": (1, width), "offset": (1, width)},
        f"{name}/linear_1": {"w": (width, 6)},
    }
    one = {"counter": (), "hidden": (1, width), "average": (1, width)}
    means = {f"{name}/batch_norm/~/{kind}_ema": one for kind in ("mean", "var")}
    return shapes, means


def published(depth, random_like, width=WIDTH):
    """What the file holds, and Haiku's network of it: images -> pooled features."""
    network, outputs = haiku_nets.network(depth, width)
    params, state = haiku_nets.drawn(network, outputs, random_like)
    logits = f"res_net{depth}/~/logits"

    def theirs(images):
        return haiku_nets.features(network, params, state, (images - MEAN) / STD)

    weights = {k: v for k, v in params.items() if k != logits}
    weights["classifier"] = {
        "w": np.ones((outputs, 5), "f4"),
        "b": np.ones(5, "f4"),
    }
    averages = dict(state)
    for name, inputs in (("projector", outputs), ("predictor", 6)):
        shapes, means = head(name, inputs)
        for tree, kinds in ((weights, shapes), (averages, means)):
            for module, values in kinds.items():
                tree[module] = {n: random_like(n, shape) for n, shape in values.items()}
    return content(weights, averages), theirs


def content(weights, averages):
    def tree(of):
        return hk.data_structures.to_immutable_dict(of)

    other = jax.tree_util.tree_map(lambda a: a + 7, weights)
    state = _ByolExperimentState(
        tree(weights),
        tree(other),
        tree(averages),
        tree(averages),
        (AddWeightDecayState(), ScaleByLarsState(tree(other)), ()),
    )
    return {"experiment_state": state, "step": 7, "rng": jax.random.PRNGKey(1)}


def write(path, value):
    path.write_bytes(dill.dumps(value, protocol=2))
    return path


def write_resnet50(path):
    """A file of the full size: our names, brought into theirs by the converter."""
    arrays = {}
    for weight in backbones.build("resnet50").weights:
        arrays[weight.path] = np.asarray(weight)
    stem = "res_net50/~/initial_conv/w"
    table = deepmind_byol.table(backbones.build("resnet50"), "res_net50", stem)
    trees = {"params": {}, "state": {}}
    for ours, (name, _) in table.items():
        module, _, weight = name.rpartition("/")
        tree = trees["state" if "_ema" in module else "params"]
        array = arrays[ours]
        tree.setdefault(module, {})[weight] = (
            array if array.ndim == 4 else array.reshape(1, 1, 1, -1)
        )
    return write(path, content(trees["params"], trees["state"]))

"""DeepMind's BYOL (sheet byol, section 2): pickles by dill of Haiku's trees.

    {"experiment_state": _ByolExperimentState(online_params, target_params,
     online_state, target_state, opt_state), "step", "rng"}

The online network is what the authors evaluate. Kernels are in the order of Keras; of
the moving averages `average` is meant, whose bias by the start is taken out. Names are
never counted: they come sorted, where block_10 is before block_2.

The network is `backbones.build("resnet50", style="byol")`, the default style.
"""

import re

import numpy as np

from sslzoo.converters import resnets
from sslzoo.converters.mapping import assign, flat
from sslzoo.converters.readers import pickles
from sslzoo.errors import BadInput

# Some of the files are said to have the stem as initial_conv_1.
STEM = re.compile(r"^([^/]+)/~/initial_conv(?:_\d+)?/w$")
CONV = re.compile(r"/~/block_group_(\d+)/~/block_(\d+)/~/conv_(\d+)/w$")
PREFIXES = ("online", "backbone")  # Of pre-training, and of linear evaluation.
LONGEST = 1000  # Letters of a name; theirs have a hundred at most.
HEADS = ("projector", "predictor", "classifier")


def convert(path, backbone):
    """Fills `backbone`, a ResNet of the style "byol", with the online network."""
    content = pickles.read(path)
    arrays = _online(content, path)
    stems = [name for name in arrays if STEM.match(name)]
    if len(stems) != 1:
        raise BadInput(
            f"{path} should have the stem of one ResNet, RES_NET/~/initial_conv/w, and "
            f"has {len(stems)}. Give a pickle of DeepMind's BYOL."
        )
    places = [tuple(map(int, hit.groups())) for hit in map(CONV.search, arrays) if hit]
    found = resnets.planned(places, arrays[stems[0]].shape)
    resnets.agree(path, found, backbone)
    net = STEM.match(stems[0])[1]
    report = assign(
        backbone,
        arrays,
        table(backbone, net, stems[0]),
        origin=path,
        ignored=[f"{head}/*" for head in HEADS],
    )
    for tree, value in content["experiment_state"].items():
        if str(tree).partition("_")[0] not in PREFIXES:
            report.left[str(tree)] = [*_names(value, str(tree))]
    return report


def table(backbone, net, stem):
    """Our path -> (their name, change of axes).

    Args:
        net: how their network is called, such as "res_net50".
        stem: their name of its first kernel.
    """

    def conv(layer):
        return f"{_module(net, layer, 'conv')}/w" if layer.group else stem

    def norm(layer):
        return _norm(_module(net, layer, "batchnorm"))

    return resnets.table(backbone, conv, norm)


def heads(path):
    """What was trained on top: {"projector/linear/w": array, ...}, as the file has it.

        projector, predictor    linear -> batch_norm -> ReLU -> linear_1 (no bias)
        classifier              linear, on the features before the projector

    Kernels `w` are (in, out); scale, offset and the averages mean_ema and var_ema of
    "batch_norm" are vectors.
    """
    arrays = {
        name: np.asarray(array)
        for name, array in _online(pickles.read(path), path).items()
        if name.partition("/")[0] in HEADS
    }
    return {
        name.replace("/~/", "/").removesuffix("/average"): (
            flat(array) if "/batch_norm/" in name else array
        )
        for name, array in arrays.items()
    }


def _module(net, layer, kind):
    if not layer.group:
        return f"{net}/~/initial_{kind}"
    which = f"{kind}_{layer.place - 1}" if layer.place else f"shortcut_{kind}"
    return f"{net}/~/block_group_{layer.group - 1}/~/block_{layer.unit}/~/{which}"


def _norm(module):
    return {
        "gamma": f"{module}/scale",
        "beta": f"{module}/offset",
        "moving_mean": f"{module}/~/mean_ema/average",
        "moving_variance": f"{module}/~/var_ema/average",
    }


def _online(content, path):
    """{"module/name": array} of the online network: weights, and averages."""
    state = content.get("experiment_state") if isinstance(content, dict) else None
    for prefix in PREFIXES:
        if isinstance(state, dict) and {f"{prefix}_params", f"{prefix}_state"} <= {
            *state
        }:
            weights = _flat_names(state[f"{prefix}_params"], path)
            averages = _flat_names(state[f"{prefix}_state"], path)
            return weights | {
                name: array
                for name, array in averages.items()
                if name.endswith("/average")
            }
    raise BadInput(
        f"{path} is no checkpoint of DeepMind's BYOL: it has no experiment_state with "
        "online_params and online_state."
    )


def _names(tree, name):
    """Those of all arrays in a tree.

    A tree that was tampered with may hold itself, or have levels without end.
    """
    waiting, seen = [(name, tree)], set()
    while waiting:
        name, value = waiting.pop()
        new = id(value) not in seen and len(name) < LONGEST
        if hasattr(value, "shape"):
            yield name
        elif isinstance(value, (dict, list, tuple)) and new:
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [(f"{name}/{key}", one) for key, one in items]


def _flat_names(tree, path):
    """{module: {name: array}} as {"module/name": array}."""
    if not isinstance(tree, dict) or not all(
        isinstance(v, dict) for v in tree.values()
    ):
        raise BadInput(f"{path} has no modules of named arrays where they should be.")
    found = {
        f"{m}/{name}": array
        for m, inner in tree.items()
        for name, array in inner.items()
    }
    if odd := [name for name, array in found.items() if not hasattr(array, "shape")]:
        raise BadInput(f"{path}: {odd[0]} is no array.")
    return found

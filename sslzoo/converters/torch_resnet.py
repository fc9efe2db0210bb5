"""ResNets v1 of torch, by the names of torchvision, which timm's have too.

    conv1.weight, bn1.*, layer{1-4}.{unit}.conv{1-3}.weight, .bn{1-3}.*,
    layer{1-4}.0.downsample.0.weight, .downsample.1.*; fc.* is left out

From a state dict in a file of safetensors, or in one of torch.save with nothing but
tensors; as it is, or below "state_dict" or "model", with a prefix such as "backbone.".

The network is `backbones.build("resnet50", style="torch")`.
"""

import re

from sslzoo.converters import resnets
from sslzoo.converters.mapping import assign, hwio
from sslzoo.converters.readers import safetensors, torch_zip
from sslzoo.errors import BadInput

STEM = "conv1.weight"
UNIT = re.compile(r"layer\d+\.\d+\.conv1\.weight$")
CONV = re.compile(r"^layer(\d+)\.(\d+)\.conv(\d+)\.weight$")
IGNORED = ("fc.*", "*num_batches_tracked")
WITHIN = ("state_dict", "model", "model_state_dict")
NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def convert(path, backbone, prefix=None):
    """Fills `backbone`, a ResNet of the style "torch".

    Args:
        prefix: of the names that are the network's, where a file has several networks;
            without, the one that there is.
    """
    state, beside = _state(path)
    prefix = _prefix(state, prefix, path)
    arrays = {
        name.removeprefix(prefix): array
        for name, array in state.items()
        if name.startswith(prefix)
    }
    places = [tuple(map(int, hit.groups())) for hit in map(CONV.match, arrays) if hit]
    height, width, channels, outputs = hwio_shape(arrays[STEM].shape, path)
    found = resnets.planned(places, (height, width, channels, outputs))
    resnets.agree(path, found, backbone)

    def conv(layer):
        if not layer.group:
            return STEM
        which = f"conv{layer.place}" if layer.place else "downsample.0"
        return f"layer{layer.group}.{layer.unit}.{which}.weight"

    def norm(layer):
        name = f"layer{layer.group}.{layer.unit}."
        name += f"bn{layer.place}" if layer.place else "downsample.1"
        name = name if layer.group else "bn1"
        return {ours: f"{name}.{theirs}" for ours, theirs in NORM.items()}

    table = resnets.table(backbone, conv, norm, hwio)
    report = assign(backbone, arrays, table, origin=path, ignored=IGNORED)
    others = [name for name in state if not name.startswith(prefix)]
    report.left |= {"other networks": others, "what is no weight": beside}
    return report


def hwio_shape(shape, path):
    if len(shape) != 4:
        raise BadInput(f"{path}: {STEM} has the shape {tuple(shape)}, no kernel's.")
    return shape[2], shape[3], shape[1], shape[0]


def _state(path):
    """{name: array} of either kind of file; and the names of what is no array."""
    if str(path).endswith(".safetensors"):
        return safetensors.read(path), []
    content, beside = torch_zip.read(path), []
    for name in WITHIN:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            beside = [str(key) for key in content if key != name]
            content = content[name]
            break
    if not isinstance(content, dict):
        raise BadInput(f"{path} holds a {type(content).__name__}, no state dict.")
    arrays = {
        name: one
        for name, one in content.items()
        if isinstance(name, str) and hasattr(one, "shape")
    }
    return arrays, beside + [str(name) for name in content if name not in arrays]


def _prefix(state, prefix, path):
    """What the names of the network's arrays begin with."""
    found = [
        name.removesuffix(STEM)
        for name in state
        if re.search(r"(^|\.)conv1\.weight$", name) and not UNIT.search(name)
    ]
    if prefix is None and len(found) == 1:
        prefix = found[0]
    if prefix not in found:
        known = ", ".join(repr(one) for one in found) or "none"
        raise BadInput(
            f"{path} has several networks or none; the prefixes before {STEM!r} are: "
            f"{known}. "
            + ("Say which: prefix=..." if found else "Is it a ResNet of torchvision?")
        )
    return prefix

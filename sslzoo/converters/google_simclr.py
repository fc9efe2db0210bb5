"""Google's SimCLR (sheet byol, section 3): TF1 checkpoints of v1, and of v2 without SK.

    base_model/conv2d[_K]/kernel
    base_model/batch_normalization[_K]/{gamma, beta, moving_mean, moving_variance}

K counts layers as they were made, where in a unit the shortcut comes first. What is
not below "base_model" is no part of the features: heads, the optimizer's slots, and the
slow copy "ema_model" of v2.

Models with selective kernels ("sk1") have another stem (ResNet-D) and other shortcuts,
of which the sheet does not record enough; they are refused.

The network is `backbones.build("resnet50", style="simclr")`.
"""

import re

from sslzoo.converters import resnets
from sslzoo.converters.mapping import assign
from sslzoo.converters.readers import tensorflow_checkpoint
from sslzoo.errors import BadInput

STEM = "base_model/conv2d/kernel"
KERNEL = re.compile(r"^base_model/conv2d(_\d+)?/kernel$")
SLOTS = ("*/Momentum", "*/ExponentialMovingAverage")


def convert(path, backbone):
    """Fills `backbone`, a ResNet of the style "simclr", with the encoder."""
    arrays = tensorflow_checkpoint.read(path)
    beside = [name for name in arrays if not name.startswith("base_model/")]
    arrays = {n: array for n, array in arrays.items() if n not in beside}
    if STEM not in arrays:
        raise BadInput(
            f"{path} has no {STEM!r}, where SimCLR's encoder begins. Give a TF1 "
            "checkpoint of google-research/simclr."
        )
    kernels = sum(bool(KERNEL.match(name)) for name in arrays)
    layers = resnets.layers(backbone)
    counts = {layer: number for number, layer in enumerate(layers)}
    ours = backbone.get_layer("root_conv").kernel.shape
    _refuse_selective(path, arrays)
    if kernels != len(layers) or tuple(arrays[STEM].shape) != tuple(ours):
        raise BadInput(
            f"{path} holds a ResNet of {kernels} convolutions with a stem of "
            f"{tuple(arrays[STEM].shape)}. The network {backbone.name!r} has "
            f"{len(layers)} and {tuple(ours)}: it is {resnets.plan(backbone)}. Build "
            "it as the weights are: build('resnet50', width=1, style='simclr')."
        )

    def name(kind, layer):
        number = f"_{counts[layer]}" if counts[layer] else ""
        return f"base_model/{kind}{number}"

    def norm(layer):
        names = "gamma", "beta", "moving_mean", "moving_variance"
        return {n: f"{name('batch_normalization', layer)}/{n}" for n in names}

    table = resnets.table(
        backbone, lambda layer: f"{name('conv2d', layer)}/kernel", norm
    )
    report = assign(backbone, arrays, table, origin=path, ignored=SLOTS)
    for name in sorted(beside):
        folder, slash, _ = name.partition("/")
        report.left.setdefault(f"{folder}/*" if slash else name, []).append(name)
    return report


def _refuse_selective(path, arrays):
    # Their stem is three convolutions of 3x3; behind other stems comes a shortcut, 1x1.
    second = arrays.get("base_model/conv2d_1/kernel")
    heights = [tuple(a.shape[:1]) for a in (second, arrays[STEM]) if a is not None]
    if heights == [(3,), (3,)]:
        raise BadInput(
            f"{path} is one of SimCLR's models with selective kernels (sk1), on a "
            "ResNet-D, which are not converted. Take that of the same size with sk0."
        )

"""What ResNets of all publishers have in common, read off a network or a checkpoint."""

import dataclasses
import re

from sslzoo.backbones import resnet
from sslzoo.converters.mapping import flat, unchanged
from sslzoo.errors import BadInput


@dataclasses.dataclass(frozen=True)
class Plan:
    """The build of a ResNet: units per group, convolutions in a unit, the stem."""

    units: tuple[int, ...]
    convs: int
    stem: tuple[int, ...]  # height, width, channels in and out of its kernel

    def __str__(self):
        depths = [
            f"ResNet-{depth}"
            for depth, (units, bottleneck) in resnet.UNITS.items()
            if (units, 3 if bottleneck else 2) == (self.units, self.convs)
        ]
        name = depths[0] if depths else "a ResNet"
        height, width, channels, outputs = self.stem
        return (
            f"{name} of {'-'.join(map(str, self.units))} units of {self.convs} "
            f"convolutions, width {outputs / 64:g}, whose stem is {height}x{width} and "
            f"takes {channels} channels"
        )


def plan(backbone):
    """The build of a network of `backbones.resnet` or `resnet_v2`."""
    shapes = {weight.path: tuple(weight.shape) for weight in backbone.weights}
    if "root_conv/kernel" not in shapes:
        raise BadInput(
            f"The network {backbone.name!r} is no ResNet, as the checkpoint is. Build "
            "one: backbones.build('resnet50', ...)."
        )
    places = [
        (int(group), int(unit), int(conv))
        for path in shapes
        for group, unit, conv in re.findall(r"^block(\d+)_(\d+)_conv(\d+)/", path)
    ]
    return planned(places, shapes["root_conv/kernel"])


def planned(places, stem):
    """The build with convolutions at (group, unit, place in it), each from 1 or 0."""
    if len(stem) != 4:
        raise BadInput(
            f"The kernel of the checkpoint's stem has the shape {tuple(stem)}, where "
            "one has four axes. Is it of a ResNet?"
        )
    groups = sorted({group for group, _, _ in places})
    units = tuple(
        len({unit for g, unit, _ in places if g == group}) for group in groups
    )
    return Plan(units, len({conv for _, _, conv in places}), tuple(stem))


def agree(origin, found, backbone):
    """Raises unless the network has the build that was found in a checkpoint."""
    if found != (ours := plan(backbone)):
        raise BadInput(
            f"{origin} holds {found}. The network {backbone.name!r} is {ours}. Build "
            "it as the weights are: build('resnet50', width=1, channels=3, ...)."
        )


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution of a network and the batch norm behind it.

    Group 0 is the stem; of a unit place 0 is the shortcut, 1 and on the rest.
    """

    group: int
    unit: int
    place: int
    conv: str
    norm: str


def layers(backbone):
    """Those of a ResNet v1 in the order in which SimCLR's code makes them.

    So in a unit that projects, the shortcut comes first.
    """
    paths = {weight.path for weight in backbone.weights}
    ours = plan(backbone)
    found = [Layer(0, 0, 0, "root_conv", "root_bn")]
    for group, count in enumerate(ours.units, start=1):
        for unit in range(count):
            name = f"block{group}_{unit}"
            if f"{name}_shortcut_conv/kernel" in paths:
                shortcut = f"{name}_shortcut_conv", f"{name}_shortcut_bn"
                found.append(Layer(group, unit, 0, *shortcut))
            for place in range(1, ours.convs + 1):
                pair = f"{name}_conv{place}", f"{name}_{place}_bn"
                found.append(Layer(group, unit, place, *pair))
    return found


def table(backbone, conv, norm, kernel=unchanged):
    """Our path -> (their name, change of axes), of a ResNet v1, for `mapping.assign`.

    Args:
        conv: layer -> their name of its kernel.
        norm: layer -> {"gamma", "beta", "moving_mean", "moving_variance": their name}.
        kernel: brings one of their kernels into the order of Keras.
    """
    found = {}
    for layer in layers(backbone):
        found[f"{layer.conv}/kernel"] = conv(layer), kernel
        for ours, theirs in norm(layer).items():
            found[f"{layer.norm}/{ours}"] = theirs, flat
    return found

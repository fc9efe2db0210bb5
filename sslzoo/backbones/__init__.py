"""Images in, a dict of features out. A new backbone is one file and a line here."""

import functools
import inspect
import math
import numbers

from sslzoo.backbones import (
    alexnet,
    resnet,
    resnet_slim,
    resnet_v2,
    revnet,
    split,
    tiny,
    vgg,
)
from sslzoo.backbones.wrap import wrap
from sslzoo.errors import BadInput, UnknownName, nearest

__all__ = ["BUILDERS", "build", "feature_info", "wrap"]


def _family(name, build, depths):
    """{"resnet18", ..: its function}, of a name with a place for the depth."""
    return {name.format(depth): functools.partial(build, depth) for depth in depths}


BUILDERS = {
    "tiny": tiny.tiny,
    "alexnet": alexnet.alexnet,
    "split": split.split,
    **_family("resnet{}", resnet.resnet, resnet.UNITS),
    **_family("resnet{}v2", resnet_v2.resnet_v2, resnet_v2.UNITS),
    **_family("resnet{}slim", resnet_slim.resnet_slim, resnet_slim.UNITS),
    "revnet50": revnet.revnet,
    "vgg16": vgg.vgg16,
    "vgg19bn": vgg.vgg19bn,
}


def build(name, **options):
    """The backbone `name`; its function in `BUILDERS` tells the options."""
    if name not in BUILDERS:
        raise UnknownName(
            f"No backbone {name!r}.{nearest(name, BUILDERS)} "
            f"There are: {', '.join(BUILDERS)}."
        )
    known = inspect.signature(BUILDERS[name]).parameters
    passed_on = known.get("options")  # As `split` does, to the network that it halves.
    for option in options:
        if option not in known and not passed_on:
            raise UnknownName(_unknown(name, option, known))
    channels = options.get("channels", 3)
    whole = isinstance(channels, numbers.Integral) and not isinstance(channels, bool)
    if not whole or channels < 1:
        raise BadInput(
            f"channels={channels!r}: give a whole number, 1 or more, such as 3 of RGB."
        )
    backbone = BUILDERS[name](**options)
    backbone.made_by = {"builder": name, "options": options}
    return backbone


def _unknown(name, option, known):
    others = [
        other
        for other, make in BUILDERS.items()
        if option in inspect.signature(make).parameters
    ]
    said = f"Backbone {name!r} has no option {option!r}.{nearest(option, known)} "
    said += f"It has: {', '.join(known)}."
    return said + (f" {option!r} is of: {', '.join(others)}." if others else "")


def feature_info(backbone, size=224):
    """Name, channels and stride of each map of features, from the first to the last.

    The stride is that of larger images, whose borders matter less. Of a network of one
    size it is the power of two that is next to what this size gives.
    """
    only = backbone.input_shape[1]
    side = only or 8 * size
    shapes = backbone.compute_output_shape((None, side, side, backbone.input_shape[-1]))

    def stride(places):
        found = side / places
        return 2 ** round(math.log2(found)) if only else round(found)

    return [
        {"name": name, "channels": shape[-1], "stride": stride(shape[1])}
        for name, shape in shapes.items()
        if len(shape) == 4
    ]

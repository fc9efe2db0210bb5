"""Images in, a dict of features out. A new backbone is one file and a line here."""

import functools
import inspect

from sslzoo.backbones import resnet, tiny
from sslzoo.errors import UnknownName, nearest

BUILDERS = {
    "tiny": tiny.tiny,
    "resnet18": functools.partial(resnet.resnet, 18),
    "resnet34": functools.partial(resnet.resnet, 34),
    "resnet50": functools.partial(resnet.resnet, 50),
}


def build(name, **options):
    """The backbone `name`; its function in `BUILDERS` tells the options."""
    if name not in BUILDERS:
        raise UnknownName(
            f"No backbone {name!r}.{nearest(name, BUILDERS)} "
            f"There are: {', '.join(BUILDERS)}."
        )
    try:
        inspect.signature(BUILDERS[name]).bind(**options)
    except TypeError as error:
        raise UnknownName(f"Backbone {name!r}: {error}.") from None
    backbone = BUILDERS[name](**options)
    backbone.made_by = {"builder": name, "options": options}
    return backbone


def feature_info(backbone, size=224):
    """Name, channels and stride of each map of features, from the first to the last.

    Strides are read off the shapes that an image of `size` pixels gives.
    """
    shapes = backbone.compute_output_shape((None, size, size, backbone.input_shape[-1]))
    return [
        {"name": name, "channels": shape[-1], "stride": -(-size // shape[1])}
        for name, shape in shapes.items()
        if len(shape) == 4
    ]

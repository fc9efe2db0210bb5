"""The six networks of Revisiting (Kolesnikov et al., 2019), arXiv:1901.09005.

They are as wide as its k says: k = 4 is a ResNet50, k = 8 a VGG19.

"(-)", without the last ReLU, is written "-minus".
"""

from sslzoo import backbones
from sslzoo.errors import BadInput, UnknownName, nearest

NETWORKS = {  # The name of a builder, the k of its width 1, and its options.
    "resnet50v1": ("resnet50", 4, {"style": "revisiting"}),
    "resnet50v2": ("resnet50v2", 4, {}),
    "resnet50v2-minus": ("resnet50v2", 4, {"last_relu": False}),
    "revnet50": ("revnet50", 4, {}),
    "revnet50-minus": ("revnet50", 4, {"last_relu": False}),
    "vgg19bn": ("vgg19bn", 8, {}),
}


def network(
    name,
    k=4.0,
    image_size=224,
    stem="imagenet",
    pixels="signed",
    representation=0,
    residual=True,
    units=0,
):
    """One of `NETWORKS`; or "tiny", as it is, for tests.

    Args:
        k: the widening factor, any number above 0.
        image_size: of what it will be shown, which VGG must know.
        stem: of the others: "imagenet", "small" or "patch".
        pixels: what is made of these first, of `layers.pixels`.
        representation: the size of "pooled" where it shall not follow the width; 0
            lets it.
        residual: False leaves the shortcuts of a ResNet out.
        units: of each of the four blocks, of all but VGG; 0 is as in 50 layers.
    """
    if name == "tiny":
        return backbones.build(name)
    if name not in NETWORKS:
        raise UnknownName(
            f"No network {name!r}.{nearest(name, NETWORKS)} "
            f"There are: {', '.join(NETWORKS)}."
        )
    builder, whole, options = NETWORKS[name]
    options = {**options, "width": k / whole, "pixels": pixels}
    options |= {"image_size": image_size} if builder == "vgg19bn" else {"stem": stem}
    if representation:
        _takes(builder != "vgg19bn", name, "representation", representation)
        options["representation"] = representation
    if not residual:
        _takes(builder.startswith("resnet"), name, "residual", residual)
        options["residual"] = False
    if units:
        _takes(builder != "vgg19bn", name, "units", units)
        options["units"] = (units,) * 4
    return backbones.build(builder, **options)


def any_network(name, k=4.0, image_size=224, **options):
    """One of `NETWORKS` or "tiny", else that of `backbones.BUILDERS`, k / 4 wide."""
    if name in (*NETWORKS, "tiny"):
        return network(name, k, image_size, **options)
    return backbones.build(name, width=k / 4, **options)


def _takes(it_does, name, knob, value):
    if not it_does:
        raise BadInput(
            f"{name} takes no {knob}={value}. Leave it out, or take another network: "
            f"{', '.join(NETWORKS)}."
        )


def undecayed(name):
    """Patterns of weights that the authors' code lets be, where it decays the rest."""
    if name.startswith("revnet"):
        return ("root_conv/*", "representation_conv/*")
    return ()

"""ResNet v1 (He et al., 2015), arXiv:1512.03385, as each paper's code builds it.

A stem, four groups of residual units, the mean over all places:

    unit(x) = relu(F(x) + shortcut(x)),   F = conv-BN-ReLU ... conv-BN

The papers agree on that, and not on the rest. Weights want the rest as their authors
had it: a shift of one pixel by padding alone costs a published model four points.
"""

import dataclasses
from collections.abc import Callable

import keras

from sslzoo.backbones import layers

UNITS = {  # units per group, and whether they are bottlenecks
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
    200: ((3, 24, 36, 3), True),
}


@dataclasses.dataclass(frozen=True)
class Style:
    """What the authors of a code chose, beside the architecture."""

    padding: str  # of convolutions: "same" or "symmetric"
    pool_padding: str  # of the stem's pool
    pixels: str  # a kind of `layers.PIXELS`
    shortcut: str  # of the first unit of group 1 where its shape does not change
    kernel: Callable | keras.initializers.Initializer
    momentum: float = 0.9  # of batch normalisation
    epsilon: float = 1e-5
    stride_on: str = "3x3"  # of a bottleneck: "3x3" ("v1.5") or its first "1x1"
    strided: int = 1  # of the two 3x3 of a basic unit
    zero_last: bool = False  # start the last scale of each F at zero


def _scaled(scale, mode, distribution="truncated_normal"):
    return keras.initializers.VarianceScaling(scale, mode, distribution)


STYLES = {
    # deepmind-research/byol, on Haiku.
    "byol": Style("same", "same", "imagenet", "projection", layers.haiku_kernel),
    # The same before 2020-12-22, on which BYOL's figure of Imagenette is.
    "byol_2020": Style(
        "same", "same", "imagenet", "projection", layers.haiku_kernel, strided=2
    ),
    # torchvision, and most of what is written in torch.
    "torch": Style(
        "symmetric",
        "symmetric",
        "imagenet",
        "identity",
        _scaled(2, "fan_out", "untruncated_normal"),
    ),
    # google-research/simclr, without selective kernels.
    "simclr": Style(
        "symmetric", "same", "unit", "projection", _scaled(1, "fan_in"), zero_last=True
    ),
    # google/revisiting-self-supervised; its k is 4 * width.
    "revisiting": Style(
        "symmetric", "symmetric", "signed", "identity", "glorot_uniform", 0.99, 1e-3
    ),
    # Larsson's colour proxy, as He's in Caffe; images as gray.
    "caffe": Style(
        "symmetric",
        "same",
        "gray",
        "identity",
        layers.XAVIER,
        momentum=0.999,
        stride_on="1x1",
    ),
}


def resnet(
    depth,
    width=1.0,
    style="byol",
    stem="imagenet",
    shortcut=None,
    zero_last=None,
    residual=True,
    representation=None,
    units=None,
    unit_outputs=False,
    pixels=None,
    channels=3,
    name=None,
):
    """RGB in [0, 1] -> {"after_root", "block1" .. "block4", "pooled"}.

    Args:
        depth: 18, 34, 50, 101, 152 or 200.
        width: factor on every number of channels, the stem's too; 0.25 makes the
            stem 16 wide ("r18w16"), 2 is BYOL's "2x", k / 4 Revisiting's k.
        style: whose code, of `STYLES`: paddings, initial weights, constants of batch
            normalisation, what is done to pixels first.
        stem: "imagenet", 7x7 of stride 2 and a max pool of stride 2; "small", one 3x3
            of stride 1 and no pool, for images of 32 to 64 pixels; or "patch", as
            Revisiting has it for patches of 64: 7x7 of stride 1, the pool, and no
            stride in group 4.
        shortcut: of the first unit of group 1 where its shape does not change:
            "projection", as BYOL's code has it in all groups; or "identity".
        zero_last: start the last scale of each F at zero. Haiku does so in
            bottlenecks; BYOL's results had it at one (sheet, section 1.5).
        residual: False leaves every shortcut out (Revisiting, section 4.5).
        representation: the size of "pooled", where it shall not follow the width: the
            channels of the last unit (Revisiting, section 4.6).
        units: of each of the four groups, where not as the depth has them.
        unit_outputs: True makes a feature of every unit too, "block1_0" and on, and of
            what goes into the root's pool, "root": the colour proxy's hypercolumn is
            made of some of these.
        pixels: what the network is shown, of `layers.PIXELS`, where not as the style.
        channels: of the images.
    """
    layers.known(depth, UNITS, "depth")
    layers.known(style, STYLES, "style")
    layers.known(stem, ("imagenet", "small", "patch"), "stem")
    style = STYLES[style]
    given = {"shortcut": shortcut, "zero_last": zero_last, "pixels": pixels}
    given = {key: value for key, value in given.items() if value is not None}
    style = dataclasses.replace(style, **given)
    layers.known(style.shortcut, ("projection", "identity"), "shortcut")
    counts, bottleneck = UNITS[depth]
    counts = counts if units is None else units
    layers.known_units(counts)
    base = layers.channels_of(64, width)
    layers.known_representation(representation, 4 if bottleneck else 1)

    images = keras.Input((None, None, channels), name="images")
    x = layers.pixels(images, style.pixels)
    size, stride = {"imagenet": (7, 2), "small": (3, 1), "patch": (7, 1)}[stem]
    x = conv(style, x, base, size, stride, "root_conv")
    x = norm_relu(style, x, "root")
    features = {"root": x} if unit_outputs else {}
    if stem != "small":
        x = layers.max_pool(x, style.pool_padding, name="root_pool")
    features["after_root"] = x

    unit = bottleneck_unit if bottleneck else basic_unit
    for group, count in enumerate(counts, start=1):
        stride = 1 if group == 1 or (group == 4 and stem == "patch") else 2
        for index in range(count):
            outputs = base * 2 ** (group - 1) * (4 if bottleneck else 1)
            if representation and (group, index) == (4, count - 1):
                outputs = representation
            title = f"block{group}_{index}"
            y = unit(style, x, outputs, stride, title)
            if residual:
                project = index == 0 and style.shortcut == "projection"
                y = joined(style, x, y, stride, project, title)
            x = keras.layers.ReLU(name=f"{title}_relu")(y)
            if unit_outputs:
                features[title] = x
            stride = 1
        features[f"block{group}"] = x
    features["pooled"] = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, features, name=name or f"resnet{depth}")


def conv(style, x, filters, size, stride, name):
    how = dict(kernel=style.kernel, padding=style.padding)
    return layers.conv(x, filters, size, stride, name=name, **how)


def norm(style, x, name, last=False):
    start = "zeros" if last and style.zero_last else "ones"
    return layers.BatchNorm(
        style.momentum, style.epsilon, gamma_initializer=start, name=f"{name}_bn"
    )(x)


def norm_relu(style, x, name):
    return keras.layers.ReLU(name=f"{name}_relu")(norm(style, x, name))


def basic_unit(style, x, outputs, stride, name):
    """3x3, 3x3, the first of the stride or the second."""
    first, second = (stride, 1) if style.strided == 1 else (1, stride)
    y = conv(style, x, outputs, 3, first, f"{name}_conv1")
    y = norm_relu(style, y, f"{name}_1")
    y = conv(style, y, outputs, 3, second, f"{name}_conv2")
    return norm(style, y, f"{name}_2", last=True)


def bottleneck_unit(style, x, outputs, stride, name):
    """1x1 to a quarter of the channels, 3x3, 1x1 back."""
    first, second = (stride, 1) if style.stride_on == "1x1" else (1, stride)
    y = conv(style, x, outputs // 4, 1, first, f"{name}_conv1")
    y = norm_relu(style, y, f"{name}_1")
    y = conv(style, y, outputs // 4, 3, second, f"{name}_conv2")
    y = norm_relu(style, y, f"{name}_2")
    y = conv(style, y, outputs, 1, 1, f"{name}_conv3")
    return norm(style, y, f"{name}_3", last=True)


def joined(style, x, y, stride, project, name):
    """y + x, where x is brought to the shape of y if it must be, or `project`."""
    if project or stride > 1 or x.shape[-1] != y.shape[-1]:
        x = conv(style, x, y.shape[-1], 1, stride, f"{name}_shortcut_conv")
        x = norm(style, x, f"{name}_shortcut")
    return keras.layers.Add(name=f"{name}_add")([y, x])

"""ResNet v1 (He et al., 2015), arXiv:1512.03385, as BYOL's code builds it.

A stem, four groups of residual units, the mean over all places:

    unit(x) = relu(F(x) + shortcut(x)),   F = conv-BN-ReLU ... conv-BN

Bottlenecks put their stride on the 3x3 ("v1.5"); every padding is SAME, which for a
stride of 2 pads one side only: the published weights need it.
"""

import keras

from sslzoo.backbones import layers
from sslzoo.errors import BadInput, UnknownName

UNITS = {  # units per group, and whether they are bottlenecks
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
}


def resnet(
    depth,
    width=1.0,
    stem="imagenet",
    shortcut="projection",
    zero_last=False,
    channels=3,
    name=None,
):
    """RGB in [0, 1] -> {"after_root", "block1" .. "block4", "pooled"}.

    Args:
        depth: 18, 34 or 50.
        width: factor on every number of channels, the stem's too; 0.25 makes the
            stem 16 wide ("r18w16"), 2 is the paper's "2x".
        stem: "imagenet", 7x7 of stride 2 and a max pool of stride 2; or "small",
            one 3x3 of stride 1 and no pool, for images of 32 to 64 pixels.
        shortcut: of the first unit of group 1 where its shape does not change:
            "projection", as BYOL's code has it in all groups; or "identity".
        zero_last: start the last scale of each F at zero. Haiku does so in
            bottlenecks; the paper's results had it at one (sheet, section 1.5).
        channels: of the images.
    """
    if depth not in UNITS:
        raise UnknownName(f"No ResNet of depth {depth}; there are {sorted(UNITS)}.")
    if stem not in ("imagenet", "small"):
        raise BadInput(f"stem={stem!r}: it is 'imagenet' or 'small'.")
    if shortcut not in ("projection", "identity"):
        raise BadInput(f"shortcut={shortcut!r}: it is 'projection' or 'identity'.")
    counts, bottleneck = UNITS[depth]
    base = round(64 * width)
    if base < 1:
        raise BadInput(f"width={width}: it leaves no channel in the stem.")

    images = keras.Input((None, None, channels), name="images")
    x = images
    if channels == 3:
        x = layers.Standardize(
            layers.IMAGENET_MEAN, layers.IMAGENET_STD, name="standardize"
        )(x)
    if stem == "imagenet":
        x = conv(x, base, 7, 2, "root_conv")
        x = norm_relu(x, "root")
        x = keras.layers.MaxPooling2D(3, 2, padding="same", name="root_pool")(x)
    else:
        x = conv(x, base, 3, 1, "root_conv")
        x = norm_relu(x, "root")
    features = {"after_root": x}

    unit = bottleneck_unit if bottleneck else basic_unit
    for group, count in enumerate(counts, start=1):
        outputs = base * 2 ** (group - 1) * (4 if bottleneck else 1)
        for index in range(count):
            stride = 2 if group > 1 and index == 0 else 1
            same = stride == 1 and x.shape[-1] == outputs
            project = index == 0 and not (same and shortcut == "identity")
            x = unit(x, outputs, stride, project, zero_last, f"block{group}_{index}")
        features[f"block{group}"] = x
    features["pooled"] = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, features, name=name or f"resnet{depth}")


def conv(x, filters, size, stride, name):
    return keras.layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=layers.haiku_kernel(size * size * x.shape[-1]),
        name=name,
    )(x)


def norm(x, name, zero=False):
    start = "zeros" if zero else "ones"
    return layers.BatchNorm(gamma_initializer=start, name=f"{name}_bn")(x)


def norm_relu(x, name):
    return keras.layers.ReLU(name=f"{name}_relu")(norm(x, name))


def basic_unit(x, outputs, stride, project, zero_last, name):
    """3x3 of the stride, 3x3."""
    y = norm_relu(conv(x, outputs, 3, stride, f"{name}_conv1"), f"{name}_1")
    y = norm(conv(y, outputs, 3, 1, f"{name}_conv2"), f"{name}_2", zero_last)
    return joined(x, y, outputs, stride, project, name)


def bottleneck_unit(x, outputs, stride, project, zero_last, name):
    """1x1 to a quarter of the channels, 3x3 of the stride, 1x1 back."""
    y = norm_relu(conv(x, outputs // 4, 1, 1, f"{name}_conv1"), f"{name}_1")
    y = norm_relu(conv(y, outputs // 4, 3, stride, f"{name}_conv2"), f"{name}_2")
    y = norm(conv(y, outputs, 1, 1, f"{name}_conv3"), f"{name}_3", zero_last)
    return joined(x, y, outputs, stride, project, name)


def joined(x, y, outputs, stride, project, name):
    if project:
        x = conv(x, outputs, 1, stride, f"{name}_shortcut_conv")
        x = norm(x, f"{name}_shortcut")
    y = keras.layers.Add(name=f"{name}_add")([y, x])
    return keras.layers.ReLU(name=f"{name}_relu")(y)

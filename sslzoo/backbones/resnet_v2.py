"""ResNet v2 (He et al., 2016), arXiv:1603.05027, as Revisiting's code builds it.

    unit(x) = F(h) + shortcut,   h = relu(BN(x)),
    F = conv1x1 - BN - ReLU - conv3x3 - BN - ReLU - conv1x1; of 18 and 34 layers
    F = conv3x3 - BN - ReLU - conv3x3,
    shortcut = x, or a 1x1 convolution of h where the shape changes.

The root is a convolution and a pool, with nothing between; after the last unit come
BN, ReLU and the mean. "(-)" leaves that ReLU out (`last_relu=False`). Features of the
blocks are the sums themselves, before any activation.
"""

import keras

from sslzoo.backbones import layers
from sslzoo.backbones.resnet import UNITS

MOMENTUM, EPSILON = 0.99, 1e-3  # TensorFlow 1's defaults: sheet, section 1.1.


def resnet_v2(
    depth,
    width=1.0,
    last_relu=True,
    stem="imagenet",
    residual=True,
    representation=None,
    units=None,
    pixels="signed",
    channels=3,
    name=None,
):
    """RGB in [0, 1] -> {"after_root", "block1" .. "block4", "pooled"}.

    Args:
        depth: 18, 34, 50, 101, 152 or 200.
        width: Revisiting's k is 4 * width.
        last_relu: False makes the paper's "(-)".
        stem: "imagenet"; "small", one 3x3 and no pool, for images of 32 to 64 pixels;
            or "patch", without strides in the root and in block 4, for its patches.
        residual: False leaves every shortcut out (section 4.5).
        representation: the channels of the last unit, hence the size of "pooled", where
            it shall not follow the width (section 4.6).
        units: of each of the four blocks, where not as the depth has them.
        pixels: what the network is shown, of `layers.PIXELS`.
        channels: of the images.
    """
    layers.known(depth, UNITS, "depth")
    counts, bottleneck = UNITS[depth]
    counts = counts if units is None else units
    layers.known_units(counts)
    base = layers.channels_of(64, width)
    layers.known_representation(representation, 4 if bottleneck else 1)
    images = keras.Input((None, None, channels), name="images")
    x = root(layers.pixels(images, pixels), base, stem)
    features = {"after_root": x}
    for block, count in enumerate(counts, start=1):
        stride = strides(stem)[block - 1]
        for index in range(count):
            outputs = base * 2 ** (block - 1) * (4 if bottleneck else 1)
            if representation and (block, index) == (4, count - 1):
                outputs = representation
            title = f"block{block}_{index}"
            x = unit(x, outputs, stride, bottleneck, residual, title)
            stride = 1
        features[f"block{block}"] = x
    features["pooled"] = pooled(x, last_relu)
    return keras.Model(images, features, name=name or f"resnet{depth}v2")


def root(x, filters, stem):
    """A convolution and a pool, with nothing between."""
    layers.known(stem, ("imagenet", "small", "patch"), "stem")
    size, stride = {"imagenet": (7, 2), "small": (3, 1), "patch": (7, 1)}[stem]
    x = conv(x, filters, size, stride, "root_conv")
    if stem == "small":
        return x
    return layers.max_pool(x, "symmetric", name="root_pool")


def strides(stem):
    """Of the four blocks."""
    return (1, 2, 2, 1 if stem == "patch" else 2)


def unit(x, outputs, stride, bottleneck, residual, name):
    h = norm_relu(x, f"{name}_pre")
    if bottleneck:
        y = body(h, outputs, outputs // 4, stride, name)
    else:
        y = basic_body(h, outputs, stride, name)
    if not residual:
        return y
    if stride > 1 or x.shape[-1] != outputs:
        x = conv(h, outputs, 1, stride, f"{name}_shortcut_conv")
    return keras.layers.Add(name=f"{name}_add")([y, x])


def basic_body(h, outputs, stride, name):
    """F of 18 and 34 layers, of what has been normalised already."""
    y = conv(h, outputs, 3, stride, f"{name}_conv1")
    return conv(norm_relu(y, f"{name}_1"), outputs, 3, 1, f"{name}_conv2")


def body(h, outputs, inner, stride, name):
    """F of a bottleneck, of what has been normalised already."""
    y = conv(h, inner, 1, 1, f"{name}_conv1")
    y = conv(norm_relu(y, f"{name}_1"), inner, 3, stride, f"{name}_conv2")
    return conv(norm_relu(y, f"{name}_2"), outputs, 1, 1, f"{name}_conv3")


def pooled(x, last_relu):
    """BN, ReLU unless it is a "(-)", and the mean over all places."""
    x = norm(x, "last")
    if last_relu:
        x = keras.layers.ReLU(name="last_relu")(x)
    return keras.layers.GlobalAveragePooling2D(name="pool")(x)


def conv(x, filters, size, stride, name):
    how = dict(kernel="glorot_uniform", padding="symmetric")
    return layers.conv(x, filters, size, stride, name=name, **how)


def norm(x, name):
    return layers.BatchNorm(MOMENTUM, EPSILON, name=f"{name}_bn")(x)


def norm_relu(x, name):
    return keras.layers.ReLU(name=f"{name}_relu")(norm(x, name))

"""VGG (Simonyan and Zisserman, 2014), arXiv:1409.1556, as two papers build it.

Five blocks of 3x3 convolutions, a pool of 2x2 after each, two wide layers:

    layer(x) = relu(BN(conv(x))),   fc6: 7x7, fc7: 1x1

`vgg16` is that of the colour proxy (Larsson et al., 2017), arXiv:1703.04044; `vgg19bn`
that of Revisiting (Kolesnikov et al., 2019), arXiv:1901.09005.
"""

import keras

from sslzoo.backbones import layers
from sslzoo.errors import BadInput

WIDTHS = (64, 128, 256, 512, 512)
CONVS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # per block
WIDE = 4096  # of fc6 and fc7


def vgg16(
    width=1.0,
    norm=True,
    fc6="same",
    dropout=0.5,
    pixels="gray",
    channels=3,
    name=None,
):
    """RGB in [0, 1] -> {"data", "conv1_1" .. "conv5_3", "fc6", "fc7", "pooled"}.

    All of them behind the ReLU, fc6 and fc7 behind their dropout too, and "data" is
    what conv1_1 is shown: together the paper's hypercolumn, of 12,417 numbers. "pooled"
    is the mean of fc7 over all places: fc7 itself, where it has one.

    Normalisation is without scale and shift, and each convolution keeps its bias, which
    the mean then takes away: what `fold.folded` makes of it has both in one. Weights
    start from Caffe's "xavier", uniform of variance 1 / fan in.

    Args:
        width: factor on every number of channels, those of fc6 and fc7 too.
        norm: False makes the plain network, of ImageNet in Caffe and torchvision; with
            fc6="valid", and their pixels.
        fc6: "same" pads the 7x7, and takes images of any size; "valid" does not, and
            gives one place at 224 pixels.
        dropout: of fc6 and fc7, in training.
        pixels: what the network is shown, of `layers.PIXELS`.
        channels: of the images.
    """
    layers.known(fc6, ("same", "valid"), "fc6")

    def layer(x, filters, size, name, padding="same"):
        x = layers.conv(
            x,
            filters,
            size,
            name=name,
            kernel=layers.XAVIER,
            padding=padding,
            bias=True,
        )
        if norm:
            title = f"{name}_bn"
            x = layers.BatchNorm(0.999, center=False, scale=False, name=title)(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    images = keras.Input((None, None, channels), name="images")
    x = layers.pixels(images, pixels)
    features = {"data": x}
    for block, (filters, count) in enumerate(zip(WIDTHS, CONVS[16]), start=1):
        for index in range(1, count + 1):
            title = f"conv{block}_{index}"
            x = layer(x, layers.channels_of(filters, width), 3, title)
            features[title] = x
        x = layers.max_pool(x, size=2, name=f"pool{block}")  # Caffe's rounds up, too.
    wide = layers.channels_of(WIDE, width)
    for title, size, padding in (("fc6", 7, fc6), ("fc7", 1, "same")):
        x = layer(x, wide, size, title, padding)
        x = layers.Dropout(dropout, name=f"{title}_dropout")(x)
        features[title] = x
    features["pooled"] = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, features, name=name or "vgg16")


def vgg19bn(width=1.0, image_size=224, pixels="signed", channels=3, name=None):
    """RGB in [0, 1] -> {"block0" .. "block4", "fc6", "fc7", "pooled"}, of one size.

    block1 .. block4 are the paper's: what goes into the pools 2 to 5. The authors' code
    counts one more, its block1 being our "block0". "pooled" is its pre_logits, fc7
    behind the ReLU.

    Args:
        width: Revisiting's k is 8 * width: channels 8k .. 64k, fc6 and fc7 of 512k.
        image_size: the side of the images. fc6 covers all that remains of them: 7x7 of
            224, 2x2 of patches of 64.
        pixels: what the network is shown, of `layers.PIXELS`.
        channels: of the images.
    """
    left = image_size // 2 ** len(WIDTHS)
    if left < 1:
        raise BadInput(
            f"image_size={image_size}: after five pools nothing is left. "
            "Give 32 or more."
        )

    def layer(x, filters, size, name, padding="same"):
        kernel = "glorot_uniform"
        x = layers.conv(x, filters, size, name=name, kernel=kernel, padding=padding)
        x = layers.BatchNorm(0.99, 1e-3, name=f"{name}_bn")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    images = keras.Input((image_size, image_size, channels), name="images")
    x = layers.pixels(images, pixels)
    features = {}
    for block, (filters, count) in enumerate(zip(WIDTHS, CONVS[19])):
        for index in range(count):
            title = f"block{block}_{index}"
            x = layer(x, layers.channels_of(filters, width), 3, title)
        features[f"block{block}"] = x
        x = layers.max_pool(x, "valid", size=2, name=f"block{block}_pool")
    wide = layers.channels_of(WIDE, width)
    features["fc6"] = x = layer(x, wide, left, "fc6", "valid")
    features["fc7"] = x = layer(x, wide, 1, "fc7")
    features["pooled"] = keras.layers.Flatten(name="pre_logits")(x)
    return keras.Model(images, features, name=name or "vgg19bn")

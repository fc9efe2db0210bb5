"""ResNet v2 of slim; of 101 layers the trunk of the multi-task paper, to block 3.

    unit(x) = F(h) + shortcut,   h = relu(BN(x)),
    F = conv1x1 - BN - ReLU - conv3x3 - BN - ReLU - conv1x1 with bias,
    shortcut = x, every second place of it under a stride; or, where the channels
    change, a 1x1 convolution of h with bias.

Slim puts the stride of a block in its last unit. To keep a resolution, it leaves later
strides out and spreads the 3x3 over as many places instead: the weights stay the same,
so one trunk serves patches at a stride of 16 and dense tasks at 8. The sums that come
out have no activation: what is put on them begins with BN and ReLU.
"""

import keras

from sslzoo.backbones import layers, resnet

UNITS = {
    depth: counts for depth, (counts, bottleneck) in resnet.UNITS.items() if bottleneck
}
MOMENTUM, EPSILON = 0.997, 1e-5
KERNEL = keras.initializers.VarianceScaling(2, "fan_in", "truncated_normal")


def resnet_slim(
    depth,
    width=1.0,
    blocks=3,
    output_stride=16,
    unit_outputs=None,
    pixels="signed",
    channels=3,
    name=None,
):
    """RGB in [0, 1] -> {"after_root", "block1" .. , the units, "postnorm", "pooled"}.

    "postnorm" is the last block after BN and ReLU, whose scales are of the trunk's own,
    and "pooled" its mean. Images of 32 n + 1 pixels keep corners aligned.

    Args:
        depth: 50, 101, 152 or 200.
        blocks: 4, or 3 as the paper has it.
        output_stride: 32, 16 or 8: of the last block.
        unit_outputs: the block whose units each become a feature, "block3_0" ..
            "block3_22"; without, the last one. 0 gives none.
        pixels: what the network is shown, of `layers.PIXELS`; the paper does not say.
        channels: of the images.
    """
    layers.known(depth, UNITS, "depth")
    layers.known(blocks, (3, 4), "blocks")
    layers.known(output_stride, (32, 16, 8), "output_stride")
    layers.known(unit_outputs, (None, 0, *range(1, blocks + 1)), "unit_outputs")
    told = blocks if unit_outputs is None else unit_outputs
    base = layers.channels_of(64, width)

    images = keras.Input((None, None, channels), name="images")
    x = layers.pixels(images, pixels)
    x = conv(x, base, 7, 2, "root_conv", bias=True)
    x = layers.max_pool(x, "same", name="root_pool")
    features = {"after_root": x}
    at, rate = 4, 1
    for block, count in enumerate(UNITS[depth][:blocks], start=1):
        for index in range(count):
            wanted = 2 if index == count - 1 and block < 4 else 1
            stride = 1 if at == output_stride else wanted
            title = f"block{block}_{index}"
            x = unit(x, base * 2 ** (block + 1), stride, rate, title)
            at *= stride
            rate *= wanted // stride
            if block == told:
                features[title] = x
        features[f"block{block}"] = x
    x = features["postnorm"] = norm_relu(x, "last")
    features["pooled"] = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, features, name=name or f"resnet{depth}slim")


def unit(x, outputs, stride, rate, name):
    h = norm_relu(x, f"{name}_pre")
    y = conv(h, outputs // 4, 1, 1, f"{name}_conv1")
    y = norm_relu(y, f"{name}_1")
    y = conv(y, outputs // 4, 3, stride, f"{name}_conv2", dilation_rate=rate)
    y = norm_relu(y, f"{name}_2")
    y = conv(y, outputs, 1, 1, f"{name}_conv3", bias=True)
    if x.shape[-1] != outputs:
        x = conv(h, outputs, 1, stride, f"{name}_shortcut_conv", bias=True)
    elif stride > 1:
        x = keras.layers.MaxPooling2D(1, stride, name=f"{name}_shortcut_pool")(x)
    return keras.layers.Add(name=f"{name}_add")([y, x])


def conv(x, filters, size, stride, name, **options):
    how = dict(kernel=KERNEL, padding="symmetric")
    return layers.conv(x, filters, size, stride, name=name, **how, **options)


def norm_relu(x, name):
    x = layers.BatchNorm(MOMENTUM, EPSILON, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)

"""Heads that say something of every cell of a map: convolutions without borders.

What is told of a cell is told in float32, whatever the policy, so that no loss is taken
in half precision.
"""

import keras

from sslzoo.backbones import layers


def answers(channels, outputs, name):
    """fc8 of a fully convolutional network: `[n, h, w, outputs]`, from all zeros.

    Caffe starts a layer so of which nothing is said, as the fc8 of Zhang et al.: an
    untrained network then takes all classes for equally likely.
    """
    fc8 = keras.layers.Conv2D(
        outputs, 1, kernel_initializer="zeros", dtype="float32", name="fc8"
    )
    return keras.Sequential([keras.Input((None, None, channels)), fc8], name=name)


def branch(channels, outputs, name, hidden=512, momentum=0.999):
    """fc6, fc7 and fc8 of AlexNet, thin ones, on a map of stride 16.

    Split-brain's of depth, two on one pool5, have 512 channels; as in its other
    networks, pool5 has lost its stride, so fc6 is dilated, and batches are normalised.
    """
    x = maps = keras.Input((None, None, channels))
    for layer, size, dilation in (("fc6", 6, 2), ("fc7", 1, 1)):
        x = layers.conv(
            *(x, hidden, size),
            name=layer,
            kernel=keras.initializers.RandomNormal(stddev=0.005),
            padding="symmetric",
            bias=True,
            dilation_rate=dilation,
        )
        free = dict(center=False, scale=False, name=f"{layer}_bn")
        x = layers.BatchNorm(momentum, **free)(x)
        x = keras.layers.ReLU(name=f"{layer}_relu")(x)
    return keras.Model(maps, answers(hidden, outputs, "fc8")(x), name=name)

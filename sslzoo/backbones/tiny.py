"""Two small stages: the backbone of tests, with the contract of the large ones."""

import keras

from sslzoo.backbones import layers


def tiny(width=8):
    """RGB in [0, 1], any size -> {"block1", "block2", "pooled"}."""
    images = keras.Input((None, None, 3), name="images")
    x = layers.Standardize(layers.IMAGENET_MEAN, layers.IMAGENET_STD)(images)
    features = {}
    for block in (1, 2):
        filters = layers.channels_of(block, width)
        x = keras.layers.Conv2D(
            filters, 3, strides=2, padding="same", name=f"conv{block}"
        )(x)
        x = layers.BatchNorm(name=f"norm{block}")(x)
        x = keras.layers.ReLU(name=f"relu{block}")(x)
        features[f"block{block}"] = x
    features["pooled"] = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, features, name="tiny")

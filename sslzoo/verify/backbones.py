"""The layers of ours in networks: batch normalisation, and its folding."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo.backbones import fold, layers
from sslzoo.verify.checking import same, true
from sslzoo.verify.small import batch, lived_in, single
from sslzoo.zoo import artifacts


def fused_batch_norm():
    """The fused batch norm is Keras' own: outputs, gradients and running averages."""
    for shape in ((8, 5, 7, 6), (16, 6)):
        rng = np.random.default_rng(0)
        images, mix = single(rng.normal(3, 2, shape)), single(rng.normal(size=shape))
        found = []
        for layer in (
            layers.BatchNorm(),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
        ):
            layer.build(shape)
            layer.gamma.assign(np.linspace(0.5, 2, 6))
            layer.beta.assign(np.linspace(-1, 1, 6))
            with tf.GradientTape() as tape:
                tape.watch(images)
                y = layer(images, training=True)
                loss = tf.reduce_sum(y * mix)
            each = dict(zip(("output", "gradient"), (y, tape.gradient(loss, images))))
            each["running mean"] = layer.moving_mean
            each["running variance"] = layer.moving_variance
            each["output when inferring"] = layer(images, training=False)
            found.append({what: np.asarray(value) for what, value in each.items()})
        for what, expected in found[1].items():
            same(found[0][what], expected, f"{what} of {list(shape)}", 1e-3, 1e-4)


def folding():
    """Batch norm folded into the convolutions before it changes no feature."""
    backbone = lived_in()
    light = fold.folded(backbone)
    left = [layer.name for layer in light.layers if "norm" in layer.name]
    true(not left, f"Of batch norm is left: {', '.join(left)}.")
    images = batch()["view1"]
    found, expected = (artifacts.features(net, images) for net in (light, backbone))
    for name, value in expected.items():
        same(found[name] / np.abs(value).max(), value / np.abs(value).max(), name, 1e-4)


CHECKS = (
    fused_batch_norm,
    folding,
)

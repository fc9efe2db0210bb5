"""What answers a puzzle of patches, of the features of each."""

import keras

from sslzoo.backbones import layers
from sslzoo.errors import BadInput
from sslzoo.heads import projectors

KERNEL = keras.initializers.TruncatedNormal(stddev=0.005)


def patch_mlp(inputs, hidden, outputs, name, dropout=0.5, momentum=0.997):
    """Revisiting's, linear - BN - ReLU - dropout - linear: `[n, inputs]` to logits.

    Biases begin at 0.1 below and at 0 above. The paper says two hidden layers: the
    other is the linear one of each patch, before they are put side by side.

    Args:
        momentum: of the norm; a run of fewer than 1000 steps wants less, or it is still
            asked by the statistics that it began with.
    """
    if not 0 <= momentum < 1:
        raise BadInput(
            f"momentum={momentum}: it is the part of its statistics that a norm keeps "
            "in a step. Give 0 or more, below 1."
        )
    projectors.check_sizes(name, outputs, hidden)
    parts = [
        keras.Input((inputs,)),
        keras.layers.Dense(
            hidden,
            kernel_initializer=KERNEL.clone(),
            bias_initializer=keras.initializers.Constant(0.1),
            name="hidden",
        ),
        layers.BatchNorm(momentum, 1e-5, name="norm"),
        keras.layers.ReLU(name="relu"),
        layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(
            outputs, kernel_initializer=KERNEL.clone(), dtype="float32", name="logits"
        ),
    ]
    return keras.Sequential(parts, name=name)

"""Small networks on the pooled features, where the self-supervised loss is taken."""

import keras

from sslzoo.backbones import layers


def mlp(inputs, hidden, outputs, name, depth=2):
    """BYOL's projector and predictor, `[n, inputs]` to `[n, outputs]`.

    depth 2: linear - BN - ReLU - linear; each more depth adds one such hidden layer,
    depth 1 is the last linear alone. The hidden layers have a bias, the last has
    none (the code; the paper's pseudo-code leaves it on). It ends in float32,
    whatever the policy, so that the loss is never taken in half precision.
    """
    parts, width = [keras.Input((inputs,))], inputs
    for index in range(1, depth):
        parts += [
            keras.layers.Dense(
                hidden,
                kernel_initializer=layers.haiku_kernel(width),
                name=f"hidden{index}",
            ),
            layers.BatchNorm(name=f"norm{index}"),
            keras.layers.ReLU(name=f"relu{index}"),
        ]
        width = hidden
    parts.append(
        keras.layers.Dense(
            outputs,
            use_bias=False,
            kernel_initializer=layers.haiku_kernel(width),
            dtype="float32",
            name="out",
        )
    )
    return keras.Sequential(parts, name=name)


def linear(inputs, outputs, name):
    """One linear layer with a bias, in float32: a classifier."""
    dense = keras.layers.Dense(
        outputs,
        kernel_initializer=layers.haiku_kernel(inputs),
        dtype="float32",
        name="logits",
    )
    return keras.Sequential([keras.Input((inputs,)), dense], name=name)

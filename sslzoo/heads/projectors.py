"""Small networks on the pooled features, where the self-supervised loss is taken."""

import keras

from sslzoo.backbones import layers
from sslzoo.errors import BadInput

LASTS = ("linear", "bias", "scale", "norm")


def mlp(inputs, hidden, outputs, name, depth=2, bias=True, norm=True, last="linear"):
    """A projector or a predictor, `[n, inputs]` to `[n, outputs]`; BYOL's by default.

    depth 2: linear - BN - ReLU - linear; each more depth adds one such hidden layer,
    depth 1 is the last linear alone. The hidden layers have a bias, the last has
    none (the code; the paper's pseudo-code leaves it on). It ends in float32,
    whatever the policy, so that the loss is never taken in half precision.

    Args:
        bias, norm: whether the hidden layers have a bias, and BN.
        last: the last layer: "linear"; "bias", with one; "scale", BN behind it that
            has no offset; "norm", BN behind it without parameters.
    """
    layers.known(last, LASTS, "last")
    if depth < 1:
        raise BadInput(f"A {name} of depth {depth}: it has 1 layer or more.")
    check_sizes(name, outputs, hidden if depth > 1 else None)
    parts, width = [keras.Input((inputs,))], inputs
    for index in range(1, depth):
        dense = keras.layers.Dense(
            hidden,
            use_bias=bias,
            kernel_initializer=layers.haiku_kernel(width),
            name=f"hidden{index}",
        )
        normed = [layers.BatchNorm(name=f"norm{index}")] if norm else []
        parts += [dense, *normed, keras.layers.ReLU(name=f"relu{index}")]
        width = hidden
    parts.append(
        keras.layers.Dense(
            outputs,
            use_bias=last == "bias",
            kernel_initializer=layers.haiku_kernel(width),
            dtype="float32",
            name="out",
        )
    )
    if last in ("scale", "norm"):
        options = dict(center=False, scale=last == "scale", dtype="float32")
        parts.append(layers.BatchNorm(name="norm_out", **options))
    return keras.Sequential(parts, name=name)


def linear(inputs, outputs, name, kernel=None):
    """One linear layer with a bias, in float32: a classifier.

    Args:
        kernel: how its weights are first drawn, by a name of Keras'; None is as Haiku
            does. Revisiting's are "glorot_uniform".
    """
    check_sizes(name, outputs)
    dense = keras.layers.Dense(
        outputs,
        kernel_initializer=kernel or layers.haiku_kernel(inputs),
        dtype="float32",
        name="logits",
    )
    return keras.Sequential([keras.Input((inputs,)), dense], name=name)


def check_sizes(name, outputs, hidden=None):
    """Whether each layer of a head has at least one number."""
    if outputs < 1:
        raise BadInput(
            f"The {name} ends in {outputs} numbers: give it 1 or more, by outputs= or, "
            "where there is that, embedding=."
        )
    if hidden is not None and hidden < 1:
        raise BadInput(
            f"The {name} has {hidden} numbers in its hidden layer: give it 1 or more, "
            "by hidden= or, of SimSiam, bottleneck=."
        )

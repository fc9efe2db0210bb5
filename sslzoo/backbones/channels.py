"""The first convolution of a trained network, made for images of other channels.

    with_channels   kernels of plane i mod c, times c / n:  c channels to n
    to_rgb          a third of the gray kernel, three times
    to_gray         the sum of the three

The last two are the colour proxy's (Larsson et al., 2017), arXiv:1703.04044: gray
networks are tested on colours, and one of ImageNet goes on learning on gray.
"""

import keras
import numpy as np
from keras import ops

from sslzoo.backbones import layers
from sslzoo.errors import BadInput

# Layers that do the same to every channel.
PLAIN = ("InputLayer", "Standardize", "Rescaling", "ZeroPadding2D")


def with_channels(model, n):
    """As timm's `adapt_input_conv`, but for what stands before the convolution.

    Gray is shown as RGB. That is the sum of the kernels, and stays right behind layers
    that treat colours differently, as standardizing does.
    """
    *shape, old = model.input_shape[1:]
    if n == 1:
        images = keras.Input((*shape, n), name="images")
        colours = ops.repeat(images, old, axis=-1)
        return keras.Model(images, model.call(colours), name=model.name)
    planes = [i % old for i in range(n)]
    advice = "treat its channels each in its own way, so more of them have no meaning. "
    conv = _first(model, PLAIN, f"{advice}Only 1 can be had.")

    def first(kernel, *bias):
        return [kernel[:, :, planes] * (old / n), *bias]

    return _rebuilt(model, n, conv, first, lambda of: [of[i] for i in planes])


def to_rgb(model):
    """The gray network on colours: W_rgb = W_gray / 3 for each, no gray in between.

    It says what it said, since gray is the plain mean of the colours; and can learn now
    that they differ.
    """
    advice = f"do not make gray what it sees: {model.name} is no gray network."
    conv = _first(model, (*PLAIN, "Gray"), advice)
    if conv.kernel.shape[2] != 1:
        raise BadInput(f"{conv.name} of {model.name}, and what is before it, {advice}")

    def first(kernel, *bias):
        return [np.repeat(kernel / 3, 3, axis=2), *bias]

    return _rebuilt(model, 3, conv, first, lambda of: [of[0]] * 3, without=("Gray",))


def to_gray(model):
    """The RGB network on the mean of the colours, the sum of its three planes:

        W_gray = sum_c W_c s / s_c,   b_gray = b + sum_c,y,x W_c (m - m_c) / s_c

    m_c and s_c are what colours were standardized by, m and s their means. On gray
    images it says what it said, but for the rim that sees zeros of a padding, where it
    was shown the colour m_c and now is shown m.
    """
    advice = f"do not see three colours: {model.name} is no RGB network."
    conv = _first(model, (*PLAIN, "Flipped"), advice)
    if conv.kernel.shape[2] != 3:
        raise BadInput(f"{conv.name} of {model.name}, and what is before it, {advice}")
    found = [f for f in model.layers if isinstance(f, layers.Standardize)]
    mean, std = (found[0].mean, found[0].std) if found else ((0, 0, 0), (1, 1, 1))
    m, s = np.mean(mean), np.mean(std)
    biased = conv.use_bias or np.ptp(mean) > 0

    def first(kernel, *bias):
        scaled = kernel.astype("float64") / np.reshape(std, (3, 1))
        shift = np.einsum("yxcf,c->f", scaled, m - np.array(mean))
        sums = s * scaled.sum(axis=2, keepdims=True)
        return [sums, sum(bias, shift)] if biased else [sums]

    def standard(of):
        return [float(np.mean(of))]

    one = _rebuilt(model, 1, conv, first, standard, without=("Flipped",), biased=biased)
    images = keras.Input(model.input_shape[1:], name="images")
    gray = layers.Gray(name="gray")(images)
    return keras.Model(images, one.call(gray), name=model.name)


def _first(model, before, advice):
    """The first convolution, if what is before it does the same to every channel."""
    for layer in model.operations:
        kind = type(layer).__name__
        if isinstance(layer, keras.layers.Conv2D) and layer.groups == 1:
            return layer
        if kind not in before:
            break
    raise BadInput(f"The first layers of {model.name} ({kind}) {advice}")


def _rebuilt(model, channels, conv, first, standard, without=(), biased=False):
    """A copy of the model for images of `channels`, with other weights in `conv`.

    Args:
        first: its weights to those it gets.
        standard: what each channel is standardized by, to what each new one is.
        without: kinds of layers to leave out.
        biased: give it a bias where it has none.
    """

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, layers.Standardize):
            config |= {key: standard(config[key]) for key in ("mean", "std")}
        if layer.name == conv.name and biased:
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer, *args, **kwargs):
        if type(layer).__name__ in without:
            return args[0]
        return layer(*args, **kwargs)

    images = keras.Input((*model.input_shape[1:-1], channels), name="images")
    twin = keras.models.clone_model(
        model, images, clone_function=clone, call_function=call
    )
    for layer in twin.layers:
        weights = model.get_layer(layer.name).get_weights()
        layer.set_weights(first(*weights) if layer.name == conv.name else weights)
    return twin

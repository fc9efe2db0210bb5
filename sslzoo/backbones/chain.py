"""Networks that are one row of layers, as VGG is, and AlexNet without LRN.

From its first weights on, a row without biases is homogeneous,

    f(a x) = a f(x),   a > 0,

and with them it is if each bias is multiplied too. So scales can be moved along it.
What stands before the first weights, what is done to pixels, may be anything.
"""

import keras
from keras import ops

from sslzoo.backbones import graph
from sslzoo.errors import BadInput

WEIGHTED = (keras.layers.Conv2D, keras.layers.Dense)
ACTIVATIONS = (keras.layers.ReLU, keras.layers.Activation)
PLAIN = (
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.ZeroPadding2D,
)


def copied(model):
    """A twin of `model` with the same weights, and the layers of it, as a row."""
    model = graph.functional(model)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin, row(twin)


def row(model):
    """Its layers, each called once, on what the one before gives: no input layer.

    What a layer gives may also go into an output by a layer without weights, as
    AlexNet's pool5 goes into its mean: that follows, and is no part of the row.
    """
    first, *layers = model.layers
    aside = _aside(layers)
    layers = [layer for layer in layers if layer not in aside]
    before, weighted = first.output, False
    for layer in layers:
        if layer.input is not before:
            raise BadInput(
                f"{model.name} is no single row of layers: {layer.name} takes "
                "something else than what the layer before it gives. This transform is "
                "for networks like VGG, and AlexNet without LRN."
            )
        weighted = weighted or isinstance(layer, WEIGHTED)
        if weighted and not is_homogeneous(layer):
            raise BadInput(
                f"{layer.name} of {model.name}, a {type(layer).__name__}, does not "
                "keep scales: f(a x) = a f(x) fails. Batch normalisation goes by "
                "sslzoo.backbones.fold.folded(model) first; LRN cannot."
            )
        before = layer.output
    if not weighted:
        raise BadInput(f"{model.name} has no convolution and no dense layer.")
    return layers


def _aside(layers):
    """Layers without weights whose output no layer takes, where another goes on."""
    inputs = [id(x) for layer in layers for x in keras.tree.flatten(layer.input)]
    return [
        layer
        for layer in layers
        if isinstance(layer, PLAIN)
        and id(layer.output) not in inputs
        and inputs.count(id(layer.input)) > 1
    ]


def is_homogeneous(layer):
    """Whether f(a x) = a f(x) for a > 0, biases apart."""
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.threshold
    if isinstance(layer, (*WEIGHTED, keras.layers.Activation)):
        return keras.activations.serialize(layer.activation) in ("linear", "relu")
    return isinstance(layer, PLAIN)


def segments(layers):
    """What comes before any weights; then each weighted layer with what follows it."""
    start, *rest = [i for i, f in enumerate(layers) if isinstance(f, WEIGHTED)]
    ends = [*rest, len(layers)]
    return layers[:start], [layers[a:b] for a, b in zip([start, *rest], ends)]


def linear(layer, x):
    """W x, without the bias, and without an activation that the layer has in it."""
    if isinstance(layer, keras.layers.Dense):
        return ops.matmul(x, layer.kernel)
    return layer.convolution_op(x, layer.kernel)


def run(layers, x):
    """x through the layers, one after the other."""
    for layer in layers:
        x = layer(x)
    return x


def weights_of(layer):
    """Kernel and bias in float64; the bias is None where there is none."""
    kernel, *bias = (weight.astype("float64") for weight in layer.get_weights())
    return kernel, (bias[0] if bias else None)


def assign(layer, kernel, bias):
    layer.set_weights([kernel] if bias is None else [kernel, bias])

"""Padding with what the layer before says of nothing (Larsson et al., 2017), note 3.

A network trained with batch normalisation and zero padding, folded, is at a loss near
the borders of larger images: zero says much to a layer whose inputs are hardly ever
zero. In its place, around the map, each convolution is shown

    c = relu(b),   b the bias of the layer before:

what that layer gives for an input of zeros. Before the first convolution there is none,
so it keeps its zeros. Nothing is gained by it on tasks, says the paper, but pictures of
what excites a unit are sane.
"""

import keras
import numpy as np
from keras import ops

from sslzoo.backbones import chain
from sslzoo.errors import BadInput


@keras.saving.register_keras_serializable("sslzoo")
class PadWith(keras.layers.Layer):
    """`[n, h, w, c]` with a ring around it, of one value for each channel."""

    def __init__(self, sides, **options):
        super().__init__(**options)
        self.sides = tuple(tuple(pair) for pair in sides)

    def build(self, shape):
        self.value = self.add_weight(
            shape=(shape[-1],), initializer="zeros", trainable=False, name="value"
        )

    def call(self, x):
        sides = ((0, 0), *self.sides, (0, 0))
        ring = 1 - ops.pad(ops.ones_like(x[:1, :, :, :1]), sides)
        return ops.pad(x, sides) + ring * ops.cast(self.value, x.dtype)

    def compute_output_shape(self, shape):
        extents = [
            None if extent is None else extent + sum(pair)
            for extent, pair in zip(shape[1:3], self.sides)
        ]
        return (shape[0], *extents, shape[-1])

    def get_config(self):
        return {**super().get_config(), "sides": self.sides}


def bias_padded(model):
    """A twin of the model whose convolutions see relu(b) beyond the border.

    Args:
        model: a row of layers, see `chain`; a network with batch normalisation is
            folded first.
    """
    model, row = chain.copied(model)
    rings, pads = _rings(model, row), {}

    def clone(layer):
        config = layer.get_config()
        if layer.name in rings:
            if isinstance(layer, keras.layers.ZeroPadding2D):
                pads[layer.name] = PadWith(rings[layer.name][1], name=layer.name)
                return pads[layer.name]
            config["padding"] = "valid"
        return type(layer).from_config(config)

    def call(layer, *args, **kwargs):
        if layer.name in rings and layer.name not in pads:
            pad = PadWith(rings[layer.name][1], name=f"{layer.name}_pad")
            args, pads[layer.name] = [pad(*args)], pad
        return layer(*args, **kwargs)

    twin = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for name, pad in pads.items():
        pad.set_weights([rings[name][0]])
    for layer in twin.layers:
        if not isinstance(layer, PadWith):
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return twin


def _rings(model, row):
    """{name of a layer that pads a convolution: (c, how much on which side)}."""
    rings, c = {}, None
    for layer, behind in zip(row, [*row[1:], None]):
        if c is not None and isinstance(behind, keras.layers.Conv2D):
            if isinstance(layer, keras.layers.ZeroPadding2D):
                rings[layer.name] = c, layer.padding
        if c is not None and isinstance(layer, keras.layers.Conv2D):
            if layer.padding == "same" and layer.kernel_size != (1, 1):
                rings[layer.name] = c, _sides(model, layer)
        if isinstance(layer, chain.WEIGHTED):
            kernel, bias = chain.weights_of(layer)
            c = np.zeros(kernel.shape[-1]) if bias is None else bias
            c = ops.convert_to_numpy(layer.activation(c.astype("float32")))
        elif isinstance(layer, chain.ACTIVATIONS) and c is not None:
            c = ops.convert_to_numpy(layer(c))
    return rings


def _sides(model, layer):
    if set(layer.strides) != {1}:
        raise BadInput(
            f"{layer.name} of {model.name} has a stride and padding='same', whose "
            "sides depend on the size of the image. Build it with a ZeroPadding2D "
            "before it and padding='valid'."
        )
    reach = [(k - 1) * d for k, d in zip(layer.kernel_size, layer.dilation_rate)]
    return tuple((r // 2, r - r // 2) for r in reach)

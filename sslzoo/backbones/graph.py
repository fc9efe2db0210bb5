"""What can be done to a model whose layers are known: taken apart, and put together."""

import keras

from sslzoo.errors import BadInput


def functional(model):
    """The model as keras.Model(inputs, outputs), the layers shared."""
    if not getattr(model, "inputs", None):
        raise BadInput(
            f"{model.name} is a {type(model).__name__}, of whose layers nothing is "
            "known. Give a model made by keras.Model(inputs, outputs), or a "
            "keras.Sequential that begins with a keras.Input."
        )
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return model


def by_name(model):
    """The model once more, of the same layers, and {name of a layer: its output}.

    A layer that has been called elsewhere too does not tell which of its outputs is
    the model's.
    """
    found = {}

    def call(layer, *args, **kwargs):
        found[layer.name] = layer(*args, **kwargs)
        return found[layer.name]

    def same(layer):
        return layer

    twin = keras.models.clone_model(model, clone_function=same, call_function=call)
    return twin, found

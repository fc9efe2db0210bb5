"""A network without its top: what comes after a feature is dropped."""

import keras

from sslzoo.backbones import layers


def cut_behind(model, last):
    """The model up to its feature `last`, the layers shared; "pooled" is that, or its
    mean over all places where it is a map.

    So a classifier is made a backbone again, and VGG loses fc6 and fc7.

    Args:
        last: a name of its outputs, which stand in the order of their depth.
    """
    names = [name for name in model.output if name != "pooled"]
    layers.known(last, names, "last")
    kept = {name: model.output[name] for name in names[: names.index(last) + 1]}
    x = kept[last]
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(model.input, {**kept, "pooled": x}, name=model.name)

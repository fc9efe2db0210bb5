"""Anyone's Keras model as a backbone: RGB in [0, 1] to named features and "pooled"."""

import re

import keras

from sslzoo.backbones import graph, layers
from sslzoo.errors import BadInput

# Names of keras.applications, and what their weights were trained on.
THEIRS = {
    r"vgg(16|19)|resnet(50|101|152)": "caffe",
    r"densenet\d+": "imagenet",
    r"resnet\d+v2|mobilenet(v2)?_.*|inception.*|xception|(?i:nasnet).*": "signed",
    r"efficientnet.*|convnext.*|MobileNetV3.*": "bytes",  # They rescale inside.
}


def wrap(model, features=None, pixels=None, name=None):
    """A model of keras.applications, of keras-hub, or of your own, as a backbone.

    The layers are shared, not copied: what a method trains is your model. Its batch
    normalisation stays what it is: Keras' own sees the batch of one replica.

    Args:
        model: functional or sequential, of images `[n, h, w, channels]`.
        features: {name of a feature: name of the layer that gives it}, of maps
            `[n, h, w, c]` and vectors `[n, d]`. Without, the levels of a keras-hub
            pyramid and, as "pooled", what the model ends in; or what the model gives.
            "pooled" is the one of this name, else the last: the mean over all places
            of a map, over all tokens of `[n, tokens, d]`.
        pixels: what the model was trained on, of `layers.PIXELS` or `layers.LAB`.
            Without, a name of keras.applications tells it; any other model is shown
            [0, 1]. A model of one channel is one of RGB by "gray" or "l", one of two
            by "ab".
    """
    if features is None and pixels is None and _is_backbone(model):
        return model
    shown = graph.functional(model)
    if len(shown.inputs) != 1 or len(shown.inputs[0].shape) != 4:
        shapes = ", ".join(str(list(x.shape)) for x in shown.inputs)
        raise BadInput(
            f"{model.name} takes {shapes}, where a backbone takes one batch of images, "
            "[n, height, width, channels]."
        )
    if features is None and hasattr(model, "pyramid_outputs"):
        shown = keras.Model(model.inputs[0], _levels(model))
    twin, found = graph.by_name(shown)
    given = _chosen(model, found, features) if features else _given(twin)
    _check(model, given)

    if pixels is None and _is_backbone(model):
        pixels = "unit"  # It knows what to make of them, also under a name of theirs.
    elif pixels is None:
        theirs = (k for names, k in THEIRS.items() if re.fullmatch(names, model.name))
        pixels = next(theirs, "unit")
    images = keras.Input(_shown(model, twin.inputs[0].shape[1:], pixels), name="images")
    inner = keras.Model(twin.inputs[0], given)
    given = inner.call(layers.pixels(images, pixels))
    pooled = given.pop("pooled", [*given.values()][-1])
    if (rank := len(pooled.shape)) > 2:
        mean = {3: "GlobalAveragePooling1D", 4: "GlobalAveragePooling2D"}[rank]
        pooled = getattr(keras.layers, mean)(name="pooled")(pooled)
    return keras.Model(images, {**given, "pooled": pooled}, name=name or model.name)


def _is_backbone(model):
    output = getattr(model, "output", None)
    return isinstance(output, dict) and "pooled" in output


def _shown(model, shape, pixels):
    """The shape of the images: RGB, where `pixels` makes of it what the model takes."""
    made = layers.MADE.get(pixels, shape[-1])
    if made != shape[-1]:
        raise BadInput(
            f"{model.name} takes images of {shape[-1]} channels, and pixels={pixels!r} "
            f"makes {made} of RGB. Build the model for images of {made}, or say pixels "
            f"that make {shape[-1]}."
        )
    return (*shape[:-1], 3) if pixels in layers.MADE else shape


def _chosen(model, found, features):
    for layer in features.values():
        layers.known(layer, found, f"a layer of {model.name}")
    return {feature: found[layer] for feature, layer in features.items()}


def _levels(model):
    """The maps of a pyramid, and what the model ends in.

    That is not the last level where a norm and an activation follow, as in ResNets v2;
    transformers have levels of tokens, which are no maps.
    """
    levels = {n: x for n, x in model.pyramid_outputs.items() if len(x.shape) == 4}
    return {**levels, "pooled": model.outputs[0]}


def _given(model):
    """What the model gives, by name; what is no map, and alone, is "pooled"."""
    if isinstance(model.output, dict):
        return model.output
    if getattr(model.layers[-1], "activation", None) is keras.activations.softmax:
        raise BadInput(
            f"{model.name} ends in probabilities of classes, which are no features. "
            "Build it with include_top=False, or say which layer gives some: "
            "features={'pooled': LAYER}."
        )
    outputs = dict(zip(model.output_names, model.outputs))
    if [len(x.shape) for x in model.outputs] in ([2], [3]):
        return {"pooled": model.outputs[0]}
    return outputs


def _check(model, given):
    for name, x in given.items():
        if len(x.shape) not in ((2, 3, 4) if name == "pooled" else (2, 4)):
            raise BadInput(
                f"{name} of {model.name} has the shape {list(x.shape)}: neither a map "
                "[n, h, w, c] nor a vector [n, d]. Say which layers give some: "
                "features={'pooled': LAYER}."
            )

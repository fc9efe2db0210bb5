"""Batch normalisation gone into the layer before it, for serving.

    BN(x) = a x + b,   a = gamma / sqrt(var + epsilon),   b = beta - a mean
    BN(W x + c) = (a W) x + (a c + b)

Exact also where a convolution pads with zeros: a pad adds nothing to W x. Where the
normalisation comes first, or its input is needed elsewhere too, it is left as a x + b.
"""

import collections
import json

import keras
import numpy as np
from keras import ops

from sslzoo.errors import BadInput

MODELS = ("Functional", "Sequential")
LINEAR = ("Conv2D", "DepthwiseConv2D", "Dense")
ZEROS = keras.initializers.serialize(keras.initializers.Zeros())


def folded(model):
    """A model of the same outputs, for inference, without batch normalisation.

    It shares nothing with `model`. A layer that normalises by code of its own stays
    as it is. How weights are drawn is not kept: they are given.

    Args:
        model: functional or sequential; its layers may be such models again, or hold
            them, where their configs say so, as a reversible block does its units.
    """
    entry = _written(model)
    if entry["class_name"] not in MODELS:
        raise BadInput(
            f"{model.name} is a {entry['class_name']}, of whose layers nothing is "
            "known. A model made by keras.Model(inputs, outputs) can be folded."
        )
    before = entry["config"]
    twin = _read(_undrawn({**entry, "config": _without_norms(before)}))
    _fill(twin, model, before)
    return twin


@keras.saving.register_keras_serializable("sslzoo")
class Affine(keras.layers.Layer):
    """y = scale * x + shift, for each channel; nothing of it is learned."""

    def __init__(self, axis=-1, **options):
        super().__init__(**options)
        self.axis = axis

    def build(self, shape):
        channels = (shape[self.axis],)
        self.scale = self.add_weight(
            shape=channels, initializer="ones", trainable=False, name="scale"
        )
        self.shift = self.add_weight(
            shape=channels, initializer="zeros", trainable=False, name="shift"
        )

    def call(self, inputs):
        shape = [1] * len(inputs.shape)
        shape[self.axis] = -1
        return inputs * ops.reshape(self.scale, shape) + ops.reshape(self.shift, shape)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


# A model is rewritten as what Keras stores of it: a list of layers, each an entry with
# its config and with the places of the tensors that it is called on.


def _written(model):
    try:
        return json.loads(model.to_json())
    except (TypeError, NotImplementedError) as error:
        raise BadInput(
            f"Keras cannot write {model.name} down, so it cannot be folded: {error}"
        ) from error


def _read(entry):
    try:
        return keras.models.model_from_json(json.dumps(entry))
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise BadInput(
            f"Keras cannot make {entry['config'].get('name')} again of what it wrote "
            f"down, so it cannot be folded: {error}"
        ) from error


def _undrawn(value):
    """What is stored of a model, made of zeros: to draw millions takes a second."""
    if isinstance(value, list):
        return [_undrawn(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: ZEROS
        if key.endswith("_initializer") and isinstance(inner, dict)
        else _undrawn(inner)
        for key, inner in value.items()
    }


def _without_norms(config):
    """The config of a model, each normalisation in it absorbed or made affine."""
    hosts = _hosts(config)
    layers = []
    for entry in config["layers"]:
        name = _name(entry)
        if name in hosts:
            continue
        if name in hosts.values():
            entry = {**entry, "config": {**entry["config"], "use_bias": True}}
        elif _is_norm(entry):
            entry = _affine(entry)
        else:
            entry = _models_without_norms(entry)
        layers.append(entry)
    config = json.loads(json.dumps({**config, "layers": layers}))
    for place in _places(config):
        place[0] = hosts.get(place[0], place[0])
    return config


def _models_without_norms(value):
    """What is stored of a layer: a model itself, or one that holds some, or none."""
    if isinstance(value, list):
        return [_models_without_norms(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in MODELS:
        return {**value, "config": _without_norms(value["config"])}
    return {key: _models_without_norms(inner) for key, inner in value.items()}


def _held(value):
    """{name: config} of the models that `_models_without_norms` finds."""
    if isinstance(value, dict) and value.get("class_name") in MODELS:
        return {value["config"]["name"]: value["config"]}
    inner = value.values() if isinstance(value, dict) else value
    found = map(_held, inner) if isinstance(value, (dict, list)) else ()
    return {name: config for some in found for name, config in some.items()}


def _hosts(config):
    """{name of a normalisation: name of the layer that absorbs it}."""
    entries = {_name(entry): entry for entry in config["layers"]}
    if "output_layers" in config:
        uses = collections.Counter(place[0] for place in _places(config))
        inputs = {
            name: [place[0] for place in _tensors(entry["inbound_nodes"])]
            for name, entry in entries.items()
        }
    else:  # Sequential: each is called on the one before it.
        uses = dict.fromkeys(entries, 1)
        inputs = {name: [before] for before, name in zip(entries, [*entries][1:])}
    return {
        name: inputs[name][0]
        for name, entry in entries.items()
        if _is_norm(entry)
        and len(inputs.get(name, ())) == 1
        and uses[inputs[name][0]] == 1
        and _absorbs(entries[inputs[name][0]], entry)
    }


def _name(entry):
    if "name" not in entry["config"]:
        raise BadInput(
            f"A layer of class {entry['class_name']} does not say its name, so it "
            "cannot be found again. Give the class a get_config() that begins with "
            "super().get_config()."
        )
    return entry["config"]["name"]


def _places(config):
    """Every [layer, call, output] that a model's config refers to, as lists in it."""
    for entry in config["layers"]:
        yield from _tensors(entry.get("inbound_nodes"))
    yield from _outputs(config.get("output_layers"))


def _tensors(value):
    for part in _parts(value):
        if isinstance(part, dict) and part.get("class_name") == "__keras_tensor__":
            yield part["config"]["keras_history"]


def _outputs(value):
    for part in _parts(value):
        if isinstance(part, list) and [type(v) for v in part] == [str, int, int]:
            yield part


def _parts(value):
    """What is stored of a model, and all that lies in it."""
    yield value
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _parts(inner)


def _is_norm(entry):
    ours = entry["registered_name"] == "sslzoo>BatchNorm"
    theirs = entry["class_name"] == "BatchNormalization"
    calls = entry.get("inbound_nodes", [])
    return (ours or (theirs and entry["module"] == "keras.layers")) and not any(
        call["kwargs"].get("training") for call in calls
    )


def _absorbs(host, norm):
    """Whether the entry `host` is linear, and its channels are those of `norm`."""
    last = len(norm["build_config"]["input_shape"]) - 1
    ours = host["registered_name"] == "sslzoo>GroupedConv2D"
    theirs = host["module"] == "keras.layers" and host["class_name"] in LINEAR
    return (
        (ours or theirs)
        and host["config"]["activation"] == "linear"
        and host["config"].get("data_format", "channels_last") != "channels_first"
        and norm["config"]["axis"] in (-1, last)
    )


def _affine(norm):
    kept = {key: norm["config"][key] for key in ("name", "trainable", "dtype", "axis")}
    calls = [{"args": c["args"], "kwargs": {}} for c in norm.get("inbound_nodes", [])]
    return {
        **norm,
        "module": Affine.__module__,
        "class_name": "Affine",
        "registered_name": "sslzoo>Affine",
        "config": kept,
        "inbound_nodes": calls,
    }


def _fill(twin, model, config):
    """Gives `twin` the weights of `model`, whose config has been rewritten to it."""
    norms = {host: norm for norm, host in _hosts(config).items()}
    entries = {_name(entry): entry for entry in config["layers"]}
    for new in twin.layers:
        old = model.get_layer(new.name)
        held = _held(entries[new.name])
        if held:
            _fill_held(new, old, held)
        elif new.name in norms:
            new.set_weights(_absorbed(old, *_line(model.get_layer(norms[new.name]))))
        elif isinstance(new, Affine) and not isinstance(old, Affine):
            new.set_weights(_line(old))
        else:
            new.set_weights(old.get_weights())


def _fill_held(new, old, held):
    """The same for a layer that is a model or holds some, of the configs `held`."""
    models, theirs = _models(new), _models(old)
    for name, config in held.items():
        _fill(models[name], theirs[name], config)
    for ours, other in zip(_own(new, models), _own(old, theirs)):
        ours.assign(other)


def _models(layer):
    if isinstance(layer, keras.Model):
        return {layer.name: layer}
    parts = layer._flatten_layers(include_self=False, recursive=False)
    return {part.name: part for part in parts if isinstance(part, keras.Model)}


def _own(layer, models):
    """The variables of `layer` that are none of its models'."""
    theirs = {id(v) for model in models.values() for v in model.variables}
    return [v for v in layer.variables if id(v) not in theirs]


def _line(norm):
    """a and b of a batch normalisation, in float64."""
    mean, variance, gamma, beta = (
        None if weight is None else ops.convert_to_numpy(weight).astype("float64")
        for weight in (norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta)
    )
    a = (1 if gamma is None else gamma) / np.sqrt(variance + norm.epsilon)
    return a, (0 if beta is None else beta) - a * mean


def _absorbed(layer, a, b):
    """Kernel and bias of `layer`, followed by a x + b."""
    kernel, *bias = (weight.astype("float64") for weight in layer.get_weights())
    # A depthwise kernel ends in [channel, multiplier], which the output has as one.
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    scale = np.reshape(a, kernel.shape[-2:]) if depthwise else a
    return [kernel * scale, (a * bias[0] if bias else 0) + b]

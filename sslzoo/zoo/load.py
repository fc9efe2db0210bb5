"""A model by its name: what it was exported as, checked, and fitted to the asker.

    load("byol_r18w16")                         RGB in [0, 1] -> [n, d]
    load("byol_r18w16", features_only=True)     -> {"block1": ..., "pooled": [n, d]}
    load("byol_r18w16", num_classes=10)         -> [n, 10], a new head on top

Keras is imported when a model is built; any of its backends will do.
"""

import dataclasses
import functools
import importlib
import json
import logging

import numpy as np

from sslzoo.errors import BadInput, MissingFile, UnknownName, nearest
from sslzoo.zoo import adapt, listing
from sslzoo.zoo import input as inputs
from sslzoo.zoo import registry as registries

log = logging.getLogger("sslzoo")


def load(
    name,
    *,
    pretrained=True,
    num_classes=None,
    pooling="avg",
    in_chans=None,
    features_only=False,
    out_indices=None,
    input_size=None,
    trainable=True,
    dtype=None,
    checkpoint=None,
    accept_license=False,
    cache_dir=None,
    offline=None,
    revision=None,
    verify=True,
    registry=None,
):
    """The model `name`, a `keras.Model` of RGB images in [0, 1], `[n, h, w, 3]`.

    Args:
        name: see `list_models()`; or a folder, "./mine"; or an address with a sha256.
        pretrained: False gives the same network with random weights; nothing else does.
        num_classes: adds a dense head, new and random, to be trained: logits. None or
            0 gives the features.
        pooling: "avg", the vector that the paper uses ("pooled"); None, the last map.
        in_chans: channels of the images, if not those it was trained on. 1 is gray,
            shown as RGB: as if the first kernels were summed over their channels. For n
            the kernels are repeated, R, G, B, R ..., and scaled by 3 / n.
        features_only: gives a dict of features by name, from the first to the last.
        out_indices: which of them: an int, the last so many maps; ints, places among
            the maps, from the end if negative; names, also "pooled".
        input_size: a side, or (height, width), that is then the only one.
        trainable: False freezes all of it; batch norms then only infer.
        dtype: Keras' name or policy: "bfloat16", "mixed_bfloat16", "float16" ...
        checkpoint: the path of a published file that you have, for models whose card
            names a converter.
        accept_license: True says that you know the licence; without, one that forbids
            commercial use is told of.
        cache_dir, offline: where fetched models lie; whether none may be fetched.
        revision: an older one, by its number.
        verify: False leaves checksums, and the test of the model's answer, undone.
        registry: the folder to look in, in place of the usual ones.

    Returns:
        The model; its `card` says all that is known of it.
    """
    _agree(num_classes, pooling, features_only, out_indices, checkpoint, pretrained)
    entry = registries.find(
        name,
        registry,
        revision,
        verify,
        cache_dir=cache_dir,
        offline=offline,
        accept_license=accept_license,
    )
    card = entry.card
    stored = pretrained and checkpoint is None
    _complete(entry, stored, registry)
    backbone = architecture(entry.path / "config.json", dtype)
    if stored:
        fill(backbone, entry.path / "backbone.weights.h5")
    elif pretrained:
        converter(card).convert(checkpoint, backbone)
    if pretrained and verify:
        examine(backbone, card)
    backbone, contract = adapt.adapted(backbone, card, in_chans, input_size)
    model = _ending(backbone, card, num_classes, pooling, features_only, out_indices)
    model.trainable = trainable
    model.card = dataclasses.replace(card, input=contract)
    return model


def load_preprocessor(name, registry=None, revision=None):
    """What makes images ready for a model: see `zoo.input.prepared`.

    prepare = sslzoo.load_preprocessor("byol_r18w16")
    model(prepare(["a.jpg", "b.png"]))
    """
    card = registries.find(name, registry, revision, verify=False).card
    return functools.partial(inputs.prepared, contract=card.input)


def _complete(entry, with_weights, registry):
    """Raises unless the files are there; never goes on with random weights instead."""
    card, weights = entry.card, entry.path / "backbone.weights.h5"
    if not (entry.path / "config.json").is_file():
        lacking = [p.name for p in (entry.path / "config.json", weights)]
        lacking = [name for name in lacking if not (entry.path / name).is_file()]
        raise MissingFile(
            f"{entry.path} is not a whole model: {', '.join(lacking)} missing. Publish "
            "or fetch it again."
        )
    if with_weights and not weights.is_file():
        others = listing.list_pretrained(f"{card.bare}.*", registry=registry)
        converted = ""
        if card.source.get("converter"):
            published = card.source.get("url", "its authors' file")
            converted = f"checkpoint=PATH for a copy that you have of {published}; "
        raise MissingFile(
            f"No pretrained weights exist for {card.name} in {entry.path}. Give "
            f"{converted}pretrained=False for random ones; or take one with weights: "
            f"{', '.join(others) or 'of its name there is none'}."
        )


def architecture(path, dtype=None):
    """The network that a config.json describes, with random weights.

    Args:
        dtype: of all layers, in place of theirs.
    """
    import keras

    from sslzoo import backbones  # noqa: F401, whose layers Keras then knows.

    config = json.loads(path.read_text())
    if dtype is not None:
        try:
            policy = keras.dtype_policies.get(dtype).name
        except (ValueError, TypeError, AttributeError):
            raise BadInput(
                f"dtype={dtype!r}: give a name that Keras knows, such as 'float32', "
                "'bfloat16' or 'mixed_bfloat16'."
            ) from None
        _set_dtype(config, policy)
    try:
        return keras.saving.deserialize_keras_object(config)
    except (ValueError, TypeError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadInput(f"Keras cannot build what {path} describes: {reason}") from error


def _set_dtype(config, policy):
    """Of every layer in a nested configuration; images stay float32."""
    if isinstance(config, dict) and config.get("class_name") == "DTypePolicy":
        config["config"]["name"] = policy
    elif isinstance(config, (dict, list)):
        for value in config.values() if isinstance(config, dict) else config:
            _set_dtype(value, policy)


def fill(backbone, path):
    """Sets every weight from the file, one to one.

    A weight that keeps its random start, or an array that finds no place, makes a
    model that runs and is wrong; both are errors.
    """
    try:
        # Keras checks every layer, but passes over arrays of layers that it lacks.
        there, wanted = _arrays(path), len(backbone.variables)
        if there != wanted:
            raise ValueError(f"it has {there} arrays, the model {wanted}")
        backbone.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadInput(
            f"{path} does not hold the weights of its config.json: {reason}. Publish "
            "or fetch the model again."
        ) from error


def _arrays(path):
    """How many there are in an HDF5 file."""
    import h5py

    found = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: found.append(isinstance(item, h5py.Dataset)))
    return sum(found)


def converter(card):
    """The module that reads what the authors of a model have published."""
    name = card.source.get("converter")
    if not name:
        raise BadInput(
            f"{card.name} has its own weights, and its card names no converter: leave "
            "checkpoint=... out."
        )
    try:
        if not name.isidentifier():
            raise ImportError
        return importlib.import_module(f"sslzoo.converters.{name}")
    except ImportError:
        raise BadInput(
            f"This sslzoo has no converter {name!r}, which the card of {card.name} "
            "names: pip install --upgrade sslzoo."
        ) from None


def answer(backbone, contract):
    """What a network says of the fixture, "pooled"; cards keep its first numbers."""
    import keras

    side = contract["size"] if contract["fixed"] else max(96, contract["smallest"])
    image = inputs.fixture(side)
    image = image.take(range(contract["channels"]), axis=-1, mode="wrap")
    pooled = backbone(image[None], training=False)["pooled"]
    return keras.ops.convert_to_numpy(keras.ops.cast(pooled, "float32"))[0]


def examine(backbone, card):
    """Raises unless the network says of the fixture what its card expects."""
    if not card.expected:
        return
    expected = np.asarray(card.expected, np.float32)
    found = answer(backbone, card.input)[: len(expected)]
    # Other devices round otherwise, TF32 and bfloat16 by far; wrong weights are wild.
    exact = all(weight.dtype == "float32" for weight in backbone.weights)
    far = (0.01 if exact else 0.1) * max(1e-6, np.abs(expected).max())
    if not np.abs(found - expected).max() <= far:  # true for NaN too
        raise BadInput(
            f"{card.name} does not answer as its card says: of the fixture it should "
            f"give {_short(expected)}, and gives {_short(found)}. Its files are not "
            "those of one model, or this Keras reads them otherwise; verify=False "
            "loads it all the same."
        )


def _short(numbers):
    return "[" + ", ".join(f"{number:.4g}" for number in numbers[:4]) + ", ...]"


def _agree(num_classes, pooling, features_only, out_indices, checkpoint, pretrained):
    """Refuses what cannot be meant together, before anything is read."""
    if pooling not in ("avg", None):
        raise BadInput(f"pooling={pooling!r}: it is 'avg', or None for the last map.")
    if num_classes and num_classes < 0:
        raise BadInput(f"num_classes={num_classes}: give 1 or more, or None for none.")
    if num_classes and (features_only or pooling is None):
        raise BadInput(
            f"num_classes={num_classes} puts a head on the pooled vector: leave "
            "features_only and pooling as they are."
        )
    if out_indices is not None and not features_only:
        raise BadInput("out_indices chooses features: say features_only=True too.")
    if checkpoint is not None and not pretrained:
        raise BadInput("checkpoint=... gives the weights that pretrained=False omits.")


def _ending(backbone, card, num_classes, pooling, features_only, out_indices):
    """The model that was asked for, of the network of all features."""
    import keras

    features, name = backbone.output, card.name.replace(".", "_")
    maps = [key for key, value in features.items() if len(value.shape) == 4]
    if features_only:
        names = _chosen(list(features), maps, out_indices)
        outputs = {key: features[key] for key in names}
    else:
        outputs = features["pooled" if pooling else maps[-1]]
    if num_classes:
        head = keras.layers.Dense(num_classes, dtype="float32", name="head")
        outputs = head(outputs)
        new = ", ".join(weight.path for weight in head.weights)
        log.info("%s: new and random, to be trained: %s", card.name, new)
    return keras.Model(backbone.input, outputs, name=name)


def _chosen(names, maps, out_indices):
    """The names that `out_indices` means, in its order."""
    if out_indices is None:
        return names
    if isinstance(out_indices, int):
        if not 1 <= out_indices <= len(maps):
            raise BadInput(
                f"out_indices={out_indices} asks for the last so many of "
                f"{len(maps)} maps: {', '.join(maps)}."
            )
        return maps[-out_indices:]
    wanted = [out_indices] if isinstance(out_indices, str) else out_indices
    return [_name_of(one, names, maps) for one in wanted]


def _name_of(one, names, maps):
    if isinstance(one, str):
        if one not in names:
            raise UnknownName(
                f"The model has no features {one!r}.{nearest(one, names)} "
                f"It has: {', '.join(names)}."
            )
        return one
    if not -len(maps) <= one < len(maps):
        raise BadInput(
            f"out_indices: there is no map {one}. The maps are 0 to {len(maps) - 1}, "
            f"or -{len(maps)} to -1: {', '.join(maps)}."
        )
    return maps[one]

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
from collections.abc import Iterable, Mapping

import numpy as np

from sslzoo import watch
from sslzoo.errors import BadInput, MissingFile, SslzooError, UnknownName, nearest
from sslzoo.zoo import adapt, licences, published
from sslzoo.zoo import input as inputs
from sslzoo.zoo import registry as registries

log = logging.getLogger("sslzoo")

# What code that reads a file says of one that nobody foresaw.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, MemoryError)


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
    allow_http=False,
    revision=None,
    verify=True,
    registry=None,
):
    """The features of a model, by what `sslzoo.load` tells of these arguments.

    It has the same and four more, with which it gives the method: what reads a model
    never sees one.
    """
    _agree(num_classes, pooling, features_only, out_indices, checkpoint, pretrained)
    if checkpoint is not None:
        card = registries.card(name, registry, revision, cache_dir)
        backbone, report = converted(card, checkpoint, dtype)
        watch.say(
            f"{card.name} was made of {checkpoint}: {report.line()}. The model's "
            "`conversion` tells it array by array."
        )
    else:
        card, backbone = registries.whole(
            name,
            lambda entry: (entry.card, stored(entry, pretrained, dtype)),
            registry=registry,
            revision=revision,
            verify=verify,
            cache_dir=cache_dir,
            offline=offline,
            allow_http=allow_http,
            weights=pretrained,
        )
    licences.notice(card, accept_license)
    if pretrained and verify:
        examine(backbone, card)
    backbone, contract = adapt.adapted(backbone, card, in_chans, input_size)
    model = _ending(backbone, card, num_classes, pooling, features_only, out_indices)
    model.trainable = trainable
    model.card = dataclasses.replace(card, input=contract)
    model.conversion = report.text() if checkpoint is not None else ""
    return model


def load_preprocessor(
    name,
    registry=None,
    revision=None,
    *,
    cache_dir=None,
    offline=None,
    allow_http=False,
):
    """What makes images ready for a model, as `zoo.input.prepared` does.

        prepare = sslzoo.load_preprocessor("byol_r18w16")
        model(prepare(["a.jpg", "b.png"]))

    Pictures, paths and arrays become the float32 RGB of [0, 1] that its card says,
    which is checked as by `load`. Of an address the model is fetched, for its card
    lies within.
    """
    fetching = dict(cache_dir=cache_dir, offline=offline, allow_http=allow_http)
    found = registries.find(name, registry, revision, weights=False, **fetching)
    return functools.partial(inputs.prepared, contract=found.card.input)


def stored(entry, pretrained=True, dtype=None):
    """The network in a model's folder; never with random weights, unless asked for."""
    if not pretrained and "converter" in entry.card.source:
        return built(entry.card, dtype)
    config, weights = (entry.path / n for n in ("config.json", "backbone.weights.h5"))
    missing = [file.name for file in (config, weights) if not file.is_file()]
    if config.name in missing:
        raise MissingFile(
            f"{entry.path} is not a whole model: {', '.join(missing)} missing. Publish "
            "or fetch it again."
        )
    if pretrained and missing:
        beside = entry.path.parent.glob(f"{entry.card.bare}.*/{weights.name}")
        tags = sorted(file.parent.name.partition(".")[2] for file in beside)
        raise MissingFile(
            f"No pretrained weights exist for {entry.card.name} in {entry.path}. Tags "
            f"of {entry.card.bare} that have some there: {', '.join(tags) or 'none'}. "
            "Give pretrained=False for random ones, or take a model of "
            f"sslzoo.list_pretrained('{entry.card.bare}*')."
        )
    backbone = architecture(config.read_text(encoding="utf-8"), dtype, config)
    if pretrained:
        fill(backbone, weights)
    return backbone


def converted(card, checkpoint, dtype=None):
    """The network of a card, with the weights that its authors have published.

    And the converter's report, a `mapping.Report`.

    Args:
        checkpoint: the path of their file, or folder. Nothing that is made of it is
            kept: a file of the user's shall not be taken for theirs later.
    """
    name = card.source.get("converter")
    if not name:
        raise BadInput(
            f"{card.name} has its own weights, and its card names no converter: leave "
            "checkpoint=... out."
        )
    if not published.has_converter(card):
        raise BadInput(
            f"This sslzoo has no converter {name!r}, which the card of {card.name} "
            "names: pip install --upgrade sslzoo."
        )
    converter = importlib.import_module(f"sslzoo.converters.{name}")
    backbone = built(card, dtype)
    with published.opened(card, checkpoint) as path:
        try:
            report = converter.convert(path, backbone)
        except SslzooError:
            raise
        except UNREADABLE as error:
            raise BadInput(
                f"The converter {name!r} can make nothing of {path} "
                f"({type(error).__name__}: {error}). Is it the file that the authors "
                "published? Fetch it again."
            ) from error
    return backbone, report


def built(card, dtype=None):
    """The network that a card names, with random weights."""
    from sslzoo import backbones

    backbone = backbones.build(
        card.backbone["builder"], **card.backbone.get("options", {})
    )
    return architecture(backbone.to_json(), dtype, card.name) if dtype else backbone


def architecture(text, dtype=None, origin="config.json"):
    """The network that a config.json describes, with random weights.

    Args:
        dtype: of all layers, in place of theirs.
        origin: what to call the text if nothing can be built of it.
    """
    import keras

    from sslzoo import backbones  # noqa: F401, whose layers Keras then knows.

    policy = None if dtype is None else _policy(dtype)
    try:
        config = json.loads(text)
        if policy:
            set_dtype(config, policy)
        return keras.saving.deserialize_keras_object(config)
    except (ValueError, TypeError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadInput(
            f"Keras cannot build what {origin} describes: {reason}"
        ) from error


def _policy(dtype):
    import keras

    try:
        return keras.dtype_policies.get(dtype).name
    except (ValueError, TypeError, AttributeError):
        raise BadInput(
            f"dtype={dtype!r}: give a name that Keras knows, such as 'float32', "
            "'bfloat16' or 'mixed_bfloat16'."
        ) from None


def set_dtype(config, policy):
    """Sets that of every layer in a nested configuration; images stay float32."""
    if isinstance(config, dict) and config.get("class_name") == "DTypePolicy":
        config["config"]["name"] = policy
    elif isinstance(config, (dict, list)):
        for value in config.values() if isinstance(config, dict) else config:
            set_dtype(value, policy)


def fill(backbone, path):
    """Sets every weight from the file, one to one.

    A weight that keeps its random start, or an array that finds no place, makes a
    model that runs and is wrong; both are errors.
    """
    try:
        # Keras checks every layer, but passes over arrays of layers that it lacks.
        there, wanted = _arrays(path), len(backbone.weights)  # No seeds of dropout.
        if there != wanted:
            raise ValueError(
                f"it has {there} arrays, and {backbone.name} has {wanted}; so it is "
                "damaged, or of another network"
            )
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


def answer(backbone, contract):
    """What a network says of the fixture, "pooled"; cards keep its first numbers."""
    import keras

    side = contract["size"] if contract["fixed"] else max(96, contract["smallest"])
    image = inputs.fixture(side)
    image = image.take(range(contract["channels"]), axis=-1, mode="wrap")
    pooled = backbone(image[None], training=False)["pooled"]
    return keras.ops.convert_to_numpy(keras.ops.cast(pooled, "float32"))[0]


def examine(backbone, card):
    """Raises unless the network says of the fixture what its card expects.

    A card of what others publish expects nothing yet but numbers that are finite.
    """
    found = answer(backbone, card.input)
    if not card.expected and not np.isfinite(found).all():
        raise BadInput(
            f"Of these weights {card.name} gives {_short(found)}, which are no "
            "features. Are they of this network, and trained to the end? verify=False "
            "loads them all the same."
        )
    if not card.expected:
        return
    expected = np.asarray(card.expected, np.float32)
    found = found[: len(expected)]
    # Other devices round otherwise, TF32 and bfloat16 by far; wrong weights are wild.
    exact = {layer.compute_dtype for layer in backbone.layers} == {"float32"}
    far = (0.01 if exact else 0.1) * max(1e-6, np.abs(expected).max())
    same = found.shape == expected.shape and np.abs(found - expected).max() <= far
    if not same:  # Also where there are NaN.
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
    headed = num_classes is not None
    if headed and not (adapt.is_whole(num_classes) and num_classes >= 0):
        raise BadInput(
            f"num_classes={num_classes!r}: give a whole number, 1 or more, or None for "
            "no head."
        )
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

    from sslzoo.zoo.model import ZooModel

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
    return ZooModel(backbone.input, outputs, name=name)


def _chosen(names, maps, out_indices):
    """The names that `out_indices` means, in its order."""
    if out_indices is None:
        return names
    if adapt.is_whole(out_indices):
        if not 1 <= out_indices <= len(maps):
            raise BadInput(
                f"out_indices={out_indices} asks for the last so many of "
                f"{len(maps)} maps: {', '.join(maps)}."
            )
        return maps[-out_indices:]
    wanted = [out_indices] if isinstance(out_indices, str) else out_indices
    several = isinstance(wanted, Iterable) and not isinstance(wanted, Mapping)
    if wanted := list(wanted) if several else []:
        return [_name_of(one, names, maps) for one in wanted]
    raise BadInput(
        f"out_indices={out_indices!r} chooses no features: give a whole number, the "
        f"last so many maps; or a list of places or names, of {', '.join(names)}."
    )


def _name_of(one, names, maps):
    if isinstance(one, str):
        return known_feature(one, names)
    if not adapt.is_whole(one):
        raise BadInput(
            f"out_indices: {one!r} is no place among the maps, a whole number, and no "
            f"name. There are: {', '.join(names)}."
        )
    if not -len(maps) <= one < len(maps):
        raise BadInput(
            f"out_indices: there is no map {one}. The maps are 0 to {len(maps) - 1}, "
            f"or -{len(maps)} to -1: {', '.join(maps)}."
        )
    return maps[one]


def known_feature(name, names):
    """The name, if the model has such features."""
    if name not in names:
        raise UnknownName(
            f"The model has no features {name!r}.{nearest(name, names)} "
            f"It has: {', '.join(names)}."
        )
    return name

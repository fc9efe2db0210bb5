"""What is published, and what was shipped."""

import contextlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

from sslzoo.errors import SslzooError
from sslzoo.methods import byol
from sslzoo.verify.checking import same
from sslzoo.verify.small import batch, lived_in
from sslzoo.zoo import export, load, registry, store, sums


def round_trip():
    """What is exported loads with its very weights, and its SavedModel agrees."""
    backbone, images = lived_in(), batch()["view1"]
    method = byol.BYOL(backbone, 10, byol.example(16), hidden=16, outputs=8)
    method.compile(keras.optimizers.SGD(0.1))
    expected = np.asarray(backbone(images)["pooled"])
    largest = np.abs(expected).max()
    with tempfile.TemporaryDirectory() as folder:
        entry = export.export(method, "byol_tiny.verify", folder, size=16)
        again = load.load("byol_tiny.verify", registry=folder)
        for ours, theirs in zip(backbone.weights, again.weights, strict=True):
            same(theirs, ours, f"{ours.path} of the loaded model", 0, 0)
        same(again(images) / largest, expected / largest, "features", 0, 1e-5)
        served = tf.saved_model.load(str(entry.path / "saved_model"))
        same(served(images) / largest, expected / largest, "SavedModel", 0, 1e-4)


def shipped():
    """A check for each model that lies in the package, whole; one for all cards."""
    found, afar = {}, {}
    for place in registry.packaged():
        if place.is_dir():
            for name in store.all_names(place):
                if _is_afar(name, place):
                    afar.setdefault(name, place)
                else:
                    found.setdefault(name, _of_model(name, place))

    def cards_of_published_models():
        """The models whose weights are elsewhere have cards that are whole."""
        for name, place in afar.items():
            sums.check(place / name)

    return [*found.values(), *([cards_of_published_models] if afar else [])]


def _is_afar(name, place):
    """Whether the weights are elsewhere, to be looked at when they are fetched."""
    with contextlib.suppress(SslzooError):  # Of a damaged card its check tells.
        return bool(registry.card(name, place).source)
    return False


def _of_model(name, place):
    def check():
        entry = registry.find(name, place)
        sums.check(entry.path)  # Anew: `find` believes files that it knows.
        load.examine(load.stored(entry), entry.card)

    check.__name__ = name
    check.__doc__ = f"{name} is what was published, and answers as its card says."
    return check


CHECKS = (round_trip,)

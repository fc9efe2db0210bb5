"""What tests of the registry ask of a folder of models."""

import os

from sslzoo.zoo import registry


def content(entry):
    return (entry.path / "backbone.weights.h5").read_text()


def names(place):
    return [card.name for card in registry.cards(place)]


def hidden(place):
    """What lies in a registry beside its models and what is always there."""
    left = {p.relative_to(place).as_posix() for p in place.glob(".*/*")}
    return left | {n for n in os.listdir(place) if n.startswith(".index.json.")}

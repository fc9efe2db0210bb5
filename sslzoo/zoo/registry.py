"""STAND-IN until the registry is merged: models are folders of `registry`, unchecked.

Only so that the reading side can be written and tested beside it. The merge replaces
this file whole.
"""

import dataclasses
import pathlib

from sslzoo.errors import UnknownName
from sslzoo.zoo import card as cards_


@dataclasses.dataclass(frozen=True)
class Entry:
    path: pathlib.Path
    card: cards_.Card


def cards(registry=None):
    files = sorted(pathlib.Path(registry or "savedmodels").glob("*/card.json"))
    return [cards_.parse(file.read_text(), file) for file in files]


def find(name, registry=None, revision=None, verify=True, **options):
    place = pathlib.Path(registry or "savedmodels")
    if str(name).startswith(("/", "./")):
        path = pathlib.Path(name)
        return Entry(path, cards_.parse((path / "card.json").read_text()))
    for card in sorted(cards(registry), key=lambda card: not card.default):
        if name in (card.name, card.bare):
            return Entry(place / card.name, card)
    raise UnknownName(f"Unknown model {name!r}.")

"""What a value out of JSON must look like, and the words for one that does not.

A shape is one of the kinds below; `[shape]`, a list of such; `{"name": shape}`, an
object with these names at least; `Each(shape)`, an object of such, by any names;
`OrNull(shape)`; and in an object `Maybe(shape)`.
"""

import dataclasses
import json
import re

TEXT = "a text"
FLAG = "true or false"
NUMBER = "a number"
COUNT = "a whole number, 1 or more"
OBJECT = "an object"
LARGEST = 1e18  # More is no figure of ours, and Python cannot print some of it.


def _is_text(value):
    """A text that can be printed: JSON may hold halves of characters."""
    return type(value) is str and not re.search("[\ud800-\udfff]", value)


_FITS = {  # By type, for in Python True is a number, too.
    TEXT: _is_text,
    FLAG: lambda value: type(value) is bool,
    NUMBER: lambda value: type(value) in (int, float) and abs(value) < LARGEST,
    COUNT: lambda value: type(value) is int and 0 < value < LARGEST,
    OBJECT: lambda value: type(value) is dict,
}


@dataclasses.dataclass(frozen=True)
class OrNull:
    """What may be null."""

    shape: object


@dataclasses.dataclass(frozen=True)
class Each:
    """An object with any names, all of whose values are of one shape."""

    shape: object


@dataclasses.dataclass(frozen=True)
class Maybe:
    """What may be left out of its object."""

    shape: object


def flaw(value, shape, place):
    """What is wrong with the value that is called `place`; None if nothing is."""
    if isinstance(shape, OrNull):
        return None if value is None else flaw(value, shape.shape, place)
    if not _fits(value, shape):
        received = json.dumps(value)
        received = received if len(received) < 80 else f"{received[:80]} ..."
        return f"{place} is {received}, where {_words(shape)} is expected"
    for part in _parts(value, shape, place):
        if words := flaw(*part):
            return words
    return None


def _fits(value, shape):
    """Whether it does, but for its parts."""
    if isinstance(shape, str):
        return _FITS[shape](value)
    if isinstance(shape, list):
        return isinstance(value, list)
    if isinstance(shape, Each):
        return isinstance(value, dict) and all(map(_is_text, value))
    return isinstance(value, dict) and all(name in value for name in _needed(shape))


def _parts(value, shape, place):
    """(value, shape, place) of each part."""
    if isinstance(shape, list):
        return [(one, shape[0], f"{place}[{i}]") for i, one in enumerate(value)]
    if isinstance(shape, Each):
        return [(one, shape.shape, f"{place}.{n}") for n, one in value.items()]
    if isinstance(shape, dict):
        return [
            (value[n], one.shape if isinstance(one, Maybe) else one, f"{place}.{n}")
            for n, one in shape.items()
            if n in value
        ]
    return []


def _words(shape):
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return "a list"
    if isinstance(shape, Each):
        return OBJECT
    names = ", ".join(_needed(shape))
    return f"{OBJECT} with {names}" if names else OBJECT


def _needed(shape):
    return [name for name, one in shape.items() if not isinstance(one, Maybe)]

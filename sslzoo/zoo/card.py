"""What we know of one model: `savedmodels/<name>/card.json`. Never written by hand."""

import dataclasses
import json

from sslzoo.errors import BadInput
from sslzoo.zoo import names
from sslzoo.zoo.shape import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    Each,
    Maybe,
    OrNull,
    flaw,
)

SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Card:
    """One model. What we measured and what its authors published never mix."""

    name: str  # <method>_<arch>.<tag>: byol_r18w16.cifar10_ep8
    summary: str  # one line
    origin: str  # the command that made it, or who published it
    backbone: dict  # "builder" and "options" of sslzoo.backbones where known,
    #                 "parameters"
    input: dict  # "size", "smallest", "fixed" (whether no other size), "channels",
    #              "crop", "interpolation", "antialias"; "sees", where that is not RGB:
    #              "hha"; for information "mean", "std"
    features: list  # of {"name", "channels", "stride"}, and "pooled", stride None
    licences: dict  # of "code", "weights", "data": SPDX, or words; "notice": a URL
    revision: int = 1  # counted up when a model is published again
    default: bool = False  # whether the name without its tag means this model
    heads: bool = False  # whether those lie there too, to go on training with
    training: dict = dataclasses.field(default_factory=dict)  # "recipe", "knobs",
    #   "seed", "steps", "epochs", "images", "learned_from", "data" (its sha256),
    #   "versions", "seconds"
    measured: list = dataclasses.field(default_factory=list)  # of {"data", "protocol",
    #   "seeds", "trained", "random": {"mean", "low", "high"}, "paper"}, the last
    #   {"value", "source"}, or None where no figure of the same is published
    paper: list = dataclasses.field(default_factory=list)  # of {"setting", "data",
    #   "protocol", "value", "source"}: what the method's authors report of other
    #   settings, images or protocols, for weights of their own
    published: list = dataclasses.field(default_factory=list)  # of {"data", "protocol",
    #   "value", "source"}: what the authors say of these very weights
    differences: dict = dataclasses.field(default_factory=dict)  # artifact -> largest
    #   difference from the Keras model, in parts of the largest feature
    expected: list = dataclasses.field(default_factory=list)  # the first of "pooled"
    #   that zoo.input.fixture() gives, by which a load may test itself
    limits: list = dataclasses.field(default_factory=list)  # sentences
    citation: str = ""  # BibTeX
    created: str = ""  # date
    source: dict = dataclasses.field(default_factory=dict)  # of what is not shipped:
    #   "url", "sha256", "bytes"; or of what is made of its authors' files:
    #   "converter", "url", "files", "inside", "size" (published.py)
    schema: int = SCHEMA

    @property
    def bare(self):
        """The name without its tag: byol_r18w16."""
        return self.name.partition(".")[0]

    @property
    def method(self):
        return self.bare.rpartition("_")[0]

    @property
    def arch(self):
        return self.bare.rpartition("_")[2]

    @property
    def tag(self):
        return self.name.partition(".")[2]

    def text(self):
        """The JSON of the file."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"


def parse(text, origin="card.json"):
    """The card in a text.

    Args:
        origin: what to call the text if it is no card.
    """
    try:
        values = json.loads(text)
        schema = values.get("schema")
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"{origin} is no card: it is not a JSON object ({error})."
        ) from None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise BadInput(
            f"{origin} has schema {schema!r}; this sslzoo reads up to {SCHEMA}. "
            "A newer sslzoo wrote it: pip install --upgrade sslzoo."
        )
    fields = {field.name: field for field in dataclasses.fields(Card)}
    missing = [
        name
        for name, field in fields.items()
        if field.default is field.default_factory is dataclasses.MISSING
        and name not in values
    ]
    unknown = sorted(set(values) - set(fields))
    if missing or unknown:
        raise BadInput(
            f"{origin} is no card: "
            + "; ".join(
                f"{words} {', '.join(of)}"
                for words, of in (("it lacks", missing), ("unknown:", unknown))
                if of
            )
            + "."
        )
    if words := next(filter(None, map(_flaw, values, values.values())), None):
        raise BadInput(f"{origin} is no card: {words}.")
    read = Card(**values)
    if "converter" in read.source and not read.backbone.get("builder"):
        raise BadInput(
            f"{origin} is no card: backbone has no builder, where the network that "
            "source.converter fills is expected."
        )
    return read


def _flaw(field, value):
    words = flaw(value, _SHAPES[field], field)
    if field == "name" and not words and not names.WHOLE.fullmatch(value):
        # It becomes that of a folder: it may not lead out of the one that it is in.
        return f"name is {json.dumps(value)}, where <method>_<arch>.<tag> is expected"
    if field == "features" and not words:
        if all(each["name"] != "pooled" for each in value):
            there = ", ".join(each["name"] for each in value)
            return f"features are [{there}], where pooled is expected too"
    return words


_FIGURE = {"data": TEXT, "protocol": TEXT, "value": NUMBER, "source": TEXT}
_INTERVAL = {
    "mean": NUMBER,
    "low": Maybe(OrNull(NUMBER)),
    "high": Maybe(OrNull(NUMBER)),
}
_SHAPES = {  # What is read of a card, wherever it is read, is there and of its kind.
    "name": TEXT,
    "summary": TEXT,
    "origin": TEXT,
    "backbone": {
        "parameters": COUNT,
        "builder": Maybe(OrNull(TEXT)),
        "options": Maybe(OBJECT),
    },
    "input": {
        "size": COUNT,
        "smallest": COUNT,
        "fixed": FLAG,
        "channels": COUNT,
        "crop": NUMBER,
        "interpolation": TEXT,
        "antialias": FLAG,
        "sees": Maybe(TEXT),
        "mean": Maybe(OrNull([NUMBER])),
        "std": Maybe(OrNull([NUMBER])),
    },
    "features": [{"name": TEXT, "channels": COUNT, "stride": OrNull(COUNT)}],
    "licences": {"code": TEXT, "weights": TEXT, "data": TEXT, "notice": Maybe(TEXT)},
    "revision": COUNT,
    "default": FLAG,
    "heads": FLAG,
    "training": {
        "recipe": Maybe(TEXT),
        "knobs": Maybe(OBJECT),
        "steps": Maybe(COUNT),
        "learned_from": Maybe(TEXT),
    },
    "measured": [
        {
            "data": TEXT,
            "protocol": TEXT,
            "seeds": COUNT,
            "trained": _INTERVAL,
            "random": OrNull(_INTERVAL),
            "paper": OrNull({"value": NUMBER, "source": TEXT}),
        }
    ],
    "paper": [{"setting": TEXT, **_FIGURE}],
    "published": [_FIGURE],
    "differences": Each(NUMBER),
    "expected": [NUMBER],
    "limits": [TEXT],
    "citation": TEXT,
    "created": TEXT,
    "source": {
        "url": Maybe(TEXT),
        "bytes": Maybe(COUNT),
        "converter": Maybe(TEXT),
        "files": Maybe([TEXT]),
        "inside": Maybe(TEXT),
        "size": Maybe(TEXT),
    },
    "schema": COUNT,
}

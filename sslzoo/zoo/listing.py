"""What models there are: names, cards, filters. It imports neither Keras nor NumPy."""

import dataclasses
import fnmatch
import re

from sslzoo.errors import nearest
from sslzoo.zoo import card as cards_
from sslzoo.zoo import licences, published
from sslzoo.zoo import registry as registries


def list_models(
    filter="",
    *,
    pretrained=False,
    method=None,
    backbone=None,
    license=None,
    exclude=(),
    max_params=None,
    as_table=False,
    registry=None,
):
    """The names of models, in natural order: r18 before r50 before r152.

    Args:
        filter: a part of the name, or a pattern, "byol_*w2"; or several: any of them.
        pretrained: only those whose weights are here or can be fetched. Of what is
            made of its authors' files, those whose address is known.
        method, backbone: "byol"; "r50" or "resnet50". Patterns too.
        license: of code and weights, not of the images learned from, which the card
            has too: "permissive", "noncommercial", or a pattern of SPDX names.
        exclude: as `filter`: none of them.
        max_params: most parameters.
        as_table: gives a dict for each, {"name", "method", "backbone", ...}; its
            "weights" are "here", "to fetch", or made of "your file" alone.
        registry: the folder to look in, in place of the usual ones.
    """
    found = [
        card
        for card in registries.cards(registry)
        if (not filter or _matches(card.name, filter))
        and not (exclude and _matches(card.name, exclude))
        and (not pretrained or _has_weights(card))
        and (method is None or _is(card.method, method))
        and (backbone is None or any(_is(n, backbone) for n in _networks(card)))
        and (license is None or licences.matches(card, license))
        and (max_params is None or card.backbone["parameters"] <= max_params)
    ]
    found.sort(key=lambda card: natural(card.name))
    return [row(card) if as_table else card.name for card in found]


def unknown(filter="", *, method=None, backbone=None, license=None, registry=None):
    """Which of these filters no model at all passes, with its neighbour, in words."""
    cards = registries.cards(registry)
    names = {name for card in cards for name in (card.name, card.bare)}
    if filter and not any(_matches(name, filter) for name in names):
        return f"No name is like {filter!r}.{nearest(filter, names)}"
    known = {
        "method": {card.method for card in cards},
        "backbone": {name for card in cards for name in _networks(card)},
        "license": {*licences.KINDS, *(card.licences["weights"] for card in cards)},
    }
    given = {"method": method, "backbone": backbone, "license": license}
    for what, name in given.items():
        if name and not any(_is(one, name) for one in known[what]):
            there = ", ".join(sorted(known[what], key=natural))
            near = nearest(name, known[what])
            return f"No {what} is {name!r}.{near} There are: {there}."
    return ""


def list_pretrained(filter="", exclude=(), registry=None):
    """The names of models whose weights are here or can be fetched, ready to load."""
    return list_models(filter, pretrained=True, exclude=exclude, registry=registry)


def is_model(name, registry=None):
    """Whether there is a model of that name, with its tag or without."""
    return any(name in (c.name, c.bare) for c in registries.cards(registry))


def is_pretrained(name, registry=None):
    """Whether there is one, and its weights are here or can be fetched, as above."""
    cards = registries.cards(registry)
    return any(name in (c.name, c.bare) and _has_weights(c) for c in cards)


def list_methods(registry=None):
    """The methods that the models are of."""
    return sorted({card.method for card in registries.cards(registry)})


def list_backbones(registry=None):
    """The networks, as models' names have them: r18w16, r50."""
    return sorted({card.arch for card in registries.cards(registry)}, key=natural)


def info(name, registry=None, revision=None, cache_dir=None):
    """All that is known of a model; nothing of it is fetched. Print it to read it.

    Of an address: once the model is in the cache, for its card lies within.

    Args:
        name, registry, revision, cache_dir: as `load` takes them.
    """
    card = registries.card(name, registry, revision, cache_dir)
    return ModelInfo(card, registries.is_here(card, cache_dir))


@dataclasses.dataclass(frozen=True, repr=False)
class ModelInfo:
    """A card that prints as a text."""

    card: cards_.Card
    here: bool = True  # whether its weights are

    def to_dict(self):
        return dataclasses.asdict(self.card)

    def __repr__(self):
        card = self.card
        head = f"{card.name}, revision {card.revision}\n{card.summary}\n\n"
        return head + "\n".join(
            f"{k:>10}  {value}" for k, value in _facts(card, self.here)
        )


def row(card):
    """What a table of models says of one."""
    pooled = next(f for f in card.features if f["name"] == "pooled")
    return {
        "name": card.name,
        "default": card.default,
        "method": card.method,
        "backbone": card.arch,
        "parameters": card.backbone["parameters"],
        "size": card.input["size"],
        "features": pooled["channels"],
        "license": card.licences["weights"],
        "weights": _weights(card),
        "summary": card.summary,
    }


def natural(name):
    """A key for sorting by which r50 comes before r152."""
    return [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", name)]


def _weights(card):
    if registries.is_here(card):
        return "here"
    return "to fetch" if _has_weights(card) else "your file"


def _facts(card, here):
    shown = card.input
    only = "only" if shown["fixed"] else f"usually; {shown['smallest']} or more"
    antialias = "antialiased" if shown["antialias"] else "not antialiased"
    builder = card.backbone.get("builder") or card.arch
    yield "method", card.method
    yield "backbone", f"{builder}, {card.backbone['parameters'] / 1e6:.3g} M parameters"
    what = "HHA of depth" if shown.get("sees") == "hha" else "RGB"
    yield "input", f"{what} in [0, 1], {shown['size']} x {shown['size']} {only}"
    yield "view", f"centre, {shown['crop']:g}; {shown['interpolation']}, {antialias}"
    for feature in card.features:
        stride = f"  stride {feature['stride']}" if feature["stride"] else ""
        yield "features", f"{feature['name']:<12} {feature['channels']:>5}{stride}"
    for what in ("code", "weights", "data"):
        yield "licence", f"{what}: {card.licences[what]}"
    for result in card.measured:
        trained, random = (_percent(result[key]) for key in ("trained", "random"))
        what = f"{result['data']}, {result['protocol']}"
        beside = f"random features {random}"
        if result["paper"]:
            beside += f"; the paper {_percent({'mean': result['paper']['value']})}"
        yield "measured", f"{what}: {trained} ({beside})"
    for figure in card.paper:
        what = f"{figure['setting']}; {figure['data']}, {figure['protocol']}"
        value = _percent({"mean": figure["value"]})
        yield "elsewhere", f"{what}: {value} ({figure['source']})"
    for figure in card.published:
        what = f"{figure['data']}, {figure['protocol']}"
        value = _percent({"mean": figure["value"]})
        yield "published", f"{what}: {value} ({figure['source']})"
    for sentence in card.limits:
        yield "limits", sentence
    if "converter" in card.source:
        yield "weights", _published(card, here)
    yield "origin", card.origin


def _published(card, here):
    size = f", {card.source['size']}" if "size" in card.source else ""
    where = f"of {card.source.get('url', 'their authors')}{size}"
    if here:
        return f"{where}: fetched and converted, in the cache"
    if _has_weights(card):
        return f"{where}: not here yet; the first load fetches and converts them"
    return f"{where}: to be had by hand; load(..., checkpoint=PATH) converts them"


def _percent(interval):
    return f"{100 * interval['mean']:.1f} %" if interval else "–"


def _matches(name, patterns):
    patterns = [patterns] if isinstance(patterns, str) else patterns
    plain = [p if re.search(r"[*?\[]", p) else f"*{p}*" for p in patterns]
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in plain)


def _is(name, pattern):
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


def _networks(card):
    """What the network of a model is called: r50, resnet50."""
    return [n for n in (card.arch, card.backbone.get("builder")) if n]


def _has_weights(card):
    if "converter" in card.source:
        return "url" in card.source and published.has_converter(card)
    return True

"""The README.md of a model, made from its card; and that of a folder of models.

The same cards give the same pages, to the byte; a test holds the committed ones to it,
and tools/cards.py writes them anew. The revision is not on a model's: that is counted
when the page is there already.
"""

import json
import re

PROTOCOLS = {
    "knn": "the vote of the 20 nearest training images by cosine, weighted by "
    "exp(cosine / 0.07)",
    "linear": "logistic regression on standardized features, its L2 chosen on "
    "held-out training images",
    "knn, quick": "the plain vote of the 20 nearest training images by cosine",
    "linear, quick": "logistic regression on standardized features, C = 1",
}


def page(card):
    """The page of a card, in Markdown."""
    parts = [
        f"# {card.name}\n\n{card.summary}",
        _licences(card),
        _use(card),
        _first_use(card),
        _alone(card),
        _input(card),
        _features(card),
        _results(card),
        _origin(card),
        _artifacts(card),
        _limits(card),
        _citation(card),
    ]
    by = " by `sslzoo export`" if card.training.get("recipe") else ""
    note = f"Made from card.json{by}; do not edit."
    return "\n\n".join([f"<!-- {note} -->", *filter(None, parts)]) + "\n"


def contents(models):
    """The page of a folder of models, in Markdown.

    Args:
        models: (card, bytes of its folder), by name.
    """
    note = "Made from the cards by `python tools/cards.py`; do not edit."
    parts = [f"<!-- {note} -->", _ABOUT, "The folder is empty as yet."]
    theirs = [card for card, _ in models if "converter" in card.source]
    models = [(card, size) for card, size in models if "converter" not in card.source]
    if models:
        heads = ("model", "what", "learned from", "features", "tried on")
        heads += ("kNN (random)", "linear (random)", "licences", "MB")
        parts[-1:] = [
            _table(heads, [_row(card, size) for card, size in models]),
            "## How they were made",
            *(f"{card.name}:\n\n```text\n{card.origin}\n```" for card, _ in models),
        ]
    if theirs:
        heads = ("model", "what", "features", "parameters", "authors' figure")
        heads += ("licence of the weights",)
        parts += [_THEIRS, _table(heads, map(_their_row, theirs))]
    return "\n\n".join([*parts, _ADDING]) + "\n"


_ABOUT = """# Models

The registry: a folder for each model, `<method>_<arch>.<tag>/`, with its card, its
weights, its SavedModel and the recipe that made it. `sslzoo list` shows them,
`sslzoo.load(NAME)` loads one after checking its sha256, and they are in the wheel."""

_THEIRS = """## Published by their authors

Of these the folder has the card alone: the first load fetches the authors' files,
converts them, and keeps the model in the cache. Figures are theirs, in percent, and
conversion was tested on synthetic files of the same format."""

_ADDING = """## To add one

```text
sslzoo train byol_r18w16_cifar10 --workdir runs/cifar
sslzoo evaluate runs/cifar --out runs/cifar.json
sslzoo export runs/cifar --no-heads --results runs/cifar.json
python tools/cards.py
```

`--default` beside it lets the name without its tag mean this model, where no other has
that already.

A test, tests/zoo/test_shipped.py, holds what is committed here to its cards, and the
cards to the files: it says what is missing. To take one away:
`python -c "from sslzoo.zoo import registry; registry.remove('NAME')"`.

A model that its authors publish is a line of tools/published.py."""


def _row(card, size):
    tried = card.measured[0]["data"] if card.measured else None
    scores = {
        each["protocol"].partition(",")[0]: each
        for each in card.measured
        if each["data"] == tried
    }
    return (
        f"[{card.name}]({card.name}/README.md)",
        card.summary,
        card.training.get("learned_from", "–"),
        _width(card),
        tried or "–",
        _score(scores.get("knn")),
        _score(scores.get("linear")),
        f"weights: {card.licences['weights']}; data: {card.licences['data']}",
        f"{size / 1e6:.1f}",
    )


def _their_row(card):
    figures = [f"{_percent(f['value'])}, {f['protocol']}" for f in card.published]
    return (
        f"[{card.name}]({card.name}/README.md)",
        card.summary,
        _width(card),
        f"{card.backbone['parameters'] / 1e6:.3g} M",
        "; ".join(figures) or "–",
        card.licences["weights"],
    )


def _score(row):
    """The mean, that of random features beside it."""
    if row is None:
        return "–"
    random = row["random"]
    beside = f" ({_percent(random['mean'])})" if random else ""
    return _percent(row["trained"]["mean"]) + beside


def _licences(card):
    rows = [(of, card.licences[of]) for of in sorted(card.licences)]
    return "## Licences\n\n" + _table(("of", "licence"), rows)


_PICTURES = """features = model(prepare(["a.jpg", "b.jpg"]))  # [2, {}]"""

_DEPTH = """# [height, width], in metres; 0 where it is not known
depth = numpy.load("depth.npy")
camera = color.NYU  # Or yours, in pixels: color.Camera((fx, fy), (cx, cy))
features = model(prepare([color.hha(depth, camera)]))  # [1, {}]"""


def _use(card):
    kind, fed, fit = "RGB images", _PICTURES, "images"
    imports = "import sslzoo"
    if card.input.get("sees") == "hha":
        kind, fed, fit = "HHA, of depth,", _DEPTH, 'batches of {"image", "hha"}'
        imports = "import numpy\nimport sslzoo\nfrom sslzoo import color"
    going_on = ""
    if card.heads:
        going_on = f'method = sslzoo.load("{card.name}", heads=True)'
        going_on += f"  # to go on: method.fit({fit})\n"
    return f"""## Use

```python
{imports}

model = sslzoo.load("{card.name}")  # a keras.Model of {kind} in [0, 1]
prepare = sslzoo.load_preprocessor("{card.name}")
{fed.format(_width(card))}
maps = sslzoo.load("{card.name}", features_only=True)  # all features, by name
{going_on}```"""


def _first_use(card):
    """What a load does where the authors have the weights."""
    source = card.source
    if "converter" not in source:
        return ""
    what = "What its authors publish is not fetched: you bring it."
    if "url" in source:
        size = [f"({source['size']})"] if "size" in source else []
        lines = "\n    ".join([source["url"], *source.get("files", ()), *size])
        what = f"""The first load fetches what its authors publish, converts it, and
keeps the model in the cache:

```text
{lines}
```

They give no sum of it: its sha256 is noted on first use, and whatever comes from there
again must have it."""
    return f"""{what} Of what you have already:

```python
model = sslzoo.load("{card.name}", checkpoint="PATH")
```"""


def _alone(card):
    """The SavedModel, which lies there of what was exported."""
    side = card.input["size"]
    if not card.differences:
        return ""
    return f"""Without this library, from the folder of the model:

```python
import tensorflow as tf

served = tf.saved_model.load("saved_model")
features = served(tf.zeros([2, {side}, {side}, {card.input["channels"]}]))
maps = served.features(tf.zeros([2, {side}, {side}, {card.input["channels"]}]))
```"""


def _width(card):
    widths = {each["name"]: each["channels"] for each in card.features}
    return widths["pooled"]


_HHA = """`sslzoo.color.hha(depth, camera)` of depth in metres: horizontal disparity \
31000 / max(z, 100), height above the lowest point, both of cm, and 38 + the angle of \
the surface with gravity in degrees, each / 255; black where no depth is known"""


def _input(card):
    of = card.input
    sides = (
        f"{of['size']} x {of['size']} pixels only"
        if of["fixed"]
        else f"{of['size']} x {of['size']} pixels; any of {of['smallest']} and more "
        "a side are taken"
    )
    part = "all" if of["crop"] == 1 else f"{of['crop']:g}"
    rows = [
        ("images", f"float32 in [0, 1], `[n, height, width, {of['channels']}]`"),
        ("size", sides),
        ("seen of a picture", "the centred square, of the short side " + part),
        ("resized", of["interpolation"] + (", antialiased" if of["antialias"] else "")),
    ]
    if of.get("sees") == "hha":
        rows[:1] = [(rows[0][0], f"HHA, {rows[0][1]}"), ("HHA", _HHA)]
    for key, words in (("mean", "subtracts, inside"), ("std", "divides by, inside")):
        if of.get(key) is not None:
            rows.append((words, ", ".join(f"{value:g}" for value in of[key])))
    return "## Input\n\n" + _table(("what", "how"), rows)


def _features(card):
    rows = [
        (f"`{each['name']}`", each["channels"], each["stride"] or "a vector")
        for each in card.features
    ]
    count = card.backbone.get("parameters")
    words = f"{count:,} parameters. " if count else ""
    return (
        f"## Features\n\n{words}`pooled` is what `sslzoo.load` gives by default.\n\n"
        + _table(("name", "channels", "stride"), rows)
    )


def _results(card):
    said = [] if card.measured or card.published else ["Nothing was measured."]
    if card.measured:
        rows = [
            (
                each["data"],
                each["protocol"],
                each["seeds"],
                _interval(each["random"]),
                _interval(each["trained"]),
                _figure(each["paper"]),
            )
            for each in card.measured
        ]
        heads = ("images", "protocol", "seeds", "random", "measured", "paper")
        said.append(
            "Top-1 accuracy in percent. With several seeds it is of so many "
            "runs that differ in nothing else, this model among them: their mean, and "
            "its interval of 95 %. *random* is the same network before its first step, "
            "*paper* what the method's authors report of the same network, images and "
            "protocol, if they do, for weights of their own.\n\n"
            + _table(heads, rows)
            + _protocols(card)
        )
    if card.paper:
        rows = [
            (
                each["setting"],
                each["data"],
                each["protocol"],
                _percent(each["value"]),
                each["source"],
            )
            for each in card.paper
        ]
        heads = ("learned", "images", "protocol", "published", "source")
        said.append(
            "What the method's authors report of other settings, for weights of their "
            "own. Not measured here, and not to be compared with what was:\n\n"
            + _table(heads, rows)
        )
    if card.published:
        rows = [
            (each["data"], each["protocol"], _percent(each["value"]), each["source"])
            for each in card.published
        ]
        heads = ("images", "protocol", "published", "source")
        said.append(
            "What the authors of these very weights say of them, not measured here:\n\n"
            + _table(heads, rows)
        )
    return "## Results\n\n" + "\n\n".join(said)


def _protocols(card):
    used = dict.fromkeys(each["protocol"] for each in card.measured)
    lines = [f"- *{name}*: {PROTOCOLS[name]}" for name in used if name in PROTOCOLS]
    return "\n\n" + "\n".join(lines) if lines else ""


_LINES = """The line that trains the run which is exported makes the weights, by itself;
the others give the scores, and the model its name."""

_FILES = """Files are looked for from the folder in which the lines are called. How to
come by those of sslzoo's own measurements, its docs/data.md says: "The files of our
measurements"."""


def _origin(card):
    lines = [f"## Where it comes from\n\n```text\n{card.origin}\n```"]
    if "\nsslzoo export " in card.origin:
        lines.append(_LINES)
    knobs = card.training.get("knobs", {})
    if any(re.match("(npz|folder|rgbd):", str(value)) for value in knobs.values()):
        lines.append(_FILES)
    rows = [
        (key, value if isinstance(value, (str, int)) else json.dumps(value))
        for key, value in sorted(card.training.items())
        if key != "knobs"
    ]
    rows += [
        (f"knob `{knob}`", json.dumps(value)) for knob, value in sorted(knobs.items())
    ]
    if rows:
        lines.append(_table(("of the training", "was"), rows))
    return "\n\n".join(lines)


def _artifacts(card):
    if not card.differences:
        return ""
    rows = [(name, f"{far:.1e}") for name, far in sorted(card.differences.items())]
    return (
        "## Files\n\nEach form of the model was run again after it was written. The "
        "largest difference from the Keras model, in parts of the largest feature:\n\n"
        + _table(("form", "difference"), rows)
    )


def _limits(card):
    if not card.limits:
        return ""
    return "## Limits\n\n" + "\n".join(f"- {sentence}" for sentence in card.limits)


def _citation(card):
    if not card.citation:
        return ""
    return f"## Citation\n\n```bibtex\n{card.citation.strip()}\n```"


def _interval(found):
    if found is None:
        return "–"
    if found.get("low") is None:
        return _percent(found["mean"])
    low, high = _percent(found["low"]), _percent(found["high"])
    return f"{_percent(found['mean'])} [{low}, {high}]"


def _figure(paper):
    if paper is None:
        return "none published"
    return f"{_percent(paper['value'])} ({paper['source']})"


def _percent(part):
    return f"{100 * part:.1f}"


def _table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )

"""The README.md of a model, made from its card and from nothing else.

The same card gives the same page, to the byte; a test holds the committed ones to it.
The revision is not on it: that is counted when the page is there already.
"""

import json


def page(card):
    """The page of a card, in Markdown."""
    parts = [
        f"# {card.name}\n\n{card.summary}",
        _licences(card),
        _use(card),
        _input(card),
        _features(card),
        _results(card),
        _origin(card),
        _artifacts(card),
        _limits(card),
        _citation(card),
    ]
    note = "Made from card.json by `sslzoo export`; do not edit."
    return "\n\n".join([f"<!-- {note} -->", *filter(None, parts)]) + "\n"


def _licences(card):
    rows = [(of, card.licences[of]) for of in sorted(card.licences)]
    return "## Licences\n\n" + _table(("of", "licence"), rows)


def _use(card):
    side = card.input["size"]
    return f"""## Use

```python
import sslzoo

model = sslzoo.load("{card.name}")  # a keras.Model of RGB images in [0, 1]
prepare = sslzoo.load_preprocessor("{card.name}")
features = model(prepare(["a.jpg", "b.jpg"]))  # [2, {_width(card)}]
maps = sslzoo.load("{card.name}", features_only=True)  # all features, by name
method = sslzoo.load("{card.name}", heads=True)  # to go on: method.fit(images)
```

Without this library, from the folder of the model:

```python
import tensorflow as tf

served = tf.saved_model.load("saved_model")
features = served(tf.zeros([2, {side}, {side}, {card.input["channels"]}]))
maps = served.features(tf.zeros([2, {side}, {side}, {card.input["channels"]}]))
```"""


def _width(card):
    widths = {each["name"]: each["channels"] for each in card.features}
    return widths["pooled"]


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
    said = []
    if card.measured:
        rows = [
            (
                each["data"],
                each["protocol"],
                each["seeds"],
                _interval(each["random"]),
                _interval(each["trained"]),
                "–" if each.get("paper") is None else _percent(each["paper"]),
            )
            for each in card.measured
        ]
        heads = ("images", "protocol", "seeds", "random", "measured", "paper")
        said.append(
            "Top-1 accuracy in percent, with the interval of 95 % over the seeds where "
            "there are several. *random* is the same network before its first step; "
            "*paper* is a figure of the method's authors, for weights of their own.\n\n"
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
    if not said:
        said = ["Nothing was measured."]
    return "## Results\n\n" + "\n\n".join(said)


def _origin(card):
    lines = [f"## Where it comes from\n\n```text\n{card.origin}\n```"]
    rows = [
        (key, value if isinstance(value, (str, int)) else json.dumps(value))
        for key, value in sorted(card.training.items())
        if key != "knobs"
    ]
    rows += [
        (f"knob `{knob}`", json.dumps(value))
        for knob, value in sorted(card.training.get("knobs", {}).items())
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


def _percent(part):
    return f"{100 * part:.1f}"


def _table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )

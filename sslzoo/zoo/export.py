"""A trained method into the registry: a folder with all that others need of it.

    entry = sslzoo.export(method, "byol_r18w16.mine", summary="...")

What a model is (its weights, its answers, its scores) is read off the method and off
what the caller hands over of the run; nothing of the card is written by hand.
"""

import dataclasses
import datetime
import json
import pathlib

import keras

from sslzoo import backbones
from sslzoo.backbones.layers import Standardize
from sslzoo.errors import BadInput, UnknownName, nearest
from sslzoo.methods.base import Method
from sslzoo.zoo import artifacts, load, page, resume
from sslzoo.zoo import licences as licensing
from sslzoo.zoo import registry as registries
from sslzoo.zoo import run as runs
from sslzoo.zoo.card import Card

EXPECTED = 8  # Numbers of the answer by which a load tests itself.
RESULTS = "results.json"  # What the scores of a card are made of.


def export(
    method,
    name,
    registry="savedmodels",
    summary="",
    licences=None,
    run=None,
    results=None,
    default=False,
    formats=(),
    heads=True,
    size=None,
    crop=None,
):
    """Publishes `method.deployable()`, and the method with it for those who go on.

    Args:
        name: `<method>_<arch>.<tag>`, such as "byol_r18w16.cifar10_ep8".
        registry: a folder of models.
        summary: one line; without, one is made of the run.
        licences: of "code", "weights", "data": SPDX names, or words; "notice": a URL.
        run: what `Workdir.run()` gives, and beside it "recipe_text"; "result", of
            `Workdir.result()`; "seconds", that it took; "about", of `Recipe.about()`.
        results: what `evaluation.ladder.evaluate` gives, as JSON has it.
        default: whether the name without its tag shall mean this model.
        formats: "keras", "onnx", beside the SavedModel.
        heads: whether heads, target and optimizer lie there too. They take several
            times the room of the features; without them nobody can go on training.
        size: the side of the images that it is meant for; without, the only one that
            the network takes, or that of the views which the method was shown.
        crop: the part of a picture's short side that is seen; without, 0.875, or what
            the network asks for, as that of patches does.

    Returns:
        The entry of the registry: its path, and its card.
    """
    if not isinstance(method, Method):
        raise BadInput(
            f"export publishes a method, like BYOL, not a {type(method).__name__}: how "
            "a network was trained belongs to it."
        )
    artifacts.check(formats)
    run = run or {}
    results = runs.named(results, run.get("about", {}))
    with registries.publishing(name, registry, readme=page.page) as draft:
        trained = method.deployable()
        backbone = in_float32(trained)
        usual = shown(method)
        size, crop = size or usual["size"], crop or usual["crop"]
        contract = input_of(backbone, size, crop, method.sees)
        known = facts(method, name, contract, run, results, heads, licences, default)
        card = Card(
            name=name,
            **{**known, "summary": summary or known["summary"]},
            features=features_of(backbone, contract["size"]),
            expected=load.answer(backbone, contract)[:EXPECTED].tolist(),
            created=datetime.date.today().isoformat(),
        )
        _write(draft.path / "config.json", backbone.to_json())
        backbone.save_weights(draft.path / "backbone.weights.h5")
        if heads:
            resume.save(method, draft.path)
        if "recipe_text" in run:
            _write(draft.path / "recipe.py", run["recipe_text"])
        if results:
            _write(draft.path / RESULTS, json.dumps(results, indent=1) + "\n")
        _write(draft.path / "LICENSE", licensing.text(card.licences["weights"]))
        differences = artifacts.write(backbone, draft.path, contract, formats)
        card = dataclasses.replace(card, differences=differences)
        _write(draft.path / "card.json", card.text())
    return draft.entry


def facts(
    method,
    name,
    contract,
    run,
    results=None,
    heads=False,
    licences=None,
    default=False,
):
    """What a card says that is no number of its weights: a dict of its fields.

    The test of what is shipped makes it again, of the recipe and the results that lie
    beside the card.

    Args:
        contract: the input of the card.
        results: as they lie there, with the names of `run.named`.
    """
    about, backbone = run.get("about", {}), method.deployable()
    measured = runs.rows(results) if results else runs.quick(run)
    elsewhere = runs.beside(measured, method.figures, about.get("setting"))
    origin = runs.origin(run, name, results, heads, default, licences)
    licences = _licences({**about.get("licences", {}), **(licences or {})})
    return {
        "summary": runs.summary(method, backbone, run),
        "origin": origin,
        "default": default,
        "backbone": {
            **getattr(backbone, "made_by", {}),
            "parameters": backbone.count_params(),
        },
        "input": contract,
        "licences": licences,
        "heads": heads,
        "training": runs.training(run),
        "measured": measured,
        "paper": elsewhere,
        "limits": _limits(contract, licences, measured, heads, about),
        "citation": method.citation,
    }


def told(entry):
    """What to say of an entry: where it is, how large, how exact, how it is loaded."""
    path, here = entry.path.resolve(), pathlib.Path.cwd()
    if path.is_relative_to(here):
        path = path.relative_to(here)
    usual = path.parent == pathlib.Path("savedmodels")
    handle = path.name if usual else path if path.is_absolute() else f"./{path}"
    return {
        "name": entry.card.name,
        "revision": entry.card.revision,
        "path": str(path),
        "bytes": sum(f.stat().st_size for f in path.rglob("*") if f.is_file()),
        "differences": entry.card.differences,
        "licences": entry.card.licences,
        "load": f'sslzoo.load("{handle}")',
    }


def in_float32(model):
    """The same network with numbers of full precision, whatever it was trained in.

    It shares nothing with `model`, nor with the strategy under which that was made.
    """
    entry = json.loads(model.to_json())
    load.set_dtype(entry, "float32")
    twin = keras.models.model_from_json(json.dumps(entry))
    if {layer.name for layer in twin.layers} != {layer.name for layer in model.layers}:
        raise BadInput(
            f"{model.name} is read back from its config with layers of other names. "
            "Give their classes a get_config() that begins with super().get_config()."
        )
    for layer in twin.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return twin


def input_of(backbone, size=None, crop=0.875, sees="image"):
    """The input of a card: what images the network takes, and how it is shown them.

    Args:
        sees: "image", or "hha" of a network of depth: as `Method.sees`.
    """
    _, height, _, channels = backbone.input_shape
    size = height or size
    if size is None:
        raise BadInput(
            f"{backbone.name} takes images of any size, and its method does not say "
            "which it was shown. Give the one that it is meant for: size=224."
        )
    contract = {
        "size": size,
        "smallest": height or _smallest(backbone, size),
        "fixed": height is not None,
        "channels": channels,
        "crop": crop,
        "interpolation": "bicubic",
        "antialias": False,
    }
    if sees != "image":
        contract["sees"] = sees
    for layer in backbone.layers:
        if isinstance(layer, Standardize):
            contract |= {"mean": list(layer.mean), "std": list(layer.std)}
    return contract


def _smallest(backbone, size):
    """The smallest side of which something is left in every feature, by halving."""

    def works(side):
        try:
            shapes = backbone.compute_output_shape((1, side, side, channels)).values()
        except ValueError:
            return False
        return all(extent > 0 for shape in shapes for extent in shape)

    channels = backbone.input_shape[-1]
    low, high = 0, size  # `high` works, as it was trained on; `low` does not.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def shown(method):
    """{"size", "crop"} of the images that its model is for, where nobody says others.

    They are those that the model names; else the side of the views that the method was
    shown, None where it does not say it, and 0.875.
    """
    seen = {"size": getattr(method.example, "size", None), "crop": 0.875}
    return seen | getattr(method.deployable(), "shown_at", {})


def features_of(backbone, size):
    maps = backbones.feature_info(backbone, size)
    vectors = [
        {"name": name, "channels": output.shape[-1], "stride": None}
        for name, output in backbone.output.items()
        if len(output.shape) == 2
    ]
    return maps + vectors


def _licences(stated):
    known = {"code": "Apache-2.0", "weights": "not stated", "data": "not stated"}
    for of in stated:
        if of not in (*known, "notice"):
            raise UnknownName(
                f"No licence of {of!r}.{nearest(of, known)} A card has those of "
                f"{', '.join(known)}, and a notice."
            )
    return {**known, **stated}


def _limits(contract, licences, measured, heads, about):
    said = list(about.get("limits", ()))
    if "sees" in contract:
        said.append("It sees depth, as HHA: of photographs its features mean nothing.")
    said.append("Nothing was tried of decisions about people: it is not for them.")
    if not heads:
        said.append("It has no heads: its training cannot be gone on with.")
    if not contract["fixed"]:
        side = contract["size"]
        said.append(
            f"Of images of other sides than {side} pixels nothing was measured."
        )
    if not measured:
        said.append("Nothing was measured of how well its features serve.")
    else:
        said.append(
            "What its features are worth for other images and tasks than those it was "
            "measured on, `sslzoo evaluate` tells before they are relied on."
        )
        if all(row["seeds"] < 2 for row in measured):
            said.append("Its scores are of one run: another seed gives others.")
    for of, licence in sorted(licences.items()):
        if licence == "not stated":
            said.append(f"The licence of the {of} was not stated.")
    return said


def _write(path, text):
    path.write_text(text, encoding="utf-8")

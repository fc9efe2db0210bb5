"""What a shipped model must be, and a model made here as the shipped ones are."""

import contextlib
import dataclasses
import json
import pathlib
import re
import shlex
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo import cli, recipe
from sslzoo.backbones import fold
from sslzoo.data import sources
from sslzoo.evaluation import statistics
from sslzoo.zoo import artifacts, card, export, licences, load, page, run, sums
from tools import cards

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALL = cards.models(ROOT / "savedmodels")
SHIPPED = [folder for folder in ALL if not cards.card_of(folder).source]
LARGEST = 5_000_000  # Bytes of a file that git shall keep.
NAME = "byol_tiny.cifar10_ep2"
RECIPE = '''"""sslzoo train byol_tiny_cifar10 --workdir runs/tiny"""

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import byol
from sslzoo.optim import sgd
from sslzoo.recipe import Probe, Recipe


def recipe(
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    backbone="tiny",
    batch_size=4,
    epochs=1,
    rate=0.1,
    seed=0,
):
    source, held_out = (sources.from_spec(spec) for spec in (data, test))
    steps, example = epochs * (source.count // batch_size), byol.example(32)
    return Recipe(
        streams=Stream(source, example, batch_size),
        method=lambda: byol.BYOL(
            backbones.build(backbone), steps, example, hidden=16, outputs=8
        ),
        optimizer=lambda: sgd.SGD(rate),
        steps=steps,
        probes={"cifar10": Probe(source, held_out, 32)},
        seed=seed,
    )
'''
TRAINING = {  # What of a card is said by nothing else that lies beside it.
    "recipe": "byol_tiny_cifar10",
    "knobs": {
        "data": "npz:/tmp/cifar10_jpeg.npz#train",
        "test": "npz:/tmp/cifar10_jpeg.npz#test",
        "backbone": "tiny",
        "batch_size": 4,
        "epochs": 2,
        "rate": 0.1,
        "seed": 0,
    },
    "images": 9,
    "data": "f00d" * 16,
    "seconds": 3,
    "versions": {"keras": "3", "python": "3", "sslzoo": "0", "tensorflow": "2"},
}

DEFAULTS = {  # Of RECIPE.
    **TRAINING["knobs"],
    "data": "tfds:cifar10/train",
    "test": "tfds:cifar10/test",
    "epochs": 1,
}


def results():
    scores = {"trained": [0.39, 0.41], "random": [0.2, 0.21]}
    found = {of: statistics.interval(values) for of, values in scores.items()}
    found["difference"] = statistics.difference(*scores.values())
    found["runs"] = [
        {"run": f"/tmp/runs/{i}", **{of: {"top1": scores[of][i]} for of in scores}}
        for i in range(2)
    ]
    made = {"command": "sslzoo evaluate runs/0 runs/1 --out scores.json", "runs": {}}
    for i in range(2):
        knobs = TRAINING["knobs"] | {"seed": i}
        seed = {"recipe": TRAINING["recipe"], "knobs": knobs, "defaults": DEFAULTS}
        made["runs"][f"runs/{i}"] = {"command": run.command(seed, f"runs/{i}")}
    return {"cifar10": {"knn": found}, "made": made}


@contextlib.contextmanager
def images(count):
    """A block in which every data spec has so many images, and its own name."""

    def source(spec):
        stand_in = sources.Synthetic(count)
        stand_in.name = spec
        return stand_in

    with mock.patch.multiple(sources, from_spec=source, cached=lambda source: source):
        yield


def planned(file, training):
    """(the plan, the run as export takes it) of a recipe, with what a card tells."""
    with images(training["images"]):
        plan = recipe.load(file, **training["knobs"])
    return plan, {
        "recipe": training["recipe"],
        "recipe_text": file.read_text(),
        "knobs": recipe.knobs_of(file, **training["knobs"]),
        "defaults": recipe.knobs_of(file),
        "seed": plan.seed,
        "steps": plan.steps,
        "images": {"": training["images"]},
        "data": {"": training["data"]},
        "versions": training["versions"],
        "seconds": training["seconds"],
        "about": plan.about(),
    }


def publish(place, seed):
    """A model as the shipped ones are published."""
    keras.utils.set_random_seed(seed)
    (place / "recipe.py").write_text(RECIPE)
    plan, run = planned(place / "recipe.py", TRAINING)
    (place / "recipe.py").unlink()
    plan.method().export(
        NAME,
        registry=place,
        run=run,
        results=results(),
        default=True,
        heads=False,
        size=32,
    )
    cards.write(place)
    return place / NAME


# Each takes the folder of a model, and raises.


def its_page_is_made_of_its_card(folder):
    text = (folder / "README.md").read_text()
    assert text == page.page(cards.card_of(folder)), "run: python tools/cards.py"


def its_card_is_as_it_was_written(folder):
    read = cards.card_of(folder)
    assert read.text() == (folder / "card.json").read_text()
    assert card.parse(read.text()) == read and read.name == folder.name


def its_sums_are_those_of_its_files(folder):
    sums.check(folder)


def its_licences_are_stated_and_there(folder):
    stated = cards.card_of(folder).licences
    for of in ("code", "weights", "data"):
        assert stated.get(of, "not stated") != "not stated", of
    assert (folder / "LICENSE").read_text() == licences.text(stated["weights"])


def its_limits_are_said_in_sentences(folder):
    limits = cards.card_of(folder).limits
    # Of people export says so of any model: of its own images, too, it must be said.
    assert sum("is not for" in sentence for sentence in limits) >= 2
    assert all(sentence.endswith(".") and " " in sentence for sentence in limits)


def protocols(found):
    """What was found by each protocol, of all images."""
    by_data = [each for data, each in found.items() if data != "made"]
    return [result for each in by_data for result in each.values()]


def its_scores_are_its_results(folder):
    read = cards.card_of(folder)
    found = json.loads((folder / export.RESULTS).read_text())
    assert [{**row, "paper": None} for row in read.measured] == run.rows(found)
    assert all(row["seeds"] and row["random"] for row in read.measured)


def its_results_add_up(folder):
    """The figures of a protocol are those of its runs, on the images of the recipe."""
    plan, _ = planned(folder / "recipe.py", cards.card_of(folder).training)
    found = json.loads((folder / export.RESULTS).read_text())
    assert set(found) - {"made"} <= set(plan.about()["measured_on"].values())
    for result in protocols(found):
        for of in ("trained", "random"):
            values = [each[of]["top1"] for each in result["runs"]]
            expected = statistics.interval(values)
            assert result[of] == {
                key: value if value is None else pytest.approx(value)
                for key, value in expected.items()
            }


def its_papers_figures_have_a_source(folder):
    read = cards.card_of(folder)
    beside = [row["paper"] for row in read.measured if row["paper"]]
    assert beside or read.paper
    assert all(figure["source"] and 0 < figure["value"] < 1 for figure in beside)
    for figure in read.paper:
        assert all(figure[key] for key in ("setting", "data", "protocol", "source"))


def it_says_what_export_says(folder):
    """Of the recipe and the results that lie there, and of `TRAINING`."""
    read = cards.card_of(folder)
    plan, made_by = planned(folder / "recipe.py", read.training)
    found = json.loads((folder / export.RESULTS).read_text())
    probe, method = next(iter(plan.probes.values())), plan.method()
    contract = export.input_of(method.deployable(), probe.size, probe.crop)
    default = read.default  # Which whoever publishes chooses.
    expected = export.facts(
        method, read.name, contract, made_by, found, default=default
    )
    for field, value in expected.items():
        assert getattr(read, field) == json.loads(json.dumps(value)), field


def it_says_how_it_was_made(folder):
    read = cards.card_of(folder)
    training, file = read.training, folder / "recipe.py"
    lines = read.origin.splitlines()
    assert read.origin.startswith("sslzoo train ") and "/tmp" not in read.origin
    assert f"sslzoo train {training['recipe']} " in file.read_text()
    verbs = [cli.parser().parse_args(shlex.split(line)[1:]) for line in lines]
    *trained, measured, published = verbs
    assert {each.recipe for each in trained} == {training["recipe"]}
    assert measured.runs == [each.workdir for each in trained]
    assert published.workdir in measured.runs and published.results == measured.out
    assert published.name == read.name and published.no_heads
    assert len(trained) == max(row["seeds"] for row in read.measured)
    _, made_by = planned(file, training)
    name = run.name_for(made_by)
    assert read.bare == name.partition(".")[0]
    assert read.tag.endswith(f"_ep{training['epochs']}")
    assert re.fullmatch("[0-9a-f]{64}", training["data"]) and training["seconds"] > 0
    assert {"keras", "python", "sslzoo", "tensorflow"} <= training["versions"].keys()


def it_is_small_enough_for_git(folder):
    large = [str(p) for p in folder.rglob("*") if p.stat().st_size > LARGEST]
    assert not large


def it_is_features_alone(folder):
    read = cards.card_of(folder)
    assert not read.heads and any("no heads" in words for words in read.limits)
    for name in ("heads.weights.h5", "optimizer.npz", "method.json"):
        assert not (folder / name).exists(), "export it with --no-heads"


def it_answers_as_its_card_says(folder):
    model = sslzoo.load(str(folder), features_only=True)
    expected = model.card.expected
    assert len(expected) == export.EXPECTED
    found = load.answer(model, model.card.input)[: len(expected)]
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def its_features_are_those_of_its_card(folder):
    model = sslzoo.load(str(folder), features_only=True)
    size = model.card.input["size"]
    assert model.card.features == export.features_of(model, size)
    assert model.count_params() == model.card.backbone["parameters"]


def its_saved_model_differs_by_no_more_than_its_card_says(folder):
    model = sslzoo.load(str(folder), features_only=True)
    served = tf.saved_model.load(str(folder / "saved_model"))
    batches = artifacts.trials(model.card.input)
    expected, found = (
        [{name: np.asarray(value) for name, value in run(b).items()} for b in batches]
        for run in (model, served.features)
    )
    far = artifacts.difference(expected, found)
    stated = model.card.differences["saved_model"]
    # Another processor rounds otherwise, but no more than this.
    assert stated <= artifacts.LIMIT and far <= max(10 * stated, 1e-5)


def its_folded_network_differs_by_no_more_than_its_card_says(folder):
    model = sslzoo.load(str(folder), features_only=True)
    light = fold.folded(keras.Model(model.input, model.output))
    expected, found = (
        [artifacts.features(run, b) for b in artifacts.trials(model.card.input)]
        for run in (model, light)
    )
    far = artifacts.difference(expected, found)
    stated = model.card.differences["folded"]
    assert stated <= artifacts.LIMIT and far <= max(10 * stated, 1e-5)


CHECKS = [
    its_page_is_made_of_its_card,
    its_card_is_as_it_was_written,
    its_sums_are_those_of_its_files,
    its_licences_are_stated_and_there,
    its_limits_are_said_in_sentences,
    its_scores_are_its_results,
    its_results_add_up,
    its_papers_figures_have_a_source,
    it_says_what_export_says,
    it_says_how_it_was_made,
    it_is_small_enough_for_git,
    it_is_features_alone,
    it_answers_as_its_card_says,
    its_features_are_those_of_its_card,
    its_saved_model_differs_by_no_more_than_its_card_says,
    its_folded_network_differs_by_no_more_than_its_card_says,
]


# Each spoils a copy of a model, as those of test_tampered.py do.
# Their second argument is another model.


def said(**changes):
    """What a card says, and its page with it."""

    def tamper(folder, _):
        changed = dataclasses.replace(cards.card_of(folder), **changes)
        (folder / "card.json").write_text(changed.text())
        (folder / "README.md").write_text(page.page(changed))

    return tamper


def other_results(change):
    """Scores that do not come of the runs, and the card and its page with them."""

    def tamper(folder, _):
        found = json.loads((folder / export.RESULTS).read_text())
        change(found)
        (folder / export.RESULTS).write_text(json.dumps(found))
        said(measured=run.rows(found))(folder, _)

    return tamper


def better_throughout(found):
    """In every run, and in what is made of them."""
    for result in protocols(found):
        for each in result["runs"]:
            each["trained"]["top1"] += 0.05
        tops = [each["trained"]["top1"] for each in result["runs"]]
        result["trained"] = statistics.interval(tops)

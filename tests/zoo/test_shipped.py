"""What savedmodels/ ships is what its cards say, and they are what was measured.

Every check runs on each model of the checkout and on one that is made here, so that it
is tried while none is shipped too; and each fails on a copy that was tampered with.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo import cli, disk, recipe
from sslzoo.backbones import fold
from sslzoo.data import sources
from sslzoo.errors import SslzooError
from sslzoo.evaluation import statistics
from sslzoo.zoo import (
    artifacts,
    card,
    export,
    licences,
    load,
    page,
    registry,
    run,
    sums,
)
from sslzoo.zoo import published as zoo_published
from tools import cards, published

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


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("made"), seed=0)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same with other weights: what may be mistaken for it."""
    return publish(tmp_path_factory.mktemp("other"), seed=1)


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


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("folder", [None, *SHIPPED], ids=lambda f: f.name if f else "")
def test_a_model(check, folder, made):
    check(folder or made)


def its_results_are_the_record(folder):
    """That of docs/measured which the card's last line gives to export."""
    read = cards.card_of(folder)
    words = shlex.split(read.origin.splitlines()[-1])
    file = ROOT / words[words.index("--results") + 1]
    plan, _ = planned(folder / "recipe.py", read.training)
    measured = run.named(json.loads(file.read_text()), plan.about())
    assert file.parent == ROOT / "docs" / "measured"
    assert json.loads((folder / export.RESULTS).read_text()) == measured


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda f: f.name)
def test_what_a_shipped_model_scores_is_what_the_page_of_figures_says(folder, tmp_path):
    its_results_are_the_record(folder)
    copy = shutil.copytree(folder, tmp_path / folder.name)
    other_results(better_throughout)(copy, None)
    its_results_add_up(copy)  # So nothing that lies beside them tells.
    with pytest.raises(AssertionError):
        its_results_are_the_record(copy)


@pytest.mark.parametrize("place", [None, ROOT / "savedmodels"], ids=["made", "shipped"])
def test_the_page_of_all_models_is_made_of_their_cards(place, made):
    place = place or made.parent
    text = (place / "README.md").read_text()
    assert text == cards.contents(place), "run: python tools/cards.py"


def test_the_lines_that_add_a_model_are_not_refused():
    """They are of a bare name that means another here: no --default."""
    text = (ROOT / "savedmodels" / "README.md").read_text(encoding="utf-8")
    lines = text.partition("## To add one")[2].partition("```")[2].partition("```")[0]
    typed = [shlex.split(line) for line in lines.splitlines()]
    known = [words[1:] for words in typed if words[:1] == ["sslzoo"]]
    *_, told = map(cli.parser().parse_args, known)
    of = registry.find("byol_r18w16", registry=ROOT / "savedmodels").card
    assert of.default and told.run is cli.export.run and not told.default


@pytest.mark.parametrize("place", [None, ROOT / "savedmodels"], ids=["made", "shipped"])
def test_a_folder_of_models_has_nothing_else_and_each_short_name_means_one(place, made):
    place = place or made.parent
    folders = {p for p in place.iterdir() if p.is_dir() and p.name[0] not in "._"}
    assert folders == set(cards.models(place))
    for folder in folders:
        read = registry.card(cards.card_of(folder).bare, place)
        assert read.default and read.bare == cards.card_of(folder).bare


# Of what its authors publish there is the card alone, made of a table.


def of_the_table(place):
    """{name: {file: its text}} of what the table says, and of what lies there."""
    table = {
        each.name: {"card.json": each.text(), "README.md": page.page(each)}
        for each in published.cards()
    }
    there = {
        folder.name: {n: (folder / n).read_text() for n in ("card.json", "README.md")}
        for folder in cards.models(place)
        if cards.card_of(folder).source
    }
    return table, there


def test_the_cards_of_what_authors_publish_are_those_of_the_table():
    table, there = of_the_table(ROOT / "savedmodels")
    assert table == there, "run: python tools/cards.py"


@pytest.mark.parametrize("folder", sorted({*ALL} - {*SHIPPED}), ids=lambda f: f.name)
def test_a_published_model_is_a_card_that_is_whole(folder):
    its_sums_are_those_of_its_files(folder)
    its_card_is_as_it_was_written(folder)
    its_limits_are_said_in_sentences(folder)
    assert {f.name for f in folder.iterdir()} == {"card.json", "README.md", sums.NAME}
    read = cards.card_of(folder)
    assert read.measured == [] and not read.heads  # What authors say is no measurement.
    assert all(figure["source"] for figure in read.published)
    zoo_published.check(read)
    assert read.source["url"].startswith("https://")
    assert any("synthetic files" in sentence for sentence in read.limits)
    unstated = "not stated" in read.licences["weights"]
    assert unstated == any("No licence is stated" in each for each in read.limits)


def test_a_card_of_the_table_that_was_changed_is_found_out_and_mended(tmp_path):
    first, *_ = published.cards()
    assert cards.publish([first], tmp_path) == [tmp_path / first.name / "card.json"]
    assert cards.publish([first], tmp_path) == []
    better = dataclasses.replace(first, summary="The best.")
    (tmp_path / first.name / "card.json").write_text(better.text())
    table, there = of_the_table(tmp_path)
    assert there != {first.name: table[first.name]}
    with pytest.raises(SslzooError, match="Checksum mismatch"):
        its_sums_are_those_of_its_files(tmp_path / first.name)
    cards.publish([first], tmp_path)
    its_sums_are_those_of_its_files(tmp_path / first.name)
    table, there = of_the_table(tmp_path)
    assert there == {first.name: table[first.name]}


def test_the_published_models_are_those_of_the_sheets():
    """Sheets byol, 2.1 and 3; split_brain, 7 and 8; color_proxy, 6 and 7; by hand."""
    known = {each.name: each for each in published.cards()}
    byol = registry.card("byol_r50", ROOT / "savedmodels")
    assert byol == known["byol_r50.in1k_ep1000_deepmind"]
    base = "https://storage.googleapis.com/deepmind-byol/checkpoints"
    assert byol.source == {
        "converter": "deepmind_byol",
        "url": f"{base}/pretrain_res50x1.pkl",
        "size": "about 570 MB",
    }
    assert byol.backbone["builder"] == "resnet50"
    assert byol.licences["weights"] == "CC-BY-NC-4.0"
    view = {"size": 224, "crop": 0.875, "interpolation": "bicubic", "antialias": False}
    assert view.items() <= byol.input.items()
    assert byol.input["mean"] == [0.485, 0.456, 0.406]
    large = known["byol_r200w2.in1k_ep1000_deepmind"]
    assert large.source["url"] == f"{base}/pretrain_res200x2.pkl" and large.default
    assert large.published[0]["value"] == 0.796
    ablations = [n for n in known if n.startswith("byol_r50.in1k_ep300_deepmind_")]
    assert len(ablations) == 12
    crop = known["byol_r50.in1k_ep300_deepmind_crop"]
    assert crop.source["url"] == f"{base}/ablations/res50x1_crop_only.pkl"
    assert crop.published[0]["value"] == 0.594 and not crop.default
    simclr = known["simclrv2_r101w2.in1k_ft10pct_google"]
    assert simclr.published[0]["value"] == 0.758
    assert simclr.source["url"] + simclr.source["files"][0] == (
        "https://storage.googleapis.com/simclr-checkpoints/simclrv2/finetuned_10pct/"
        "r101_2x_sk0/model.ckpt-3754.index"
    )
    rescaled = known["split_brain_alexnet.in1k_rescaled_zhang"]
    assert rescaled.source["url"] == (
        "https://people.eecs.berkeley.edu/~rich.zhang/projects/2017_splitbrain/files/"
        "models/model_splitbrainauto_clcl_rs.caffemodel"
    )
    assert [row["value"] for row in rescaled.published] == [0.63, 0.671, 0.467, 0.36]
    plain = known["split_brain_alexnet.in1k_zhang"]
    assert max(row["value"] for row in plain.published) == 0.354 and plain.default
    assert plain.input["size"] == 227 and int(256 * plain.input["crop"]) == 227
    colour = known["color_proxy_r152.in1k_places205_larsson"]
    assert colour.source["url"] == (
        "https://people.cs.uchicago.edu/~larsson/color-proxy/models/"
        "resnet152.caffemodel.h5"
    )
    assert [row["value"] for row in colour.published] == [0.773, 0.6]
    assert len(known) == 14 + 9 + 6 * 5 + 4 + 2 + 3


@pytest.mark.parametrize(
    "name, millions",
    [
        ("byol_r50", 24),
        ("byol_r200w2", 250),
        ("simclr_r50w2", 94),
        ("simclr_r50w4", 375),
        ("simclrv2_r101", 43),
        ("simclrv2_r101w2", 170),
        ("simclrv2_r152", 58),
        ("supervised_r152w2", 232),
        ("split_brain_alexnet", 56.9),
        ("color_proxy_alexnet", 56.8),
        ("color_proxy_vgg16", 134.3),
        ("color_proxy_r152", 58.3),
    ],
)
def test_published_networks_are_as_large_as_the_papers_say(name, millions):
    """Sheet byol, 5.1: BYOL's and SimCLR's are of one architecture. VGG-16 of 138.36
    has 4.10 in its last layer and 0.001 of colours."""
    read = registry.card(name, ROOT / "savedmodels")
    assert read.backbone["parameters"] / 1e6 == pytest.approx(millions, abs=0.6)


# Each spoils a copy of `made`; its second argument is `other`.


def said(**changes):
    """What a card says, and its page with it."""

    def tamper(folder, _):
        changed = dataclasses.replace(cards.card_of(folder), **changes)
        (folder / "card.json").write_text(changed.text())
        (folder / "README.md").write_text(page.page(changed))

    return tamper


def written(name, text):
    return lambda folder, _: (folder / name).write_text(text)


def removed(name):
    return lambda folder, _: (folder / name).unlink()


def not_stated(of):
    def tamper(folder, _):
        licences = {**cards.card_of(folder).licences, of: "not stated"}
        said(licences=licences)(folder, _)

    return tamper


def better_scores(folder, _):
    (row,) = cards.card_of(folder).measured
    row["trained"]["mean"] = 0.9
    said(measured=[row])(folder, _)


def other_results(change):
    """Scores that do not come of the runs, and the card and its page with them."""

    def tamper(folder, _):
        found = json.loads((folder / export.RESULTS).read_text())
        change(found)
        (folder / export.RESULTS).write_text(json.dumps(found))
        said(measured=run.rows(found))(folder, _)

    return tamper


def better_by_a_tenth(found):
    for result in protocols(found):
        result["trained"] = {**result["trained"], "mean": 0.5}


def better_throughout(found):
    """In every run, and in what is made of them."""
    for result in protocols(found):
        for each in result["runs"]:
            each["trained"]["top1"] += 0.05
        tops = [each["trained"]["top1"] for each in result["runs"]]
        result["trained"] = statistics.interval(tops)


def of_other_images(found):
    (data,) = set(found) - {"made"}
    found["ImageNet, validation"] = found.pop(data)


def of_more_runs(found):
    for result in protocols(found):
        result["runs"] *= 2


def trained_with(knobs=None, **changes):
    """Other facts of the training."""

    def tamper(folder, _):
        training = cards.card_of(folder).training
        training = {**training, "knobs": {**training["knobs"], **(knobs or {})}}
        said(training={**training, **changes})(folder, _)

    return tamper


def a_better_paper(folder, _):
    first, *others = cards.card_of(folder).paper
    said(paper=[{**first, "value": 0.9}, *others])(folder, _)


def a_paper_beside_it(folder, _):
    (row,) = cards.card_of(folder).measured
    row["paper"] = {"value": 0.1, "source": "Grill et al. 2020, Table 1"}
    said(measured=[row])(folder, _)


def other_licence(of, words):
    def tamper(folder, _):
        said(licences={**cards.card_of(folder).licences, of: words})(folder, _)

    return tamper


def fewer_limits(folder, _):
    said(limits=cards.card_of(folder).limits[1:])(folder, _)


def another_size(folder, _):
    said(input={**cards.card_of(folder).input, "size": 64})(folder, _)


def another_width(folder, _):
    features = cards.card_of(folder).features
    features[0]["channels"] = 99
    said(features=features)(folder, _)


def another_stride(folder, _):
    features = cards.card_of(folder).features
    features[0]["stride"] = 7
    said(features=features)(folder, _)


def a_seed_untold(folder, _):
    lines = cards.card_of(folder).origin.splitlines()
    said(origin="\n".join(lines[1:]))(folder, _)


def laid_out_otherwise(folder, _):
    values = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(values))


def other_weights(folder, other):
    shutil.copy(other / "backbone.weights.h5", folder)


def other_saved_model(folder, other):
    shutil.rmtree(folder / "saved_model")
    shutil.copytree(other / "saved_model", folder / "saved_model")


TAMPERED = [
    (its_page_is_made_of_its_card, written("README.md", "Mine.")),
    (its_card_is_as_it_was_written, laid_out_otherwise),
    (its_card_is_as_it_was_written, said(name="byol_tiny.other")),
    (its_licences_are_stated_and_there, not_stated("data")),
    (its_licences_are_stated_and_there, not_stated("weights")),
    (its_licences_are_stated_and_there, removed("LICENSE")),
    (its_licences_are_stated_and_there, written("LICENSE", "Mine.")),
    (its_limits_are_said_in_sentences, said(limits=[])),
    (its_limits_are_said_in_sentences, said(limits=["it is not for"])),
    (its_scores_are_its_results, better_scores),
    (its_scores_are_its_results, removed("results.json")),
    (its_papers_figures_have_a_source, said(paper=[])),
    (its_results_add_up, other_results(better_by_a_tenth)),
    (its_results_add_up, other_results(of_other_images)),
    (its_results_add_up, other_results(of_more_runs)),
    *(
        (it_says_what_export_says, tamper)
        for tamper in (
            said(summary="The best features that there are."),
            said(origin="sslzoo train byol_tiny_cifar10 epochs=100 --workdir runs/a"),
            said(citation="@article{mine}"),
            said(paper=[]),
            a_better_paper,
            a_paper_beside_it,
            other_licence("data", "CC0-1.0"),
            other_licence("weights", "MIT"),
            said(limits=["It is not for people.", "It is not for anything else."]),
            fewer_limits,
            another_size,
            trained_with(epochs=3),
            trained_with(steps=5),
            trained_with(seed=1),
            trained_with(images=100),
            trained_with(recipe="byol_tiny_imagenet"),
            trained_with(learned_from="ImageNet, train"),
            trained_with(more="words"),
            trained_with({"epochs": 3}),
            trained_with({"batch_size": 2}),
            trained_with({"rate": 0.2}),
            trained_with({"backbone": "resnet18"}),
            trained_with({"data": "npz:imagenette224_jpeg.npz#train"}),
            trained_with({"more": 1}),
        )
    ),
    (it_says_how_it_was_made, said(origin="by hand")),
    (it_says_how_it_was_made, a_seed_untold),
    (it_says_how_it_was_made, trained_with(recipe="byol_tiny_imagenet")),
    (it_says_how_it_was_made, trained_with(data="f00d")),
    (it_says_how_it_was_made, trained_with(seconds=0)),
    (it_says_how_it_was_made, trained_with(versions={})),
    (it_says_how_it_was_made, removed("recipe.py")),
    (it_is_small_enough_for_git, written("more.txt", "." * (LARGEST + 1))),
    (it_is_features_alone, written("heads.weights.h5", "")),
    (it_is_features_alone, said(heads=True)),
    (it_answers_as_its_card_says, said(expected=[0.5] * 8)),
    (it_answers_as_its_card_says, other_weights),
    (its_features_are_those_of_its_card, another_width),
    (its_features_are_those_of_its_card, another_stride),
    (its_saved_model_differs_by_no_more_than_its_card_says, other_saved_model),
    (
        its_saved_model_differs_by_no_more_than_its_card_says,
        said(differences={"saved_model": 0.1}),
    ),
    (
        its_folded_network_differs_by_no_more_than_its_card_says,
        said(differences={"folded": 0.1}),
    ),
]


@pytest.mark.parametrize("check, tamper", TAMPERED)
def test_a_tampered_copy_fails_even_if_its_sums_fit(
    check, tamper, made, other, tmp_path
):
    folder = shutil.copytree(made, tmp_path / made.name)
    tamper(folder, other)
    digests = {path: disk.sha256(folder / path) for path in sums.found(folder)}
    digests.pop(sums.NAME)
    sums.write(folder, digests)
    with pytest.raises((AssertionError, SslzooError, FileNotFoundError)):
        check(folder)


def test_every_check_is_known_to_fail():
    """But for the sums: those are in the next test, where they do not fit."""
    assert {check for check, _ in TAMPERED} == {
        check for check in CHECKS if check is not its_sums_are_those_of_its_files
    }


@pytest.mark.parametrize("name", ["card.json", "backbone.weights.h5", "LICENSE"])
def test_what_was_changed_after_it_was_published_does_not_fit_its_sums(
    made, tmp_path, name
):
    folder = shutil.copytree(made, tmp_path / made.name)
    with open(folder / name, "ab") as file:
        file.write(b" ")
    with pytest.raises(SslzooError, match="Checksum mismatch"):
        its_sums_are_those_of_its_files(folder)
    cards.write(tmp_path)  # Nor does writing the pages anew hide it.
    with pytest.raises(SslzooError, match="Checksum mismatch"):
        its_sums_are_those_of_its_files(folder)


def test_the_pages_are_mended_by_one_command(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / made.name)
    (folder / "README.md").write_text("Mine.")
    assert cards.write(tmp_path) == [folder / "README.md", tmp_path / "README.md"]
    its_page_is_made_of_its_card(folder)
    its_sums_are_those_of_its_files(folder)
    assert cards.write(tmp_path) == []


def test_the_page_of_all_models_tells_what_a_reader_chooses_by(made):
    text = (made.parent / "README.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith(f"| [{NAME}]"))
    assert "BYOL features of tiny, 16 numbers" in row
    assert "| CIFAR-10 (JPEG copies), train | 16 |" in row
    assert "| CIFAR-10 (JPEG copies), test | 40.0 (20.5) | – |" in row
    assert "weights: Apache-2.0; data: none published" in row
    assert cards.card_of(made).origin in text
    assert "empty" not in text and "empty" in page.contents([])


@pytest.mark.skipif(
    not ((ROOT / ".gitignore").exists() and shutil.which("git")), reason="no checkout"
)
def test_git_keeps_every_byte_of_a_model_whatever_ends_lines_have(made, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(made, here / "savedmodels" / made.name)
    for name in (".gitignore", ".gitattributes"):
        shutil.copy(ROOT / name, here)
    settings = "[core]\nautocrlf = true\n[user]\nname = a\nemail = a@example.org\n"
    (tmp_path / "settings").write_text(settings)
    theirs = {"GIT_CONFIG_GLOBAL": tmp_path / "settings", "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words):
        done = subprocess.run(
            ["git", *words],
            cwd=here,
            env={**os.environ, **theirs},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "Ship a model")
    git("clone", "--quiet", here, there)
    sums.check(there / "savedmodels" / made.name)
    # What a person may read is shown when it changes; of the rest, that it did.
    rows = git("show", "--numstat", "--format=").splitlines()
    shown = {pathlib.Path(row.split("\t")[2]).name for row in rows if row[0] != "-"}
    assert shown == {".gitattributes", ".gitignore"} | {
        *("card.json", "config.json", "results.json", "recipe.py"),
        *("LICENSE", "README.md", "SHA256SUMS"),
    }

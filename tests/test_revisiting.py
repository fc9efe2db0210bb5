"""Revisiting's recipes: their schedules, their small runs, their Figure 4."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image

from sslzoo import recipe, runner, workdir
from sslzoo.data import pipeline, sources
from sslzoo.errors import BadInput, UnknownName
from sslzoo.evaluation import ladder, pretext
from sslzoo.show import progress
from sslzoo.zoo import export
from tests.revisiting import SMALL, small
from tests.runs import slow

NAMES = {
    "rotation_in1k": 64,
    "exemplar_in1k": 64,
    "jigsaw_in1k": 128,
    "relative_patch_in1k": 128,
}


@pytest.mark.parametrize("name, images", NAMES.items())
def test_the_schedule_is_the_authors(name, images, monkeypatch):
    """0.1 for 256 images, 5 of 35 epochs of warm-up, a tenth after 15 and 25; five
    times the decay on the head of patches."""
    source = sources.Synthetic(100 * images)
    monkeypatch.setattr(sources, "from_spec", lambda *_: source)
    plan = recipe.load(name)
    rate = plan.optimizer().get_config()["learning_rate"]
    rate = keras.optimizers.schedules.deserialize(rate)
    top = 0.1 * images / 256
    assert plan.steps == 3500 and plan.streams.batch_size == images
    wanted = {250: top / 2, 500: top, 1499: top, 1500: top / 10, 2500: top / 100}
    for step, expected in wanted.items():
        np.testing.assert_allclose(rate(step), expected, rtol=1e-5)
    sgd = plan.optimizer()
    assert (sgd.momentum, sgd.decay, sgd.nesterov) == (0.9, 1e-4, False)
    assert sgd.heavier == ({"puzzle/*": 5.0} if images == 128 else {})


@pytest.mark.parametrize(
    "strong, epochs, rates",
    [
        (True, 200, {250: 0.05, 500: 0.1, 10_250: 0.05, 20_000: 0}),
        (
            False,
            90,
            {250: 0.05, 500: 0.1, 2999: 0.1, 3000: 0.01, 5999: 0.01}
            | {6000: 1e-3, 7999: 1e-3, 8000: 1e-4, 8999: 1e-4},
        ),
    ],
)
def test_the_schedules_of_labels_are_the_authors(strong, epochs, rates, monkeypatch):
    """Five epochs of warm-up; BYOL's baseline by Nesterov, half a cosine and smoothed
    labels, Revisiting's with a tenth after 30, 60 and 80."""
    source = sources.Synthetic(100 * 256)
    monkeypatch.setattr(sources, "from_spec", lambda *_: source)
    plan = recipe.load("supervised_in1k", strong=strong, backbone="tiny")
    assert plan.steps == 100 * epochs and plan.streams.batch_size == 256
    sgd = plan.optimizer()
    rate = sgd.get_config()["learning_rate"]
    rate = keras.optimizers.schedules.deserialize(rate)
    for step, expected in rates.items():
        np.testing.assert_allclose(rate(step), expected, rtol=1e-4, atol=1e-9)
    assert (sgd.momentum, sgd.decay, sgd.nesterov) == (0.9, 1e-4, strong)
    assert plan.method().smoothing == (0.1 if strong else 0)
    assert plan.streams.example.count == (2 if strong else 0)


def test_the_examples_of_patches_are_the_authors(monkeypatch):
    monkeypatch.setattr(sources, "from_spec", lambda *_: sources.Synthetic(128))
    for name in ("jigsaw_in1k", "relative_patch_in1k"):
        shown = recipe.load(name).streams.example.get_config()
        sides = {key: shown[key] for key in ("patch", "cell", "stored", "gray")}
        assert sides == {"patch": 64, "cell": 85, "stored": 292, "gray": 0.66}


LARGE = [path.stem for path in recipe.folders()[0].glob("*_in1k.py")]


@pytest.mark.parametrize(
    "name",
    [
        name if name == "rotation_in1k" else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(LARGE)
        if not name.startswith(("colorization", "split_brain", "random"))
    ],
)
def test_a_folder_such_as_places_is_counted_and_trained_on(name, tmp_path):
    """Places205 as it is unpacked: a folder for each class, jpg files of any size."""
    random = np.random.default_rng(0)
    for label in ("abbey", "airport"):
        (tmp_path / label).mkdir()
        for i in range(4):
            pixels = random.integers(0, 256, (40, 48 + i, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"gsun_{i}.jpg")
    small = recipe.module(recipe.find(name)).SMALL
    spec = f"folder:{tmp_path}?images=8&classes=2"
    plan = recipe.load(name, **{**small, "data": spec})
    assert plan.streams.source.count == 8
    weights = runner.pretrain(plan).get_weights()
    assert all(np.isfinite(w).all() for w in weights)
    whole = spec.replace("images=8", "images=2448873")
    with pytest.raises(BadInput, match="2448873"):
        recipe.load(name, **{**small, "data": whole})


@pytest.mark.parametrize(
    "task",
    [
        "rotation",
        "jigsaw",
        pytest.param("exemplar", marks=pytest.mark.slow),
        pytest.param("relative_patch", marks=pytest.mark.slow),
    ],
)
def test_a_small_run_is_measured_by_its_task_on_images_it_has_not_seen(task):
    """And nothing of the method moves thereby."""
    plan = small(task)
    method = runner.pretrain(plan)
    before = method.get_weights()
    source = sources.from_spec("synthetic:10")
    found = pretext.evaluate(method, plan.streams, source)
    assert set(found) == {"loss", "accuracy"} and found["loss"] > 0
    assert found == pretext.evaluate(method, plan.streams, source)
    for one, two in zip(before, method.get_weights()):
        np.testing.assert_array_equal(one, two)


def test_held_out_accuracy_is_that_of_each_image_once():
    """Rotation, of a classifier that always says 90: one in four. They are of one shade
    each, which those that it was trained on are not."""
    plan = small("rotation")
    method = runner.untrained(plan)
    kernel, _ = method.classifier.get_weights()
    method.classifier.set_weights([0 * kernel, np.float32([0, 5, 0, 0])])
    seen = []
    step = method.test_step

    def noted(batch):
        assert np.ptp(batch["view1"], axis=(1, 2, 3)).max() < 1e-5
        seen.extend(batch["n"].numpy())
        return step(batch)

    method.test_step = noted
    method.run_eagerly = True
    source = sources.Arrays(np.full((8, 40, 40, 3), 90, "uint8"))
    found = pretext.evaluate(method, plan.streams, source)
    assert sorted(seen) == [*range(8)]
    assert found["accuracy"] == 0.25
    expected = np.log(np.exp(5) + 3) - 5 / 4
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    with pytest.raises(BadInput, match=r"several tasks, a, b: give that of one"):
        pretext.evaluate(method, {"a": plan.streams, "b": plan.streams}, source)


@pytest.mark.parametrize("task", [slow("exemplar"), "jigsaw", slow("labels")])
def test_the_device_may_finish_what_is_shown(task):
    """Cutting, gray and RandAugment in the step, in batches, give the same pixels."""
    plan = small(task, changes=2) if task == "labels" else small(task)
    method = runner.untrained(plan)
    name = {"exemplar": "copies", "jigsaw": "patches", "labels": "image"}[task]
    found = [
        next(iter(pipeline.training_batches(stream, method.uses)))
        for stream in (
            plan.streams,
            dataclasses.replace(plan.streams, augment="device"),
        )
    ]
    assert "unfinished" in found[1]
    shown = [method.shown(batch)[name] for batch in found]
    np.testing.assert_allclose(*shown, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["simclr", "byol"])
def test_views_can_be_compared_on_the_same_networks(task):
    method = runner.pretrain(small(task))
    assert type(method).__name__.lower() == task
    assert all(np.isfinite(weight).all() for weight in method.get_weights())


def test_labels_are_a_task_too_with_randaugment():
    plan = small("labels", changes=2)
    assert plan.streams.example.count == 2
    assert np.isfinite(runner.pretrain(plan).get_weights()[0]).all()
    with pytest.raises(UnknownName, match="Did you mean 'rotation'"):
        small("rotations")


def test_the_probe_may_learn_from_few():
    plan = small("rotation", per_class=3)
    (probe,) = plan.probes.values()
    assert probe.train.count == 6 and plan.streams.source.count == 8


@pytest.mark.parametrize(
    "task, size, crop",
    [("rotation", 32, 1), ("rotation", 96, 224 / 256), ("jigsaw", 96, 192 / 224)],
)
def test_the_probe_looks_where_the_authors_look(task, size, crop):
    (probe,) = small(task, image_size=size).probes.values()
    assert probe.crop == pytest.approx(crop)


@pytest.mark.parametrize(
    "task, seen",
    [
        ("rotation", {"size": 32, "crop": 0.875}),
        ("jigsaw", {"size": 24, "crop": pytest.approx(192 / 224)}),
        ("relative_patch", {"size": 24, "crop": pytest.approx(192 / 224)}),
    ],
)
def test_a_network_of_patches_says_where_it_looks(task, seen):
    """So that a card says it where no probe does."""
    few = {"orders": 8} if task == "jigsaw" else {}
    assert export.shown(small(task, **few).method()) == seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jigsaw_in1k", "relative_patch_in1k"])
def test_without_a_probe_it_is_measured_as_its_card_says(
    name, tmp_path, command, monkeypatch
):
    knobs = [f"{k}={v}" for k, v in recipe.module(recipe.find(name)).SMALL.items()]
    run = tmp_path / "run"
    assert command("train", name, *knobs, "--workdir", run)[0] == 0
    asked = []
    monkeypatch.setattr(ladder, "evaluate", lambda _, sets, *more: asked.append(sets))
    monkeypatch.setattr(progress, "ladder_table", print)
    words = ["evaluate", run, "--data", "synthetic:10", "--test", "synthetic:10"]
    assert command(*words)[0] == 0
    (probe,) = asked[0].values()
    words = ["export", run, "--name", "puzzles_tiny.mine", "--registry", tmp_path]
    assert command(*words)[0] == 0
    (card,) = tmp_path.glob("*/card.json")
    contract = json.loads(card.read_text())["input"]
    assert (probe.size, probe.crop) == (contract["size"], contract["crop"])
    assert probe.size == 24 and probe.crop == pytest.approx(192 / 224)


def test_the_command_says_what_a_run_has_learned_of_its_task(tmp_path, command):
    knobs = [f"{k}={v}" for k, v in SMALL.items()]
    run = tmp_path / "run"
    code, *_ = command("train", "revisiting_small", *knobs, "--workdir", run)
    assert code == 0
    words = ["evaluate", run, "--protocol", "pretext", "--json"]
    code, out, _ = command(*words)
    told = json.loads(out)["held out"]
    assert code == 0 and set(told) == {"pretext"}
    (row,) = told["pretext"]["runs"]
    method, plan = runner.trained(workdir.Workdir(run))
    (probe,) = plan.probes.values()
    found = pretext.evaluate(method, plan.streams, probe.test)["accuracy"]
    assert row["trained"]["top1"] == told["pretext"]["trained"]["mean"] == found


def test_a_method_without_an_accuracy_is_told(tmp_path, command):
    knobs = recipe.module(recipe.find("byol_r18w16_toyworld")).SMALL
    knobs = [f"{k}={v}" for k, v in knobs.items()]
    command("train", "byol_r18w16_toyworld", *knobs, "--workdir", tmp_path / "byol")
    code, _, error = command("evaluate", tmp_path / "byol", "--protocol", "pretext")
    assert code and "BYOL reports loss, tau, where an accuracy is wanted" in error

"""Benches in their smallest form: what each says, not how fast this machine is."""

import json

import numpy as np
import pytest
import tensorflow as tf

from sslzoo.backbones import revisiting
from sslzoo.bench import pictures, probes, tasks, timing
from sslzoo.data import pipeline
from sslzoo.show import progress

TINY = "backbone=tiny image_size=32"
SMALLEST = {
    "input": "batches=2",
    "step": f"{TINY} batch_size=2 turns=1",
    "forward": f"{TINY} batch_size=2 turns=1",
    "supervised": f"{TINY} batch_size=2 turns=1",
    "task": f"task=byol {TINY} batch_size=2 turns=1",
    "memory": "image_size=64 batch_size=2 turns=1 steps=1",
    "hypercolumns": "width=0.03125 image_size=64 hidden=8 points=4 draws=2",
    "cifar": "data=synthetic:4 backbone=tiny batch_size=2 batches=1",
    "color": "images=4 image_size=49 width=0.03125 batch_size=2 turns=1",
    "features": "backbone=resnet18 width=0.0625 stem=small image_size=32 images=3",
    "linear": "rows=60 dimensions=8 classes=3",
    "listing": "cards=3 turns=1",
    "scenes": "images=4",
    "startup": "turns=1",
    "verify": "turns=1",
}
# They start processes, or are run by the pages of docs/ too.
LONG = ("memory", "hypercolumns", "verify", "color", "input", "cifar", "features")


def each(what):
    return pytest.param(what, marks=[pytest.mark.slow] * (what in LONG))


@pytest.mark.parametrize("what", [each(what) for what in SMALLEST])
def test_a_bench_tells_its_knobs_its_figure_and_how_far_it_is(
    command, monkeypatch, what
):
    seen = []
    monkeypatch.setattr(progress.Count, "__call__", lambda _, *told: seen.append(told))
    code, out, err = command("bench", what, *SMALLEST[what].split(), "--json")
    found = json.loads(out)
    assert code == 0, err
    for word in SMALLEST[what].split():
        knob, value = word.split("=")
        assert str(found[knob]) == value
    figures = [v for k, v in found.items() if "second" in k]
    assert figures and all(np.isfinite(figures)) and min(figures) > 0
    assert seen and all(0 <= done <= of for done, of in seen)


@pytest.mark.parametrize("augment", ["host", "device"])
def test_what_is_asked_of_cifar_is_what_is_measured(monkeypatch, augment):
    given = []
    monkeypatch.setattr(pipeline, "training_batches", lambda s: given.append(s) or [])
    monkeypatch.setattr(timing, "times", lambda *_, **__: [0.5])
    found = pictures.cifar("synthetic:4", 1, "float32", augment, "tiny", 2)
    assert (given[0].augment, given[0].batch_size) == (augment, 2)
    assert found["images_per_second"] == 4


def test_operations_are_those_of_the_products_forward_and_back():
    """Of x w: 2 n i o. A step that learns w, but not x, makes one more of them."""
    x, w = tf.ones((4, 8)), tf.Variable(tf.ones((8, 16)))

    @tf.function
    def learn(x):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(tf.matmul(x, w))
        return tape.gradient(y, w)

    product = 2 * 4 * 8 * 16
    found = tasks.operations(tf.function(lambda x: tf.matmul(x, w)), x)
    assert found == product
    assert tasks.operations(learn, x) == pytest.approx(2 * product, rel=0.1)


@pytest.mark.slow
def test_a_task_is_measured_by_its_own_work():
    """BYOL: 2 images forward and back, 2 forward alone, and its heads; of labels, 4.

    What is done once for each weight, by the optimizer and the average, is in the
    operations of few images as of many, and not in their difference.
    """
    few, found = (
        tasks.task("byol", "resnet50v2", 0.25, 64, n, turns=1) for n in (2, 4)
    )
    byol, labels = (
        (found[key] - few[key]) / 2 for key in ("operations", "operations_of_labels")
    )
    network = revisiting.network("resnet50v2", 0.25, 64)
    forward = tasks.operations(
        tf.function(lambda images: network(images)["pooled"]), tf.zeros((1, 64, 64, 3))
    )
    width, outputs, hidden = 128, 256, 4096
    backbone = labels / 4 - 3 * 2 * width * 1000
    projector = 2 * (width * hidden + hidden * outputs)
    predictor = 2 * (outputs * hidden + hidden * outputs)
    # Both forward and back, the target's projector forward.
    heads = 3 * (projector + predictor) + projector
    assert byol == pytest.approx(2 * (backbone + forward + heads), rel=0.03)
    share = found["operations"] / found["operations_of_labels"]
    expected = found["seconds"] / found["seconds_of_labels"] / share - 1
    assert found["overhead"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "task",
    [
        task if task == "simsiam" else pytest.param(task, marks=pytest.mark.slow)
        for task in tasks.THROUGH
    ],
)
def test_each_task_is_measured_beside_labels(task):
    side = 96 if task in tasks.PATCHES else 32
    found = tasks.task(task, "tiny", 1, side, 2, turns=1)
    assert np.isfinite(found["overhead"]) and found["operations"] > 0


def test_a_task_that_there_is_not_is_named_with_its_neighbour(command):
    code, _, err = command("bench", "task", "task=simsia")
    assert code == 1 and "Did you mean 'simsiam'?" in err


def test_a_step_tells_where_its_time_goes(command):
    words = f"{TINY} batch_size=2 turns=1 operations=true".split()
    code, out, err = command("bench", "step", *words, "--json")
    spent = json.loads(out)["seconds_in"]
    assert code == 0 and "MatMul" in spent, err  # Of a tiny trunk it is the most.
    assert [*spent.values()] == sorted(spent.values(), reverse=True)
    assert "MatMul" in command("bench", "step", *words)[1]


@pytest.mark.slow
def test_a_load_tells_its_memory_of_a_model_by_name_or_one_made_for_it(command):
    for words in ([], ["backbone=resnet18", "width=0.125"]):
        code, out, err = command("bench", "load", "turns=1", *words, "--json")
        found = json.loads(out)
        assert code == 0 and found["seconds"] > 0, err
        assert not timing.LINUX or 0 < found["peak_over_file"] < 100
    assert found["megabytes"] < 1  # Of the one that was made.


@pytest.mark.slow
@pytest.mark.parametrize("whole, networks", [("false", 1), ("true", 3)])
def test_a_conversion_tells_its_seconds_and_its_memory(
    command, tmp_path, whole, networks
):
    """Issue 4 allows it three times the file."""
    file = tmp_path / "convert.json"
    words = "convert", "turns=1", f"whole={whole}", "--json", "--out", file
    code, out, err = command("bench", *words)
    found = json.loads(out)
    assert code == 0 and found["seconds"] > 0, err
    assert found["megabytes"] == pytest.approx(94.2 * networks, rel=0.01)
    assert not timing.LINUX or 0.3 < found["peak_over_file"] < 3
    kept = json.loads(file.read_text())
    assert found.items() <= kept.items() and "cores" in kept["machine"]


def test_a_result_is_kept_with_its_day_and_command(command, tmp_path):
    file = tmp_path / "a.json"
    assert command("bench", "scenes", "images=2", "--out", file)[0] == 0
    kept = json.loads(file.read_text())
    assert kept["bench"] == "scenes" and kept["images"] == 2
    assert kept["command"] == "sslzoo bench scenes images=2 --out a.json"
    assert len(kept["date"]) == 10 and "cores" in kept["machine"]
    code, out, err = command("bench", "scenes", "images=2", "--out", tmp_path)
    assert code == 1 and "images_per_second" in out and "give another --out" in err


def test_what_a_new_process_says_against_it_is_passed_on(command):
    code, _, err = command("bench", "load", "name=byol_r18w61", "turns=1")
    assert code == 1 and "byol_r18w16" in err


def test_made_up_features_are_like_those_after_a_relu():
    x, y = probes.made_up_features(500, 32, 5)
    assert x.shape == (500, 32) and x.min() >= 0 and set(y) == set(range(5))
    again = probes.made_up_features(500, 32, 5)
    assert all(np.array_equal(a, b) for a, b in zip((x, y), again))


@pytest.mark.slow
def test_few_places_take_less_memory_and_have_the_loss_of_all(command):
    words = "width=0.03125 image_size=96 hidden=64 draws=8 spacing=1".split()
    code, out, err = command("bench", "hypercolumns", *words, "--json")
    found = json.loads(out)
    assert code == 0, err
    assert found["part_of_dense_mebibytes"] < 0.8
    noise = found["sparse_loss_error"]
    assert 0 < noise < 0.1 * found["dense_loss"]
    assert abs(found["sparse_loss"] - found["dense_loss"]) < 5 * noise

"""A recipe of one's own: what lies beside it, what it defines, several tasks."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import sslzoo
from sslzoo import recipe, runner, workdir
from sslzoo.errors import BadInput, UnknownName

ROOT = pathlib.Path(__file__).parents[1]
RECIPE = """
import keras
import tensorflow as tf
from distances import distance

from sslzoo import backbones
from sslzoo.augment import views
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods.base import Method
from sslzoo.recipe import Recipe


class Apart(Method):
    def __init__(self, backbone):
        super().__init__(backbone, views.evaluation_view(32), name="apart")
        self.head = keras.Sequential([keras.Input((16,)), keras.layers.Dense(4)])

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            loss = -distance(*self.look(batch).values())
        self.minimize(tape, loss)
        return self.report(loss=loss)

    def look(self, batch):
        vectors = (self.backbone(batch[t]["view1"])["pooled"] for t in ("day", "night"))
        return {f"z{n}": self.head(vector) for n, vector in enumerate(vectors, 1)}


def recipe(batch_size=4, epochs=1, accumulate=1, seed=0, precision="float32"):
    import distances

    source = sources.from_spec("synthetic:8")
    stream = Stream(source, views.evaluation_view(32), batch_size)
    return Recipe(
        streams={"day": stream, "night": stream},
        method=lambda: Apart(backbones.build("tiny")),
        optimizer=lambda: keras.optimizers.SGD(distances.RATE),
        steps=epochs * source.count // batch_size // accumulate,
        accumulate=accumulate,
        seed=seed,
        precision=precision,
    )
"""
BESIDE = """
import keras

RATE = 0.1


def distance(one, other):
    return keras.ops.mean((one - other) ** 2)
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "mine.py").write_text(RECIPE)
    (folder / "distances.py").write_text(BESIDE)
    return folder / "mine.py"


@pytest.fixture
def elsewhere():
    """A block as in another process, which has read none of these files."""
    before = {name for name in sys.modules if name.startswith("recipe_")}
    yield
    for name in {n for n in sys.modules if n.startswith("recipe_")} - before:
        del sys.modules[name]
    sys.modules.pop("distances", None)


def test_a_run_of_two_tasks_with_what_lies_beside_it_is_trained_and_published(
    mine, command, tmp_path, monkeypatch, elsewhere
):
    """And gone on with, by who trusts its recipe."""
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    words = ["train", mine, "--workdir", "run", "--report", "--json"]
    code, _, err = command(*words)
    assert code == 0, err
    folder = workdir.Workdir("run")
    assert folder.run()["images"] == {"day": 8, "night": 8}
    assert all("alignment" in row["health"] for row in folder.history())
    sys.modules.pop("distances")
    method, plan = runner.trained(folder)
    assert plan.first.batch_size == 4 and sys.path == path
    name = "apart_tiny.mine"
    words = ["export", "run", "--name", name, "--registry", "models", "--json"]
    code, _, err = command(*words)
    assert code == 0, err
    again = sslzoo.load(name, registry="models", heads=True)
    for one, other in zip(method.head.get_weights(), again.head.get_weights()):
        np.testing.assert_array_equal(one, other)

    del sys.modules[type(method).__module__]
    with pytest.raises(BadInput, match="needs Apart, .* recipe of apart_tiny.mine"):
        sslzoo.load(name, registry="models", heads=True)
    with recipe.beside(mine):  # What it imports is not published with it.
        sslzoo.load_recipe(name, registry="models")
    assert sslzoo.load(name, registry="models", heads=True).head.count_params() == 68


def test_what_a_recipe_imports_and_is_nowhere_is_told(mine, tmp_path, elsewhere):
    (tmp_path / "mine.py").write_text(mine.read_text())
    with pytest.raises(BadInput, match="imports 'distances', which is neither"):
        recipe.load(tmp_path / "mine.py")


def test_a_file_beside_a_recipe_stands_in_for_nothing_that_is_installed(
    tmp_path, elsewhere
):
    (tmp_path / "colorsys.py").write_text("raise SystemExit")
    (tmp_path / "mine.py").write_text("import colorsys\n\n\ndef recipe():\n    pass")
    sys.modules.pop("colorsys", None)
    assert recipe.module(tmp_path / "mine.py").colorsys.hls_to_rgb


NO_UTF_8 = """
import sys
from sslzoo import recipe, workdir

plan = recipe.load(sys.argv[1])
for _ in range(2):
    folder = workdir.Workdir("run")
    folder.open(*workdir.identity(sys.argv[1], {}, plan))
assert "B\\u00e4ume" in folder.text()
"""


def test_its_text_is_utf_8_whatever_the_locale(mine, tmp_path):
    folder = tmp_path / "recipes"
    shutil.copytree(mine.parent, folder)
    (folder / "mine.py").write_text(f"# Bäume\n{RECIPE}", encoding="utf-8")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", NO_UTF_8, "recipes/mine.py"],
        env={**os.environ, **locale, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "knobs, words",
    [
        ({"batch_size": 0}, "batch_size=0: a batch has 1 image or more"),
        ({"accumulate": 0}, "mine divides by one of these: accumulate=0. Give 1"),
        ({"batch_size": -4}, "batch_size=-4: a batch has 1 image or more"),
        ({"seed": -1}, "seed=-1: a seed is a number from 0"),
        ({"precision": "float17"}, "precision='float17'. Did you mean 'float32'"),
    ],
)
def test_a_knob_that_no_run_can_have_is_named(mine, knobs, words, elsewhere):
    with pytest.raises((BadInput, UnknownName), match=words):
        recipe.load(mine, **knobs)


def test_a_recipe_says_of_accumulate_what_it_takes(mine, elsewhere):
    with pytest.raises(BadInput, match="accumulate=0: a step takes 1 batch"):
        dataclasses.replace(recipe.load(mine), accumulate=0)

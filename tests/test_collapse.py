"""A run whose images all come out the same: it is seen, said, and can be stopped."""

import dataclasses
import json

import pytest

from sslzoo import health, recipe, runner
from sslzoo.errors import RunStopped

# What keeps BYOL from collapsing is taken away: the target is the network itself (tau
# 0), and there may be no predictor.
RECIPE = """
import keras

from sslzoo.backbones import tiny
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import byol
from sslzoo.recipe import Recipe


class NoPredictor(byol.BYOL):
    def predict_from(self, pooled, training=True):
        return self.projector(pooled, training=training)


def recipe(predictor=False, epochs=12):
    source = sources.from_spec("toyworld:train?count=16&size=32")
    example = byol.example(32)
    kind, steps = (byol.BYOL if predictor else NoPredictor), 2 * epochs
    heads = dict(hidden=16, outputs=8, fresh_target=False)
    return Recipe(
        streams=Stream(source, example, 8),
        method=lambda: kind(tiny.tiny(), steps, example, base_tau=0.0, **heads),
        optimizer=lambda: keras.optimizers.SGD(0.1 if predictor else 10.0),
        steps=steps,
    )
"""


@pytest.fixture
def train(command, tmp_path):
    (tmp_path / "mine.py").write_text(RECIPE)

    def run(*words):
        path = tmp_path / "run"
        return *command("train", tmp_path / "mine.py", *words, "--workdir", path), path

    return run


# Keras sees that the predictor learns nothing, and is right.
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_run_that_collapses_says_so_and_stops(train):
    code, _, err, path = train("--on-collapse", "stop")
    assert code == 1
    assert "All images have nearly the same projection: spread 0.0" in err
    assert "Check that the predictor is there" in err
    assert err.splitlines()[-1].endswith("To go on all the same: --on-collapse warn.")
    rows = [json.loads(row) for row in (path / "history.jsonl").open()]
    assert 2 < len(rows) < 13 and rows[0]["health"]["std"] > 0.5
    assert rows[-1]["loss"] < 0.05  # Which a loss alone would call a success.
    assert not (path / "result.json").exists()
    code, _, err, _ = train("--on-collapse", "stop")
    assert code == 1 and "All images have nearly the same" in err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_run_that_collapses_may_go_on(train):
    code, out, err, _ = train("--json")
    assert code == 0 and err == "" and json.loads(out)["health"]["std"] < 0.05


@pytest.mark.slow
def test_the_same_run_with_its_predictor_does_not_collapse(train):
    code, _, err, path = train("predictor=true", "--on-collapse", "stop")
    rows = [json.loads(row) for row in (path / "history.jsonl").open()]
    assert code == 0 and not health.diagnose([row["health"] for row in rows])
    assert rows[-1]["health"]["std"] > 0.3 and "nearly the same" not in err


class Watched(runner.Listener):
    def __init__(self):
        self.health = []

    def ended_epoch(self, row, timing):
        self.health.append(row["health"])


def plane(**knobs):
    """Twelve epochs somewhere on the plane, four steps each."""
    small = dict(data="toyworld:train?count=64&size=32", test="synthetic:8", rate=0.5)
    small |= dict(backbone="tiny", batch_size=16, epochs=12, hidden=32, outputs=16)
    plan = recipe.load("info_nce_r18w16_cifar10", **{**small, **knobs})
    return dataclasses.replace(plan, probes={})


COLLAPSED = {  # Rows of BYOL's Table 5, and one of Table 19.
    "no predictor": dict(predictor="none"),
    "no target": dict(target="online"),
    "neither": dict(predictor="none", target="online"),
    "no predictor, tau 0": dict(predictor="none", target="stop"),
}
SLOW = ("neither", "no predictor, tau 0")


@pytest.mark.parametrize(
    "row",
    [pytest.param(r, marks=[pytest.mark.slow] * (r in SLOW), id=r) for r in COLLAPSED],
)
def test_rows_of_the_plane_that_collapse_are_seen_to_and_named(row):
    watched = Watched()
    with pytest.raises(RunStopped, match="All images have nearly the same projection"):
        runner.pretrain(plane(**COLLAPSED[row]), listener=watched, on_collapse="stop")
    assert len(watched.health) < 13  # Before its end.
    assert health.diagnose(watched.health).kind == "collapse"
    assert watched.health[0]["std"] > 0.3 and watched.health[-1]["std"] < 0.05


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({}, id="BYOL"),
        pytest.param(
            dict(predictor="none", target="online", beta=1.0),
            id="SimCLR",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_rows_of_the_plane_that_learn_are_seen_to_be_healthy(row):
    watched = Watched()
    runner.pretrain(plane(**row), listener=watched, on_collapse="stop")
    assert len(watched.health) == 13
    assert not any(health.diagnose(watched.health[:k]) for k in range(14))
    assert watched.health[-1]["std"] > 0.2


# A network of more directions than tiny has, and as many steps as the rows below want.
LARGER = dict(
    data="toyworld:train?count=512&size=32", backbone="resnet18", batch_size=32,
    epochs=5, hidden=256, outputs=64,
)  # fmt: skip


@pytest.mark.slow
def test_at_tau_0_a_predictor_of_rate_0_leaves_few_directions_and_it_is_named():
    """Table 21: 0.01 of 100 where it does not learn, and 66 where it learns fast."""
    watched, row = Watched(), dict(target="stop", predictor_rate=0.0)
    with pytest.raises(RunStopped, match=r"use about \d\.\d directions of 64"):
        runner.pretrain(plane(**LARGER, **row), listener=watched, on_collapse="stop")
    assert health.diagnose(watched.health).kind == "dimensional collapse"


@pytest.mark.slow
def test_byol_itself_keeps_its_directions_there():
    watched = Watched()
    runner.pretrain(plane(**LARGER), listener=watched, on_collapse="stop")
    assert not any(health.diagnose(watched.health[:k]) for k in range(7))
    assert watched.health[-1]["effective_rank"] > 5

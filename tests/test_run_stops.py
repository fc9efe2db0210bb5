"""A run that must not go on says so: bad pictures, a collapse, no numbers."""

import dataclasses
import errno

import numpy as np
import pytest

from sslzoo import checkpoints, recipe, runner, workdir
from sslzoo.data import sources
from sslzoo.errors import BadInput, RunStopped
from tests.runs import (
    Hears,
    opened,
    slow,
)


def test_a_bad_picture_that_cannot_be_named_stops_the_run(tmp_path, disk):
    """It comes from within tf.data, and keeps its words all the same."""

    class Broken(sources.Synthetic):
        def _image(self, index, window, smallest):
            raise BadInput("It is broken.")

    plan, folder = opened(tmp_path / "run")
    stream = dataclasses.replace(plan.streams, source=Broken(16))
    plan = dataclasses.replace(plan, streams=stream)
    with disk.failing(errno.ENOSPC, name="quarantine.csv"):
        with pytest.raises(RunStopped, match="quarantine.csv: No space left"):
            runner.pretrain(plan, folder)


@pytest.mark.slow
def test_a_collapse_is_said_in_words_and_can_stop_the_run(tmp_path, monkeypatch):
    from sslzoo import health

    monkeypatch.setattr(
        health,
        "diagnose",
        lambda h: health.Diagnosis("collapse", "All the same.") if h[1:] else None,
    )

    hears = Hears()
    plan, _ = opened(tmp_path / "warn")
    runner.pretrain(plan, listener=hears)
    assert hears.words.count("All the same.") == 3
    with pytest.raises(RunStopped, match="All the same."):
        runner.pretrain(plan, on_collapse="stop")


@pytest.mark.slow
def test_a_run_that_was_stopped_for_its_collapse_is_not_gone_on_with_in_silence(
    tmp_path, monkeypatch
):
    from sslzoo import health

    told = health.Diagnosis("collapse", "All the same.")
    monkeypatch.setattr(health, "diagnose", lambda h: told if h[1:] else None)
    for _ in range(2):
        plan, folder = opened(tmp_path / "run")
        with pytest.raises(RunStopped, match="--on-collapse warn"):
            runner.pretrain(plan, folder, on_collapse="stop")
    runner.pretrain(plan, folder)
    assert folder.result()["steps"] == 12


class Spoils(runner.Listener):
    """Makes a weight of the run be no number, at the step `at`."""

    def __init__(self, plan, at, part):
        self.at, self.part, made = at, part, plan.method
        object.__setattr__(plan, "method", lambda: self.keep(made()))

    def keep(self, method):
        self.method = method
        return method

    def stepped(self, batch, logs):
        if batch == self.at:
            weight = getattr(self.method, self.part).trainable_weights[0]
            weight.assign(np.full(weight.shape, np.nan))


@pytest.mark.parametrize("part", ["backbone", slow("projector")])
@pytest.mark.parametrize(
    "seconds, at, kept, turns",
    [(300, 8, 4, 1), slow(300, 8, 4, 2), slow(300, 7, 4, 2), slow(0, 7, 6, 2)],
)
def test_what_is_not_a_number_stops_the_run_and_is_never_kept(
    tmp_path, part, seconds, at, kept, turns
):
    """At the end of an epoch of four steps, or within one; and it stops again."""
    for _ in range(turns):
        plan, folder = opened(tmp_path / "run")
        with pytest.raises(RunStopped, match="is not a number at step"):
            runner.pretrain(plan, folder, None, Spoils(plan, at, part), seconds)
        step, arrays, _ = checkpoints.latest(folder.checkpoints)
        assert step == kept and all(np.isfinite(a).all() for a in arrays.values())
        assert not (folder.path / "result.json").exists()


def test_a_bad_picture_does_not_stop_a_run_and_is_named(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(8):
        pixels = rng.integers(0, 255, (40, 40, 3), "uint8")
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:100])
    knobs = dict(recipe.module(recipe.find("byol_r50_folder")).SMALL)
    knobs.update(data=f"folder:{tmp_path}", epochs=2)
    plan = recipe.load("byol_r50_folder", **knobs)
    folder = workdir.Workdir(tmp_path / "run")
    folder.open(*workdir.identity("byol_r50_folder", knobs, plan))
    runner.pretrain(plan, folder)
    assert "3.png" in folder.quarantine.read_text()
    assert folder.result()["bad_images"] == 1
    assert folder.timing()[-1]["bad_images"] == 1

    (tmp_path / "5.png").write_bytes(b"")
    (tmp_path / "6.png").write_bytes(b"")
    plan = recipe.load("byol_r50_folder", **knobs)
    with pytest.raises(RunStopped, match=r"3\.png"):
        runner.pretrain(plan)


@pytest.mark.parametrize(
    "name", [slow("byol_r18_imagenette"), slow("byol_r18w16_imagenette")]
)
def test_bad_labelled_pictures_do_not_stop_a_run_and_are_named(tmp_path, name):
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(64):
        place = tmp_path / ("learned", "test")[i // 32] / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (40, 40, 3), "uint8")
        Image.fromarray(pixels).save(place / f"{i}.png")
    (tmp_path / "learned" / "a" / "4.png").write_bytes(b"")
    (tmp_path / "test" / "b" / "35.png").write_bytes(b"")
    knobs = dict(recipe.module(recipe.find(name)).SMALL)
    knobs.update(
        data=f"folder:{tmp_path / 'learned'}", test=f"folder:{tmp_path / 'test'}"
    )
    plan = recipe.load(name, **knobs)
    folder = workdir.Workdir(tmp_path / "run")
    folder.open(*workdir.identity(name, knobs, plan))
    runner.pretrain(plan, folder)
    rows = folder.quarantine.read_text().splitlines()[1:]
    assert len(rows) == 2
    assert ",a/4.png," in rows[0] and ",b/35.png," in rows[1]
    assert folder.result()["bad_images"] == 2  # One is trained on and tried, both.

    (tmp_path / "test" / "b" / "37.png").write_bytes(b"")
    with pytest.raises(RunStopped, match=r"2 of 32 images are bad(.|\n)*b/35\.png"):
        runner.pretrain(recipe.load(name, **knobs))

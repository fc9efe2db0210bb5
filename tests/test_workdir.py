"""What a run is refused by its workdir, and what a full disk leaves there."""

import contextlib
import errno
import itertools
import os
import pathlib
import shlex
import subprocess
import sys

import pytest

from sslzoo import checkpoints, recipe, runner, workdir
from sslzoo.errors import BadInput, MissingFile, RunStopped
from tests.runs import (
    NAME,
    ROOT,
    copied,
    opened,
    run,
    same_state,
)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"batch_size": "8"}, "batch_size was 4 and is now 8"),
        ({"seed": "1"}, "seed was 0 and is now 1"),
        ({"count": "17"}, "count was 16 and is now 17"),
    ],
)
def test_a_changed_knob_is_refused_by_name(whole, change, words):
    with pytest.raises(BadInput, match=words) as refused:
        opened(whole[1].path, **change)
    assert whole[1].command() in str(refused.value)


def test_a_recipe_is_the_same_however_its_path_is_spelled(tmp_path, monkeypatch):
    (tmp_path / "my recipes").mkdir()
    text = recipe.find(NAME).read_text() + "\n# Bäume\n"
    (tmp_path / "my recipes" / "mine.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for path in ("my recipes/mine.py", tmp_path / "my recipes" / "mine.py"):
        _, folder = opened("run", str(path))
    assert folder.text() == text
    words = shlex.split(folder.command())
    assert words[:3] == ["sslzoo", "train", "my recipes/mine.py"]
    pathlib.Path("my recipes", "mine.py").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(BadInput, match="the text of its recipe has changed"):
        opened("run", "my recipes/mine.py")


HOLDS = """
import pathlib, sys
from sslzoo.zoo import files

with files.lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_what_another_process_trains_is_left_alone_until_that_ends_or_dies(tmp_path):
    plan, folder = opened(tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, folder.path / "lock"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunStopped, match="run is being trained by another process"):
            runner.pretrain(plan, folder)
        other.kill()
    with folder.held():
        assert not folder.checkpoints.exists()


def test_the_workdir_of_another_recipe_is_refused(whole):
    name = "byol_r50_folder"
    knobs = recipe.module(recipe.find(name)).SMALL
    plan = recipe.load(name, **knobs)
    with pytest.raises(BadInput, match=f"is a run of {NAME}, not of {name}"):
        whole[1].open(*workdir.identity(name, knobs, plan))


def test_changed_images_are_refused(whole):
    identity = dict(whole[1].run(), data={"": "other"})
    with pytest.raises(BadInput, match="images are not those"):
        whole[1].open(identity, "")


def test_other_images_of_a_probe_are_refused(tmp_path):
    from PIL import Image

    for i in range(4):
        place = tmp_path / "known" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30 + i)).save(place / f"{i}.png")
    name, spec = "byol_r50_folder", f"folder:{tmp_path / 'known'}"
    knobs = {**recipe.module(recipe.find(name)).SMALL, "labelled": spec, "unseen": spec}
    folder = workdir.Workdir(tmp_path / "run")
    for _ in range(2):
        folder.open(*workdir.identity(name, knobs, recipe.load(name, **knobs)))
    Image.new("RGB", (40, 50)).save(tmp_path / "known" / "a" / "new.png")
    with pytest.raises(BadInput, match="labelled images of its probes are not those"):
        folder.open(*workdir.identity(name, knobs, recipe.load(name, **knobs)))


def test_a_folder_that_is_no_workdir_is_named(tmp_path):
    with pytest.raises(MissingFile, match="is not the workdir of a run"):
        workdir.Workdir(tmp_path).history()
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(BadInput, match="not known whose"):
        workdir.Workdir(tmp_path).open({}, "")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Cannot write to the workdir"):
        workdir.Workdir(tmp_path / "file" / "run").open({}, "")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_workdir_that_cannot_be_made_is_named_and_can_be_made_later(
    tmp_path, disk, code
):
    for at in itertools.count():
        folder, identity = workdir.Workdir(tmp_path / str(at)), {"recipe": "a"}
        try:
            with disk.failing(code, at, lasts=code == errno.EROFS) as failed:
                folder.open(identity, "text")
        except BadInput as error:
            said = f"Cannot write to the workdir {folder.path}: {os.strerror(code)}"
            assert said in str(error)
            with pytest.raises(MissingFile):
                folder.run()
            folder.open(identity, "text")
        assert folder.run() == identity
        if not failed:
            break
    assert at == 9  # A folder; and twice to open, write, sync and put in place.


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize(
    "name, write",
    [
        ("history.jsonl", lambda folder, x: folder.write_history([{"epoch": 0}, x])),
        ("timing.jsonl", lambda folder, x: folder.add_timing(x)),
        ("result.json", lambda folder, x: folder.write_result(x)),
    ],
)
def test_a_file_of_the_run_that_cannot_be_written_stays_what_it_was(
    tmp_path, disk, name, write, code
):
    folder = workdir.Workdir(tmp_path)
    for at in itertools.count():
        write(folder, {"epoch": 1})
        before = (tmp_path / name).read_text()
        with disk.failing(code, at, lasts=code == errno.EROFS) as failed:
            if at < 4:
                with pytest.raises(RunStopped) as stopped:
                    write(folder, {"epoch": 2})
            else:
                write(folder, {"epoch": 2})
        if not failed:
            break
        assert (tmp_path / name).read_text() == before
        said = str(stopped.value)
        assert str(tmp_path / name) in said and os.strerror(code) in said
        assert "the same command again" in said
        if code == errno.ENOSPC:
            assert [path.name for path in tmp_path.iterdir()] == [name]
    assert at == 4  # To open, to write, to sync, to put in place.


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, kept",
    [("timing.jsonl", 6), ("state.npz", 6), ("result.json", 12)],
)
def test_a_disk_that_fills_up_stops_the_run_which_ends_with_the_same_bits(
    whole, left_at_6, tmp_path, disk, name, kept
):
    folder = copied(left_at_6[0], tmp_path)

    class Fills(runner.Listener):
        def stepped(self, batch, logs):
            if batch == 7:
                filled.enter_context(disk.failing(errno.ENOSPC, name=name))

    with contextlib.ExitStack() as filled:
        with pytest.raises(RunStopped, match="No space left.*the same command again"):
            run(tmp_path / "run", listener=Fills())
    assert checkpoints.latest(folder.checkpoints, pytest.fail)[0] == kept
    run(tmp_path / "run")
    same_state(whole[1], folder)
    assert folder.history() == whole[1].history()
    assert folder.result() == whole[1].result()

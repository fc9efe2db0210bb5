import contextlib
import errno
import itertools
import json
import os
import pathlib
import resource
import subprocess
import sys

import numpy as np
import pytest

from sslzoo import checkpoints
from sslzoo.errors import BadInput, RunStopped

ARRAYS = {"0.kernel": np.arange(6.0).reshape(2, 3), "1.step": np.int64(7)}


def say_nothing(words):
    pass


def test_what_is_saved_is_read_back(tmp_path):
    checkpoints.save(tmp_path, 5, ARRAYS, {"history": [{"loss": 0.1}]})
    step, arrays, notes = checkpoints.latest(tmp_path)
    assert step == 5 and notes == {"history": [{"loss": 0.1}]}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    assert checkpoints.latest(tmp_path / "none") is None


def test_only_the_last_ones_are_kept(tmp_path):
    for step in (1, 2, 3, 10):
        checkpoints.save(tmp_path, step, ARRAYS, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-00000003",
        "step-00000010",
    ]


@pytest.mark.parametrize(
    "damage",
    ["truncated", "edited", "gone", "manifest", "step", "notes", "list", "moved"],
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(tmp_path, damage):
    for step in (1, 2):
        checkpoints.save(tmp_path, step, ARRAYS, {"history": []})
    state = tmp_path / "step-00000002" / "state.npz"
    data = bytearray(state.read_bytes())
    if damage == "truncated":
        state.write_bytes(data[:-20])
    elif damage == "edited":
        data[len(data) // 2] ^= 1
        state.write_bytes(data)
    elif damage == "gone":
        state.unlink()
    elif damage == "moved":
        os.rename(state.parent, tmp_path / "step-00000003")
    else:
        about = state.with_name("manifest.json")
        told = json.loads(about.read_text())
        changed = {"step": told | {"step": 7}, "notes": told | {"notes": {"x": 1}}}
        changed = changed.get(damage, [])
        about.write_text("{" if damage == "manifest" else json.dumps(changed))
    said = []
    assert checkpoints.latest(tmp_path, said.append)[0] == 1
    assert f"step-0000000{3 if damage == 'moved' else 2}" in said[0]
    assert "damaged" in said[0]


def test_what_is_passed_over_is_said_beside_the_output(tmp_path, capsys, caplog):
    """Which may be JSON, for a script."""
    for step in (1, 2):
        checkpoints.save(tmp_path, step, ARRAYS, {})
    (tmp_path / "step-00000002" / "state.npz").write_bytes(b"cut")
    assert checkpoints.latest(tmp_path)[0] == 1
    assert capsys.readouterr().out == "" and "is damaged" in caplog.text


def test_a_run_whose_checkpoints_are_all_damaged_is_not_begun_anew_in_silence(tmp_path):
    checkpoints.save(tmp_path, 1, ARRAYS, {})
    (tmp_path / "step-00000001" / "state.npz").write_bytes(b"")
    with pytest.raises(BadInput, match="Every checkpoint"):
        checkpoints.latest(tmp_path, say_nothing)


def test_half_a_checkpoint_is_nobodys(tmp_path):
    """As a kill leaves it: the draft is not read, and the next save removes it."""
    checkpoints.save(tmp_path, 1, ARRAYS, {})
    draft = tmp_path / "writing-00000002"
    draft.mkdir()
    (draft / "state.npz").write_bytes(b"half")
    assert checkpoints.latest(tmp_path)[0] == 1
    checkpoints.save(tmp_path, 3, ARRAYS, {})
    assert not draft.exists()


# In a process without TensorFlow, which may be forked and dies quickly.
KILLED_EVERYWHERE = """
import os, pathlib, shutil, signal, sys
import numpy as np
from sslzoo import checkpoints

# Python tells a hook of each thing that it is about to do with a file.
CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove"}

def changes(event, arguments):
    return event in CHANGES or event == "open" and arguments[2] & os.O_WRONLY

def save(folder, step):
    checkpoints.save(folder, step, {"weight": np.full(9, step)}, {"step": step})

def latest(folder):
    said = []
    found = checkpoints.latest(folder, said.append)
    if found is None:
        return None
    step, arrays, notes = found
    assert (arrays["weight"] == step).all() and notes == {"step": step}, found
    return step, len(said)

case, template = sys.argv[1], pathlib.Path(sys.argv[2]) / "template"
for step in {"first": [], "second": [1]}.get(case, [1, 2]):
    save(template, step)
if case == "left":
    (template / "writing-00000003").mkdir()
    (template / "writing-00000003" / "state.npz").write_bytes(b"half")
if case == "damaged":
    (template / "step-00000002" / "state.npz").write_bytes(b"cut")
next_step = {"first": 1, "second": 2, "damaged": 2}.get(case, 3)
sound = {latest(template), (next_step, 0)}
if case == "damaged":
    sound.add((1, 0))  # What is damaged is gone before what replaces it is there.
moments = 0
while True:
    moments += 1
    folder = template.parent / str(moments)
    if template.exists():
        shutil.copytree(template, folder)
    child = os.fork()
    if not child:
        left = moments
        def hook(event, arguments):
            global left
            if changes(event, arguments):
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        save(folder, next_step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    found = latest(folder)
    assert found in sound, (moments, found)
    save(folder, 9)
    assert latest(folder) == (9, 0)
    assert not list(folder.glob("writing-*")), moments
    assert len(list(folder.iterdir())) <= checkpoints.KEEP
    if status == 0:
        assert found == (next_step, 0), found
        break
print(moments)
"""


@pytest.mark.parametrize(
    "case, places",
    [("first", 4), ("second", 4), ("third", 7), ("left", 9), ("damaged", 7)],
)
def test_a_kill_at_any_place_of_a_save_leaves_what_was_or_what_will_be(
    tmp_path, case, places
):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_EVERYWHERE, case, tmp_path],
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > places  # It died in that many.


@pytest.mark.parametrize(
    "code, lasts", [(errno.ENOSPC, True), (errno.ENOSPC, False), (errno.EROFS, True)]
)
def test_whatever_write_fails_the_old_state_stays(tmp_path, disk, code, lasts):
    """Each call that changes the disk fails once, alone or with all after it."""
    for at in itertools.count():
        folder = tmp_path / str(at)
        for step in (0, 1):
            checkpoints.save(folder, step, ARRAYS, {})
        said = ""
        with disk.failing(code, at, lasts) as failed:
            try:
                checkpoints.save(folder, 2, ARRAYS, {})
            except RunStopped as error:
                said = str(error)
        if not failed:
            break
        step, arrays, _ = checkpoints.latest(folder, pytest.fail)
        assert arrays.keys() == ARRAYS.keys()
        if said:
            assert f"Cannot write the checkpoint of step 2 to {folder}" in said
            assert os.strerror(code) in said and f"kept: step-{step:08d}" in said
        else:  # A folder that was there already, or the oldest, which is to go.
            assert step == 2
        checkpoints.save(folder, 3, ARRAYS, {})
        assert checkpoints.latest(folder, pytest.fail)[0] == 3
        assert len([*folder.iterdir()]) == checkpoints.KEEP
    assert at > 10


@pytest.mark.parametrize("lasts", [True, False])
def test_a_disk_that_fills_up_while_a_damaged_checkpoint_is_replaced(
    tmp_path, disk, lasts
):
    for at in itertools.count():
        folder = tmp_path / str(at)
        for step in (1, 2):
            checkpoints.save(folder, step, ARRAYS, {})
        (folder / "step-00000002" / "state.npz").write_bytes(b"cut")
        with disk.failing(errno.ENOSPC, at, lasts) as failed:
            with contextlib.suppress(RunStopped):
                checkpoints.save(folder, 2, ARRAYS, {})
        if not failed:
            break
        assert checkpoints.latest(folder, say_nothing)[0] in (1, 2)


def test_a_full_disk_of_the_kernel_leaves_the_old_state(tmp_path):
    """No call is faked: no file may grow beyond so many bytes."""
    checkpoints.save(tmp_path, 1, ARRAYS, {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 1, 100, 400):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            with pytest.raises(RunStopped, match="File too large.* kept: step-0"):
                checkpoints.save(tmp_path, 2, ARRAYS, {})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoints.latest(tmp_path)[0] == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunStopped, match="Cannot write the checkpoint of step 1 to"):
        checkpoints.save(tmp_path / "file" / "checkpoints", 1, ARRAYS, {})


def test_a_text_is_replaced_whole(tmp_path):
    path = tmp_path / "history.jsonl"
    checkpoints.write_text(path, "old")
    checkpoints.write_text(path, json.dumps({"new": 1}))
    assert json.loads(path.read_text()) == {"new": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["history.jsonl"]


def test_a_text_that_cannot_be_put_there_leaves_nothing(tmp_path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError, match="directory"):
        checkpoints.write_text(tmp_path / "page.html", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("lasts", [True, False])
def test_a_text_that_cannot_be_written_stays_what_it_was(tmp_path, disk, lasts):
    for at in itertools.count():
        path = tmp_path / str(at) / "history.jsonl"
        path.parent.mkdir()
        checkpoints.write_text(path, "old")
        with disk.failing(errno.ENOSPC, at, lasts) as failed:
            with contextlib.suppress(OSError):
                checkpoints.write_text(path, "new")
        if not failed:
            break
        assert path.read_text() == "old"
        checkpoints.write_text(path, "newer")
        assert path.read_text() == "newer"
        assert [*path.parent.iterdir()] == [path]
    assert at > 2

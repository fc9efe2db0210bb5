"""A killed run ends as the run that was not; one that must not go on says so."""

import contextlib
import dataclasses
import errno
import itertools
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from sslzoo import checkpoints, cli, recipe, runner, workdir
from sslzoo.data import sources
from sslzoo.errors import BadInput, Interrupted, MissingFile, RunStopped
from sslzoo.verbs import train as train_verb


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


NAME = "byol_r18w16_toyworld"
KNOBS = dict(
    count="16", labelled="32", backbone="tiny", image_size="32", hidden="16",
    batch_size="4", epochs="3", probe_every="1",
)  # fmt: skip
ROOT = pathlib.Path(__file__).parents[1]


def opened(path, name=NAME, **knobs):
    knobs = {**KNOBS, **knobs}
    plan = recipe.load(name, **knobs)
    folder = workdir.Workdir(path)
    folder.open(*workdir.identity(name, knobs, plan))
    return plan, folder


def run(path, **settings):
    plan, folder = opened(path)
    return runner.pretrain(plan, folder, **settings), folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    return run(tmp_path_factory.mktemp("whole") / "run")


def same_state(one, other):
    """The last checkpoints are equal to the bit, history and all."""
    a, b = (checkpoints.latest(folder.checkpoints) for folder in (one, other))
    assert a[0] == b[0] and a[2] == b[2]
    assert a[1].keys() == b[1].keys()
    for name in a[1]:
        np.testing.assert_array_equal(a[1][name], b[1][name], err_msg=name)


def test_a_run_keeps_what_it_did(whole):
    _, folder = whole
    history = folder.history()
    assert [row["epoch"] for row in history] == [0, 1, 2, 3]
    assert [row["step"] for row in history] == [0, 4, 8, 12]
    for row in history:
        assert set(row["probes"]["toyworld"]) == {"knn", "linear"}
        assert np.isfinite(list(row["health"].values())).all()
    result = folder.result()
    assert result["probes"]["toyworld"]["random"] == history[0]["probes"]["toyworld"]
    assert result["probes"]["toyworld"]["trained"] == history[-1]["probes"]["toyworld"]
    assert folder.run()["knobs"]["batch_size"] == 4
    assert "def recipe" in (folder.path / "recipe.py").read_text()


def test_the_trained_method_is_read_back_from_its_workdir(whole):
    method, folder = whole
    again, _ = runner.trained(folder)
    for one, two in zip(method.backbone.weights, again.backbone.weights):
        np.testing.assert_array_equal(one, two)


def test_a_run_that_has_ended_is_read_back_as_it_ended_or_not_at_all(whole, tmp_path):
    folder = workdir.Workdir(tmp_path / "run")
    shutil.copytree(whole[1].path, folder.path)
    with open(folder.checkpoints / "step-00000012" / "state.npz", "ab") as file:
        file.write(b"1")
    with pytest.raises(BadInput, match="ended at step 12, but .* is of step 8") as told:
        runner.trained(folder)
    assert folder.command() in str(told.value)
    run(folder.path)  # As it says.
    runner.trained(folder)
    same_state(whole[1], folder)


def test_a_run_that_goes_on_is_read_back_as_far_as_it_is(tmp_path):
    folder = workdir.Workdir(tmp_path / "run")
    with pytest.raises(Interrupted):
        run(folder.path, listener=StopAt(6))
    (folder.checkpoints / "step-00000006" / "state.npz").write_bytes(b"cut")
    before = checkpoints.latest(folder.checkpoints, str)
    method, _ = runner.trained(folder)
    assert before[0] == 4
    for variable, kept in zip(runner.state(method).values(), before[1].values()):
        np.testing.assert_array_equal(variable, kept)


class Hears(runner.Listener):
    """Remembers what it was told."""

    def __init__(self):
        self.words = []

    def said(self, words):
        self.words.append(words)


class StopAt(runner.Listener):
    """Presses Ctrl-C, as a person would, after some batches."""

    def __init__(self, *batches):
        self.batches = batches

    def stepped(self, batch, logs):
        if batch in self.batches:
            os.kill(os.getpid(), signal.SIGINT)


def stopped(path, batch):
    """A run that was stopped there, and what was said."""
    with pytest.raises(Interrupted) as said:
        run(path, listener=StopAt(batch))
    return workdir.Workdir(path), str(said.value)


@pytest.fixture(scope="module")
def left_at_6(tmp_path_factory):
    return stopped(tmp_path_factory.mktemp("left") / "run", 6)


def copied(folder, tmp_path):
    return workdir.Workdir(shutil.copytree(folder.path, tmp_path / "run"))


@pytest.mark.parametrize("batch", [slow(1), slow(4), 6])
def test_ctrl_c_keeps_the_state_and_the_same_line_goes_on_to_the_bit(
    whole, left_at_6, tmp_path, batch
):
    folder, said = left_at_6 if batch == 6 else stopped(tmp_path / "first", batch)
    assert folder.command() in said
    assert f"after step {batch} of 12" in said
    assert checkpoints.latest(folder.checkpoints)[0] == batch
    folder = copied(folder, tmp_path)
    run(folder.path)
    same_state(whole[1], folder)
    assert folder.history() == whole[1].history()


AT = (0.3, 1, 1.5, 1.7)  # Of four steps an epoch: after step 1, 4, 6 and 7.


@pytest.mark.slow
def test_probes_within_an_epoch_are_kept_through_stops_and_change_nothing(
    whole, tmp_path
):
    _, asked = run(tmp_path / "asked", probe_at=AT)
    rows = asked.history()
    assert [row["step"] for row in rows] == [0, 1, 4, 6, 7, 8, 12]
    assert [row["epoch"] for row in rows] == [0, 0.25, 1, 1.5, 1.75, 2, 3]
    assert [row for row in rows if row["epoch"] % 1 == 0] == whole[1].history()
    for row in rows:
        assert set(row["probes"]["toyworld"]) == {"knn", "linear"}
    early, later = rows[3]["loss"], rows[4]["loss"]  # Of two steps, and of three.
    assert early != later and abs(3 * later - 2 * early) < 10
    same_weights(asked, whole[1])
    for batch in (6, 7):  # Stopped just after a trial, and again.
        with pytest.raises(Interrupted):
            run(tmp_path / "run", listener=StopAt(batch), probe_at=AT)
    _, left = run(tmp_path / "run", probe_at=AT)
    assert left.history() == rows
    same_state(asked, left)


def same_weights(one, other):
    a, b = (checkpoints.latest(folder.checkpoints)[1] for folder in (one, other))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.slow
def test_probes_may_be_asked_within_an_epoch_alone(tmp_path):
    plan, folder = opened(tmp_path / "run", probe_every="0", epochs="2")
    runner.pretrain(plan, folder, probe_at=[0.5])
    tried = [row["epoch"] for row in folder.history() if "probes" in row]
    assert tried == [0, 0.5, 2]
    assert set(folder.result()["probes"]["toyworld"]) == {"random", "trained"}


def test_a_time_that_the_run_has_not_is_told():
    plan = recipe.load(NAME, **KNOBS)
    for epoch in (0, 3.5, -1):
        with pytest.raises(BadInput, match=f"no epoch {epoch:g}: it ends after 3"):
            runner.pretrain(plan, probe_at=[epoch])
    with pytest.raises(BadInput, match="has no probes to be tried"):
        runner.pretrain(dataclasses.replace(plan, probes={}), probe_at=[0.5])
    with pytest.raises(BadInput, match="give epochs by commas, such as 0.1,0.5"):
        train_verb.epochs_of("0.1;0.5")
    assert train_verb.epochs_of("0.1,2") == [0.1, 2] and train_verb.epochs_of("") == []


def test_the_line_that_goes_on_repeats_the_options_given(tmp_path):
    knobs = [f"{knob}={value}" for knob, value in KNOBS.items()]
    words = ["--bad-images", "0.2", "--strategy", "one", "--on-collapse", "stop"]
    words += ["--probe-at", "0.5,1.5"]
    line = [NAME, *knobs, "--workdir", str(tmp_path / "run"), *words, "--report"]
    args = cli.parser().parse_args(["train", *line])
    folder = workdir.Workdir(tmp_path / "run", train_verb.options_of(args))
    opened(tmp_path / "run")
    said = folder.same_again().removeprefix("sslzoo ").split()
    again = cli.parser().parse_args(said)
    again.knobs.sort(), args.knobs.sort()
    assert vars(again) == vars(args)


def test_a_damaged_checkpoint_costs_time_and_nothing_else(whole, tmp_path):
    folder = copied(whole[1], tmp_path)
    (folder.checkpoints / "step-00000012" / "state.npz").write_bytes(b"cut")

    hears = Hears()
    run(tmp_path / "run", listener=hears)
    assert "damaged" in hears.words[0] and "step 8" in hears.words[1]
    same_state(whole[1], folder)


# The command, in a process that is killed as Python is about to do EVENT to a file
# whose path ends in PART.
KILLED = """
import os, signal, sys

event, part = sys.argv[1:3]

def hook(name, arguments):
    if name == event and str(arguments[0]).endswith(part):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
from sslzoo import cli
cli.main(sys.argv[3:])
"""


def killed(path, event, part):
    """Runs the command until it is killed there."""
    knobs = [f"{knob}={value}" for knob, value in KNOBS.items()]
    words = ["train", NAME, *knobs, "--workdir", path, "--checkpoint-seconds", "0"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, event, part, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def left(folder):
    """What a kill left among the checkpoints."""
    found = sorted(path.name.split("-") for path in folder.checkpoints.glob("*"))
    return " ".join(f"{kind} {int(step)}" for kind, step in found)


def test_a_run_killed_while_it_writes_goes_on_to_the_same_bits(whole, tmp_path):
    folder = workdir.Workdir(tmp_path / "run")
    killed(folder.path, "open", "writing-00000002/manifest.json")
    assert left(folder) == "step 0 step 1 writing 2"
    run(folder.path)
    same_state(whole[1], folder)
    assert folder.history() == whole[1].history()


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


@pytest.mark.slow
def test_a_run_killed_at_many_places_ends_with_the_same_bits(whole, tmp_path):
    """Before the first checkpoint, beside a draft, between history and checkpoint."""
    folder = workdir.Workdir(tmp_path / "run")
    for event, part, kept in [
        ("os.mkdir", "/checkpoints", ""),
        ("open", "writing-00000000/state.npz", "writing 0"),
        ("os.rename", ".history.jsonl.writing", "writing 0"),
        ("os.rename", "writing-00000000", "writing 0"),
        ("open", "writing-00000004/manifest.json", "step 2 step 3 writing 4"),
        ("os.rename", ".timing.jsonl.writing", "step 2 step 3 writing 4"),
        ("os.rename", "writing-00000006", "step 4 step 5 writing 6"),
        ("os.rename", ".history.jsonl.writing", "step 4 step 5 writing 6"),
        ("os.rename", ".result.json.writing", "step 11 step 12"),
    ]:
        killed(folder.path, event, part)
        assert left(folder) == kept
    run(folder.path)
    same_state(whole[1], folder)
    assert folder.history() == whole[1].history()
    assert folder.result() == whole[1].result()


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


@pytest.mark.parametrize(
    "name, kept",
    [slow("timing.jsonl", 6), ("state.npz", 6), slow("result.json", 12)],
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


@pytest.mark.slow
def test_precision_is_the_runs_and_not_the_processes(tmp_path):
    import keras

    plan, _ = opened(tmp_path / "run", precision="mixed_bfloat16", epochs="1")
    method = runner.pretrain(plan)
    assert method.backbone.get_layer("conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    assert json.dumps(method.get_weights()[0].dtype.name) == '"float32"'

"""A killed run ends as the run that was not, and keeps what it did."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from sslzoo import checkpoints, cli, recipe, runner, workdir
from sslzoo.errors import BadInput, Interrupted
from sslzoo.verbs import train as train_verb
from tests.runs import (
    KNOBS,
    NAME,
    ROOT,
    Hears,
    StopAt,
    copied,
    opened,
    run,
    same_state,
    slow,
    stopped,
)


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
    folder = copied(whole[1], tmp_path)
    with open(folder.checkpoints / "step-00000012" / "state.npz", "ab") as file:
        file.write(b"1")
    with pytest.raises(BadInput, match="ended at step 12, but .* is of step 8") as told:
        runner.trained(folder)
    assert folder.command() in str(told.value)
    run(folder.path)  # As it says.
    runner.trained(folder)
    same_state(whole[1], folder)


def test_a_run_that_goes_on_is_read_back_as_far_as_it_is(left_at_6, tmp_path):
    folder = copied(left_at_6[0], tmp_path)
    (folder.checkpoints / "step-00000006" / "state.npz").write_bytes(b"cut")
    before = checkpoints.latest(folder.checkpoints, str)
    method, _ = runner.trained(folder)
    assert before[0] == 4
    for variable, kept in zip(runner.state(method).values(), before[1].values()):
        np.testing.assert_array_equal(variable, kept)


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


@pytest.mark.slow
def test_precision_is_the_runs_and_not_the_processes(tmp_path):
    import keras

    plan, _ = opened(tmp_path / "run", precision="mixed_bfloat16", epochs="1")
    method = runner.pretrain(plan)
    assert method.backbone.get_layer("conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    assert json.dumps(method.get_weights()[0].dtype.name) == '"float32"'

"""A run that is stopped while its pipeline is at work: its process ends."""

import os
import pathlib
import subprocess
import sys

import pytest

from sslzoo import recipe
from sslzoo.workdir import Workdir

NAME = "split_brain_alexnet_rgbd"
ROOT = pathlib.Path(__file__).parents[2]

# The command, which is stopped as a frame's HHA is made; so slowly that others are
# being made until the process has ended. Six batches of four are begun when one was
# trained on.
STOPPED = """
import os, signal, sys, time
from sslzoo import cli
from sslzoo.data import rgbd

plain, made, by = rgbd.RGBD._made, [], getattr(signal, sys.argv.pop(1))
signal.signal(signal.SIGUSR1, lambda *_: 1 / 0)

def slowly(source, index):
    made.append(index)
    if len(made) == 32:
        os.kill(os.getpid(), by)
    time.sleep(0.4)
    return plain(source, index)

rgbd.RGBD._made = slowly
cli.main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "by, code, said",
    [
        ("SIGTERM", 130, "Stopped at SIGTERM, after step"),
        ("SIGUSR1", 1, "ZeroDivisionError"),  # An error that nobody catches.
    ],
)
def test_a_run_on_depth_ends_when_it_is_left_in_its_first_epoch(
    tmp_path, by, code, said
):
    small = recipe.module(recipe.find(NAME)).SMALL
    knobs = {**small, "data": "rgbd:toyworld:train?count=512&size=48"}
    words = [NAME, *(f"{knob}={value}" for knob, value in knobs.items())]
    words += ["--workdir", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, by, "train", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code and said in done.stderr, done.stderr
    assert [row["step"] for row in Workdir(tmp_path / "run").history()] == [0]

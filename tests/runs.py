"""Small runs, and what is done to them while they go."""

import os
import pathlib
import shutil
import signal

import numpy as np
import pytest

from sslzoo import checkpoints, recipe, runner, workdir
from sslzoo.errors import Interrupted


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


def same_state(one, other):
    """The last checkpoints are equal to the bit, history and all."""
    a, b = (checkpoints.latest(folder.checkpoints) for folder in (one, other))
    assert a[0] == b[0] and a[2] == b[2]
    assert a[1].keys() == b[1].keys()
    for name in a[1]:
        np.testing.assert_array_equal(a[1][name], b[1][name], err_msg=name)


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


def copied(folder, tmp_path):
    return workdir.Workdir(shutil.copytree(folder.path, tmp_path / "run"))

"""Backbones give the numbers of TensorFlow on another backend of Keras."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from sslzoo import backbones

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
TOOL = TOOLS / "portable.py"


@pytest.mark.slow
def test_backbones_run_on_jax_with_the_numbers_of_tensorflow():
    """A small one of the zoo is tried by tests/zoo/test_portable.py too."""
    names = [*backbones.BUILDERS]
    command = [sys.executable, TOOL, "jax", *names]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [line.split()[0] for line in done.stdout.splitlines()] == names


def test_what_is_no_number_is_no_agreement(monkeypatch):
    """Wherever it is; and a feature that is missing there is told."""
    monkeypatch.syspath_prepend(TOOLS)
    import portable

    ours = {"block1": np.ones(2), "pooled": np.array([1.0, 2.0])}
    assert portable.apart(ours, ours) == 0
    assert portable.apart(ours, {**ours, "pooled": np.array([1.0, 2.5])}) == 0.25
    for name in ours:
        theirs = {**ours, name: np.array([1, np.nan])}
        assert not portable.apart(ours, theirs) <= portable.TOLERANCE
    with pytest.raises(SystemExit, match="There the features are"):
        portable.apart(ours, {"pooled": ours["pooled"]})


@pytest.mark.slow
def test_what_an_accelerator_would_be_measured_by_runs_on_jax():
    """Folded, in bfloat16, without TensorFlow; here on the processor, and small."""
    small = ["--width=0.0625", "--size=32", "--batch=2", "--turns=1"]
    command = [sys.executable, TOOLS / "elsewhere.py", "jax", *small]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["images_per_second"] > 0 and found["device"]

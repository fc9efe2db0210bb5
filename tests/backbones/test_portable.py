"""Every backbone gives the numbers of TensorFlow on another backend of Keras."""

import json
import pathlib
import subprocess
import sys

import pytest

from sslzoo import backbones

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
TOOL = TOOLS / "portable.py"


def test_every_backbone_runs_on_jax_with_the_numbers_of_tensorflow():
    command = [sys.executable, TOOL, "jax"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *backbones.BUILDERS
    ]


@pytest.mark.slow
def test_what_an_accelerator_would_be_measured_by_runs_on_jax():
    """Folded, in bfloat16, without TensorFlow; here on the processor, and small."""
    small = ["--width=0.0625", "--size=32", "--batch=2", "--turns=1"]
    command = [sys.executable, TOOLS / "elsewhere.py", "jax", *small]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["images_per_second"] > 0 and found["device"]

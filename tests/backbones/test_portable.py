"""Every backbone gives the numbers of TensorFlow on another backend of Keras."""

import pathlib
import subprocess
import sys

from sslzoo import backbones

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "portable.py"


def test_every_backbone_runs_on_jax_with_the_numbers_of_tensorflow():
    command = [sys.executable, TOOL, "jax"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *backbones.BUILDERS
    ]

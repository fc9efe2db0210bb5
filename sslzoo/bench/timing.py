"""Seconds, processes and memory: what the benches are made of."""

import io
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

from sslzoo import watch
from sslzoo.errors import BadInput

LINUX = sys.platform == "linux"


def times(action, turns, skip):
    return [seconds for (seconds,) in in_turn([action], turns, skip)]


def in_turn(actions, turns, skip):
    """Seconds of each of some actions, `turns` times; the first `skip` are left out."""
    found = []
    for turn in range(skip + turns):
        watch.tell(turn, skip + turns)
        found.append([])
        for action in actions:
            start = time.perf_counter()
            action()
            found[-1].append(time.perf_counter() - start)
    return found[skip:]


def process(turns, code, *words):
    """Seconds that new processes of Python took for it, the median."""
    return float(np.median(times(lambda: said(code, *words), turns, skip=1)))


def said(code, *words, **environment):
    """What a new process of Python printed."""
    command = [sys.executable, "-c", code, *words]
    env = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        raise BadInput(done.stderr.strip().splitlines()[-1])
    return done.stdout


def mebibytes(what):
    """Of this process: "VmRSS", what it has in memory; "VmHWM", the most it had."""
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        raise BadInput("bench memory reads /proc/self/status: Linux has it.") from None
    (line,) = (line for line in lines if line.startswith(what))
    return int(line.split()[1]) / 1024


def photo(path):
    """500x375 of a picture of yours at quality 90, or of a scene of the toy world."""
    from PIL import Image

    from sslzoo.data.toyworld import ToyWorld

    if path:
        image = Image.open(path).convert("RGB")
    else:
        image = Image.fromarray(
            ToyWorld("test", 1, 384).read(0, only=("image",))["image"]
        )
    buffer = io.BytesIO()
    image.resize((500, 375)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()

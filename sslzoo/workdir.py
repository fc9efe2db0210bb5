"""The folder of a run: what it is, what it has done, and whether it may go on.

run.json        recipe, knobs, seed, data and versions: what decides the run
recipe.py       the recipe's text, as it was
history.jsonl   a line an epoch: meters, health, probes. The same to the bit for a
                run that was killed and one that was not
timing.jsonl    a line an epoch: seconds and images a second of the run's own clock,
                and how many images could not be read so far
checkpoints/    the state; see checkpoints.py
quarantine.csv  images that could not be read
lock            held by the process that trains it
result.json     when the run has ended: its probes beside random features
"""

import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import platform
import shlex

from sslzoo import __version__, checkpoints, recipe
from sslzoo.errors import BadInput, MissingFile, RunStopped
from sslzoo.zoo import files

# Of a processor's flags those that decide how quick a network is on it.
UNITS = {"avx512f": "AVX-512", "avx512_bf16": "bfloat16", "amx_bf16": "AMX"}


class Workdir:
    """Of one run, at `path`; made where it is not there yet.

    Args:
        options: words of the command line beside recipe, knobs and workdir.
    """

    def __init__(self, path, options=()):
        self.path = pathlib.Path(path)
        self.options = tuple(options)
        self.checkpoints = self.path / "checkpoints"
        self.quarantine = self.path / "quarantine.csv"

    def open(self, identity, text):
        """Makes the folder for the run `identity`, or checks that it is its folder.

        Args:
            identity: see `identity`.
            text: of the recipe.
        """
        file = self.path / "run.json"
        if file.exists():
            self._same(json.loads(file.read_text(encoding="utf-8")), identity)
            return
        if self.checkpoints.exists():
            raise BadInput(
                f"{self.path} has checkpoints but no run.json: it is not known whose "
                "they are. Give another --workdir."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            checkpoints.write_text(self.path / "recipe.py", text)
            checkpoints.write_text(file, json.dumps(identity, indent=1) + "\n")
        except OSError as error:
            raise BadInput(
                f"Cannot write to the workdir {self.path}: {error.strerror}. "
                "Give another --workdir."
            ) from error

    @contextlib.contextmanager
    def held(self):
        """A block in which no other process trains this run.

        Each would remove what the other is writing. The lock of a process that has died
        is nobody's, whatever files it has left.
        """
        import filelock

        try:
            lock = files.lock(self.path / "lock", timeout=0)
        except filelock.Timeout:
            raise RunStopped(
                f"{self.path} is being trained by another process, on this machine or "
                "on one that shares its disk. Wait until that has ended, or give "
                "another --workdir."
            ) from None
        except OSError as error:
            raise BadInput(
                f"Cannot write to the workdir {self.path}: {error.strerror}. "
                "Give another --workdir."
            ) from error
        with lock:
            yield

    def _same(self, before, now):
        if _other_recipe(before, now):
            raise BadInput(
                f"{self.path} is a run of {before['recipe']}, not of {now['recipe']}. "
                "Give another --workdir."
            )
        changed = [
            f"{knob} was {was!r} and is now {value!r}"
            for knob, (was, value) in _other_knobs(before, now).items()
        ]
        if changed:
            raise BadInput(
                f"{self.path} is a run with other knobs: {'; '.join(changed)}. It can "
                f"go on as it began ({self.command(before)}), or begin anew in another "
                "--workdir."
            )
        for key, words in (
            ("data", "the images are not those it began with"),
            ("probes", "the labelled images of its probes are not those it began with"),
            ("text", "the text of its recipe has changed (recipe.py there is the old)"),
            ("seed", "it has another seed"),
        ):
            if before.get(key) != now[key]:
                raise BadInput(f"{self.path} cannot go on: {words}. Take another.")

    def command(self, run=None):
        """The line that goes on with this run."""
        run = run or self.run()
        defaults = run.get("defaults", {})
        knobs = [
            shlex.quote(f"{knob}={value}")
            for knob, value in run["knobs"].items()
            if defaults.get(knob) != value
        ]
        recipe = shlex.quote(run["recipe"])
        words = [recipe, *knobs, "--workdir", shlex.quote(str(self.path))]
        return f"sslzoo train {' '.join(words)}"

    def same_again(self):
        """The line that was given, options and all."""
        return " ".join([self.command(), *map(shlex.quote, self.options)])

    def run(self):
        return json.loads(self._text("run.json"))

    def text(self):
        """Of its recipe."""
        return self._text("recipe.py")

    def result(self):
        return json.loads(self._text("result.json"))

    @property
    def ended(self):
        return (self.path / "result.json").exists()

    def history(self):
        lines = self._text("history.jsonl").splitlines()
        return [json.loads(line) for line in lines]

    def timing(self):
        return [json.loads(line) for line in self._text("timing.jsonl").splitlines()]

    def _text(self, name):
        if not (self.path / "run.json").exists():
            raise MissingFile(
                f"{self.path} is not the workdir of a run: it has no run.json. "
                "sslzoo train RECIPE --workdir DIR makes one."
            )
        if not (self.path / name).exists():
            raise MissingFile(f"{self.path} has no {name} yet: the run has not ended.")
        return (self.path / name).read_text(encoding="utf-8")

    def write_history(self, rows):
        self._write("history.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def add_timing(self, row):
        file = self.path / "timing.jsonl"
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        self._write("timing.jsonl", before + json.dumps(row) + "\n")

    def write_result(self, result):
        self._write("result.json", json.dumps(result, indent=1) + "\n")

    def _write(self, name, text):
        try:
            checkpoints.write_text(self.path / name, text)
        except OSError as error:
            raise RunStopped(
                f"Cannot write {self.path / name}: {error.strerror or error}. Make "
                "room, then give the same command again: it goes on from the last "
                "checkpoint."
            ) from error


def unlike(run, other):
    """What two runs differ in beside their seed, in words; none of seeds of one run."""
    if _other_recipe(run, other):
        return f"one is of {run['recipe']}, the other of {other['recipe']}"
    if run.get("text") != other.get("text"):
        return f"the text of their recipe {run['recipe']} is not the same"
    knobs = _other_knobs(run, other)
    return ", ".join(
        f"{knob} is {one!r} and {two!r}"
        for knob, (one, two) in knobs.items()
        if knob != "seed"
    )


def _other_recipe(run, other):
    """Whether they are of two; one has one text, however its file was spelled."""
    named = run["recipe"] == other["recipe"]
    return not named and run.get("text") != other.get("text")


def _other_knobs(run, other):
    """{knob: its values} of the knobs in which two runs differ."""
    pairs = {k: (run["knobs"].get(k), value) for k, value in other["knobs"].items()}
    return {knob: pair for knob, pair in pairs.items() if pair[0] != pair[1]}


def versions():
    """Of what computes here."""
    import keras
    import numpy
    import tensorflow

    return {
        "sslzoo": __version__,
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }


def made(words):
    """When, where and by which words of the command something was measured."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "command": shlex.join(["sslzoo", *words]),
        "versions": versions(),
    }


def machine():
    """This computer: its architecture, cores, processor, and what that is quick at."""
    processor, units = platform.processor(), []
    if os.path.exists("/proc/cpuinfo"):  # Linux tells its name there alone.
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
        lines = text.splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        processor = names[0] if names else processor
        units = [name for word, name in UNITS.items() if word in text.split()]
    told = platform.machine(), f"{os.cpu_count()} cores", processor, *units
    return ", ".join(word for word in told if word)


def identity(name, knobs, plan):
    """What decides a run: two with the same identity end with the same weights."""
    path = recipe.find(name)
    text = path.read_text(encoding="utf-8")
    packaged = path.stem if path.parent in recipe.folders() else str(path)
    return {
        "recipe": packaged,
        "knobs": recipe.knobs_of(name, **knobs),
        "defaults": recipe.knobs_of(name),
        "seed": plan.seed,
        "steps": plan.steps,
        "data": {task: s.source.fingerprint() for task, s in plan.by_task.items()},
        "probes": {
            name: [probe.train.fingerprint(), probe.test.fingerprint()]
            for name, probe in plan.probes.items()
        },
        "images": {task: s.source.count for task, s in plan.by_task.items()},
        "text": hashlib.sha256(text.encode()).hexdigest(),
        "versions": versions(),
    }, text

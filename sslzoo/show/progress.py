"""What a person sees while a run goes on, and the tables when it has ended.

In a terminal a bar, below a line for each epoch that is done:

    epoch 3  loss 1.204  spread 0.71  rank 43.0  alignment 0.31  uniformity -2.10
    epoch 4/8  step 780/1560  ━━━━━━━╸━━━━━━━  loss 1.187  2140 images/s  2 min left

Where nobody watches, in a log file, the same words as plain lines.
"""

import atexit
import collections
import sys
import time

import numpy as np
from rich import box, console, progress, table

DRAW = 0.5  # Seconds between two looks at the figures: each waits for the device.
SAY = 30.0  # Seconds between two lines where there is no bar.
SPEED = 20.0  # Seconds over which the images are counted.
HEALTH = {
    "std": ("spread", ".2f"),
    "effective_rank": ("rank", ".1f"),
    "alignment": ("alignment", ".2f"),
    "uniformity": ("uniformity", ".2f"),
}
PROTOCOLS = {"knn": "kNN", "linear": "linear", "pretext": "its own task"}


class Bar:
    """A `runner.Listener` that draws a run on `file`, the standard error.

    Args:
        quiet: to draw and say nothing at all.
        clock: seconds, for tests.
    """

    def __init__(self, quiet=False, file=None, clock=time.monotonic):
        self.quiet, self.clock = quiet, clock
        self.out = console.Console(file=file or sys.stderr, highlight=False)
        self.bar = None

    def began(self, recipe, batch, batches):
        self.batches, self.accumulate = batches, recipe.accumulate
        self.per_epoch = recipe.steps_per_epoch * recipe.accumulate
        self.batch_size = recipe.first.batch_size
        # Looks back over the last seconds, and to the first batch after compilation.
        self.recent, self.first = collections.deque(), None
        self.looked = self.clock()
        if self.out.is_terminal and not self.quiet:
            self.close()
            self.bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(bar_width=None),
                progress.TextColumn("{task.fields[figures]}"),
                console=self.out,
                auto_refresh=False,
                expand=True,
            )
            words = "measuring the untrained network" if not batch else ""
            self.task = self.bar.add_task(
                self.place(batch), completed=batch, total=batches, figures=words
            )
            self.bar.start()
            atexit.register(self.close)  # A run may end in an error.
        elif not batch:
            self.say("Measuring the untrained network.")

    def stepped(self, batch, logs):
        if self.quiet:
            return
        now = self.clock()
        if self.first is None:
            self.first = (now, batch)
            self.recent.append((now, batch))
        if now - self.looked < (DRAW if self.bar else SAY):
            return
        loss = number(logs["loss"]) if logs and "loss" in logs else None
        now = self.looked = self.clock()  # The device has caught up.
        figures = self.figures(now, batch, loss)
        if self.bar:
            self.draw(batch, figures)
        else:
            self.say(f"{self.place(batch)}  {figures}")

    def ended_epoch(self, row, timing):
        if self.quiet:
            return
        self.say(epoch_line(row, timing))
        batch = row["step"] * self.accumulate
        self.recent.clear()  # The measuring is not the training's.
        if self.first:
            self.recent.append((self.clock(), batch))
        if self.bar:
            self.draw(batch, "")
            if batch >= self.batches:
                self.close()

    def said(self, words):
        self.say(words)

    def close(self):
        """Gives the terminal back."""
        if self.bar:
            self.bar.stop()
            self.bar = None
            atexit.unregister(self.close)

    def say(self, words):
        if not self.quiet:
            self.out.print(words, markup=False, soft_wrap=True)

    def draw(self, batch, figures):
        self.bar.update(
            self.task,
            completed=batch,
            description=self.place(batch),
            figures=figures,
            refresh=True,
        )

    def place(self, batch):
        epochs = -(-self.batches // self.per_epoch)
        epoch = min(epochs, batch // self.per_epoch + 1)
        step, steps = batch // self.accumulate, self.batches // self.accumulate
        return f"epoch {epoch}/{epochs}  step {step}/{steps}"

    def figures(self, now, batch, loss):
        """Loss, speed over the last seconds, and time left at the speed of all."""
        words = [] if loss is None else [f"loss {loss:.4g}"]
        while self.recent and now - self.recent[0][0] > SPEED and len(self.recent) > 1:
            self.recent.popleft()
        then, before = self.recent[0]
        if now > then and batch > before:
            speed = (batch - before) * self.batch_size / (now - then)
            words.append(f"{speed:.0f} images/s")
        self.recent.append((now, batch))
        then, before = self.first
        if now > then and batch > before:
            left = (self.batches - batch) * (now - then) / (batch - before)
            words.append(f"{duration(left)} left")
        return "  ".join(words)


class Count:
    """A bar for work of so many parts; called as count(done, of).

    It is drawn when it is called, and by nobody else: what is timed is left alone.
    """

    def __init__(self, words, quiet=False, file=None, clock=time.monotonic):
        out = console.Console(file=file or sys.stderr, highlight=False)
        self.bar = progress.Progress(
            progress.TextColumn("{task.completed}/{task.total} {task.description}"),
            progress.BarColumn(),
            progress.TimeRemainingColumn(),
            console=out,
            transient=True,
            auto_refresh=False,
            disable=quiet or not out.is_terminal,
        )
        self.task = self.bar.add_task(words, total=None)
        self.clock, self.drawn = clock, -DRAW

    def __call__(self, done, of):
        self.bar.update(self.task, completed=done, total=of)
        now = self.clock()
        if done == of or now - self.drawn >= DRAW:
            self.bar.start()  # Once; work that never calls shows no bar.
            self.bar.refresh()
            self.drawn = now

    def close(self):
        self.bar.stop()


def epoch_line(row, timing):
    """A line of the history in words."""
    words = [f"epoch {row['epoch']:.4g}" if row["epoch"] else "untrained"]
    if "loss" in row:
        words.append(f"loss {row['loss']:.4g}")
    health = row.get("health") or {}
    for key, (name, form) in HEALTH.items():
        if key in health:
            words.append(f"{name} {health[key]:{form}}")
    for name, scores in row.get("probes", {}).items():
        told = [
            f"{PROTOCOLS.get(k, k)} {100 * v:.1f} %"
            for k, v in scores.items()
            if v is not None
        ]
        words.append(f"{name} {', '.join(told)}")
    if timing.get("bad_images"):
        words.append(f"{timing['bad_images']} unreadable")
    if timing.get("images_per_second"):
        words.append(f"{timing['images_per_second']:.0f} images/s")
    return "  ".join(words)


def number(value):
    """A scalar, or the [1] that it is among several workers, from the device."""
    return float(np.ravel(value)[0])


def duration(seconds):
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


def say(words):
    """For what goes on without a bar: a line on the standard error."""
    print(words, file=sys.stderr, flush=True)


def result_table(result, file=None):
    """Prints the probes of `Workdir.result()`, random features beside trained ones."""
    out = console.Console(file=file, highlight=False)
    if result.get("bad_images"):
        out.print(
            f"Images that could not be read: {result['bad_images']}, named in "
            "quarantine.csv."
        )
    if not result.get("probes"):
        out.print("The run has ended. It has no probes: nothing was scored.")
        return
    drawn = table.Table("probe", "protocol", box=box.SIMPLE_HEAD)
    for name in ("random features", "trained", "difference"):
        drawn.add_column(name, justify="right")
    for probe, scores in result["probes"].items():
        for protocol, trained in scores["trained"].items():
            random = scores["random"].get(protocol)
            gain = "" if random is None else f"{100 * (trained - random):+.1f}"
            drawn.add_row(
                probe, PROTOCOLS.get(protocol, protocol), percent(random),
                percent(trained), gain,
            )  # fmt: skip
    out.print(drawn)


def packed_line(result, file=None):
    """Prints what `sslzoo pack` wrote, and the spec that reads it."""
    size = f"{result['bytes'] / 1e6:.1f} MB"
    print(
        f"{result['images']} images, {size} in all. Read them by data={result['spec']}",
        file=file,
    )


def export_lines(told, file=None):
    """Prints `zoo.export.told`: where the model is, how exact, how it is loaded."""
    out = console.Console(file=file, highlight=False, soft_wrap=True)
    size = told["bytes"] / 1e6
    out.print(f"{told['path']}: revision {told['revision']}, {size:.1f} MB.")
    forms = (f"{form} {far:.0e}" for form, far in told["differences"].items())
    out.print(
        "Run again after writing; largest difference from what was trained, in parts "
        f"of the largest feature: {', '.join(forms)}."
    )
    licences = (f"{of}: {licence}" for of, licence in told["licences"].items())
    out.print(f"Licences, as its card says them: {'; '.join(licences)}.", markup=False)
    out.print(f"Load it: {told['load']}", markup=False)


def percent(share):
    return "–" if share is None else f"{100 * share:.1f} %"


def ladder_table(results, file=None):
    """Prints `evaluation.ladder.evaluate`: mean and interval over runs, in percent."""
    out = console.Console(file=file, highlight=False)
    drawn = table.Table("images", box=box.SIMPLE_HEAD)
    drawn.add_column("protocol", no_wrap=True)
    for name in ("random", "trained", "difference"):
        drawn.add_column(f"{name} [95 %]", justify="right")
    runs = 0
    for images, protocols in results.items():
        for protocol, found in protocols.items():
            runs = max(runs, len(found["runs"]))
            cells = (interval(found[of]) for of in ("random", "trained", "difference"))
            drawn.add_row(images, PROTOCOLS.get(protocol, protocol), *cells)
    out.print(drawn)
    words = "the interval is over them" if runs > 1 else "give several for an interval"
    out.print(f"Runs: {runs}; {words}.")
    for images, protocols in results.items():
        moved = [p for p, f in protocols.items() if "shift" in f["runs"][0]["trained"]]
        for protocol in moved[-1:]:  # Where most is fine-tuned.
            out.print(
                f"{images}, {protocol}: how features before it and after correlate"
            )
            shift_table(protocols[protocol]["runs"], out)


def shift_table(rows, out):
    """Prints how far fine-tuning moved each layer of runs, and of their beginnings."""
    drawn = table.Table("run", "layer", box=box.SIMPLE_HEAD)
    for name in ("random", "trained"):
        drawn.add_column(f"{name}: median, quartiles")
    for row in rows:
        for layer, found in row["trained"]["shift"].items():
            before = row["random"]["shift"][layer]
            drawn.add_row(row["run"], layer, quartiles(before), quartiles(found))
    out.print(drawn)


def quartiles(found):
    """'0.91 [0.80, 0.97]' of {"median", "low", "high"}."""
    if np.isnan(found["median"]):
        return "–"
    return f"{found['median']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def interval(found):
    """'43.7 [43.1, 44.3]' of {"mean", "low", "high"}."""
    mean = f"{100 * found['mean']:.1f}"
    if found["low"] is None:
        return mean
    return f"{mean} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"

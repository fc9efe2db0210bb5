"""Corrupt images: replaced, counted, named, and a limit to how many may be.

`dataset.ignore_errors()` hides which file was bad, and how many were; a gray or half
image in its place would be learned from. Here a bad item is replaced by another one of
the same source. Which one depends on the index alone, not on what was read before, on
which worker or in which order: so a run stays a pure function of its seed.
"""

import contextlib
import csv
import errno
import io
import math
import os
import threading

import numpy as np

from sslzoo.data.base import Source, file_of, inside, where
from sslzoo.errors import BadInput, RunStopped

COLUMNS = ("source", "index", "file", "reason")


class Quarantine(Source):
    """`source`, whose bad items are replaced by others and listed in a file.

    Args:
        path: of quarantine.csv, with a row for each bad item. It is read again when a
            run is resumed, so that counts go on; rows of other sources, and of items
            that have another file name now, are left there and not counted.
        threshold: more than this part of the source's items bad stops the run. One
            bad item alone never does, unless the threshold is 0 or no item is left.

    Each process counts what it reads itself, and what the file named when it began.
    `bad` is {index: reason}, and `met` are those of them that were read from here,
    whatever the file named. `stopped` is the error that stopped the run, since what
    calls `read` (tf.data) may lose its kind.
    """

    _lock = threading.Lock()  # One for all: several may share a file.

    def __init__(self, source, path=None, threshold=0.01):
        if not 0 <= threshold <= 1:
            raise BadInput(f"threshold={threshold}: it is a part of all, 0 to 1.")
        self.source, self.threshold = source, threshold
        self.path = None if path is None else os.fspath(path)
        self.count, self.name, self.classes = source.count, source.name, source.classes
        self.uniform = getattr(source, "uniform", False)
        self.limit = max(1, math.floor(threshold * self.count)) if threshold else 0
        self.bad, self.met, self.stopped = {}, set(), None
        with self._lock, self._keeping():
            self.bad.update(self._listed(mend=True))
        self._stop_above_limit()

    @property
    def fields(self):
        return self.source.fields

    @property
    def labels(self):
        return getattr(self.source, "labels", None)

    def read(self, index, window=None, smallest=None, only=None):
        return self._good(
            index, lambda at: self.source.read(at, window, smallest, only)
        )

    def size(self, index):
        """Of the item, or of what replaces it if even its header is bad."""
        return self._good(index, self.source.size)

    def batch(self, indices, only=None):
        """The items, or what replaces them: of a `Cached`, some may be bad."""

        def readable(at):
            self.source.batch([at], only)
            return at

        try:
            return self.source.batch(indices, only)
        except BadInput:
            good = np.array([self._good(index, readable) for index in indices])
            return self.source.batch(good, only)

    def file(self, index):
        return file_of(self.source, index)

    def fingerprint(self):
        return self.source.fingerprint()

    def known(self):
        """{index: reason} of the bad items, also of those that others listed by now."""
        return {**self._listed(), **self.bad}

    def replacement(self, index, attempt):
        """The item read in place of a bad one: attempt 1, 2, ... count - 1.

        All the others come, each once, in an order that depends on the index: a
        fixed step that has no factor in common with the count.
        """
        step = 1 + _scatter(index) % max(1, self.count - 1)
        while math.gcd(step, self.count) != 1:
            step = step % (self.count - 1) + 1
        return (index + attempt * step) % self.count

    def _good(self, index, action):
        index = inside(self, index)
        for attempt in range(self.count):
            if self.stopped is not None:
                raise self.stopped
            at = self.replacement(index, attempt) if attempt else index
            try:
                return action(at)
            except BadInput as error:
                self._note(at, str(error).removeprefix(f"{where(self.source, at)}: "))
        with self._lock:
            raise self._stop(f"None of the {self.count} images can be read")

    def _note(self, index, reason):
        with self._lock:
            self.met.add(index)
            if index in self.bad:
                return
            self.bad[index] = reason
            with self._keeping():
                if self.path is not None and index not in self._listed():
                    _append(self.path, self._row(index))
            self._stop_above_limit()

    @contextlib.contextmanager
    def _keeping(self):
        """A bad image that cannot be named stops the run: else it would go unseen."""
        try:
            yield
        except OSError as error:
            self.stopped = RunStopped(
                f"Cannot write {self.path}: {error.strerror or error}. Make room, then "
                "give the same command again: it goes on from the last checkpoint."
            )
            raise self.stopped from error

    def _row(self, index):
        return (self.name, index, self.file(index), " ".join(self.bad[index].split()))

    def _stop_above_limit(self):
        if len(self.bad) > self.limit:
            raise self._stop(
                f"{len(self.bad)} of {self.count} images are bad, more than the "
                f"{self.threshold:.1%} allowed (at most {self.limit})"
            )

    def _stop(self, what):
        first = sorted(self.bad)[:10]
        rows = [f"  {where(self, index)}: {self.bad[index]}" for index in first]
        if len(self.bad) > len(first):
            rows.append(f"  and {len(self.bad) - len(first)} more")
        listed = f", all in {self.path}" if self.path else ""
        advice = "Mend or remove them" + (" and that file" if self.path else "")
        self.stopped = RunStopped(
            f"{self.name}: {what}{listed}:\n" + "\n".join(rows) + f"\n{advice}, or "
            "allow more (threshold). `sslzoo check DIR` finds all of them beforehand."
        )
        return self.stopped

    def _listed(self, mend=False):
        """The bad items of this source that the file names: {index: reason}."""
        if self.path is None or not os.path.exists(self.path):
            return {}
        with open(self.path, newline="", encoding="utf-8") as file:
            text = file.read()
        whole = text[: text.rfind("\n") + 1]  # A run killed while writing leaves half.
        rows = list(csv.reader(io.StringIO(whole)))
        if text and (not rows or tuple(rows[0]) != COLUMNS):
            raise BadInput(
                f"{self.path} is no list of bad images of ours: it begins with "
                f"{text[:40]!r}, not {','.join(COLUMNS)!r}. Move it away."
            )
        if mend and whole != text:
            _replace(self.path, whole)
        found = {}
        for row in rows[1:]:
            if len(row) == len(COLUMNS) and row[0] == self.name and row[1].isdigit():
                index = int(row[1])
                if index < self.count and self.file(index) == row[2]:
                    found[index] = row[3]
        return found


def _scatter(index):
    """A number far from those of neighbours (the finalizer of splitmix64)."""
    x = (index + 1) * 0x9E3779B97F4A7C15 % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def _append(path, row):
    """In one write, at the end: rows of several processes do not mix."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        if os.fstat(handle).st_size == 0:
            writer.writerow(COLUMNS)
        writer.writerow(row)
        data = text.getvalue().encode()
        if os.write(handle, data) < len(data):  # Half a row, which is mended later.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(handle)


def _replace(path, text):
    with open(f"{path}.new", "w", newline="", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)

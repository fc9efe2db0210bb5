"""The files of a model's folder, and SHA256SUMS, which says what they must be.

`sha256sum -c SHA256SUMS` understands it too. It is written last; a folder without it is
no model. Its own sha256 names what the model is, to the bit: `identity(folder)`.
"""

import os
import pathlib
import re
import shutil
import time

from sslzoo import disk
from sslzoo.errors import BadInput

NAME = "SHA256SUMS"
SETTLED = 2_000_000_000  # Nanoseconds: the coarsest clock of a file system we know.


def found(folder):
    """Every file in `folder`, {its path there: os.stat_result}.

    `__pycache__` is passed over: pip makes one beside each recipe.py that it
    installs. So nobody may read one.
    """
    return dict(_walk(folder, ""))


def _walk(folder, prefix):
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _walk(entry.path, f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
            else:
                raise BadInput(
                    f"{entry.path} is a link or a device. A model's folder has plain "
                    "files only: put the file itself there."
                )


def leaves(path):
    """Whether `path`, as a list of files has it, may lead out of its folder."""
    parts = path.split("/")
    return not parts[0] or ".." in parts or "\\" in path or ":" in parts[0]


def write(folder, digests):
    """Writes SHA256SUMS.

    Args:
        digests: {path in `folder`: its sha256}.
    """
    for path in digests:
        if "\n" in path or leaves(path):
            raise BadInput(f"A model's file cannot be called {path!r}.")
    lines = [f"{digest}  {path}\n" for path, digest in sorted(digests.items())]
    (pathlib.Path(folder) / NAME).write_text("".join(lines), encoding="utf-8")


def read(folder):
    """What SHA256SUMS lists: {path: sha256}."""
    file = pathlib.Path(folder) / NAME
    try:
        lines = file.read_bytes().decode().split("\n")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is no list of sums: {error}.") from None
    listed = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        row = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if not row:
            raise BadInput(f"{file}, line {number}: {line!r} is no sha256 and a file.")
        if leaves(row.group(2)):
            raise BadInput(
                f"{file}, line {number}: {row.group(2)!r} is not a file of that "
                "folder. Do not use this model."
            )
        listed[row.group(2)] = row.group(1)
    return listed


def identity(folder):
    """The sha256 of SHA256SUMS, hence of all; "" where there is none."""
    try:
        return disk.sha256(pathlib.Path(folder) / NAME)
    except (FileNotFoundError, NotADirectoryError):
        return ""


def check(folder, known=None, repair="Publish the model again"):
    """Raises unless the files of `folder` are those of its SHA256SUMS, to the bit.

    Args:
        known: what an earlier call gave back. Files whose size, times and inode have
            not changed since are not read again.
        repair: what makes it whole again, in words.

    Returns:
        What to give as `known` next time, as JSON has it.
    """
    folder, now = pathlib.Path(folder), identity(folder)
    lacking = [name for name in ("card.json", NAME) if not (folder / name).exists()]
    listed = read(folder) if NAME not in lacking else {}
    there = found(folder)
    there.pop(NAME, None)
    if lacking := sorted({*lacking, *(listed.keys() - there.keys())}):
        raise BadInput(
            f"{folder} is not a whole model: {', '.join(lacking)} missing. {repair}."
        )
    if extra := sorted(there.keys() - listed.keys()):
        raise BadInput(
            f"{folder} has files that its {NAME} does not list: {', '.join(extra)}. "
            "Remove them, or publish the model again."
        )
    same = known["files"] if known and known["sums"] == now else {}
    for path, expected in listed.items():
        if path in same and same[path] == stamp(there[path]):
            continue
        if (got := disk.sha256(folder / path)) != expected:
            raise BadInput(
                f"Checksum mismatch for {folder / path} (expected {expected}, got "
                f"{got}, {there[path].st_size} bytes). It was changed after it was "
                f"published. {repair}; pass verify=False only if you trust it."
            )
    stamps = {path: stamp(stat) for path, stat in there.items()}
    return {"sums": now, "files": {path: s for path, s in stamps.items() if s}}


def stamp(stat):
    """What changes when a file does; None for one that changed just now.

    Two changes within a tick of the file system's clock would have the same times,
    so those of a file are believed only when they are past. The change time (ctime)
    cannot be set back, as the other can.
    """
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < SETTLED:
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def copy(folder, target):
    """Copies the files that SHA256SUMS lists, and it, into the new folder `target`."""
    folder, target = pathlib.Path(folder), pathlib.Path(target)
    for path in (*read(folder), NAME):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, target / path, follow_symlinks=False)
    check(target)

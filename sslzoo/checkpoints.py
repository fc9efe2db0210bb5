"""The state of a run on disk: written whole or not at all, and checked when read.

WORKDIR/checkpoints/step-00000123/state.npz        every variable, by its name
                                  manifest.json    step, notes, sha256 of state.npz;
                                                   "sums" is the sha256 of all these
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil

import numpy as np

from sslzoo import disk, watch
from sslzoo.errors import BadInput, RunStopped

KEEP = 2  # The last, and the one before it, should the last be damaged.


def save(folder, step, arrays, notes):
    """Writes a checkpoint and forgets those before the last `KEEP`.

    A run killed at any moment leaves either the whole checkpoint or a folder whose
    name begins with "writing-", which nobody reads.

    Args:
        arrays: name -> array.
        notes: what else belongs to the state, as JSON has it.
    """
    folder = pathlib.Path(folder)
    target, draft = folder / f"step-{step:08d}", folder / f"writing-{step:08d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("writing-*"):
            shutil.rmtree(left)
        draft.mkdir()
        with disk.synced(draft / "state.npz") as file:
            np.savez(file, **arrays)
        digest = disk.sha256(draft / "state.npz")
        manifest = {"step": step, "sha256": digest, "notes": notes}
        manifest["sums"] = _sums(manifest)
        with disk.synced(draft / "manifest.json") as file:
            file.write(json.dumps(manifest).encode())
        disk.sync(draft)
        if target.exists():
            shutil.rmtree(target)
        os.rename(draft, target)
        disk.sync(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            shutil.rmtree(draft)
        kept = ", ".join(path.name for path in _found(folder)) or "none"
        raise RunStopped(
            f"Cannot write the checkpoint of step {step} to {folder}: "
            f"{error.strerror or error}. Make room or give another --workdir, then "
            f"give the same command again. Checkpoints kept: {kept}."
        ) from error
    for old in _found(folder)[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)


def latest(folder, say=watch.say):
    """The newest sound checkpoint: (step, arrays, notes), or None where none is.

    One that is truncated or edited is passed over, and said so; if all are, that is
    an error, because to start anew in silence would lose the run.
    """
    folder, broken = pathlib.Path(folder), []
    for path in _found(folder):
        try:
            return _read(path)
        except (OSError, ValueError) as error:
            broken.append(path.name)
            say(f"{path} is damaged ({error}); going back to the one before it.")
    if broken:
        raise BadInput(
            f"Every checkpoint in {folder} is damaged: {', '.join(broken)}. "
            "Remove the folder to start this run anew."
        )
    return None


def _read(path):
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or manifest.pop("sums", "") != _sums(manifest):
        raise ValueError("manifest.json is not what was written")
    if path.name != f"step-{manifest['step']:08d}":
        raise ValueError(f"it is of step {manifest['step']}")
    if disk.sha256(path / "state.npz") != manifest["sha256"]:
        raise ValueError("state.npz is not what was written")
    with np.load(path / "state.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return manifest["step"], arrays, manifest["notes"]


def _sums(manifest):
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _found(folder):
    """Whole checkpoints, the newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def write_text(path, text):
    write_bytes(path, text.encode())


def write_bytes(path, content):
    """Replaces the file `path` at once, so that a reader never sees half of it."""
    path = pathlib.Path(path)
    draft = path.with_name(f".{path.name}.writing")
    try:
        with disk.synced(draft) as file:
            file.write(content)
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise

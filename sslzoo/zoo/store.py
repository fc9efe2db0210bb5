"""One registry on the disk: where its models lie, and how they are put there.

    <registry>/<name>/                  the newest revision
    <registry>/.revisions/<name>/<n>/   older ones
    <registry>/.drafts/                 what is being written, or thrown away
    <registry>/.lock                    held by who moves any of these

Writers fill a draft and move it with rename, under the lock. Readers take no lock, and
do not have to write anything, so a registry may be read-only.

Why a writer that is killed at any moment leaves nothing half-visible and loses nothing:
each step below is one rename, whole or not done, and what is between two of them is a
state that readers know and the next writer tidies.

* New: draft -> <name>. Before it the model is not there, after it, it is whole.
* Replaced: <name> -> .revisions/<name>/<n>, then draft -> <name>. A folder cannot be
  renamed onto a full one, so there is a moment between, in which no <name> lies where
  it should. Hence the rule by which all read: *the newest revision is <name>, or where
  that is not, the highest of .revisions/<name>.* In that moment it is what it was
  before. This needs no journal, and nothing that only some systems have (renameat2).
  The next writer moves that revision back to where it should lie.
* Damaged, and there is the same one whole: it is thrown away before that is moved to
  its place, which loses nothing that was whole.
* Removed: .revisions/<name> -> .drafts, then <name> -> .drafts. Between, only the older
  ones are gone; the other order would bring an old one back.

Files and folders are synced before they are moved, and the folders that they are moved
into after it, so this holds for a machine that loses power, too. A draft belongs to the
process that holds the lock beside it; the system lets go of that lock when the process
dies, however it dies. So the next writer knows which drafts nobody writes any more.

Who reads without a lock looks first for <name>, then for the older ones; between the
two looks that revision may have been moved back. So who found neither looks again.
"""

import contextlib
import os
import secrets
import shutil

from sslzoo import disk
from sslzoo.errors import BadInput
from sslzoo.zoo import files, names, sums

LOOKS = 3
ADVICE = "Make room, or give another registry."


def all_names(registry):
    """The names of all models, sorted."""
    seen = set()
    # So what is moved meanwhile, there or back, is seen in one of them.
    for folder in (registry, registry / ".revisions", registry):
        seen |= {n for n in _listed(folder) if names.WHOLE.fullmatch(n)}
    return sorted(seen)


def revisions(registry, name):
    """The folders of older revisions, the highest first."""
    folder = registry / ".revisions" / name
    numbers = sorted((int(n) for n in _listed(folder) if n.isdecimal()), reverse=True)
    return [folder / str(number) for number in numbers]


def _listed(folder):
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def numbers(index, name):
    """All revisions of `name`, the newest first."""
    there = _number(index, name)
    return [*([there] if there else []), *_older(index, name)]


def _older(index, name):
    return [int(folder.name) for folder in revisions(index.registry, name)]


def _number(index, name):
    """The revision that <name> is; None if no model lies there.

    One that is damaged, so that its card does not tell, is that after all others.
    """
    place = index.registry / name
    with contextlib.suppress(BadInput):
        if there := index.card(place):
            return there.revision
        if not (place / sums.NAME).exists():
            return None
    return max(_older(index, name), default=0) + 1


def next_revision(index, name):
    return max(numbers(index, name), default=0) + 1


def newest(index, name, revision=None):
    """(folder, card) of the newest revision, or of the one asked for; None without."""
    place, older = index.registry / name, index.registry / ".revisions" / name
    for _ in range(LOOKS):
        folders = [older / str(revision), place]  # Whose card may be damaged.
        if revision is None:
            folders = [place, *revisions(index.registry, name)[:1]]
        for folder in folders:
            card = index.card(folder)
            if card is not None and card.name != name:
                raise BadInput(
                    f"{folder} has the card of {card.name!r}. A model's folder has "
                    "its name: rename it, or remove it."
                )
            if card is not None and revision in (None, card.revision):
                return folder, card
    return None


@contextlib.contextmanager
def locked(registry):
    """Makes `registry` ours alone, and tidy."""
    with files.lock(registry / ".lock"):
        tidy(registry)
        yield


def tidy(registry):
    """Moves back what lies in the middle of a replacement; forgets what is dead."""
    for name in _listed(registry / ".revisions"):
        older = revisions(registry, name)
        if older and not (registry / name).exists():
            _move(registry, older.pop(0), registry / name)
        if not older:
            with contextlib.suppress(OSError):
                (registry / ".revisions" / name).rmdir()
    drafts = registry / ".drafts"
    for draft in {drafts / n.removesuffix(".lock") for n in _listed(drafts)}:
        _forget(draft)
    for left in registry.glob(".index.json.*"):
        left.unlink(missing_ok=True)


def _forget(draft):
    """Removes a draft, unless someone is writing it."""
    import filelock

    held = draft.with_name(f"{draft.name}.lock")
    with contextlib.suppress(filelock.Timeout), files.lock(held, timeout=0):
        shutil.rmtree(draft, ignore_errors=True)
        held.unlink(missing_ok=True)


@contextlib.contextmanager
def draft(registry, name):
    """A new folder of `registry`, gone at the end unless `put` has moved it."""
    folder = _unused(registry, name)
    with contextlib.ExitStack() as held:
        with files.writing(registry, ADVICE), locked(registry):
            mine = files.lock(folder.with_name(f"{folder.name}.lock"))
            held.callback(mine.lock.release)
            folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)


def _unused(registry, name):
    return registry / ".drafts" / f"{name}-{secrets.token_hex(4)}"


def put(folder, index, name, revision):
    """Moves the draft `folder` to where revision `revision` of `name` belongs.

    It is whole and synced; the registry is locked.
    """
    registry = index.registry
    place, older = registry / name, registry / ".revisions" / name
    for copy in (place, older / str(revision)):
        if sums.identity(copy) == sums.identity(folder):
            return copy if _whole(index, copy) else _replace(registry, copy, folder)
    if not place.exists():
        return _move(registry, folder, place)
    there = _number(index, name)
    if there is None:
        raise BadInput(f"{place} is in the way: it is no model. Remove it.")
    if there < revision:
        aside = older / str(there)
        if aside.exists() and sums.identity(aside) == sums.identity(place):
            return _replace(registry, place, folder)  # Which is a copy of that.
        _move(registry, place, aside)
        return _move(registry, folder, place)
    if there == revision or (older / str(revision)).exists():
        raise BadInput(
            f"{registry} has another revision {revision} of {name!r}. Remove it "
            "first, or give another folder."
        )
    return _move(registry, folder, older / str(revision))


def _whole(index, folder):
    with contextlib.suppress(BadInput):
        sums.check(folder, index.checked(folder))
        return True
    return False


def _replace(registry, place, folder):
    throw_away(registry, place)
    return _move(registry, folder, place)


def throw_away(registry, folder):
    """Makes `folder` vanish at once, and then removes it."""
    away = _unused(registry, folder.name)
    _move(registry, folder, away)
    _forget(away)


def _move(registry, folder, place):
    place.parent.mkdir(parents=True, exist_ok=True)
    os.rename(folder, place)
    touched = {folder.parent, place.parent, place.parent.parent, registry}
    for parent in touched - {registry.parent}:
        disk.sync(parent)
    return place

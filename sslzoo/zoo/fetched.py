"""Models out of archives: fetched, or given as a file; kept in the cache, unpacked.

    <cache>/.fetched/<sha256>/<name>/   a small registry, by the sha256 of the archive
                                        (or of what published.py makes it of)
    <cache>/.downloads/<sha256>         an archive on its way

Kept by what it is and not by its name, so that it is never taken for something else,
and never has to be replaced.
"""

import contextlib
import os
import re
import shutil

from sslzoo import disk
from sslzoo.errors import BadInput
from sslzoo.zoo import archive, files, store, sums


def is_sha256(text):
    return isinstance(text, str) and bool(re.fullmatch("[0-9a-f]{64}", text))


def home(cache, sha256):
    """Where the model of the archive with this sha256 lies, once it does."""
    return cache / ".fetched" / sha256


def cache_of(home):
    """The cache, if `home` is a place there that `home` above says; else None."""
    fetched = is_sha256(home.name) and home.parent.name == ".fetched"
    return home.parent.parent if fetched else None


def homes(cache):
    """All of them."""
    return [p for p in sorted((cache / ".fetched").glob("*")) if is_sha256(p.name)]


def model(home):
    """The folder of the one model there; None before it is there."""
    return next((home / name for name in store.all_names(home)), None)


def fetch(cache, url, sha256, size=None, allow_http=False):
    """Fetches the archive of a model, and puts it to where `home` says."""
    from sslzoo.zoo import download  # Which imports much, and is seldom needed.

    target = cache / ".downloads" / sha256
    # What says that one is offline has been asked for before.
    download.fetch(url, target, sha256, size, allow_http=allow_http, offline=False)
    unpack(cache, target, sha256, url)
    target.unlink(missing_ok=True)


def unpack(cache, path, sha256, origin):
    """Puts the model of the archive at `path` to where `home` says, which it returns.

    Args:
        origin: what to call the archive if something is wrong with it.
    """

    def unpacked(draft):
        archive.unpack(path, draft, origin)
        _check(draft, origin)

    return make(cache, sha256, unpacked)


def make(cache, sha256, fill):
    """Puts a model to where `home` says, which it returns: once, and whole or not.

    Args:
        fill: puts it into the empty folder that it is given.
    """
    place = home(cache, sha256)
    if model(place):
        return place
    draft = place.with_name(f"{sha256}.draft")
    with _held(cache, place):
        if model(place):  # By another process, while we waited.
            return place
        for left in (draft, place):  # Of one who was killed; or without its model.
            shutil.rmtree(left, ignore_errors=True)
        draft.mkdir()
        try:
            fill(draft)
            disk.sync_tree(draft)
            os.rename(draft, place)
            disk.sync(place.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return place


def _check(draft, origin):
    found = store.all_names(draft)
    if not found:
        raise BadInput(f"{origin} has no model. `sslzoo bundle NAME` makes such files.")
    if len(found) > 1:
        raise BadInput(
            f"{origin} has several models: {', '.join(found)}. Unpack it, and give "
            "the folder as SSLZOO_CACHE or as the registry."
        )
    sums.check(draft / found[0])


def forget(cache, sha256):
    """Removes what came from the archive with this sha256."""
    place = home(cache, sha256)
    draft = place.with_name(f"{sha256}.draft")
    with _held(cache, place):
        shutil.rmtree(draft, ignore_errors=True)
        os.rename(place, draft)  # At once.
        shutil.rmtree(draft)


@contextlib.contextmanager
def _held(cache, place):
    with files.writing(cache, files.CACHE_ADVICE):
        with files.lock(place.with_name(f"{place.name}.lock")):
            yield


def forget_downloads(cache):
    """Removes what nobody is fetching any more."""
    import filelock

    for path in (cache / ".downloads").rglob("*.lock"):
        with contextlib.suppress(filelock.Timeout), files.lock(path, timeout=0):
            for left in path.parent.glob(f"{path.stem}*"):
                left.unlink()
    for folder in (cache / ".downloads").glob("*/"):
        with contextlib.suppress(OSError):
            folder.rmdir()

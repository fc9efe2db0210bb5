"""The one place where what was fetched is kept, and what can be done with it.

<cache>/<name>/           a registry like any other: what a bundle brought
<cache>/.fetched/<sha256>/<name>/   what was fetched, by the sha256 of its archive
<cache>/.downloads/       what is being fetched
<cache>/.indexes/         of registries that cannot be written to
"""

import contextlib
import os
import pathlib
import shutil

from sslzoo.errors import BadInput, UnknownName, nearest
from sslzoo.zoo import archive, fetched, files, store
from sslzoo.zoo.index import Index

_YES = ("1", "true", "yes", "on")


def folder(cache_dir=None):
    """Where it is: `cache_dir`, $SSLZOO_CACHE, $KERAS_HOME/sslzoo, ~/.keras/sslzoo."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    place = cache_dir or os.environ.get("SSLZOO_CACHE") or os.path.join(home, "sslzoo")
    return pathlib.Path(place).expanduser()


def offline(offline=None):
    """Whether the network is left alone: as told, or by SSLZOO_OFFLINE=1."""
    return bool(why_offline(offline))


def why_offline(offline=None):
    """What says so, in words; "" if nothing does."""
    if offline is not None:
        return "offline=True" if offline else ""
    for name in ("SSLZOO_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(name, "").lower() in _YES:
            return f"{name}={os.environ[name]}"
    return ""


def info(cache_dir=None):
    """{"folder", "bytes", "models": [{"name", "revision", "bytes", "path"}, ...]}."""
    place, models = folder(cache_dir), []
    for home in (place, *fetched.homes(place)):
        index = Index(home, place)
        for name in store.all_names(home):
            for path in (home / name, *store.revisions(home, name)):
                card = None
                with contextlib.suppress(BadInput):  # Damaged; it takes room, too.
                    card = index.card(path)
                models.append(
                    {
                        "name": name,
                        "revision": card and card.revision,
                        "bytes": files.size(path),
                        "path": str(path),
                    }
                )
    return {"folder": str(place), "bytes": files.size(place), "models": models}


def clear(name=None, cache_dir=None):
    """Removes a model, by its whole name or its bare one, or all that the cache has.

    What else lies in that folder is left alone.

    Returns:
        How many bytes came free.
    """
    from sslzoo.zoo import registry  # Which asks this file where the cache is.

    place = folder(cache_dir)
    before, known = files.size(place), set()
    for home in (place, *fetched.homes(place)):
        for found in store.all_names(home):
            known |= {found, found.partition(".")[0]}
            if name not in (None, found, found.partition(".")[0]):
                continue
            if home == place:
                registry.remove(found, place)
            else:
                fetched.forget(place, home.name)
    if name is None:
        fetched.forget_downloads(place)
        shutil.rmtree(place / ".indexes", ignore_errors=True)
    elif name not in known:
        raise UnknownName(
            f"{name!r} is not in the cache {place}.{nearest(name, known)} It has: "
            f"{', '.join(sorted(known)) or 'nothing'}."
        )
    return before - files.size(place)


def bundle(names, out, registry=None, cache_dir=None, offline=None, allow_http=False):
    """Puts models, whole, where a machine without network can use them.

    Args:
        names: one, or several; see names.py.
        out: a folder, new or a registry already; or a file, .zip or .tar. The folder,
            or what is unpacked of the file, is given there as SSLZOO_CACHE or as the
            registry. The archive of one model may be loaded as it is, by its path
            or by its address and sha256.

    Returns:
        `out`, a pathlib.Path.
    """
    from sslzoo.zoo import registry as zoo  # Which asks this file where the cache is.

    out = pathlib.Path(out).expanduser()
    if out.suffix in (".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"):
        raise BadInput(f"Cannot write {out}: give a folder, a .zip or a .tar.")
    where = dict(
        registry=registry, cache_dir=cache_dir, offline=offline, allow_http=allow_http
    )
    names = [names] if isinstance(names, str | os.PathLike) else list(names)
    # All are found before anything is written.
    entries = {name: zoo.find(name, **where) for name in names}
    if not entries:
        raise BadInput("There is nothing to bundle: give the name of a model.")
    if out.suffix in archive.KINDS:
        with files.writing(out.parent, store.ADVICE):
            out.parent.mkdir(parents=True, exist_ok=True)
            archive.pack({e.card.name: e.path for e in entries.values()}, out)
    else:
        for name in entries:
            zoo.whole(name, lambda entry: zoo.add(entry, out), **where)
    return out

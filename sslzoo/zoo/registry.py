"""Models by name: where they are looked for, how they are published and removed.

How a registry lies on the disk, and why no one ever sees half a model: store.py.
"""

import contextlib
import dataclasses
import difflib
import functools
import logging
import pathlib

from sslzoo import disk
from sslzoo.errors import BadInput, MissingFile, SslzooError, UnknownName, nearest
from sslzoo.zoo import cache, fetched, files, names, published, store, sums
from sslzoo.zoo.card import Card, parse
from sslzoo.zoo.index import Index

ATTEMPTS = 100  # Of a reader, while writers replace the model under its eyes.


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model that was found."""

    path: pathlib.Path  # its folder
    card: Card
    sha256: str  # of SHA256SUMS: entries that are equal here are equal to the bit

    def current(self):
        """Whether `path` still is this model: a writer may have replaced it."""
        return self.path.is_dir() and sums.identity(self.path) == self.sha256


@dataclasses.dataclass
class Draft:
    """A model that is being published."""

    path: pathlib.Path  # a folder to fill
    entry: Entry | None = None  # what became of it


class _Replaced(Exception):
    """What was looked at is not there any more: look again."""


def folders(cache_dir=None):
    """The registries that are looked into, in this order: here, the cache, our own."""
    first = {}
    for place in (pathlib.Path("savedmodels"), cache.folder(cache_dir), *packaged()):
        if place.is_dir():
            first.setdefault(place.resolve(), place)
    return list(first.values())


def packaged():
    """Where the models lie that come with the package: a checkout, or installed."""
    package = pathlib.Path(__file__).parents[1]
    return package.parent / "savedmodels", package / "savedmodels"


def cards(registry=None, cache_dir=None):
    """The card of the newest revision of every model, by name.

    A card that cannot be read is passed over, and said so.
    """
    known = {}
    for index in _indexes(registry, cache_dir):
        good, bad = _cards(index)
        for error in bad.values():
            logging.getLogger("sslzoo").warning("%s", error)
        known = {**good, **known}
        index.save()
    return [known[name] for name in sorted(known)]


def card(name, registry=None, revision=None, cache_dir=None):
    """The card of a model, which is not fetched for it.

    That of a model at an address lies within it, so it must be in the cache already.
    """
    handle, place = names.parse(name), cache.folder(cache_dir)

    def fetch(url, sha256, size, told):
        home = fetched.home(place, sha256)
        if not fetched.model(home):
            raise MissingFile(
                f"{told!r} is not in {place}, and its card lies within it. "
                f"sslzoo.load({told!r}) fetches it, after which its card is there."
            )
        return Index(home, place), fetched.model(home)

    if handle.kind == "name":
        return _locate(handle, _indexes(registry, cache_dir), revision)[2]
    look = functools.partial(_here, name, registry, revision, True, cache_dir, fetch)
    return _settled(name, look).card


def find(
    name,
    registry=None,
    revision=None,
    verify=True,
    cache_dir=None,
    offline=None,
    allow_http=False,
    weights=True,
):
    """A model that is here, whole, and to the bit what was published.

    What is not here but elsewhere is fetched into the cache. The caller reads the
    files some time later; `whole` does it for one who cannot bear them to be replaced
    in between.

    Args:
        name: see names.py.
        registry: a folder, to be looked into instead of `folders()`.
        revision: an older one.
        verify: False to take the files as they are. The sha256 is computed when a
            file is new or changed, so this saves time only once.
        offline: see cache.py.
        allow_http: whether a file may come by plain http.
        weights: False where of a model that its authors publish the card will do.
    """
    place = cache.folder(cache_dir)
    fetch = functools.partial(
        _fetch, place=place, offline=offline, allow_http=allow_http
    )

    def look():
        entry = _here(name, registry, revision, verify, cache_dir, fetch)
        if "converter" in entry.card.source:
            if weights:
                made = _published(entry.card, place, offline, allow_http)
                entry = _entry(*made, verify)
        elif entry.card.source:
            entry = _entry(*_elsewhere(entry.card, fetch), verify)
        return entry

    return _settled(name, look)


def _settled(name, look):
    """`look()`, once more if what it looked at was replaced meanwhile."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(_Replaced):
            return look()
    raise _restless(name)


def _restless(name):
    return MissingFile(f"{name!r} is being replaced again and again. Try later.")


def _here(name, registry, revision, verify, cache_dir, fetch):
    """What lies under a name, at a path, or is fetched from an address, checked.

    Of a model that is elsewhere, that is no more than its card.
    """
    handle = names.parse(name)
    if handle.kind == "name":
        indexes = _indexes(registry, cache_dir)
        index, folder, _ = _locate(handle, indexes, revision)
    elif handle.kind == "url":
        index, folder = fetch(handle.value, handle.sha256, None, name)
    else:
        place = cache.folder(cache_dir)
        index, folder = _local(pathlib.Path(handle.value), place)
    entry = _entry(index, folder, verify)
    if handle.kind != "name" and revision not in (None, entry.card.revision):
        raise UnknownName(
            f"{name} is revision {entry.card.revision}, and not {revision}."
        )
    return entry


def whole(name, read, **where):
    """`read(entry)` of a model, once more if it was replaced meanwhile.

    Args:
        where: as `find` has it.
    """
    for _ in range(ATTEMPTS):
        entry = find(name, **where)
        try:
            value = read(entry)
        except Exception:
            if entry.current():
                raise
        else:
            if entry.current():
                return value
    raise _restless(name)


@contextlib.contextmanager
def publishing(name, registry="savedmodels", readme=None):
    """A draft to fill; at the end of the block it is the newest revision of `name`.

    It goes there whole, with its SHA256SUMS, or if anything fails, not at all. The
    revision in its card.json is set to the next number here.

    Args:
        readme: a function of the card, then final, that gives the text of README.md.
    """
    names.check(name)
    registry = pathlib.Path(registry)
    with store.draft(registry, name) as folder:
        draft = Draft(folder)
        yield draft
        with files.writing(registry, store.ADVICE):
            draft.entry = _publish(folder, name, registry, readme)


def _publish(folder, name, registry, readme):
    card = _drafted(folder, name)
    digests = {path: disk.sha256(folder / path) for path in sums.found(folder)}
    digests.pop(sums.NAME, None)
    disk.sync_tree(folder)  # What takes long is done before others must wait.
    with store.locked(registry):
        index = Index(registry, cache.folder())
        _check_default(card, index)
        card = dataclasses.replace(card, revision=store.next_revision(index, name))
        made = {"card.json": card.text()}
        if readme is not None:
            made["README.md"] = readme(card)
        for path, text in made.items():
            (folder / path).write_text(text, encoding="utf-8")
            digests[path] = disk.sha256(folder / path)
        sums.write(folder, digests)
        for path in (*made, sums.NAME, "."):
            disk.sync(folder / path)
        place = store.put(folder, index, name, card.revision)
    return Entry(place.absolute(), card, sums.identity(place))


def _drafted(folder, name):
    if not (folder / "card.json").is_file():
        raise BadInput(f"What is to be published as {name!r} has no card.json.")
    card = parse((folder / "card.json").read_text(encoding="utf-8"))
    if card.name != name:
        raise BadInput(f"The card of {name!r} calls itself {card.name!r}.")
    return card


def _check_default(card, index):
    if card.default:
        for other in _cards(index)[0].values():
            if other.default and other.bare == card.bare and other.name != card.name:
                raise BadInput(
                    f"{card.bare!r} already means {other.name!r} here. Publish "
                    f"{card.name!r} without default, or remove the other first."
                )


def add(entry, registry):
    """Copies a model into the folder `registry`, as the revision that it is."""
    registry, name = pathlib.Path(registry), entry.card.name
    with store.draft(registry, name) as folder, files.writing(registry, store.ADVICE):
        sums.copy(entry.path, folder)
        disk.sync_tree(folder)
        with store.locked(registry):
            index = Index(registry, cache.folder())
            store.put(folder, index, name, entry.card.revision)


def remove(name, registry="savedmodels", revision=None):
    """Removes a model, or one revision of it.

    The one before the newest is the newest then; the number is free again.
    """
    names.check(name)
    (index,) = _indexes(registry, None)
    with files.writing(registry, store.ADVICE), store.locked(index.registry):
        place, older = index.registry / name, index.registry / ".revisions" / name
        if not place.exists():
            raise _unknown(name, _cards(index)[0], [index])
        if revision is not None:
            found = store.revisions(index.registry, name)
            # By the name of its folder, since its card may be damaged.
            folder = next((one for one in found if one.name == str(revision)), None)
            if folder is None:
                _, folder, _ = _locate(names.parse(name), [index], revision)
            store.throw_away(index.registry, folder)
            store.tidy(index.registry)
            return
        for folder in (older, place):  # The other way round, an old one would be back.
            if folder.exists():
                store.throw_away(index.registry, folder)


def _indexes(registry, cache_dir):
    if registry is not None and not pathlib.Path(registry).is_dir():
        raise MissingFile(f"There is no registry {registry}: no such folder.")
    places = folders(cache_dir) if registry is None else [registry]
    return [Index(place, cache.folder(cache_dir)) for place in places]


def _cards(index):
    """{name: its card}, and {name: what is wrong with its card}."""
    good, bad = {}, {}
    for name in store.all_names(index.registry):
        try:
            if found := store.newest(index, name):
                good[name] = found[1]
        except BadInput as error:
            bad[name] = error
    return good, bad


def _locate(handle, indexes, revision):
    """(index, folder, card) of the model that a name means."""
    name = handle.value if handle.tag else _default(handle.value, indexes)
    for index in indexes:
        if found := store.newest(index, name, revision):
            return index, *found
    there = [index for index in indexes if store.newest(index, name)]
    if not there:
        known = {name for index in indexes for name in _cards(index)[0]}
        raise _unknown(name, known, indexes)
    numbers = {n for index in there for n in store.numbers(index, name)}
    raise UnknownName(
        f"{name!r} has no revision {revision!r}. It has: "
        f"{', '.join(map(str, sorted(numbers)))}."
    )


def _default(bare, indexes):
    """The whole name that a name without a tag means."""
    tagged, broken, known = {}, [], set()
    for index in indexes:
        good, bad = _cards(index)
        known |= set(good)
        broken += [error for name, error in bad.items() if _bare(name) == bare]
        ours = {name: card for name, card in good.items() if card.bare == bare}
        defaults = [name for name, card in ours.items() if card.default]
        if len(defaults) == 1:
            return defaults[0]
        tagged.update(ours)
    if len(tagged) == 1:
        return next(iter(tagged))
    if tagged:
        raise UnknownName(
            f"{bare!r} may be {' or '.join(sorted(tagged))}, and not just one of them "
            "is the default. Give the whole name."
        )
    if broken:
        raise broken[0]
    raise _unknown(bare, known, indexes)


def _bare(name):
    return name.partition(".")[0]


def _unknown(name, known, indexes):
    """The error that says what there is instead of `name`."""
    bare, _, tag = name.partition(".")
    tags = sorted(n.partition(".")[2] for n in known if _bare(n) == bare)
    if tags:
        return UnknownName(
            f"Model {bare!r} has no tag {tag!r}.{nearest(tag, tags)} "
            f"It has: {', '.join(tags)}. See `sslzoo.list_models('{bare}*')`. "
            f"To load a directory pass './{name}'."
        )
    method, _, arch = bare.lower().rpartition("_")
    others = sorted(n for n in known if method and _bare(n).endswith(f"_{arch}"))
    if others and bare.lower() not in map(_bare, others):
        return UnknownName(
            f"Unknown model {name!r}. There is {arch} of other methods, whose weights "
            f"do not stand for those of {method}: {', '.join(others)}. To load a "
            f"directory pass './{name}'."
        )
    close = difflib.get_close_matches(bare.lower(), {_bare(n) for n in known}, n=3)
    method = bare.partition("_")[0].lower()
    near = any(n.startswith(method) for n in known)
    places = ", ".join(str(index.registry) for index in indexes)
    return UnknownName(
        f"Unknown model {name!r}."
        + (f" Did you mean: {', '.join(close)}?" if close else "")
        + f" See `sslzoo.list_models({repr(method + '*') if near else ''})`."
        + f" To load a directory pass './{name}'."
        + ("" if known else f" (There is no model at all in: {places}.)")
    )


def _local(path, place):
    """(index, folder) of the model in a folder of the user's, or in an archive."""
    if path.is_file():
        home = fetched.unpack(place, path, disk.sha256(path), path)
        return Index(home, place), fetched.model(home)
    if not path.is_dir():
        raise MissingFile(f"There is no model {path}: no such folder.")
    path = path.resolve()
    return Index(path.parent, place, ours=False), path


def _fetch(url, sha256, size, name, place, offline, allow_http):
    """(index, folder) of the model in an archive that is elsewhere."""
    home = fetched.home(place, sha256)
    if not fetched.model(home):
        if why := cache.why_offline(offline):
            raise MissingFile(
                f"{why} and {name!r} is not in {place}. On a connected machine: "
                f"`sslzoo bundle {name} --out dir`, then set SSLZOO_CACHE=dir."
            )
        fetched.fetch(place, url, sha256, size, allow_http)
    return Index(home, place), fetched.model(home)


def _elsewhere(card, fetch):
    """(index, folder) of a model of which only the card is in its registry."""
    source = card.source
    if "url" not in source or not fetched.is_sha256(source.get("sha256")):
        raise BadInput(
            f"The card of {card.name!r} does not say where its files are: source "
            f"needs a url and a sha256, and is {source}."
        )
    index, folder = fetch(
        source["url"], source["sha256"], source.get("bytes"), card.name
    )
    if folder.name != card.name:
        raise BadInput(
            f"{source['url']} has the model {folder.name!r}, and not {card.name!r}, "
            "as its card says."
        )
    return index, folder


def _published(card, place, offline, allow_http):
    """(index, folder) of a model that is made of what its authors publish."""
    home = published.home(place, card)
    if not fetched.model(home):
        published.check(card)
        if why := cache.why_offline(offline):
            raise MissingFile(
                f"{why} and {card.name!r} is not in {place}. On a connected machine: "
                f"`sslzoo bundle {card.name} --out dir`, then set SSLZOO_CACHE=dir. "
                f"{published.by_hand(card)}"
            )
        published.fetch(place, card, allow_http)
    return Index(home, place), fetched.model(home)


def is_here(card, cache_dir=None):
    """Whether a model can be loaded with no network, as far as its card tells."""
    place, source = cache.folder(cache_dir), card.source
    if "converter" in source:
        return bool(fetched.model(published.home(place, card)))
    if fetched.is_sha256(source.get("sha256")):
        return bool(fetched.model(fetched.home(place, source["sha256"])))
    return not source


def _entry(index, folder, verify):
    """The model in `folder`, checked."""
    before = sums.identity(folder)
    try:
        if verify:
            known = index.checked(folder)
            index.remember(folder, sums.check(folder, known, _repair(index, folder)))
            index.save()
        text = (folder / "card.json").read_text(encoding="utf-8")
        card = parse(text, folder / "card.json")
    except (SslzooError, OSError, UnicodeDecodeError) as error:
        if not folder.is_dir() or sums.identity(folder) != before:
            raise _Replaced from None
        if isinstance(error, SslzooError):
            raise
        raise BadInput(f"Cannot read the model {folder}: {error}.") from None
    if sums.identity(folder) != before:
        raise _Replaced
    return Entry(folder.absolute(), card, before)


def _repair(index, folder):
    """What makes a model whole again that was changed, in words."""
    place = fetched.cache_of(index.registry)
    if place is None:
        return "Publish the model again, or copy it again from where it is whole"
    usual = place.absolute() == cache.folder().absolute()
    where = "" if usual else f", cache_dir={str(place)!r}"
    return (
        f"Call sslzoo.clear_cache({folder.name!r}{where}) and load the model again, "
        "which has it anew from where it came"
    )

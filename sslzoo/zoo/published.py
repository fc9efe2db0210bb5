"""Models made of what the authors of a method publish: fetched and converted once.

    <cache>/.fetched/<key>/<name>/    what was made: a model like any other, and
                                      conversion.txt, what of the file went where
    <cache>/.downloads/<key>/         the authors' files, until it is made
    <cache>/.pinned/<sha256>.json     what the file of an address was on first use

Of such a model the registry has the card alone, whose `source` says

    converter    of `sslzoo.converters`
    url          of the file; of a folder, where `files` are the names below it
    inside       where the file is an archive: the name of what is converted
    size         of the download, in words, where the authors tell it

The key is a sha256 of all that decides what is made. Authors give no sums of their
files, so a file is trusted on first use: its sha256 is noted once a model was made of
it, and whatever comes from there again must have it.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import json
import pathlib
import re
import secrets
import shutil
import tempfile

from sslzoo import converters, disk, watch
from sslzoo.errors import BadInput, CannotFetch, MissingFile
from sslzoo.zoo import archive, fetched, licences, page, sums

NAME = r"\w[\w.-]*"  # Of a file that is fetched.
REPORT = "conversion.txt"
EXPECTED = 8  # Numbers of the answer by which a load tests itself.
PAGES = (b"<!doctype html", b"<html")  # How what is no file of weights begins.


def home(cache, card):
    """Where the model lies, once it was made."""
    made_of = {key: card.source.get(key) for key in ("converter", "url", "files")}
    made_of |= {"inside": card.source.get("inside"), "backbone": card.backbone}
    text = json.dumps([card.name, card.revision, made_of], sort_keys=True)
    return fetched.home(cache, hashlib.sha256(text.encode()).hexdigest())


def has_converter(card):
    """Whether this sslzoo has the converter that a card names."""
    return card.source["converter"] in converters.NAMES


def check(card):
    """Raises unless the model can be made of what the card says."""
    if not has_converter(card):
        raise MissingFile(
            f"{card.name!r} is made from a file of its authors "
            f"({card.source.get('url')}) by the converter "
            f"{card.source['converter']!r}, which this sslzoo does not have: "
            "pip install --upgrade sslzoo."
        )
    if "url" not in card.source:
        raise MissingFile(
            f"{card.name!r} is made from a file of its authors, of which no address is "
            f"known: get it from them, and give it to {_by_path(card)}."
        )
    if odd := [url for url in _urls(card) if not re.fullmatch(NAME, _name(url))]:
        raise BadInput(f"The card of {card.name!r} has no name of a file: {odd[0]!r}.")


def by_hand(card):
    """What to do where the network cannot be asked, in words."""
    size = card.source.get("size")
    files = card.source.get("files")
    what = (
        f"{', '.join(files)} of {card.source['url']}" if files else card.source["url"]
    )
    return (
        f"Or have {what}{f' ({size})' if size else ''} here by any other way, and give "
        f"{'the folder' if files else 'the file'}: {_by_path(card)}."
    )


def _by_path(card):
    return f"sslzoo.load({card.name!r}, checkpoint=PATH)"


def fetch(cache, card, allow_http=False):
    """Makes the model, and puts it to where `home` says."""
    place, reports = home(cache, card), []
    key = place.name
    folder = cache / ".downloads" / key

    def make(draft):
        paths = [_download(cache, url, folder, card, allow_http) for url in urls]
        try:
            for url, path in zip(urls, paths):
                _check_no_page(url, path)
            came = [_known(url, path) for url, path in zip(urls, paths)]
            path = folder if "files" in card.source else paths[0]
            reports.append(_make(draft / card.name, card, path, came))
        except (BadInput, CannotFetch) as error:
            shutil.rmtree(folder)  # It would only fail again.
            raise type(error)(
                f"{error}\n{card.name} was to be made of {card.source['url']}; nothing "
                f"of that is kept. {by_hand(card)}"
            ) from error
        for known in came:
            _pin(cache, known)
        shutil.rmtree(folder)

    urls = _urls(card)
    fetched.make(cache, key, make)
    for report in reports:  # None where another process has made it.
        watch.say(
            f"{card.name} was made of {card.source['url']}: {report.line()}. Array by "
            f"array: {place / card.name / REPORT}"
        )


def _urls(card):
    url = card.source["url"]
    return [url + name for name in card.source.get("files", [""])]


def _name(url):
    return url.rpartition("/")[2]


def _download(cache, url, folder, card, allow_http):
    from sslzoo.zoo import download  # Which imports much, and is seldom needed.

    pin = _pinned(cache, url)
    target = folder / _name(url)
    try:
        # What says that one is offline has been asked for before.
        return download.fetch(url, target, pin, allow_http=allow_http, offline=False)
    except CannotFetch as error:
        raise CannotFetch(f"{error} {by_hand(card)}") from error
    except BadInput as error:
        raise BadInput(
            f"{error} It is no more what it was when it was first used here: its "
            "authors have replaced it, or someone on the way has. If you trust what is "
            f"there now, remove {_pin_file(cache, url)}."
        ) from error


def _check_no_page(url, path):
    with open(path, "rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith(PAGES):
        raise CannotFetch(
            f"{url} gave a web page in place of the file: it has moved, or its owner, "
            "or your network, asks for a login first."
        )


def _pin_file(cache, url):
    return cache / ".pinned" / f"{hashlib.sha256(url.encode()).hexdigest()}.json"


def _pinned(cache, url):
    """The sha256 that the file of this address had on first use; None before it."""
    path = _pin_file(cache, url)
    try:
        return json.loads(path.read_text(encoding="utf-8"))["sha256"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise BadInput(
            f"{path} is damaged: it should say which sha256 {url} had on first use. "
            "Remove it to trust what is there now."
        ) from None


def _known(url, path):
    return {"url": url, "sha256": disk.sha256(path), "bytes": path.stat().st_size}


def _pin(cache, known):
    file = _pin_file(cache, known["url"])
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    draft.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    disk.sync(draft)
    draft.replace(file)


def _make(folder, card, path, came):
    """Writes the model's folder, whole; returns the converter's report.

    Args:
        path: what the converter is given.
        came: of each file that was fetched, what `_known` says.
    """
    import numpy as np

    from sslzoo.zoo import load  # Which asks the registry, and that this file.

    backbone, report = load.converted(card, path)
    expected = load.answer(backbone, card.input)[:EXPECTED]
    if not np.isfinite(expected).all():
        raise BadInput(
            f"{path} holds weights of which the network makes {expected[:4]}."
        )
    came = [f"{known['url']}, sha256 {known['sha256']}" for known in came]
    made = dataclasses.replace(
        card,
        origin="\n".join([card.origin, "Converted here, by sslzoo, from", *came]),
        expected=expected.tolist(),
        created=datetime.date.today().isoformat(),
        source={},
    )
    folder.mkdir()
    backbone.save_weights(folder / "backbone.weights.h5")
    for name, text in {
        "config.json": backbone.to_json(),
        "card.json": made.text(),
        "README.md": page.page(made),
        REPORT: report.text(),
        "LICENSE": licences.text(card.licences["weights"]),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    sums.write(
        folder, {name: disk.sha256(folder / name) for name in sums.found(folder)}
    )
    return report


@contextlib.contextmanager
def opened(card, path):
    """A block in which there is what the converter reads: out of its archive, if so."""
    inside, given = card.source.get("inside"), pathlib.Path(path)
    if inside is None or not given.is_file() or given.name == inside:
        yield path
        return
    if not re.fullmatch(NAME, inside):
        raise BadInput(f"The card of {card.name!r} has no name of a file: {inside!r}.")
    with tempfile.TemporaryDirectory() as folder:
        archive.unpack(path, folder, path)
        found = sorted(pathlib.Path(folder).rglob(inside))
        if len(found) != 1:
            raise BadInput(
                f"{path} should have one {inside}, which is what is converted, and has "
                f"{len(found)} of it: unpack it, and give checkpoint=FILE."
            )
        yield found[0]

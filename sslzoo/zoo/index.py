"""The cards of a registry and what was checked of its models, remembered.

An index is only ever a shortcut: a row counts while the files that it is of have the
size, times and inode that it says, so one that is stale, missing or damaged costs time
and nothing else. Writers may overwrite each other's; what is lost is found out again.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import secrets

from sslzoo.errors import BadInput
from sslzoo.zoo import card, sums

NAME = ".index.json"
SCHEMA = 4  # Of those before, cards were not checked so closely.


class Index:
    """Of the folders in `registry`; kept there, or in `cache` where that fails.

    Args:
        ours: whether `registry` is one, and no folder of the user's for other things.
    """

    def __init__(self, registry, cache, ours=True):
        self.registry = pathlib.Path(registry)
        place = os.fsencode(self.registry.absolute())
        elsewhere = cache / ".indexes" / f"{hashlib.sha256(place).hexdigest()}.json"
        self._places = [self.registry / NAME] * ours + [elsewhere]
        self._rows = {}
        for place in self._places:
            self._rows.update(_read(place))
        self._changed = False

    def card(self, folder):
        """The card of the model in `folder`, or None if there is none."""
        path, row = os.path.join(folder, "card.json"), self._row(folder)
        try:
            if (stamp := sums.stamp(os.stat(path))) and stamp == row.get("stamp"):
                with contextlib.suppress(TypeError):  # Of another version of ours.
                    return card.Card(**row["card"])
            with open(path, encoding="utf-8") as file:
                text, stamp = file.read(), sums.stamp(os.fstat(file.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"Cannot read {path}: {error}.") from None
        found = card.parse(text, path)
        if stamp:
            self._put(folder, card=json.loads(text), stamp=stamp)
        return found

    def checked(self, folder):
        """What `sums.check` gave back of `folder`, to be given to it."""
        return self._row(folder).get("checked")

    def remember(self, folder, checked):
        if checked != self.checked(folder):
            self._put(folder, checked=checked)

    def save(self):
        """Writes what is new, if it can be written anywhere."""
        if not self._changed:
            return
        rows = {k: row for k, row in self._rows.items() if (self.registry / k).is_dir()}
        for place in self._places:
            draft = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
            try:
                if place.parent != self.registry:
                    place.parent.mkdir(parents=True, exist_ok=True)
                draft.write_text(_text(rows), encoding="utf-8")
                os.replace(draft, place)
                return
            except FileNotFoundError:
                return  # A writer tidied the draft away; another time.
            except OSError:
                with contextlib.suppress(OSError):
                    draft.unlink()

    def _row(self, folder):
        return self._rows.get(self._key(folder), {})

    def _put(self, folder, **values):
        self._rows.setdefault(self._key(folder), {}).update(values)
        self._changed = True

    def _key(self, folder):
        return pathlib.Path(folder).relative_to(self.registry).as_posix()


def _text(rows):
    body = json.dumps(rows)
    return f"{_head(body)}\n{body}\n}}\n"


def _head(body):
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{{"schema": {SCHEMA}, "sha256": "{digest}", "rows":'


def _read(place):
    try:
        head, body, _ = place.read_text(encoding="utf-8").split("\n", 2)
        return json.loads(body) if head == _head(body) else {}
    except (OSError, ValueError):
        return {}

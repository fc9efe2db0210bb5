import json
import os
import pathlib

import pytest

from sslzoo.errors import BadInput
from sslzoo.zoo import card as cards
from sslzoo.zoo import index as indexes
from sslzoo.zoo import sums
from sslzoo.zoo.index import Index


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """As if what was written has been there for a while."""
    monkeypatch.setattr(sums, "SETTLED", 0)


@pytest.fixture
def one(publish, models, own_cache):
    """A model's folder, and a call that makes the index anew."""
    return publish("byol_tiny.a").path, lambda: Index(models, own_cache)


@pytest.fixture
def parsed(monkeypatch):
    """The cards that had to be read from their files."""
    read, true = [], cards.parse

    def parse(text, origin):
        read.append(origin)
        return true(text, origin)

    monkeypatch.setattr(cards, "parse", parse)
    return read


def test_a_card_that_is_remembered_is_not_read_again(one, parsed):
    folder, anew = one
    index = anew()
    first = index.card(folder)
    index.save()
    assert anew().card(folder) == first and len(parsed) == 1


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_what_was_remembered_when_less_was_checked_is_read_again(
    one, monkeypatch, schema
):
    folder, anew = one
    values = json.loads((folder / "card.json").read_text())
    text = json.dumps({**values, "name": "../../evil_x.y"})
    (folder / "card.json").write_text(text)
    with monkeypatch.context() as before:
        before.setattr(indexes, "SCHEMA", schema)
        before.setattr(cards, "parse", lambda text, _: cards.Card(**json.loads(text)))
        index = anew()
        assert index.card(folder).name == "../../evil_x.y"
        index.save()
    with pytest.raises(BadInput, match="<method>_<arch>.<tag> is expected"):
        anew().card(folder)


def test_what_has_not_changed_is_not_written_again(one, models):
    folder, anew = one
    for _ in range(2):
        index = anew()
        index.card(folder)
        index.save()
        before = (models / ".index.json").stat().st_ino
    assert (models / ".index.json").stat().st_ino == before


def test_a_card_that_changed_is_read_again(one, publish):
    folder, anew = one
    index = anew()
    index.card(folder)
    index.save()
    publish("byol_tiny.a", summary="Another.")
    assert anew().card(folder).summary == "Another."


def test_a_card_that_changed_just_now_is_not_remembered(one, parsed, monkeypatch):
    monkeypatch.setattr(sums, "SETTLED", 3600 * 10**9)
    folder, anew = one
    for _ in range(2):
        index = anew()
        index.card(folder)
        index.save()
    assert len(parsed) == 2


DAMAGE = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "edited": lambda path: path.write_text(
        path.read_text().replace("For tests.", "Lies here!")
    ),
    "not text": lambda path: path.write_bytes(b"\xff" * 100),
    "of another version": lambda path: path.write_text(
        path.read_text().replace('"schema": 1', '"schema": 2')
    ),
    "other JSON": lambda path: path.write_text("[1]\n[2]\n"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_index_is_made_anew(one, models, damage):
    folder, anew = one
    index = anew()
    first = index.card(folder)
    index.save()
    before = (models / ".index.json").read_text()
    damage(models / ".index.json")
    index = anew()
    assert index.card(folder) == first
    index.save()
    if (models / ".index.json").is_file():
        assert (models / ".index.json").read_text() == before
    else:  # It could not be written there, so it is in the cache.
        assert anew().card(folder) == first


def test_a_card_of_other_fields_in_the_index_is_read_again(one, models):
    """As after an upgrade that took a field away."""
    folder, anew = one
    index = anew()
    index._put(
        folder, card={"gone": 1}, stamp=sums.stamp(os.stat(folder / "card.json"))
    )
    assert index.card(folder).name == "byol_tiny.a"


def test_folders_that_are_gone_are_forgotten(one, models, publish):
    folder, anew = one
    other = publish("byol_tiny.b").path
    index = anew()
    index.card(folder)
    index.card(other)
    index.save()
    other.rename(models / "elsewhere")
    index = anew()
    index.remember(folder, {"sums": "", "files": {}})
    index.save()
    body = (models / ".index.json").read_text().split("\n")[1]
    assert set(json.loads(body)) == {"byol_tiny.a"}


def test_where_nothing_can_be_written_it_works_all_the_same(one, models, tmp_path):
    folder, _ = one
    (models / ".index.json").mkdir()
    (tmp_path / "file").touch()
    index = Index(models, tmp_path / "file")
    index.card(folder)
    index.save()
    assert index.card(folder).name == "byol_tiny.a"
    assert not list(models.glob(".index.json.*"))


def test_a_folder_of_the_users_is_left_clean(one, own_cache):
    folder, _ = one
    index = Index(folder.parent, own_cache, ours=False)
    index.card(folder)
    index.save()
    assert not (folder.parent / ".index.json").exists()
    assert len(list((own_cache / ".indexes").iterdir())) == 1


def test_what_cannot_be_read_is_an_error_and_what_is_not_there_is_none(one, tmp_path):
    folder, anew = one
    (folder / "card.json").write_bytes(b"\xff")
    with pytest.raises(BadInput, match="Cannot read .*card.json"):
        anew().card(folder)
    assert anew().card(folder.parent / "nothing") is None
    assert anew().card(pathlib.Path(folder) / "backbone.weights.h5") is None

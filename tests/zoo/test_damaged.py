"""Whether a model is what was published; if not, it is told and can be mended."""

import json
import pathlib
import shutil

import pytest

import sslzoo
from sslzoo.errors import BadInput, UnknownName
from sslzoo.zoo import registry, sums
from tests.zoo.folders import content, names


@pytest.mark.parametrize(
    "path", ["backbone.weights.h5", "card.json", "saved_model/saved_model.pb"]
)
def test_a_tampered_file_is_refused_unless_it_is_trusted(publish, models, path):
    entry = publish("byol_tiny.a")
    registry.find("byol_tiny.a", models)
    with open(entry.path / path, "a") as file:
        file.write(" ")
    with pytest.raises(BadInput, match=f"Checksum mismatch for .*{path}"):
        registry.find("byol_tiny.a", models)
    with pytest.raises(BadInput, match=f"Checksum mismatch for .*{path}"):
        sslzoo.load_preprocessor("byol_tiny.a", models)
    trusted = registry.find("byol_tiny.a", models, verify=False)
    assert trusted.path == entry.path


def test_a_model_is_read_once_and_then_known_by_its_times(publish, models, monkeypatch):
    monkeypatch.setattr(sums, "SETTLED", 0)
    publish("byol_tiny.a")
    registry.find("byol_tiny.a", models)
    read, true = [], sums.disk.sha256

    def sha256(path):
        read.append(pathlib.Path(path).name)
        return true(path)

    monkeypatch.setattr(sums.disk, "sha256", sha256)
    registry.find("byol_tiny.a", models)
    assert set(read) == {"SHA256SUMS"}


DAMAGES = {
    "half a card": lambda path: (path / "card.json").write_text("{"),
    "no card": lambda path: (path / "card.json").unlink(),
    "other weights": lambda path: (path / "backbone.weights.h5").write_text("evil"),
    "no weights": lambda path: (path / "backbone.weights.h5").unlink(),
    "no sums": lambda path: (path / "SHA256SUMS").unlink(),
}


@pytest.fixture(params=DAMAGES)
def damaged(request, publish, models):
    """(the entry of the newest of two revisions, now damaged; a whole copy of it)."""
    publish("byol_tiny.a", "1")
    entry = publish("byol_tiny.a", "2")
    whole = shutil.copytree(entry.path, models.parent / "whole" / "byol_tiny.a")
    DAMAGES[request.param](entry.path)
    with pytest.raises(BadInput):
        registry.find(entry.path)
    return entry, registry.find(whole)


def test_what_is_damaged_is_mended_by_publishing_it_again(damaged, publish, models):
    """As the error advises; what was damaged is kept, for who may mend it."""
    entry, _ = damaged
    kept = {path.name: path.read_bytes() for path in entry.path.glob("*.*")}
    assert publish("byol_tiny.a", "3").card.revision == 3
    assert content(registry.find("byol_tiny.a", models)) == "3"
    assert content(registry.find("byol_tiny.a", models, revision=1)) == "1"
    aside = models / ".revisions" / "byol_tiny.a" / "2"
    assert {path.name: path.read_bytes() for path in aside.glob("*.*")} == kept
    registry.remove("byol_tiny.a", models, revision=2)
    with pytest.raises(UnknownName, match="no revision 2. It has: 1, 3"):
        registry.find("byol_tiny.a", models, revision=2)


def test_what_is_damaged_is_mended_by_copying_it_again(damaged, models):
    entry, whole = damaged
    if sums.identity(entry.path):
        registry.add(whole, models)
    else:  # Who knows what that was?
        with pytest.raises(BadInput, match="another revision 2 .* Remove it first"):
            registry.add(whole, models)
        registry.remove("byol_tiny.a", models)
        registry.add(whole, models)
    assert registry.find("byol_tiny.a", models).sha256 == entry.sha256
    assert not list(models.glob(".drafts/*"))


def test_an_older_revision_is_found_and_removed_though_the_newest_is_damaged(
    damaged, models
):
    assert content(registry.find("byol_tiny.a", models, revision=1)) == "1"
    registry.remove("byol_tiny.a", models, revision=1)
    assert [path.name for path in models.rglob("byol_tiny.a")] == ["byol_tiny.a"]


def newer(path):
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps({**card, "schema": 99}))


def test_a_card_of_a_newer_schema_says_to_upgrade(publish, models):
    newer(publish("byol_tiny.a").path)
    for name in ("byol_tiny.a", "byol_tiny"):
        with pytest.raises(BadInput, match="schema 99.*pip install --upgrade"):
            registry.find(name, models)


def test_a_list_passes_over_a_card_it_cannot_read_and_says_so(publish, models, caplog):
    newer(publish("byol_tiny.a").path)
    (publish("byol_tiny.b").path / "card.json").write_text("{")
    publish("byol_tiny.c").path.rename(models / "byol_tiny.d")
    (models / "byol_tiny.e").mkdir()
    publish("byol_tiny.f")
    (models / "README.md").touch()
    assert names(models) == ["byol_tiny.f"]
    for words in ("schema 99", "byol_tiny.b/card.json is no card", "'byol_tiny.c'"):
        assert words in caplog.text
    assert len(caplog.records) == 3


def test_a_folder_has_the_name_of_its_card(publish, models):
    publish("byol_tiny.c").path.rename(models / "byol_tiny.d")
    with pytest.raises(BadInput, match="d has the card of 'byol_tiny.c'"):
        registry.find("byol_tiny.d", models)


def test_a_folder_without_a_card_is_no_model(models):
    (models / "byol_tiny.a").mkdir()
    with pytest.raises(UnknownName):
        registry.find("byol_tiny.a", models)
    with pytest.raises(BadInput, match="SHA256SUMS, card.json missing"):
        registry.find(models / "byol_tiny.a")
    with pytest.raises(BadInput, match="Cannot read the model"):
        registry.find(models / "byol_tiny.a", verify=False)


def test_a_model_replaced_while_it_is_checked_is_checked_anew(
    publish, models, monkeypatch
):
    publish("byol_tiny.a", "old")
    true, again = sums.check, iter([True])

    def check(folder, *known):
        if next(again, False):
            publish("byol_tiny.a", "new")
        return true(folder, *known)

    monkeypatch.setattr(sums, "check", check)
    assert content(registry.find("byol_tiny.a", models)) == "new"


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_replaced_while_it_is_read_is_read_anew(publish, models, fails):
    publish("byol_tiny.a", "old")
    seen = []

    def read(entry):
        if not seen:
            publish("byol_tiny.a", "new")
        seen.append(entry.card.revision)
        if fails and len(seen) == 1:
            raise KeyError("a layer that the other one does not have")
        return content(entry)

    assert registry.whole("byol_tiny.a", read, registry=models) == "new"
    assert seen == [1, 2]


def test_an_error_of_who_reads_is_theirs(publish, models):
    publish("byol_tiny.a")
    with pytest.raises(ZeroDivisionError):
        registry.whole("byol_tiny.a", lambda entry: 1 / 0, registry=models)

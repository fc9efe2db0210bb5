"""A model is published whole or not at all, and copied as it is."""

import contextlib
import json
import os
import shutil

import pytest

from sslzoo.errors import BadInput, CannotWrite, UnknownName
from sslzoo.zoo import registry, sums
from tests.zoo.folders import content, hidden, names


def test_what_is_published_is_found_by_name(publish, models):
    published = publish("byol_tiny.a", "these weights")
    entry = registry.find("byol_tiny.a", models)
    assert entry == published and entry.current()
    assert entry.path == models / "byol_tiny.a"
    assert content(entry) == "these weights"
    assert entry.card.name == "byol_tiny.a" and entry.card.revision == 1
    assert entry.sha256 == sums.identity(entry.path)
    assert not hidden(models)


def test_each_publication_is_a_revision_and_older_ones_are_kept(publish, models):
    for number in (1, 2, 3):
        assert publish("byol_tiny.a", f"{number}").card.revision == number
    assert content(registry.find("byol_tiny.a", models)) == "3"
    for number in (1, 2, 3):
        entry = registry.find("byol_tiny", models, revision=number)
        assert content(entry) == f"{number}" and entry.card.revision == number
    assert [card.revision for card in registry.cards(models)] == [3]
    assert registry.card("byol_tiny", models, revision=2).revision == 2


def test_a_revision_that_is_not_there_is_said_with_those_that_are(publish, models):
    publish("byol_tiny.a")
    publish("byol_tiny.a")
    with pytest.raises(UnknownName, match="no revision 7. It has: 1, 2"):
        registry.find("byol_tiny.a", models, revision=7)


def test_an_error_while_publishing_leaves_nothing(publish, models):
    with pytest.raises(KeyboardInterrupt):
        with registry.publishing("byol_tiny.a", models) as draft:
            (draft.path / "card.json").write_text("half a ca")
            raise KeyboardInterrupt
    assert names(models) == [] and not hidden(models)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda path: (path / "card.json").unlink(), "no card.json"),
        (lambda path: (path / "card.json").write_text("{}"), "schema None"),
        (lambda path: (path / "link").symlink_to("card.json"), "link or a device"),
        (lambda path: (path / "a\nb").touch(), "cannot be called"),
    ],
)
def test_a_draft_that_is_no_model_is_not_published(models, fill, spoil, words):
    with pytest.raises(BadInput, match=words):
        with registry.publishing("byol_tiny.a", models) as draft:
            fill(draft.path, "byol_tiny.a")
            spoil(draft.path)
    assert names(models) == [] and not hidden(models)


def test_a_draft_must_have_the_card_of_that_name(models, fill):
    with pytest.raises(BadInput, match="'byol_tiny.a' calls itself 'byol_tiny.b'"):
        with registry.publishing("byol_tiny.a", models) as draft:
            fill(draft.path, "byol_tiny.b")


def test_a_name_that_is_none_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(BadInput, match="cannot be called '../evil'"):
        with registry.publishing("../evil", tmp_path / "new"):
            pass
    assert not (tmp_path / "new").exists()


def test_the_page_is_made_of_the_card_with_its_revision(models, fill):
    for number in (1, 2):
        with registry.publishing(
            "byol_tiny.a", models, readme=lambda card: f"Revision {card.revision}."
        ) as draft:
            fill(draft.path, "byol_tiny.a")
        entry = registry.find("byol_tiny.a", models)
        assert (entry.path / "README.md").read_text() == f"Revision {number}."
        assert json.loads((entry.path / "card.json").read_text())["revision"] == number


def test_others_may_read_what_is_published(publish):
    entry = publish("byol_tiny.a")
    mask = os.umask(0)
    os.umask(mask)
    assert entry.path.stat().st_mode & 0o777 == 0o777 & ~mask


def test_two_models_may_be_published_by_one_process_at_once(models, fill):
    with (
        registry.publishing("byol_tiny.a", models) as one,
        registry.publishing("byol_tiny.b", models) as two,
    ):
        fill(one.path, "byol_tiny.a")
        fill(two.path, "byol_tiny.b")
    assert names(models) == ["byol_tiny.a", "byol_tiny.b"] and not hidden(models)


def test_a_full_disk_leaves_nothing_and_is_said(models, fill, full_disk):
    with contextlib.ExitStack() as disk:
        with pytest.raises(CannotWrite, match="Cannot write to .*models: .*Make room"):
            with registry.publishing("byol_tiny.a", models) as draft:
                fill(draft.path, "byol_tiny.a")
                disk.enter_context(full_disk())
    assert names(models) == [] and not hidden(models)


def test_a_read_only_registry_can_be_read_and_says_that_it_is(
    read_only, publish, fill, own_cache, monkeypatch
):
    folder, block = read_only
    publish("byol_tiny.a", registry_=folder)
    before = sorted(folder.rglob("*"))
    monkeypatch.setenv("SSLZOO_CACHE", str(folder.parent / "cache"))
    with block():
        assert names(folder) == ["byol_tiny.a"]
        assert registry.find("byol_tiny.a", folder).card.revision == 1
        assert len(list((folder.parent / "cache" / ".indexes").iterdir())) == 1
        with pytest.raises(CannotWrite, match="Permission denied"):
            with registry.publishing("byol_tiny.b", folder):
                pass
        with pytest.raises(CannotWrite, match="give another registry"):
            registry.remove("byol_tiny.a", folder)
    assert sorted(folder.rglob("*")) == before


def test_a_folder_in_the_way_is_not_overwritten(publish, models):
    (models / "byol_tiny.a").mkdir()
    (models / "byol_tiny.a" / "mine.txt").touch()
    with pytest.raises(BadInput, match="in the way: it is no model"):
        publish("byol_tiny.a")
    assert (models / "byol_tiny.a" / "mine.txt").exists()


def test_an_older_revision_brought_back_by_git_does_not_stand_in_the_way(
    publish, models
):
    publish("byol_tiny.a", "1")
    publish("byol_tiny.a", "2")
    shutil.rmtree(models / "byol_tiny.a")
    shutil.copytree(models / ".revisions/byol_tiny.a/1", models / "byol_tiny.a")
    assert publish("byol_tiny.a", "3").card.revision == 2
    assert content(registry.find("byol_tiny.a", models, revision=1)) == "1"


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="it names open files")
def test_what_is_published_is_on_the_disk_before_it_is_there(
    publish, models, monkeypatch
):
    """A machine that loses power keeps the old or the new, whole."""
    happened, plain_sync, plain_rename = [], os.fsync, os.rename

    def sync(handle):
        number = handle if isinstance(handle, int) else handle.fileno()
        happened.append(("sync", os.readlink(f"/proc/self/fd/{number}")))
        plain_sync(handle)

    def rename(old, new):
        happened.append(("rename", os.fspath(new)))
        plain_rename(old, new)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    entry = publish("byol_tiny.a")
    moved = happened.index(("rename", str(models / "byol_tiny.a")))
    synced = {path for what, path in happened[:moved] if what == "sync"}
    (draft,) = {path.removesuffix("/card.json") for path in synced if "card.j" in path}
    wanted = [entry.path, *entry.path.rglob("*")]
    assert synced >= {
        os.path.normpath(os.path.join(draft, path.relative_to(entry.path)))
        for path in wanted
    }
    assert ("sync", str(models)) in happened[moved:]


# Copying.


def test_a_copy_keeps_its_revision_and_takes_its_place(publish, models, tmp_path):
    entries = [publish("byol_tiny.a", f"{n}") for n in (1, 2, 3)]
    entries[0], entries[1] = (
        registry.find("byol_tiny.a", models, revision=n) for n in (1, 2)
    )
    other = tmp_path / "other"
    for entry in (entries[1], entries[0], entries[2], entries[2]):
        registry.add(entry, other)
    assert content(registry.find("byol_tiny.a", other)) == "3"
    for number in (1, 2, 3):
        there = registry.find("byol_tiny.a", other, revision=number)
        assert there.sha256 == entries[number - 1].sha256
        assert there.card.revision == number


def test_a_copy_does_not_replace_another_model_of_that_revision(
    publish, models, tmp_path
):
    publish("byol_tiny.a", "theirs", registry_=tmp_path / "other")
    with pytest.raises(BadInput, match="has another revision 1 of 'byol_tiny.a'"):
        registry.add(publish("byol_tiny.a", "ours"), tmp_path / "other")
    assert content(registry.find("byol_tiny.a", tmp_path / "other")) == "theirs"

import dataclasses
import functools
import http.server
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

import sslzoo
from sslzoo import disk
from sslzoo.errors import (
    BadInput,
    CannotFetch,
    CannotWrite,
    MissingFile,
    UnknownName,
)
from sslzoo.zoo import cache, files, registry, sums


def content(entry):
    return (entry.path / "backbone.weights.h5").read_text()


@pytest.fixture
def web(tmp_path):
    """A folder, and its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def elsewhere(web, publish, models, fill, tmp_path):
    """The archive of a model, whose registry here has no more than its card."""
    folder, url = web
    there = publish("byol_tiny.a", "far away", registry_=tmp_path / "there")
    path = cache.bundle("byol_tiny.a", folder / "a.zip", registry=tmp_path / "there")
    source = {
        "url": f"{url}/a.zip",
        "sha256": disk.sha256(path),
        "bytes": path.stat().st_size,
    }
    with registry.publishing("byol_tiny.a", models) as draft:
        card = dataclasses.replace(there.card, source=source)
        (draft.path / "card.json").write_text(card.text())
    return path


# The place.


def test_the_cache_is_where_it_is_said_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("KERAS_HOME", "/keras")
    monkeypatch.setenv("SSLZOO_CACHE", "~/cache")
    assert cache.folder("/given") == pathlib.Path("/given")
    assert cache.folder() == pathlib.Path("/home/me/cache")
    monkeypatch.delenv("SSLZOO_CACHE")
    assert cache.folder() == pathlib.Path("/keras/sslzoo")
    monkeypatch.delenv("KERAS_HOME")
    assert cache.folder() == pathlib.Path("/home/me/.keras/sslzoo")


@pytest.mark.parametrize("name", ["SSLZOO_OFFLINE", "HF_HUB_OFFLINE"])
def test_who_is_offline_is_what_was_said_last(monkeypatch, name):
    assert not cache.offline() and cache.offline(True)
    for value, expected in {"1": True, "YES": True, "0": False, "": False}.items():
        monkeypatch.setenv(name, value)
        assert cache.offline() is expected
        assert cache.offline(True) and not cache.offline(False)


# What is elsewhere.


def test_what_is_elsewhere_is_fetched_once(elsewhere, models, own_cache):
    entry = registry.find("byol_tiny", models, allow_http=True)
    assert content(entry) == "far away" and entry.card.source == {}
    assert own_cache in entry.path.parents
    elsewhere.unlink()
    assert registry.find("byol_tiny", models) == entry
    assert registry.find("byol_tiny", models, offline=True) == entry
    (left,) = os.listdir(own_cache / ".downloads")
    assert left == f"{entry.path.parent.name}.lock"


def test_its_card_is_had_without_fetching_it(elsewhere, models, own_cache):
    assert registry.card("byol_tiny.a", models).source["bytes"] > 0
    assert [card.name for card in registry.cards(models)] == ["byol_tiny.a"]
    assert not (own_cache / ".fetched").exists()


def test_plain_http_must_be_asked_for(elsewhere, models):
    with pytest.raises(CannotFetch, match="plain http"):
        registry.find("byol_tiny", models)


def test_offline_and_not_here_says_how_to_bring_it(
    elsewhere, models, own_cache, monkeypatch
):
    monkeypatch.setenv("SSLZOO_OFFLINE", "1")
    with pytest.raises(MissingFile) as error:
        registry.find("byol_tiny", models)
    assert str(error.value) == (
        f"SSLZOO_OFFLINE=1 and 'byol_tiny.a' is not in {own_cache}. On a connected "
        "machine: `sslzoo bundle byol_tiny.a --out dir`, then set SSLZOO_CACHE=dir."
    )
    with pytest.raises(MissingFile, match="^offline=True and 'byol_tiny.a'"):
        registry.find("byol_tiny", models, offline=True)
    assert registry.find("byol_tiny", models, offline=False, allow_http=True)


def test_what_was_fetched_and_then_deleted_is_fetched_again(elsewhere, models):
    entry = registry.find("byol_tiny", models, allow_http=True)
    shutil.rmtree(entry.path)
    assert registry.find("byol_tiny", models, allow_http=True) == entry


def test_what_was_fetched_is_checked_like_any_other(elsewhere, models):
    entry = registry.find("byol_tiny", models, allow_http=True)
    (entry.path / "backbone.weights.h5").write_text("tampered")
    with pytest.raises(BadInput, match="Checksum mismatch"):
        registry.find("byol_tiny", models)


def tampered(folder):
    (folder / "backbone.weights.h5").write_text("tampered")


@pytest.mark.parametrize(
    "spoil",
    [
        tampered,
        lambda folder: (folder / "card.json").write_text("{"),
        lambda folder: (folder / "backbone.weights.h5").unlink(),
    ],
)
@pytest.mark.parametrize("place", [None, "another cache"])
@pytest.mark.parametrize("way", ["name", "address"])
def test_what_is_advised_brings_a_damaged_model_back(
    elsewhere, web, models, tmp_path, monkeypatch, spoil, place, way
):
    monkeypatch.setattr(sums, "SETTLED", 0)
    address = f"{web[1]}/a.zip#sha256={disk.sha256(elsewhere)}"
    name, registry_ = ("byol_tiny", models) if way == "name" else (address, None)
    where = dict(cache_dir=place and tmp_path / place, allow_http=True)
    entry = registry.find(name, registry_, **where)
    spoil(entry.path)
    for _ in range(2):  # Again, to no avail.
        with pytest.raises(BadInput, match="and load the model again") as error:
            registry.find(name, registry_, **where)
    advised = re.search(r"sslzoo\.clear_cache\('byol_tiny\.a'.*?\)", str(error.value))
    eval(advised.group())
    assert not entry.path.exists()
    again = registry.find(name, registry_, **where)
    assert content(again) == "far away" and again == entry


def test_a_model_of_no_cache_is_not_cleared_but_published_again(publish, models):
    tampered(publish("byol_tiny.a").path)
    with pytest.raises(BadInput, match="Publish the model again") as error:
        registry.find("byol_tiny.a", models)
    assert "clear_cache" not in str(error.value)


def test_an_archive_that_was_changed_is_refused(elsewhere, models, own_cache):
    elsewhere.write_bytes(elsewhere.read_bytes()[:-1] + b"?")
    with pytest.raises(BadInput, match="Checksum mismatch for http"):
        registry.find("byol_tiny", models, allow_http=True)
    assert cache.info()["models"] == []


def test_an_archive_of_another_model_is_refused(
    elsewhere, models, publish, tmp_path, web
):
    publish("byol_tiny.b", registry_=tmp_path / "there")
    path = cache.bundle("byol_tiny.b", web[0] / "b.zip", registry=tmp_path / "there")
    source = {"url": f"{web[1]}/b.zip", "sha256": disk.sha256(path)}
    publish("byol_tiny.c", source=source)
    with pytest.raises(BadInput, match="the model 'byol_tiny.b', and not 'byol_tiny.c"):
        registry.find("byol_tiny.c", models, allow_http=True)


def test_an_archive_whose_model_is_not_whole_is_not_unpacked(
    models, publish, tmp_path, own_cache
):
    publish("byol_tiny.a")
    path = shutil.make_archive(tmp_path / "half", "zip", models, "byol_tiny.a")
    registry.find(path)
    (models / "byol_tiny.a" / "backbone.weights.h5").unlink()
    path = shutil.make_archive(tmp_path / "half", "zip", models, "byol_tiny.a")
    with pytest.raises(BadInput, match="backbone.weights.h5 missing"):
        registry.find(path)
    assert len([n for n in os.listdir(own_cache / ".fetched") if len(n) == 64]) == 1


@pytest.mark.parametrize("sha256", [None, 3, "../../evil", "f" * 63])
def test_a_card_that_does_not_say_enough_of_its_source_is_refused(
    publish, models, sha256
):
    publish("byol_tiny.a", source={"url": "https://x.y/z", "sha256": sha256})
    with pytest.raises(BadInput, match="source needs a url and a sha256"):
        registry.find("byol_tiny.a", models)


def test_what_must_be_converted_is_not_guessed_at(publish, models):
    source = {"url": "https://x.y/z.pkl", "converter": "deepmind_boyl"}
    publish("byol_tiny.a", source=source)
    with pytest.raises(MissingFile, match="converter 'deepmind_boyl', which"):
        registry.find("byol_tiny.a", models)


def test_an_address_with_a_sum_is_a_handle(elsewhere, web, own_cache):
    handle = f"{web[1]}/a.zip#sha256={disk.sha256(elsewhere)}"
    with pytest.raises(CannotFetch, match="plain http"):
        registry.find(handle)
    with pytest.raises(MissingFile, match="offline=True"):
        registry.find(handle, offline=True)
    entry = registry.find(handle, allow_http=True)
    assert content(entry) == "far away"
    with pytest.raises(UnknownName):
        registry.find("byol_tiny.a", own_cache)  # It is not there by its name.


def test_to_be_told_of_an_address_nothing_is_fetched(elsewhere, web, own_cache):
    handle = f"{web[1]}/a.zip#sha256={disk.sha256(elsewhere)}"
    with pytest.raises(MissingFile) as error:
        sslzoo.info(handle)
    assert str(error.value) == (
        f"{handle!r} is not in {own_cache}, and its card lies within it. "
        f"sslzoo.load({handle!r}) fetches it, after which its card is there."
    )
    assert not own_cache.exists()
    registry.find(handle, allow_http=True)
    elsewhere.unlink()
    assert sslzoo.info(handle).card.name == "byol_tiny.a"
    with pytest.raises(UnknownName, match="is revision 1, and not 2"):
        sslzoo.info(handle, revision=2)


def test_of_a_folder_with_no_more_than_a_card_the_card_is_told(
    elsewhere, models, own_cache
):
    assert sslzoo.info(models / "byol_tiny.a").card.source["bytes"] > 0
    assert not (own_cache / ".fetched").exists()


def test_an_archive_is_a_handle_by_its_path(elsewhere):
    assert content(registry.find(elsewhere)) == "far away"


def test_an_archive_of_several_models_must_be_unpacked(publish, models, tmp_path):
    publish("byol_tiny.a")
    publish("byol_tiny.b")
    path = cache.bundle(["byol_tiny.a", "byol_tiny.b"], tmp_path / "x.tar", models)
    with pytest.raises(BadInput, match="byol_tiny.a, byol_tiny.b. Unpack it"):
        registry.find(path)
    assert cache.info()["models"] == []


def test_an_archive_of_no_model_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "file").touch()
    path = shutil.make_archive(tmp_path / "x", "tar", tmp_path / "empty")
    with pytest.raises(BadInput, match="has no model"):
        registry.find(path)


# Bundles.


@pytest.mark.parametrize("kind", ["", ".zip", ".tar"])
def test_a_bundle_works_as_cache_and_as_registry(
    publish, models, tmp_path, monkeypatch, kind
):
    for name in ("byol_tiny.a", "byol_tiny.b", "byol_tiny.c"):
        publish(name, f"of {name}", default=name.endswith("a"))
    out = tmp_path / f"bundle{kind}"
    assert sslzoo.bundle(["byol_tiny", "byol_tiny.b"], out, registry=models) == out
    folder = out
    if kind:
        folder = tmp_path / "unpacked"
        shutil.unpack_archive(out, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSLZOO_CACHE", str(folder))
    monkeypatch.setenv("SSLZOO_OFFLINE", "1")
    for where in ({}, {"registry": folder}):
        assert content(registry.find("byol_tiny", **where)) == "of byol_tiny.a"
        assert content(registry.find("byol_tiny.b", **where)) == "of byol_tiny.b"
        with pytest.raises(UnknownName):
            registry.find("byol_tiny.c", **where)


def test_what_is_elsewhere_is_bundled_whole(elsewhere, models, tmp_path):
    out = cache.bundle("byol_tiny", tmp_path / "out", models, allow_http=True)
    elsewhere.unlink()
    shutil.rmtree(cache.folder())
    assert content(registry.find("byol_tiny", out)) == "far away"


def test_a_bundle_may_grow(publish, models, tmp_path):
    publish("byol_tiny.a")
    publish("byol_tiny.b")
    for name in ("byol_tiny.a", "byol_tiny.b", "byol_tiny.b"):
        cache.bundle(name, tmp_path / "out", models)
    names = [card.name for card in registry.cards(tmp_path / "out")]
    assert names == ["byol_tiny.a", "byol_tiny.b"]


def test_nothing_is_written_if_one_is_not_there(publish, models, tmp_path):
    publish("byol_tiny.a")
    for out in (tmp_path / "out", tmp_path / "out.zip"):
        with pytest.raises(UnknownName):
            cache.bundle(["byol_tiny.a", "byol_r50"], out, models)
        assert not out.exists()


@pytest.mark.parametrize("kind", ["", ".zip", ".tar"])
def test_a_full_disk_leaves_no_part_of_a_bundle(
    publish, models, tmp_path, full_disk, kind
):
    publish("byol_tiny.a")
    out = tmp_path / "new" / f"out{kind}"
    registry.find("byol_tiny.a", models)
    with full_disk(), pytest.raises(CannotWrite, match="Make room"):
        cache.bundle("byol_tiny.a", out, models)
    if kind:
        assert os.listdir(out.parent) == []
    else:
        assert registry.cards(out) == [] and os.listdir(out / ".drafts") == []


def test_a_bundle_is_of_something_and_of_a_kind_we_write(publish, models, tmp_path):
    publish("byol_tiny.a")
    with pytest.raises(BadInput, match="nothing to bundle"):
        cache.bundle([], tmp_path / "out", models)
    with pytest.raises(BadInput, match="a folder, a .zip or a .tar"):
        cache.bundle("byol_tiny.a", tmp_path / "out.tar.gz", models)


def test_an_archive_can_be_unpacked_and_checked_with_plain_tools(
    publish, models, tmp_path
):
    publish("byol_tiny.a")
    cache.bundle("byol_tiny.a", tmp_path / "x.tar", models)
    lines = "tar -xf x.tar && cd byol_tiny.a && sha256sum -c --quiet SHA256SUMS"
    subprocess.run(lines, shell=True, cwd=tmp_path, check=True)


# What the cache holds.


def test_the_cache_tells_what_it_holds(elsewhere, models, publish, own_cache):
    assert sslzoo.cache_info() == {
        "folder": str(own_cache),
        "bytes": 0,
        "models": [],
    }
    registry.find("byol_tiny", models, allow_http=True)
    publish("byol_tiny.b", registry_=own_cache)
    publish("byol_tiny.b", registry_=own_cache)
    info = sslzoo.cache_info()
    found = [(model["name"], model["revision"]) for model in info["models"]]
    assert found == [("byol_tiny.b", 2), ("byol_tiny.b", 1), ("byol_tiny.a", 1)]
    for model in info["models"]:
        assert model["bytes"] == files.size(model["path"]) > 0
    assert info["bytes"] >= sum(model["bytes"] for model in info["models"])


def test_a_model_can_be_cleared_wherever_it_is_from(
    elsewhere, models, publish, own_cache
):
    publish("byol_tiny.b", registry_=own_cache)
    publish("byol_other.b", registry_=own_cache)
    registry.find("byol_tiny.a", models, allow_http=True)
    assert sslzoo.clear_cache("byol_tiny.b") > 0
    assert [m["name"] for m in cache.info()["models"]] == [
        "byol_other.b",
        "byol_tiny.a",
    ]
    assert sslzoo.clear_cache("byol_tiny") > 0
    assert [m["name"] for m in cache.info()["models"]] == ["byol_other.b"]
    with pytest.raises(UnknownName, match="Did you mean 'byol_other'.*It has: byol_o"):
        sslzoo.clear_cache("byol_othr")
    assert registry.find("byol_tiny.a", models, allow_http=True)  # Fetched anew.


def test_all_can_be_cleared_but_what_is_not_ours(elsewhere, models, publish, own_cache):
    publish("byol_tiny.b", registry_=own_cache)
    registry.find("byol_tiny.a", models, allow_http=True)
    (own_cache / ".downloads" / "left.part").write_text("part")
    (own_cache / ".downloads" / "left.lock").touch()
    (own_cache / "mine").mkdir()
    (own_cache / "mine" / "photo.jpg").write_text("mine")
    assert sslzoo.clear_cache() > 0
    left = {p.name for p in own_cache.rglob("*") if p.is_file() and p.stat().st_size}
    assert left <= {"photo.jpg", ".index.json"} and cache.info()["models"] == []


def test_what_is_being_fetched_is_not_cleared(own_cache):
    folder = own_cache / ".downloads"
    folder.mkdir(parents=True)
    (folder / "busy.part").write_text("part")
    with files.lock(folder / "busy.lock"):
        cache.clear()
    assert (folder / "busy.part").exists()
    cache.clear()
    assert not (folder / "busy.part").exists()


def test_a_damaged_model_takes_room_and_can_be_cleared(publish, own_cache):
    entry = publish("byol_tiny.a", registry_=own_cache)
    (entry.path / "card.json").write_text("{")
    (model,) = cache.info()["models"]
    assert model["bytes"] > 0 and model["revision"] is None
    assert cache.clear("byol_tiny.a") > 0 and cache.info()["models"] == []


def test_a_cache_that_is_not_there_is_empty(own_cache):
    assert cache.info()["models"] == [] and cache.clear() == 0
    assert not own_cache.exists()


def test_a_full_cache_leaves_nothing_half_written(
    elsewhere, models, own_cache, full_disk
):
    registry.card("byol_tiny", models)
    with full_disk(), pytest.raises(CannotWrite, match="SSLZOO_CACHE=DIR"):
        registry.find("byol_tiny", models, allow_http=True)
    assert cache.info()["models"] == []
    registry.find("byol_tiny", models, allow_http=True)


def test_a_cache_that_is_full_only_when_it_unpacks_leaves_nothing_half_written(
    elsewhere, models, own_cache, full_disk, monkeypatch
):
    from sslzoo.zoo import archive

    true = archive.unpack

    def unpack(*words):
        with full_disk():
            true(*words)

    with monkeypatch.context() as patch, pytest.raises(CannotWrite):
        patch.setattr(archive, "unpack", unpack)
        registry.find("byol_tiny", models, allow_http=True)
    assert [n for n in os.listdir(own_cache / ".fetched") if "lock" not in n] == []
    assert registry.find("byol_tiny", models, allow_http=True)


def test_a_read_only_cache_is_said(elsewhere, models, read_only):
    folder, block = read_only
    shutil.copytree(models, folder.parent / "models")
    with block(), pytest.raises(CannotWrite, match="Permission denied.*cache_dir="):
        place = folder.parent / "models"
        registry.find("byol_tiny", place, cache_dir=folder, allow_http=True)


def test_one_who_was_killed_while_unpacking_does_not_matter(
    elsewhere, models, own_cache
):
    left = own_cache / ".fetched" / f"{disk.sha256(elsewhere)}.draft" / "byol_tiny.a"
    left.mkdir(parents=True)
    (left / "card.json").write_text("half")
    assert cache.info()["models"] == []
    entry = registry.find("byol_tiny", models, allow_http=True)
    sums.check(entry.path)
    assert not left.exists()


@pytest.mark.parametrize("out", ["registry", "model.zip"])
def test_a_card_cannot_have_a_model_put_elsewhere(publish, tmp_path, out):
    """Its name is that of a folder, and the sums of who tampers fit."""
    source = shutil.copytree(publish("byol_tiny.a").path, tmp_path / "mine")
    text = (source / "card.json").read_text()
    (source / "card.json").write_text(text.replace("byol_tiny.a", "../../evil_x.y"))
    digests = {path: disk.sha256(source / path) for path in sums.found(source)}
    digests.pop(sums.NAME, None)
    sums.write(source, digests)
    before = sorted(tmp_path.rglob("*"))
    for use in (sslzoo.bundle, lambda name, _: sslzoo.info(name)):
        with pytest.raises(BadInput, match='name is "../../evil_x.y"'):
            use(str(source), str(tmp_path / "deep" / "out" / out))
    assert not [path for path in tmp_path.rglob("*evil*") if path not in before]

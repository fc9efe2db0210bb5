import os
import shutil
import subprocess

import pytest

from sslzoo import disk
from sslzoo.errors import BadInput
from sslzoo.zoo import sums


@pytest.fixture
def folder(publish):
    return publish("byol_tiny.a").path


@pytest.fixture
def settled(monkeypatch):
    """As if what was written has been there for a while."""
    monkeypatch.setattr(sums, "SETTLED", 0)


def test_sha256sum_understands_it(folder):
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.count(": OK") == len(sums.read(folder))


def test_it_lists_every_file_but_itself(folder):
    paths = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(sums.read(folder)) == paths - {"SHA256SUMS"}
    assert "saved_model/variables/variables.index" in paths


@pytest.mark.parametrize(
    "path", ["backbone.weights.h5", "card.json", "saved_model/saved_model.pb"]
)
def test_a_changed_file_is_found(folder, path):
    expected, before = sums.read(folder)[path], (folder / path).read_bytes()
    (folder / path).write_bytes(before[:-1] + b"?")
    with pytest.raises(BadInput) as error:
        sums.check(folder)
    got = disk.sha256(folder / path)
    for words in (str(folder / path), expected, got, f"{len(before)} bytes", "verify="):
        assert words in str(error.value)


def test_every_missing_file_is_named(folder):
    (folder / "backbone.weights.h5").unlink()
    (folder / "saved_model" / "saved_model.pb").unlink()
    with pytest.raises(BadInput, match="h5, saved_model/saved_model.pb missing"):
        sums.check(folder)


def test_a_folder_that_is_no_model_lacks_its_card_and_its_sums(tmp_path):
    with pytest.raises(BadInput, match="SHA256SUMS, card.json missing"):
        sums.check(tmp_path)


def test_a_file_that_is_not_listed_is_named(folder):
    (folder / "saved_model" / "assets").mkdir()
    (folder / "saved_model" / "assets" / "more.txt").touch()
    with pytest.raises(BadInput, match="does not list: saved_model/assets/more.txt"):
        sums.check(folder)


def test_what_pip_makes_beside_a_recipe_is_passed_over(folder):
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "recipe.cpython-311.pyc").touch()
    sums.check(folder)


@pytest.mark.parametrize("target", ["/etc/passwd", "../other", "card.json", "nowhere"])
def test_links_are_refused_wherever_they_lead(folder, target):
    (folder / "link").symlink_to(target)
    with pytest.raises(BadInput, match="link is a link or a device"):
        sums.check(folder)


def test_a_folder_that_is_a_link_is_refused_too(folder, tmp_path):
    shutil.move(folder / "saved_model", tmp_path / "elsewhere")
    (folder / "saved_model").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="saved_model is a link"):
        sums.check(folder)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", r"..\x", "C:/x"])
def test_a_list_that_leaves_the_folder_is_refused(folder, path):
    with open(folder / "SHA256SUMS", "a") as file:
        file.write(f"{'0' * 64}  {path}\n")
    with pytest.raises(BadInput, match="is not a file of that folder"):
        sums.check(folder)
    with pytest.raises(BadInput, match="cannot be called"):
        sums.write(folder, {path: "0" * 64})


@pytest.mark.parametrize("damage", [b"nonsense\n", b"\xff\xfe", b"0123  card.json\n"])
def test_a_damaged_list_is_refused(folder, damage):
    (folder / "SHA256SUMS").write_bytes(damage)
    with pytest.raises(BadInput, match="SHA256SUMS.*is no "):
        sums.check(folder)


def test_a_file_that_did_not_change_is_not_read_again(folder, settled, monkeypatch):
    known = sums.check(folder)
    assert set(known["files"]) == set(sums.read(folder))
    read, true = [], disk.sha256
    monkeypatch.setattr(disk, "sha256", lambda path: read.append(path) or true(path))
    assert sums.check(folder, known) == known
    assert read == [folder / "SHA256SUMS"]


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_change_is_found_also_when_size_and_time_are_put_back(
    folder, settled, keep_times
):
    known, path = sums.check(folder), folder / "backbone.weights.h5"
    stat = path.stat()
    path.write_text("WEIGHTS")
    if keep_times:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert path.stat().st_size == stat.st_size
    with pytest.raises(BadInput, match="Checksum mismatch"):
        sums.check(folder, known)


def test_another_list_makes_all_files_be_read_again(folder, settled):
    known = sums.check(folder)
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(["f" * 64 + lines[0][64:], *lines[1:]]))
    with pytest.raises(BadInput, match="Checksum mismatch"):
        sums.check(folder, known)


def test_the_times_of_what_has_just_changed_are_not_believed(folder):
    assert sums.check(folder)["files"] == {}


def test_a_copy_is_what_is_listed_and_nothing_else(folder, tmp_path):
    (folder / "__pycache__").mkdir()
    sums.copy(folder, tmp_path / "copy")
    assert sums.identity(tmp_path / "copy") == sums.identity(folder)
    assert set(sums.found(tmp_path / "copy")) == {*sums.read(folder), "SHA256SUMS"}


def test_a_copy_of_a_tampered_model_fails(folder, tmp_path):
    (folder / "backbone.weights.h5").write_text("others")
    with pytest.raises(BadInput, match="Checksum mismatch"):
        sums.copy(folder, tmp_path / "copy")


def test_nothing_has_no_identity(tmp_path):
    assert sums.identity(tmp_path / "nothing") == ""

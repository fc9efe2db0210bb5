import io
import os
import shutil
import stat
import tarfile
import zipfile

import pytest

from sslzoo.errors import BadInput
from sslzoo.zoo import archive, sums


@pytest.fixture(params=[".zip", ".tar"])
def kind(request):
    return request.param


def made(path, members):
    """An archive of {name: bytes}, or of what is no plain file: {name: its kind}."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for name, content in members.items():
                member = zipfile.ZipInfo(name)
                if not isinstance(content, bytes):
                    member.external_attr = content << 16
                    content = b"card.json"
                out.writestr(member, content)
    else:
        types = {stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFCHR: tarfile.CHRTYPE}
        with tarfile.open(path, "w") as out:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                if isinstance(content, bytes):
                    member.size = len(content)
                    out.addfile(member, io.BytesIO(content))
                else:
                    member.type = types.get(content, tarfile.LNKTYPE)
                    member.linkname = "card.json"
                    out.addfile(member)
    return path


def unpacked(path):
    folder = path.parent / "unpacked"
    folder.mkdir()
    archive.unpack(path, folder, path.name)
    return folder


def test_what_is_packed_is_unpacked(publish, tmp_path, kind):
    models = {name: publish(name).path for name in ("byol_tiny.a", "byol_tiny.b")}
    (models["byol_tiny.a"] / "__pycache__").mkdir()
    out = tmp_path / f"models{kind}"
    archive.pack(models, out)
    folder = unpacked(out)
    assert sorted(os.listdir(folder)) == sorted(models)
    for name, path in models.items():
        sums.check(folder / name)
        assert sums.identity(folder / name) == sums.identity(path)
    assert not (folder / "byol_tiny.a" / "__pycache__").exists()


def test_the_same_models_make_the_same_bytes(publish, tmp_path, kind):
    models, packed = {"byol_tiny.a": publish("byol_tiny.a").path}, []
    for moment in (10**9, 2 * 10**9):
        for path in models["byol_tiny.a"].rglob("*"):
            os.utime(path, (moment, moment))
        archive.pack(models, tmp_path / f"out{kind}")
        packed.append((tmp_path / f"out{kind}").read_bytes())
    assert packed[0] == packed[1]


def test_others_understand_it(publish, tmp_path, kind):
    archive.pack({"byol_tiny.a": publish("byol_tiny.a").path}, tmp_path / f"out{kind}")
    shutil.unpack_archive(tmp_path / f"out{kind}", tmp_path / "by")
    sums.check(tmp_path / "by" / "byol_tiny.a")


def test_nothing_is_left_when_it_cannot_be_written(publish, tmp_path, kind, full_disk):
    path = publish("byol_tiny.a").path
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"a{kind}").write_text("before")
    with pytest.raises(OSError), full_disk():
        archive.pack({"byol_tiny.a": path}, tmp_path / "out" / f"a{kind}")
    assert os.listdir(tmp_path / "out") == [f"a{kind}"]
    assert (tmp_path / "out" / f"a{kind}").read_text() == "before"


def test_a_model_that_is_replaced_meanwhile_is_not_packed(
    publish, tmp_path, kind, monkeypatch
):
    path, true = publish("byol_tiny.a", "old").path, sums.read

    def read(folder):
        listed = true(folder)
        publish("byol_tiny.a", "new")
        return listed

    monkeypatch.setattr(sums, "read", read)
    with pytest.raises(BadInput, match="byol_tiny.a was replaced.*again"):
        archive.pack({"byol_tiny.a": path}, tmp_path / f"out{kind}")
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../evil", "byol_tiny.a/../../evil", r"..\evil", "C:/evil"],
)
def test_a_member_that_leaves_the_folder_is_refused(tmp_path, kind, name):
    path = made(tmp_path / f"bad{kind}", {"fine": b"", name: b"evil"})
    with pytest.raises(BadInput, match="leaves the folder. Do not use it"):
        unpacked(path)
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, "unpacked"])


@pytest.mark.parametrize("what", [stat.S_IFLNK, stat.S_IFCHR])
def test_a_link_or_a_device_is_refused(tmp_path, kind, what):
    with pytest.raises(BadInput, match="'odd', which is a link or a device"):
        unpacked(made(tmp_path / f"bad{kind}", {"odd": what}))


def test_a_hard_link_is_refused(tmp_path):
    with pytest.raises(BadInput, match="is a link or a device"):
        unpacked(made(tmp_path / "bad.tar", {"card.json": b"", "odd": 1}))


def test_one_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as out:
        out.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            out.writestr("a", b"2")
    with pytest.raises(BadInput, match="bad.zip is damaged.*exists"):
        unpacked(tmp_path / "bad.zip")


@pytest.mark.parametrize("names", [("a", "a/b/c"), ("a/b/c", "a")])
def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path, kind, names):
    path = made(tmp_path / f"bad{kind}", dict.fromkeys(names, b""))
    with pytest.raises(BadInput, match=f"bad{kind} is damaged"):
        unpacked(path)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 30)])
def test_a_name_too_long_for_the_disk_is_refused(tmp_path, kind, name):
    with pytest.raises(BadInput, match="has 'x{80} ...', a name too long for this"):
        unpacked(made(tmp_path / f"bad{kind}", {name: b""}))


@pytest.mark.parametrize(
    "field, value, words",
    [("flags", 1, "is encrypted"), ("method", 97, "compression method is not")],
)
def test_a_zip_that_is_packed_otherwise_is_refused(tmp_path, field, value, words):
    """Of a password, or a compression that Python has not: by its heads, both."""
    path = made(tmp_path / "bad.zip", {"a": b"some bytes"})
    content = bytearray(path.read_bytes())
    for head, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # APPNOTE 4.3.7, 4.3.12.
        content[content.index(head) + offset + 2 * (field == "method")] = value
    path.write_bytes(content)
    with pytest.raises(
        BadInput, match=f"bad.zip is packed in a way .*{words}.*deflate"
    ):
        unpacked(path)


def test_what_is_no_archive_is_said(tmp_path):
    (tmp_path / "x.zip").write_text("Page not found")
    with pytest.raises(BadInput, match="x.zip is no archive: neither"):
        unpacked(tmp_path / "x.zip")


def test_a_damaged_archive_is_said(publish, tmp_path, kind):
    path = tmp_path / f"out{kind}"
    archive.pack({"byol_tiny.a": publish("byol_tiny.a", "w" * 10000).path}, path)
    content = path.read_bytes()
    if kind == ".zip":
        path.write_bytes(content.replace(b"wwww", b"wwwx", 1))
    else:
        path.write_bytes(content[:3000])
    with pytest.raises(BadInput, match=f"out{kind} is damaged"):
        unpacked(path)

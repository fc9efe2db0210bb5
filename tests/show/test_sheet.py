"""Contact sheets, and the toy world's pictures as files."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from sslzoo.data import sources
from sslzoo.data.toyworld import ToyWorld
from sslzoo.errors import BadInput, CannotWrite
from sslzoo.show import sheet

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_folder_holds_the_test_pictures_each_in_that_of_its_class(tmp_path):
    path = sheet.toyworld_folder(tmp_path / "a" / "scenes", 30)
    world, found = ToyWorld("test", 30), sources.Folder(path)
    assert found.count == 30 and not found.others
    for i in range(30):
        number = int(found.file(i).rpartition("/")[2].removesuffix(".png"))
        item, wanted = found.read(i), world.read(number)
        np.testing.assert_array_equal(item["image"], wanted["image"])
        assert found.classes[item["label"]] == world.classes[wanted["label"]]


def test_an_empty_folder_is_filled_a_full_one_left_alone(tmp_path):
    (tmp_path / "scenes").mkdir()
    sheet.toyworld_folder(tmp_path / "scenes", 2)
    before = sorted(tmp_path.rglob("*"))
    for path in (tmp_path / "scenes", before[-1]):
        with pytest.raises(BadInput, match="is there already. Give another folder"):
            sheet.toyworld_folder(path, 3)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    def read(world, index, only):
        if index == 5:
            assert not (tmp_path / "scenes").exists()
            raise KeyboardInterrupt
        return {"image": np.zeros((8, 8, 3), "uint8"), "label": 0}

    monkeypatch.setattr(sheet.ToyWorld, "read", read)
    with pytest.raises(KeyboardInterrupt):
        sheet.toyworld_folder(tmp_path / "scenes", 9)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_one_has_left_is_tidied(tmp_path):
    (tmp_path / ".scenes.writing" / "tree").mkdir(parents=True)
    (tmp_path / ".scenes.writing" / "tree" / "old.png").touch()
    sheet.toyworld_folder(tmp_path / "scenes", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["scenes"]
    assert not list(tmp_path.rglob("old.png"))


def test_a_place_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="Cannot write to .*Give another folder"):
        sheet.toyworld_folder(tmp_path / "file" / "scenes", 2)
    with pytest.raises(BadInput, match="count=0; it must be 1 or more"):
        sheet.toyworld_folder(tmp_path / "scenes", 0)


def test_a_sheet_has_a_place_for_each_picture(tmp_path):
    red, blue = np.zeros((2, 8, 10, 3), "uint8")
    red[..., 0], blue[..., 2] = 255, 255
    path = sheet.sheet([[red, (blue, "blue")], [blue]], tmp_path / "x.png", ["Two"])
    page = np.asarray(Image.open(path))
    assert (page == [255, 0, 0]).all(-1).sum() == 80
    assert (page == [0, 0, 255]).all(-1).sum() == 160


def test_the_picture_of_the_docs_is_what_the_command_draws(command, tmp_path):
    """Within one level: another NumPy may round otherwise."""
    code, out, err = command("sheet", "--out", tmp_path / "toyworld.png")
    assert code == 0 and out.strip() == str(tmp_path / "toyworld.png"), err
    ours, theirs = (
        np.asarray(Image.open(path)).astype(int)
        for path in (out.strip(), ROOT / "docs" / "toyworld.png")
    )
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1, "sslzoo sheet --out docs/toyworld.png"

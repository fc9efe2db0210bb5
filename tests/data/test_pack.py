"""sslzoo pack: any images as one file, and `npz:` that reads it."""

import json

import numpy as np
import pytest
from PIL import Image

from sslzoo.data import sources

SHADES = {"dark": 40, "light": 210}


@pytest.fixture
def photos(tmp_path):
    """Plain pictures, each of a gray of its own; of the second class one more."""
    for i, (name, shade) in enumerate(SHADES.items()):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(5 + i):
            picture = Image.new("RGB", (30, 20), (shade + 3 * k,) * 3)
            picture.save(tmp_path / "photos" / name / f"{k}.png")
    return f"folder:{tmp_path / 'photos'}"


@pytest.fixture
def pack(command, tmp_path, photos):
    """(options) -> what was packed, as `npz:` reads it."""

    def run(*words, out="a.npz#train", data=photos):
        code, said, err = command("pack", data, tmp_path / out, *words, "--json")
        assert code == 0, err
        return sources.from_spec(json.loads(said)["spec"])

    return run


def shade(packed, index):
    return packed.read(index)["image"].mean()


def test_what_is_packed_is_read_back_with_names_and_labels(pack, photos):
    packed, source = pack(), sources.from_spec(photos)
    assert packed.count == source.count == 11 and packed.classes == source.classes
    files = [source.file(i) for i in range(11)]
    assert sorted(packed.file(i) for i in range(11)) == files
    for i in range(11):
        item, wanted = packed.read(i), source.read(files.index(packed.file(i)))
        assert item["label"] == wanted["label"]
        assert item["image"].shape == (20, 30, 3)
        np.testing.assert_allclose(item["image"], wanted["image"], atol=2)


def test_the_order_is_mixed_and_the_same_for_the_same_seed(pack):
    first, again, other = (
        pack("--seed", seed, out=f"{name}.npz#train").labels.tolist()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == again and first != other
    assert 0 < sum(first[:5]) < 5


def test_each_class_gives_as_many_as_were_asked_for(pack, command, tmp_path, photos):
    packed = pack("--each", 4)
    assert np.bincount(packed.labels).tolist() == [4, 4]
    assert len({packed.file(i) for i in range(8)}) == 8
    for many in (6, 0):
        words = ["pack", photos, tmp_path / "b.npz#train", "--each", many]
        code, _, err = command(*words)
        assert code == 1 and f"5 images of 'dark': cannot take {many}" in err
    assert not (tmp_path / "b.npz").exists()


def test_with_a_size_the_middle_square_is_kept(pack, tmp_path):
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 10:30] = 200
    (tmp_path / "wide").mkdir()
    Image.fromarray(wide).save(tmp_path / "wide" / "a.png")
    image = pack("--size", 10, data=f"folder:{tmp_path / 'wide'}").read(0)["image"]
    assert image.shape == (10, 10, 3) and image.min() > 190


def test_a_better_quality_takes_more_room_and_is_nearer(pack):
    noisy, sizes, far = "synthetic:4", [], []
    for quality in (30, 95):
        packed = pack("--quality", quality, data=noisy, out=f"{quality}.npz#train")
        sizes.append(len(packed.data))
        images = {packed.labels[i]: packed.read(i)["image"] for i in range(4)}
        wanted = [sources.Synthetic(4).read(i)["image"] for i in (0, 2)]
        errors = [np.abs(images[0].astype(int) - each).mean() for each in wanted]
        far.append(min(errors))
    assert sizes[0] < sizes[1] / 2 and far[0] > far[1]


def test_a_second_split_lies_beside_the_first(pack, tmp_path):
    pack("--each", 3)
    test = pack("--each", 1, out="a.npz#test")
    train = sources.from_spec(f"npz:{tmp_path / 'a.npz'}#train")
    assert (train.count, test.count) == (6, 2) and train.classes == test.classes
    assert not list(tmp_path.glob("*.writing"))


def test_a_file_is_not_overwritten_nor_its_classes_mixed(pack, command, tmp_path):
    pack()
    before = (tmp_path / "a.npz").read_bytes()
    for data, split, words in [
        ("synthetic:4", "test", "has the classes dark, light, and these images even"),
        ("synthetic:4", "train", "has images 'train' already"),
        ("synthetic:4", "", "name the images, as in"),
    ]:
        code, _, err = command("pack", data, f"{tmp_path / 'a.npz'}#{split}")
        assert code == 1 and words in err
    assert (tmp_path / "a.npz").read_bytes() == before


def test_a_picture_that_cannot_be_read_is_named_and_nothing_is_left(command, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    words = [f"folder:{tmp_path / 'photos'}", tmp_path / "a.npz#train"]
    code, _, err = command("pack", *words)
    assert code == 1 and "bad.jpg" in err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.parametrize(
    "words, said",
    [
        (["synthetic:4", "a.npz"], "'a.npz' names no images: write a.npz#train"),
        (["synthetic:4", "none/a.npz#x"], "Cannot write to none/a.npz: No such file"),
        (["synthetic:4", "a.npz#x", "--quality", "0"], "is 1 to 100, not 0"),
        (["synthetic:4", "a.npz#x", "--size", "0"], "a side of 1 or more, not 0"),
        (["synthetic:4", "notes.txt#x"], "'notes.txt' cannot be read as .npz"),
    ],
)
def test_what_cannot_be_packed_is_said(command, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("Mine.")
    code, _, err = command("pack", *words)
    assert code == 1 and said in err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_person_is_told_how_to_read_it(command, tmp_path):
    code, out, _ = command("pack", "synthetic:4", tmp_path / "a.npz#train")
    assert code == 0 and f"Read them by data=npz:{tmp_path}/a.npz#train" in out

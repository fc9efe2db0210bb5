import io
import os
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

from sslzoo.data import sources
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput, MissingExtra, MissingFile, UnknownName

ROOT = pathlib.Path(__file__).resolve().parents[2]
CIFAR = pathlib.Path(os.environ.get("SSLZOO_DATA", ROOT.parent / "shared" / "data"))
CIFAR = CIFAR / "cifar10_jpeg.npz"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write(path, seed=0, size=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(*size, 3, seed=seed)).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """Two classes; one lies deeper. Beside them, what is no image, or is hidden."""
    write(tmp_path / "cat" / "b.png", 1)
    write(tmp_path / "cat" / "a.JPG", 2)
    write(tmp_path / "dog" / "old" / "c.png", 3)
    write(tmp_path / "dog" / ".trash" / "d.png", 4)
    write(tmp_path / ".hidden" / "e.png", 5)
    (tmp_path / "cat" / "._a.jpg").write_text("no image")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def bundle(images):
    """Files one after the other, and where each begins."""
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        files.append(file.getvalue())
    offsets = np.cumsum([0] + [len(file) for file in files])
    return np.frombuffer(b"".join(files), np.uint8), offsets


def every_kind(folder):
    images = noise(4, 48, 40, 3)
    data, offsets = bundle(images)
    write(folder / "a" / "0.png", size=(48, 40))
    write(folder / "b" / "1.png", size=(48, 40))
    labels = [0, 1, 1, 0]
    arrays = sources.Arrays(images, labels, ["even", "odd"])
    return {
        "arrays": arrays,
        "float": sources.Arrays(images / 255.0, labels),
        "list": sources.Arrays(list(images), labels),
        "encoded": sources.Encoded(data, offsets, labels, ["even", "odd"]),
        "folder": sources.Folder(folder),
        "files": sources.Files(sorted(folder.rglob("*.png"))),
        "synthetic": sources.from_spec("synthetic:4"),
        "toyworld": sources.from_spec("toyworld:test?count=4&size=48"),
        "subset": sources.Subset(arrays, [3, 1]),
        "union": sources.Union([arrays, sources.from_spec("synthetic:4")]),
        "tfds": sources.TFDS(Stand(images), "tfds:stand/train"),
        "cached": sources.cached(sources.from_spec("synthetic:4")),
        "quarantine": Quarantine(arrays),
    }


KINDS = [
    *["arrays", "float", "list", "encoded", "folder", "files", "synthetic", "toyworld"],
    *["subset", "union", "tfds", "cached", "quarantine"],
]


class Stand:
    """What `tfds.data_source` gives, as far as it is used."""

    def __init__(self, images):
        label = types.SimpleNamespace(names=["even", "odd"])
        features = {"image": None, "label": label}
        self.dataset_info = types.SimpleNamespace(
            features=features, full_name="stand/1.0.0"
        )
        self.data, self.offsets = bundle(images)

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, key):
        assert isinstance(key, int)  # The real one takes no NumPy integer.
        data = self.data[self.offsets[key] : self.offsets[key + 1]].tobytes()
        return {"image": data, "label": np.int64(key % 2)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_keeps_its_word(tmp_path, kind):
    """What `fields` says is what `read` gives, whole, in part, or only some of it."""
    source = every_kind(tmp_path)[kind]
    for index in (0, np.int64(source.count - 1)):
        item = source.read(index)
        assert set(item) == set(source.fields)
        for key, value in item.items():
            spec = source.fields[key]
            assert spec.shape.is_compatible_with(np.shape(value)), key
            assert np.asarray(value).dtype == spec.dtype.as_numpy_dtype, key
        image = item["image"]
        assert image.shape[:2] == tuple(source.size(index))
        if image.dtype == np.float32:
            assert image.min() >= 0 and image.max() <= 1

        part = source.read(index, lambda h, w: (1, 2, h - 3, w - 5), only=("image",))
        np.testing.assert_array_equal(part["image"], image[1:-2, 2:-3])
        assert "label" not in part
        assert "image" not in source.read(index, only=("label",))
    assert isinstance(source.name, str) and len(source.fingerprint()) == 64


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_outside_is_refused(tmp_path, kind):
    source = every_kind(tmp_path)[kind]
    for index in (-1, source.count):
        with pytest.raises(BadInput, match="has items 0 to"):
            source.read(index)


@pytest.mark.parametrize("kind", KINDS)
def test_a_uniform_source_gives_batches_of_its_items(tmp_path, kind):
    source = every_kind(tmp_path)[kind]
    if not getattr(source, "uniform", False):
        return
    indices = np.array([1, 0, 1])
    keys = {"image", "label"} & set(source.fields)
    batch = source.batch(indices, keys)
    assert set(batch) == keys
    for key, values in batch.items():
        for index, value in zip(indices, values):
            np.testing.assert_array_equal(value, source.read(index)[key])
    assert list(source.batch(indices, ("label",))) == ["label"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_are_those_of_the_items(tmp_path, kind):
    source = every_kind(tmp_path)[kind]
    if "label" not in source.fields:
        with pytest.raises(BadInput, match="has no labels"):
            sources.labelled(source)
        return
    one_by_one = [source.read(i)["label"] for i in range(source.count)]
    np.testing.assert_array_equal(sources.labelled(source), one_by_one)


def test_importing_sources_does_not_import_tensorflow():
    code = "import sys, sslzoo.data.sources; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# A folder.


def test_folders_of_folders_are_labelled_by_their_names(photos):
    source = sources.from_spec(f"folder:{photos}")
    files = [source.file(i) for i in range(source.count)]
    assert files == ["cat/a.JPG", "cat/b.png", "dog/old/c.png"]
    assert source.classes == ("cat", "dog")
    assert sources.labelled(source).tolist() == [0, 0, 1]
    expected = np.asarray(Image.open(photos / "cat" / "b.png"))
    np.testing.assert_array_equal(source.read(1)["image"], expected)


@pytest.mark.parametrize("why", ["an image at the top", "one folder", "labels=no"])
def test_other_folders_have_no_labels(photos, why):
    spec = f"folder:{photos}"
    if why == "an image at the top":
        write(photos / "top.png")
    elif why == "one folder":
        spec += "/cat"
    else:
        spec += "?labels=no"
    source = sources.from_spec(spec)
    assert source.classes is None and "label" not in source.read(0)


def test_a_folder_is_held_to_the_numbers_that_are_asked_of_it(photos):
    fine = sources.from_spec(f"folder:{photos}?images=3&classes=2")
    assert fine.count == 3 and len(fine.classes) == 2
    for asked in ("images=4", "classes=3", "images=many"):
        what = asked.partition("=")[0]
        with pytest.raises(BadInput, match=rf"has \d {what}, and {asked} was asked"):
            sources.from_spec(f"folder:{photos}?{asked}")


def test_linked_folders_are_followed_once(photos):
    (photos / "dog" / "loop").symlink_to(photos)
    assert sources.Folder(photos).count == 3


def test_a_folder_without_images_says_what_it_holds(tmp_path):
    with pytest.raises(BadInput, match="It is empty"):
        sources.Folder(tmp_path)
    for name in ("a.heic", "b.heic", "c.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(BadInput, match=r"2 x \.heic, 1 x \.txt; images are \.jpg"):
        sources.Folder(tmp_path)


def test_a_missing_folder_names_the_one_beside(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(MissingFile, match="Did you mean 'photos'"):
        sources.from_spec(f"folder:{tmp_path}/photo")


def test_a_bad_image_is_named(photos):
    (photos / "cat" / "b.png").write_bytes(b"")
    source = sources.Folder(photos)
    for action in (source.read, source.size):
        with pytest.raises(BadInput, match=r"item 1 \(cat/b.png\): it is empty"):
            action(1)


def test_a_name_that_lies_does_not_matter(tmp_path):
    path = write(tmp_path / "a.png", size=(20, 20))
    path.rename(tmp_path / "a.jpg")
    assert sources.Folder(tmp_path).read(0)["image"].shape == (20, 20, 3)


def test_the_size_is_found_behind_a_long_header(tmp_path):
    profile = b"x" * 200_000
    Image.fromarray(noise(30, 20, 3)).save(tmp_path / "a.jpg", icc_profile=profile)
    assert sources.Folder(tmp_path).size(0) == (30, 20)


def test_the_fingerprint_is_of_names_and_sizes_not_of_the_place(photos, tmp_path):
    print1 = sources.Folder(photos).fingerprint()
    moved = photos.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    assert sources.Folder(moved).fingerprint() == print1
    with open(moved / "cat" / "b.png", "ab") as file:
        file.write(b"more")
    assert sources.Folder(moved).fingerprint() != print1


# Arrays.


@pytest.mark.parametrize(
    "images, words",
    [
        (noise(4, 3, 8, 8), "transpose"),
        (noise(8, 8, 3), "expected"),
        (noise(4, 8, 8, 3).astype(float), "divide those of 0 to 255 by 255"),
        (np.full((4, 8, 8, 3), np.nan), "must lie in"),
        (noise(4, 8, 8, 3).astype(int), "Give uint8"),
        (noise(0, 8, 8, 3), "no images"),
    ],
)
def test_arrays_that_are_no_images_are_refused(images, words):
    with pytest.raises(BadInput, match=words):
        sources.Arrays(images)


def test_gray_arrays_get_three_equal_channels():
    gray = noise(4, 8, 9)
    for images in (gray, gray[..., None]):
        image = sources.Arrays(images).read(2)["image"]
        np.testing.assert_array_equal(image, np.stack([gray[2]] * 3, axis=-1))


def test_what_is_read_cannot_change_the_source():
    source = sources.Arrays(noise(4, 8, 8, 3))
    with pytest.raises(ValueError):
        source.read(0)["image"][:] = 0


def test_labels_must_fit():
    with pytest.raises(BadInput, match="4 images but 3 labels"):
        sources.Arrays(noise(4, 8, 8, 3), [0, 1, 2])
    with pytest.raises(BadInput, match="a label is 2, but there are 2 class names"):
        sources.Arrays(noise(3, 8, 8, 3), [0, 1, 2], ["a", "b"])


# .npz files.


def test_npz_of_encoded_images(tmp_path):
    images = noise(3, 12, 10, 3)
    data, offsets = bundle(images)
    names = np.array(["a", "b"])
    one = {"one_bytes": data, "one_offsets": offsets, "y_one": [0, 1, 0]}
    two = {"two_bytes": data, "two_offsets": offsets, "two_labels": [1, 1, 1]}
    np.savez(tmp_path / "x.npz", class_names=names, **one, **two)
    for split, labels in (("one", [0, 1, 0]), ("two", [1, 1, 1])):
        source = sources.from_spec(f"npz:{tmp_path}/x.npz#{split}")
        assert source.classes == ("a", "b")
        assert sources.labelled(source).tolist() == labels
        for i, image in enumerate(images):
            np.testing.assert_array_equal(source.read(i)["image"], image)
    with pytest.raises(UnknownName, match="Did you mean 'one'"):
        sources.from_spec(f"npz:{tmp_path}/x.npz#ones")
    with pytest.raises(UnknownName, match="say which images. It has: one, two"):
        sources.from_spec(f"npz:{tmp_path}/x.npz")


@pytest.mark.parametrize("names", [("images", "labels", ""), ("x_a", "y_a", "#a")])
def test_npz_of_arrays(tmp_path, names):
    images, labels, split = names
    np.savez(tmp_path / "x.npz", **{images: noise(3, 8, 8, 3), labels: [2, 0, 1]})
    source = sources.from_spec(f"npz:{tmp_path}/x.npz{split}")
    np.testing.assert_array_equal(source.images, noise(3, 8, 8, 3))
    assert sources.labelled(source).tolist() == [2, 0, 1]


def test_a_broken_npz_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"no zip")
    with pytest.raises(BadInput, match="cannot be read as .npz"):
        sources.from_spec(f"npz:{tmp_path}/x.npz")


def test_offsets_must_fit():
    data, offsets = bundle(noise(3, 8, 8, 3))
    with pytest.raises(BadInput, match="the offsets end at"):
        sources.Encoded(data[:-1], offsets)
    with pytest.raises(BadInput, match="do not grow"):
        sources.Encoded(data, offsets[::-1])


@pytest.mark.skipif(not CIFAR.exists(), reason=f"no {CIFAR.name}: set SSLZOO_DATA")
def test_cifar10_is_read_as_pillow_reads_it():
    source = sources.from_spec(f"npz:{CIFAR}#test")
    assert source.count == 10000 and source.classes[0] == "airplane"
    assert np.bincount(sources.labelled(source)).tolist() == [1000] * 10
    few = sources.cached(sources.Subset(source, range(200)))
    assert few.uniform and few.images.shape == (200, 32, 32, 3)
    for i in range(200):
        by_pillow = Image.open(io.BytesIO(source.encoded(i)))
        np.testing.assert_array_equal(few.images[i], np.asarray(by_pillow))


# Specs.


def test_a_plus_joins_sources_but_not_inside_a_path(tmp_path):
    write(tmp_path / "a+b" / "0.png")
    source = sources.from_spec(f"folder:{tmp_path}/a+b+synthetic:3+toyworld:?count=2")
    assert source.count == 6 and source.sources[0].count == 1
    assert source.sources[0].name == f"folder:{tmp_path}/a+b"


@pytest.mark.parametrize(
    "spec, words",
    [
        ("foldr:/photos", "Did you mean 'folder'"),
        (str(ROOT), "Did you mean 'folder:"),
        ("toyworld:train?cout=3", "Did you mean 'count'"),
        ("toyworld:train?count=many", "'many' is no whole number"),
        ("synthetic:0", "1 or more"),
        ("synthetic:3+fodler:x", "Did you mean 'folder'"),
        ("tfds:cifar10", "tfds:NAME/SPLIT"),
    ],
)
def test_a_wrong_spec_says_what_is_right(spec, words):
    with pytest.raises((BadInput, UnknownName), match=words):
        sources.from_spec(spec)


def test_tfds_opens_by_name_without_decoding(monkeypatch):
    asked, images = {}, noise(4, 12, 10, 3)

    def data_source(name, split, decoders):
        asked.update(name=name, split=split, decoders=decoders)
        return Stand(images)

    stand = types.ModuleType("tensorflow_datasets")
    stand.data_source = data_source
    stand.decode = types.SimpleNamespace(SkipDecoding=lambda: "raw")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", stand)
    source = sources.from_spec("tfds:places/small:1.0/train")
    assert asked == {
        "name": "places/small:1.0",
        "split": "train",
        "decoders": {"image": "raw"},
    }
    np.testing.assert_array_equal(source.read(np.int64(3))["image"], images[3])
    assert source.classes == ("even", "odd")


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A dataset `blobs` that tensorflow-datasets itself writes, and reads again."""
    tfds = pytest.importorskip("tensorflow_datasets")
    place = str(tmp_path_factory.mktemp("tfds"))

    class Blobs(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            label = tfds.features.ClassLabel(names=["even", "odd"])
            image = tfds.features.Image(shape=(None, None, 3))
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i in range(6):
                image = np.full((20 + i, 30, 3), 40 * i, np.uint8)
                yield i, {"image": image, "label": i % 2}

    Blobs(data_dir=place, file_format="array_record").download_and_prepare()
    tfds.core.add_data_dir(place)


def test_tensorflow_datasets_itself_gives_windows_of_its_encoded_images(blobs):
    source = sources.from_spec("tfds:blobs/train")
    assert (source.count, source.classes) == (6, ("even", "odd"))
    seen = set()
    for i in range(6):
        item = source.read(i)
        height, value = len(item["image"]), int(item["image"][0, 0, 0])
        assert value == 40 * (height - 20) and item["label"] == height % 2
        seen.add(height)
        part = source.read(i, window=lambda h, w: (2, 3, 10, 12))["image"]
        np.testing.assert_array_equal(part, item["image"][2:12, 3:15])
    assert seen == set(range(20, 26))


@pytest.mark.parametrize(
    "spec, words",
    [
        ("tfds:cifar01/train", "no 'cifar01'. Did you mean 'cifar10'"),
        ("tfds:blobs/tran", "Unknown split 'tran'"),
    ],
)
def test_what_tensorflow_datasets_does_not_have_is_said_in_a_line(blobs, spec, words):
    with pytest.raises((BadInput, UnknownName), match=words) as told:
        sources.from_spec(spec)
    assert "\n" not in str(told.value)


def test_tfds_missing_says_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sslzoo\[tfds\]'"):
        sources.from_spec("tfds:cifar10/train")

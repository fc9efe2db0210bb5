"""Features of a folder, in a file that knows what made them."""

import contextlib
import dataclasses
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.errors import BadInput, MissingExtra, MissingFile, RunStopped, UnknownName
from sslzoo.evaluation import embeddings
from sslzoo.evaluation.embeddings import features, read
from sslzoo.zoo import input as inputs
from sslzoo.zoo import serving
from sslzoo.zoo.card import Card

CONTRACT = {"size": 16, "crop": 0.875, "interpolation": "bicubic", "antialias": False}


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


@pytest.fixture(scope="module")
def model():
    """As `load` gives it: with a card."""
    made = backbones.build("tiny", width=4)
    made.card = Card("byol_tiny.toy", "", "", {}, CONTRACT, [], {}, revision=3)
    return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of pictures of several sizes; one of them is broken."""
    folder = tmp_path_factory.mktemp("photos")
    for i, name in enumerate(("a/0.png", "a/1.jpg", "b/2.png", "b/3.png")):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise(20 + i, 30, 3)).save(folder / name)
    (folder / "b" / "broken.jpg").write_bytes(b"\xff\xd8\xff none")
    return folder


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Digits are compared: on no processor does "auto" mean bfloat16 here."""
    monkeypatch.setattr(serving, "UNITS", set())


def expected(model, paths, name="pooled"):
    batch = inputs.prepared(list(paths), {**CONTRACT, "channels": 3})
    return model(batch)[name].numpy()


def test_a_folder_gives_a_vector_for_each_picture(model, photos):
    found = features(model, photos)
    assert found.files == ["a/0.png", "a/1.jpg", "b/2.png", "b/3.png"]
    assert found.labels.tolist() == [0, 0, 1, 1] and found.classes == ("a", "b")
    paths = [photos / name for name in found.files]
    np.testing.assert_allclose(found.vectors, expected(model, paths), rtol=1e-4)


def test_the_precision_is_told_and_of_bfloat16_the_space_is_the_same(
    model, photos, monkeypatch
):
    monkeypatch.setattr(serving, "_processor", lambda: {"flags", "avx512f"})
    exact = features(model, photos)
    quick = features(model, photos, precision="bfloat16")
    assert exact.provenance["precision"] == "float32"
    assert quick.provenance["precision"] == "bfloat16"
    exact.check_space(quick.provenance)
    np.testing.assert_allclose(quick.vectors, exact.vectors, rtol=0, atol=0.01)


def test_by_itself_it_takes_what_the_processor_is_quick_at(
    model, photos, monkeypatch, command, tmp_path
):
    """Folded always; in bfloat16 where there are units for it; by the command too."""
    monkeypatch.setattr(serving, "UNITS", {"avx512_bf16"})
    monkeypatch.setattr(serving, "_processor", lambda: {"flags", "avx512_bf16"})
    made, quick = [], serving.quick
    monkeypatch.setattr(serving, "quick", lambda m: made.append(quick(m)) or made[-1])
    assert features(model, photos).provenance["precision"] == "bfloat16"
    (network,) = made
    assert network is not model and not batch_norms(network)
    assert batch_norms(model)

    asked = {}
    monkeypatch.setattr(
        embeddings, "features", lambda *args, **options: asked.update(options)
    )
    with contextlib.suppress(AttributeError):  # It has no features to tell of.
        command("features", "byol_tiny", photos, tmp_path / "a.npz")
    assert asked["precision"] == "auto"


def batch_norms(model):
    layers = model._flatten_layers(include_self=False)
    return [one for one in layers if isinstance(one, keras.layers.BatchNormalization)]


def test_broken_pictures_are_left_out_and_named(model, photos, caplog):
    found = features(model, photos, batch_size=2)
    assert len(found.vectors) == 4
    assert list(found.skipped) == ["b/broken.jpg"]
    assert "JPEG" in found.skipped["b/broken.jpg"]
    assert "1 of 5 images cannot be read and are left out: b/broken.jpg" in caplog.text


def test_a_folder_of_nothing_but_broken_pictures_is_an_error(model, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"none")
    with pytest.raises(RunStopped, match="None of the 1 images can be read"):
        features(model, tmp_path)


def test_a_folder_without_images_is_an_error(model, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(BadInput, match="No image below .*1 x .txt"):
        features(model, tmp_path)
    with pytest.raises(MissingFile, match="nowhere"):
        features(model, tmp_path / "nowhere")


def test_paths_arrays_and_sources_are_images_too(model, photos):
    paths = [photos / "a" / "0.png", photos / "b" / "2.png"]
    arrays = [np.asarray(Image.open(path)) for path in paths]
    wanted = expected(model, paths)
    for images in (paths, arrays, sources.Files(paths)):
        found = features(model, images)
        np.testing.assert_allclose(found.vectors, wanted, rtol=1e-4)
    assert found.files == ["a/0.png", "b/2.png"]
    one = features(model, paths[0])
    np.testing.assert_allclose(one.vectors, wanted[:1], rtol=1e-4)
    batch = noise(3, 16, 16, 3)
    found = features(model, batch, contract={**CONTRACT, "crop": 1.0})
    np.testing.assert_allclose(
        found.vectors, model(batch / np.float32(255))["pooled"], rtol=1e-4, atol=1e-6
    )
    assert found.files == ["0", "1", "2"] and found.labels is None


@pytest.mark.parametrize(
    "images, words",
    [
        (noise(2, 16, 16, 3) * 1.0, "divide those of 0 to 255 by 255"),
        (noise(2, 16, 16, 4), "is expected"),
        (noise(2, 16, 16, 3).astype("int32"), "Give uint8"),
        (noise(0, 16, 16, 3), "no images"),
        ([], "no images"),
        ({"images": noise(2, 16, 16, 3)}, "no images in {'images'"),
        (
            tf.data.Dataset.from_tensors(noise(2, 16, 16, 3)),
            r"a dataset have no names. sslzoo.load\(NAME\).predict\(dataset\)",
        ),
        (noise(2, 16, 16, 3) / 255 - 1, "divide those of"),
        (noise(16, 16, 3), "is expected"),
    ],
)
def test_arrays_that_are_no_images_are_refused(model, images, words):
    with pytest.raises(BadInput, match=words):
        features(model, images)


def test_pictures_of_pillow_are_images_too(model):
    """Alone or in a list, with transparency or without."""
    picture = Image.fromarray(noise(20, 16, 3))
    expected = features(model, np.asarray(picture)[None]).vectors
    for given in (picture, [picture], picture.convert("RGBA")):
        np.testing.assert_allclose(features(model, given).vectors, expected, rtol=1e-5)


def test_maps_are_averaged_over_their_places(model, photos):
    found = features(model, photos, endpoint="block1")
    paths = [photos / name for name in found.files]
    wanted = expected(model, paths, "block1").mean(axis=(1, 2))
    np.testing.assert_allclose(found.vectors, wanted, rtol=1e-4)
    assert found.provenance["endpoint"] == "block1"
    with pytest.raises(UnknownName, match="Did you mean 'block1'"):
        features(model, photos, endpoint="blok1")


def test_a_model_of_one_vector_needs_no_endpoint(model, photos):
    pooled = keras.Model(model.input, model.output["pooled"])
    pooled.card = model.card
    np.testing.assert_allclose(
        features(pooled, photos).vectors, features(model, photos).vectors, rtol=1e-5
    )
    with pytest.raises(BadInput, match="gives one vector, not 'block1'"):
        features(pooled, photos, endpoint="block1")


def test_l2_makes_vectors_of_length_one(model, photos):
    vectors = features(model, photos, l2=True).vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_a_model_without_a_card_must_be_told_how_images_are_shown(photos):
    stranger = backbones.build("tiny")
    with pytest.raises(BadInput, match="Give contract="):
        features(stranger, photos)
    found = features(stranger, photos, contract=CONTRACT)
    assert found.provenance["model"] == "tiny"
    assert found.provenance["revision"] is None


def test_the_provenance_says_what_decides_the_numbers(model, photos):
    about = features(model, photos).provenance
    assert about["model"] == "byol_tiny.toy" and about["revision"] == 3
    assert about["input"] == {**CONTRACT, "quick": False}
    assert about["source"] == f"folder:{photos}"
    assert len(about["weights"]) == len(about["preprocessing"]) == 64
    assert (
        about["preprocessing"]
        != features(model, photos, quick=True).provenance["preprocessing"]
    )


def fields(found):
    values = dataclasses.asdict(found)
    values["vectors"] = values["vectors"].tolist()
    values["labels"] = None if found.labels is None else found.labels.tolist()
    return values


@pytest.mark.parametrize("kind", ["npz", "parquet"])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_file_gives_back_all_that_was_written(
    model, photos, tmp_path, kind, labelled
):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    images = photos if labelled else photos / "a"
    found = features(model, images, out=tmp_path / f"x.{kind}")
    assert fields(read(tmp_path / f"x.{kind}")) == fields(found)
    assert [path.name for path in tmp_path.iterdir()] == [f"x.{kind}"]


def test_parquet_is_a_table_for_anyone(model, photos, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    found = features(model, photos, out=tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet").to_pydict()
    assert table["file"] == found.files
    np.testing.assert_array_equal(table["vector"], found.vectors)


def test_parquet_without_pyarrow_names_the_extra(model, photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sslzoo\[parquet\]'"):
        features(model, photos, out=tmp_path / "x.parquet")


def test_what_is_appended_comes_after(model, photos, tmp_path):
    out = tmp_path / "x.npz"
    features(model, [photos / "a" / "0.png"], out=out)
    with pytest.raises(BadInput, match="is there already"):
        features(model, photos, out=out)
    features(model, photos / "b", out=out, append=True)
    whole = read(out)
    assert whole.files == ["0.png", "2.png", "3.png"]
    assert whole.vectors.shape == (3, 8) and list(whole.skipped) == ["broken.jpg"]
    assert whole.provenance["source"] == f"files+folder:{photos / 'b'}"
    with pytest.raises(BadInput, match="2 images are there already, such as '2.png'"):
        features(model, photos / "b", out=out, append=True)


def test_appended_arrays_are_numbered_on(model, photos, tmp_path):
    """They have no names by which to tell whether they are there already."""
    out, images = tmp_path / "x.npz", noise(5, 16, 16, 3)
    features(model, images[:2], out=out)
    more = features(model, images[2:], out=out, append=True)
    assert more.files == ["2", "3", "4"] and read(out).files == list("01234")
    assert read(out).provenance["source"] == "arrays"
    whole = features(model, images).vectors
    np.testing.assert_allclose(read(out).vectors, whole, rtol=1e-4, atol=1e-6)
    out = tmp_path / "named.npz"
    features(model, photos / "b", out=out)  # Of three, one cannot be read.
    features(model, images[:1], out=out, append=True)
    assert read(out).files == ["2.png", "3.png", "3"]


def test_the_same_images_by_a_spec_are_not_appended_again(model, tmp_path):
    out, told = tmp_path / "x.npz", []
    features(model, sources.from_spec("synthetic:3"), out=out)
    with pytest.raises(BadInput, match="has the images of synthetic:3 already. Give"):
        features(
            model,
            sources.from_spec("synthetic:3"),
            out=out,
            append=True,
            progress=lambda *n: told.append(n),
        )
    features(model, sources.from_spec("synthetic:2"), out=out, append=True)
    assert not told and read(out).files == list("01234")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"endpoint": "block1"}, "other endpoint"),
        ({"quick": True}, "other preprocessing"),
        ({"contract": {**CONTRACT, "size": 24}}, "other preprocessing"),
        ({"l2": True}, "other l2"),
        ({"model": "other"}, "other weights"),
    ],
)
def test_two_spaces_are_never_mixed_in_one_file(model, photos, tmp_path, change, words):
    """And it is said before the long work begins."""
    out = tmp_path / "x.npz"
    features(model, photos, out=out)
    before = out.read_bytes()
    change = dict(change)
    if change.get("model"):
        keras.utils.set_random_seed(1)
        change["model"] = backbones.build("tiny", width=4)
        change["model"].card = model.card
    told = []
    with pytest.raises(BadInput, match=f"Features of two spaces: .*{words}"):
        options = {"model": model, "images": photos / "b", **change}
        features(**options, out=out, append=True, progress=lambda *n: told.append(n))
    assert not told and out.read_bytes() == before


@pytest.mark.parametrize(
    "out, words",
    [("x.csv", "to a file .npz or .parquet"), ("none/x.npz", "its folder is not")],
)
def test_a_file_that_cannot_be_is_refused_at_once(model, photos, tmp_path, out, words):
    with pytest.raises(BadInput, match=words):
        features(model, photos, out=tmp_path / out)


def test_a_disk_that_fills_up_leaves_nothing(model, photos, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embeddings.np, "savez", full)
    with pytest.raises(BadInput, match="No space left"):
        features(model, photos, out=tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def test_labels_are_kept_where_both_have_the_same_classes(model, photos):
    found = features(model, photos)
    other = dataclasses.replace(found, files=[f"more/{name}" for name in found.files])
    assert found.joined(other).labels.tolist() == [0, 0, 1, 1] * 2
    assert found.joined(dataclasses.replace(other, labels=None)).labels is None


def test_what_is_no_file_of_features_is_not_read(tmp_path):
    np.savez(tmp_path / "x.npz", vectors=np.zeros(3))
    (tmp_path / "y.npz").write_bytes(b"none")
    (tmp_path / "empty.npz").touch()
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    for name in ("x", "y", "empty", "array"):
        with pytest.raises(BadInput, match="no file of features"):
            read(tmp_path / f"{name}.npz")
    with pytest.raises(MissingFile):
        read(tmp_path / "z.npz")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"vectors": np.zeros(4)}, r"vectors of shape \(4,\) for 4 images"),
        ({"files": ["a"]}, r"vectors of shape \(4, 8\) for 1 images"),
        ({"labels": np.zeros(2, int)}, r"labels of shape \(2,\) for 4 images"),
        ({"provenance": {"model": "x"}}, "lacks revision, input, precision, source"),
        ({"provenance": None}, "no file of features"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_not_read(
    model, photos, tmp_path, change, words
):
    dataclasses.replace(features(model, photos), **change).save(tmp_path / "x.npz")
    with pytest.raises(BadInput, match=words):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_half_a_file_is_not_read(model, photos, tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"x.{kind}"
    features(model, photos, out=path)
    whole = path.read_bytes()
    for part in range(0, len(whole), 97):
        path.write_bytes(whole[:part])
        with pytest.raises(BadInput, match="no file of features"):
            read(path)


def test_pickled_arrays_are_not_opened(tmp_path):
    about = np.array([{"provenance": {}}], object)
    np.savez(tmp_path / "x.npz", vectors=np.zeros(3), files=about, about=about)
    with pytest.raises(BadInput, match="no file of features"):
        read(tmp_path / "x.npz")


def test_other_backends_are_shown_another_way(model, photos, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(BadInput, match="Keras run on torch. .*load_preprocessor"):
        features(model, photos)


def test_progress_is_told(model, photos):
    told = []
    features(model, photos, batch_size=2, progress=lambda *done: told.append(done))
    assert told == [(2, 5), (4, 5), (5, 5)]

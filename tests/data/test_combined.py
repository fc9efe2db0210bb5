import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sslzoo import recipe, watch
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream, training_batches
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write(path, seed=0, size=(12, 10)):
    Image.fromarray(noise(*size, 3, seed=seed)).save(path)


def test_a_union_has_labels_only_if_its_classes_agree():
    one = sources.Arrays(noise(2, 8, 8, 3), [0, 1], ["a", "b"])
    two = sources.Arrays(noise(2, 8, 8, 3), [1, 0], ["a", "b"])
    other = sources.Arrays(noise(2, 8, 8, 3), [1, 0], ["b", "a"])
    assert sources.labelled(sources.Union([one, two])).tolist() == [0, 1, 1, 0]
    assert "label" not in sources.Union([one, other]).read(0)


def test_a_union_of_bytes_and_floats_is_float():
    images = noise(2, 8, 8, 3)
    union = sources.Union([sources.Arrays(images), sources.Arrays(images / 255.0)])
    assert union.fields["image"].dtype == "float32"
    first, second = union.read(0)["image"], union.read(2)["image"]
    np.testing.assert_allclose(first, second, atol=1e-7)


def test_a_subset_must_lie_in_its_source():
    with pytest.raises(BadInput, match="it has 0 to 1"):
        sources.Subset(sources.from_spec("synthetic:2"), [0, 2])


def test_cached_keeps_pixels_labels_and_fingerprint():
    source, seen = sources.from_spec("synthetic:200"), []
    kept = sources.cached(source, workers=3, progress=lambda *n: seen.append(n))
    assert kept.uniform and kept.fingerprint() == source.fingerprint()
    for i in (0, 63, 64, 199):
        np.testing.assert_array_equal(kept.read(i)["image"], source.read(i)["image"])
    np.testing.assert_array_equal(sources.labelled(kept), sources.labelled(source))
    assert seen[-1] == (200, 200) and [done for done, _ in seen] == sorted(
        done for done, _ in seen
    )


def test_who_watches_is_told_of_images_decoded_below_a_recipe():
    seen = []
    with watch.by(lambda *told: seen.append(told)):
        knobs = dict(data="synthetic:80", test="synthetic:3", batch_size=4)
        recipe.load("byol_r18w16_cifar10", **knobs)
    assert seen[-1] == (3, 3) and (80, 80) in seen
    before = len(seen)
    sources.cached(sources.from_spec("synthetic:3"))  # Nobody watches now.
    assert len(seen) == before


def test_cached_keeps_images_of_several_sizes(tmp_path):
    write(tmp_path / "a.png", 1, (12, 10))
    write(tmp_path / "b.png", 2, (20, 30))
    source = sources.Folder(tmp_path)
    kept = sources.cached(source)
    assert not kept.uniform
    for i in range(2):
        np.testing.assert_array_equal(kept.read(i)["image"], source.read(i)["image"])


def test_cached_reduces_to_a_short_side(tmp_path):
    write(tmp_path / "a.jpg", 1, (300, 200))
    write(tmp_path / "b.png", 2, (20, 30))
    kept = sources.cached(sources.Folder(tmp_path), size=40)
    assert kept.read(0)["image"].shape == (60, 40, 3)
    assert kept.read(1)["image"].shape == (20, 30, 3)
    assert kept.fingerprint() != sources.Folder(tmp_path).fingerprint()


def folder(path, bad=("001.png",), size=(12, 10)):
    for label in ("a", "b"):
        (path / label).mkdir()
    for index in range(100):
        write(path / "ab"[index % 2] / f"{index:03}.png", index, size)
    for name in bad:
        (path / name).write_bytes(b"")
    return sources.Folder(path)


@pytest.mark.parametrize("several_sizes", [False, True])
def test_cached_keeps_bad_images_as_bad(tmp_path, several_sizes):
    source = folder(tmp_path, ["a/000.png", "b/003.png"])
    if several_sizes:
        write(tmp_path / "a" / "002.png", 2, (20, 30))
    kept = sources.cached(source, workers=3)
    assert kept.uniform != several_sizes and kept.fingerprint() == source.fingerprint()
    assert sources.labelled(kept).tolist() == sources.labelled(source).tolist()
    bad = [i for i in range(100) if source.file(i) in ("a/000.png", "b/003.png")]
    for index in range(100):
        if index not in bad:
            item = kept.read(index)["image"]
            np.testing.assert_array_equal(item, source.read(index)["image"])
            continue
        for action in (kept.read, kept.size):
            with pytest.raises(BadInput, match="item .* .[ab]/00[03].png.: it is emp"):
                action(index)
        assert kept.read(index, only=("label",)) == {"label": source.labels[index]}
    if kept.uniform:
        with pytest.raises(BadInput, match="b/003.png"):
            kept.batch(np.array([5, bad[1]]))
        assert kept.batch(np.array(bad), ("label",))["label"].tolist() == [0, 1]


def test_cached_does_not_read_on_when_interrupted():
    threads, seen = threading.active_count(), []

    def interrupted(done, count):
        seen.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source = sources.from_spec("synthetic:2000")
        sources.cached(source, workers=1, progress=interrupted)
    assert threading.active_count() == threads and len(seen) == 1


def test_cached_of_bad_images_alone_is_refused(tmp_path):
    for name in ("0.png", "1.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(BadInput, match="None of its 2 images.*0.png"):
        sources.cached(sources.Folder(tmp_path))


@pytest.mark.parametrize("several_sizes", [False, True])
def test_a_stream_of_cached_images_goes_round_bad_ones(tmp_path, several_sizes):
    """The same way each time, and with their names."""
    source = folder(tmp_path, ["b/001.png"])
    if several_sizes:
        write(tmp_path / "a" / "002.png", 2, (20, 30))
    kept = sources.cached(source)

    def epoch(path):
        guarded = Quarantine(kept, path)
        stream = Stream(guarded, mean, 10)
        batches = training_batches(stream, ("label",)).take(10)
        found = [(b["mean"].numpy(), b["label"].numpy()) for b in batches]
        return guarded, np.concatenate(found, axis=1)

    guarded, found = epoch(tmp_path / "quarantine.csv")
    (bad,) = guarded.bad
    assert source.file(bad) == "b/001.png" and "it is empty" in guarded.bad[bad]
    assert "b/001.png" in (tmp_path / "quarantine.csv").read_text()
    np.testing.assert_array_equal(epoch(None)[1], found)

    items = [guarded.replacement(bad, 1) if i == bad else i for i in range(100)]
    images = [source.read(i)["image"].astype(np.float32).mean() for i in items]
    np.testing.assert_allclose(np.sort(found[0]), np.sort(images), rtol=1e-5)


def mean(item, seed):
    return {"mean": tf.reduce_mean(tf.cast(item["image"], tf.float32), [-3, -2, -1])}

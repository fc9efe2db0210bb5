import threading

import numpy as np
import pytest
from PIL import Image

from sslzoo.data import sources
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


def test_cached_stops_at_a_bad_image_and_names_it(tmp_path):
    """Without reading on in the background."""
    for index in range(200):
        write(tmp_path / f"{index:03}.png", index)
    (tmp_path / "001.png").write_bytes(b"")
    source, threads, seen = sources.Folder(tmp_path), threading.active_count(), []
    with pytest.raises(BadInput, match="item 1 .001.png.: it is empty"):
        sources.cached(source, workers=1, progress=lambda *n: seen.append(n))
    assert threading.active_count() == threads and len(seen) < 4

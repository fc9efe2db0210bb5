"""Pictures with depth: of the toy world, and of a file like the sample of NYU."""

import io

import numpy as np
import pytest
from PIL import Image

from sslzoo import color
from sslzoo.data import rgbd, sources, terms
from sslzoo.errors import BadInput


def encoded(pixels, kind):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return np.frombuffer(buffer.getvalue(), np.uint8)


@pytest.fixture
def file(tmp_path):
    """Two frames: a floor 1.5 m below, a wall at 5 m; one has no depth in a corner."""
    y = (np.arange(1, 481) - color.NYU.centre[1]) / color.NYU.focal[1]
    floor = np.minimum(5, 1.5 / np.maximum(y, 1e-9))
    depth = np.tile(np.round(25 * floor)[:, None], 640).astype(np.uint8)
    hole = depth.copy()
    hole[:100, :100] = 0
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    arrays = {"depth_metres_per_unit": np.float32(0.04)}
    for name, files in (
        ("image", [encoded(image, "png"), encoded(255 - image, "png")]),
        ("depth", [encoded(depth, "png"), encoded(hole, "png")]),
    ):
        arrays[f"{name}_bytes"] = np.concatenate(files)
        arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, files)])
    np.savez(tmp_path / "frames.npz", **arrays)
    return tmp_path / "frames.npz", image


def test_a_file_of_frames_gives_pictures_and_hha(file):
    path, image = file
    source = sources.from_spec(f"rgbd:{path}?every=2")
    item, holed = source.read(0), source.read(1)
    assert source.count == 2 and source.size(0) == (213, 280)
    assert [*item] == ["image", "hha"] == [*source.fields]
    part = image[44:470, 40:600].reshape(213, 2, 280, 2, 3).mean((1, 3))
    np.testing.assert_allclose(item["image"], part, atol=0.51)
    floor, wall = item["hha"][-10:, 20:-20], item["hha"][30:40, 20:-20]
    # Depth in steps of 4 cm makes normals of a far floor rough: its median tells.
    assert abs(np.median(floor[..., 2]) - 38) <= 2 and floor[..., 1].mean() < 25
    assert (abs(wall - [62, 255, 128.0]) <= [1, 30, 3]).all()
    assert not holed["hha"][:28, :30].any() and holed["hha"][:28, 31:].any(-1).all()


def test_it_is_made_once_and_the_same_in_batches_and_windows(file, monkeypatch):
    source = sources.from_spec(f"rgbd:{file[0]}")
    items = [source.read(i) for i in range(2)]
    monkeypatch.setattr(source.source, "read", None)
    batch = source.batch([1, 0])
    np.testing.assert_array_equal(batch["hha"], [items[1]["hha"], items[0]["hha"]])
    part = source.read(1, lambda height, width: (5, 6, 70, 80))
    np.testing.assert_array_equal(part["hha"], items[1]["hha"][5:75, 6:86])
    np.testing.assert_array_equal(part["image"], items[1]["image"][5:75, 6:86])
    assert list(part["region"]) == [5, 6, 70, 80]


def test_the_toy_world_tells_its_camera():
    """Of its ground, whose depth is f H / (v - horizon), the height is the least."""
    world = sources.from_spec("toyworld:train?count=3&size=64")
    source = sources.from_spec("rgbd:toyworld:train?count=3&size=64")
    assert [*source.fields] == ["image", "hha", "label"]
    assert list(source.labels) == list(world.labels)
    for index in range(3):
        scene, camera = world.scene(index), world.camera(index)
        depth = world.read(index, only=("depth",))["depth"]
        v = (np.arange(1, 65) - camera.centre[1]) / camera.focal[1]
        below = np.median(depth * v[:, None], axis=1)[-3:]
        np.testing.assert_allclose(below, scene.height, rtol=0.02)
    item = source.read(0)
    np.testing.assert_array_equal(item["image"], world.read(0)["image"])
    assert abs(np.median(item["hha"][-3:, :, 2]) - 38) <= 3
    assert source.fingerprint() != world.fingerprint()


def test_what_is_known_of_the_images_is_told():
    assert terms.of("rgbd:some/nyu_depth_sample.npz?every=2").name.startswith("NYU")
    assert terms.words("rgbd:toyworld:test?count=3") == "toy world, test"
    assert not terms.of("rgbd:mine.npz").name


class Odd(sources.Source):
    count, name = 1, "odd"

    def read(self, index, window=None, smallest=None, only=None):
        return {"image": np.zeros((8, 9, 3), np.uint8), "depth": np.zeros((4, 5))}


def test_depth_of_another_size_is_refused():
    with pytest.raises(BadInput, match=r"item 0: the picture has \(8, 9\).*\(4, 5\)"):
        rgbd.RGBD(Odd(), "odd").read(0, only=("hha",))


def test_what_is_no_file_of_frames_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(BadInput, match=r"has no depth_bytes.* Pictures alone are npz:"):
        sources.from_spec(f"rgbd:{tmp_path}/a.npz")
    image = encoded(np.zeros((8, 9, 3), np.uint8), "png")
    right = encoded(np.zeros((480, 640, 3), np.uint8), "png")
    arrays = {f"{k}_bytes": image for k in ("image", "depth")}
    arrays |= {f"{k}_offsets": np.array([0, len(image)]) for k in ("image", "depth")}
    np.savez(tmp_path / "b.npz", **arrays, depth_metres_per_unit=np.float32(1))
    source = sources.from_spec(f"rgbd:{tmp_path}/b.npz")
    with pytest.raises(BadInput, match=r"the picture of item 0 has \(8, 9\) pixels"):
        source.read(0)
    arrays |= {"image_bytes": right, "image_offsets": np.array([0, len(right)])}
    np.savez(tmp_path / "c.npz", **arrays, depth_metres_per_unit=np.float32(1))
    with pytest.raises(BadInput, match=r"the depth of item 0 has \(8, 9\) pixels"):
        sources.from_spec(f"rgbd:{tmp_path}/c.npz").read(0)
    with pytest.raises(BadInput, match="every=0"):
        sources.from_spec(f"rgbd:{tmp_path}/b.npz?every=0")

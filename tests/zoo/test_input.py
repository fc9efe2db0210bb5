"""What a model is shown; the judge of the resizing is TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sslzoo.data import decode
from sslzoo.errors import BadInput, MissingFile
from sslzoo.zoo import input as inputs

CONTRACT = {
    "size": 32,
    "smallest": 8,
    "fixed": False,
    "channels": 3,
    "crop": 0.875,
    "interpolation": "bicubic",
    "antialias": False,
}
SIDES = [(1, 8), (2, 7), (3, 3), (5, 4), (28, 32), (33, 64), (64, 32), (97, 96)]
SIDES += [(131, 1), (196, 224), (224, 196), (328, 224), (375, 96), (1001, 32)]


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_resizing_is_that_of_tensorflow(interpolation, antialias):
    """Both add up to some dozen products in float32: 1e-6 is a few of its last bits."""
    for side, size in SIDES:
        image = np.random.default_rng(side).random((side, side, 3), np.float32)
        expected = tf.image.resize(
            image, (size, size), interpolation, antialias=antialias
        )
        ours = inputs.resize(image, size, interpolation, antialias)
        np.testing.assert_allclose(ours, expected, atol=1e-6, err_msg=f"{side, size}")


def test_a_large_photograph_is_resized_in_parts():
    image = np.random.default_rng(0).random((1500, 1500, 3), np.float32)
    expected = tf.image.resize(image, (64, 64), "bicubic", antialias=True)
    ours = inputs.resize(image, 64, "bicubic", True)
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("height, width", [(50, 40), (33, 64), (20, 90), (375, 500)])
def test_the_view_is_the_centre_resized_and_clipped(height, width):
    image = noise(height, width, 3)
    side = int(0.875 * min(height, width))
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    part = image[top : top + side, left : left + side] / np.float32(255)
    expected = np.clip(tf.image.resize(part, (32, 32), "bicubic"), 0, 1)
    for given in (image, image / np.float32(255)):
        shown = inputs.view(given, CONTRACT)
        assert shown.dtype == np.float32
        np.testing.assert_allclose(shown, expected, atol=1e-6)


def test_what_has_the_right_size_is_shown_as_it_is():
    image = noise(32, 32, 3)
    shown = inputs.view(image, {**CONTRACT, "crop": 1.0})
    np.testing.assert_array_equal(shown, image * np.float32(1 / 255))


def test_the_window_is_that_of_byol_at_224():
    """Padded by 32: 224 / 256 of the short side; the odd pixel is above and left."""
    top, left = (375 - 328 + 1) // 2, (500 - 328) // 2
    assert inputs.window(375, 500, 224 / 256) == (top, left, 328, 328)


def test_an_unknown_interpolation_is_refused():
    with pytest.raises(BadInput, match="'lanczos'.*bicubic"):
        inputs.view(noise(50, 50, 3), {**CONTRACT, "interpolation": "lanczos"})


def test_a_path_a_picture_and_an_array_are_prepared_alike(tmp_path):
    image = noise(50, 40, 3)
    Image.fromarray(image).save(tmp_path / "a.png")
    expected = inputs.view(image, CONTRACT)
    for given in (image, Image.fromarray(image), tmp_path / "a.png"):
        np.testing.assert_array_equal(inputs.prepared(given, CONTRACT), expected)
    many = inputs.prepared([image, tmp_path / "a.png"], CONTRACT)
    np.testing.assert_array_equal(many, [expected, expected])
    batch = inputs.prepared(np.stack([image, image]), CONTRACT)
    np.testing.assert_array_equal(batch, many)
    assert inputs.prepared(image[None], CONTRACT).shape == (1, 32, 32, 3)


def test_pictures_are_read_as_the_data_reads_them(tmp_path):
    gray = Image.fromarray(noise(20, 30))
    clear = Image.fromarray(noise(20, 30, 4), "RGBA")
    turned = Image.fromarray(noise(20, 30, 3))
    exif = turned.getexif()
    exif[0x0112] = 6
    for name, image in (("g.png", gray), ("c.png", clear), ("p.gif", gray)):
        image.save(tmp_path / name)
    turned.save(tmp_path / "t.jpg", exif=exif)
    for path in sorted(tmp_path.iterdir()):
        expected, _ = decode.read(path.read_bytes())
        np.testing.assert_array_equal(inputs.picture(path), expected, path.name)


@pytest.mark.parametrize(
    "images, words",
    [
        (noise(2, 16, 16, 4), r"\[2, 16, 16, 4\] where \[n, height.*in_chans=4"),
        (noise(2, 3, 16, 16), "The channels come last"),
        (noise(16, 16), "Gray images want their channel"),
        (noise(2, 2, 16, 16, 3), "is expected"),
        (noise(0, 16, 16, 3), "No images"),
        (noise(2, 16, 16, 3).astype("int64"), "int64. Give uint8"),
        (noise(2, 16, 16, 3).astype("float32"), "0 to 255. .*divide by 255"),
        (noise(2, 16, 16, 3) / 50.0 - 2.5, "a mean was taken away"),
        (noise(2, 16, 16, 3) / 128.0 - 1, "a mean was taken away"),
        (np.full((2, 16, 16, 3), np.nan), "no numbers"),
        (np.array(["a.png"] * 2), "no array of numbers"),
        (noise(2, 0, 16, 3), "No images"),
    ],
)
def test_an_array_that_holds_no_images_is_refused(images, words):
    with pytest.raises(BadInput, match=words):
        inputs.prepared(images, CONTRACT)


def test_what_resizing_overshot_is_no_error():
    batch = np.full((1, 32, 32, 3), 1.04, np.float32)
    assert (inputs.prepared(batch, CONTRACT) == 1).all()


@pytest.mark.parametrize(
    "given, kind, words",
    [
        ([], BadInput, "empty list"),
        ("nowhere.png", MissingFile, "nowhere.png"),
        (__file__, BadInput, "cannot be read as a picture"),
        (Image.new("F", (9, 9)), BadInput, "convert it to 8 bits"),
    ],
)
def test_what_cannot_be_prepared_is_said(given, kind, words):
    with pytest.raises(kind, match=words):
        inputs.prepared(given, CONTRACT)


def test_the_fixture_never_changes():
    """Cards keep what their models say of it."""
    image = inputs.fixture()
    assert image.shape == (96, 96, 3) and image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1
    np.testing.assert_allclose(
        image.mean(axis=(0, 1)), [0.5, 0.333297, 0.33153], atol=1e-6
    )
    np.testing.assert_allclose(image[40, 30], [0.030154, 0.416667, 0.2], atol=1e-6)

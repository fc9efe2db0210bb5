import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from sslzoo.data import decode
from sslzoo.errors import BadInput


def scene(height, width):
    """Smooth, with detail: what JPEG is made for. No symmetry."""
    y, x = np.mgrid[:height, :width] / 20
    planes = [np.sin(x + 0.3 * y * y), np.cos(y + x), np.sin(3 * x) * np.cos(y)]
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    image = np.stack(planes, axis=-1) * 100 + 128 + noise
    return np.clip(image, 0, 255).astype(np.uint8)


def saved(image, format, **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def by_pillow(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return np.asarray(image.convert("RGB"))


def read(data, place=None, smallest=None):
    window = None if place is None else lambda height, width: place
    return decode.read(data, window, smallest)[0]


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


LOSSLESS = {
    "PNG": {},
    "BMP": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
    "PPM": {},
}


@pytest.mark.parametrize("format", LOSSLESS)
def test_a_lossless_file_gives_back_its_pixels(format):
    image = scene(50, 70)
    data = saved(image, format, **LOSSLESS[format])
    np.testing.assert_array_equal(read(data), image)
    np.testing.assert_array_equal(read(data, (7, 11, 20, 9)), image[7:27, 11:20])


@pytest.mark.parametrize("side", [40, 200])  # decoded by Pillow, and by TensorFlow
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_whole_jpeg_is_what_pillow_decodes(side, subsampling, progressive):
    data = saved(
        scene(side, side + 37), "JPEG", subsampling=subsampling, progressive=progressive
    )
    np.testing.assert_array_equal(read(data), by_pillow(data))


@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_window_of_a_jpeg_is_the_crop_of_the_whole(subsampling):
    """Exactly, but for two pixels along its edges where colour is subsampled: there
    the neighbours outside the window lack for smoothing. In this scene they
    differ by 16 at most."""
    data = saved(scene(203, 251), "JPEG", subsampling=subsampling)
    whole = by_pillow(data).astype(int)
    random = np.random.default_rng(1)
    for _ in range(20):
        h, w = random.integers(5, 200), random.integers(5, 250)
        top, left = random.integers(0, 204 - h), random.integers(0, 252 - w)
        off = np.abs(
            read(data, (top, left, h, w)) - whole[top : top + h, left : left + w]
        )
        assert off[2:-2, 2:-2].max() == 0
        assert off.max() <= (0 if subsampling == 0 else 16)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_stands_upright(format, orientation):
    options = LOSSLESS.get(format, {"subsampling": 0})
    data = saved(scene(150, 190), format, exif=oriented(orientation), **options)
    expected = by_pillow(data)
    assert decode.size(data) == expected.shape[:2]
    np.testing.assert_array_equal(read(data), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format, height", [("JPEG", 150), ("JPEG", 60), ("PNG", 60)])
def test_a_window_is_of_the_upright_image(format, height, orientation):
    options = LOSSLESS.get(format, {"subsampling": 0})
    image = scene(height, height + 40)
    data = saved(image, format, exif=oriented(orientation), **options)
    crop = by_pillow(data)[11:41, 3:53]
    np.testing.assert_array_equal(read(data, (11, 3, 30, 50)), crop)


def test_the_window_is_told_the_upright_size():
    data, seen = saved(scene(150, 190), "JPEG", exif=oriented(6)), []
    decode.read(data, lambda *size: seen.append(size) or (0, 0, 9, 9))
    assert seen == [(190, 150)]


@pytest.mark.parametrize("smallest, ratio", [(224, 1), (112, 2), (60, 4), (28, 8)])
def test_a_jpeg_is_reduced_as_far_as_its_short_side_allows(smallest, ratio):
    image = read(saved(scene(240, 320), "JPEG"), smallest=smallest)
    assert image.shape == (240 // ratio, 320 // ratio, 3)
    assert min(image.shape[:2]) >= smallest


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_window_shows_the_region_that_it_names(orientation):
    """Against the mean over blocks of the whole, which DCT scaling is close to."""
    data = saved(
        scene(203, 251), "JPEG", quality=95, subsampling=0, exif=oriented(orientation)
    )
    pixels, region = decode.read(data, lambda h, w: (29, 33, 101, 150), 20)
    top, left, height, width = region
    assert (height, width) == (4 * pixels.shape[0], 4 * pixels.shape[1])
    assert top <= 29 < top + 4 and 29 + 101 <= top + height < 29 + 101 + 4
    assert left <= 33 < left + 4 and 33 + 150 <= left + width < 33 + 150 + 4
    whole = by_pillow(data)[top : top + height, left : left + width].astype(float)
    blocks = whole.reshape(*pixels.shape[:1], 4, -1, 4, 3).mean(axis=(1, 3))
    assert np.abs(pixels - blocks).mean() < 4


def test_a_window_outside_the_image_is_refused():
    for data in (saved(scene(200, 200), "JPEG"), saved(scene(20, 20), "PNG")):
        with pytest.raises(BadInput, match="does not lie in an image"):
            read(data, (0, 0, 10, 201))


def test_cmyk_is_converted_as_pillow_does():
    data = saved(Image.fromarray(scene(50, 70)).convert("CMYK"), "JPEG")
    assert decode.header(data).mode == "CMYK"
    np.testing.assert_array_equal(read(data), by_pillow(data))
    assert np.abs(read(data).astype(int) - scene(50, 70)).mean() < 10


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(format):
    values = np.array([[0, 257, 300, 32768, 65278, 65535]], np.uint16)
    data = saved(values, format)
    for image in (read(data), read(data, (0, 0, 1, 6))):
        expected = np.round(values / 257)
        np.testing.assert_array_equal(image, np.stack([expected] * 3, axis=-1))


def test_floating_point_is_scaled_and_must_be_in_range():
    values = np.array([[0, 0.25, 1]], np.float32)
    assert read(saved(values, "TIFF"))[0, :, 1].tolist() == [0, 64, 255]
    with pytest.raises(BadInput, match=r"outside \[0, 1\]"):
        read(saved(values * 3, "TIFF"))


def test_what_is_transparent_is_white():
    image = np.zeros((1, 3, 4), np.uint8)
    image[..., 0] = 200
    image[0, :, 3] = 0, 51, 255  # transparent, a fifth, opaque
    expected = [[255, 255, 255], [244, 204, 204], [200, 0, 0]]
    for format in ("PNG", "WEBP", "TIFF"):
        options = {"lossless": True, "exact": True} if format == "WEBP" else {}
        assert read(saved(image, format, **options))[0].tolist() == expected


def test_a_transparent_colour_of_a_palette_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    for format in ("PNG", "GIF"):
        data = saved(image, format, transparency=1)
        assert read(data)[0].tolist() == [[255, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(format):
    first, second = (Image.new("RGB", (9, 7), colour) for colour in ("red", "blue"))
    options = LOSSLESS.get(format, {})
    data = saved(first, format, save_all=True, append_images=[second], **options)
    assert (read(data) == [255, 0, 0]).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "TIFF", "WEBP"])
def test_a_single_pixel_of_any_kind_is_an_image(format, mode):
    if format == "JPEG" and mode not in ("1", "L", "RGB"):
        pytest.skip("JPEG has no such kind")
    if format != "PNG" and format != "TIFF" and mode == "I;16":
        pytest.skip("it has 8 bits")
    data = saved(Image.new(mode, (1, 1)), format)
    assert read(data).shape == (1, 1, 3)
    assert read(data).dtype == np.uint8
    assert decode.size(data) == (1, 1)


def test_gray_jpegs_have_three_equal_channels():
    for side in (40, 200):
        data = saved(scene(side, side)[..., 0], "JPEG")
        np.testing.assert_array_equal(read(data), by_pillow(data))


FORMATS = {**LOSSLESS, "JPEG": {}, "GIF": {}}


@pytest.mark.parametrize("side", [60, 160])
@pytest.mark.parametrize("format", FORMATS)
def test_a_cut_file_never_gives_other_pixels(format, side):
    """It is refused; or, where only what follows the pixels is missing, exact."""
    data = saved(scene(side, side), format, **FORMATS[format])
    whole, refused = read(data), 0
    for keep in np.linspace(0, len(data) - 1, 24).astype(int):
        try:
            np.testing.assert_array_equal(read(data[:keep]), whole)
        except BadInput as error:
            refused += 1
            assert str(error)
    assert refused >= 22


def test_a_cut_jpeg_is_refused_whatever_the_window():
    """Else which images are bad would depend on the windows that were drawn."""
    data = saved(scene(200, 200), "JPEG", exif=oriented(1))
    for part in (data[: len(data) // 2], data[:-2]):
        with pytest.raises(BadInput, match="truncated"):
            read(part, (0, 0, 16, 16))


def test_a_cut_jpeg_is_refused_though_its_preview_is_whole():
    preview = saved(scene(20, 20), "JPEG")
    exif = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    data = saved(scene(200, 200), "JPEG")
    data = data[:2] + exif + data[2:]
    np.testing.assert_array_equal(read(data), by_pillow(data))
    with pytest.raises(BadInput, match="truncated"):
        read(data[: len(data) // 2], (0, 0, 16, 16))


@pytest.mark.parametrize(
    "data", [b"", b"GIF", b"hello, I am no image" * 9, b"\xff\xd8\xff"]
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(BadInput, match="empty|no image|truncated"):
        read(data)
    with pytest.raises(BadInput):
        decode.size(data)


def test_a_broken_middle_is_refused_or_fits_but_never_crashes():
    """Eight other bytes of a JPEG often decode to a picture as long as before."""
    random = np.random.default_rng(0)
    for format, options in FORMATS.items():
        data = bytearray(saved(scene(60, 60), format, **options))
        for _ in range(20):
            broken = data.copy()
            at = random.integers(0, len(data) - 8)
            broken[at : at + 8] = random.bytes(8)
            try:
                assert read(bytes(broken)).dtype == np.uint8
                decode.examine(bytes(broken))
            except BadInput:
                pass


def cut(data, part):
    """What is left of a JPEG that still has its end marker."""
    return data[: int(part * len(data))] + data[-2:]


JPEGS = {
    "plain": {"quality": 90},
    "progressive": {"quality": 90, "progressive": True},
    "own tables": {"quality": 90, "optimize": True},
    "restarts": {"quality": 90, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("shape", [(375, 500), (100, 120)])
def test_a_jpeg_with_its_end_marker_but_not_its_data_is_refused(kind, shape):
    for image in (scene(*shape), scene(*shape)[..., 0]):
        data = saved(image, "JPEG", **JPEGS[kind])
        read(data), decode.examine(data)
        with pytest.raises(BadInput, match="truncated"):
            read(cut(data, 0.3))


def test_a_cmyk_jpeg_without_its_data_is_refused():
    data = saved(Image.fromarray(scene(200, 200)).convert("CMYK"), "JPEG")
    read(data), decode.examine(data)
    with pytest.raises(BadInput, match="truncated"):
        read(cut(data, 0.5))


def test_a_jpeg_is_refused_where_the_window_reaches_what_is_missing():
    data = saved(scene(375, 500), "JPEG", quality=90)
    part = cut(data, 0.5)
    place = (0, 0, 100, 100)
    np.testing.assert_array_equal(read(part, place), read(data, place))
    for place in ((100, 0, 200, 300), (300, 40, 60, 60)):
        for smallest in (None, 20):
            read(data, place, smallest)
            with pytest.raises(BadInput, match="truncated"):
                read(part, place, smallest)
    with pytest.raises(BadInput, match="truncated"):
        decode.examine(part)


def test_a_zeroed_middle_of_a_jpeg_is_refused():
    data = saved(scene(375, 500), "JPEG", quality=90)
    length = len(data) * 3 // 10
    with pytest.raises(BadInput, match="truncated or corrupt"):
        read(data[:length] + bytes(length) + data[2 * length :])


def test_examine_finds_data_left_over_and_lost_restarts():
    low = saved(scene(100, 120), "JPEG", quality=10)
    high = saved(scene(150, 120), "JPEG", quality=10)
    at = decode.header(low).start + 5
    low = high[:at] + low[at : at + 2] + high[at + 2 :]  # Its header says less.
    read(low)
    with pytest.raises(BadInput, match="go on"):
        decode.examine(low)
    data = saved(scene(100, 120), "JPEG", restart_marker_rows=1)
    at = data.index(b"\xff\xd2")
    lost = data[:at] + data[at + 2 :]
    with pytest.raises(BadInput, match="restart"):
        decode.examine(lost)


def test_gray_corners_and_flat_pictures_are_whole():
    """As libjpeg makes them where data are missing."""
    image = scene(200, 260)
    image[120:] = 128
    for picture in (image, np.full_like(image, 128), np.zeros_like(image)):
        for options in JPEGS.values():
            data = saved(picture, "JPEG", **options)
            np.testing.assert_array_equal(read(data), by_pillow(data))
            decode.examine(data)
            decode.examine(data[:-2] + bytes(300) + data[-2:])  # Some cameras pad.


def test_a_bomb_is_not_opened():
    jpeg = bytearray(saved(scene(20, 20), "JPEG"))
    at = decode.header(bytes(jpeg)).start + 5
    jpeg[at : at + 4] = (60000).to_bytes(2, "big") * 2
    png = bytearray(saved(scene(20, 20), "PNG"))
    png[16:24] = (60000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    for data in (bytes(jpeg), bytes(png)):
        with pytest.raises(BadInput, match="limit|too large"):
            read(data)


def test_the_two_decoders_give_the_same_bits(monkeypatch):
    data = saved(scene(100, 120), "JPEG", subsampling=2)
    small = read(data)
    monkeypatch.setattr(decode, "SMALL", 0)
    np.testing.assert_array_equal(read(data), small)


def test_the_size_needs_the_header_alone():
    for format in ("JPEG", "PNG", "GIF", "BMP"):
        data = saved(scene(150, 190), format)
        assert decode.size(data[: len(data) // 2]) == (150, 190)


def test_a_broken_exif_block_turns_nothing():
    data = saved(scene(150, 190), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode.size(data) == (150, 190)

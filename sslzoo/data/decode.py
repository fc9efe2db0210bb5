"""The bytes of an image file -> uint8 RGB, [h, w, 3], upright; whole or a window of it.

JPEG, which most photographs are, is decoded where it is asked for only: a window, and
at 1/2, 1/4 or 1/8 of its size where that suffices. Every other format goes through
Pillow. Both decode a JPEG to the same bits.

What is decided here, for every source alike:

    orientation   the EXIF one is applied; windows and sizes are of the upright image
    alpha         composited on white, as pages and viewers show it; what lies under
                  transparent pixels is arbitrary, and dropping alpha would uncover it
    16 bits       scaled, v * 255 / 65535, not clipped
    animation     the first frame
    CMYK          Pillow's plain conversion; colour profiles are not applied
    half a file   an error: a JPEG without its end marker too, even where the window
                  asked for lies in the part that is there
    damaged data  an error where it can be told: libjpeg only warns of a JPEG's, and
                  gives gray, or other pixels. `read` looks where that costs nothing,
                  `examine` further
"""

import contextlib
import io
import re
import struct
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from sslzoo.errors import BadInput

# Twice Pillow's own limit, where it too raises: one picture of 0.5 GB in RGB.
LARGEST = 178_956_970  # pixels

# Below it Pillow takes less time than TensorFlow for a whole JPEG (32x32: 37 against
# 94 microseconds, 128x128: equal, 2000x1500: 13 against 9 ms), window or not.
SMALL = 128 * 128  # pixels

# Orientation: how to get the upright image from the stored one. Flip the rows, flip
# the columns, then transpose.
TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (True, True, False),
    4: (True, False, False),
    5: (False, False, True),
    6: (True, False, True),
    7: (True, True, True),
    8: (False, True, True),
}

# Frame headers: all of C0..CF that are no tables. libjpeg decodes those of the second.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
DECODABLE = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
HUFFMAN = {0xC0, 0xC1}  # of them, those of one pass and without arithmetic coding
PROGRESSIVE = {0xC2, 0xCA}

# What ends a scan's data, without restart markers and with them. FF 00 is data.
MARKER = re.compile(rb"\xff+[^\x00\xff]")
MARKER_AMONG_RESTARTS = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
RESTART = re.compile(rb"\xff([\xd0-\xd7])")

# Put in the place of a scan's data, it gives other pixels.
OTHER = bytes(range(254, 0, -1))


class Header(NamedTuple):
    """What the first bytes say. `height` and `width` are as stored, not upright."""

    format: str  # as Pillow names it: "JPEG", "PNG", "GIF", ...
    mode: str  # as Pillow names it: "L", "RGB", "CMYK", "P", "I;16", ...
    height: int
    width: int
    orientation: int
    alpha: bool = False
    start: int = 0  # of a JPEG's frame header

    @property
    def size(self):
        """(height, width) of the upright image."""
        if TURNS[self.orientation][2]:
            return self.width, self.height
        return self.height, self.width


class Scan(NamedTuple):
    """One pass over the pixels of a JPEG: its header, and data[start:stop]."""

    parts: bytes  # the components that it is of
    first: int  # coefficient of 0..63
    last: int
    coarse: int  # bits that it leaves to later scans
    restarts: bool
    start: int
    stop: int


def header(data):
    """What the file says of itself; nothing is decoded."""
    return _jpeg_header(data) if _is_jpeg(data) else _describe(_opened(data))


def size(data):
    """(height, width) of the upright image, from the header alone."""
    return header(data).size


def read(data, window=None, smallest=None):
    """Decodes `data`, or the part of it that is needed.

    Args:
        window: (height, width) of the upright image -> (top, left, height, width) in
            it; the whole image without.
        smallest: a side that suffices. The window may come at 1/2, 1/4 or 1/8 of its
            size as long as its short side is not below; exact full size without.

    Returns:
        The pixels, uint8 [h, w, 3], and the region that they cover, (top, left,
        height, width) in the upright image. At a reduced size it is the window grown
        to whole blocks of 2, 4 or 8 pixels, so that h is exactly its height / 2, 4 or
        8; it can reach beyond the image by less than a block.

    A JPEG whose data stop early but which has its end marker is refused too: if it is
    progressive, because scans are missing; else where the window reaches what is
    missing, which libjpeg makes gray. Not found are data that were changed and still
    make up a picture, and the loss of less than a block's row or of the last scan.
    """
    if _is_jpeg(data):
        head, image = _jpeg_header(data), None
    else:
        image = _opened(data)
        head = _describe(image)
    place = (0, 0, *head.size)
    if window is not None:
        place = checked(window(*head.size), *head.size)

    plain = image is None and head.mode != "CMYK"
    if image is None:
        _has_all_scans(data, head)
    if plain and head.height * head.width > SMALL:
        return _jpeg(data, head, place, smallest)

    top, left, height, width = stored(place, head)
    try:
        if plain:
            # Pillow's decoder without its reading of the header, which takes as long.
            shape = (head.width, head.height)
            image = Image.frombytes(head.mode, shape, data, "jpeg", head.mode, "")
        elif image is None:
            image = Image.open(io.BytesIO(data))
        if (height, width) != (head.height, head.width):
            image = image.crop((left, top, left + width, top + height))
        pixels = _rgb(image)
        if head.format == "JPEG":
            _has_its_end(pixels, data, head)
    except BadInput:
        raise
    except Exception as error:  # Pillow raises nearly any kind on broken bytes.
        raise BadInput(f"truncated or corrupt {head.format}: {error}") from error
    return _upright(pixels, head.orientation), place


def stored(place, head):
    """A window of the upright image -> the same pixels' window in the stored one."""
    flip_rows, flip_columns, transpose = TURNS[head.orientation]
    top, left, height, width = place
    if transpose:
        top, left, height, width = left, top, width, height
    if flip_rows:
        top = head.height - top - height
    if flip_columns:
        left = head.width - left - width
    return top, left, height, width


def upright(place, head):
    """The inverse of `stored`."""
    flip_rows, flip_columns, transpose = TURNS[head.orientation]
    top, left, height, width = place
    if flip_rows:
        top = head.height - top - height
    if flip_columns:
        left = head.width - left - width
    return (left, top, width, height) if transpose else (top, left, height, width)


def _upright(pixels, orientation):
    flip_rows, flip_columns, transpose = TURNS[orientation]
    if flip_rows:
        pixels = pixels[::-1]
    if flip_columns:
        pixels = pixels[:, ::-1]
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
    return np.ascontiguousarray(pixels)


def checked(place, height, width):
    top, left, h, w = (int(value) for value in place)
    if not (0 <= top < top + h <= height and 0 <= left < left + w <= width):
        raise BadInput(
            f"The window (top, left, height, width) = {(top, left, h, w)} does not lie "
            f"in an image of {height} x {width} (height x width) pixels."
        )
    return top, left, h, w


def _checked_size(head):
    if not head.height or not head.width:
        raise BadInput(f"corrupt {head.format}: its header says 0 pixels")
    if head.height * head.width > LARGEST:
        raise BadInput(
            f"it says it has {head.height} x {head.width} pixels, above the limit of "
            f"{LARGEST}: reduce it, if it really is an image"
        )
    return head


def _is_jpeg(data):
    if not data:
        raise BadInput("it is empty (0 bytes)")
    return data[:3] == b"\xff\xd8\xff"


def _jpeg_header(data):
    """Walks the segments up to the frame header: Pillow's open takes five times that.

    As libjpeg does, it passes over fill bytes and over garbage between segments.
    """
    place, orientation = 2, 1
    try:
        while True:
            place = data.index(b"\xff", place)
            marker = data[place + 1]
            if marker == 0xFF:
                place += 1
                continue
            if marker <= 0x01 or 0xD0 <= marker <= 0xD8:  # no segment follows
                place += 2
                continue
            if marker in FRAMES or marker in (0xD9, 0xDA):
                break
            length = data[place + 2] << 8 | data[place + 3]
            if marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
                orientation = _orientation(data[place + 10 : place + 2 + length])
            place += 2 + length
        if marker not in FRAMES:
            raise BadInput("corrupt JPEG: it has no frame header")
        bits, height, width, parts = struct.unpack_from(">BHHB", data, place + 4)
    except (IndexError, ValueError, struct.error) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("truncated: the file ends inside its JPEG header") from None
    mode = {1: "L", 3: "RGB", 4: "CMYK"}.get(parts)
    if marker not in DECODABLE or bits != 8 or mode is None:
        raise BadInput(
            f"a kind of JPEG that is not decoded (frame {marker:#x}, {bits} bits, "
            f"{parts} components): convert it"
        )
    return _checked_size(Header("JPEG", mode, height, width, orientation, start=place))


def _orientation(exif):
    """The EXIF orientation, 1..8; 1 where the block is broken or says nothing."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", exif, entry)
            if tag == ExifTags.Base.Orientation:
                number = order + ("I" if kind == 4 else "H")
                (value,) = struct.unpack_from(number, exif, entry + 8)
                return value if value in TURNS else 1
    except struct.error:
        pass
    return 1


def _opened(data):
    try:
        return Image.open(io.BytesIO(data))
    except Image.UnidentifiedImageError:
        start = bytes(data[:16])
        raise BadInput(f"no image that Pillow knows: it begins {start!r}") from None
    except Image.DecompressionBombError as error:
        raise BadInput(f"too large: {error}") from error
    except Exception as error:  # Pillow raises nearly any kind on broken bytes.
        raise BadInput(f"truncated or corrupt: {error}") from error


def _describe(image):
    width, height = image.size
    orientation = 1
    if image.format != "TIFF":  # Pillow turns TIFFs itself, and says the turned size.
        with contextlib.suppress(Exception):  # A broken EXIF block, maybe whole pixels.
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation not in TURNS:
        orientation = 1
    alpha = image.has_transparency_data
    head = Header(image.format, image.mode, height, width, orientation, alpha)
    return _checked_size(head)


def _rgb(image):
    """A Pillow image of any mode -> uint8 [h, w, 3]."""
    if image.mode.startswith("I"):  # 16 bits of gray, in 16 or in 32
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BadInput("32-bit integers, for which no white is agreed: convert it")
        gray = ((values * 255 + 32767) // 65535).astype(np.uint8)
    elif image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 1):
            raise BadInput("floating point values outside [0, 1]: convert it")
        gray = np.round(values * 255).astype(np.uint8)
    else:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    return np.repeat(gray[..., None], 3, axis=-1)


def _jpeg(data, head, place, smallest):
    import tensorflow as tf  # Here, so that importing sources stays cheap.

    ratio = 1
    while smallest and ratio < 8 and min(place[2:]) // (2 * ratio) >= smallest:
        ratio *= 2
    # The slower transform is that of Pillow and of libjpeg's default; TensorFlow's
    # own default differs from them by up to 5 of 255.
    options = {"channels": 3, "ratio": ratio, "dct_method": "INTEGER_ACCURATE"}
    top, left, height, width = stored(place, head)
    try:
        if ratio == 1 and (height, width) == (head.height, head.width):
            pixels = tf.io.decode_jpeg(data, **options)
        else:
            # The window of a reduced JPEG is counted in reduced pixels.
            top, left, bottom, right = (
                top // ratio,
                left // ratio,
                -(-(top + height) // ratio),
                -(-(left + width) // ratio),
            )
            window = [top, left, bottom - top, right - left]
            pixels = tf.io.decode_and_crop_jpeg(data, window, **options)
            if ratio > 1:
                place = upright([ratio * value for value in window], head)
    except tf.errors.OpError:
        raise BadInput(
            "truncated or corrupt JPEG: its data cannot be decoded"
        ) from None
    pixels = pixels.numpy()
    _has_its_end(pixels, data, head)
    return _upright(pixels, head.orientation), place


def examine(data):
    """Raises where a JPEG that can be read is damaged: what `read` has no time for.

    A few decodings at an eighth of the size tell whether the data are used up
    just where the picture is full: data that were cut out or overwritten mostly leave
    too few or too many. Other data that happen to fit, as a few changed bytes often
    do, are a picture like any other, and so are changed pixels of another format
    without checksums. Of progressive JPEGs only their first and missing scans are
    told, of arithmetically coded ones none.
    """
    if not _is_jpeg(data):
        return
    head = _jpeg_header(data)
    _has_all_scans(data, head)
    scans = _scans(data)
    if not all(_restarts_in_order(data, scan) for scan in scans):
        raise BadInput("corrupt JPEG: restart markers are missing")
    if _ends_early(data, head):
        raise BadInput("truncated or corrupt JPEG: its data end before the picture")
    if _ends_late(data, head):
        raise BadInput("corrupt JPEG: its data go on when the picture is full")


def _has_all_scans(data, head):
    if data.rfind(b"\xff\xd9", head.start) < 0:
        raise BadInput("truncated: it is a JPEG without its end marker")
    if data[head.start + 1] not in PROGRESSIVE:
        return
    count = data[head.start + 9]
    exact = dict.fromkeys(data[head.start + 10 : head.start + 10 + 3 * count : 3], 0)
    for scan in _scans(data):
        if not scan.coarse:
            for part in scan.parts:
                bits = (1 << scan.last + 1) - (1 << scan.first)
                exact[part] = exact.get(part, 0) | bits
    if any(bits != (1 << 64) - 1 for bits in exact.values()):
        raise BadInput("truncated: it is a progressive JPEG without its last scans")


def _has_its_end(pixels, data, head):
    """What libjpeg makes up for missing data is gray, in CMYK another gray."""
    suspect = head.mode == "CMYK" or pixels[-1, -1].tobytes() == b"\x80\x80\x80"
    if suspect and _ends_early(data, head):
        raise BadInput("truncated or corrupt JPEG: its data end before the picture")


def _ends_early(data, head):
    """Whether more data would change the picture: then it is not full."""
    if data[head.start + 1] not in HUFFMAN:
        return False
    stop = _scans(data)[-1].stop
    longer = data[:stop] + OTHER + data[stop:]
    return _eighth(longer, head) != _eighth(data, head)


def _ends_late(data, head):
    """Whether the last 64 bytes, without zeros behind them, do not change it.

    Of a flat picture no bytes may: where the first do not, nothing is known.
    """
    if data[head.start + 1] not in HUFFMAN:
        return False
    start, stop = _scans(data)[-1][-2:]
    used = data[start:stop].rstrip(b"\0")
    if len(used) < 256:
        return False
    whole = _eighth(data, head)
    at_end, at_start = (
        _eighth(data[:start] + changed + data[stop:], head)
        for changed in (used[:-64] + OTHER, OTHER + used)
    )
    return at_end == whole != at_start


def _eighth(data, head):
    """The means of 8 x 8 pixels, as bytes."""
    shape = (-(-head.width // 8), -(-head.height // 8))
    try:
        image = Image.frombytes(head.mode, shape, data, "jpeg", head.mode, "", 8)
    except Exception as error:  # Pillow raises nearly any kind on broken bytes.
        raise BadInput(f"truncated or corrupt JPEG: {error}") from error
    return image.tobytes()


def _scans(data):
    """The scans of a JPEG, one or more, up to its end marker."""
    scans, place, restarts = [], 0, False
    try:
        while data[place + 1] != 0xD9:
            marker, start = data[place + 1], place + 2
            if marker > 0x01 and not 0xD0 <= marker <= 0xD8:
                start += data[place + 2] << 8 | data[place + 3]
            if marker == 0xDD:
                restarts = any(data[place + 4 : place + 6])
            ends = MARKER_AMONG_RESTARTS if restarts else MARKER
            stop, after = ends.search(data, start).span()
            if marker == 0xDA:
                parts = data[place + 5 : start - 3 : 2]
                first, last, bits = data[start - 3 : start]
                scan = Scan(parts, first, last, bits & 15, restarts, start, stop)
                scans.append(scan)
            place = after - 2  # Any number of FF may stand before a marker.
    except (AttributeError, IndexError, ValueError):
        raise BadInput("truncated: it is a JPEG without its end marker") from None
    if not scans:
        raise BadInput("truncated: it is a JPEG without data")
    return scans


def _restarts_in_order(data, scan):
    """Whether restart markers count 0, 1, ... 7, 0, ... so that none is missing."""
    found = RESTART.findall(data, scan.start, scan.stop) if scan.restarts else []
    return all(mark[0] == 0xD0 + i % 8 for i, mark in enumerate(found))

"""What a model is shown of an image, in NumPy: one way for evaluation, features, docs.

The view of evaluation holds nothing random: the centred square of `crop` times the
short side, resized, and clipped to [0, 1], for a bicubic kernel overshoots. A card says
how, {"size": 224, "crop": 0.875, "interpolation": "bicubic", "antialias": false}; the
resizing is that of `tf.image.resize` to the last digits, since models were trained and
measured with it, and Pillow's is another.
"""

import functools
import os

import numpy as np

from sslzoo.errors import BadInput, MissingFile

KERNELS = {"bicubic": 2, "bilinear": 1}  # and how far they reach
AT_ONCE = 1 << 17  # numbers held while resizing: a processor's own cache has room
BAND = 8  # columns made at once


def prepared(images, contract):
    """Images as a person has them, as the model takes them.

    Args:
        images: a picture of Pillow, the path of one, an array `[h, w, c]`; a list of
            these; or a batch, `[n, h, w, c]`. Arrays are uint8, or float in [0, 1].
        contract: the "input" of a card.

    Returns:
        float32 in [0, 1], `[size, size, c]` for one image, else `[n, size, size, c]`.
    """
    if isinstance(images, (list, tuple)):
        if not images:
            raise BadInput("No images: an empty list.")
        return np.stack([prepared(image, contract) for image in images])
    given, images = images, picture(images)
    if contract.get("sees") == "hha" and images is not given:
        raise BadInput(
            "A picture, where the model sees depth as HHA. sslzoo.color.hha(depth, "
            "camera) makes it of depth in metres; where a picture is HHA already, give "
            "it as an array: numpy.asarray(PIL.Image.open(PATH))."
        )
    views = [view(image, contract) for image in _pixels(images, contract["channels"])]
    return np.stack(views) if np.ndim(images) == 4 else views[0]


def _pixels(images, channels):
    """A batch of pixels, uint8 or floating point, of any size."""
    images = array(images)
    alone = (channels,) == images.shape[-1:] and images.ndim == 3
    batch = images[None] if alone else images
    check_shape(batch.shape, channels)
    if 0 in images.shape:
        raise BadInput(f"No images: an array of shape {list(images.shape)}.")
    check_dtype(images.dtype.name)
    check_range(images)
    return batch


def array(images):
    """The images as one array of numbers."""
    try:
        images = np.asarray(images)
    except ValueError:
        images = np.empty(0, object)
    if images.dtype == object or images.dtype.kind in "USM":
        raise BadInput(
            "The images are no array of numbers. Arrays of several sizes, paths and "
            "pictures go through sslzoo.load_preprocessor(NAME)."
        )
    return images


def check_shape(shape, channels):
    """Raises unless it is that of a batch; of what is not known yet, it is None."""
    shape = list(shape)
    if len(shape) == 4 and shape[-1] in (None, channels):
        return
    advice = ""
    if len(shape) == 3 and shape[-1] == channels:
        advice = " One image is a batch of one: images[None]."
    elif len(shape) in (3, 4) and shape[-3] == channels:
        advice = " The channels come last: transpose it."
    elif len(shape) == 4:
        advice = f" sslzoo.load(NAME, in_chans={shape[-1]}) adapts a model."
    elif len(shape) in (2, 3) and channels == 3:
        advice = " Gray images want their channel: numpy.stack([x] * 3, axis=-1)."
    raise BadInput(
        f"An array of shape {shape} where [n, height, width, {channels}] is expected."
        f"{advice}"
    )


def check_dtype(name):
    if name != "uint8" and "float" not in name:
        raise BadInput(
            f"The images are {name}. Give uint8, 0 to 255, or float32, 0 to 1."
        )


def check_range(images):
    """Refuses what cannot be RGB in [0, 1]; leaves room for what resizing overshot."""
    if images.dtype == np.uint8 or not images.size:
        return
    least, most = images.min(), images.max()
    if not np.isfinite(least) or not np.isfinite(most):
        raise BadInput("The images have pixels that are no numbers (NaN, infinity).")
    if least < -0.5:
        raise BadInput(
            f"The images go from {least:g} to {most:g}: as it seems, a mean was taken "
            "away. Models take plain RGB in [0, 1]; their first layer does the rest."
        )
    if most > 2:
        raise BadInput(
            f"The images go from {least:g} to {most:g}: as it seems, 0 to 255. Models "
            "take RGB in [0, 1]: divide by 255, or give uint8."
        )


def picture(image):
    """A picture of Pillow, or the path of one -> uint8 RGB, upright; else as it is.

    As `sslzoo.data` decodes: EXIF turns are done, transparency lies on white.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if isinstance(image, (str, os.PathLike)):
            with Image.open(image) as opened:
                return picture(opened)
        if not isinstance(image, Image.Image):
            return image
        image = ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise MissingFile(f"No such picture: {os.fspath(image)!r}.") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise BadInput(f"{image} cannot be read as a picture: {error}") from None
    if image.mode[0] in "IF":
        raise BadInput(
            f"The picture has pixels of mode {image.mode}: convert it to 8 bits."
        )
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def view(image, contract):
    """What the model is shown of one image.

    Args:
        image: RGB, `[h, w, c]`, uint8 or float32 in [0, 1].
        contract: the "input" of a card.

    Returns:
        float32 `[size, size, c]` in [0, 1].
    """
    top, left, side, _ = window(*image.shape[:2], contract["crop"])
    part, size = image[top : top + side, left : left + side], contract["size"]
    if side != size:
        part = resize(part, size, contract["interpolation"], contract["antialias"])
    unit = np.float32(1 / 255 if image.dtype == np.uint8 else 1)
    shown = np.empty(part.shape, np.float32)
    np.multiply(part, unit, out=shown, casting="same_kind")
    return np.clip(shown, 0, 1, out=shown)


def window(height, width, crop):
    """The centred square, (top, left, side, side); BYOL's rounding, [R:dataset.py]."""
    side = max(1, int(crop * min(height, width)))
    return (height - side + 1) // 2, (width - side + 1) // 2, side, side


def resize(image, size, interpolation="bicubic", antialias=False):
    """A square image at `size` x `size`, float32, in the range that it was in."""
    how = (image.shape[0], size, interpolation, antialias)
    rows = _rows(image, *taps(*how))
    columns = np.empty((size, size, image.shape[2]), np.float32)
    for made, seen, mix in bands(*how, image.shape[2]):
        part = rows[:, seen].reshape(size, -1) @ mix
        columns[:, made] = part.reshape(size, -1, image.shape[2])
    return columns


def _rows(image, lines, weights):
    """Of the rows of an image the new ones: the sum of `lines` by `weights`."""
    rows = np.ascontiguousarray(image).reshape(len(image), -1)
    mixed = np.empty((len(lines), rows.shape[1]), np.float32)
    # Some at a time: to antialias a large photograph takes very many lines.
    step = max(1, AT_ONCE // (lines.shape[1] * rows.shape[1]))
    for i in range(0, len(lines), step):
        part = slice(i, i + step)
        mixed[part] = np.einsum("st,stf->sf", weights[part], rows[lines[part]])
    return mixed.reshape(len(lines), *image.shape[1:])


@functools.lru_cache(maxsize=32)
def bands(extent, size, interpolation, antialias, channels):
    """The columns some at a time: products with small matrices, nothing is turned over.

    Returns:
        [(which columns are made, which are seen, the matrix
        `[seen * channels, made * channels]`), ...]
    """
    lines, weights = taps(extent, size, interpolation, antialias)
    found = []
    for i in range(0, size, BAND):
        some, made = lines[i : i + BAND], slice(i, min(i + BAND, size))
        first, last = some.min(), some.max() + 1
        mix = np.zeros((last - first, len(some)), np.float32)
        # Lines beyond the border are all the last one: they add up.
        place = (some - first, np.arange(len(some))[:, None])
        np.add.at(mix, place, weights[made])
        alike = np.eye(channels, dtype=np.float32)
        found.append((made, slice(first, last), np.kron(mix, alike)))
    return found


@functools.lru_cache(maxsize=256)
def taps(extent, size, interpolation, antialias):
    """Which of `extent` lines make each of `size`, and how much: two `[size, taps]`.

    Line i lies at p = (i + 1/2) extent / size - 1/2, and takes of the lines within
    reach a kernel of their distance from p, made to sum to 1. The kernels are the
    triangle, and Keys' cubic of a = -1/2; to antialias, a kernel is made as much wider
    as the image gets smaller.
    """
    if interpolation not in KERNELS:
        raise BadInput(
            f"interpolation={interpolation!r}: it is one of {', '.join(KERNELS)}."
        )
    # In float32 and by these divisions, because far from line 0 it tells.
    extent32, size32 = np.float32(extent), np.float32(size)
    scale = 1 / (size32 / extent32) if antialias else extent32 / size32
    place = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale
    place = place.astype(np.float64) - 0.5
    if interpolation == "bicubic" and not antialias:
        # TensorFlow then looks its kernel up in a table of 1024 steps between lines.
        place = np.floor(place) + np.rint((place - np.floor(place)) * 1024) / 1024
    stretch = max(scale, 1.0) if antialias else 1.0
    reach = KERNELS[interpolation] * stretch
    first = np.floor(place - reach).astype(int)
    lines = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weights = kernel(interpolation, np.abs(lines - place[:, None]) / stretch)
    weights[(lines < 0) | (lines >= extent)] = 0
    used = weights.any(axis=0)
    lines, weights = lines[:, used], weights[:, used]
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(lines, 0, extent - 1), weights.astype(np.float32)


def kernel(name, d):
    if name == "bilinear":
        return np.maximum(1 - d, 0)
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0))


def fixture(side=96):
    """One fixed image, `[side, side, 3]`: waves, an edge and a disc, by formula.

    Every card keeps what its model says of it; see `load.answer`.
    """
    y, x = np.mgrid[:side, :side] / side
    red = 0.5 + 0.5 * np.sin(2 * np.pi * (3 * x + 5 * y * y))
    green = np.where(x + y < 1, y, 1 - x)
    blue = np.where((x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.06, 0.9, 0.2)
    return np.stack([red, green, blue], axis=-1).astype(np.float32)

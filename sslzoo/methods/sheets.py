"""What a person can see of a method: pictures and numbers of a few images.

`Method.sheet` fills a `Sheet`; how it is laid out, the method need not know. Beside it
is what methods of colour have in common: how far from the truth colours are,

    PSNR = -10 log10(mean of (RGB - RGB')^2),   ab error = mean of |ab - ab'|

each beside the same of gray, which knows no colour; and how sure a distribution is,

    H = -sum_k p_k log2 p_k,   sure = 1 - H / log2(number of bins)

and what methods of two views have in common: which images they take for one another.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from sslzoo import color

VIEWS = ("view1", "view2")  # Names in a batch.


@dataclasses.dataclass(frozen=True)
class Bars:
    """Two histograms of each image, `[n, bins]`, and the RGB of each bin."""

    said: np.ndarray
    found: np.ndarray
    colours: np.ndarray


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Of n images, all by name, in the order in which they are shown.

    Args:
        pictures: `[n, h, w, 3]`, RGB in [0, 1]; or `[n, h, w]`, numbers as a map.
        bars: of `Bars`.
        figures: `[n]`, a number of each image.
        words: of a picture, n captions, in place of its name.
    """

    pictures: dict[str, np.ndarray]
    bars: dict[str, Bars] = dataclasses.field(default_factory=dict)
    figures: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    words: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def against_chance(right, chance):
    """{"accuracy", and that of chance: `[n]`}, `right` a part of each image's."""
    return {"accuracy": right, "accuracy of chance": np.full(len(right), chance)}


def laid_out(patches, gap=0.1):
    """Nine patches in three rows, as a picture `[..., h, w, 3]`; white between them.

    Args:
        patches: `[..., 9, p, p, 3]`.
        gap: of a patch.
    """
    p = patches.shape[-2]
    edge = max(1, round(gap * p))
    sides = [(0, 0)] * (patches.ndim - 3) + [(0, edge), (0, edge), (0, 0)]
    wide = np.pad(patches, sides, constant_values=1)
    lead = wide.shape[:-4]
    rows = wide.reshape(*lead, 3, 3, *wide.shape[-3:])
    page = np.moveaxis(rows, -3, -4).reshape(*lead, 3 * (p + edge), 3 * (p + edge), 3)
    return page[..., :-edge, :-edge, :]


def of_views(method, batch, others=2):
    """The two views of each image, and the negatives that look most alike.

    Alike is the cosine of projections, of the first view of an image and the second
    views of all, in inference mode. "found" is 1 where each other image is less alike
    than the image itself; by chance that is one in n. Where all are one, none is found.

    Args:
        method: its `look` gives {"z1", "z2"}.
        others: how many negatives are shown.
    """
    made = method.examples(batch)
    views = {v: np.stack([np.asarray(each[v]) for each in made]) for v in VIEWS}
    looks = method.look({v: tf.convert_to_tensor(views[v]) for v in VIEWS})
    z1, z2 = (_unit(np.float64(looks[z])) for z in ("z1", "z2"))
    cosine, n = z1 @ z2.T, len(z1)
    own = cosine.diagonal()
    rest = np.where(np.eye(n, dtype=bool), -np.inf, cosine)
    pictures = {"view 1": views["view1"], "view 2": views["view2"]}
    figures = {"cosine": own}
    for k, nearest in enumerate(np.argsort(-rest, axis=1)[:, : min(others, n - 1)].T):
        like = "negative most alike" if k == 0 else f"negative {k + 1}"
        pictures[like] = views["view2"][nearest]
        figures[f"cosine of {like}"] = rest[range(n), nearest]
    # By more than the last digits of a sum, by which those of one vector may part.
    figures["found"] = np.float64(own > rest.max(axis=1, initial=-np.inf) + 1e-9)
    figures["found by chance"] = np.full(n, 1 / n)
    return Sheet(pictures, figures=figures)


def of_colours(rgb, images):
    """{"PSNR", "ab error" and of both what gray has: `[n]`} of `[n, h, w, 3]`.

    Gray is the plain mean of R, G and B, and has neither a nor b.
    """
    gray = np.repeat(images.mean(-1, keepdims=True), 3, -1)
    return {
        "PSNR": psnr(rgb, images),
        "PSNR of gray": psnr(gray, images),
        "ab error": distance(ab(rgb), ab(images)),
        "ab error of gray": distance(0, ab(images)),
    }


def psnr(found, images):
    """In dB, `[n]`; no more than 58.9, what rounding to 8 bits leaves of equal ones."""
    squares = np.mean((np.float64(found) - images) ** 2, axis=(1, 2, 3))
    return -10 * np.log10(np.maximum(squares, 1 / 12 / 255**2))


def distance(found, truth):
    """The mean over pixels of |found - truth|, `[n]` of `[n, h, w, c]`."""
    apart = np.linalg.norm(np.float64(truth) - found, axis=-1)
    return apart.mean(axis=(1, 2))


def ab(rgb):
    return np.asarray(color.rgb_to_lab(np.float32(rgb)))[..., 1:]


def entropy(p):
    """In bits, `[...]` of `[..., bins]`."""
    p = np.float64(p)
    return -np.sum(p * np.log2(np.maximum(p, 1e-30)), axis=-1)


def sure(p):
    """1 of one bin alone, 0 where all are equal."""
    return 1 - entropy(p) / np.log2(p.shape[-1])


def _unit(z):
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)


def between(values, places, size):
    """Maps known at some places, at all pixels: linear between, level outside.

    Args:
        values: `[n, rows, columns, ...]`.
        places: pixels of the rows and of the columns, each in order.
        size: (height, width) of what is wanted.
    """
    for axis, (known, side) in enumerate(zip(places, size), 1):
        weights = [np.interp(np.arange(side), known, e) for e in np.eye(len(known))]
        values = np.tensordot(values, weights, axes=(axis, 0))
        values = np.moveaxis(values, -1, axis)
    return np.float32(values)

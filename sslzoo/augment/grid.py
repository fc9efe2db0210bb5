"""Nine patches of an image, as Revisiting cuts them for jigsaw and relative patches.

An image is stretched to a square, a window of it is taken, and that is divided into
3 x 3 cells. In each cell lies a patch, anywhere: so neighbours do not touch, and no
line can be followed from one to the next. Of 292 pixels that are stored 255 are seen,
of a cell of 85 a patch of 64: gaps are of 0 to 42 pixels, 21 on average.

Colours tell where in a picture a patch lies, for lenses bend them differently towards
its borders. Two ways to take them away: gray in two of three images; or Doersch's
(2015), arXiv:1505.05192: of each patch one colour stays, the others become noise.

That each patch has mean 0 and deviation 1 is the backbone's first layer:
pixels="per_image".
"""

import keras
import numpy as np
import tensorflow as tf

from sslzoo.augment import base, crops, draws, ops
from sslzoo.errors import BadInput

SIDE = 3  # Cells in a row.
COLOURS = ("gray", "dropped")


@keras.saving.register_keras_serializable("sslzoo")
class Grid(base.Transform):
    """An example, `(item, seed) -> {"patches": [9, patch, patch, 3]}`, row by row.

    Args:
        patch, cell: their sides.
        stored: the side that an image is stretched to; 0 is 292 of 255 of three cells.
        colours: "gray", or "dropped".
        gray: the probability of it.
        each: whether gray is drawn for each patch, as the paper has it, or for all nine
            at once, as its code.
        noise: how far from middle gray a colour may lie that was dropped. Doersch's
            code has half of one step of 255; nothing, as they are next divided by
            their deviation.
        evaluate: the window and the patches in the middle, and colours as they are.
    """

    def __init__(
        self,
        patch=64,
        cell=85,
        stored=0,
        colours="gray",
        gray=0.66,
        each=False,
        noise=0.5 / 255,
        evaluate=False,
    ):
        self.size = SIDE * cell  # Of what is seen of an image.
        stored = stored or round(self.size * 292 / 255)
        if not 1 <= patch <= cell or self.size > stored:
            raise BadInput(
                f"patch={patch}, cell={cell}, stored={stored}: give patch <= cell, and "
                "3 cell <= stored, such as 64, 85 and 292."
            )
        if colours not in COLOURS:
            raise BadInput(f"colours={colours!r}: it is 'gray' or 'dropped'.")
        if not 0 <= gray <= 1:
            raise BadInput(f"gray={gray} is a probability: give a number from 0 to 1.")
        self.patch, self.cell, self.stored = int(patch), int(cell), int(stored)
        self.colours, self.gray, self.each = colours, gray, each
        self.noise, self.evaluate = noise, evaluate

    def windows(self, seed, height, width):
        """(top, left, height, width), int64 `[..., 1, 4]`, in NumPy."""
        u = draws.uniform(draws.children(draws.split(seed, 3)[0], 2)).astype("float64")
        u = np.full_like(u, 0.5) if self.evaluate else u
        full = np.stack(np.broadcast_arrays(height, width), axis=-1)
        part = np.maximum(np.rint(full * (self.size / self.stored)), 1)
        corner = np.floor(u * (full - part + 1))
        corner, part = np.broadcast_arrays(corner, part)
        return np.concatenate([corner, part], axis=-1).astype(np.int64)[..., None, :]

    def start(self, item, seed):
        """The window of `item["image"]`, one or a batch, at three cells each way."""
        image = tf.convert_to_tensor(item["image"])
        windows = item["windows"] if "windows" in item else self.draw(image, seed)
        return {"square": crops.resize(image, windows[..., 0, :], self.size)}

    def finish(self, begun, seed):
        """Cuts what `start` gave, one or a batch, and takes its colours away."""
        square, seed = begun["square"], ops.tensor(seed)
        if square.shape.rank == 3:
            return {"patches": self.patches(square[None], seed[None])[0]}
        return {"patches": self.patches(square, seed)}

    def patches(self, square, seed):
        """`[n, 9, patch, patch, 3]` of `[n, 3 cell, 3 cell, 3]` and seeds `[n, 2]`."""
        where, colour = draws.split(seed, 3)[1:]
        shape = (SIDE**2, self.patch, self.patch, 3)
        if self.evaluate:
            middle = (self.cell - self.patch) // 2
            return cut(square, tf.fill((tf.shape(square)[0], 9, 2), middle), self.patch)
        if self.colours == "gray" and not self.each:
            square = ops.grayscale(square, colour, self.gray, ops.MEAN)
        u = draws.uniform(draws.children(where, 2 * SIDE**2))
        places = tf.cast(u * (self.cell - self.patch + 1), tf.int32)
        patches = cut(square, tf.reshape(places, (-1, 9, 2)), self.patch)
        if self.colours == "gray" and not self.each:
            return patches
        seeds = tf.reshape(draws.children(colour, SIDE**2), (-1, 2))
        patches = tf.reshape(patches, (-1, *shape[1:]))
        if self.colours == "gray":
            patches = ops.grayscale(patches, seeds, self.gray, ops.MEAN)
        else:
            patches = drop_colours(patches, seeds, self.noise)
        return tf.reshape(patches, (-1, *shape))


def cut(square, places, patch):
    """The patch at a place of each cell, pixel by pixel as they are.

    Args:
        square: `[n, 3 cell, 3 cell, c]`.
        places: (down, right) of the corner of a patch in its cell, int `[n, 9, 2]`.

    Returns:
        `[n, 9, patch, patch, c]`.
    """
    cell = square.shape[1] // SIDE
    number = tf.range(SIDE**2)
    corners = tf.cast(places, tf.int32) + cell * tf.stack(
        [number // SIDE, number % SIDE], axis=-1
    )
    lines = corners[..., None] + tf.range(patch)  # [n, 9, 2, patch]
    rows = tf.gather(square, lines[:, :, 0], axis=1, batch_dims=1)
    return tf.gather(rows, lines[:, :, 1], axis=3, batch_dims=2)


def drop_colours(patches, seed, noise):
    """Of each patch one colour, drawn, around its mean; of the others noise.

        x_c - mean_c + 1/2,   and 1/2 + U(-noise, noise)

    Args:
        patches: `[n, h, w, 3]`.
        seed: `[n, 2]`.
    """
    which, field = draws.split(ops.tensor(seed), 2)
    kept = tf.one_hot(tf.cast(3 * draws.uniform(which), tf.int32), 3)[:, None, None]
    own = patches - tf.reduce_mean(patches, axis=(1, 2), keepdims=True)
    others = noise * (2 * draws.field(field, "noise", patches.shape) - 1)
    return 0.5 + kept * own + (1 - kept) * others

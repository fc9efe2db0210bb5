"""A square of an image at a random scale, maybe mirrored, and nothing of its colours.

What networks learn colours from (Larsson et al., 2017), arXiv:1703.04044: the image is
scaled so that its shortest side is of 352 to 600 pixels, and 352 x 352 are cut out of
it. That is a window of 352 / S of the shortest side, which is then brought to 352.
"""

import keras
import numpy as np
import tensorflow as tf

from sslzoo.augment import base, crops, draws, ops
from sslzoo.errors import BadInput


@keras.saving.register_keras_serializable("sslzoo")
class Patch(base.Transform):
    """An example, `(item, seed) -> {"image": [size, size, 3]}`.

    Args:
        size: of what is shown.
        shortest: least and most of the image's shortest side S, before it is cut; a
            whole number is drawn, uniformly.
        flip: the probability of a mirror image.
        evaluate: the centre at the least scale, and no mirror.
    """

    def __init__(self, size, shortest=(352, 600), flip=0.5, evaluate=False):
        low, high = shortest
        if not 1 <= size <= low <= high:
            raise BadInput(
                f"size={size} of images whose shortest side is {low} to {high}: give "
                "size <= least <= most, such as 352 of (352, 600)."
            )
        self.size, self.shortest = int(size), (int(low), int(high))
        self.flip, self.evaluate = flip, evaluate

    def windows(self, seed, height, width):
        """(top, left, side, side), int64 `[..., 1, 4]`, in NumPy."""
        u = draws.uniform(draws.children(draws.split(seed, 2)[0], 3)).astype("float64")
        if self.evaluate:
            u = np.broadcast_to([0, 0.5, 0.5], u.shape)
        low, high = self.shortest
        scale = low + np.floor((high - low + 1) * u[..., 0])
        least = np.minimum(height, width)
        side = np.clip(np.rint(self.size * least / scale), 1, least)
        window = np.empty((*u.shape[:-1], 1, 4), np.int64)
        window[..., 0, 0] = u[..., 1] * (height - side + 1)
        window[..., 0, 1] = u[..., 2] * (width - side + 1)
        window[..., 0, 2] = window[..., 0, 3] = side
        return window

    def start(self, item, seed):
        """The window of `item["image"]`, one or a batch, at its size."""
        image = tf.convert_to_tensor(item["image"])
        windows = item["windows"] if "windows" in item else self.draw(image, seed)
        return {"image": crops.resize(image, windows[..., 0, :], self.size)}

    def finish(self, begun, seed):
        """Mirrors some of what `start` gave."""
        if self.evaluate:
            return dict(begun)
        flip = draws.split(ops.tensor(seed), 2)[1]
        return {"image": ops.flip(begun["image"], flip, self.flip)}

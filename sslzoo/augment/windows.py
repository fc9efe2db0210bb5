"""Windows of an image, and of its depth the same, as split-brain is shown them."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo.augment import base, crops, draws, ops
from sslzoo.errors import BadInput


@keras.saving.register_keras_serializable("sslzoo")
class Windows(base.Transform):
    """`(item, seed) -> {"image", and "hha" where there is one}`, `[size, size, 3]`.

    A window of size / stored of both sides, anywhere, and its mirror as often.

    Args:
        stored: the side that images are stretched to first, whatever their shape; the
            paper's are 256. 0: they are left as they are, and windows of `size` pixels
            cut out.
    """

    def __init__(self, size, stored=256):
        if stored and stored < size:
            raise BadInput(
                f"Windows of size={size} do not lie in images of stored={stored}."
            )
        self.size, self.stored = int(size), int(stored)

    def windows(self, seed, height, width):
        """(top, left, height, width), int64 `[..., 1, 4]`, in NumPy."""
        where = draws.uniform(draws.children(draws.split(seed, 2)[0], 2))
        full = np.stack(np.broadcast_arrays(height, width), axis=-1)
        if self.stored:
            part = np.rint(full * (self.size / self.stored))
            part = np.maximum(part, 1)
        else:
            part = np.minimum(full, self.size)
        corner = np.floor(where.astype(np.float64) * (full - part + 1))
        corner, part = np.broadcast_arrays(corner, part)
        return np.concatenate([corner, part], axis=-1).astype(np.int64)[..., None, :]

    def start(self, item, seed):
        image = tf.convert_to_tensor(item["image"])
        windows = item["windows"] if "windows" in item else self.draw(image, seed)
        view = {"image": crops.resize(image, windows[..., 0, :], self.size)}
        if "hha" in item:
            hha = tf.convert_to_tensor(item["hha"])
            view["hha"] = _nearest(hha, windows[..., 0, :], self.size)
        return view

    def finish(self, views, seed):
        mirror = draws.split(ops.tensor(seed), 2)[1]
        return {key: ops.flip(view, mirror) for key, view in views.items()}


def _nearest(image, window, size):
    """As `crops.resize`, of the nearest pixels: holes of depth do not mix with it."""
    single = image.shape.rank == 3
    if single:
        image, window = image[None], window[None]
    top, left, height, width = tf.unstack(tf.cast(window, tf.float32)[:, None], axis=-1)
    middle = (tf.range(size, dtype=tf.float32) + 0.5) / size

    def places(start, side):
        return tf.cast(start + tf.floor(middle * side), tf.int32)

    rows = tf.gather(image, places(top, height), axis=1, batch_dims=1)
    found = tf.gather(rows, places(left, width), axis=2, batch_dims=1)
    found = tf.ensure_shape(found, (*image.shape[:1], size, size, 3))
    scale = 1 / 255 if image.dtype == tf.uint8 else 1.0
    found = tf.cast(found, tf.float32) * scale
    return found[0] if single else found

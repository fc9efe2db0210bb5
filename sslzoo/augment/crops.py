"""Windows of an image, and how they are brought to the size of a view.

Where a window lies is decided in NumPy, in float64, before an image is decoded, so
that only what is seen need be; a window is (top, left, height, width), int64.
"""

import numpy as np
import tensorflow as tf

from sslzoo.augment import draws


def random_windows(seed, height, width, area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)):
    """BYOL's random crop: one draw of area and shape, cut to the image, no retry.

        a = U(area) height width,  r = exp U(log ratio)
        w = round sqrt(a r),  h = round sqrt(a / r),  each at most that of the image

    and a place uniform over all where it fits.

    Args:
        seed: `[..., 2]`.
        height, width: of the images, `[...]` or numbers.
        ratio: least and most of r; None for squares, of which `area` is the part of
            the largest that there is.

    Returns:
        int64 `[..., 4]`.
    """
    u = draws.uniform(draws.children(seed, 4)).astype(np.float64)
    whole = np.minimum(height, width) ** 2 if ratio is None else height * width
    a = (area[0] + (area[1] - area[0]) * u[..., 0]) * whole
    low, high = (0, 0) if ratio is None else np.log(ratio)
    r = np.exp(low + (high - low) * u[..., 1])
    window = np.empty(u.shape, np.int64)  # Whole and positive: storing is the floor.
    h = np.maximum(1, np.minimum(height, np.rint(np.sqrt(a / r))))
    w = np.maximum(1, np.minimum(width, np.rint(np.sqrt(a * r))))
    window[..., 0] = u[..., 2] * (height - h + 1)
    window[..., 1] = u[..., 3] * (width - w + 1)
    window[..., 2] = h
    window[..., 3] = w
    return window


def centre_window(size, height, width):
    """BYOL's window of evaluation: a centred square, 7/8 of the short side at 224.

    side = floor(size / (size + 32) min(height, width)).
    """
    side = np.int64(size / (size + 32) * np.minimum(height, width))
    side = np.maximum(side, 1)
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    return np.stack([top, left, side, side], axis=-1)


def resize(image, window, size):
    """The window of the image at `size` x `size`, float32 in [0, 1].

    Bicubic as `tf.image.resize` has it, without antialiasing, then clipped, for it
    overshoots: what BYOL was trained and evaluated with.

    Args:
        image: uint8 or float32; `[h, w, 3]` or, all of one size, `[n, h, w, 3]`.
        window: `[4]` or `[n, 4]`.
    """
    if image.shape.rank == 4:
        view = resize_batch(image, window, size)
    else:
        top, left, height, width = tf.unstack(tf.cast(window, tf.int32))
        # A slice by tf.slice checks that the window lies in the image.
        part = tf.slice(image, [top, left, 0], [height, width, 3])
        view = tf.image.resize(part, (size, size), "bicubic")
        view = tf.ensure_shape(view, (size, size, 3))
    scale = 1 / 255 if image.dtype == tf.uint8 else 1.0
    return tf.clip_by_value(view * scale, 0, 1)


@tf.function(jit_compile=True, autograph=False)
def resize_batch(images, windows, size):
    """R x C', R and C the weights of the rows and of the columns of each image."""
    height, width = images.shape[1:3]
    windows = tf.cast(windows, tf.float32)
    top, left, tall, wide = tf.unstack(windows, axis=-1)
    rows = weights(top, tall, height, size)
    columns = weights(left, wide, width, size)
    x = tf.cast(images, tf.float32)
    x = tf.reshape(x, (-1, height, width * 3))
    x = tf.reshape(rows @ x, (-1, size, width, 3))
    return tf.einsum("ntx,nsxc->nstc", columns, x)


def weights(start, extent, full, size):
    """How much of each of `full` lines is in each of the `size` lines of a window.

    Line i lies at p = start + (i + 1/2) extent / size - 1/2; it takes Keys' cubic
    kernel with a = -1/2 of the distances from p, of lines in the window alone, and
    makes their sum 1.

    Args:
        start, extent: `[n]`, float32.

    Returns:
        `[n, size, full]`.
    """
    i = tf.range(size, dtype=tf.float32)
    place = (i + 0.5) * (extent / size)[:, None] - 0.5
    # tf.image.resize looks its kernel up in a table of 1024 steps between two lines.
    place = tf.floor(place) + tf.round((place - tf.floor(place)) * 1024) / 1024
    line = tf.range(full, dtype=tf.float32) - start[:, None]
    d = tf.abs(place[:, :, None] - line[:, None, :])
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    kernel = tf.where(d < 1, near, tf.where(d < 2, far, 0))
    inside = tf.logical_and(line >= 0, line < extent[:, None])
    kernel = tf.where(inside[:, None, :], kernel, 0)
    return kernel / tf.reduce_sum(kernel, axis=-1, keepdims=True)

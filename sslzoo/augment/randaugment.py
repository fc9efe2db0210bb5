"""RandAugment (Cubuk et al., 2019), arXiv:1909.13719: a few of 14 changes, as strong.

One after the other, `count` of these, each drawn among all:

    identity     autocontrast  equalize    rotate      solarize   color      posterize
    contrast     brightness    sharpness   shear x     shear y    shift x    shift y

The magnitude m of 0 to 30 says how far each goes: an angle of m degrees, a factor of
1 +- 0.03 m, a shear of m / 100, a shift of 0.015 m of a side, pixels above 1 - m / 30
made negative, 8 - m / 7.5 bits of a colour. What comes in from beyond the border is
middle gray.

It is what BYOL's supervised baseline was trained with; count and magnitude are not
recorded there: those here are what the authors of RandAugment found best of ResNet-50.
"""

import functools

import keras
import tensorflow as tf

from sslzoo.augment import draws, ops, views
from sslzoo.errors import BadInput

MOST = 30
GRAY = 0.5  # Beyond the border.
LUMA = (0.299, 0.587, 0.114)  # Pillow's.


@keras.saving.register_keras_serializable("sslzoo")
class RandAugmented(views.Alike):
    """An example, `(item, seed) -> {"image": [size, size, 3]}`.

    A window, changed as a view, and then `count` more times.

    Args:
        changes: of a `views.Changes`: here only mirrored, half of them.
        area, ratio: of the window, as `views.Views` takes them.
        count, magnitude: of RandAugment; 0 leaves it out.
    """

    def __init__(
        self,
        size,
        changes=views.MIRROR,
        area=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        count=2,
        magnitude=9.0,
    ):
        if not 0 <= magnitude <= MOST:
            raise BadInput(f"magnitude={magnitude}: give a number from 0 to {MOST}.")
        if count < 0:
            raise BadInput(f"count={count} changes: give 0 or more.")
        super().__init__(size, changes, area, ratio)
        self.count, self.magnitude = count, float(magnitude)

    def finish(self, begun, seed):
        image, seed = self.views.finish(begun, seed)["view1"], ops.tensor(seed)
        if not self.count:
            return {"image": image}
        drawn = draws.split(seed, 3)[2]  # The views take the others.
        if image.shape.rank == 3:
            return {"image": randaugment(image, drawn, self.count, self.magnitude)}

        def one(pair):
            return randaugment(*pair, self.count, self.magnitude)

        return {"image": tf.map_fn(one, (image, drawn), tf.float32)}


def randaugment(image, seed, count=2, magnitude=9.0):
    """The image, `[h, w, 3]`, RGB in [0, 1], changed `count` times."""
    part = magnitude / MOST
    for one in draws.split(seed, count):
        which, sign = draws.split(one, 2)
        index = tf.cast(len(CHANGES) * draws.uniform(which), tf.int32)
        signed = tf.where(draws.coin(sign, 0.5), part, -part)
        branches = [
            functools.partial(change, image, part, signed)
            for change in CHANGES.values()
        ]
        changed = tf.switch_case(index, branches)
        image = tf.ensure_shape(ops.clip(changed), image.shape)
    return image


def autocontrast(x):
    """Each colour stretched over all of [0, 1]."""
    low = tf.reduce_min(x, axis=(0, 1), keepdims=True)
    high = tf.reduce_max(x, axis=(0, 1), keepdims=True)
    return tf.where(high > low, (x - low) / tf.maximum(high - low, 1e-6), x)


def equalize(x):
    """Each colour's 256 steps where as many pixels lie below as it says; as Pillow."""
    steps = tf.cast(tf.round(255 * x), tf.int32)

    def plane(c):
        found = tf.math.bincount(tf.reshape(steps[..., c], [-1]), minlength=256)
        last = tf.boolean_mask(found, found > 0)[-1]
        step = (tf.reduce_sum(found) - last) // 255
        below = tf.cumsum(found, exclusive=True)
        table = tf.minimum((below + step // 2) // tf.maximum(step, 1), 255)
        table = tf.where(step > 0, table, tf.range(256))
        return tf.gather(table, steps[..., c])

    return tf.cast(tf.stack([plane(c) for c in range(3)], axis=-1), tf.float32) / 255


def posterize(x, bits):
    """The upper bits of 8 of each colour."""
    shift = 8 - tf.cast(bits, tf.int32)
    steps = tf.cast(tf.round(255 * x), tf.int32)
    steps = tf.bitwise.left_shift(tf.bitwise.right_shift(steps, shift), shift)
    return tf.cast(steps, tf.float32) / 255


def solarize(x, threshold):
    return tf.where(x < threshold, x, 1 - x)


def luma(x):
    return tf.reduce_sum(x * tf.constant(LUMA), axis=-1, keepdims=True)


def smooth(x):
    """The mean of 3 x 3 pixels, the middle one five times; borders stay."""
    kernel = tf.constant([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    kernel = tf.tile(kernel[..., None, None], (1, 1, 3, 1))
    inner = tf.nn.depthwise_conv2d(x[None], kernel, (1, 1, 1, 1), "VALID")[0]
    middle = tf.pad(tf.ones_like(inner), [[1, 1], [1, 1], [0, 0]])
    return tf.where(middle > 0, tf.pad(inner, [[1, 1], [1, 1], [0, 0]]), x)


def blend(plain, x, signed):
    """plain + (1 + 0.9 signed) (x - plain): what is more or less like x."""
    return plain + (1 + 0.9 * signed) * (x - plain)


def moved(x, a=1.0, b=0.0, c=0.0, d=0.0, e=1.0, f=0.0):
    """Pixel (x, y) is what lay at (a x + b y + c, d x + e y + f), the nearest one.

    Places are in pixels from the corner; the middle of the first is 1/2.
    """
    a, b, c, d, e, f = (tf.cast(v, tf.float32) for v in (a, b, c, d, e, f))
    half = (c + (a + b - 1) / 2, f + (d + e - 1) / 2)
    matrix = tf.stack([a, b, half[0], d, e, half[1], 0.0, 0.0])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x[None],
        transforms=matrix[None],
        output_shape=tf.shape(x)[:2],
        fill_value=GRAY,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0]


def rotate(x, degrees):
    """About the middle, against the clock."""
    angle = degrees * 3.141592653589793 / 180
    cos, sin = tf.cos(angle), tf.sin(angle)
    height, width = x.shape[0] / 2, x.shape[1] / 2
    c = width - cos * width + sin * height
    f = height - sin * width - cos * height
    return moved(x, cos, -sin, c, sin, cos, f)


CHANGES = {  # Of an image, its strength in [0, 1], and the same with a sign.
    "identity": lambda x, part, signed: x,
    "autocontrast": lambda x, part, signed: autocontrast(x),
    "equalize": lambda x, part, signed: equalize(x),
    "rotate": lambda x, part, signed: rotate(x, 30 * signed),
    "solarize": lambda x, part, signed: solarize(x, 1 - part),
    "color": lambda x, part, signed: blend(luma(x), x, signed),
    "posterize": lambda x, part, signed: posterize(x, round(8 - 4 * part)),
    "contrast": lambda x, part, signed: blend(tf.reduce_mean(luma(x)), x, signed),
    "brightness": lambda x, part, signed: blend(0.0, x, signed),
    "sharpness": lambda x, part, signed: blend(smooth(x), x, signed),
    "shear_x": lambda x, part, signed: moved(x, b=0.3 * signed),
    "shear_y": lambda x, part, signed: moved(x, d=0.3 * signed),
    "shift_x": lambda x, part, signed: moved(x, c=0.45 * signed * x.shape[1]),
    "shift_y": lambda x, part, signed: moved(x, f=0.45 * signed * x.shape[0]),
}

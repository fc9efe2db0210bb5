"""Random changes to an image, and the formulas they are made of.

An op is `op(image, seed, ...)`: float32 RGB in [0, 1], one image `[h, w, 3]` with a
seed `[2]`, or a batch `[n, h, w, 3]` with seeds `[n, 2]`, in and out. The same seed
gives the same pixels, alone or in a batch. For one image, what is not drawn is not
computed; for a batch, it is computed for all and kept for some.

The formulas of colour take planes, `[..., 3, h, w]`, and an amount, a number or `[n]`:
with long rows in place of triples, a compiler makes one fast loop of each.
"""

import tensorflow as tf

from sslzoo.augment import draws

LUMA = (0.2989, 0.5870, 0.1140)  # BYOL's weights of red, green and blue.
MEAN = (1 / 3, 1 / 3, 1 / 3)


def flip(image, seed, probability=0.5):
    """Mirrors left and right."""
    return sometimes(lambda x: tf.reverse(x, [-2]), image, seed, probability)


def jitter(
    image, seed, brightness, contrast, saturation, hue, probability, brighten="add"
):
    """Four changes of colour, in an order drawn per image; clips after each.

    Each of the four numbers is the most that its change departs from doing nothing,
    which is drawn uniformly: a difference for brightness and hue, a factor for others;
    with `brighten` "scale" brightness has a factor too.
    """
    chance, amount, order = draws.split(tensor(seed), 3)
    nothing = (int(brighten == "scale"), 1, 1, 0)
    most = (brightness, contrast, saturation, hue)
    first = scale_brightness if brighten == "scale" else add_brightness
    formulas = (first, scale_contrast, scale_saturation, turn_hue)
    rows = zip(formulas, draws.split(amount, 4), nothing, most)
    rows = [row for row in rows if row[-1]]  # What changes nothing costs nothing.
    if not rows:
        return image
    amounts = [draws.uniform(seed, none - m, none + m) for _, seed, none, m in rows]
    formulas = [row[0] for row in rows]
    order = draws.permutation(order, len(rows))

    def change(image):
        # A loop, not four lines after one another: it compiles ten times faster.
        def body(k, x):
            which = tf.gather(order, k, axis=-1)
            return k + 1, clip(colour_change(x, which, formulas, amounts))

        step = [tf.constant(0), planes(image)]
        return pixels(tf.while_loop(lambda k, x: k < len(rows), body, step)[1])

    return sometimes(change, image, chance, probability)


def colour_change(x, which, formulas, amounts):
    """Of some changes of planes the one that is numbered `which`, for each image."""
    if which.shape.rank == 0:
        branches = [lambda f=f, a=a: f(x, a) for f, a in zip(formulas, amounts)]
        return tf.switch_case(tf.cast(which, tf.int32), branches)
    result = x
    for number, (formula, amount) in enumerate(zip(formulas, amounts)):
        result = tf.where(each(which == number), formula(x, amount), result)
    return result


def add_brightness(x, amount):
    """x + amount."""
    return x + each(amount)


def scale_brightness(x, factor):
    """factor x."""
    return each(factor) * x


def scale_contrast(x, factor):
    """m + factor (x - m), m the mean of a colour plane."""
    mean = tf.reduce_mean(x, axis=[-2, -1], keepdims=True)
    return mean + each(factor) * (x - mean)


def scale_saturation(x, factor):
    """S <- min(1, factor S) in HSV, with S = (V - min) / V and V = max.

    V and H stay, so each colour keeps its place between V and the minimum:
    x <- V - (V - x) S' / S, and S' / S = min(factor, 1 / S).
    """
    top, chroma = value_and_chroma(x)
    return top - (top - x) * tf.minimum(each(factor), top / nonzero(chroma))


def turn_hue(x, amount):
    """H <- H + amount mod 1 in HSV.

    With H in sixths of a turn, x = V - C max(0, min(k, 4 - k, 1)), where
    k = n + 6H mod 6 and n = 5, 3, 1 for red, green and blue.
    """
    red, green, blue = (x[..., c : c + 1, :, :] for c in range(3))
    top, chroma = value_and_chroma(x)
    unit = 1 / nonzero(chroma)
    sixths = tf.where(
        top == red,
        (green - blue) * unit,
        tf.where(top == green, (blue - red) * unit + 2, (red - green) * unit + 4),
    )
    k = tf.reshape(tf.constant([5.0, 3.0, 1.0]), (3, 1, 1)) + 6 * each(amount) + sixths
    k -= 6 * tf.floor(k / 6)
    return top - chroma * tf.clip_by_value(tf.minimum(k, 4 - k), 0, 1)


def value_and_chroma(x):
    """max and max - min of the three colours, `[..., 1, h, w]`."""
    red, green, blue = (x[..., c : c + 1, :, :] for c in range(3))
    top = tf.maximum(tf.maximum(red, green), blue)
    return top, top - tf.minimum(tf.minimum(red, green), blue)


def nonzero(chroma):
    """Where a pixel is gray, any divisor does: what it divides is 0 or unused."""
    return tf.where(chroma > 0, chroma, 1)


def grayscale(image, seed, probability, luma=LUMA):
    """Luma in place of all three colours; `MEAN` takes them alike."""

    def change(x):
        red, green, blue = (x[..., c : c + 1] for c in range(3))
        gray = luma[0] * red + luma[1] * green + luma[2] * blue
        return tf.repeat(gray, 3, axis=-1)

    return sometimes(change, image, seed, probability)


def blur(image, seed, probability, sigma=(0.1, 2.0)):
    """Gaussian blur of a sigma drawn per image; beyond the border all is black."""
    chance, width = draws.split(tensor(seed), 2)
    width = draws.uniform(width, *sigma)
    return sometimes(lambda x: gaussian(x, width), image, chance, probability)


def taps(size):
    """Taps of the blur of an image of this height: 23 for 224, 3 for 32."""
    return 2 * (size // 20) + 1


def gaussian(image, sigma):
    """sum_i k_i x_i along rows, then along columns; k_i ~ exp(-i^2 / 2 sigma^2).

    The kernel has `taps(h)` taps, whatever sigma, and the sum 1. It is added up
    shift by shift, which compiles to one loop; convolutions and matrices are slower.
    """
    height, width = image.shape[-3:-1]
    radius = taps(height) // 2
    i = tf.range(radius + 1, dtype=tf.float32)
    kernel = tf.exp(-0.5 * tf.square(i / sigma[..., None]))
    kernel /= 2 * tf.reduce_sum(kernel, axis=-1, keepdims=True) - kernel[..., :1]
    k = [each(kernel[..., i]) for i in range(radius + 1)]

    x = planes(image)
    for axis, size in ((-1, width), (-2, height)):
        x = shifted_sum(x, k, axis, size)
    return pixels(x)


def shifted_sum(x, k, axis, size):
    """k[0] x + sum_i k[i] (x shifted by i and by -i), zeros beyond the border."""
    sides = [[0, 0]] * x.shape.rank
    sides[axis] = [len(k) - 1, len(k) - 1]
    wide = tf.pad(x, sides)
    rest = [slice(None)] * (-1 - axis)

    def shift(i):
        first = len(k) - 1 + i
        return wide[(..., slice(first, first + size), *rest)]

    return sum((k[i] * (shift(i) + shift(-i)) for i in range(1, len(k))), k[0] * x)


def solarize(image, seed, probability, threshold=0.5):
    """Inverts the pixels at or above `threshold`."""
    return sometimes(
        lambda x: tf.where(x < threshold, x, 1 - x), image, seed, probability
    )


def sometimes(change, image, seed, probability):
    """`change(image)` with this probability, drawn per image."""
    if probability in (0, 1):
        return change(image) if probability else image
    chosen = draws.coin(tensor(seed), probability)
    if chosen.shape.rank == 0:
        return tf.cond(chosen, lambda: change(image), lambda: image)
    return tf.where(each(chosen), change(image), image)


def clip(x):
    return tf.clip_by_value(x, 0, 1)


def each(amount):
    """`[n]` against `[n, ., ., .]`; a number stays a number to an image."""
    return tf.convert_to_tensor(amount)[..., None, None, None]


def tensor(seed):
    return tf.convert_to_tensor(seed, tf.int64)


def planes(image):
    """`[..., h, w, 3]` -> `[..., 3, h, w]`."""
    return tf.einsum("...hwc->...chw", image)


def pixels(x):
    """`[..., 3, h, w]` -> `[..., h, w, 3]`."""
    return tf.einsum("...chw->...hwc", x)

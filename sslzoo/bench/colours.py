"""Colours as a colorizer has them."""

import numpy as np

from sslzoo.bench import timing


def color(images=256, image_size=180, width=0.25, batch_size=32, turns=5, jit=True):
    """RGB to Lab to the 313 bins of ab, of every pixel, beside a split-brain step.

    The step is that of an AlexNet of `width`, not compiled, which turns its images to
    Lab itself. And, on Linux, what the bins take of memory, over the size of the
    planes a and b.
    """
    import keras
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo import color as colours
    from sslzoo.methods import split_brain

    def encode(images):
        return colours.ab_bin(colours.rgb_to_lab(images)[..., 1:])

    shape = (image_size, image_size, 3)
    many = tf.random.stateless_uniform((images, *shape), (0, 1))
    encoded = tf.function(encode, jit_compile=jit)
    seconds = timing.times(lambda: encoded(many).numpy(), turns, skip=2)
    milliseconds = 1000 * float(np.median(seconds)) / images

    net = backbones.build("alexnet", form="split", width=width)
    method = split_brain.SplitBrain(net, split_brain.example(image_size, image_size))
    method.compile(keras.optimizers.Adam(1e-4))
    train = tf.function(method.train_step)  # As recipes run it by default.
    batch = {"image": many[:batch_size]}
    seconds = timing.times(lambda: train(batch)["loss"].numpy(), turns, skip=2)
    step = 1000 * float(np.median(seconds)) / min(batch_size, images)
    memory = {
        "bins_over_ab": float(timing.said(BINS, str(images), str(image_size), str(jit)))
    }
    return {
        "milliseconds_per_image": milliseconds,
        "step_milliseconds_per_image": step,
        "part_of_step": milliseconds / step,
        **(memory if timing.LINUX else {}),
    }


# What the first few images take for good, such as code, is not counted.
BINS = """
import sys, tensorflow as tf
from sslzoo import color
from sslzoo.bench import timing
count, side, jit = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
encoded = tf.function(color.ab_bin, jit_compile=jit)
encoded(tf.zeros((1, side, side, 2))).numpy()
ab = tf.fill((count, side, side, 2), 33.0)  # Made without more memory than its own.
encoded(ab[:1]).numpy()
before = timing.mebibytes("VmRSS")
bins = encoded(ab)
_ = bins[0, 0, 0].numpy()
print((timing.mebibytes("VmHWM") - before) / (8 * count * side**2 / 2**20))
"""

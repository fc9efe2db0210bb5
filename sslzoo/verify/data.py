"""What the network is shown, and in which order."""

import numpy as np
import tensorflow as tf

from sslzoo.augment import views
from sslzoo.data import pipeline, sources
from sslzoo.methods import byol
from sslzoo.verify.checking import same, true
from sslzoo.zoo import input as inputs

# What was so when it was written: runs of then can be gone on with, and repeated.
ORDER = (6, 1, 9, 8, 2, 0, 3, 7, 4, 5)
VIEWS = {  # seed: pixels of both views. 1 has a gray one, 11 a solarized one.
    1: (
        0.26642, 0.26642, 0.26642, 0.46977, 0.46977, 0.46977,
        0.48346, 0.48346, 0.48346, 0.21104, 0.21104, 0.21104,
        0.23482, 0.05221, 0.71681, 0.80615, 0.03270, 0.45090,
        0.10221, 0.28781, 0.73053, 0.11771, 0.45372, 0.00000,
    ),
    2: (
        0.03262, 0.76251, 0.90934, 0.83347, 0.15904, 0.32183,
        0.59886, 0.18123, 0.23976, 0.21212, 0.77741, 0.01427,
        0.63161, 0.31120, 0.20000, 0.07654, 0.27450, 0.90000,
        0.15197, 0.67554, 0.20000, 0.05556, 0.27450, 0.20000,
    ),
    11: (
        0.36057, 0.22261, 0.84803, 0.89321, 0.18984, 0.28694,
        0.73569, 0.20387, 0.25284, 0.71572, 0.54632, 0.21787,
        0.40428, 0.47697, 0.20000, 0.14514, 0.42106, 0.10000,
        0.40061, 0.29769, 0.20000, 0.03788, 0.42106, 0.20000,
    ),
}  # fmt: skip


def order_of_images():
    """Each epoch shows every image once, in a new order, which is always the same."""
    for count in (10, 37):
        order = pipeline.shuffled(tf.range(3 * count, dtype=tf.int64), count, seed=0)
        epochs = [tuple(epoch) for epoch in order.numpy().reshape(3, count)]
        for number, epoch in enumerate(epochs):
            true(
                sorted(epoch) == list(range(count)),
                f"Epoch {number} of {count} images shows {len(set(epoch))} of them.",
            )
        true(len(set(epochs)) == 3, "Two epochs show the images in the same order.")
    order = pipeline.shuffled(tf.range(10, dtype=tf.int64), 10, seed=0)
    same(order, ORDER, "order of ten images")


def any_position_at_once():
    """A run that goes on at step 3 sees what one from the start sees, to the bit."""
    stream = pipeline.Stream(sources.Synthetic(12), byol.example(16), 4)
    after = next(iter(pipeline.training_batches(stream, seed=5, step=3)))
    whole = pipeline.training_batches(stream, seed=5).skip(3)
    for key, expected in next(iter(whole)).items():
        same(after[key], expected, f"{key} at step 3", rtol=0, atol=0)


def views_of_fixed_seeds():
    """Views of fixed seeds have the pixels that they had when this was written."""
    example, item = byol.example(64), {"image": inputs.fixture()}
    for seed, expected in VIEWS.items():
        shown = example(item, tf.constant([0, seed], tf.int64))
        found = [shown[view][15::32, 15::32] for view in ("view1", "view2")]
        expected = np.reshape(expected, np.shape(found))
        same(found, expected, f"pixels of seed {seed}", rtol=0, atol=1e-4)


def evaluation_view():
    """The view of evaluation is the centre, resized as TensorFlow does it."""
    image, size = inputs.fixture(96)[:, :80], 32
    crop = size / (size + 32)  # BYOL's rule; here half of 80, from row 28, column 20.
    contract = {"size": size, "crop": crop, "interpolation": "bicubic"}
    found = inputs.view(image, {**contract, "antialias": False})
    centre = image[28:68, 20:60]
    expected = np.clip(tf.image.resize(centre, (size, size), "bicubic"), 0, 1)
    same(found, expected, "pixels, as features are made", 0, 1e-5)
    item, seed = {"image": image}, tf.constant([0, 0], tf.int64)
    other = views.evaluation_view(size)(item, seed)["view1"]
    same(other, expected, "pixels, as runs are evaluated", 0, 1e-5)


CHECKS = (
    order_of_images,
    any_position_at_once,
    views_of_fixed_seeds,
    evaluation_view,
)

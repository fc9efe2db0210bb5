"""What all that is shown to a method is made by: in two parts, and kept with it."""

import inspect

import tensorflow as tf


class Transform:
    """`(item, seed) -> {name: tensor}`, of one example or a batch.

    `windows` draws where to look, in NumPy, as the decoder would know it before it
    reads; `start` brings these windows to their size; `finish` changes their pixels, on
    the host or on the device. What `__init__` took lies under the same names.

    Neither part is rewritten by AutoGraph, which takes seconds: write tf.where, not if,
    of a tensor.
    """

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for part in {"start", "finish"} & vars(cls).keys():
            setattr(
                cls, part, tf.autograph.experimental.do_not_convert(vars(cls)[part])
            )

    def get_config(self):
        """What it was made with: a method that is kept tells by it what it saw."""
        return {
            name: getattr(self, name)
            for name in inspect.signature(type(self)).parameters
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __call__(self, item, seed):
        return self.finish(self.start(item, seed), seed)

    def draw(self, image, seed):
        """`windows` of a tensor `[..., h, w, c]`, as a tensor `[..., k, 4]`."""
        height, width = tf.unstack(tf.shape(image)[-3:-1])
        windows = tf.numpy_function(self.windows, [seed, height, width], tf.int64)
        return tf.ensure_shape(windows, (*image.shape[:-3], None, 4))

"""Networks in plain ops of TensorFlow 1, which the papers of Google were trained in.

What they compute and how they name their variables is written from the sheets, beside
nothing of ours; a checkpoint is what TF1's own Saver writes.
"""

import contextlib

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1


class Graph:
    """Makes layers in one graph, with random weights named as `name` says.

    Args:
        name: (kind, number of that kind) -> what its variables lie below.
    """

    def __init__(self, name, epsilon):
        self.name, self.epsilon = name, epsilon
        self.counts, self.rng = {}, np.random.default_rng(0)

    def variable(self, name, values):
        return tf1.get_variable(name, initializer=values.astype("float32"))

    def scope(self, kind):
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        return self.name(kind, number)

    def conv(self, x, filters, size, stride=1):
        """Without bias; a stride pads as Caffe does, the same on both sides."""
        scope, inputs = self.scope("conv2d"), x.shape[-1]
        shape = (size, size, inputs, filters)
        values = self.rng.normal(0, (2 / (size * size * inputs)) ** 0.5, shape)
        kernel = self.variable(f"{scope}/kernel", values)
        pads = [
            (0, 0),
            ((size - 1) // 2, size // 2),
            ((size - 1) // 2, size // 2),
            (0, 0),
        ]
        return tf.nn.conv2d(tf.pad(x, pads), kernel, stride, "VALID")

    def norm(self, x, relu=True):
        scope, n = self.scope("batch_normalization"), x.shape[-1]
        values = {
            "gamma": self.rng.uniform(0.5, 1.5, n),
            "beta": self.rng.normal(0, 0.2, n),
            "moving_mean": self.rng.normal(0, 0.2, n),
            "moving_variance": self.rng.uniform(0.5, 1.5, n),
        }
        found = {k: self.variable(f"{scope}/{k}", v) for k, v in values.items()}
        y = tf.nn.batch_normalization(
            x,
            found["moving_mean"],
            found["moving_variance"],
            found["beta"],
            found["gamma"],
            self.epsilon,
        )
        return tf.nn.relu(y) if relu else y


@contextlib.contextmanager
def session():
    with tf.Graph().as_default(), tf1.Session() as opened:
        yield opened


def run(opened, outputs, images, image):
    """Starts all variables, and gives the outputs of the images."""
    opened.run(tf1.global_variables_initializer())
    return opened.run(outputs, {images: image})


def save(opened, prefix):
    prefix.parent.mkdir(parents=True, exist_ok=True)
    saver = tf1.train.Saver()
    saver.save(opened, str(prefix), write_meta_graph=False, write_state=False)

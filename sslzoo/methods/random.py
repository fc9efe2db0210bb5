"""A network as it begins: what every method is measured against.

Its steps change nothing, so one is enough. It is exported, probed and shown as others.

Batch: whatever its example gives.
"""

import tensorflow as tf

from sslzoo.augment import views
from sslzoo.methods.base import Method


def example(size):
    """The centre of an image."""
    return views.evaluation_view(size)


class Random(Method):
    """Leaves `backbone` as it was drawn.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what is shown; see `example` above.
    """

    meters = ("loss",)

    def __init__(self, backbone, example):
        super().__init__(backbone, example, name="random")

    def train_step(self, batch):
        return self.report(loss=tf.zeros(()))

    def test_step(self, batch):
        return self.report(loss=tf.zeros(()))

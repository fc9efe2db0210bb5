"""Rotation (Gidaris et al., 2018), arXiv:1803.07728, as Revisiting trains it.

Each image is shown in its four quarter turns, and the network says which is which:

    loss = -1/4 sum_k log p(k | image turned k times),   p = softmax(W x + b)

k counts quarter turns against the clock, as np.rot90 does; x is what the backbone
gives.

Batch: {"view1"}, `[n, size, size, 3]`, RGB in [0, 1]. Its turns are made in the step:
four copies lie in the batch of the network, and in its normalisation, not in the input.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from sslzoo.augment import views
from sslzoo.heads import projectors
from sslzoo.methods import sheets
from sslzoo.methods.base import Method

ANGLES = (0, 90, 180, 270)


def example(size, area=(0.1, 1.0), ratio=(3 / 4, 4 / 3)):
    """One view of an image, with the colour changes of Inception's fast mode.

    Args:
        area: parts of the image that a view shows; Inception says 0.05, and draws anew
            where less than a tenth is covered.
        ratio: width / height of a window before it is made a square; None takes
            squares, so that there is no squeeze which would turn with the picture.
    """
    return views.Views(size, (views.INCEPTION,), area, ratio)


class Rotation(Method):
    """Pretrains `backbone` to tell the quarter turns of an image apart.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what the network is shown; see `example` above.
    """

    meters = ("loss", "accuracy")
    citation = """@inproceedings{gidaris2018rotation,
  title = {Unsupervised Representation Learning by Predicting Image Rotations},
  author = {Gidaris, Spyros and Singh, Praveer and Komodakis, Nikos},
  booktitle = {International Conference on Learning Representations},
  year = {2018}
}"""
    figures = (
        {
            "setting": "RevNet50 of k = 16, ImageNet, 35 epochs",
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": 0.554,
            "source": "Kolesnikov et al. 2019, Table 2",
        },
        {
            "setting": "ResNet50 v2 of k = 4, ImageNet, 35 epochs",
            "data": "ImageNet, 50,000 of the training images",
            "protocol": "linear by L-BFGS",
            "value": 0.438,
            "source": "Kolesnikov et al. 2019, Table 1",
        },
    )

    def __init__(self, backbone, example):
        super().__init__(backbone, example, name="rotation")
        width = backbone.output["pooled"].shape[-1]
        self.classifier = projectors.linear(
            width, len(ANGLES), name="classifier", kernel="glorot_uniform"
        )

    def train_step(self, batch):
        turned = quarter_turns(self.shown(batch)["view1"])
        with tf.GradientTape() as tape:
            loss, accuracy = self.guess(turned, training=True)
        self.minimize(tape, loss)
        return self.report(loss=loss, accuracy=accuracy)

    def test_step(self, batch):
        """Loss and accuracy on held-out images, every network in inference mode."""
        turned = quarter_turns(self.shown(batch)["view1"])
        loss, accuracy = self.guess(turned, training=False)
        return self.report(loss=loss, accuracy=accuracy)

    def guess(self, turned, training):
        """The loss, and the part of all turns that is told right."""
        logits = self.logits(turned, training)
        turns = ops.arange(ops.shape(turned)[0]) % len(ANGLES)
        loss = keras.losses.sparse_categorical_crossentropy(
            turns, logits, from_logits=True
        )
        right = keras.metrics.sparse_categorical_accuracy(turns, logits)
        return ops.mean(loss), ops.mean(right)

    def logits(self, images, training=False):
        pooled = self.backbone(images, training=training)["pooled"]
        return self.classifier(pooled, training=training)

    def sheet(self, batch):
        """Each turn, and the angle that is said of it; chance is a quarter."""
        turned = quarter_turns(ops.convert_to_tensor(batch["image"]))
        told = ops.convert_to_numpy(self.logits(turned)).argmax(axis=-1)
        told = told.reshape(-1, len(ANGLES))
        each = ops.convert_to_numpy(turned)
        each = each.reshape(len(told), len(ANGLES), *each.shape[1:])
        names = [f"turned by {angle}" for angle in ANGLES]
        right = np.mean(told == np.arange(len(ANGLES)), axis=1)
        return sheets.Sheet(
            {name: each[:, k] for k, name in enumerate(names)},
            figures=sheets.against_chance(right, 1 / len(ANGLES)),
            words={
                name: [f"{ANGLES[k]}, said {ANGLES[j]}" for j in told[:, k]]
                for k, name in enumerate(names)
            },
        )


def quarter_turns(images):
    """`[n, s, s, 3]` -> `[4 n, s, s, 3]`: image 4 i + k is image i turned k times."""
    turned = tf.stack([tf.image.rot90(images, k) for k in range(len(ANGLES))], axis=1)
    return tf.reshape(turned, (-1, *images.shape[1:]))

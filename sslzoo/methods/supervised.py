"""Classification with labels: what self-supervision is measured against.

    loss = -log p(label | image),   p = softmax(W x + b)

x is what the network gives, of a map the mean over all places. With labels smoothed by
s, in training, it is (1 - s) times that and s times the mean of -log p of all classes.

Batch: {"image"}, `[n, size, size, 3]`, RGB in [0, 1]; "label", `[n]`; and "n", `[n]`,
which decides what is dropped. Whether it sees colours or gray is the backbone's.
"""

import keras
import tensorflow as tf
from keras import ops

from sslzoo.augment import draws, patches, views
from sslzoo.augment.randaugment import RandAugmented
from sslzoo.backbones import fold, layers
from sslzoo.errors import BadInput
from sslzoo.heads import projectors
from sslzoo.methods.base import Method


def example(size, shortest):
    """A square of the image at a random scale, maybe mirrored."""
    return patches.Patch(size, shortest)


def view(size, changes=2, magnitude=9.0, area=None):
    """A random window, changed by RandAugment, as for BYOL's baseline; or, of no
    `changes`, as Inception's fast mode has it, Revisiting's.

    Args:
        area: None is what each has: from 0.08, or of Revisiting's as `rotation.example`
            has it.
    """
    mild = views.MIRROR if changes else views.INCEPTION
    area = area or (0.08 if changes else 0.1, 1.0)
    return RandAugmented(size, mild, area, count=changes, magnitude=magnitude)


class Supervised(Method):
    """Trains `backbone` to tell the classes of its images.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what is shown; see `example` and `view` above.
        classes: labels are 0 to `classes` - 1.
        feature: what is classified, of the backbone's outputs.
        absorb: whether the model that is exported has batch normalisation absorbed in
            its weights, as `Colorization` has it.
        smoothing: s, of the labels.
    """

    meters = ("loss", "accuracy")
    uses = ("label",)

    def __init__(
        self,
        backbone,
        example,
        classes,
        feature="pooled",
        absorb=False,
        smoothing=0.0,
    ):
        if classes < 2:
            raise BadInput(f"classes={classes}: there is nothing to tell apart.")
        super().__init__(backbone, example, name="supervised")
        layers.known(feature, backbone.output, "feature")
        width = backbone.output[feature].shape[-1]
        self.classifier = projectors.linear(width, classes, name="classifier")
        self.feature, self.absorb, self.smoothing = feature, absorb, smoothing

    def train_step(self, batch):
        batch = self.shown(batch)
        dropped = layers.drawn_by(draws.of_parts(batch["n"], 1))
        with tf.GradientTape() as tape, dropped:
            loss, accuracy = self.guess(batch, training=True)
        self.minimize(tape, loss)
        return self.report(loss=loss, accuracy=accuracy)

    def test_step(self, batch):
        """Loss and accuracy on held-out images."""
        loss, accuracy = self.guess(self.shown(batch), training=False)
        return self.report(loss=loss, accuracy=accuracy)

    def guess(self, batch, training):
        """The loss, and the part of the images that are told right."""
        x = self.backbone(batch["image"], training=training)[self.feature]
        x = ops.mean(x, axis=(1, 2)) if len(x.shape) == 4 else x
        logits = self.classifier(x, training=training)
        loss = keras.losses.sparse_categorical_crossentropy(
            batch["label"], logits, from_logits=True
        )
        if training and self.smoothing:
            every = -ops.mean(ops.log_softmax(logits), axis=-1)
            loss = (1 - self.smoothing) * loss + self.smoothing * every
        right = keras.metrics.sparse_categorical_accuracy(batch["label"], logits)
        return ops.mean(loss), ops.mean(right)

    def deployable(self):
        return fold.folded(self.backbone) if self.absorb else self.backbone

"""Relative patches (Doersch et al., 2015), arXiv:1505.05192, as Revisiting trains them.

Of nine patches the network sees the middle one and another, and says on which of its
eight sides that lies:

    loss = -1/8 sum_i log p(i | f(x_i), f(x_middle)),   p = softmax(MLP(.))

i counts the eight around the middle row by row: 0 is above on the left, 3 on the left,
7 below on the right. f is the backbone with one linear layer on it.

Batch: {"patches"}, `[n, 9, patch, patch, 3]`, RGB in [0, 1], row by row; and "n",
`[n]`, which decides on what is dropped.

Where paper and code part we follow the code: gray of a whole image
(`example(each=True)`: of each patch, as the paper says), the MLP on 1000 numbers of
each patch (`embedding=0`: on the backbone's own). `example(colours="dropped")` takes
colours away as Doersch did.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from sslzoo.augment import draws
from sslzoo.augment.grid import Grid
from sslzoo.augment.permutations import PATCHES
from sslzoo.backbones import layers
from sslzoo.backbones.nine import nine
from sslzoo.heads import projectors, puzzles
from sslzoo.methods import jigsaw, sheets
from sslzoo.methods.base import Method

MIDDLE = 4
AROUND = (0, 1, 2, 3, 5, 6, 7, 8)
NAMES = ("above left", "above", "above right", "left")
NAMES += ("right", "below left", "below", "below right")


def example(patch=64, cell=85, gray=0.66, each=False, colours="gray"):
    """Nine patches of an image, see `augment.grid`."""
    return Grid(patch, cell, colours=colours, gray=gray, each=each)


class RelativePatch(Method):
    """Pretrains `backbone` to say how two patches lie to each other.

    Args:
        backbone: a model of patches, whose output has a "pooled" entry; with
            pixels="per_image" it brings each to mean 0 and deviation 1.
        example: what the network is shown; see `example` above.
        patch: the side of a patch.
        embedding: numbers that the MLP is given of each patch, by one linear layer, as
            in the code; 0: those of the backbone, as the paper says.
        hidden, dropout, momentum: of the MLP, see `puzzles.patch_mlp`.
    """

    meters = ("loss", "accuracy")
    citation = """@inproceedings{doersch2015context,
  title = {Unsupervised Visual Representation Learning by Context Prediction},
  author = {Doersch, Carl and Gupta, Abhinav and Efros, Alexei A.},
  booktitle = {IEEE International Conference on Computer Vision},
  year = {2015}
}"""
    figures = (
        {
            "setting": "ResNet50 v1 of k = 8, ImageNet, 35 epochs",
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": 0.514,
            "source": "Kolesnikov et al. 2019, Table 2",
        },
        {
            "setting": "ResNet50 v1 of k = 4, ImageNet, 35 epochs",
            "data": "ImageNet, 50,000 of the training images",
            "protocol": "linear by L-BFGS",
            "value": 0.468,
            "source": "Kolesnikov et al. 2019, Table 1",
        },
    )

    def __init__(
        self,
        backbone,
        example,
        patch=64,
        embedding=1000,
        hidden=4096,
        dropout=0.5,
        momentum=0.997,
    ):
        super().__init__(backbone, example, name="relative_patch")
        width = backbone.output["pooled"].shape[-1]
        self.embedding = None
        if embedding:
            self.embedding = projectors.linear(
                width, embedding, name="embedding", kernel="glorot_uniform"
            )
        inputs = 2 * (embedding or width)
        self.puzzle = puzzles.patch_mlp(
            inputs, hidden, len(AROUND), "puzzle", dropout, momentum
        )
        self.evaluated = nine(backbone, patch)

    def train_step(self, batch):
        batch = self.shown(batch)
        with tf.GradientTape() as tape:
            with layers.drawn_by(draws.of_parts(batch["n"], PATCHES)):
                embedded = jigsaw.embed(self, batch["patches"], training=True)
            with layers.drawn_by(draws.of_parts(batch["n"], len(AROUND))):
                loss, accuracy = self.guess(embedded, training=True)
        self.minimize(tape, loss)
        return self.report(loss=loss, accuracy=accuracy)

    def test_step(self, batch):
        """Loss and accuracy of held-out images, of all eight pairs of each."""
        embedded = jigsaw.embed(self, self.shown(batch)["patches"])
        loss, accuracy = self.guess(embedded)
        return self.report(loss=loss, accuracy=accuracy)

    def deployable(self):
        """The mean over nine patches, of images."""
        return self.evaluated

    def guess(self, embedded, training=False):
        """The loss, and the part of all pairs that is told right."""
        logits = self.logits(embedded, training)
        sides = ops.broadcast_to(ops.arange(len(AROUND)), ops.shape(logits)[:2])
        loss = keras.losses.sparse_categorical_crossentropy(
            sides, logits, from_logits=True
        )
        right = keras.metrics.sparse_categorical_accuracy(sides, logits)
        return ops.mean(loss), ops.mean(right)

    def logits(self, x, training=False):
        """What is said of the eight pairs of images `[n, 9, d]`: `[n, 8, 8]`."""
        around = ops.take(x, AROUND, axis=1)
        middle = ops.broadcast_to(x[:, MIDDLE : MIDDLE + 1], ops.shape(around))
        rows = ops.reshape(
            ops.concatenate([around, middle], axis=-1), (-1, 2 * x.shape[-1])
        )
        said = self.puzzle(rows, training=training)
        return ops.reshape(said, (-1, len(AROUND), len(AROUND)))

    def sheet(self, batch):
        """The middle, and each of the eight with where it is said to lie."""
        patches = jigsaw.middle(self.example, batch["image"])
        logits = self.logits(jigsaw.embed(self, ops.convert_to_tensor(patches)))
        told = ops.convert_to_numpy(logits).argmax(axis=-1)
        right = (told == np.arange(len(AROUND))).mean(axis=1)
        pictures = {"image": sheets.laid_out(patches), "middle": patches[:, MIDDLE]}
        words = {}
        for side, (name, cell) in enumerate(zip(NAMES, AROUND)):
            pictures[name] = patches[:, cell]
            words[name] = [f"{name} | {NAMES[j]}" for j in told[:, side]]
        chance = 1 / len(AROUND)
        return sheets.Sheet(
            pictures, figures=sheets.against_chance(right, chance), words=words
        )

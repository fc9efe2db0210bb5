"""Jigsaw (Noroozi and Favaro, 2016), arXiv:1603.09246, as Revisiting trains it.

Nine patches of an image are put in another order, of a hundred that are known, and the
network says in which:

    loss = -log p(o | f(x_o(0)), ..., f(x_o(8))),   p = softmax(MLP(.)),   o of 100

f is the backbone with one linear layer on it; it sees each patch by itself.

Batch: {"patches"}, `[n, 9, patch, patch, 3]`, RGB in [0, 1], row by row; and "n",
`[n]`, which decides on the orders and on what is dropped.

Where paper and code part we follow the code, and the rest are settings: gray of a whole
image (`example(each=True)`: of each patch, as the paper says), the MLP on 1000 numbers
of each patch (`embedding=0`: on the backbone's own), 8 orders in a step that all images
share (`shared=False`: 8 of its own for each; the paper does not say).
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from sslzoo import distribute
from sslzoo.augment import draws
from sslzoo.augment.grid import Grid
from sslzoo.augment.permutations import PATCHES, farthest
from sslzoo.backbones import layers
from sslzoo.backbones.nine import nine
from sslzoo.errors import BadInput
from sslzoo.heads import projectors, puzzles
from sslzoo.methods import sheets
from sslzoo.methods.base import Method

ORDERS = 719  # Part of the seeds of orders, so that they are none of the examples'.


def example(patch=64, cell=85, gray=0.66, each=False):
    """Nine patches of an image, see `augment.grid`."""
    return Grid(patch, cell, gray=gray, each=each)


class Jigsaw(Method):
    """Pretrains `backbone` to put patches in order.

    Args:
        backbone: a model of patches, whose output has a "pooled" entry; with
            pixels="per_image" it brings each to mean 0 and deviation 1.
        example: what the network is shown; see `example` above.
        patch: the side of a patch.
        orders: how many are known.
        subset: of these, that each image is shown in a step; all when it is tested.
        shared: whether all images of a step are shown the same.
        embedding: numbers that the MLP is given of each patch, by one linear layer; 0:
            those of the backbone.
        hidden, dropout, momentum: of the MLP, see `puzzles.patch_mlp`.
    """

    meters = ("loss", "accuracy")
    citation = """@inproceedings{noroozi2016jigsaw,
  title = {Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles},
  author = {Noroozi, Mehdi and Favaro, Paolo},
  booktitle = {European Conference on Computer Vision},
  year = {2016}
}"""
    figures = (
        {
            "setting": "ResNet50 v1 of k = 8, ImageNet, 35 epochs",
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": 0.446,
            "source": "Kolesnikov et al. 2019, Table 2",
        },
        {
            "setting": "ResNet50 v1 of k = 4, ImageNet, 35 epochs",
            "data": "ImageNet, 50,000 of the training images",
            "protocol": "linear by L-BFGS",
            "value": 0.422,
            "source": "Kolesnikov et al. 2019, Table 1",
        },
    )

    def __init__(
        self,
        backbone,
        example,
        patch=64,
        orders=100,
        subset=8,
        shared=True,
        embedding=1000,
        hidden=4096,
        dropout=0.5,
        momentum=0.997,
    ):
        if not 1 <= subset <= orders:
            raise BadInput(
                f"subset={subset} of orders={orders}: give 1 or more, and no more than "
                "there are."
            )
        super().__init__(backbone, example, name="jigsaw")
        self.orders, self.subset, self.shared = farthest(orders), subset, shared
        width = backbone.output["pooled"].shape[-1]
        self.embedding = None
        if embedding:
            self.embedding = projectors.linear(
                width, embedding, name="embedding", kernel="glorot_uniform"
            )
        inputs = PATCHES * (embedding or width)
        self.puzzle = puzzles.patch_mlp(
            inputs, hidden, orders, "puzzle", dropout, momentum
        )
        self.evaluated = nine(backbone, patch)

    def train_step(self, batch):
        batch = self.shown(batch)
        n = tf.cast(batch["n"], tf.int64)
        chosen = self.chosen(n)
        with tf.GradientTape() as tape:
            with layers.drawn_by(draws.of_parts(n, PATCHES)):
                embedded = embed(self, batch["patches"], training=True)
            with layers.drawn_by(draws.of_parts(n, self.subset)):
                loss, accuracy = self.guess(embedded, chosen, training=True)
        self.minimize(tape, loss)
        return self.report(loss=loss, accuracy=accuracy)

    def test_step(self, batch):
        """Loss and accuracy of held-out images, each in every order."""
        batch = self.shown(batch)
        embedded = embed(self, batch["patches"])
        found = [
            [len(part) * value for value in self.guess(embedded, part[None])]
            for part in np.array_split(
                np.arange(len(self.orders)), -(-len(self.orders) // self.subset)
            )
        ]
        loss, accuracy = (sum(each) / len(self.orders) for each in zip(*found))
        return self.report(loss=loss, accuracy=accuracy)

    def deployable(self):
        """The mean over nine patches, of images."""
        return self.evaluated

    def chosen(self, n):
        """The numbers of the orders that are shown, `[n, subset]`, by the counters."""
        n = tf.repeat(distribute.gather(n)[:1], tf.shape(n)) if self.shared else n
        seeds = tf.stack([tf.fill(tf.shape(n), tf.constant(ORDERS, tf.int64)), n], -1)
        return draws.permutation(seeds, len(self.orders))[:, : self.subset]

    def guess(self, embedded, chosen, training=False):
        """The loss, and the part of all puzzles that is told right.

        Args:
            embedded: `[n, 9, d]`.
            chosen: numbers of orders, `[n, s]`, or `[1, s]` for all images.
        """
        logits = self.logits(embedded, chosen, training)
        chosen = ops.broadcast_to(chosen, ops.shape(logits)[:2])
        loss = keras.losses.sparse_categorical_crossentropy(
            chosen, logits, from_logits=True
        )
        right = keras.metrics.sparse_categorical_accuracy(chosen, logits)
        return ops.mean(loss), ops.mean(right)

    def logits(self, embedded, chosen, training=False):
        """What is said of the images in these orders, `[n, s, orders]`."""
        n, d, s = ops.shape(embedded)[0], embedded.shape[-1], chosen.shape[1]
        order = tf.gather(tf.constant(self.orders), chosen)
        order = tf.broadcast_to(order, (n, s, PATCHES))
        shuffled = tf.gather(embedded, order, axis=1, batch_dims=1)  # [n, s, 9, d]
        rows = ops.reshape(shuffled, (-1, PATCHES * d))
        said = self.puzzle(rows, training=training)
        return ops.reshape(said, (-1, s, len(self.orders)))

    def sheet(self, batch):
        """A puzzle of each image, and its patches where they are said to belong.

        Right of all orders is the accuracy, of which chance has one in so many.
        """
        patches = middle(self.example, batch["image"])
        embedded = embed(self, ops.convert_to_tensor(patches))
        every = np.arange(len(self.orders))[None]
        told = np.concatenate(
            [
                ops.convert_to_numpy(self.logits(one[None], every)).argmax(axis=-1)
                for one in embedded
            ]
        )
        shown = [i % len(self.orders) for i in range(len(patches))]
        puzzle, solved, truth, words = [], [], [], []
        for i, k in enumerate(shown):
            shuffled = patches[i][self.orders[k]]
            back = np.argsort(self.orders[told[i, k]])
            for drawn, each in zip(
                (puzzle, solved, truth), (shuffled, shuffled[back], patches[i])
            ):
                drawn.append(sheets.laid_out(each))
            words.append(f"order {k}, said {told[i, k]}")
        return sheets.Sheet(
            {"puzzle": np.stack(puzzle), "as said": np.stack(solved)}
            | {"truth": np.stack(truth)},
            figures=sheets.against_chance(
                (told == every).mean(axis=1), 1 / len(self.orders)
            ),
            words={"as said": words},
        )


def embed(method, patches, training=False):
    """f of every patch, `[n, 9, d]`; `method` has a `backbone` and an `embedding`."""
    images = ops.reshape(patches, (-1, *patches.shape[2:]))
    x = method.backbone(images, training=training)["pooled"]
    x = method.embedding(x, training=training) if method.embedding else x
    return ops.reshape(x, (-1, PATCHES, x.shape[-1]))


def middle(grid, images):
    """Nine patches of images, each in the middle of its cell and in its colours.

    Args:
        grid: of which the method is shown patches.
    """
    if not isinstance(grid, Grid):
        raise BadInput(
            "How this method cuts images into patches is not known: its example is "
            f"{grid!r}, where an augment.grid.Grid is wanted. Load it with example=..."
        )
    still = Grid(**{**grid.get_config(), "evaluate": True, "stored": grid.size})
    seeds = np.zeros((len(images), 2), np.int64)
    return np.asarray(still({"image": images}, seeds)["patches"])

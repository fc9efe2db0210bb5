"""Exemplar (Dosovitskiy et al., 2014), arXiv:1406.6909, as Revisiting trains it.

Copies of an image, each changed much, are to lie nearer to one another than to any
copy of another image:

    loss = mean_{a, p} max(0, margin + |z_a - z_p|^2 - |z_a - z_n|^2),   z = W x + b

a and p are copies of one image, n is a semi-hard negative: see `losses.triplet`.

Batch: {"copies"}, `[n, k, size, size, 3]`, RGB in [0, 1].

Where paper and code part, or are not sure: negatives are mined among all replicas, in
the code within each of them (`everyone`). The code normalises z over the batch, each of
its numbers by itself, which was hardly meant (`normalize`); the paper does not say. It
brings each copy to mean 0 and deviation 1 in training, and images to [-1, 1] after
(`standardize`); a backbone with pixels="per_image" does both alike.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from sslzoo import distribute
from sslzoo.augment import draws, views
from sslzoo.augment import ops as augment
from sslzoo.backbones import layers
from sslzoo.errors import BadInput
from sslzoo.heads import projectors
from sslzoo.losses import triplet
from sslzoo.losses.regression import unit
from sslzoo.methods import sheets
from sslzoo.methods.base import Method

NORMALIZE = ("none", "batch", "vector")


def example(size, copies=8, gray=0.66, changes=views.INCEPTION, area=(0.1, 1.0)):
    """Copies of an image, two of three times without colours, the same for all."""
    return Copies(size, copies, gray, changes, area)


class Exemplar(Method):
    """Pretrains `backbone` to know the copies of an image as the same.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what the network is shown; see `example` above.
        embedding: the size of z.
        margin: of the code; the paper states none.
        squared: whether distances are squared, as in the code.
        normalize: z as it is, "none"; each of its numbers over the "batch"; or each
            "vector", as the authors' later code has it.
        everyone: whether negatives are mined among all replicas.
        standardize: whether each copy is brought to mean 0 and deviation 1 first.
    """

    meters = ("loss", "accuracy")
    citation = """@inproceedings{dosovitskiy2014exemplar,
  title = {Discriminative Unsupervised Feature Learning with Convolutional Neural
    Networks},
  author = {Dosovitskiy, Alexey and Springenberg, Jost Tobias and Riedmiller, Martin and
    Brox, Thomas},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2014}
}"""
    figures = (
        {
            "setting": "ResNet50 v1 of k = 12, ImageNet, 35 epochs",
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": 0.46,
            "source": "Kolesnikov et al. 2019, Table 2",
        },
        {
            "setting": "ResNet50 v2 of k = 4, ImageNet, 35 epochs",
            "data": "ImageNet, 50,000 of the training images",
            "protocol": "linear by L-BFGS",
            "value": 0.43,
            "source": "Kolesnikov et al. 2019, Table 1",
        },
    )

    def __init__(
        self,
        backbone,
        example,
        embedding=1000,
        margin=0.5,
        squared=True,
        normalize="none",
        everyone=True,
        standardize=True,
    ):
        layers.known(normalize, NORMALIZE, "normalize")
        super().__init__(backbone, example, name="exemplar")
        width = backbone.output["pooled"].shape[-1]
        self.embedding = projectors.linear(
            width, embedding, name="embedding", kernel="glorot_uniform"
        )
        self.margin, self.squared, self.normalize = margin, squared, normalize
        self.everyone = everyone
        own = layers.PerImage(dtype="float32", name="per_image")
        self.standardized = own if standardize else None

    def train_step(self, batch):
        copies = self.shown(batch)["copies"]
        with tf.GradientTape() as tape:
            loss, accuracy = self.guess(copies, training=True)
        self.minimize(tape, loss)
        return self.report(loss=loss, accuracy=accuracy)

    def test_step(self, batch):
        """On held-out images: the negatives are those of the batch."""
        loss, accuracy = self.guess(self.shown(batch)["copies"], training=False)
        return self.report(loss=loss, accuracy=accuracy)

    def guess(self, copies, training):
        """The loss, and the part of all copies that lie nearest to one of their own."""
        z = self.embed(copies, training)
        loss = triplet.semi_hard_triplet(z, self.margin, self.squared, self.everyone)
        return loss, ops.mean(triplet.nearest_is_own(z, self.everyone))

    def embed(self, copies, training=False):
        """z of every copy, `[n, k, d]`."""
        images = ops.reshape(copies, (-1, *copies.shape[2:]))
        if self.standardized:
            # Around 1/2, so that a backbone that takes [0, 1] to [-1, 1] sees them so.
            images = self.standardized(images) / 2 + 0.5
        pooled = self.backbone(images, training=training)["pooled"]
        z = self.embedding(pooled, training=training)
        z = ops.reshape(z, (-1, copies.shape[1], z.shape[-1]))
        if self.normalize == "vector":
            return unit(z)
        if self.normalize == "batch":
            square = ops.sum(ops.square(z), axis=(0, 1))[None]
            square = distribute.gather(square) if self.everyone else square
            return z * ops.rsqrt(ops.maximum(ops.sum(square, axis=0), 1e-12))
        return z

    def sheet(self, batch):
        """The copies, each with its distance to the first and to the nearest stranger.

        Chance knows no image: of all other copies as many are one's own as there are.
        """
        if self.example is None:
            raise BadInput(
                "How this method copies images is not known, for its file could not "
                "say it: load it with example=..."
            )
        seeds = tf.stack([[0, i] for i in range(len(batch["image"]))])
        images = tf.convert_to_tensor(batch["image"])
        copies = self.example({"image": images}, tf.cast(seeds, tf.int64))["copies"]
        z = self.embed(copies)
        n, k = z.shape[:2]
        own = np.sqrt(ops.convert_to_numpy(triplet.distances(z, z)))
        d, other = (ops.convert_to_numpy(x) for x in triplet.to_all(z))
        far = np.sqrt(np.where(other, d, np.inf).min(axis=-1))
        right = ops.convert_to_numpy(triplet.nearest_is_own(z)).mean(axis=-1)
        pictures, words = {"image": batch["image"]}, {}
        for j in range(k):
            name = f"copy {j + 1}"
            pictures[name] = ops.convert_to_numpy(copies[:, j])
            words[name] = [f"{own[i, 0, j]:.2f} | {far[i, j]:.2f}" for i in range(n)]
        chance = (k - 1) / (n * k - 1)
        return sheets.Sheet(
            pictures,
            figures={
                **sheets.against_chance(right, chance),
                "distance to the first copy": own[:, 0, 1:].mean(axis=-1),
                "distance to the nearest stranger": far.mean(axis=-1),
            },
            words=words,
        )


@keras.saving.register_keras_serializable("sslzoo")
class Copies(views.Alike):
    """`(item, seed) -> {"copies": [k, size, size, 3]}`.

    Args:
        copies: k, 2 or more.
        gray: the probability that an image has lost its colours before it is copied.
        changes: of each copy, a `views.Changes`.
        area, ratio: of the random window of each copy, as `views.Views` takes them.
    """

    def __init__(
        self,
        size,
        copies=8,
        gray=0.66,
        changes=views.INCEPTION,
        area=(0.1, 1.0),
        ratio=(3 / 4, 4 / 3),
    ):
        if copies < 2:
            raise BadInput(
                f"copies={copies}: there is no pair of them. Give 2 or more."
            )
        if not 0 <= gray <= 1:
            raise BadInput(f"gray={gray} is a probability: give a number from 0 to 1.")
        super().__init__(size, changes, area, ratio, copies)
        self.copies, self.gray = copies, gray

    def finish(self, begun, seed):
        """Gray first, all or none, then the changes of each copy."""
        chance = draws.split(augment.tensor(seed), 3)[2]  # The views take the others.
        begun = {
            name: augment.grayscale(view, chance, self.gray, augment.MEAN)
            for name, view in begun.items()
        }
        found = self.views.finish(begun, seed)
        return {"copies": tf.stack([found[n] for n in self.views.names], axis=-4)}

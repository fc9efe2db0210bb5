"""MoCo v2 (Chen et al., 2020), arXiv:2003.04297: negatives are of earlier batches.

    q = g(f(view1)),   k = g'(f'(view2)),   ' moves slowly towards what it is a copy of
    loss  = -log( exp(cos(q, k) / t) / (exp(cos(q, k) / t) + sum_queue exp(q k_j / t)) )
    queue <- the latest K keys,   f', g' <- tau f', g' + (1 - tau) f, g

The paper's letter for tau is m. The queue has the keys of all replicas, in the order of
the batch, and is kept with the weights: a run goes on with the same bits.
Batch: {"view1", "view2"}, each `[n, size, size, 3]`, RGB in [0, 1].

From memory, no facts sheet of ours has them: K 65536, t 0.2, tau 0.999, a projector of
two layers without batch normalisation, 128 outputs; SGD of momentum 0.9, rate 0.03 for
256 images, half a cosine, decay 1e-4, 200 or 800 epochs. The authors normalise by GPU
and shuffle keys among GPUs; we normalise over the whole batch, and nothing is shuffled.
"""

import keras
import tensorflow as tf
from keras import ops

from sslzoo import distribute
from sslzoo.augment import views
from sslzoo.heads import projectors
from sslzoo.losses.contrastive import against_queue
from sslzoo.losses.regression import unit
from sslzoo.methods import momentum, sheets
from sslzoo.methods.base import Method


def example(size, smallest_crop=0.2):
    """Two views of one family, gentler in colour than SimCLR's."""
    changes = dict(saturation=0.4, blur=0.5, brighten="scale")
    family = views.Changes(**changes)
    return views.Views(size, (family, family), area=(smallest_crop, 1.0))


class MoCo(Method):
    """Pretrains `backbone` with MoCo v2.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what the network is shown; see `example` above.
        keys: K, how many the queue has. It begins with random ones.
        temperature: t.
        tau: how much of itself the slow copy keeps in a step.
        hidden: width of the projector; 0: that of the features.
    """

    meters = ("loss", "accuracy")

    def __init__(
        self, backbone, example, keys=65536, temperature=0.2, tau=0.999, hidden=0,
        outputs=128,
    ):  # fmt: skip
        super().__init__(backbone, example, name="moco")
        width = backbone.output["pooled"].shape[-1]
        self.projector = projectors.mlp(
            width, hidden or width, outputs, "projector", norm=False, last="bias"
        )
        self.target_backbone = momentum.frozen_copy(backbone)
        self.target_projector = momentum.frozen_copy(self.projector)
        random = keras.random.normal((keys, outputs), seed=0)
        self.queue = keras.Variable(unit(random), trainable=False, name="queue")
        self.temperature, self.tau = temperature, momentum.part_kept(tau, "tau")

    def train_step(self, batch):
        batch = self.shown(batch)
        k = self.key(batch["view2"])
        with tf.GradientTape() as tape:
            q = self.query(batch["view1"])
            loss, accuracy = against_queue(q, k, self.queue, self.temperature)
        stepped = self.minimize(tape, loss)
        momentum.move(self.target_backbone, self.backbone, self.tau, stepped)
        momentum.move(self.target_projector, self.projector, self.tau, stepped)
        latest = ops.concatenate([self.queue, distribute.gather(unit(k))])
        self.queue.assign(latest[-self.queue.shape[0] :])
        return self.report(loss=loss, accuracy=accuracy)

    def test_step(self, batch):
        """On held-out examples, in inference mode, against the queue as it is."""
        batch = self.shown(batch)
        q, k = self.query(batch["view1"], False), self.key(batch["view2"], False)
        loss, accuracy = against_queue(q, k, self.queue, self.temperature)
        return self.report(loss=loss, accuracy=accuracy)

    def query(self, images, training=True):
        pooled = self.backbone(images, training=training)["pooled"]
        return self.projector(pooled, training=training)

    def key(self, images, training=True):
        pooled = self.target_backbone(images, training=training)["pooled"]
        return tf.stop_gradient(self.target_projector(pooled, training=training))

    def look(self, batch):
        """Projections of both views, queries and keys, in inference mode."""
        batch = self.shown(batch)
        looks = {f"z{i}": self.query(batch[f"view{i}"], False) for i in (1, 2)}
        keys = {f"target{i}": self.key(batch[f"view{i}"], False) for i in (1, 2)}
        return {**looks, **keys}

    def sheet(self, batch):
        """The two views, and the negatives that look most alike."""
        return sheets.of_views(self, batch)

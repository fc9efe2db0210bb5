"""Barlow Twins (Zbontar et al., 2021), arXiv:2103.03230: each column says its own.

    C = correlations of the columns of z1 with those of z2, over the batch
    loss = sum_i (1 - C_ii)^2 + redundancy sum_{i != j} C_ij^2

z is the projection. No predictor, no target, no negatives.
Batch: {"view1", "view2"}, each `[n, size, size, 3]`, RGB in [0, 1].

From memory, no facts sheet of ours has them: redundancy 0.0051, a projector of three
layers, all 8192 wide, none with a bias; LARS, decay 1.5e-6, rate 0.2 of kernels and
0.0048 of biases and batch normalisation for 256 images, batches of 2048, 10 epochs of
warm-up, half a cosine, 1000 epochs; BYOL's views.
"""

import tensorflow as tf

from sslzoo.heads import projectors
from sslzoo.losses.redundancy import barlow_twins
from sslzoo.methods import byol
from sslzoo.methods.base import Method
from sslzoo.methods.projected import Projected

example = byol.example


class BarlowTwins(Projected, Method):
    """Pretrains `backbone` with Barlow Twins.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what the network is shown; see `example` above.
        redundancy: the weight of what columns share, the paper's lambda.
        outputs: width of the projector and of its output.
    """

    def __init__(self, backbone, example, redundancy=0.0051, outputs=8192):
        super().__init__(backbone, example, name="barlow_twins")
        width = backbone.output["pooled"].shape[-1]
        self.projector = projectors.mlp(width, outputs, outputs, "projector", 3, False)
        self.redundancy = redundancy

    def train_step(self, batch):
        batch = self.shown(batch)
        with tf.GradientTape() as tape:
            z1, z2 = (self.project(batch[v]) for v in ("view1", "view2"))
            loss = barlow_twins(z1, z2, self.redundancy)
        self.minimize(tape, loss)
        return self.report(loss=loss)

    def test_step(self, batch):
        """On held-out examples, the network in inference mode."""
        batch = self.shown(batch)
        z1, z2 = (self.project(batch[v], False) for v in ("view1", "view2"))
        return self.report(loss=barlow_twins(z1, z2, self.redundancy))

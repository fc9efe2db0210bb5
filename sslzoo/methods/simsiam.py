"""SimSiam (Chen & He, 2021), arXiv:2011.10566: BYOL with itself as its target.

    loss = (D(q(z1), sg(z2)) + D(q(z2), sg(z1))) / 2,   D(p, z) = -cos(p, z)

q is the predictor, sg stops the gradient. Reported here with 1 added: from 0 to 2.
Batch: {"view1", "view2"}, each `[n, size, size, 3]`, RGB in [0, 1].

From memory, no facts sheet of ours has them: a projector of three layers, batch
normalisation behind each, the last without parameters; a predictor that narrows to a
quarter; SGD of momentum 0.9, rate 0.05 for 256 images, half a cosine, decay 1e-4 on all
weights, batches of 512, 100 epochs; the rate of the predictor does not fall.
"""

import tensorflow as tf

from sslzoo.heads import projectors
from sslzoo.losses.regression import cosine_distance
from sslzoo.methods import moco
from sslzoo.methods.base import Method
from sslzoo.methods.projected import Projected

example = moco.example


class SimSiam(Projected, Method):
    """Pretrains `backbone` with SimSiam.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what the network is shown; see `example` above.
        outputs: width of the projector and of its output.
        bottleneck: width of the predictor's hidden layer.
    """

    def __init__(self, backbone, example, outputs=2048, bottleneck=512):
        super().__init__(backbone, example, name="simsiam")
        width = backbone.output["pooled"].shape[-1]
        self.projector = projectors.mlp(
            width, outputs, outputs, "projector", 3, False, last="norm"
        )
        self.predictor = projectors.mlp(
            outputs, bottleneck, outputs, "predictor", 2, False, last="bias"
        )

    def train_step(self, batch):
        batch = self.shown(batch)
        with tf.GradientTape() as tape:
            loss = self.loss_of(batch)
        self.minimize(tape, loss)
        return self.report(loss=loss)

    def test_step(self, batch):
        """The loss on held-out examples, in inference mode."""
        return self.report(loss=self.loss_of(self.shown(batch), training=False))

    def loss_of(self, batch, training=True):
        z1, z2 = (self.project(batch[v], training) for v in ("view1", "view2"))
        p1, p2 = (self.predictor(z, training=training) for z in (z1, z2))
        loss = cosine_distance(p1, tf.stop_gradient(z2))
        loss += cosine_distance(p2, tf.stop_gradient(z1))
        return loss / 4  # A distance is 2 - 2 cos, and the two are averaged.

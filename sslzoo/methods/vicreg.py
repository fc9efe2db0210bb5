"""VICReg (Bardes et al., 2022), arXiv:2105.04906: variance, invariance, covariance.

    loss = invariance s(z1, z2) + variance (v(z1) + v(z2)) / 2
         + covariance (c(z1) + c(z2))

s is how far apart the views of an image are, v how far columns fall short of a standard
deviation of 1, c how much columns share: see `losses.redundancy.vicreg`.
Batch: {"view1", "view2"}, each `[n, size, size, 3]`, RGB in [0, 1].

From memory, no facts sheet of ours has them: weights 25, 25 and 1, an expander of three
layers, all 8192 wide; LARS, decay 1e-6, rate 0.2 for 256 images, batches of 2048, 10
epochs of warm-up, half a cosine, 1000 epochs; BYOL's views, blurred and solarized as
often in one as in the other.
"""

import tensorflow as tf

from sslzoo.augment import ablations
from sslzoo.heads import projectors
from sslzoo.losses.redundancy import vicreg
from sslzoo.methods import byol
from sslzoo.methods.base import Method
from sslzoo.methods.projected import Projected


def example(size, smallest_crop=0.08):
    return byol.example(size, *ablations.pair("symmetric"), smallest_crop)


class VICReg(Projected, Method):
    """Pretrains `backbone` with VICReg.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what the network is shown; see `example` above.
        invariance, variance, covariance: the weights of the three.
        outputs: width of the expander and of its output.
    """

    def __init__(
        self, backbone, example, invariance=25.0, variance=25.0, covariance=1.0,
        outputs=8192,
    ):  # fmt: skip
        super().__init__(backbone, example, name="vicreg")
        width = backbone.output["pooled"].shape[-1]
        self.projector = projectors.mlp(width, outputs, outputs, "projector", 3)
        self.weighed = invariance, variance, covariance

    def train_step(self, batch):
        batch = self.shown(batch)
        with tf.GradientTape() as tape:
            z1, z2 = (self.project(batch[v]) for v in ("view1", "view2"))
            loss = vicreg(z1, z2, *self.weighed)
        self.minimize(tape, loss)
        return self.report(loss=loss)

    def test_step(self, batch):
        """On held-out examples, the network in inference mode."""
        batch = self.shown(batch)
        z1, z2 = (self.project(batch[v], False) for v in ("view1", "view2"))
        return self.report(loss=vicreg(z1, z2, *self.weighed))

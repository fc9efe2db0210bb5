"""SimCLR (Chen et al., 2020), arXiv:2002.05709, as its second code has it.

The other view of an image is told from the views of all other images of the batch:

    l_i  = -log( exp(cos(z_i, z_j(i)) / t) / sum_{k != i} exp(cos(z_i, z_k) / t) )
    loss = sum of both directions, each the mean of l_i over the batch

z = g(f(x)) is the projection, t the temperature. Both views go through the network in
one pass, so that batch normalisation sees them together.
Batch: {"view1", "view2"}, each `[n, size, size, 3]`, RGB in [0, 1].

The network of the authors pads otherwise than BYOL's, and takes images as they are:
that is the backbone's. Where paper and code part we follow the code: a projector of
three layers, with batch normalisation behind the last, and brightness as a factor.
"""

import tensorflow as tf
from keras import ops

from sslzoo.augment import views
from sslzoo.heads import projectors
from sslzoo.losses.contrastive import nt_xent
from sslzoo.methods import sheets
from sslzoo.methods.base import Method


def example(size, strength=1.0, blur=0.5, smallest_crop=0.08):
    """Two views of one family, that are never solarized.

    The code draws up to 100 windows, until one covers a tenth of the image, and one
    sigma of the blur for all of a batch; here a window is drawn once, as in BYOL, and a
    sigma for each image.

    Args:
        strength: of the changes of colour; the code takes 0.5 for CIFAR-10.
        blur: how often; 0 for CIFAR-10.
    """
    amounts = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
    amounts = {name: strength * most for name, most in amounts.items()}
    family = views.Changes(brighten="scale", blur=blur, **amounts)
    return views.Views(size, (family, family), area=(smallest_crop, 1.0))


class SimCLR(Method):
    """Pretrains `backbone` with SimCLR.

    Args:
        backbone: a model whose output has a "pooled" entry.
        example: what the network is shown; see `example` above.
        temperature: t.
        hidden: width of the projector; 0: that of the features, as in the code.
        outputs: of the projector.
        depth: its layers: 3 in the code, 2 in the paper.
    """

    meters = ("loss", "accuracy")
    citation = """@inproceedings{chen2020simclr,
  title = {A Simple Framework for Contrastive Learning of Visual Representations},
  author = {Chen, Ting and Kornblith, Simon and Norouzi, Mohammad and Hinton, Geoffrey},
  booktitle = {International Conference on Machine Learning},
  year = {2020}
}"""
    figures = (
        {
            "setting": "ResNet-50, ImageNet, 1000 epochs",
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": 0.693,
            "source": "Chen et al. 2020, as in Grill et al. 2020, Table 1",
        },
        {
            "setting": "ResNet-50, ImageNet, 1000 epochs",
            "data": "CIFAR-10, test",
            "protocol": "linear by L-BFGS, at 224 pixels",
            "value": 0.906,
            "source": "Chen et al. 2020, as in Grill et al. 2020, Table 3",
        },
    )

    def __init__(
        self, backbone, example, temperature=0.1, hidden=0, outputs=128, depth=3
    ):
        super().__init__(backbone, example, name="simclr")
        width = backbone.output["pooled"].shape[-1]
        self.projector = projectors.mlp(
            width, hidden or width, outputs, "projector", depth, False, last="scale"
        )
        self.temperature = temperature

    def train_step(self, batch):
        batch = self.shown(batch)
        with tf.GradientTape() as tape:
            z1, z2 = self.project(batch)
            loss, accuracy = nt_xent(z1, z2, self.temperature)
            loss = 2 * loss  # Both directions are added: see the equations.
        self.minimize(tape, loss)
        return self.report(loss=loss, accuracy=accuracy)

    def test_step(self, batch):
        """On held-out examples, in inference mode; it depends on the batch's size."""
        z1, z2 = self.project(self.shown(batch), training=False)
        loss, accuracy = nt_xent(z1, z2, self.temperature)
        return self.report(loss=2 * loss, accuracy=accuracy)

    def project(self, batch, training=True):
        both = ops.concatenate([batch["view1"], batch["view2"]])
        pooled = self.backbone(both, training=training)["pooled"]
        return ops.split(self.projector(pooled, training=training), 2)

    def look(self, batch):
        """Projections of both views, in inference mode."""
        z1, z2 = self.project(self.shown(batch), training=False)
        return {"z1": z1, "z2": z2}

    def sheet(self, batch):
        """The two views, and the negatives that look most alike."""
        return sheets.of_views(self, batch)

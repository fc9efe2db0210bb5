"""BYOL, Bootstrap Your Own Latent (Grill et al., 2020), arXiv:2006.07733.

From one view of an image, an online network predicts what a slow copy of itself,
the target, says of another view:

    loss   = d(q(z1), z2') + d(q(z2), z1'),   d(p, y) = 2 - 2 cos(p, y)
    target <- tau * target + (1 - tau) * online

z is the projection, q the predictor, ' marks the target, tau rises to 1.
Batch: {"view1", "view2"}, each `[n, size, size, 3]`, RGB in [0, 1]; and "label",
`[n]`, where there is an online probe.

Where paper and code part we follow the code, which made the published figures: the
last layers of both heads have no bias, the target starts from weights of its own.
"""

import keras
import tensorflow as tf
from keras import ops

from sslzoo.augment import views
from sslzoo.heads import projectors
from sslzoo.losses.regression import cosine_distance
from sslzoo.methods import momentum, sheets
from sslzoo.methods.base import Method


def example(size, first=views.BYOL_T, second=views.BYOL_T_PRIME, smallest_crop=0.08):
    """The two views of the paper's Table 6; only the second is ever solarized.

    Args:
        smallest_crop: the least part of an image's area that a view shows.
    """
    return views.Views(size, (first, second), area=(smallest_crop, 1.0))


class BYOL(Method):
    """Pretrains `backbone` with BYOL.

    Args:
        backbone: a model whose output has a "pooled" entry.
        steps: optimizer steps of the run, over which tau rises to 1.
        example: what the network is shown; see `example` above.
        base_tau: tau at the first step. 1000 epochs: 0.996; 100 and 300: 0.99.
        hidden, outputs: widths of the projector and of the predictor.
        classes: of a linear probe that learns from the labels beside the run, on
            features that no gradient passes. 0: no labels, no probe.
        fresh_target: whether the target starts from weights of its own, as in the
            code, or equal to the online network, as in the paper's pseudo-code.
    """

    citation = """@inproceedings{grill2020byol,
  title = {Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning},
  author = {Grill, Jean-Bastien and Strub, Florian and Altch{\\'e}, Florent and
    Tallec, Corentin and Richemond, Pierre H. and Buchatskaya, Elena and Doersch, Carl
    and Pires, Bernardo Avila and Guo, Zhaohan Daniel and Azar, Mohammad Gheshlaghi and
    Piot, Bilal and Kavukcuoglu, Koray and Munos, R{\\'e}mi and Valko, Michal},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2020}
}"""
    figures = (
        {
            "setting": "ResNet-50, ImageNet, 1000 epochs",
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": 0.743,
            "source": "Grill et al. 2020, Table 1",
        },
        {
            "setting": "ResNet-50, ImageNet, 300 epochs",
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": 0.725,
            "source": "Grill et al. 2020, Table 5a",
        },
        {
            "setting": "ResNet-50, ImageNet, 1000 epochs",
            "data": "CIFAR-10, test",
            "protocol": "linear by L-BFGS, at 224 pixels",
            "value": 0.913,
            "source": "Grill et al. 2020, Table 3",
        },
        {
            "setting": "ResNet-18, Imagenette at 128 pixels, 1000 epochs",
            "data": "Imagenette, validation",
            "protocol": "online probe",
            "value": 0.923,
            "source": "README of the official code: about",
        },
    )

    def __init__(
        self,
        backbone,
        steps,
        example,
        base_tau=0.996,
        hidden=4096,
        outputs=256,
        classes=0,
        fresh_target=True,
    ):
        self.meters = ("loss", "tau") + (("probe",) if classes else ())
        self.uses = ("label",) if classes else ()
        super().__init__(backbone, example, name="byol")
        width = backbone.output["pooled"].shape[-1]
        self.projector = projectors.mlp(width, hidden, outputs, name="projector")
        self.predictor = projectors.mlp(outputs, hidden, outputs, name="predictor")
        self.target_backbone = momentum.frozen_copy(backbone, fresh_target)
        self.target_projector = momentum.frozen_copy(self.projector, fresh_target)
        self.classifier = (
            projectors.linear(width, classes, name="classifier") if classes else None
        )
        self.steps, self.base_tau = steps, momentum.part_kept(base_tau)

    def train_step(self, batch):
        batch = self.shown(batch)
        view1, view2 = batch["view1"], batch["view2"]
        tau = self.tau()
        target1, target2 = self.target_of(view1), self.target_of(view2)
        with tf.GradientTape() as tape:
            pooled1, pooled2 = self.pooled(view1), self.pooled(view2)
            loss = cosine_distance(self.predict_from(pooled1), target2)
            loss += cosine_distance(self.predict_from(pooled2), target1)
            probe_loss, values = self.probe(pooled1, batch)
            total = loss + probe_loss
        stepped = self.minimize(tape, total)
        momentum.move(self.target_backbone, self.backbone, tau, stepped)
        momentum.move(self.target_projector, self.projector, tau, stepped)
        return self.report(loss=loss, tau=tau, **values)

    def test_step(self, batch):
        """The loss on held-out examples, every network in inference mode."""
        batch = self.shown(batch)
        view1, view2 = batch["view1"], batch["view2"]
        pooled1, pooled2 = self.pooled(view1, False), self.pooled(view2, False)
        loss = cosine_distance(
            self.predict_from(pooled1, False), self.target_of(view2, False)
        )
        loss += cosine_distance(
            self.predict_from(pooled2, False), self.target_of(view1, False)
        )
        return self.report(
            loss=loss, tau=self.tau(), **self.probe(pooled1, batch, False)[1]
        )

    def pooled(self, images, training=True):
        return self.backbone(images, training=training)["pooled"]

    def predict_from(self, pooled, training=True):
        return self.predictor(
            self.projector(pooled, training=training), training=training
        )

    def target_of(self, images, training=True):
        """In training mode: the target normalises with the statistics of its batch."""
        pooled = self.target_backbone(images, training=training)["pooled"]
        return tf.stop_gradient(self.target_projector(pooled, training=training))

    def tau(self):
        return momentum.rising(self.base_tau, self.optimizer.iterations, self.steps)

    def probe(self, pooled1, batch, training=True):
        """Cross entropy on the first view, and the part of it that is told right."""
        if self.classifier is None:
            return 0.0, {}
        logits = self.classifier(tf.stop_gradient(pooled1), training=training)
        labels = batch["label"]
        loss = keras.losses.sparse_categorical_crossentropy(
            labels, logits, from_logits=True
        )
        right = keras.metrics.sparse_categorical_accuracy(labels, logits)
        return ops.mean(loss), {"probe": ops.mean(right)}

    def look(self, batch):
        """Projections of both views, online and target, in inference mode."""
        batch = self.shown(batch)
        online, target = {}, {}
        for number in ("1", "2"):
            images = batch[f"view{number}"]
            pooled = self.pooled(images, training=False)
            online[f"z{number}"] = self.projector(pooled, training=False)
            target[f"target{number}"] = self.target_of(images, training=False)
        return {**online, **target}

    def sheet(self, batch):
        """The two views, and the images that look most alike."""
        return sheets.of_views(self, batch)

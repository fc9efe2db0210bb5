"""The plane between BYOL and SimCLR (Grill et al., 2020, section 5 and appendix G).

One objective, of which both are settings, and all rows of the paper's Table 5b:

    S(u1, u2) = cos(phi(u1), psi(u2))
    loss = (2 - 2 S(v, v') + beta 2 alpha ln crowd(v))  +  the same of (v', v)

    phi    q(z), z, or z Q       the predictor: "mlp", "none", or "ridge"
    psi    z', z, or sg(z)       the target: "ema", "online", or "stop"
    crowd  the sum of exp(S / alpha) over all other views, see `losses.contrastive`

z is the online projection, z' that of a slow copy, sg stops the gradient. Q is the best
linear predictor of this batch. Settings that have names of their own:

    BYOL               mlp    ema      beta 0     the steps of `methods.byol`
    SimCLR             none   online   beta 1
    SimCLR + target    none   ema      beta 1     like MoCo, without its queue
    mean teacher       none   ema      beta 0     collapses
    constant random    mlp    ema, base_tau 1
    hard copy          mlp    stop                is "ema" with tau always 0

Batch: {"view1", "view2"}, each `[n, size, size, 3]`, RGB in [0, 1]. Each view is a
forward pass of its own in all settings, as in BYOL; SimCLR as its authors have it, both
views in one pass, is `methods.simclr`. How the authors of the plane had it is not
recorded.
"""

import tensorflow as tf
from keras import ops

from sslzoo.augment import ablations
from sslzoo.backbones import layers
from sslzoo.errors import BadInput
from sslzoo.heads import projectors
from sslzoo.losses import contrastive, regression
from sslzoo.methods import byol, momentum, sheets
from sslzoo.methods.base import Method

PREDICTORS = ("mlp", "none", "ridge")
TARGETS = ("ema", "online", "stop")
# (predictor, target, beta), alpha 0.1: top-1. The eight without "stop" are of Table 5b,
# the others of Table 19, which repeats these, with 69.0 in place of 69.1.
ROWS = {
    ("mlp", "ema", 0.0): 0.725,
    ("mlp", "ema", 1.0): 0.709,
    ("none", "ema", 1.0): 0.707,
    ("none", "online", 1.0): 0.694,
    ("mlp", "online", 1.0): 0.691,
    ("mlp", "stop", 1.0): 0.702,
    ("none", "stop", 1.0): 0.692,
    ("mlp", "stop", 0.0): 0.055,
    ("mlp", "online", 0.0): 0.003,
    ("none", "ema", 0.0): 0.002,
    ("none", "online", 0.0): 0.001,
    ("none", "stop", 0.0): 0.001,
}


def example(size, views="baseline", smallest_crop=0.08):
    """BYOL's two views, or those of a row of Table 17: see `augment.ablations`."""
    return byol.example(size, *ablations.pair(views), smallest_crop)


def setting(predictor, target, beta):
    """By what words a row of `ROWS` is known."""
    return (
        f"ResNet-50, ImageNet, 300 epochs, predictor {predictor}, target {target}, "
        f"beta {beta:g}"
    )


ALPHA = 0.1
USED = {  # By recipes of the plane, see `recipe.load`.
    "base_tau": ("target", ("ema",)),
    "constant_tau": ("target", ("ema",)),
    "fresh_target": ("target", ("ema",)),
    "ridge": ("predictor", ("ridge",)),
    "predictor_rate": ("predictor", ("mlp",)),
    "predictor_depth": ("predictor", ("mlp",)),
}


def check_setting(predictor, beta, alpha, batch_size, outputs):
    """Raises where a recipe has alpha without negatives.

    And where a ridge has no more views than outputs, so that nothing is learned.
    """
    if alpha != ALPHA and not beta:
        raise BadInput(
            f"alpha={alpha} with beta={beta}: it is of beta above 0 alone. Leave it "
            "out."
        )
    if predictor == "ridge" and 2 * batch_size <= outputs:
        raise BadInput(
            f"predictor=ridge of outputs={outputs} and batch_size={batch_size}: so few "
            "views are predicted without error, whatever they are, and nothing is "
            f"learned. Give a batch_size of {outputs // 2 + 1} or more."
        )


class InfoNCE(Method):
    """Pretrains `backbone` somewhere on the plane; by default where BYOL is.

    Args:
        backbone: a model whose output has a "pooled" entry.
        steps: optimizer steps of the run, over which tau rises to 1.
        example: what the network is shown; see `example` above.
        predictor: "mlp", "none" or "ridge".
        target: "ema", "online" or "stop".
        beta: how much negatives count, from 0 to 1.
        alpha: their temperature.
        norm: of what is compared, where beta is 0: "l2", "layer", "batch" or "none"
            (Table 20), see `losses.regression.normed_distance`.
        base_tau: of "ema", at the first step. 1: the target stays as it was drawn.
        constant_tau: whether tau stays there, as the row of tau 0 has it.
        fresh_target: whether the target starts from weights of its own.
        hidden, outputs: widths of the projector and of the predictor.
        projector_depth, predictor_depth: their linear layers (Table 14).
        ridge: of the "ridge" predictor. A batch wants more views than `outputs`.
            Whether the authors added one is not recorded.
    """

    citation = byol.BYOL.citation
    figures = tuple(
        {
            "setting": setting(*row),
            "data": "ImageNet, validation",
            "protocol": "linear by SGD on random crops",
            "value": value,
            "source": f"Grill et al. 2020, Table {19 if row[1] == 'stop' else '5b'}",
        }
        for row, value in ROWS.items()
    )

    def __init__(
        self,
        backbone,
        steps,
        example,
        predictor="mlp",
        target="ema",
        beta=0.0,
        alpha=ALPHA,
        norm="l2",
        base_tau=0.996,
        constant_tau=False,
        fresh_target=True,
        hidden=4096,
        outputs=256,
        projector_depth=2,
        predictor_depth=2,
        ridge=1e-3,
    ):
        layers.known(predictor, PREDICTORS, "predictor")
        layers.known(target, TARGETS, "target")
        layers.known(norm, regression.NORMS, "norm")
        if beta and norm != "l2":
            raise BadInput(
                f"norm={norm!r} with beta={beta}: negatives are compared by cosine. "
                "Give norm='l2', or beta=0."
            )
        if not (0 <= beta <= 1 and alpha > 0):
            raise BadInput(
                f"beta={beta}, alpha={alpha}: beta is a weight from 0 to 1, alpha a "
                "temperature above 0."
            )
        self.meters = ("loss", "tau") if target == "ema" else ("loss",)
        super().__init__(backbone, example, name="info_nce")
        width = backbone.output["pooled"].shape[-1]
        self.projector = projectors.mlp(
            width, hidden, outputs, "projector", projector_depth
        )
        self.predictor = self.target_backbone = self.target_projector = None
        if predictor == "mlp":
            self.predictor = projectors.mlp(
                outputs, hidden, outputs, "predictor", predictor_depth
            )
        if target == "ema":
            self.target_backbone = momentum.frozen_copy(backbone, fresh_target)
            self.target_projector = momentum.frozen_copy(self.projector, fresh_target)
        self.steps, self.constant_tau = steps, constant_tau
        self.base_tau = momentum.part_kept(base_tau)
        self.kind, self.target = predictor, target
        self.beta, self.alpha = beta, alpha
        self.norm, self.ridge = norm, ridge

    def train_step(self, batch):
        batch = self.shown(batch)
        views = batch["view1"], batch["view2"]
        moves = {"tau": self.tau()} if self.target == "ema" else {}
        with tf.GradientTape() as tape:
            loss = self.loss_of(*self.sides(views))
        stepped = self.minimize(tape, loss)
        for tau in moves.values():
            momentum.move(self.target_backbone, self.backbone, tau, stepped)
            momentum.move(self.target_projector, self.projector, tau, stepped)
        return self.report(loss=loss, **moves)

    def test_step(self, batch):
        """The loss on held-out examples, every network in inference mode."""
        batch = self.shown(batch)
        views = batch["view1"], batch["view2"]
        loss = self.loss_of(*self.sides(views, training=False))
        moves = {"tau": self.tau()} if self.target == "ema" else {}
        return self.report(loss=loss, **moves)

    def sides(self, views, training=True):
        """phi of both views, and psi of both."""
        if self.target == "ema":
            psi = [self.target_of(view, training) for view in views]
        z = [self.project(view, training) for view in views]
        if self.target == "online":
            psi = z
        elif self.target == "stop":
            psi = [tf.stop_gradient(each) for each in z]
        return self.predict_from(z, psi, training), psi

    def predict_from(self, z, psi, training=True):
        if self.kind == "none":
            return z
        if self.kind == "mlp":
            return [self.predictor(each, training=training) for each in z]
        # One predictor for both directions: what is said of a view is of the other.
        best = regression.best_linear(
            ops.concatenate(z), ops.concatenate(psi[::-1]), self.ridge
        )
        return [ops.matmul(each, best) for each in z]

    def loss_of(self, phi, psi):
        if self.beta:
            return contrastive.info_nce(*phi, *psi, self.alpha, self.beta)
        return sum(
            regression.normed_distance(one, other, self.norm)
            for one, other in zip(phi, psi[::-1])
        )

    def project(self, images, training=True):
        pooled = self.backbone(images, training=training)["pooled"]
        return self.projector(pooled, training=training)

    def target_of(self, images, training=True):
        """In training mode: the target normalises with the statistics of its batch."""
        pooled = self.target_backbone(images, training=training)["pooled"]
        return tf.stop_gradient(self.target_projector(pooled, training=training))

    def tau(self):
        if self.constant_tau:
            return ops.convert_to_tensor(self.base_tau, "float32")
        return momentum.rising(self.base_tau, self.optimizer.iterations, self.steps)

    def look(self, batch):
        """Projections of both views, online and target, in inference mode."""
        batch = self.shown(batch)
        looks = {}
        for number in ("1", "2"):
            images = batch[f"view{number}"]
            looks[f"z{number}"] = self.project(images, training=False)
            if self.target == "ema":
                looks[f"target{number}"] = self.target_of(images, training=False)
        return looks

    def sheet(self, batch):
        """The two views, and the negatives that look most alike."""
        return sheets.of_views(self, batch)

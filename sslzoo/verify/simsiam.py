"""SimSiam: what has no gradient."""

import numpy as np
import tensorflow as tf

from sslzoo.methods import simsiam
from sslzoo.verify.checking import same, true
from sslzoo.verify.info_nce import unit
from sslzoo.verify.small import batch, mean_colour, settled


def made():
    method = simsiam.SimSiam(mean_colour(), None, 8, 4)
    settled(method, np.random.default_rng(0))
    return method


def mean_of_both():
    """The loss is 1 less the mean cosine of what is predicted, in both directions."""
    method, seen = made(), batch()
    z = [*method.look(seen).values()]
    p1, p2 = (unit(method.predictor(each, training=False)) for each in z)
    z1, z2 = (unit(each) for each in z)
    expected = 1 - np.mean(np.sum(p1 * z2 + p2 * z1, axis=1)) / 2
    same(method.loss_of(seen, training=False), expected, "loss", 1e-3)


def stopped_gradient():
    """Through what is predicted no gradient flows, only through the predictor."""
    method, seen = made(), batch()
    out = method.predictor.get_layer("out")
    out.set_weights([np.zeros(out.kernel.shape), np.ones(out.bias.shape)])
    with tf.GradientTape() as tape:
        loss = method.loss_of(seen)
    weights = [w.value for w in method.backbone.trainable_variables]
    for gradient in tape.gradient(loss, weights):
        true(
            gradient is None or np.abs(gradient).max() < 1e-6,
            "A gradient reaches the backbone where the predictor is a constant.",
        )


CHECKS = (mean_of_both, stopped_gradient)

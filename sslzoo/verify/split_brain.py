"""Split-brain: what it is asked, and that its halves know nothing of each other."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo import backbones
from sslzoo.methods import split_brain
from sslzoo.verify.checking import same, true


def made(row="split", form="split", told=True, **settings):
    """A small one, whose answers are not all alike where they are `told`."""
    options = dict(geometry="small", width=1 / 48, pixels=split_brain.sees(row))
    net = backbones.build("alexnet", form=form, **options)
    example = split_brain.example(17, 17)
    method = split_brain.SplitBrain(net, example, row=row, stride=8, **settings)
    method.compile(keras.optimizers.SGD(0.1))
    rng = np.random.default_rng(0)
    for weight in method.trainable_variables if told else ():
        if weight.path.endswith("kernel"):
            fan_in = np.prod(weight.shape[:-1])
            weight.assign(rng.normal(0, fan_in**-0.5, weight.shape))
    return method


def seen():
    rng = np.random.default_rng(1)
    images = rng.random((4, 17, 17, 3)) * rng.random((4, 1, 1, 3))
    return {"image": tf.constant(images, tf.float32), "n": tf.range(4, dtype=tf.int64)}


def knows_nothing_at_first():
    """An untrained split-brain's loss is log 313 + log 50: its sum, not its mean."""
    loss = made(told=False).train_step(seen())["loss"]
    same(loss, np.log(313) + np.log(50), "loss of the first step", 1e-5)


def halves_apart():
    """No half of a split-brain sees what it is asked, nor learns from the other."""
    method, batch = made(), seen()
    lab = method.lab(batch["image"])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(lab)
        cells = method.trunk(lab, training=True)
        halves = [
            tf.reduce_sum(split_brain.half(cells, of)) for of in ("first", "rest")
        ]
    light, colours = (np.asarray(tape.gradient(half, lab)) for half in halves)
    true(light[..., 0].any() and colours[..., 1:].any(), "A half sees nothing.")
    true(not light[..., 1:].any(), "The half that says what ab is sees it.")
    true(not colours[..., 0].any(), "The half that says what L is sees it.")
    with tf.GradientTape() as tape:
        (answer, said), _ = method.answers(batch, training=True)
        loss, _ = method.score(answer, said, batch)
    kernel = method.backbone.get_layer("conv3").kernel.value
    _, other = np.split(np.asarray(tape.gradient(loss, kernel)), 2, axis=-1)
    true(not other.any(), "The loss of ab reaches the half that says what L is.")


def weighs_by_lambda():
    """Equation 5 counts both ways by lambda, and the whole by 1 - 2 lambda."""
    found = made("equation5", "single", mix=0.2).test_step(seen())
    expected = 0.2 * found["ab_reg"] + 0.2 * found["L_reg"] + 0.6 * found["Lab_reg"]
    same(found["loss"], expected, "loss of equation 5", 1e-5)


def drops_by_the_counters():
    """What drop50 drops follows from the counters of its batch, whoever has them."""
    method, batch = made("drop50", "single"), seen()
    ones = tf.ones((4, 40, 40, 3))
    kept = np.asarray(method.visible(ones, "dropped", batch, True))
    true(
        set(np.unique(kept)) == {0, 2}, "What is left is not doubled, or none dropped."
    )
    same(kept.mean(), 1, "mean of what is left", 0, 0.05)
    part = {"n": batch["n"][2:]}
    same(method.visible(ones[2:], "dropped", part, True), kept[2:], "half of the batch")


CHECKS = (knows_nothing_at_first, halves_apart, weighs_by_lambda, drops_by_the_counters)

"""BYOL: its loss, and what its target is and is not."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo.backbones import tiny
from sslzoo.losses import regression
from sslzoo.methods import byol
from sslzoo.verify.checking import exact, same, true
from sslzoo.verify.small import batch, mean_colour, numbers, settled


def made(backbone=None, optimizer=None, **settings):
    """A small BYOL with weights that are always the same."""
    settings = {"steps": 10, "hidden": 16, "outputs": 8, **settings}
    method = byol.BYOL(backbone or mean_colour(), example=byol.example(16), **settings)
    method.compile(optimizer or keras.optimizers.SGD(0.1))
    settled(method, np.random.default_rng(0))
    return method


def hidden(images, backbone, projector):
    """What a projector on `mean_colour` normalises, by NumPy; and all weights."""
    w = {**numbers(backbone), **numbers(projector)}
    w = {path.rpartition("projector/")[2]: value for path, value in w.items()}
    x = np.asarray(images, np.float64).mean((1, 2))
    x = x @ w["features/kernel"] + w["features/bias"]
    return x @ w["hidden1/kernel"] + w["hidden1/bias"], w


def cosines(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.sum(a * b, axis=1) / length


def taus():
    """The target's tau is the published one: it rises to 1 by half a cosine."""
    published = {  # (base, steps): {step: tau}
        (0.996, 312784): {
            **{0: 0.996, 78196: 0.99658579, 156392: 0.998, 234588: 0.99941421},
            312784: 1,
        },
        (0.99, 93835): {3127: 0.990027376, 46917: 0.99499992},
    }
    for (base, steps), values in published.items():
        method = made(base_tau=base, steps=steps)
        for step, tau in values.items():
            method.optimizer.iterations.assign(step)
            what = f"tau {step} of {steps} steps"
            same(method.tau(), tau, what, rtol=0, atol=1e-6)


def both_directions():
    """The loss of a step is the sum over both directions, not their mean."""
    method, seen = made(), batch()
    p1, p2 = (method.predict_from(method.pooled(seen[v])) for v in ("view1", "view2"))
    t1, t2 = (method.target_of(seen[v]) for v in ("view1", "view2"))
    expected = 4 - 2 * np.mean(cosines(p1, t2) + cosines(p2, t1))
    same(method.train_step(seen)["loss"], expected, "loss of a step", rtol=1e-5)


def target_in_training_mode():
    """The target is in training mode: it normalises by its batch, as NumPy does."""
    method, images = made(), batch()["view1"]
    x, w = hidden(images, method.target_backbone, method.target_projector)
    x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * w["norm1/gamma"] + w["norm1/beta"]
    expected = np.maximum(x, 0) @ w["out/kernel"]
    same(method.target_of(images), expected, "the target's answer", 1e-3, 1e-5)


def target_outside_the_optimizer():
    """The optimizer does not know the target, which is moved by tau alone."""
    method = made(base_tau=0.9)
    pairs = [
        (slow, fast)
        for twin, model in (
            (method.target_backbone, method.backbone),
            (method.target_projector, method.projector),
        )
        for slow, fast in zip(twin.weights, model.weights)
        if "moving" not in fast.path
    ]
    learned = {id(weight) for weight in method.trainable_variables}
    true(
        not learned & {id(slow) for slow, _ in pairs},
        "Weights of the target are among those that the optimizer learns.",
    )
    before = [np.asarray(slow) for slow, _ in pairs]
    method.train_step(batch())
    for old, (slow, fast) in zip(before, pairs):
        expected = 0.9 * old + 0.1 * np.asarray(fast)
        same(slow, expected, f"{slow.path} of the target, tau 0.9", 1e-5)


def stopped_gradients():
    """No gradient flows through the target, nor from the probe into the backbone."""
    method, seen = made(classes=2), batch()
    images = seen["view1"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        pooled = method.pooled(images)
        target = method.target_of(images)
        online = regression.cosine_distance(method.predict_from(pooled), target)
        slow = regression.cosine_distance(tf.ones_like(target), target)
        probe, _ = method.probe(pooled, seen)
    weights = [weight.value for weight in method.backbone.trainable_variables]
    true(tape.gradient(slow, images) is None, "A gradient passes through the target.")
    true(
        all(g is None for g in tape.gradient(probe, weights)),
        "A gradient of the probe's loss reaches the backbone.",
    )
    taught = [g for g in tape.gradient(online, weights) if g is not None]
    true(len(taught) == len(weights), "The loss does not reach the backbone.")


def two_passes():
    """Each view is normalised by itself, so running averages move twice in a step."""
    method, seen = made(), batch()
    moving = 0.0
    for view in ("view1", "view2"):
        x, _ = hidden(seen[view], method.backbone, method.projector)
        moving = 0.9 * moving + 0.1 * x.mean(0)
    method.train_step(seen)
    found = method.projector.get_layer("norm1").moving_mean
    same(found, moving, "running mean of the projector", 1e-3, 1e-5)


def full_precision_loss():
    """In mixed precision the loss and the weights stay in float32."""
    with exact():
        keras.config.set_dtype_policy("mixed_bfloat16")
        method, seen = made(tiny.tiny()), batch()
    prediction = method.predict_from(method.pooled(seen["view1"]))
    target = method.target_of(seen["view2"])
    in_full(prediction, "prediction")
    in_full(target, "target")
    loss = regression.cosine_distance(prediction, target)
    in_full(loss, "loss")
    expected = 2 - 2 * np.mean(cosines(prediction, target))
    same(loss, expected, "loss in mixed precision", 1e-5)
    kinds = sorted({weight.dtype for weight in method.trainable_variables})
    true(kinds == ["float32"], f"Weights are kept in {', '.join(kinds)}.")


def in_full(tensor, what):
    dtype = tensor.dtype.name
    true(dtype == "float32", f"The {what} is taken in {dtype}, and not in float32.")


CHECKS = (
    taus,
    both_directions,
    target_in_training_mode,
    target_outside_the_optimizer,
    stopped_gradients,
    two_passes,
    full_precision_loss,
)

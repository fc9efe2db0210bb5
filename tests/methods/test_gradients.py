"""A step goes down the slope of its loss: by finite differences, in any direction."""

import numpy as np
import pytest
import tensorflow as tf

from sslzoo.backbones.tiny import tiny
from sslzoo.methods import jigsaw, relative_patch, rotation, simsiam, supervised
from sslzoo.optim.sgd import SGD

SMALL = dict(embedding=4, hidden=12, dropout=0.0)


def entropy(logits, labels, smoothing=0.0):
    """The mean cross entropy in float64, by the equation."""
    z = np.float64(logits)
    z = z - z.max(axis=-1, keepdims=True)
    log = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    labels = np.broadcast_to(labels, log.shape[:-1])
    own = np.take_along_axis(log, labels[..., None], axis=-1)
    return -np.mean((1 - smoothing) * own[..., 0] + smoothing * log.mean(axis=-1))


def turns(data):
    method = rotation.Rotation(tiny(), rotation.example(16))
    turned = rotation.quarter_turns(data["view1"])
    labels = np.arange(len(turned)) % 4
    return method, lambda: entropy(method.logits(turned, training=True), labels)


def puzzles(data):
    example = jigsaw.example(8, 10)
    method = jigsaw.Jigsaw(tiny(), example, 8, orders=8, subset=4, **SMALL)
    chosen = method.chosen(tf.cast(data["n"], tf.int64))

    def loss():
        embedded = jigsaw.embed(method, data["patches"], training=True)
        return entropy(method.logits(embedded, chosen, training=True), chosen.numpy())

    return method, loss


def sides(data):
    example = relative_patch.example(8, 10)
    method = relative_patch.RelativePatch(tiny(), example, 8, **SMALL)
    return method, lambda: entropy(
        method.logits(jigsaw.embed(method, data["patches"], True), True), np.arange(8)
    )


def smoothed(data):
    example = supervised.view(16, 0)
    method = supervised.Supervised(tiny(), example, 3, smoothing=0.1)

    def loss():
        x = method.backbone(data["view1"], training=True)["pooled"]
        return entropy(method.classifier(x), data["label"].numpy(), 0.1)

    return method, loss


def two_views(data):
    """The other view's z is what it was before the step: no gradient goes there."""
    method = simsiam.SimSiam(tiny(), simsiam.example(16), 8, 4)

    def unit(x):
        return np.float64(x) / np.linalg.norm(x, axis=1, keepdims=True)

    still = [unit(method.project(data[v])) for v in ("view2", "view1")]

    def loss():
        z = (method.project(data[v]) for v in ("view1", "view2"))
        p = (unit(method.predictor(each, training=True)) for each in z)
        return -np.mean([np.sum(a * b, axis=1) for a, b in zip(p, still)])

    return method, loss


@pytest.mark.parametrize("made", [turns, puzzles, sides, smoothed, two_views])
def test_a_step_follows_the_gradient_of_its_loss_alone(made):
    rng = np.random.default_rng(0)
    view1, view2 = rng.random((2, 6, 16, 16, 3)) * rng.random((2, 6, 1, 1, 3))
    patches = rng.random((6, 9, 8, 8, 3)) * rng.random((6, 9, 1, 1, 3))
    data = {"view1": view1, "view2": view2, "image": view1, "patches": patches}
    data = {name: tf.constant(value, tf.float32) for name, value in data.items()}
    data |= {"label": tf.range(6) % 3, "n": tf.range(6)}
    method, loss = made(data)
    for weight in method.trainable_variables:
        if weight.path.startswith("puzzle/") and weight.path.endswith("kernel"):
            weight.assign(rng.normal(size=weight.shape))  # They begin near 0.
    method.compile(SGD(0.1))
    weights = method.trainable_variables
    before = [np.asarray(weight) for weight in weights]
    method.train_step(data)
    steps = [np.asarray(weight) - old for weight, old in zip(weights, before)]
    slopes, expected = [], []
    for _ in range(4):  # Not the step's own: in it, what is missing is not missed.
        ways = [rng.normal(scale=0.1, size=w.shape) for w in weights]
        ends = []
        for part in (1e-3, -1e-3):
            for weight, old, way in zip(weights, before, ways):
                weight.assign(old + part * way)
            ends.append(loss())
        slopes.append((ends[0] - ends[1]) / 2e-3)
        expected.append(sum(np.sum(s * w) for s, w in zip(steps, ways)) / -0.1)
    most = np.abs(expected).max()
    assert most > 1e-3
    np.testing.assert_allclose(slopes, expected, rtol=2e-2, atol=4e-2 * most)

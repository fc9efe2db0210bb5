"""Relative patches: which pair has which answer, and the loss in closed form."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo.backbones.tiny import tiny
from sslzoo.methods import relative_patch
from sslzoo.methods.relative_patch import RelativePatch
from sslzoo.optim.sgd import SGD

RNG = np.random.default_rng(0)


def make(**settings):
    keras.utils.set_random_seed(0)
    options = {"embedding": 4, "hidden": 12, "dropout": 0.0, **settings}
    method = RelativePatch(tiny(), relative_patch.example(8, 10), 8, **options)
    method.compile(SGD(0.1, momentum=0.0))
    return method


def batch(n=3):
    patches = RNG.random((n, 9, 8, 8, 3)) * RNG.random((n, 9, 1, 1, 3))
    return {"patches": tf.constant(patches, tf.float32), "n": tf.range(n)}


def test_the_loss_is_that_of_eight_pairs_with_the_middle():
    method, data = make(), batch()
    for weight in method.puzzle.weights:
        if weight.path.endswith("kernel"):
            weight.assign(RNG.normal(size=weight.shape))
    kernel, bias = method.embedding.get_weights()
    hidden, norm, *_, logits = method.puzzle.layers

    def seen(cell):
        patch = data["patches"].numpy()[:, cell]
        x = np.float64(method.backbone(patch, training=False)["pooled"])
        return x @ kernel + bias

    losses, right = [], []
    for answer, cell in enumerate([0, 1, 2, 3, 5, 6, 7, 8]):
        x = np.concatenate([seen(cell), seen(4)], axis=-1)
        x = x @ hidden.get_weights()[0] + hidden.get_weights()[1]
        x = x / np.sqrt(1 + norm.epsilon)  # As it begins.
        z = np.maximum(x, 0) @ logits.get_weights()[0]
        p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        losses.append(-np.log(p[:, answer]))
        right.append(z.argmax(axis=-1) == answer)
    logs = method.test_step(data)
    np.testing.assert_allclose(logs["loss"], np.mean(losses), rtol=1e-4)
    np.testing.assert_allclose(logs["accuracy"], np.mean(right), rtol=1e-5)


def test_it_learns_where_the_patches_of_three_pictures_lie():
    method, data = make(hidden=48), batch()
    step = tf.function(method.train_step)
    for _ in range(300):
        step(data)
    method.reset_metrics()
    assert float(step(data)["accuracy"]) == 1


def test_the_sheet_shows_each_patch_and_where_it_is_said_to_lie():
    method = make()
    images = RNG.random((2, 30, 30, 3)).astype("float32")
    said = np.eye(8)[[0, 1, 2, 3, 4, 5, 7, 6]]  # The last two the wrong way round.
    method.logits = lambda patches: tf.constant(np.stack([said, said]))
    found = method.sheet({"image": images})
    np.testing.assert_allclose(found.figures["accuracy"], 6 / 8)
    np.testing.assert_allclose(found.figures["accuracy of chance"], 1 / 8)
    assert found.words["right"] == ["right | right"] * 2
    assert found.words["below"] == ["below | below right"] * 2
    for name, (top, left) in {"above left": (1, 1), "right": (11, 21)}.items():
        expected = images[:, top : top + 8, left : left + 8]
        np.testing.assert_allclose(found.pictures[name], expected, atol=1e-6)
    middle = images[:, 11:19, 11:19]
    np.testing.assert_allclose(found.pictures["middle"], middle, atol=1e-6)

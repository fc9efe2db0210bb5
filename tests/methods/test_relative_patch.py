"""Relative patches: which pair has which answer, and the loss in closed form."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo import backbones
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


def test_a_step_is_a_function_of_its_examples():
    method, data = make(dropout=0.5), batch()
    start = method.get_weights()

    def after(data):
        method.set_weights(start)
        method.train_step(data)
        return method.get_weights()

    for one, other in zip(after(data), after(data)):
        np.testing.assert_array_equal(one, other)
    later = after({**data, "n": tf.range(100, 103)})
    assert any(abs(a - b).max() > 1e-6 for a, b in zip(later, after(data)))


def test_two_replicas_are_one_with_dropout(two_replicas):
    patches = RNG.random((4, 9, 8, 8, 3)) * RNG.random((4, 9, 1, 1, 3))
    data = {"patches": np.float32(patches), "n": np.arange(60, 64)}
    data = tf.data.Dataset.from_tensor_slices(data).batch(4)
    weights = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            method = make(dropout=0.5)
        batches = strategy.experimental_distribute_dataset(data)
        method.fit(batches, steps_per_epoch=1, epochs=1, verbose=0)
        weights.append(method.get_weights())
    for one, two in zip(*weights):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_it_learns_where_the_patches_of_three_pictures_lie():
    method, data = make(), batch()
    step = tf.function(method.train_step)
    for _ in range(300):
        step(data)
    method.reset_metrics()
    assert float(step(data)["accuracy"]) == 1


def test_images_are_evaluated_by_the_mean_over_nine_patches():
    method = make()
    images = RNG.random((2, 24, 24, 3)).astype("float32")
    found = method.deployable()(images)["pooled"]
    patches = images.reshape(2, 3, 8, 3, 8, 3).swapaxes(2, 3).reshape(18, 8, 8, 3)
    pooled = np.asarray(method.backbone(patches)["pooled"]).reshape(2, 9, -1)
    np.testing.assert_allclose(found, pooled.mean(axis=1), rtol=1e-4, atol=1e-5)


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


def test_the_backbone_may_drop_too():
    """Each patch by itself: they are more than the pairs, or fewer."""
    net = backbones.build("vgg16", width=1 / 32, norm=False)
    options = dict(embedding=4, hidden=8)
    method = RelativePatch(net, relative_patch.example(32, 42), 32, **options)
    method.compile(SGD(0.1))
    data = {"patches": tf.constant(RNG.random((2, 9, 32, 32, 3)), tf.float32)}
    losses = [
        float(method.train_step({**data, "n": tf.range(2)})["loss"]) for _ in range(2)
    ]
    assert np.isfinite(losses).all()

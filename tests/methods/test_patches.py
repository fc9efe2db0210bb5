"""What the methods that cut patches promise alike: jigsaw, relative patches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones
from sslzoo.backbones.tiny import tiny
from sslzoo.methods import jigsaw, relative_patch
from sslzoo.methods.jigsaw import Jigsaw
from sslzoo.methods.relative_patch import RelativePatch
from sslzoo.optim.sgd import SGD
from tests.runs import slow

RNG = np.random.default_rng(0)
JIGSAW = (Jigsaw, jigsaw.example, {"shared": True})
APART = (Jigsaw, jigsaw.example, {"shared": False})
RELATIVE = (RelativePatch, relative_patch.example, {})


def make(method, backbone=None, size=8, cell=10, **settings):
    keras.utils.set_random_seed(0)
    build, example, options = method
    options = {"embedding": 4, "hidden": 12, **options, **settings}
    made = build(backbone or tiny(), example(size, cell), size, **options)
    made.compile(SGD(0.1, momentum=0.0))
    return made


def patches(n, size=8):
    drawn = RNG.random((n, 9, size, size, 3)) * RNG.random((n, 9, 1, 1, 3))
    return drawn.astype("float32")


@pytest.mark.parametrize("method", [JIGSAW, APART, RELATIVE])
def test_a_step_is_a_function_of_its_examples(method):
    method = make(method, dropout=0.5)
    data = {"patches": tf.constant(patches(3)), "n": tf.range(3)}
    start = method.get_weights()

    def after(data):
        method.set_weights(start)
        method.train_step(data)
        return method.get_weights()

    for one, other in zip(after(data), after(data)):
        np.testing.assert_array_equal(one, other)
    later = after({**data, "n": tf.range(100, 103)})
    assert any(abs(a - b).max() > 1e-6 for a, b in zip(later, after(data)))


@pytest.mark.parametrize("method", [JIGSAW, slow(APART), RELATIVE])
def test_two_replicas_are_one_with_what_is_drawn(method, two_replicas):
    data = {"patches": patches(4), "n": np.arange(60, 64)}
    data = tf.data.Dataset.from_tensor_slices(data).batch(4)
    weights = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            made = make(method, dropout=0.5)
        batches = strategy.experimental_distribute_dataset(data)
        made.fit(batches, steps_per_epoch=1, epochs=1, verbose=0)
        weights.append(made.get_weights())
    for one, two in zip(*weights):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", [JIGSAW, RELATIVE])
def test_images_are_evaluated_by_the_mean_over_nine_patches(method):
    method = make(method)
    images = RNG.random((2, 24, 24, 3)).astype("float32")
    found = method.deployable()(images)["pooled"]
    cut = images.reshape(2, 3, 8, 3, 8, 3).swapaxes(2, 3).reshape(18, 8, 8, 3)
    pooled = np.asarray(method.backbone(cut)["pooled"]).reshape(2, 9, -1)
    np.testing.assert_allclose(found, pooled.mean(axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", [JIGSAW, RELATIVE])
def test_the_backbone_may_drop_too(method):
    """Each patch by itself: they are more than what is asked of them, or fewer."""
    drops = backbones.build("vgg16", width=1 / 32, norm=False)
    method = make(method, drops, 32, 42)
    data = {"patches": tf.constant(patches(2, 32)), "n": tf.range(2)}
    losses = [float(method.train_step(data)["loss"]) for _ in range(2)]
    assert np.isfinite(losses).all()

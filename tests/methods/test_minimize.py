"""One optimizer step: of what it is, when it is taken, and by all replicas alike."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.methods import byol
from sslzoo.methods.base import Method
from sslzoo.optim import lars
from sslzoo.verify import small


class Pull(Method):
    """Its loss is the mean feature, times what the batch says."""

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            pooled = self.backbone(batch["image"], training=True)["pooled"]
            pooled = tf.cast(pooled, tf.float32)
            loss = tf.reduce_mean(pooled * batch["times"][:, None])
        self.minimize(tape, loss)
        return self.report(loss=loss)


def network(**options):
    """Two layers on an image, of which "pooled" is the first."""
    keras.utils.set_random_seed(0)
    images = keras.Input((4, 4, 3))
    x = keras.layers.GlobalAveragePooling2D()(images)
    x = keras.layers.Dense(2, name="seen", **options)(x)
    y = keras.layers.Dense(2, name="not_seen")(x)
    return keras.Model(images, {"pooled": x, "logits": y})


def pull(optimizer, accumulate=1, **options):
    method = Pull(network(**options), None, name="pull")
    method.compile(optimizer, accumulate)
    return method


def batch(*times):
    return {
        "image": np.ones((len(times), 4, 4, 3), "float32"),
        "times": np.array(times, "float32"),
    }


@pytest.fixture
def float16():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("times", [(1, 1, 1e38, 1e38), (1e38, 1e38, 1, 1)])
def test_a_step_that_one_replica_cannot_take_none_takes(times, two_replicas, float16):
    """The loss scale, 2^15 at first, brings one of them beyond float32."""
    with two_replicas.scope():
        method = pull(keras.optimizers.SGD(0.1))
    before = method.get_weights()
    data = tf.data.Dataset.from_tensor_slices(batch(*times)).batch(4)
    method.fit(data, verbose=0, shuffle=False)
    for one, two in zip(before, method.get_weights()):
        np.testing.assert_array_equal(one, two)
    assert np.asarray(method.optimizer.dynamic_scale) == 2.0**14
    assert np.asarray(method.optimizer.iterations) == 0
    data = tf.data.Dataset.from_tensor_slices(batch(1, 1, 1, 1)).batch(4)
    method.fit(data, verbose=0, shuffle=False)
    assert np.asarray(method.optimizer.iterations) == 1


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("accumulate", [1, 2])
def test_penalties_of_weights_are_minimized_too(accumulate):
    """By those of a half, sum w^2 / 2, a step of 0.1 takes a tenth of w more."""
    penalty = keras.regularizers.L2(0.5)
    ends = []
    for regularizer in (None, penalty):
        method = pull(keras.optimizers.SGD(0.1), accumulate, kernel_regularizer=penalty)
        layer = method.backbone.get_layer("seen")
        layer.kernel.regularizer = regularizer
        start = layer.get_weights()[0]
        for _ in range(accumulate):
            method.train_step({k: tf.constant(v) for k, v in batch(1, 2).items()})
        ends.append(layer.get_weights()[0])
    np.testing.assert_allclose(ends[1], ends[0] - 0.1 * start, rtol=1e-5, atol=1e-7)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("accumulate", [1, 2])
def test_what_the_loss_does_not_reach_stays(accumulate):
    """Neither decay nor the trust ratio moves it, which knows no decay too small."""
    method = pull(lars.LARS(1.0, decay=0.1), accumulate)
    parts = [method.backbone.get_layer(name) for name in ("seen", "not_seen")]
    before = [part.get_weights()[0] for part in parts]
    for _ in range(2):
        method.train_step({k: tf.constant(v) for k, v in batch(1, 2).items()})
    moved = [abs(part.get_weights()[0] - old).max() for part, old in zip(parts, before)]
    assert moved[0] > 1e-4 and moved[1] == 0


def test_a_target_waits_for_the_steps_that_keras_accumulates():
    keras.utils.set_random_seed(0)
    method = byol.BYOL(small.mean_colour(), 10, None, 0.5, hidden=8, outputs=4)
    method.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    target = method.target_backbone.get_layer("features").kernel
    moved = []
    for _ in range(2):
        before = np.asarray(target)
        method.train_step(small.batch())
        moved.append(bool(abs(np.asarray(target) - before).max() > 0))
    assert moved == [False, True]

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.backbones import layers


def pair(shape, dtype="float32"):
    """Our layer, Keras' own of the same weights, and a batch."""
    images = np.random.default_rng(0).normal(3, 2, shape).astype("float32")
    ours = layers.BatchNorm(dtype=dtype)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype)
    for layer in (ours, theirs):
        layer.build(shape)
        layer.gamma.assign(np.linspace(0.5, 2, shape[-1]))
        layer.beta.assign(np.linspace(-1, 1, shape[-1]))
    return ours, theirs, tf.constant(images)


@pytest.mark.parametrize("shape", [(8, 5, 7, 6), (16, 6)])
def test_the_fused_kernel_is_keras_own_batch_norm(shape):
    ours, theirs, images = pair(shape)
    for training in (True, True, False):
        # float32 sums of 280 numbers in another order: about 1e-6 of their size.
        np.testing.assert_allclose(
            ours(images, training=training),
            theirs(images, training=training),
            rtol=1e-4,
            atol=1e-5,
        )
        for a, b in zip(ours.get_weights(), theirs.get_weights()):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_its_gradients_are_keras_own():
    ours, theirs, images = pair((8, 5, 7, 6))
    weights = tf.random.stateless_normal(images.shape, (1, 2))
    found = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(layer(images, training=True) * weights)
        found.append(tape.gradient(loss, [images, layer.gamma.value, layer.beta.value]))
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_the_running_variance_is_the_biased_one():
    """The kernel hands out n / (n - 1) of it: of two numbers, twice as much."""
    layer = layers.BatchNorm()
    layer(tf.constant([[0.0], [2.0]]), training=True)  # mean 1, biased variance 1
    np.testing.assert_allclose(layer.moving_mean, [0.1], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, [0.9 * 1 + 0.1 * 1], rtol=1e-6)


def test_two_replicas_normalise_with_the_global_batch(two_replicas):
    images = np.random.default_rng(1).normal(2, 3, (8, 3, 3, 4)).astype("float32")
    with two_replicas.scope():
        layer = layers.BatchNorm()
        layer.build(images.shape)
    halves = two_replicas.experimental_distribute_values_from_function(
        lambda c: tf.constant(np.split(images, 2)[c.replica_id_in_sync_group])
    )
    out = two_replicas.run(tf.function(lambda x: layer(x, training=True)), (halves,))
    together = np.concatenate(
        [x.numpy() for x in two_replicas.experimental_local_results(out)]
    )
    alone = layers.BatchNorm()
    expected = alone(tf.constant(images), training=True)
    np.testing.assert_allclose(together, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, alone.moving_variance, rtol=1e-5)


def test_replicas_agree_where_the_variance_is_small_beside_the_mean(two_replicas):
    """E[x^2] - E[x]^2 of such numbers has no digit left in float32."""
    images = np.random.default_rng(1).normal(1000, 1, (8, 4)).astype("float32")

    def moved(strategy, shares):
        with strategy.scope():
            layer = layers.BatchNorm(momentum=0)
            layer.build((None, 4))

        @tf.function
        def step(batch):
            return layer(batch, training=True)

        outputs = strategy.run(step, args=(shares(strategy, images),))
        outputs = np.concatenate(strategy.experimental_local_results(outputs))
        return outputs, np.asarray(layer.moving_variance)

    def halves(strategy, images):
        def half(context):
            i = context.replica_id_in_sync_group
            return tf.constant(images[4 * i : 4 * i + 4])

        return strategy.experimental_distribute_values_from_function(half)

    outputs, variance = moved(two_replicas, halves)
    np.testing.assert_allclose(variance, images.astype("float64").var(0), rtol=1e-4)
    alone, _ = moved(tf.distribute.get_strategy(), lambda _, x: tf.constant(x))
    # 1000 in float32 is known to 6e-5.
    np.testing.assert_allclose(outputs, alone, atol=1e-3)


def test_it_keeps_half_precision_and_statistics_in_full():
    layer = layers.BatchNorm(dtype="mixed_bfloat16")
    out = layer(tf.ones((4, 2, 2, 3)), training=True)
    assert out.dtype == tf.bfloat16 and layer.moving_mean.dtype == "float32"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_statistics_in_half_precision_are_left_to_keras(dtype):
    """The kernel has none."""
    assert layers.BatchNorm(dtype=dtype)(np.ones((2, 3, 3, 4))).dtype == dtype


def test_a_saved_batch_norm_does_not_say_how_the_run_was_distributed():
    assert "synchronized" not in json.dumps(layers.BatchNorm().get_config())
    model = keras.Sequential([keras.Input((2, 2, 3)), layers.BatchNorm()])
    again = keras.models.model_from_json(model.to_json())
    assert isinstance(again.layers[0], layers.BatchNorm)


def test_standardize_is_its_formula():
    layer = layers.Standardize((0.5, 0.25, 0), (0.5, 0.25, 1))
    np.testing.assert_allclose(
        layer(np.ones((1, 1, 1, 3), "float32"))[0, 0, 0], [1, 3, 1]
    )


def test_the_initialiser_is_not_corrected_for_its_truncation():
    """Haiku's: sigma 1/sqrt(fan in), cut at two sigma, whose spread is 0.8796 of it."""
    drawn = np.asarray(layers.haiku_kernel(100)((300, 300)))
    assert abs(drawn.std() - 0.0880) < 0.0005 and abs(drawn).max() <= 0.2001


def test_an_initializer_draws_anew_for_each_convolution():
    """Keras' give the same numbers each time, so equal shapes would start equal."""
    images, kernel = keras.Input((8, 8, 3)), keras.initializers.HeNormal()
    x = layers.conv(images, 3, 3, name="first", kernel=kernel)
    x = layers.conv(x, 3, 3, name="second", kernel=kernel)
    model = keras.Model(images, x)
    first, second = (model.get_layer(n).get_weights()[0] for n in ("first", "second"))
    assert not np.allclose(first, second)

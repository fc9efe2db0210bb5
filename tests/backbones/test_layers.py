import json

import keras
import numpy as np
import pytest
import skimage.color
import tensorflow as tf

from sslzoo.backbones import layers
from sslzoo.errors import UnknownName


def pair(shape, **options):
    """Our layer, Keras' own of the same weights, and a batch."""
    images = np.random.default_rng(0).normal(3, 2, shape).astype("float32")
    ours = layers.BatchNorm(**options)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **options)
    for layer in (ours, theirs):
        layer.build(shape)
        if layer.scale:
            layer.gamma.assign(np.linspace(0.5, 2, shape[-1]))
        if layer.center:
            layer.beta.assign(np.linspace(-1, 1, shape[-1]))
    return ours, theirs, tf.constant(images)


FREE = {"center": False, "scale": False}


@pytest.mark.parametrize(
    "options", [{}, FREE, {"center": False}, {"scale": False}], ids=str
)
@pytest.mark.parametrize("shape", [(8, 5, 7, 6), (16, 6)])
def test_the_fused_kernel_is_keras_own_batch_norm(shape, options):
    ours, theirs, images = pair(shape, **options)
    assert ours._fits_the_kernel(images)
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


@pytest.mark.parametrize("options", [{}, FREE], ids=str)
def test_its_gradients_are_keras_own(options):
    ours, theirs, images = pair((8, 5, 7, 6), **options)
    weights = tf.random.stateless_normal(images.shape, (1, 2))
    found = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(layer(images, training=True) * weights)
        found.append(tape.gradient(loss, [images, *layer.trainable_variables]))
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_the_running_variance_is_the_biased_one():
    """The kernel hands out n / (n - 1) of it: of two numbers, twice as much."""
    layer = layers.BatchNorm()
    layer(tf.constant([[0.0], [2.0]]), training=True)  # mean 1, biased variance 1
    np.testing.assert_allclose(layer.moving_mean, [0.1], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, [0.9 * 1 + 0.1 * 1], rtol=1e-6)


@pytest.mark.parametrize("options", [{}, FREE], ids=str)
def test_two_replicas_normalise_with_the_global_batch(two_replicas, options):
    images = np.random.default_rng(1).normal(2, 3, (8, 3, 3, 4)).astype("float32")
    with two_replicas.scope():
        layer = layers.BatchNorm(**options)
        layer.build(images.shape)
    halves = two_replicas.experimental_distribute_values_from_function(
        lambda c: tf.constant(np.split(images, 2)[c.replica_id_in_sync_group])
    )
    out = two_replicas.run(tf.function(lambda x: layer(x, training=True)), (halves,))
    together = np.concatenate(
        [x.numpy() for x in two_replicas.experimental_local_results(out)]
    )
    alone = layers.BatchNorm(**options)
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


RGB = np.random.default_rng(2).random((2, 4, 5, 3), "float32")


@pytest.mark.parametrize("kind, part", [("lab", [0, 1, 2]), ("l", [0]), ("ab", [1, 2])])
def test_a_network_may_be_shown_lab_around_zero_or_a_part_of_it(kind, part):
    expected = (skimage.color.rgb2lab(RGB) - [50, 0, 0])[..., part]
    shown = layers.pixels(keras.Input((None, None, 3), name="images"), kind)
    assert shown.shape[-1] == len(part)
    found = keras.Model(shown._keras_history.operation.input, shown)(RGB)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_lab_in_half_precision_is_made_in_full():
    """Rounded before it, by 1 part in 512, these would be off by more."""
    images = keras.Input((None, None, 3), name="images")
    layer = layers.Lab(dtype="mixed_bfloat16")
    found = keras.Model(images, layer(images))(RGB)
    assert found.dtype == tf.bfloat16
    expected = tf.cast(layers.Lab()(RGB), tf.bfloat16)
    np.testing.assert_array_equal(
        tf.cast(found, "float32"), tf.cast(expected, "float32")
    )


def test_the_constants_of_lab_are_of_its_config():
    layer = layers.Lab("ab", "caffe")
    again = layers.Lab.from_config(layer.get_config())
    np.testing.assert_array_equal(again(RGB), layer(RGB))
    difference = layers.Lab("ab")(RGB) - layer(RGB)
    assert 0.01 < np.abs(difference).max() < 0.1
    with pytest.raises(UnknownName, match="There are: Lab, L, ab"):
        layers.Lab("lab")


def lrn_by_hand(x, depth_radius, alpha, beta, bias):
    y = np.empty_like(x)
    for place in np.ndindex(x.shape):
        *at, i = place
        around = x[(*at, slice(max(0, i - depth_radius), i + depth_radius + 1))]
        y[place] = x[place] / (bias + alpha * sum(around**2)) ** beta
    return y


@pytest.mark.parametrize("shape", [(2, 3, 4, 7), (1, 2, 2, 1)])
@pytest.mark.parametrize(
    "options",
    [
        dict(depth_radius=2, alpha=2e-5, beta=0.75, bias=1.0),
        dict(depth_radius=2, alpha=1e-4, beta=0.75, bias=2.0),
        dict(depth_radius=1, alpha=0.3, beta=0.5, bias=0.1),
    ],
    ids=["Caffe", "Krizhevsky", "strong"],
)
def test_lrn_is_its_equation(shape, options):
    x = np.random.default_rng(3).normal(0, 90, shape)
    layer = layers.LRN.from_config(layers.LRN(**options).get_config())
    found, x32 = layer(x.astype("float32")), x.astype("float32")
    np.testing.assert_allclose(found, lrn_by_hand(x, **options), rtol=2e-4)
    theirs = tf.nn.local_response_normalization(x32, **options)
    np.testing.assert_allclose(found, theirs, rtol=2e-4)


def test_lrn_is_that_of_caffe_by_default():
    x = np.random.default_rng(4).normal(0, 90, (1, 2, 2, 6)).astype("float32")
    expected = lrn_by_hand(x, 2, 1e-4 / 5, 0.75, 1)
    np.testing.assert_allclose(layers.LRN()(x), expected, rtol=2e-4)


def pool_by_caffe(x, size, stride, pad):
    """Caffe's pooling of `[side, side]`: as many windows as touch the image."""
    side = len(x)
    count = int(np.ceil((side + 2 * pad - size) / stride)) + 1
    if pad and (count - 1) * stride >= side + pad:
        count -= 1
    starts = [i * stride - pad for i in range(count)]
    spans = [slice(max(0, start), min(side, start + size)) for start in starts]
    return np.array([[x[row, column].max() for column in spans] for row in spans])


@pytest.mark.parametrize(
    "size, stride, pad", [(3, 2, 0), (3, 2, 1), (3, 1, 1), (2, 2, 0)]
)
def test_a_pool_may_round_its_windows_up_as_caffe(size, stride, pad):
    images = keras.Input((None, None, 1))
    pool = layers.max_pool(images, pad, name="pool", size=size, stride=stride)
    model = keras.Model(images, pool)
    for side in range(3, 14):
        x = np.random.default_rng(side).random((side, side)).astype("float32")
        expected = pool_by_caffe(x, size, stride, pad)
        np.testing.assert_array_equal(model(x[None, :, :, None])[0, :, :, 0], expected)


@pytest.mark.parametrize("how", [{}, dict(strides=2), dict(dilation_rate=2)], ids=str)
def test_a_grouped_convolution_is_keras_own(how):
    options = dict(padding="same", groups=2, bias_initializer="ones", **how)
    ours = layers.GroupedConv2D(6, 3, **options)
    theirs = keras.layers.Conv2D(6, 3, **options)
    images = tf.random.stateless_normal((2, 7, 7, 4), (1, 2))
    for layer in (ours, theirs):
        layer.build(images.shape)
    theirs.set_weights(ours.get_weights())
    found = []
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(images)
            y = layer(images)
            loss = tf.reduce_sum(y**2)
        found.append([y, *tape.gradient(loss, [images, *layer.trainable_variables])])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_grouped_convolution_is_plain_ones_in_the_graph():
    """Not one call of XLA's, which ONNX does not know."""
    x = layers.conv(keras.Input((5, 5, 4)), 6, 3, name="conv", kernel="ones", groups=2)
    model = keras.Model(x._keras_history.operation.input, x)
    graph = tf.function(model).get_concrete_function(tf.zeros((1, 5, 5, 4))).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("Conv2D") == 2 and not any("Call" in kind for kind in kinds)


@pytest.mark.parametrize("padding", ["same", "symmetric", "valid"])
@pytest.mark.parametrize("side, stride", [(8, 2), (9, 2), (28, 3)])
@pytest.mark.parametrize("channels", [3, 4, 12, 16])
def test_a_convolution_of_every_other_place_is_its_formula(
    padding, side, stride, channels
):
    """y = x[::s, ::s] W, also its gradient, which oneDNN has wrong of few channels."""
    random = np.random.default_rng(0)
    x = random.standard_normal((2, side, side, channels), np.float32)
    images = keras.Input((side, side, channels))
    how = dict(name="c", kernel=keras.initializers.HeNormal(0), padding=padding)
    model = keras.Model(images, layers.conv(images, 8, 1, stride, **how))
    (kernel,) = model.trainable_weights
    weight = random.standard_normal(model(x).shape, np.float32)

    @tf.function
    def run(x, weight):  # Not of constants, which would be folded by other kernels.
        with tf.GradientTape() as tape:
            y = model(x)
            loss = tf.reduce_sum(y * weight)
        return y, tape.gradient(loss, kernel.value)

    seen = np.float64(x[:, ::stride, ::stride])
    y, slope = run(tf.constant(x), tf.constant(weight))
    wanted = np.einsum("nhwc,cd->nhwd", seen, kernel.numpy()[0, 0])
    np.testing.assert_allclose(y, wanted, atol=1e-5)
    slopes = np.einsum("nhwc,nhwd->cd", seen, weight)
    np.testing.assert_allclose(slope[0, 0], slopes, atol=1e-5 * np.abs(slopes).max())


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


def test_each_image_by_itself_is_as_tensorflow_has_it():
    """Also one of a single colour, whose deviation is none; and of any size."""
    images = np.random.default_rng(0).random((4, 5, 7, 3)).astype("float32")
    images[1] = 0.3
    images[2] = 0.5 + 1e-3 * images[2]
    expected = tf.image.per_image_standardization(images)
    found = layers.PerImage()(images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    shown = keras.Input((None, None, 3))
    model = keras.Model(shown, layers.pixels(shown, "per_image"))
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-4)


def test_half_precision_comes_behind_the_standardization():
    images = 0.5 + 0.1 * np.random.default_rng(0).random((2, 32, 32, 3))
    found = layers.PerImage(dtype="bfloat16")(images.astype("float32"))
    assert str(found.dtype).endswith("bfloat16'>")
    expected = tf.image.per_image_standardization(images)
    np.testing.assert_allclose(np.float32(found), expected, atol=0.01)

"""Initialisation from data, against scikit-learn, and against what it promises."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from sklearn.cluster import KMeans

from sslzoo import backbones
from sslzoo.backbones import data_dependent
from sslzoo.errors import BadInput, UnknownName


def scenes(n=6, size=35):
    """Smooth images, whose neighbouring pixels are alike, as those of photographs."""
    rng = np.random.default_rng(1)
    coarse = rng.random((n, size // 5 + 1, size // 5 + 1, 3), "float32")
    fine = tf.image.resize(coarse, (size, size), "bicubic")
    return np.asarray(fine) + 0.02 * rng.normal(size=fine.shape).astype("float32")


def alexnet(bias=True, within=False):
    """Grouped, strided, dilated, dense layers behind a flattened map."""
    images = keras.Input((35, 35, 3), name="images")
    act = "relu" if within else None
    x, features = images, {}
    for name, size, options in (
        ("conv1", 5, dict(filters=8, strides=2)),
        ("conv2", 3, dict(filters=12, groups=2, padding="same")),
        ("conv3", 3, dict(filters=6, dilation_rate=2, padding="same")),
    ):
        x = layers.Conv2D(
            kernel_size=size, name=name, activation=act, use_bias=bias, **options
        )(x)
        features[name] = x = x if within else layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
    x = layers.Flatten(name="flat")(x)
    for name, width in {"fc6": 10, "fc7": 4}.items():
        x = layers.Dense(width, name=name, activation=act, use_bias=bias)(x)
        features[name] = x = x if within else layers.ReLU(name=f"{name}_relu")(x)
    return keras.Model(images, {**features, "pooled": x})


def uneven(model):
    """Weights whose scales differ from layer to layer by orders; biases."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith("kernel"):
            weight.assign(weight * 10.0 ** rng.uniform(-1, 1))
        else:
            weight.assign(rng.uniform(0, 0.2, weight.shape))
    return model


def vgg():
    return backbones.build("vgg16", width=1 / 16, norm=False)


@pytest.mark.parametrize(
    "make, names",
    [
        (alexnet, ["conv1", "conv2", "conv3", "fc6", "fc7"]),
        (vgg, ["conv1_1", "conv1_2", "conv3_3", "conv5_3", "fc6", "fc7"]),
    ],
)
def test_what_goes_into_each_relu_has_mean_a_tenth_and_variance_one(make, names):
    images = scenes(4) if make is vgg else scenes()
    twin = data_dependent.within_layers(make(), images, patches=500)
    outputs = [twin.get_layer(name).output for name in names]
    for z in keras.Model(twin.input, outputs)(images):
        z = np.asarray(z, "float64").reshape(-1, z.shape[-1])
        np.testing.assert_allclose(z.mean(axis=0), 0.1, atol=2e-3)
        np.testing.assert_allclose(z.std(axis=0), 1, atol=2e-3)


def test_of_some_layers_alone_the_others_stay_as_they_are():
    """As split-brain's authors began: convolutions by k-means, not what follows."""
    model, images = alexnet(), scenes()
    convolutions = ["conv1", "conv2", "conv3"]
    twin = data_dependent.within_layers(model, images, names=convolutions)
    whole = data_dependent.within_layers(model, images)
    for name in convolutions:
        for ours, all_ in zip(
            twin.get_layer(name).weights, whole.get_layer(name).weights
        ):
            np.testing.assert_array_equal(ours, all_)
    for name in ("fc6", "fc7"):
        for ours, old in zip(
            twin.get_layer(name).weights, model.get_layer(name).weights
        ):
            np.testing.assert_array_equal(ours, old)
    with pytest.raises(UnknownName, match="no layer 'conv9'. Did you mean 'conv"):
        data_dependent.within_layers(model, images, names=["conv9"])


def test_an_activation_within_a_layer_makes_no_difference():
    a, b = (
        data_dependent.within_layers(alexnet(within=w), scenes()).get_weights()
        for w in (False, True)
    )
    for ours, theirs in zip(a, b):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_filters_are_whitened_centroids():
    """The same of the eigenvectors of the scatter matrix, and of scikit-learn."""
    rows = np.random.default_rng(0).normal(size=(300, 9)) @ np.diag(np.arange(9) + 0.1)
    ours = data_dependent.filters(rows + 5, 6, np.random.default_rng(3))

    centred = rows - rows.mean(axis=0)
    s, v = np.linalg.eigh(centred.T @ centred)
    s, v = s[::-1][:6], v[:, ::-1][:, :6]
    whiten = v @ np.diag((s + 1e-3) ** -0.5)
    white = centred @ whiten
    white /= np.linalg.norm(white, axis=1)[:, None]
    start = white[np.random.default_rng(3).choice(300, 6, replace=False)]
    theirs = KMeans(6, init=start, n_init=1, max_iter=20, tol=0, algorithm="lloyd")
    centroids = theirs.fit(white).cluster_centers_
    np.testing.assert_allclose(ours, centroids @ whiten.T, rtol=1e-6, atol=1e-9)


def test_directions_that_hardly_vary_are_left_out():
    """Whitening would make much of them: an eigenvalue of 5e-7 here, below 1e-6."""
    rows = np.random.default_rng(0).normal(size=(50, 4)) * [1, 1, 1, 1e-4]
    found = data_dependent.filters(rows, 4, np.random.default_rng(0))
    assert np.abs(found[:, :3]).max() > 0.01
    assert np.abs(found[:, 3]).max() < 0.001


def test_a_layer_with_too_few_patches_is_drawn_from_a_normal_distribution():
    rows = np.zeros((5, 900))
    found = data_dependent.filters(rows, 200, np.random.default_rng(0))
    assert found.shape == (200, 900)
    assert abs(found.std() - 1) < 0.01 and abs(found.mean()) < 0.01


@pytest.mark.parametrize("padding, rate", [("valid", 1), ("same", 1), ("same", 2)])
def test_patches_are_what_a_convolution_sees(padding, rate):
    """Each answer of a layer of stride one is its kernel times one of all patches."""
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype("float32")
    conv = layers.Conv2D(4, 3, padding=padding, dilation_rate=rate, use_bias=False)
    answers = np.asarray(conv(x)).reshape(-1, 4)
    shown = data_dependent._patches(conv, x, 10**6, np.random.default_rng(0))
    found = shown.reshape(len(shown), -1) @ np.asarray(conv.kernel).reshape(-1, 4)
    assert len(found) == len(answers)
    order = np.argsort(found[:, 0]), np.argsort(answers[:, 0])
    np.testing.assert_allclose(found[order[0]], answers[order[1]], atol=1e-5)


def test_each_group_has_filters_of_its_own_channels():
    """A group that is shown nothing but zeros learns nothing; the other does."""
    images = keras.Input((20, 20, 4), name="images")
    model = keras.Model(images, layers.Conv2D(6, 3, groups=2, name="a")(images))
    shown = np.random.default_rng(0).normal(size=(3, 20, 20, 4)).astype("float32")
    shown[..., :2] = 0
    kernel = np.asarray(
        data_dependent.within_layers(model, shown).get_layer("a").kernel
    )
    assert not kernel[..., :3].any() and np.abs(kernel[..., 3:]).max() > 0.01


def rates(model, images, seed):
    """r of each layer with the noise of a seed, and the spread of the top."""
    kernels = [w for w in model.weights if w.path.endswith("kernel")]
    with tf.GradientTape() as tape:
        top = model(images)["pooled"]
    noise = np.random.default_rng(seed).normal(size=top.shape)
    noise = tf.constant(noise, "float32")
    slopes = tape.gradient(top, [k.value for k in kernels], output_gradients=noise)
    r = [float(tf.norm(g) / tf.norm(k.value)) for g, k in zip(slopes, kernels)]
    return np.array(r), np.std(top, axis=0).mean()


@pytest.mark.parametrize("bias", [True, False])
def test_all_layers_come_to_learn_at_one_rate(bias):
    """In one round, for its noise: r' = target * prod sqrt(r / target)."""
    model, images = uneven(alexnet(bias)), scenes()
    before, std = rates(model, images, seed=3)
    twin = data_dependent.between_layers(model, images, rounds=1, classes=0, seed=3)
    after, _ = rates(twin, images, seed=3)
    assert before.max() / before.min() > 10
    expected = np.exp(np.log(before).mean()) * std ** (1 / 5) * std**-0.5
    np.testing.assert_allclose(after, expected, rtol=1e-3)


def test_the_top_comes_to_a_spread_of_one():
    """Each round leaves its square root."""
    model, images = uneven(alexnet()), scenes()
    last = model.get_layer("fc7")
    last.kernel.assign(last.kernel * 50)
    twin = data_dependent.between_layers(model, images, rounds=4, classes=0)
    (_, before), (_, after) = (rates(m, images, seed=3) for m in (model, twin))
    assert before > 10
    assert abs(after - before ** (1 / 2**4)) < 1e-3


def test_what_is_even_within_the_tolerance_stays_as_it_is():
    model, images = uneven(alexnet()), scenes()
    loose = dict(classes=0, tolerance=np.inf)
    twin = data_dependent.between_layers(model, images, **loose)
    for a, b in zip(model.get_weights(), twin.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_the_function_changes_by_one_factor_only():
    """In one round by 1 / sqrt(std), whatever the rates are: the product of scales."""
    model, images = uneven(alexnet()), scenes()
    ours = model(images)
    twin = data_dependent.between_layers(model, images, rounds=1, classes=0)
    theirs = twin(images)
    std = np.std(ours["pooled"], axis=0).mean()
    np.testing.assert_allclose(
        theirs["pooled"], ours["pooled"] / np.sqrt(std), rtol=1e-3, atol=1e-5
    )
    others = scenes(3)[::-1] * 0.5
    for name in ours:
        a, b = np.asarray(model(others)[name]), np.asarray(twin(others)[name])
        factor = np.sum(a * b) / np.sum(b * b)
        assert abs(factor - 1) > 1e-3
        np.testing.assert_allclose(a, factor * b, rtol=1e-3, atol=1e-4 * a.max())


def test_one_layer_by_hand():
    """y = w x, no bias: r = rms(sum of noise * x) / |w|, target = r * std(y)."""
    images = keras.Input((1, 1, 1), name="images")
    x = layers.Flatten()(images)
    dense = layers.Dense(1, use_bias=False, name="w")
    model = keras.Model(images, dense(x))
    dense.set_weights([np.array([[4.0]])])
    shown = np.array([-1.0, 1.0], "float32").reshape(2, 1, 1, 1)  # std(y) = 4
    twin = data_dependent.between_layers(model, shown, rounds=1, classes=0)
    # w <- w sqrt(r / (r std)) = 4 / 2
    np.testing.assert_allclose(twin.get_layer("w").kernel, [[2.0]], rtol=1e-5)


def test_a_classifier_on_top_is_gone_afterwards():
    model, images = uneven(alexnet()), scenes()
    without = data_dependent.between_layers(model, images, rounds=1, classes=0)
    twin = data_dependent.between_layers(model, images, rounds=1, classes=50)
    assert [w.shape for w in twin.weights] == [w.shape for w in model.weights]
    a, b = (np.asarray(m.get_layer("fc7").kernel) for m in (without, twin))
    assert not np.allclose(a, b, rtol=0.05)


def test_what_cannot_learn_is_told():
    model = alexnet()
    model.get_layer("conv2").set_weights([np.zeros((3, 3, 4, 12)), -np.ones(12)])
    with pytest.raises(BadInput, match="conv1 learns nothing of these images"):
        data_dependent.between_layers(model, scenes())

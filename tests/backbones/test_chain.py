"""Transforms of networks that are one row of layers: scales, and padding."""

import keras
import numpy as np
import pytest
from keras import layers

from sslzoo import backbones
from sslzoo.backbones.bias_padding import PadWith, bias_padded
from sslzoo.backbones.fold import folded
from sslzoo.backbones.layers import BatchNorm
from sslzoo.backbones.rebalance import rebalanced
from sslzoo.errors import BadInput, UnknownName


def pictures(*shape, seed=1):
    return np.random.default_rng(seed).random(shape, "float32")


def shaken(model):
    """Scales that differ from layer to layer by orders, and biases."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith("variance"):
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif weight.path.endswith("kernel"):
            weight.assign(weight * 10.0 ** rng.uniform(-1, 1))
        else:
            weight.assign(rng.uniform(-0.1, 0.3, weight.shape))
    return model


def vgg(size=64, **options):
    return backbones.build("vgg16", **dict(width=1 / 32, norm=False) | options)


def alexnet(activation=None):
    """Grouped, strided, and with dense layers behind a flattened map."""
    images = keras.Input((35, 35, 3), name="images")
    x, features = images, {}
    for name, (filters, size, stride, groups, pad) in {
        "conv1": (8, 5, 2, 1, "valid"),
        "conv2": (12, 3, 1, 2, "same"),
        "conv3": (6, 3, 1, 3, "same"),
    }.items():
        x = layers.Conv2D(
            filters, size, stride, pad, groups=groups, name=name, activation=activation
        )(x)
        features[name] = x = x if activation else layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(3, 2, name=f"{name}_pool")(x)
    x = layers.Flatten(name="flat")(x)
    for name, width in {"fc6": 10, "fc7": 9}.items():
        x = layers.Dense(width, name=name, activation=activation)(x)
        features[name] = x = x if activation else layers.ReLU(name=f"{name}_relu")(x)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return keras.Model(images, {**features, "logits": layers.Dense(5, name="fc8")(x)})


NETWORKS = {
    "vgg16": (vgg, (6, 64, 64, 3), "pooled"),
    "alexnet": (alexnet, (6, 35, 35, 3), "logits"),
    "alexnet, activations within": (
        lambda: alexnet("relu"),
        (6, 35, 35, 3),
        "logits",
    ),
}


def rms(x):
    return np.sqrt(np.mean(np.square(np.asarray(x, "float64"))))


@pytest.mark.parametrize("make, shape, last", NETWORKS.values(), ids=NETWORKS)
def test_rebalanced_layers_are_of_unit_scale_and_the_function_is_the_same(
    make, shape, last
):
    model, images = shaken(make()), pictures(*shape)
    twin = rebalanced(model, images)
    ours, theirs = model(images), twin(images)
    inner = [n for n in ours if n not in ("data", "fc7", "pooled", "logits")]
    inner += ["fc7"] if last == "logits" else []
    assert not all(0.5 < rms(ours[name]) < 2 for name in inner)
    for name in inner:
        assert abs(rms(theirs[name]) - 1) < 1e-3
    others = pictures(*shape, seed=2)
    ours, theirs = model(others), twin(others)
    for name in inner:  # The same up to one factor.
        ratio = rms(ours[name])
        difference = np.abs(ours[name] - ratio / rms(theirs[name]) * theirs[name])
        assert difference.max() < 1e-4 * np.abs(ours[name]).max()
    assert np.abs(ours[last] - theirs[last]).max() < 1e-4 * np.abs(ours[last]).max()


@pytest.mark.parametrize("make, shape, last", NETWORKS.values(), ids=NETWORKS)
def test_each_channel_can_be_of_unit_scale(make, shape, last):
    model, images = shaken(make()), pictures(*shape)
    twin = rebalanced(model, images, of="channel")
    ours, theirs = model(images), twin(images)
    for name in ("conv1_1", "conv3_1", "conv5_3") if last == "pooled" else ("conv3",):
        found = np.sqrt(np.mean(np.square(theirs[name]), axis=(0, 1, 2)))
        alive = np.asarray(ours[name]).any(axis=(0, 1, 2))
        np.testing.assert_allclose(found[alive], 1, atol=1e-3)
    assert np.abs(ours[last] - theirs[last]).max() < 1e-4 * np.abs(ours[last]).max()


def test_what_is_brought_to_one_can_be_chosen():
    """The standard deviation, of what goes into the ReLU, of the last layer too."""
    model, images = shaken(alexnet()), pictures(6, 35, 35, 3)
    twin = rebalanced(model, images, "std", behind_relu=False, keep_output=False)
    for name in ("conv1", "conv3", "fc7", "fc8"):
        z = keras.Model(twin.input, twin.get_layer(name).output)(images)
        assert abs(np.std(z) - 1) < 1e-3


def test_a_layer_that_is_dead_stays_so():
    model, images = alexnet(), pictures(2, 35, 35, 3)
    model.get_layer("conv2").set_weights([np.zeros((3, 3, 4, 12)), -np.ones(12)])
    twin = rebalanced(model, images)
    np.testing.assert_allclose(twin(images)["logits"], model(images)["logits"])


def test_the_model_that_was_given_is_not_touched():
    model, images = shaken(alexnet()), pictures(2, 35, 35, 3)
    before = model.get_weights()
    rebalanced(model, images)
    bias_padded(model)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def trained():
    """As if trained with normalisation, then folded."""
    return folded(shaken(vgg(norm=True)))


def test_on_the_mean_image_the_border_is_as_the_inside():
    """Zeros go in, so the first padded convolution is shown one c everywhere."""
    mean = np.full((1, 32, 24, 3), 114.451 / 255, "float32")
    model = trained()
    zeros, padded = model(mean)["conv1_2"], bias_padded(model)(mean)["conv1_2"]
    assert np.ptp(padded, axis=(1, 2)).max() < 1e-5
    assert np.ptp(zeros, axis=(1, 2)).max() > 0.05
    np.testing.assert_allclose(zeros[:, 9:-9, 9:-9], padded[:, 9:-9, 9:-9], rtol=1e-4)


def test_so_it_is_of_each_layer_whose_one_before_is_given_nothing():
    twin = bias_padded(trained())
    layers_, before, seen = twin.layers, None, 0
    for layer, behind in zip(layers_, [*layers_[1:], None]):
        if isinstance(layer, PadWith):
            nothing = np.zeros((1, 9, 9, before.kernel.shape[-2]), "float32")
            emitted = np.maximum(before(nothing), 0)[:, 4:5, 4:5]
            out = np.asarray(behind(layer(np.tile(emitted, (1, 9, 9, 1)))))
            assert out.shape[:3] == (1, 9, 9) and np.abs(out).max() > 0
            assert np.ptp(out, axis=(1, 2)).max() < 1e-4 * np.abs(out).max()
            seen += 1
        if isinstance(layer, layers.Conv2D):
            before = layer
    assert seen == 13  # conv1_2 .. conv5_3 and fc6


def test_inside_nothing_changes():
    """conv2_2 sees 7 pixels and 2 of 2 more on each side: cells 4 .. -4 no border."""
    model, images = trained(), pictures(2, 64, 64, 3)
    ours, theirs = model(images), bias_padded(model)(images)
    np.testing.assert_array_equal(ours["conv1_1"], theirs["conv1_1"])
    inside = np.s_[:, 4:-4, 4:-4]
    a, b = np.asarray(ours["conv2_2"]), np.asarray(theirs["conv2_2"])
    np.testing.assert_allclose(a[inside], b[inside], rtol=1e-5, atol=1e-5)
    assert np.abs(a - b).max() > 1e-2


def test_padding_by_a_layer_of_its_own_is_replaced_too():
    """Against the formula of the sheet: x_p = pad(x - c) + c, then a valid conv."""
    images = keras.Input((None, None, 3), name="images")
    x = layers.ReLU()(layers.Conv2D(4, 3, padding="same", name="a")(images))
    x = layers.MaxPooling2D(2)(x)
    x = layers.ZeroPadding2D(((1, 2), (3, 0)), name="pad")(x)
    model = shaken(
        keras.Model(images, layers.Conv2D(5, 3, 2, "valid", groups=1, name="b")(x))
    )
    twin = bias_padded(model)
    assert [type(f) for f in twin.layers].count(PadWith) == 1
    image = pictures(1, 16, 16, 3)
    inner = keras.Model(model.input, model.layers[3].output)
    x = np.asarray(inner(image))
    c = np.maximum(model.get_layer("a").bias, 0)
    padded = np.pad(x - c, [(0, 0), (1, 2), (3, 0), (0, 0)]) + c
    expected = model.get_layer("b")(padded)
    np.testing.assert_allclose(twin(image), expected, rtol=1e-4, atol=1e-5)


def test_a_padded_network_is_read_back(tmp_path):
    twin = bias_padded(trained())
    twin.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = pictures(1, 32, 32, 3)
    np.testing.assert_array_equal(again(images)["pooled"], twin(images)["pooled"])
    np.testing.assert_array_equal(again.get_layer("conv1_2_pad").value.shape, (2,))


def branched(images):
    x = layers.Conv2D(3, 1)(images)
    return layers.Add()([x, images])


REFUSED = {
    "a branch": (branched, "no single row.*takes something else"),
    "normalisation": (lambda x: BatchNorm()(layers.Conv2D(3, 1)(x)), "folded"),
    "a bounded relu": (lambda x: layers.ReLU(6)(layers.Conv2D(3, 1)(x)), "keep scales"),
    "a sigmoid": (lambda x: layers.Conv2D(3, 1, activation="sigmoid")(x), "keep sca"),
    "nothing learned": (layers.ReLU(), "no convolution and no dense layer"),
}


@pytest.mark.parametrize("network, words", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(
    "transform", [bias_padded, lambda m: rebalanced(m, pictures(1, 8, 8, 3))]
)
def test_what_is_no_row_of_layers_is_refused(transform, network, words):
    images = keras.Input((8, 8, 3))
    with pytest.raises(BadInput, match=words):
        transform(keras.Model(images, network(images)))


def test_other_refusals_are_in_words():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 3, name="a")(images)
    strided = keras.Model(images, layers.Conv2D(3, 3, 2, "same", name="b")(x))
    with pytest.raises(BadInput, match="b of .* has a stride and padding='same'"):
        bias_padded(strided)
    with pytest.raises(UnknownName, match="statistic='rm'. Did you mean 'rms'"):
        rebalanced(strided, pictures(1, 8, 8, 3), "rm")

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(BadInput, match="Own.*keras.Model\\(inputs, outputs\\)"):
        bias_padded(Own())

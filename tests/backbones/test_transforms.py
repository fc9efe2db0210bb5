"""What can be done after training, on the networks that the papers do it to."""

import functools

import keras
import numpy as np
import pytest
import skimage
import tensorflow as tf

from sslzoo import backbones
from sslzoo.backbones.bias_padding import PadWith, bias_padded
from sslzoo.backbones.channels import to_gray, to_rgb, with_channels
from sslzoo.backbones.cut import cut_behind
from sslzoo.backbones.data_dependent import between_layers, within_layers
from sslzoo.backbones.fold import folded
from sslzoo.backbones.rebalance import rebalanced
from sslzoo.errors import BadInput

SMALL = 1 / 16
ALEXNET = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
COUNTS = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3}
VGG = [f"conv{b}_{i}" for b, n in COUNTS.items() for i in range(1, n + 1)]
VGG += ["fc6", "fc7"]

# Name, options, side of images, how many convolutions get a ring.
NETWORKS = {
    "single": ("alexnet", dict(form="single"), 70, 5),
    "half": ("alexnet", dict(form="half"), 70, 5),
    "small": ("alexnet", dict(form="single", geometry="small"), 32, 5),
    "larsson": ("alexnet", dict(form="larsson", norm="bn"), 70, 5),
    "release": ("alexnet", dict(form="release", geometry="deploy"), 227, 5),
    "original": ("alexnet", dict(form="original", norm="none"), 227, 4),
    "vgg16": ("vgg16", {}, 64, 13),
    "plain vgg16": ("vgg16", dict(norm=False), 64, 13),
}
EVERY = pytest.mark.parametrize("title", NETWORKS)


def photos(size, n=4, first=0):
    """Parts of a photograph, `[n, size, size, 3]`, float32 in [0, 1]."""
    photo = skimage.data.astronaut().astype("float32") / 255
    places = [(30 * i, 60 + 25 * i) for i in range(first, first + n)]
    return np.stack([photo[y : y + size, x : x + size] for y, x in places])


@functools.cache
def trained(title):
    """As if trained, then folded: scales that differ by orders, means, biases."""
    name, options, *_ = NETWORKS[title]
    model = backbones.build(name, width=SMALL, **options)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith("kernel"):
            spread = np.prod(weight.shape[:-1]) ** -0.5 * 10.0 ** rng.uniform(-0.5, 0.5)
            weight.assign(rng.normal(0, spread, weight.shape))
        elif weight.path.endswith("variance"):
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif not weight.path.startswith("data_lab"):
            weight.assign(rng.uniform(-0.1, 0.3, weight.shape))
    return folded(model)


def names_of(model):
    return VGG if "conv1_2" in model.output else ALEXNET


def near(found, expected, tolerance=1e-4):
    found, expected = np.asarray(found), np.asarray(expected)
    assert np.abs(expected).max() > 0
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@EVERY
def test_rebalanced_layers_have_unit_variance_and_the_function_is_the_same(title):
    """Each map is what it was up to one factor, and the last is what it was."""
    model, size = trained(title), NETWORKS[title][2]
    names = names_of(model)
    images = photos(size)
    twin = rebalanced(model, images, "std")
    before, after = model(images), twin(images)
    spreads = [np.std(before[name]) for name in names[:-1]]
    assert max(spreads) > 2 * min(spreads)
    for name in names[:-1]:
        assert abs(np.std(after[name]) - 1) < 1e-3
    others = photos(size, first=4)
    ours, theirs = model(others), twin(others)
    for name, spread in zip(names, [*spreads, 1]):
        near(theirs[name] * spread, ours[name])


@EVERY
def test_drawn_within_layers_each_channel_has_mean_a_tenth_and_unit_deviation(title):
    model, images = trained(title), photos(NETWORKS[title][2])
    twin = within_layers(model, images, patches=150)
    outputs = [twin.get_layer(name).output for name in names_of(model)]
    for z in keras.Model(twin.input, outputs)(images):
        z = np.asarray(z, "float64").reshape(-1, z.shape[-1])
        np.testing.assert_allclose(z.mean(axis=0), 0.1, atol=2e-3)
        np.testing.assert_allclose(z.std(axis=0), 1, atol=2e-3)


def in_float64(model):
    def exact(layer):
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    twin = keras.models.clone_model(model, clone_function=exact)
    twin.set_weights(model.get_weights())
    return twin


def rates(model, images, seed):
    """r of each layer with the noise of a seed, and the spread of the top."""
    kernels = [w.value for w in model.weights if w.path.endswith("kernel")]
    with tf.GradientTape() as tape:
        out = model(images.astype("float64"))
        top = out["pooled"] if names_of(model) is VGG else out["fc7"]
    noise = np.random.default_rng(seed).normal(size=top.shape)
    noise = tf.constant(noise, top.dtype)
    slopes = tape.gradient(top, kernels, output_gradients=noise)
    r = [float(tf.norm(g) / tf.norm(k)) for g, k in zip(slopes, kernels)]
    spread = np.asarray(top, "float64").reshape(-1, top.shape[-1]).std(axis=0).mean()
    return np.array(r), spread


@pytest.mark.parametrize("title", sorted({*NETWORKS} - {"release", "original"}))
def test_between_layers_rates_become_one(title):
    """In one round, for its noise: r' = target * prod sqrt(r / target).

    In float64: where rounding turns one ReLU of the few, r is half a percent off.
    """
    model, images = in_float64(trained(title)), photos(NETWORKS[title][2])
    before, spread = rates(model, images, seed=3)
    twin = between_layers(model, images, rounds=1, classes=0, seed=3)
    after, _ = rates(twin, images, seed=3)
    assert before.max() / before.min() > 10 and len(before) == len(names_of(model))
    expected = np.exp(np.log(before).mean()) * spread ** (1 / len(before) - 0.5)
    np.testing.assert_allclose(after, expected, rtol=1e-5)


@EVERY
def test_padded_with_biases_the_border_is_as_the_inside_where_nothing_is_seen(title):
    """Of an image of zeros conv1 says relu(b) everywhere, and so does the ring."""
    _, _, size, rings = NETWORKS[title]
    model = trained(title)
    padded = bias_padded(model)
    assert sum(isinstance(layer, PadWith) for layer in padded.layers) == rings
    name, found = names_of(model)[1], []
    for net in (model, padded):
        known = {layer.name: layer for layer in net.layers}
        shown = known["lab" if "lab" in known else "standardize"].output
        zeros = np.zeros((1, size, size, shown.shape[-1]), "float32")
        found.append(np.asarray(keras.Model(shown, net.output[name])(zeros)))
    with_zeros, with_biases = found
    scale = with_biases.max()
    assert np.ptp(with_biases, axis=(1, 2)).max() < 1e-5 * scale
    assert np.ptp(with_zeros, axis=(1, 2)).max() > 0.05 * scale
    inside = np.s_[:, 3:-3, 3:-3]
    near(with_zeros[inside], with_biases[inside], 1e-5)


@pytest.mark.parametrize("form", [{}, dict(norm="bn"), dict(norm="none")])
def test_larssons_alexnet_sees_colours_as_their_mean(form):
    model = backbones.build("alexnet", form="larsson", width=SMALL, **form)
    images = photos(70)
    twin = to_rgb(model)
    assert twin.get_layer("conv1").kernel.shape == (11, 11, 3, 6)
    ours, theirs = model(images), twin(images)
    for name in ours:
        near(theirs[name], ours[name], 1e-5)


def test_krizhevskys_alexnet_sees_gray_as_before():
    """LRN and all, to the last layer: conv1 pads nothing."""
    model = backbones.build("alexnet", width=SMALL)
    gray = np.repeat(photos(227, 2).mean(axis=-1, keepdims=True), 3, axis=-1)
    twin = to_gray(model)
    assert twin.get_layer("conv1").kernel.shape == (11, 11, 1, 6)
    ours, theirs = model(gray), twin(gray)
    for name in ours:
        near(theirs[name], ours[name])


def test_alexnet_takes_two_images_side_by_side():
    model = backbones.build("alexnet", form="single", pixels="unit", width=SMALL)
    images = photos(70)
    twice = with_channels(model, 6)(np.concatenate([images, images], axis=-1))
    ours = model(images)
    for name in ours:
        near(twice[name], ours[name])


@EVERY
def test_without_its_wide_layers_a_network_is_what_it_was_and_still_one_row(title):
    model, images = trained(title), photos(NETWORKS[title][2])
    last = names_of(model)[-3]
    cut = cut_behind(model, last)
    wide = sum(model.get_layer(n).count_params() for n in ("fc6", "fc7"))
    assert cut.count_params() == model.count_params() - wide
    ours, theirs = model(images), rebalanced(cut, images)(images)
    near(theirs[last], ours[last])
    near(theirs["pooled"], np.mean(ours[last], axis=(1, 2)))


def test_two_stems_are_no_row_and_one_network_of_both_is():
    split = backbones.build("alexnet", form="split", norm="none", width=SMALL)
    with pytest.raises(BadInput, match="no single row"):
        rebalanced(split, photos(70))
    whole = backbones.build(
        "alexnet", form="split", norm="none", layout="grouped", width=SMALL
    )
    backbones.alexnet.carry(split, whole)
    images = photos(70)
    near(rebalanced(whole, images)(images)["fc7"], split(images)["fc7"])

"""Networks made for other channels, and cut: they say what they said."""

import keras
import numpy as np
import pytest
from keras import layers

from sslzoo import backbones
from sslzoo.backbones.channels import to_gray, to_rgb, with_channels
from sslzoo.backbones.cut import cut_behind
from sslzoo.errors import BadInput, UnknownName


def pictures(*shape):
    return np.random.default_rng(1).random(shape, "float32")


def shaken(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if not weight.path.endswith("kernel"):
            weight.assign(rng.uniform(0.1, 0.5, weight.shape))
    return model


def vgg(**options):
    return shaken(backbones.build("vgg16", width=1 / 32, **options))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gray_network_sees_colours_as_their_mean(channels):
    """On gray images to the bit of its arithmetic; and on colours, it being linear."""
    model, images = vgg(channels=channels), pictures(2, 32, 32, 3)
    twin = to_rgb(model)
    assert twin.input_shape == (None, None, None, 3)
    kernel = twin.get_layer("conv1_1").kernel
    assert kernel.shape == (3, 3, 3, 2) and "gray" not in [f.name for f in twin.layers]
    gray = images.mean(axis=-1, keepdims=True)
    expected = model(gray if channels == 1 else images)
    out = twin(images)
    for name in ("conv1_1", "conv5_3", "pooled"):
        scale = np.abs(expected[name]).max()
        assert np.abs(out[name] - expected[name]).max() < 1e-5 * scale


@pytest.mark.parametrize("pixels", ["imagenet", "signed", "unit", "caffe"])
def test_a_network_of_colours_sees_gray_as_before(pixels):
    """Inside everywhere; at the rim too where all colours have one mean."""
    model = vgg(pixels=pixels, norm=False, fc6="same")
    twin = to_gray(model)
    assert twin.get_layer("conv1_1").kernel.shape == (3, 3, 1, 2)
    gray = np.repeat(pictures(2, 32, 32, 1), 3, axis=-1)
    ours, theirs = (np.asarray(m(gray)["conv1_1"]) for m in (model, twin))
    scale = ours.max()
    assert np.abs(ours - theirs)[:, 1:-1, 1:-1].max() < 1e-5 * scale
    if pixels in ("signed", "unit"):
        assert np.abs(model(gray)["pooled"] - twin(gray)["pooled"]).max() < 1e-5
    colours = pictures(1, 32, 32, 3)
    np.testing.assert_allclose(
        twin(colours)["pooled"],
        twin(np.repeat(colours.mean(axis=-1, keepdims=True), 3, axis=-1))["pooled"],
        rtol=1e-4,
    )


def test_a_convolution_without_a_bias_is_given_one():
    model = shaken(backbones.build("resnet18", width=1 / 16, stem="small"))
    twin = to_gray(model)
    gray = np.repeat(pictures(2, 8, 8, 1), 3, axis=-1)
    ours, theirs = (np.asarray(m(gray)["after_root"]) for m in (model, twin))
    np.testing.assert_allclose(
        ours[:, 1:-1, 1:-1], theirs[:, 1:-1, 1:-1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("pixels", ["signed", "imagenet"])
def test_the_root_of_a_revnet_sees_gray_as_before(pixels):
    """Behind unlike means it is given a bias, which it did not have; inside, as above.

    A pool of 3x3 every two places follows: its rim is wider by one.
    """
    options = dict(units=(1, 1, 1, 1), width=1 / 16, pixels=pixels, save_memory=True)
    model = shaken(backbones.build("revnet50", **options))
    gray = np.repeat(pictures(1, 64, 64, 1), 3, axis=-1)
    twin = to_gray(model)
    ours, theirs = (np.asarray(m(gray)["after_root"]) for m in (model, twin))
    far = np.abs(ours - theirs)[:, 2:-2, 2:-2].max()
    assert far < 1e-5 * np.abs(ours).max()
    trained = np.asarray(twin(gray, training=True)["after_root"])
    np.testing.assert_allclose(trained, theirs, rtol=1e-5, atol=1e-6)


def test_there_and_back_is_the_same():
    model, images = vgg(), pictures(1, 32, 32, 3)
    back = to_gray(to_rgb(model))
    np.testing.assert_allclose(
        back(images)["pooled"], model(images)["pooled"], rtol=1e-4, atol=1e-6
    )


def test_channels_can_be_repeated():
    """Two equal images side by side are seen as the one."""
    model = vgg(pixels="imagenet")
    images = pictures(2, 32, 32, 3)
    twice = with_channels(model, 6)(np.concatenate([images, images], axis=-1))
    np.testing.assert_allclose(
        twice["pooled"], model(images)["pooled"], rtol=1e-4, atol=1e-6
    )
    one = with_channels(model, 1)(images[..., :1])
    shown = model(np.repeat(images[..., :1], 3, axis=-1))
    np.testing.assert_allclose(one["pooled"], shown["pooled"], rtol=1e-5)


def test_the_model_that_was_given_is_not_touched():
    model = vgg(pixels="imagenet")
    before, config = model.get_weights(), model.to_json()
    to_gray(model), with_channels(model, 5)
    assert model.to_json() == config
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_what_is_made_is_read_back(tmp_path):
    twin = to_gray(vgg(pixels="imagenet"))
    twin.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = pictures(1, 32, 32, 3)
    np.testing.assert_array_equal(again(images)["pooled"], twin(images)["pooled"])


@pytest.mark.parametrize(
    "transform, options, words",
    [
        (to_rgb, dict(pixels="imagenet"), "conv1_1 of vgg16.*is no gray network"),
        (to_gray, {}, r"vgg16 \(Gray\) .*is no RGB network"),
        (to_gray, dict(channels=4, pixels="unit"), "conv1_1 of vgg16.*is no RGB"),
        (lambda m: with_channels(m, 4), {}, r"\(Gray\) treat .*Only 1 can be had"),
    ],
)
def test_networks_of_other_colours_are_refused(transform, options, words):
    with pytest.raises(BadInput, match=words):
        transform(vgg(**options))


def test_a_cut_network_ends_where_it_is_told():
    model, images = vgg(), pictures(2, 64, 64, 3)
    cut = cut_behind(model, "conv5_3")
    assert list(cut.output)[-2:] == ["conv5_3", "pooled"] and len(cut.output) == 15
    wide = sum(model.get_layer(n).count_params() for n in ("fc6", "fc7"))
    norms = sum(model.get_layer(f"{n}_bn").count_params() for n in ("fc6", "fc7"))
    assert cut.count_params() == model.count_params() - wide - norms
    out = cut(images)
    np.testing.assert_array_equal(out["conv5_3"], model(images)["conv5_3"])
    np.testing.assert_allclose(
        out["pooled"], np.mean(out["conv5_3"], axis=(1, 2)), rtol=1e-4, atol=1e-6
    )


def test_a_classifier_becomes_a_backbone_again():
    images = keras.Input((8, 8, 3))
    x = layers.Flatten()(images)
    fc7 = layers.Dense(5, name="fc7")(x)
    model = keras.Model(images, {"fc7": fc7, "logits": layers.Dense(9)(fc7)})
    cut = cut_behind(model, "fc7")
    assert [(k, x.shape) for k, x in cut.output.items()] == [
        ("fc7", (None, 5)),
        ("pooled", (None, 5)),
    ]
    with pytest.raises(UnknownName, match="last='fc6'. Did you mean 'fc7'"):
        cut_behind(model, "fc6")

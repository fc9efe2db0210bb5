"""Models of others as backbones: what they say, and what they were shown."""

import inspect

import keras
import numpy as np
import pytest
import skimage.color
from keras import layers

from sslzoo import backbones
from sslzoo.backbones.layers import pixels
from sslzoo.errors import BadInput, UnknownName
from sslzoo.methods import byol


def pictures(*shape):
    return np.random.default_rng(1).random(shape, "float32")


def mobilenet(**options):
    shape = dict(input_shape=(32, 32, 3)) | options
    return keras.applications.MobileNetV2(
        weights=None, include_top=False, alpha=0.35, **shape
    )


def own():
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, 2, activation="relu", name="first"),
            layers.Conv2D(6, 3, 2, activation="relu", name="second"),
        ],
        name="mine",
    )


def test_a_model_of_keras_says_what_it_says_of_what_it_was_trained_on():
    model, images = mobilenet(), pictures(2, 32, 32, 3)
    wrapped = backbones.wrap(model)
    expected = model(keras.applications.mobilenet_v2.preprocess_input(255 * images))
    out = wrapped(images)
    assert list(out) == ["out_relu", "pooled"]
    np.testing.assert_allclose(out["out_relu"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        out["pooled"], np.mean(expected, axis=(1, 2)), rtol=1e-4, atol=1e-5
    )


THEIRS = [
    (module, name)
    for module in dir(keras.applications)
    if hasattr(getattr(keras.applications, module), "preprocess_input")
    if module != "imagenet_utils"
    for name in dir(getattr(keras.applications, module))
    if name[0].isupper()
]


@pytest.mark.parametrize("module, name", THEIRS, ids=[name for _, name in THEIRS])
def test_every_application_is_known_by_its_name(module, name):
    """Its own preprocessing, against what stands before a layer of that name."""
    application = getattr(keras.applications, module)
    named = inspect.signature(getattr(application, name)).parameters["name"].default
    named = named or {"MobileNet": "mobilenet_1.00_224"}.get(
        name, "mobilenetv2_1.00_224"
    )
    images = keras.Input((4, 4, 3))
    model = keras.Model(images, layers.Identity(name="shown")(images), name=named)
    given = pictures(1, 4, 4, 3)
    expected = application.preprocess_input(255 * given)
    shown = backbones.wrap(model)(given)["shown"]
    np.testing.assert_allclose(shown, expected, rtol=1e-4, atol=1e-4)


def test_there_are_applications_to_know():
    assert len(THEIRS) > 30 and ("resnet", "ResNet50") in THEIRS


def test_any_layers_can_be_features():
    levels = {
        "block2": "conv2_block3_out",
        "block3": "conv3_block4_out",
        "pooled": "conv5_block3_out",
    }
    model = keras.applications.ResNet50(weights=None, include_top=False)
    wrapped = backbones.wrap(model, levels)
    info = backbones.feature_info(wrapped, 64)
    assert [tuple(i.values()) for i in info] == [("block2", 256, 4), ("block3", 512, 8)]
    assert wrapped.output["pooled"].shape == (None, 2048)


def test_a_backbone_whose_layers_are_chosen_is_shown_what_it_was_shown():
    """Its name is that of an application, whose pixels are others."""
    model, images = backbones.build("resnet50", width=1 / 16), pictures(1, 32, 32, 3)
    wrapped = backbones.wrap(model, {"early": "block1_2_relu"})
    np.testing.assert_allclose(
        wrapped(images)["early"], model(images)["block1"], rtol=1e-5, atol=1e-6
    )


def test_a_model_of_your_own_shares_its_layers():
    model, images = own(), pictures(2, 20, 24, 3)
    wrapped = backbones.wrap(model, {"first": "first", "last": "second"})
    assert wrapped.get_layer("first") is model.get_layer("first")
    np.testing.assert_allclose(wrapped(images)["last"], model(images), rtol=1e-5)
    again = backbones.wrap(model, {"only": "first"}, pixels="signed")
    assert list(again(images)) == ["only", "pooled"]
    expected = model.get_layer("first")(2 * images - 1)
    np.testing.assert_allclose(again(images)["only"], expected, rtol=1e-4, atol=1e-5)


MADE = {
    "gray": lambda rgb: rgb.mean(-1, keepdims=True) - 114.451 / 255,
    "l": lambda rgb: skimage.color.rgb2lab(rgb)[..., :1] - 50,
    "ab": lambda rgb: skimage.color.rgb2lab(rgb)[..., 1:],
    "lab": lambda rgb: skimage.color.rgb2lab(rgb) - [50, 0, 0],
}


@pytest.mark.parametrize("pixels, expected", MADE.items(), ids=MADE)
def test_a_model_of_other_channels_is_shown_what_pixels_make_of_rgb(pixels, expected):
    images = pictures(2, 8, 8, 3)
    shown = expected(images)
    wrapped = backbones.wrap(seen(shown.shape[-1]), pixels=pixels)
    assert wrapped.input_shape == (None, None, None, 3)
    # skimage rounds the matrix of sRGB, to 1e-3 of a Lab of about 100.
    np.testing.assert_allclose(wrapped(images)["seen"], shown, rtol=1e-4, atol=1e-2)


def seen(channels):
    images = keras.Input((None, None, channels))
    return keras.Model(images, layers.Identity(name="seen")(images), name="mine")


def test_without_pixels_a_model_is_shown_images_of_its_own_channels():
    images = pictures(1, 4, 4, 1)
    np.testing.assert_array_equal(backbones.wrap(seen(1))(images)["seen"], images)


def test_a_vector_is_what_is_pooled():
    model = keras.Sequential([own(), layers.GlobalMaxPooling2D(), layers.Dense(3)])
    wrapped = backbones.wrap(model)
    assert list(wrapped.output) == ["pooled"]
    images = pictures(2, 20, 20, 3)
    np.testing.assert_allclose(wrapped(images)["pooled"], model(images), rtol=1e-5)


def test_tokens_are_averaged():
    """As transformers have them; a feature by itself they cannot be."""
    model, images = tokens(), pictures(2, 8, 8, 3)
    wrapped = backbones.wrap(model)
    assert list(wrapped.output) == ["pooled"]
    expected = np.mean(model(images), axis=1)
    np.testing.assert_allclose(wrapped(images)["pooled"], expected, rtol=1e-5)


def test_several_outputs_keep_their_names():
    images = keras.Input((16, 16, 1))
    x = layers.Conv2D(2, 3, name="a")(images)
    y = layers.Conv2D(3, 3, name="b")(x)
    assert list(backbones.wrap(keras.Model(images, [x, y])).output) == [
        "a",
        "b",
        "pooled",
    ]
    wrapped = backbones.wrap(keras.Model(images, {"fine": x, "coarse": y}))
    assert wrapped.output["pooled"].shape == (None, 3)


def test_a_pyramid_gives_its_levels():
    """As backbones of keras-hub have them, as a property of theirs."""

    class Pyramid(keras.Model):
        def __init__(self):
            images = keras.Input((None, None, 3))
            x = layers.Conv2D(2, 3, 2, "same", name="a")(images)
            y = layers.Conv2D(4, 3, 2, "same", name="b")(x)
            super().__init__(images, y)
            self.pyramid_outputs = {"P1": x, "P2": y}

    wrapped = backbones.wrap(Pyramid())
    assert [i["stride"] for i in backbones.feature_info(wrapped)] == [2, 4]
    assert list(wrapped.output) == ["P1", "P2", "pooled"]


def test_what_follows_a_pyramid_is_pooled_and_its_tokens_are_no_maps():
    """In ResNets v2 a norm follows; transformers have levels of tokens."""

    class Pyramid(keras.Model):
        def __init__(self):
            images = keras.Input((8, 8, 3))
            x = layers.Conv2D(2, 3, 2, "same", name="a")(images)
            y = layers.ReLU(name="end")(x)
            super().__init__(images, y)
            tokens = layers.Reshape((16, 2))(x)
            self.pyramid_outputs = {"P1": x, "stage1": tokens}

    model, images = Pyramid(), pictures(2, 8, 8, 3)
    wrapped = backbones.wrap(model)
    assert list(wrapped.output) == ["P1", "pooled"]
    out, end = wrapped(images), np.asarray(model(images))
    np.testing.assert_allclose(out["pooled"], end.mean((1, 2)), rtol=1e-5)
    assert np.min(out["P1"]) < 0


def test_what_is_a_backbone_comes_back():
    backbone = backbones.build("tiny")
    assert backbones.wrap(backbone) is backbone
    wrapped = backbones.wrap(own())
    assert backbones.wrap(wrapped) is wrapped


@pytest.mark.parametrize("make", [mobilenet, own])
def test_byol_trains_it(make):
    backbone = backbones.wrap(make())
    method = byol.BYOL(
        backbone, steps=2, example=byol.example(32), hidden=16, outputs=8
    )
    method.compile(keras.optimizers.SGD(0.1))
    before = backbone.get_weights()
    views = {"view1": pictures(4, 32, 32, 3), "view2": pictures(4, 32, 32, 3)[::-1]}
    loss = method.train_step({k: keras.ops.array(v) for k, v in views.items()})["loss"]
    assert 0 < float(loss) < 8
    moved = [np.abs(a - b).max() > 0 for a, b in zip(before, backbone.get_weights())]
    assert np.mean(moved) > 0.9


def test_it_is_stored_and_read_back(tmp_path):
    wrapped = backbones.wrap(mobilenet())
    wrapped.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = pictures(2, 32, 32, 3)
    np.testing.assert_array_equal(again(images)["pooled"], wrapped(images)["pooled"])


class Own(keras.Model):
    def call(self, x):
        return x


def tokens():
    images = keras.Input((8, 8, 3))
    x = layers.Reshape((16, 12), name="patches")(images)
    return keras.Model(images, layers.Dense(5, name="tokens")(x), name="vit")


def classifier():
    images = keras.Input((8, 8, 3))
    x = layers.Flatten()(images)
    return keras.Model(images, layers.Dense(5, activation="softmax")(x), name="tops")


def two():
    a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    return keras.Model([a, b], layers.Add()([a, b]))


REFUSED = {
    "not functional": (Own, {}, "a Own, of whose layers nothing is known"),
    "not built": (
        lambda: keras.Sequential([layers.Conv2D(3, 3)]),
        {},
        "begins with a keras.Input",
    ),
    "tokens": (
        tokens,
        {"features": {"tokens": "tokens"}},
        r"tokens of vit .*\[None, 16, 5\].*features=",
    ),
    "a number": (
        lambda: keras.Sequential([own(), layers.Lambda(lambda x: x[:, 0, 0, 0])]),
        {},
        r"the shape \[None\]",
    ),
    "probabilities": (classifier, {}, "probabilities.*include_top=False"),
    "two inputs": (two, {}, "where a backbone takes one batch of images"),
    "no such layer": (own, {"features": {"a": "frist"}}, "Did you mean 'first'"),
    "colours where gray is made": (
        own,
        {"pixels": "gray"},
        "mine takes images of 3 channels, and pixels='gray' makes 1 of RGB. Build",
    ),
    "gray where Lab is made": (lambda: seen(1), {"pixels": "lab"}, "makes 3 of RGB"),
    "no such pixels": (own, {"pixels": "cafe"}, "Did you mean 'caffe'"),
}


@pytest.mark.parametrize("make, options, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_one_is_refused_in_words(make, options, words):
    with pytest.raises((BadInput, UnknownName), match=words):
        backbones.wrap(make(), **options)


def test_pixels_of_caffe_are_those_of_keras_applications():
    images = keras.Input((4, 4, 3))
    given = pictures(1, 4, 4, 3)
    ours = keras.Model(images, pixels(images, "caffe"))(given)
    theirs = keras.applications.vgg16.preprocess_input(255 * given)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)

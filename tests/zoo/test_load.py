"""A model by its name: what it gives, in every form that can be asked for."""

import json
import logging
import sys
import types

import h5py
import keras
import numpy as np
import pytest

from sslzoo import backbones, converters
from sslzoo.bench import models, timing
from sslzoo.converters import mapping
from sslzoo.errors import BadInput, UnknownName
from sslzoo.zoo import input as inputs
from sslzoo.zoo.load import load, load_preprocessor

NAMES = ["after_root", "block1", "block2", "block3", "block4", "pooled"]


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.fixture(scope="module")
def features(zoo):
    """Of the small ResNet, by its own parts."""
    text = (zoo / "byol_r18w16.toy" / "config.json").read_text()
    backbone = keras.models.model_from_json(text)
    backbone.load_weights(zoo / "byol_r18w16.toy" / "backbone.weights.h5")
    return lambda images: {k: v.numpy() for k, v in backbone(images).items()}


def test_a_name_gives_pooled_features(zoo, features):
    model = load("byol_r18w16", registry=zoo)
    images = noise(2, 40, 32, 3)
    assert isinstance(model, keras.Model) and model.output_shape == (None, 128)
    np.testing.assert_allclose(model(images), features(images)["pooled"], rtol=1e-5)
    assert model.card.name == "byol_r18w16.toy"


def test_all_features_come_in_order(zoo, features):
    model = load("byol_r18w16", features_only=True, registry=zoo)
    images = noise(2, 32, 32, 3)
    found = model(images)
    assert list(found) == NAMES
    for name, expected in features(images).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "out_indices, names",
    [
        (1, ["block4"]),
        (2, ["block3", "block4"]),
        ([0, -1], ["after_root", "block4"]),
        ((-2, 1), ["block3", "block1"]),
        (["pooled", "block1"], ["pooled", "block1"]),
        ("block2", ["block2"]),
        (np.int64(1), ["block4"]),
        (np.array([0, 4]), ["after_root", "block4"]),
    ],
)
def test_features_are_chosen_by_place_or_name(zoo, out_indices, names):
    model = load(
        "byol_r18w16", features_only=True, out_indices=out_indices, registry=zoo
    )
    assert list(model.output) == names


@pytest.mark.parametrize(
    "out_indices, kind, words",
    [
        (0, BadInput, "last so many of 5 maps: after_root"),
        (6, BadInput, "last so many of 5"),
        ([5], BadInput, "no map 5. The maps are 0 to 4, or -5 to -1"),
        ([-6], BadInput, "no map -6"),
        (1.5, BadInput, r"out_indices=1.5 chooses no features: give a whole number"),
        (True, BadInput, "out_indices=True chooses no"),
        ([], BadInput, r"out_indices=\[\] chooses no features.*after_root"),
        ({}, BadInput, "chooses no features"),
        ([0, 1.5], BadInput, "1.5 is no place among the maps"),
        ([True], BadInput, "True is no place"),
        ([None], BadInput, "None is no place"),
        (["blok1"], UnknownName, "Did you mean 'block1'"),
    ],
)
def test_features_that_are_not_there_are_refused(zoo, out_indices, kind, words):
    with pytest.raises(kind, match=words):
        load("byol_r18w16", features_only=True, out_indices=out_indices, registry=zoo)


def test_without_pooling_the_last_map_comes(zoo, features):
    images = noise(1, 32, 32, 3)
    for options in ({}, {"num_classes": 0}):  # Which is timm's word for no head.
        found = load("byol_r18w16", pooling=None, registry=zoo, **options)(images)
        np.testing.assert_allclose(
            found, features(images)["block4"], rtol=1e-5, atol=1e-6
        )


def test_a_head_is_new_and_is_said_so_once(zoo, caplog):
    caplog.set_level(logging.INFO, "sslzoo")
    model = load("byol_tiny", num_classes=5, registry=zoo)
    assert model.output_shape == (None, 5)
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "byol_tiny.toy: new and random, to be trained: head/kernel, head/bias" in (
        record.getMessage()
    )
    plain, headed = load("byol_tiny", registry=zoo), model.get_weights()
    for mine, theirs in zip(plain.get_weights(), headed):
        np.testing.assert_array_equal(mine, theirs)
    assert load("byol_tiny", num_classes=0, registry=zoo).output_shape == (None, 16)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"pooling": "max"}, "'avg', or None"),
        ({"num_classes": -1}, "num_classes=-1"),
        ({"num_classes": 3, "pooling": None}, "a head on the pooled"),
        ({"num_classes": 3, "features_only": True}, "a head on the pooled"),
        ({"out_indices": 1}, "features_only=True"),
        ({"checkpoint": "x", "pretrained": False}, "pretrained=False omits"),
        ({"dtype": "floot16"}, "dtype='floot16'"),
        ({"num_classes": "5"}, "num_classes='5': give a whole number"),
        ({"num_classes": True}, "num_classes=True"),
        ({"num_classes": 5.0}, "num_classes=5.0"),
        ({"in_chans": 0}, "in_chans=0"),
        ({"in_chans": True}, "in_chans=True: give a whole number"),
        ({"in_chans": "3"}, "in_chans='3'"),
        ({"input_size": 7}, "8 or more"),
        ({"input_size": "big"}, r"input_size='big': give a side in pixels, .*\(height"),
        ({"input_size": (1, 2, 3)}, r"input_size=\(1, 2, 3\): give a side"),
        ({"input_size": (32, "x")}, "give a side"),
        ({"input_size": 32.5}, "give a side"),
        ({"input_size": True}, "give a side"),
    ],
)
def test_what_cannot_be_is_refused(zoo, options, words):
    with pytest.raises(BadInput, match=words):
        load("byol_tiny", registry=zoo, **options)


def test_gray_is_seen_as_rgb(zoo, features):
    """Behind the standardizing of colours, a plain sum of kernels would not be."""
    gray = noise(2, 32, 32, 1)
    model = load("byol_r18w16", in_chans=1, registry=zoo)
    assert model.input_shape == (None, None, None, 1)
    expected = features(np.repeat(gray, 3, axis=-1))["pooled"]
    np.testing.assert_allclose(model(gray), expected, rtol=1e-5, atol=1e-6)


def test_six_channels_of_two_equal_images_are_seen_as_the_one(zoo, features):
    images = noise(2, 32, 32, 3)
    model = load("byol_r18w16", in_chans=6, registry=zoo)
    twice = np.concatenate([images, images], axis=-1)
    expected = features(images)["pooled"]
    np.testing.assert_allclose(model(twice), expected, rtol=1e-4, atol=1e-5)
    assert model.card.input["channels"] == 6


def test_four_channels_repeat_the_red(zoo):
    """Each kernel three quarters as strong: R, G, B and R again."""
    kernels = [
        load("byol_tiny", registry=zoo, in_chans=n).get_layer("conv1").kernel.numpy()
        for n in (None, 4)
    ]
    expected = kernels[0][:, :, [0, 1, 2, 0]] * 0.75
    np.testing.assert_allclose(kernels[1], expected, rtol=1e-6)


def test_channels_with_a_meaning_are_not_repeated(write_model):
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3)(images[..., :1])
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    split = keras.Model(images, {"conv1": x, "pooled": pooled})
    folder = write_model("split_brain_x.toy", split)
    assert load(folder, in_chans=1).input_shape[-1] == 1
    with pytest.raises(BadInput, match="GetItem.*Only 1 can be had"):
        load(folder, in_chans=4)


def test_one_input_size_is_the_only_one(zoo, features):
    model = load("byol_r18w16", input_size=40, registry=zoo)
    assert model.input_shape == (None, 40, 40, 3)
    images = noise(1, 40, 40, 3)
    np.testing.assert_allclose(model(images), features(images)["pooled"], rtol=1e-5)
    assert load("byol_tiny", input_size=(40, 50), registry=zoo).input_shape[1:3] == (
        40,
        50,
    )
    with pytest.raises(BadInput, match="24 x 24 only"):
        load("split_brain_fc", input_size=32, registry=zoo)


def test_frozen_models_have_nothing_to_train(zoo):
    model = load("byol_tiny", trainable=False, registry=zoo)
    assert not model.trainable_weights
    before = model.get_weights()
    model(noise(4, 16, 16, 3), training=True)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16", "float16"])
def test_other_dtypes_give_nearly_the_same(zoo, features, dtype):
    """To the eight bits of bfloat16, through eighteen layers."""
    images = noise(2, 32, 32, 3)
    model = load("byol_r18w16", dtype=dtype, registry=zoo)
    stored = "float32" if dtype.startswith("mixed") else dtype
    assert {weight.dtype for weight in model.weights} == {stored}
    found = np.asarray(model(images), np.float32)
    expected = features(images)["pooled"]
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_random_weights_must_be_asked_for(zoo):
    random = load("byol_tiny", pretrained=False, registry=zoo)
    trained = load("byol_tiny", registry=zoo)
    assert random.output_shape == trained.output_shape
    assert not np.allclose(random.get_weights()[0], trained.get_weights()[0])


def copy(zoo, write_model, change):
    """A folder of the tiny network, of which something is changed."""
    text = (zoo / "byol_tiny.toy" / "config.json").read_text()
    backbone = keras.models.model_from_json(text)
    backbone.load_weights(zoo / "byol_tiny.toy" / "backbone.weights.h5")
    return write_model("byol_tiny.toy", backbone, change=change)


def other_weights(**options):
    def change(folder):
        backbones.build("tiny", **options).save_weights(folder / "backbone.weights.h5")

    return change


def one_array_less(folder):
    with h5py.File(folder / "backbone.weights.h5", "a") as file:
        del file["layers/conv2d/vars/1"]


def one_array_more(folder):
    with h5py.File(folder / "backbone.weights.h5", "a") as file:
        file["layers/conv2d_7/vars/0"] = np.zeros(3)


def another_place(folder):
    """As many arrays, but one where nobody looks."""
    with h5py.File(folder / "backbone.weights.h5", "a") as file:
        file.move("layers/conv2d/vars", "layers/conv2d_7/vars")


def no_weights(folder):
    (folder / "backbone.weights.h5").write_bytes(b"none")


@pytest.mark.parametrize(
    "change",
    [other_weights(width=4), one_array_less, one_array_more, another_place, no_weights],
)
def test_weights_that_do_not_fit_one_to_one_are_refused(zoo, write_model, change):
    folder = copy(zoo, write_model, change)
    with pytest.raises(BadInput, match="does not hold the weights of its config.json"):
        load(folder, verify=False)


def test_a_model_that_answers_otherwise_than_its_card_is_refused(zoo, write_model):
    """The right shapes, and other numbers: nothing else would notice."""
    folder = copy(zoo, write_model, other_weights())
    with pytest.raises(BadInput, match="byol_tiny.toy does not answer as its card"):
        load(folder)
    assert load(folder, verify=False).count_params()


def test_a_configuration_runs_no_code(zoo, write_model):
    """Keras' safe mode: a Lambda layer is code."""

    def change(folder):
        images = keras.Input((None, None, 3))
        pooled = keras.layers.Lambda(lambda x: x[:, 0, 0])(images)
        text = keras.Model(images, {"pooled": pooled}).to_json()
        (folder / "config.json").write_text(text)

    folder = copy(zoo, write_model, change)
    with pytest.raises(BadInput, match="config.json"):
        load(folder)


def test_a_checkpoint_needs_a_converter(zoo, write_model, monkeypatch):
    with pytest.raises(BadInput, match="names no converter"):
        load("byol_tiny", checkpoint="theirs.npz", registry=zoo)
    folder = write_model(
        "byol_tiny.theirs", backbones.build("tiny"), source={"converter": "theirs"}
    )
    (folder / "config.json").unlink()  # The network is of the card alone.
    options = {"checkpoint": "theirs.npz", "registry": folder.parent}
    with pytest.raises(BadInput, match="no converter 'theirs'"):
        load("byol_tiny", **options)

    def convert(path, backbone):
        assert path == "theirs.npz"
        backbone.load_weights(folder / "backbone.weights.h5")
        return mapping.Report({}, "by hand", {})

    module = types.SimpleNamespace(convert=convert)
    monkeypatch.setitem(sys.modules, "sslzoo.converters.theirs", module)
    monkeypatch.setattr(converters, "NAMES", ["theirs"])
    assert load("byol_tiny", **options).output_shape == (None, 16)


def test_a_loaded_model_is_saved_and_read_back_by_keras(zoo, tmp_path):
    model = load("byol_r18w16", num_classes=3, in_chans=1, registry=zoo)
    model.save(tmp_path / "mine.keras")
    again = keras.models.load_model(tmp_path / "mine.keras")
    images = noise(2, 32, 32, 1)
    np.testing.assert_array_equal(again(images), model(images))


def test_fine_tuning_takes_ten_lines(zoo):
    """Which of two colours is brighter: a task that the head alone would learn."""
    images = noise(256, 16, 16, 3) * 0.5
    labels = np.arange(256) % 2
    images[np.arange(256), ..., labels] += 0.3

    model = load("byol_tiny", num_classes=2, registry=zoo)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    before = model.get_layer("conv1").kernel.numpy()
    model.fit(images[:192], labels[:192], epochs=8, batch_size=32, verbose=0)
    _, accuracy = model.evaluate(images[192:], labels[192:], verbose=0)
    assert accuracy > 0.9
    assert np.abs(model.get_layer("conv1").kernel.numpy() - before).max() > 1e-3


def test_the_preprocessor_shows_what_the_card_says(zoo):
    prepare = load_preprocessor("byol_r18w16", registry=zoo)
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    contract = json.loads((zoo / "byol_r18w16.toy" / "card.json").read_text())["input"]
    np.testing.assert_array_equal(prepare(image), inputs.view(image, contract))
    assert load("byol_r18w16", registry=zoo)(prepare([image])).shape == (1, 128)


@pytest.mark.slow
@pytest.mark.skipif(not timing.LINUX, reason="the peak is told by /proc")
def test_a_large_model_takes_less_than_two_and_a_half_times_its_weights():
    """140 MB, beside what Keras and TensorFlow take for any model."""
    found = models.load(turns=1, backbone="resnet50", width=1.25)
    # Less than once would be no measure of it.
    assert found["megabytes"] > 140 and 1 < found["peak_over_file"] < 2.5

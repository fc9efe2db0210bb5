"""A model of the zoo as a layer: frozen or trained, saved, in half precision."""

import importlib
import importlib.machinery
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo.errors import UnknownName
from sslzoo.zoo.layer import FeatureLayer
from sslzoo.zoo.load import load
from tests.runs import slow

PACKAGE = pathlib.Path(sslzoo.__file__).parent
FILES = [
    "sslzoo." + ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
    for room in ("backbones", "color", "zoo")
    for file in sorted((PACKAGE / room).glob("*.py"))
    if "\nimport keras\n" in file.read_text()
]


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.fixture
def tiny(zoo):
    return zoo / "byol_tiny.toy"


def toy_task(n=128):
    """Which of two colours is the brighter."""
    images, labels = noise(n, 16, 16, 3) * 0.5, np.arange(n) % 2
    images[np.arange(n), ..., labels] += 0.3
    return images, labels


def sequential(layer):
    return keras.Sequential(
        [keras.Input((None, None, 3)), layer, keras.layers.Dense(2)]
    )


def functional(layer):
    images = keras.Input((16, 16, 3))
    x = keras.layers.RandomFlip("horizontal")(images)
    return keras.Model(images, keras.layers.Dense(2)(layer(x)))


def classifier(layer, build=sequential):
    model = build(layer)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("size", [16, 40])
def test_it_gives_what_the_model_gives_at_any_size(tiny, size):
    images = noise(2, size, size, 3)
    expected = load(tiny, features_only=True)(images)
    for endpoint in (None, "block1"):
        layer = FeatureLayer(tiny, endpoint)
        found = layer(images)
        assert found.shape == layer.compute_output_shape(images.shape)
        np.testing.assert_allclose(found, expected[endpoint or "pooled"], rtol=1e-5)


def test_an_unknown_endpoint_is_refused(tiny):
    with pytest.raises(UnknownName, match="Did you mean 'block1'"):
        FeatureLayer(tiny, "blok1")


@pytest.mark.parametrize("build", [functional, sequential])
def test_frozen_it_is_not_moved_by_training(tiny, build):
    layer = FeatureLayer(tiny)
    images, labels = toy_task()
    model = classifier(layer, build)
    before = layer.get_weights()
    model.fit(images, labels, epochs=4, batch_size=32, verbose=0)
    assert len(before) == 12 and len(model.trainable_weights) == 2
    for old, new in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("build", [functional, sequential])
def test_trainable_it_is_trained_end_to_end(tiny, build):
    layer = FeatureLayer(tiny, trainable=True)
    images, labels = toy_task()
    model = classifier(layer, build)
    before = layer.get_weights()
    model.fit(images, labels, epochs=8, batch_size=32, verbose=0)
    assert model.evaluate(images, labels, verbose=0)[1] > 0.9
    for old, new in zip(before, layer.get_weights()):
        assert np.abs(old - new).max() > 0  # Statistics of batch norms too.


def test_it_can_be_thawed_for_the_last_epochs(tiny):
    layer = FeatureLayer(tiny)
    layer.trainable = True
    assert len(layer.trainable_weights) == 8
    layer.trainable = False
    assert not layer.trainable_weights


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_within_a_model_of_the_user_it_takes_no_numbers_from_0_to_255(tiny, dtype):
    """As `image_dataset_from_directory` gives them, were they not divided.

    Nor bytes: Keras makes floats of them, unless it is told to expect bytes.
    """
    images, labels = toy_task(8)
    images = np.round(images * 255).astype(dtype)
    model = classifier(FeatureLayer(tiny, trainable=True))
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    for call, given in ((model.fit, [data]), (model.evaluate, [images, labels])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Divide by 255; or"):
            call(*given, verbose=0)


def test_a_model_that_begins_with_bytes_scales_them(tiny):
    images = np.round(noise(2, 16, 16, 3) * 255).astype("uint8")
    layer = FeatureLayer(tiny)
    model = keras.Sequential([keras.Input((None, None, 3), dtype="uint8"), layer])
    found = model.predict(images, verbose=0)
    np.testing.assert_allclose(found, layer(np.float32(images) / 255), rtol=1e-4)


def test_a_model_with_it_is_exported_as_any_other(tiny, tmp_path):
    model, images = sequential(FeatureLayer(tiny)), noise(2, 16, 16, 3)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(images), model(images), rtol=1e-5)


def test_gradients_reach_the_images_through_a_frozen_layer(tiny):
    layer, images = FeatureLayer(tiny), tf.constant(noise(1, 16, 16, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(layer(images))
    assert np.abs(tape.gradient(total, images)).max() > 0


BY_KERAS = "import keras, sslzoo"
BY_TENSORFLOW = "import sslzoo\nimport tensorflow as tf\nkeras = tf.keras"


@pytest.mark.parametrize(
    "build, trainable, imports",
    [
        (functional, 0, BY_KERAS),
        slow(sequential, 1, BY_TENSORFLOW),
        slow(sequential, 0, BY_KERAS),
        slow(functional, 1, BY_TENSORFLOW),
    ],
)
def test_it_is_saved_inside_a_model_of_the_user(
    tiny, tmp_path, build, trainable, imports
):
    """And read in a new process, where the model that it was made of is gone.

    In whichever order that imports Keras and us, and though it asks us for nothing.
    """
    there = shutil.copytree(tiny, tmp_path / "there")
    layer = FeatureLayer(os.fspath(there), trainable=bool(trainable))
    weights = [w + 0.01 for w in layer.get_weights()]
    layer.set_weights(weights)  # As after training: not those of the registry.
    model, images = build(layer), noise(3, 16, 16, 3)
    model.save(tmp_path / "mine.keras")
    np.savez(
        tmp_path / "expected.npz", images=images, given=model.predict(images, verbose=0)
    )
    shutil.rmtree(there)
    code = (
        f"{imports}\nimport numpy as np\n"
        "model, file = keras.models.load_model('mine.keras'), np.load('expected.npz')\n"
        "given = model.predict(file['images'], verbose=0)\n"
        "np.testing.assert_allclose(given, file['given'], rtol=1e-5)\n"
        "kind = sslzoo.FeatureLayer\n"
        "layer = next(one for one in model.layers if type(one) is kind)\n"
        "print(len(layer.trainable_weights))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ("8" if trainable else "0")


@pytest.fixture
def as_before_keras(monkeypatch):
    """As if neither Keras nor sslzoo had been imported, though Keras is quick to be."""
    ours = [name for name in sys.modules if name.partition(".")[0] == "sslzoo"]
    for name in (*ours, "keras"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(keras, "__spec__", keras.__spec__)  # It is given another.
    monkeypatch.setattr(sys, "meta_path", [AsItWas, *sys.meta_path])
    known = keras.saving.get_custom_objects()
    before = dict(known)
    known.clear()
    yield known
    known.update(before)
    for name in [name for name in sys.modules if name.partition(".")[0] == "sslzoo"]:
        del sys.modules[name]


class AsItWas:
    """Gives the Keras that there is, by import."""

    def find_spec(name, path, target):
        if name == "keras":
            return importlib.machinery.ModuleSpec(name, AsItWas(), is_package=True)

    def create_module(self, spec):
        return keras

    def exec_module(self, module):
        pass


@pytest.mark.parametrize("name", FILES)
def test_whichever_file_of_ours_is_the_first_to_ask_for_keras(as_before_keras, name):
    """The layer is then imported amid that file, on which it may depend."""
    importlib.import_module("sslzoo")
    importlib.import_module(name)
    assert {"sslzoo>FeatureLayer", "sslzoo>ZooModel"} < as_before_keras.keys()


def test_it_works_in_mixed_precision(tiny):
    expected = FeatureLayer(tiny)(noise(2, 16, 16, 3))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = FeatureLayer(tiny, trainable=True)
        found = layer(noise(2, 16, 16, 3))
        images, labels = toy_task()
        history = classifier(layer).fit(images, labels, epochs=4, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert found.dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    np.testing.assert_allclose(np.float32(found), expected, rtol=0.1, atol=0.05)
    assert history["loss"][-1] < history["loss"][0]

"""What a loaded model says of bad images: eagerly all, in a graph what is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.errors import BadInput
from sslzoo.zoo.layer import FeatureLayer
from sslzoo.zoo.load import load
from sslzoo.zoo.model import ZooModel


def noise(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.fixture
def model(zoo):
    return load("byol_tiny", registry=zoo)


@pytest.fixture
def layer(zoo):
    return FeatureLayer(zoo / "byol_tiny.toy")


STATIC = [  # What shape and dtype tell.
    (noise(2, 16, 16, 4), r"\[2, 16, 16, 4\] where \[n, height.*in_chans=4"),
    (noise(2, 16, 16, 1), "in_chans=1"),
    (noise(2, 3, 16, 16), "The channels come last"),
    (noise(16, 16, 3), r"a batch of one: images\[None\]"),
    (noise(16, 16), "Gray images want their channel"),
    (noise(2, 2, 16, 16, 3), "is expected"),
    (noise(2, 0, 16, 3), "without pixels"),
    (noise(2, 16, 16, 3).astype("int32"), "int32. Give uint8"),
    (noise(2, 16, 16, 3) > 0.5, "bool. Give uint8"),
]
PIXELS = [  # What only pixels tell.
    (noise(2, 16, 16, 3) * 255, "as it seems, 0 to 255.*divide by 255"),
    (noise(2, 16, 16, 3) * 2 - 1, "a mean was taken away"),
    (np.full((2, 16, 16, 3), np.nan, np.float32), "no numbers"),
]


@pytest.mark.parametrize("images, words", STATIC + PIXELS)
def test_bad_images_are_refused_by_model_layer_and_predict(model, layer, images, words):
    for call in (model, layer, lambda x: model.predict(x, verbose=0)):
        with pytest.raises(BadInput, match=words):
            call(images)
    with pytest.raises(BadInput, match=words):
        model(tf.constant(images))


BATCHES = {  # Ways to give a model an array, by which it runs a graph.
    "fit": lambda model, x, y: model.fit(x, y, verbose=0),
    "fit, by name": lambda model, x, y: model.fit(x=x, y=y, verbose=0),
    "validation": lambda model, x, y: model.fit(
        x[:1] * 0, y[:1], validation_data=(x, y), verbose=0
    ),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x),
}


@pytest.mark.parametrize("way", BATCHES.values(), ids=BATCHES)
def test_arrays_are_looked_at_before_a_graph_runs(zoo, way):
    model = load("byol_tiny", registry=zoo, num_classes=3)
    model.compile("sgd", "mse")
    images, targets = noise(2, 16, 16, 3), np.zeros((2, 3), np.float32)
    for bad in (images * 255, tf.constant(images * 255)):
        before = [weight.numpy() for weight in model.weights]
        with pytest.raises(BadInput, match="0 to 255.*divide by 255"):
            way(model, bad, targets)
        for old, new in zip(before, model.weights):
            np.testing.assert_array_equal(old, new)
    with pytest.raises(BadInput, match="in_chans=4"):
        way(model, noise(2, 16, 16, 4), targets)
    way(model, images, targets)
    way(model, (images * 255).astype("uint8"), targets)


def test_a_dataset_is_not_touched_before_it_is_used(model):
    """To look at a batch would take it from a generator, or draw random numbers."""
    given = []

    def batches():
        given.append(1)
        yield noise(2, 16, 16, 3), np.zeros((2, 16), np.float32)

    model.compile("sgd", "mse")
    specs = (tf.TensorSpec((None, 16, 16, 3)), tf.TensorSpec((None, 16)))
    model.evaluate(
        tf.data.Dataset.from_generator(batches, output_signature=specs), verbose=0
    )
    assert len(given) == 1


@pytest.mark.parametrize("images, words", STATIC)
def test_a_graph_that_would_take_bad_images_is_not_traced(model, images, words):
    spec = tf.TensorSpec(images.shape, images.dtype)
    with pytest.raises(BadInput, match=words):
        tf.function(model, autograph=False).get_concrete_function(spec)


def test_in_a_graph_nothing_is_looked_at(model):
    """No operation is added to what Keras' own model of the same layers has."""
    plain = keras.Model(model.input, model.output)
    assert type(plain) is not ZooModel
    spec = tf.TensorSpec((None, 16, 16, 3), tf.float32)
    ours, theirs = (
        tf.function(net, autograph=False).get_concrete_function(spec).graph
        for net in (model, plain)
    )
    kinds = [[op.type for op in graph.get_operations()] for graph in (ours, theirs)]
    assert kinds[0] == kinds[1]


def test_images_of_several_sizes_are_no_batch(model):
    with pytest.raises(BadInput, match="Arrays of several sizes"):
        model([noise(16, 16, 3), noise(17, 16, 3)])


@pytest.mark.parametrize("images", [noise(1, 40, 24, 3), noise(1, 40, 40, 3)])
def test_a_model_of_one_size_takes_no_other(zoo, images):
    only = load("split_brain_fc", registry=zoo)
    with pytest.raises(BadInput, match="24 x 24 pixels only, not 40 x"):
        only(images)


def test_bytes_are_scaled_eagerly_and_in_a_graph(model, layer):
    images = (noise(2, 16, 16, 3) * 255).astype("uint8")
    expected = model(images.astype("float32") / 255)
    for call in (
        model,
        layer,
        tf.function(model),
        lambda x: model.predict(x, verbose=0),
        lambda x: model(tf.constant(x)),
    ):
        np.testing.assert_allclose(call(images), expected, rtol=1e-4)


def test_doubles_and_what_resizing_overshot_are_images_too(model):
    images = noise(2, 16, 16, 3)
    np.testing.assert_allclose(model(images.astype("float64")), model(images))
    assert np.isfinite(model(images * 1.04)).all()


def test_of_no_images_there_are_no_features(zoo, model, layer):
    images = noise(0, 16, 16, 3)
    for call in (model, layer, lambda x: model.predict(x, verbose=0)):
        assert call(images).shape == (0, 16)
    features = load("byol_tiny", registry=zoo, features_only=True)(images)
    assert {k: tuple(v.shape) for k, v in features.items()} == {
        "block1": (0, 8, 8, 8),
        "block2": (0, 4, 4, 16),
        "pooled": (0, 16),
    }


def test_no_statistics_are_learned_from_no_images(model):
    before = model.get_weights()
    assert model(noise(0, 16, 16, 3), training=True).shape == (0, 16)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_it_is_cloned_saved_and_made_a_part_of_models_as_any_other(model, tmp_path):
    images = noise(2, 16, 16, 3)
    expected = model(images)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    outer = keras.Input((None, None, 3))
    part = keras.Model(outer, model(outer))
    by_name = {model.inputs[0].name: images}
    for net, given in ((again, images), (twin, images), (part, images)):
        np.testing.assert_allclose(net(given), expected, rtol=1e-5)
        with pytest.raises(BadInput, match="divide by 255"):
            net(given * 255)
    np.testing.assert_allclose(model(by_name), expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict(tf.data.Dataset.from_tensors(images), verbose=0),
        expected,
        rtol=1e-5,
    )


DATASETS = {  # Ways to give a model a dataset, of pairs or of images.
    "fit": lambda model, data: model.fit(data, verbose=0),
    "validation": lambda model, data: model.fit(
        data.take(1), validation_data=data, verbose=0
    ),
    "evaluate": lambda model, data: model.evaluate(data, verbose=0),
    "predict": lambda model, data: model.predict(data, verbose=0),
    "predict, images": lambda model, data: model.predict(
        data.map(lambda images, _: images), verbose=0
    ),
}


@pytest.mark.parametrize("way", DATASETS.values(), ids=DATASETS)
def test_pixels_of_a_dataset_are_looked_at_as_they_come(zoo, way):
    model = load("byol_tiny", registry=zoo, num_classes=3)
    model.compile("sgd", "mse")
    good, targets = noise(2, 16, 16, 3), np.zeros((2, 3), np.float32)

    def dataset(second):
        first = tf.data.Dataset.from_tensors((good, targets))
        return first.concatenate(tf.data.Dataset.from_tensors((second, targets)))

    with pytest.raises(BadInput, match="0 to 255.*divide by 255"):
        way(model, dataset(good * 255))
    way(model, dataset(good))
    way(model, dataset(good).map(lambda x, y: (tf.cast(x * 255, tf.uint8), y)))


def test_a_dataset_of_names_and_an_error_of_its_own_are_let_through(model):
    def fail():
        yield noise(2, 16, 16, 3)
        raise RuntimeError("the disk is gone")

    spec = tf.TensorSpec((None, 16, 16, 3))
    broken = tf.data.Dataset.from_generator(fail, output_signature=spec)
    with pytest.raises(tf.errors.OpError, match="the disk is gone"):
        model.predict(broken, verbose=0)
    images = noise(2, 16, 16, 3)
    named = tf.data.Dataset.from_tensors({model.inputs[0].name: images})
    np.testing.assert_allclose(
        model.predict(named, verbose=0), model(images), rtol=1e-5
    )


def test_bad_images_in_a_dataset_are_refused_where_they_are_traced(model):
    data = tf.data.Dataset.from_tensors(noise(2, 16, 16, 4))
    with pytest.raises(BadInput, match="in_chans=4"):
        model.predict(data, verbose=0)

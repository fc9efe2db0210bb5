"""Exemplar: what is shown, the embedding and its switches; replicas as one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.augment import views
from sslzoo.backbones.tiny import tiny
from sslzoo.errors import BadInput, UnknownName
from sslzoo.losses import triplet
from sslzoo.methods import exemplar
from sslzoo.methods.exemplar import Copies, Exemplar
from sslzoo.optim.sgd import SGD

RNG = np.random.default_rng(0)


def make(example=None, **settings):
    keras.utils.set_random_seed(0)
    example = example or exemplar.example(12, 3)
    method = Exemplar(tiny(), example, **{"embedding": 8, **settings})
    method.compile(SGD(0.1, momentum=0.0))
    return method


def batch(n=4, k=3):
    """Copies of different images: their colours differ, and where they are light."""
    copies = RNG.random((n, 1, 12, 12, 3)) + 0.2 * RNG.random((n, k, 12, 12, 3))
    return {"copies": tf.constant(copies / 1.2, tf.float32)}


def seeds(n):
    return np.stack([np.zeros(n, np.int64), np.arange(n)], axis=-1)


def test_all_copies_of_an_image_are_gray_or_none_is():
    example = Copies(8, 3, gray=0.66)
    images = RNG.random((300, 10, 10, 3)).astype("float32")
    found = example({"image": images}, seeds(300))["copies"].numpy()
    gray = np.ptp(found, axis=-1).max(axis=(2, 3)) < 1e-5
    np.testing.assert_array_equal(gray, gray[:, :1].repeat(3, axis=1))
    assert gray[:, 0].mean() == pytest.approx(0.66, abs=0.07)


def test_copies_are_views_of_the_image_each_changed_by_itself():
    example, image = Copies(8, 2, gray=0), RNG.random((1, 20, 20, 3)).astype("float32")
    found = example({"image": image}, seeds(1))["copies"].numpy()[0]
    same = views.Views(8, (views.INCEPTION,) * 2, (0.1, 1.0))
    expected = same({"image": image}, seeds(1))
    for copy, name in zip(found, ("view1", "view2")):
        np.testing.assert_allclose(copy, expected[name][0], atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 0.05


def test_gray_is_the_plain_mean():
    plain = views.Changes(flip=0, jitter=0, gray=0, blur=0)
    example = Copies(8, 2, 1.0, plain, area=(1, 1), ratio=(1, 1))
    image = RNG.random((8, 8, 3)).astype("float32")
    copy = example({"image": image}, seeds(1)[0])["copies"][0]
    mean = image.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(copy, mean + 0 * image, atol=1e-5)


def test_a_batch_is_a_loop_of_singles():
    example = Copies(6, 2)
    images = RNG.random((4, 10, 14, 3)).astype("float32")
    many = example({"image": images}, seeds(4))["copies"]
    for i in range(4):
        one = example({"image": images[i]}, seeds(4)[i])["copies"]
        np.testing.assert_allclose(many[i], one, atol=1e-5)


def test_it_is_read_back_from_its_config():
    example = Copies(6, 2, 0.5, views.BYOL_T, (0.3, 1.0))
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(example)
    )
    assert twin.get_config() == example.get_config()


def embedded(method, data):
    """W x + b of copies that were standardized by TensorFlow."""
    kernel, bias = method.embedding.get_weights()
    images = tf.reshape(data["copies"], (-1, 12, 12, 3))
    images = tf.image.per_image_standardization(images) / 2 + 0.5
    x = np.float64(method.backbone(images, training=False)["pooled"])
    return (x @ kernel + bias).reshape(4, 3, -1)


@pytest.mark.parametrize("normalize", exemplar.NORMALIZE)
def test_the_loss_is_that_of_the_embedding(normalize):
    method, data = make(normalize=normalize), batch()
    z = embedded(method, data)
    axis = {"none": None, "batch": (0, 1), "vector": -1}[normalize]
    if axis is not None:
        z = z / np.linalg.norm(z.reshape(12, 8), axis=0) if axis == (0, 1) else z
        z = z / np.linalg.norm(z, axis=-1, keepdims=True) if axis == -1 else z
    logs = method.test_step(data)
    expected = triplet.semi_hard_triplet(tf.constant(z), 0.5)
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-4)
    right = triplet.nearest_is_own(tf.constant(z, tf.float32))
    np.testing.assert_allclose(logs["accuracy"], np.mean(right), rtol=1e-5)


def test_brightness_and_contrast_of_a_copy_do_not_count_unless_it_is_asked():
    data = batch()
    darker = {"copies": 0.1 + 0.5 * data["copies"]}
    for standardize, same in ((True, True), (False, False)):
        method = make(standardize=standardize)
        found = [method.embed(d["copies"]).numpy() for d in (data, darker)]
        assert np.allclose(*found, rtol=1e-3, atol=1e-4) == same


@pytest.mark.parametrize(
    "normalize", ["none", pytest.param("batch", marks=pytest.mark.slow)]
)
def test_two_replicas_are_one_and_may_each_be_by_itself(normalize, two_replicas):
    """The step on eight images as two of four: negatives, sums and gradients."""
    data = batch(8)["copies"]
    halves = tf.data.Dataset.from_tensor_slices({"copies": data}).batch(8)
    changes, losses = {}, {}
    for name, everyone, strategy in (
        ("one", True, tf.distribute.get_strategy()),
        ("two", True, two_replicas),
        ("apart", False, two_replicas),
    ):
        with strategy.scope():
            method = make(normalize=normalize, everyone=everyone, margin=2.0)
        before = method.get_weights()
        logs = method.fit(
            strategy.experimental_distribute_dataset(halves),
            steps_per_epoch=1,
            epochs=1,
            verbose=0,
        )
        losses[name] = logs.history["loss"][0]
        after = method.get_weights()
        changes[name] = [new - old for old, new in zip(before, after)]
    assert losses["one"] == pytest.approx(losses["two"], rel=1e-4)
    assert losses["one"] != pytest.approx(losses["apart"], rel=1e-3)
    for one, two in zip(changes["one"], changes["two"]):
        np.testing.assert_allclose(one, two, rtol=1e-2, atol=1e-5)


def test_it_learns_copies_of_four_pictures():
    method, data = make(), batch()
    step = tf.function(method.train_step)
    first = float(step(data)["loss"])
    for _ in range(60):
        step(data)
    method.reset_metrics()
    logs = step(data)
    assert float(logs["loss"]) < 0.2 * first and float(logs["accuracy"]) == 1


def test_the_sheet_shows_the_copies_with_their_distances():
    method = make(exemplar.example(12, 3, gray=0))
    images = RNG.random((4, 12, 12, 3)).astype("float32")
    found = method.sheet({"image": images})
    assert [*found.pictures] == ["image", "copy 1", "copy 2", "copy 3"]
    copies = np.stack([found.pictures[f"copy {j}"] for j in (1, 2, 3)], axis=1)
    z = np.asarray(method.embed(tf.constant(copies)), "float64")
    away = np.linalg.norm(z[2, 0] - z[2, 1])
    others = np.delete(z, 2, axis=0).reshape(-1, 8)
    stranger = np.linalg.norm(z[2, 1] - others, axis=-1).min()
    assert found.words["copy 2"][2] == f"{away:.2f} | {stranger:.2f}"
    np.testing.assert_allclose(found.figures["accuracy of chance"], 2 / 11)


def test_what_cannot_be_is_told():
    with pytest.raises(UnknownName, match="Did you mean 'batch'"):
        make(normalize="batches")
    with pytest.raises(BadInput, match="copies=1: there is no pair"):
        Copies(8, 1)
    with pytest.raises(BadInput, match="gray=2 is a probability"):
        Copies(8, gray=2)


def test_one_picture_is_shown_too_without_a_stranger():
    images = np.random.default_rng(0).random((1, 16, 16, 3), "float32")
    sheet = make(exemplar.example(12, 3)).sheet({"image": images})
    assert sheet.words["copy 2"][0].endswith("| inf")

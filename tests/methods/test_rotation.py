"""Rotation: turns to the pixel, the loss in closed form, and what is shown."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.backbones.tiny import tiny
from sslzoo.methods import rotation
from sslzoo.methods.rotation import Rotation, quarter_turns
from sslzoo.optim.sgd import SGD


def make(**options):
    keras.utils.set_random_seed(0)
    method = Rotation(tiny(), rotation.example(16))
    method.compile(SGD(0.1, **options))
    return method


def batch(n=6):
    rng = np.random.default_rng(0)
    images = rng.random((n, 16, 16, 3)) * np.linspace(0, 1, 16)[:, None, None]
    return {"view1": tf.constant(images, tf.float32)}


def test_the_turns_are_numpys_to_the_pixel():
    images = batch(3)["view1"]
    found = quarter_turns(images).numpy()
    for i in range(3):
        for k in range(4):
            expected = np.rot90(images[i].numpy(), k)
            np.testing.assert_array_equal(found[4 * i + k], expected)


def test_one_turn_brings_the_right_side_up():
    """Against the clock: what was on the right is at the top."""
    image = np.zeros((1, 4, 4, 3), "float32")
    image[:, :, 3] = 1
    once = quarter_turns(tf.constant(image))[1].numpy()
    assert once[0].min() == 1 and once[1:].max() == 0


def test_loss_and_accuracy_are_those_of_the_softmax():
    method, images = make(), batch()["view1"].numpy()
    kernel, bias = (w.astype("float64") for w in method.classifier.get_weights())
    losses, right = [], []
    for k in range(4):
        turned = np.rot90(images, k, axes=(1, 2))
        x = np.float64(method.backbone(turned, training=False)["pooled"])
        z = x @ kernel + bias
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        losses.append(-np.log(p[:, k]))
        right.append(z.argmax(axis=1) == k)
    logs = method.test_step(batch())
    np.testing.assert_allclose(logs["loss"], np.mean(losses), rtol=1e-4)
    np.testing.assert_allclose(logs["accuracy"], np.mean(right), rtol=1e-6)
    assert 0 < np.mean(right) < 1


def test_all_four_turns_are_normalised_together():
    method = make(momentum=0.0)
    conv = method.backbone.get_layer("conv1")
    shown = keras.Model(method.backbone.input, conv.output)
    mean = np.mean(shown(quarter_turns(batch()["view1"])), axis=(0, 1, 2))
    method.train_step(batch())
    found = method.backbone.get_layer("norm1").moving_mean
    np.testing.assert_allclose(found, 0.1 * mean, rtol=1e-4, atol=1e-6)


def test_it_learns_to_tell_the_turns_of_six_pictures():
    method, data = make(), batch()
    step = tf.function(method.train_step)
    for _ in range(60):
        step(data)
    method.reset_metrics()
    assert float(step(data)["accuracy"]) == 1


def test_the_held_out_score_does_not_depend_on_the_batch():
    method, whole = make(), batch(6)["view1"]
    scores = []
    for parts in ([whole], tf.split(whole, 3)):
        method.reset_metrics()
        for part in parts:
            logs = method.test_step({"view1": part})
        scores.append({name: float(value) for name, value in logs.items()})
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_a_squeeze_can_be_left_out():
    """Squares, whatever the image, leave no trace of a turn."""
    seeds = np.stack([np.zeros(50, np.int64), np.arange(50)], axis=-1)
    square = rotation.example(16, ratio=None).windows(seeds, 40, 60)
    np.testing.assert_array_equal(square[..., 2], square[..., 3])
    assert square[..., 2].max() == 40 and square[..., 1].max() > 20
    wide = rotation.example(16).windows(seeds, 40, 60)
    assert (wide[..., 2] != wide[..., 3]).mean() > 0.8


def test_the_sheet_shows_each_turn_and_what_is_said_of_it():
    method, images = make(), batch(3)["view1"].numpy()
    kernel, _ = method.classifier.get_weights()
    method.classifier.set_weights([0 * kernel, np.float32([0, 0, 9, 0])])
    found = method.sheet({"image": images})
    turned = found.pictures["turned by 90"]
    np.testing.assert_array_equal(turned, np.rot90(images, axes=(1, 2)))
    assert found.words["turned by 90"] == ["90, said 180"] * 3
    np.testing.assert_allclose(found.figures["accuracy"], 1 / 4)
    np.testing.assert_allclose(found.figures["accuracy of chance"], 1 / 4)

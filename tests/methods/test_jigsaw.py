"""Jigsaw: which order goes with which answer, the loss in closed form, and replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo import backbones
from sslzoo.augment.permutations import farthest
from sslzoo.backbones.tiny import tiny
from sslzoo.errors import BadInput
from sslzoo.methods import jigsaw, sheets
from sslzoo.methods.jigsaw import Jigsaw
from sslzoo.optim.sgd import SGD

RNG = np.random.default_rng(0)


def make(**settings):
    keras.utils.set_random_seed(0)
    options = {"embedding": 4, "hidden": 12, "dropout": 0.0, **settings}
    method = Jigsaw(tiny(), jigsaw.example(8, 10), 8, **options)
    method.compile(SGD(0.1, momentum=0.0))
    return method


def batch(n=3):
    patches = RNG.random((n, 9, 8, 8, 3)) * RNG.random((n, 9, 1, 1, 3))
    return {"patches": tf.constant(patches, tf.float32), "n": tf.range(n)}


def answers(method, patches, order):
    """Log-probabilities of a puzzle, patch by patch, in float64."""
    rows = []
    for place in range(9):  # At each place lies the patch that the order names.
        x = method.backbone(patches[:, order[place]], training=False)["pooled"]
        rows.append(np.float64(x))
        if method.embedding is not None:
            kernel, bias = method.embedding.get_weights()
            rows[-1] = rows[-1] @ kernel + bias
    x = np.concatenate(rows, axis=-1)
    hidden, norm, *_, logits = method.puzzle.layers
    x = x @ hidden.get_weights()[0] + hidden.get_weights()[1]
    gamma, beta, mean, variance = norm.get_weights()
    x = gamma * (x - mean) / np.sqrt(variance + norm.epsilon) + beta
    z = np.maximum(x, 0) @ logits.get_weights()[0] + logits.get_weights()[1]
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("embedding", [4, 0])
def test_held_out_are_all_orders_of_each_image(embedding):
    method, data = make(orders=11, subset=4, embedding=embedding), batch()
    for weight in method.puzzle.weights:
        if weight.path.endswith("kernel"):
            weight.assign(RNG.normal(size=weight.shape))
    losses, right = [], []
    for number, order in enumerate(farthest(11)):
        said = answers(method, data["patches"].numpy(), order)
        losses.append(-said[:, number])
        right.append(said.argmax(axis=-1) == number)
    logs = method.test_step(data)
    np.testing.assert_allclose(logs["loss"], np.mean(losses), rtol=1e-4)
    np.testing.assert_allclose(logs["accuracy"], np.mean(right), rtol=1e-5)


def test_a_step_shows_each_image_some_orders_which_all_images_share():
    method = make(subset=5)
    found = method.chosen(tf.constant([40, 41, 42], tf.int64)).numpy()
    np.testing.assert_array_equal(found, found[:1].repeat(3, axis=0))
    assert len({*found[0]}) == 5 and found.min() >= 0 and found.max() < 100
    other = method.chosen(tf.constant([43, 44, 45], tf.int64)).numpy()
    assert {*other[0]} != {*found[0]}
    apart = make(subset=5, shared=False).chosen(tf.range(200, dtype=tf.int64)).numpy()
    assert len({tuple(row) for row in apart}) == 200
    counts = np.bincount(apart.ravel(), minlength=100)
    assert counts.min() > 0 and counts.max() < 30  # 10 on average.


def test_the_head_begins_as_the_authors_did():
    hidden, norm, _, dropout, logits = make(hidden=512, dropout=0.5).puzzle.layers
    for layer, bias in ((hidden, 0.1), (logits, 0.0)):
        kernel, found = layer.get_weights()
        np.testing.assert_allclose(found, bias)
        assert kernel.std() == pytest.approx(0.8796 * 0.005, rel=0.05)  # Truncated
        assert np.abs(kernel).max() <= 2 * 0.005
    assert (norm.momentum, norm.epsilon, dropout.rate) == (0.997, 1e-5, 0.5)
    assert hidden.kernel.shape[0] == 9 * 4 and logits.units == 100


def test_it_learns_the_puzzles_of_three_pictures():
    """Orders 0 to 3 alone: what is shown is what is asked."""
    method, data = make(orders=4, subset=4, hidden=48), batch()
    step = tf.function(method.train_step)
    for _ in range(80):
        step(data)
    method.reset_metrics()
    assert float(step(data)["accuracy"]) == 1


def test_a_puzzle_that_is_told_right_is_put_together_right():
    method = make(orders=5, subset=5)
    images = RNG.random((3, 30, 30, 3)).astype("float32")
    for right in (True, False):
        said = np.roll(np.eye(5), 0 if right else 1, axis=1)
        method.logits = lambda e, chosen, said=said: tf.constant(said[None])
        found = method.sheet({"image": images})
        same = [
            np.array_equal(a, b)
            for a, b in zip(found.pictures["as said"], found.pictures["truth"])
        ]
        assert all(same) if right else not any(same)
        np.testing.assert_allclose(found.figures["accuracy"], float(right))
        np.testing.assert_allclose(found.figures["accuracy of chance"], 1 / 5)
        assert found.words["as said"][1] == f"order 1, said {1 if right else 2}"
    # At place 0 of the puzzle lies the patch that the order names first.
    first = farthest(5)[0][0]
    top, left = 1 + 10 * (first // 3), 1 + 10 * (first % 3)
    np.testing.assert_allclose(
        found.pictures["puzzle"][0][:8, :8],
        images[0, top : top + 8, left : left + 8],
        atol=1e-6,
    )


def test_nine_patches_are_laid_out_row_by_row():
    patches = np.arange(9.0)[:, None, None, None] * np.ones((9, 4, 4, 3))
    page = sheets.laid_out(patches, gap=0.25)
    assert page.shape == (14, 14, 3)
    np.testing.assert_array_equal(page[::5, ::5, 0], np.arange(9).reshape(3, 3))
    assert page[4].min() == page[:, 4].max() == 1


def test_more_orders_than_there_are_cannot_be_shown():
    with pytest.raises(BadInput, match="subset=8 of orders=5"):
        make(orders=5)
    method = Jigsaw(tiny(), None, 8, embedding=4, hidden=4)
    with pytest.raises(BadInput, match="an augment.grid.Grid is wanted"):
        method.sheet({"image": np.zeros((1, 30, 30, 3))})


def test_its_features_are_published_and_gone_on_with(tmp_path):
    """A user feeds images; the puzzle's head lies beside for those who train on."""
    trunk = backbones.build("tiny")
    method = Jigsaw(trunk, jigsaw.example(16, 21), 16, embedding=4, hidden=12)
    method.compile(SGD(0.1))
    patches = RNG.random((2, 9, 16, 16, 3)).astype("float32")
    method.train_step({"patches": tf.constant(patches), "n": tf.range(2)})
    entry = method.export("jigsaw_tiny.mine", registry=tmp_path)
    assert entry.card.input["size"] == 48 and entry.card.input["smallest"] == 16
    assert max(entry.card.differences.values()) < 1e-4
    assert entry.card.backbone["builder"] == "tiny"
    images = RNG.random((2, 48, 48, 3)).astype("float32")
    model = sslzoo.load("jigsaw_tiny.mine", registry=tmp_path)
    expected = method.deployable()(images)["pooled"]
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)
    served = tf.saved_model.load(str(entry.path / "saved_model"))
    np.testing.assert_allclose(served(images), expected, rtol=1e-3, atol=1e-4)
    again = sslzoo.load("jigsaw_tiny.mine", registry=tmp_path, heads=True)
    for one, two in zip(method.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(one, two)
    assert again.example.get_config() == method.example.get_config()

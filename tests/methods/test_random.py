"""The network that nothing is done to: under the same names as those that learn."""

import keras
import numpy as np
import pytest

import sslzoo
from sslzoo import recipe, runner
from sslzoo.data import sources
from sslzoo.errors import BadInput, SslzooError
from sslzoo.zoo.input import prepared
from tests.runs import slow

RECIPES = ("random_in1k", "revisiting_small")


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_trained_as_others_are_and_stays_as_it_began(name):
    path = recipe.find(name)
    knobs = {**recipe.module(path).SMALL, **dict(task="random")}
    knobs = {knob: knobs[knob] for knob in knobs if knob in recipe.knobs_of(path)}
    plan = recipe.load(name, **knobs)
    before, after = runner.untrained(plan), runner.pretrain(plan)
    weights = before.get_weights(), after.get_weights()
    assert any(weight.any() for weight in weights[0])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_patches_that_are_too_small_are_refused_in_the_users_words():
    knobs = dict(task="jigsaw", data="synthetic:8", test="synthetic:8")
    with pytest.raises(BadInput, match="image_size=32: patches of 10.* Give 72 or mo"):
        recipe.load("revisiting_small", **knobs)


def test_it_is_published_loaded_and_shown_as_others_are(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = ["train", "random_in1k", "backbone=tiny", "image_size=32", "batch_size=4"]
    for words in (
        [*train, "--workdir", "run"],
        ["export", "run", "--name", "random_tiny.s0", "--registry", "models"],
        ["sheet", "--folder", "scenes", "--count", "2"],
        ["show", "run", "scenes", "--out", "seen.png"],
    ):
        code, _, err = command(*words)
        assert code == 0, err
    images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
    found = sslzoo.load("random_tiny.s0", registry="models")(images)
    path = recipe.find("random_in1k")
    plan = recipe.load("random_in1k", **recipe.module(path).SMALL)
    expected = runner.untrained(plan).backbone(images, training=False)["pooled"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


# 16 scenes, and networks a sixteenth as wide as they are.
STARTED = dict(data="toyworld:train?count=16&size=64", shown=16, patches=400, k=0.25)


def started(**knobs):
    return recipe.load("random_in1k", **{**STARTED, **knobs})


@pytest.mark.parametrize(
    "knobs, layers",
    [
        (dict(backbone="alexnet", image_size=224), ("conv1", "conv5", "fc6")),
        slow(dict(backbone="vgg16", image_size=64), ("conv1_1", "conv4_2")),
    ],
)
def test_of_kmeans_each_layer_gives_the_same_mean_and_variance(knobs, layers):
    """Mean 0.1 and variance 1 on the images that it was made of; not so if drawn."""
    plan = started(start="kmeans", **knobs)
    size = knobs["image_size"]
    contract = dict(size=size, crop=0.875, interpolation="bicubic", antialias=False)
    source = sources.from_spec(STARTED["data"])
    pictures = [source.read(i)["image"] for i in range(16)]
    images = prepared(pictures, {**contract, "channels": 3})

    def before_the_relus(plan):
        net = runner.pretrain(plan).backbone
        outputs = [net.get_layer(name).output for name in layers]
        return [np.asarray(y) for y in keras.Model(net.input, outputs)(images)]

    for y in before_the_relus(plan):
        y = y.reshape(-1, y.shape[-1]).astype("float64")
        np.testing.assert_allclose(y.mean(axis=0), 0.1, atol=5e-3)
        np.testing.assert_allclose(y.std(axis=0), 1, atol=5e-3)
    drawn = before_the_relus(started(**knobs))
    assert any(abs(y.std() - 1) > 0.1 for y in drawn)


def test_of_kmeans_even_the_directions_of_filters_are_those_of_kmeans():
    knobs = dict(backbone="alexnet", image_size=224)
    one, other = (
        runner.untrained(started(start=start, **knobs)).backbone.get_layer("conv1")
        for start in ("kmeans", "kmeans_even")
    )
    ratio = np.asarray(other.kernel) / np.asarray(one.kernel)
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-4)
    assert abs(ratio.mean() - 1) > 1e-3


@pytest.mark.parametrize(
    "knobs, words",
    [
        (dict(start="kmean"), "Did you mean 'kmeans'"),
        (
            dict(start="kmeans", backbone="resnet18", image_size=32),
            "BatchNorm, does not",
        ),
        (dict(start="kmeans", backbone="vgg16", shown=17), "shown=17 images, and"),
    ],
)
def test_what_cannot_be_started_so_is_refused(knobs, words):
    with pytest.raises(SslzooError, match=words):
        runner.untrained(started(**knobs))

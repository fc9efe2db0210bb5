"""The network that nothing is done to: under the same names as those that learn."""

import numpy as np
import pytest

import sslzoo
from sslzoo import recipe, runner
from sslzoo.errors import BadInput

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

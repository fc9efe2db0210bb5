"""The network that nothing is done to: under the same names as those that learn."""

import numpy as np
import pytest

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

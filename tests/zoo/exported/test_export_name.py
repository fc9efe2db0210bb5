"""The name that a run gives to its model."""

import pytest

from sslzoo import recipe
from sslzoo.errors import BadInput
from sslzoo.methods import split_brain
from sslzoo.zoo import names
from sslzoo.zoo import run as runs


def test_a_name_is_made_of_the_recipe_and_its_epochs():
    knobs = {"epochs": 8, "backbone": "resnet18"}
    run = {
        "recipe": "split_brain_alexnet_in1k",
        "knobs": knobs,
        "defaults": dict(knobs),
    }
    assert runs.name_for(run) == "split_brain_alexnet.in1k_ep8"
    assert runs.name_for({**run, "recipe": "/a/byol_r50_x.py"}) == "byol_r50.x_ep8"
    other = {**run, "knobs": {**knobs, "backbone": "tiny"}}
    for wrong in (other, {**run, "recipe": "mine"}, {**run, "knobs": {}}):
        with pytest.raises(BadInput, match="--name"):
            runs.name_for(wrong)


@pytest.mark.parametrize(
    "knobs, words",
    [
        ({}, ""),
        ({"row": "HHA_Lab"}, "row_hha_lab_"),
        ({"row": "L_ab", "ab": "reg"}, "row_l_ab_ab_reg_"),
        ({"light": "reg"}, "light_reg_"),
        ({"literal": True}, "literal_true_"),
        # Numbers, lists and paths; which images; how it is computed.
        ({"mix": 0.2, "drops": "0.5,0.8", "seed": 3}, ""),
        ({"data": "toyworld", "tree": "a.json"}, ""),
        ({"precision": "mixed_bfloat16", "jit": True, "cache": False}, ""),
    ],
)
def test_what_was_chosen_otherwise_is_in_the_name(knobs, words):
    defaults = recipe.knobs_of("split_brain_alexnet_cifar10")
    defaults |= {"drops": "0.667,0.833", "tree": ""}
    run = {"recipe": "split_brain_alexnet_cifar10", "defaults": defaults}
    found = runs.name_for({**run, "knobs": {**defaults, **knobs}})
    assert found == f"split_brain_alexnet.cifar10_{words}ep10"
    names.check(found)


def test_rows_of_a_paper_have_names_of_their_own():
    defaults = recipe.knobs_of("split_brain_alexnet_cifar10")
    run = {"recipe": "split_brain_alexnet_cifar10", "defaults": defaults}
    found = {
        runs.name_for({**run, "knobs": {**defaults, "row": row}})
        for row in split_brain.ROWS
    }
    assert len(found) == len(split_brain.ROWS)

"""The recipes of the colour papers have the settings of the sheets, by themselves."""

import keras
import numpy as np
import pytest

from sslzoo import recipe, runner
from sslzoo.data import sources


def rate_of(optimizer):
    config = optimizer.get_config()["learning_rate"]
    return keras.optimizers.schedules.deserialize(config)


def test_split_brain_is_trained_as_its_sheet_says():
    """450,000 steps of 80 windows of 180 from 256; a third, a tenth, a thirtieth after
    240,000, 300,000 and 400,000 of them."""
    plan = recipe.load("split_brain_alexnet_in1k", data="synthetic:160")
    shown = plan.streams.example.get_config()
    assert (plan.steps, plan.streams.batch_size) == (450_000, 80)
    assert (shown["size"], shown["stored"]) == (180, 256)
    adam = plan.optimizer()
    assert adam.get_config()["decay"] == 1e-3
    wanted = {0: 3e-5, 239_999: 3e-5, 240_001: 1e-5, 300_001: 3e-6, 400_001: 1e-6}
    for step, expected in wanted.items():
        np.testing.assert_allclose(rate_of(adam)(step), expected, rtol=1e-5)


def test_a_colorizer_is_trained_as_its_sheet_says(monkeypatch):
    """Ten epochs of 8 windows of 352 from up to 600; 128 places of each, 96 from its
    border; a tenth after two thirds and five sixths."""
    monkeypatch.setattr(sources, "from_spec", lambda *_: sources.Synthetic(800))
    plan = recipe.load("colorization_in1k", backbone="alexnet", width=1 / 32, hidden=8)
    shown = plan.streams.example.get_config()
    assert (plan.steps, plan.streams.batch_size) == (1000, 8)
    assert (shown["size"], tuple(shown["shortest"])) == (352, (352, 600))
    method = plan.method()
    assert (method.points, method.margin) == (128, 96)
    sgd = plan.optimizer()
    assert (sgd.momentum, sgd.decay) == (0.9, 5e-4)
    wanted = {0: 1e-3, 666: 1e-3, 668: 1e-4, 832: 1e-4, 834: 1e-5}
    for step, expected in wanted.items():
        np.testing.assert_allclose(rate_of(sgd)(step), expected, rtol=1e-5)


@pytest.mark.slow
def test_split_brain_begins_by_kmeans_unless_it_shall_not():
    small = recipe.module(recipe.find("split_brain_alexnet_in1k")).SMALL
    begun, drawn = (
        recipe.load("split_brain_alexnet_in1k", **{**small, "start": start}).method()
        for start in ("kmeans", "drawn")
    )
    images = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    ours, other = (m.backbone(images)["conv1"] for m in (begun, drawn))
    assert np.isfinite(ours).all() and np.abs(ours - other).max() > 0.1


@pytest.mark.slow
def test_a_vgg_without_its_hypercolumn_learns_by_its_last_map():
    small = recipe.module(recipe.find("colorization_in1k")).SMALL
    knobs = {**small, "backbone": "vgg16", "hypercolumn": False}
    plan = recipe.load("colorization_in1k", **knobs)
    method = runner.pretrain(plan)
    assert method.head.input_shape[-1] == method.backbone.output["fc7"].shape[-1]
    assert all(np.isfinite(w).all() for w in method.get_weights())

"""The study of tasks times networks: what is compared, and by what measure."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from sslzoo import recipe, runner
from sslzoo.data import sources
from sslzoo.evaluation import features, knn, linear, pretext
from sslzoo.evaluation.blocks import blocks
from sslzoo.papers import revisiting

SMALL = recipe.module(recipe.find("revisiting_small")).SMALL


def test_every_task_meets_every_network_on_the_same_images():
    cells = revisiting.STUDY.cells
    assert len({cell.name for cell in cells}) == len(cells)
    for images, tasks in (("cifar10", 6), ("imagenette", 9), ("toyworld", 9)):
        of = [c for c in cells if c.name.startswith(images) and c.knobs["k"] == 1]
        half = [c for c in cells if c.name.startswith(images) and c.knobs["k"] == 0.5]
        assert {c.knobs["backbone"] for c in half} == {revisiting.NARROWED}
        assert len(half) == tasks and len(of) == 4 * tasks
        for network in revisiting.NETWORKS:
            met = [c for c in of if c.knobs["backbone"] == network]
            assert len(met) == tasks
            assert {c.knobs["count"] for c in met} == {of[0].knobs["count"]}


@pytest.mark.parametrize(
    "task, images",
    [
        pytest.param("rotation", 32, marks=pytest.mark.slow),
        pytest.param("jigsaw", 72, marks=pytest.mark.slow),
    ],
)
def test_a_cell_is_measured_by_block_and_by_its_task(task, images):
    """A narrow ResNet; of patches the mean over nine, as it is deployed."""
    knobs = dict(backbone="resnet50v2", k=0.1, image_size=images, task=task)
    data = dict(data="synthetic:24", test="synthetic:12")
    plan = recipe.load("revisiting_small", **{**SMALL, **data, **knobs})
    method = runner.untrained(plan)
    found = revisiting.measure(method, plan, 0)
    assert set(found) == set(revisiting.STUDY.columns)
    told = pretext.evaluate(method, plan.streams, sources.from_spec("synthetic:12"))
    assert found[revisiting.TASK] == told["accuracy"]
    (probe,) = plan.probes.values()
    known, asked = (
        features.features(method.deployable(), of, images, crop=probe.crop)
        for of in (probe.train, probe.test)
    )
    sets = known["pooled"], known["label"], asked["pooled"], asked["label"]
    assert found["kNN pooled"] == knn.evaluate(*sets)["top1"]
    network = blocks(method, images, ["block3"], revisiting.DIMENSIONS)
    known, asked = (
        features.features(network, of, images, names=["block3"], crop=probe.crop)
        for of in (probe.train, probe.test)
    )
    sets = known["block3"], known["label"], asked["block3"], asked["label"]
    assert found["kNN block3"] == knn.evaluate(*sets)["top1"]
    how = dict(grid=revisiting.GRID, standardize=True, seed=0)
    assert found["linear block3"] == linear.evaluate(*sets, **how)["top1"]


@pytest.mark.slow
@pytest.mark.parametrize("network", revisiting.NETWORKS)
@pytest.mark.parametrize("task", ["labels", *revisiting.WHOLE, *revisiting.PATCHES])
def test_every_task_trains_every_network(task, network):
    knobs = dict(backbone=network, k=0.25, task=task, epochs=1, image_size=32)
    knobs |= revisiting.NETWORKS[network]
    if task in revisiting.PATCHES:
        knobs["image_size"] = 96
    plan = recipe.load("revisiting_small", **{**SMALL, **knobs})
    began = runner.untrained(plan).backbone.trainable_weights
    method = runner.pretrain(dataclasses.replace(plan, probes={}))
    for one, other in zip(began, method.backbone.trainable_weights):
        assert np.isfinite(other).all()
        assert np.abs(one.numpy() - other.numpy()).max() > 0, other.path


def test_blocks_of_patches_are_pooled_before_their_mean_is_taken():
    """As the authors have it. Of 24 pixels block1 is 6 x 6: windows matter."""
    knobs = dict(backbone="resnet50v2", k=1.0, units=1, image_size=72, task="jigsaw")
    plan = recipe.load("revisiting_small", **{**SMALL, **knobs})
    method = runner.untrained(plan)
    image = np.random.default_rng(0).random((1, 72, 72, 3), "float32")
    found = blocks(method, 72, ["block1"], revisiting.DIMENSIONS)(image)["block1"]
    patches = [
        image[0, 24 * i : 24 * i + 24, 24 * j : 24 * j + 24]
        for i in range(3)
        for j in range(3)
    ]
    maps = method.backbone(np.stack(patches), training=False)["block1"]
    side, channels = maps.shape[1], maps.shape[-1]
    k = int(np.ceil(np.sqrt(side**2 * channels / revisiting.DIMENSIONS)))
    assert k > 1
    windows = tf.nn.max_pool2d(maps, k, k, "VALID")
    expected = np.mean(np.reshape(windows, (9, -1)), axis=0)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-6)


def test_the_paper_agrees_with_all_claims_that_its_table_1_decides():
    """So that a claim's words and the order of its parts fit."""
    table = {
        revisiting.name("cifar10", network, task): {"linear pooled": value}
        for network, row in revisiting.PAPER.items()
        for task, value in row.items()
    }
    decided = [
        claim
        for claim in revisiting.CLAIMS
        if all(
            cell in table and columns == ("linear pooled",)
            for _, cell, columns in claim.parts
        )
    ]
    assert len(decided) == 7
    for claim in decided:
        gain = sum(sign * table[cell]["linear pooled"] for sign, cell, _ in claim.parts)
        assert gain > 0, claim.words

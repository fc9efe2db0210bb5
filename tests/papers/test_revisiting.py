"""The study of tasks times networks: what is compared, and by what measure."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from sslzoo import recipe, runner
from sslzoo.data import sources
from sslzoo.evaluation import features, knn, linear, pretext, statistics
from sslzoo.evaluation.blocks import blocks
from sslzoo.papers import revisiting, study

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


def scores(images, network, task, k, end):
    """Made up: the paper's Table 1 on all images; half as wide, 5 points less."""
    end = end if k == 1 else end - 5
    before = end + 2 if network == "vgg19bn" else end - 3
    own = {"linear pooled": end, "linear block3": before}
    return {revisiting.name(images, network, task, k): {"0": {"scores": own}}}


GAINS = {  # Of each claim, by these.
    "wider is better: resnet50v2, rotation": 5,
    "revnet50: rotation above exemplar": 47.3 - 42.4,
    "resnet50v1: exemplar above rotation": 42.8 - 41.7,
    "imagenette, revnet50: rotation above relative patch": 47.3 - 40.6,
    "imagenette, resnet50v1: relative patch above rotation": 46.8 - 41.7,
    "rotation before exemplar: more on revnet50 than on resnet50v1": 4.9 + 1.1,
    "rotation before exemplar: more on revnet50 than on vgg19bn": 4.9 + 9.6,
    "resnet50v1, rotation: the end above block3": 3,
    "resnet50v2, rotation: the end above block3": 3,
    "revnet50, rotation: the end above block3": 3,
    "vgg19bn, rotation: block3 above the end": 2,
    "rotation, from block3 to the end: resnet50v1 loses less than vgg19bn": 3 + 2,
    "rotation, from block3 to the end: resnet50v2 loses less than vgg19bn": 3 + 2,
    "rotation, from block3 to the end: revnet50 loses less than vgg19bn": 3 + 2,
    "rotation: revnet50 above resnet50v1": 47.3 - 41.7,
    "rotation: revnet50 above resnet50v2": 47.3 - 43.8,
    "rotation: revnet50 above vgg19bn": 47.3 - 16.8,
}


def test_the_words_of_every_claim_and_the_signs_of_its_parts_fit():
    found = {}
    for images, k in (("cifar10", 1), ("cifar10", 0.5), ("imagenette", 1)):
        for network, row in revisiting.PAPER.items():
            for task, end in row.items():
                found |= scores(images, network, task, k, end)
    gains = {
        claim.words: study.verdict(claim, found)["difference"]["mean"]
        for claim in revisiting.CLAIMS
    }
    assert gains == pytest.approx(GAINS)


def test_a_network_of_patches_is_drawn_beside_its_own_start():
    (*_, figure) = revisiting.FIGURES.values()
    for network, lines in figure.panels.items():
        start = revisiting.name("toyworld", network, revisiting.RANDOM_PATCHES)
        assert start in lines.values() and len(lines) == 9


def test_the_page_says_what_three_seeds_can_decide():
    page = (
        pathlib.Path(__file__).parents[2] / "docs/studies/revisiting.md"
    ).read_text()
    seeds = [47.3, 48.2, 49.7]
    assert f"some {np.std(seeds, ddof=1):.1f} points" in page.replace("\n", " ")
    for runs, words in ((2, "4.2 points for two"), (4, "6.0 for four")):
        sums = np.float64([-1, 0, 1]) * 1.2 * np.sqrt(runs)  # Which spread so.
        assert words.startswith(f"{statistics.interval(sums)['high']:.1f}")
        assert words in page

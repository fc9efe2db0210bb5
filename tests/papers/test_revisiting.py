"""The study of tasks times networks: what is compared, and by what measure."""

import pytest

from sslzoo import recipe, runner
from sslzoo.data import sources
from sslzoo.evaluation import features, knn, pretext
from sslzoo.papers import revisiting

SMALL = recipe.module(recipe.find("revisiting_small")).SMALL


def test_every_task_meets_every_network_on_the_same_images():
    cells = revisiting.STUDY.cells
    assert len({cell.name for cell in cells}) == len(cells)
    for images, tasks in (("cifar10", 6), ("imagenette", 8), ("toyworld", 8)):
        of = [c for c in cells if c.name.startswith(images) and c.knobs["k"] == 1]
        for network in revisiting.NETWORKS:
            met = [c for c in of if c.knobs["backbone"] == network]
            assert len(met) == tasks
            assert {c.knobs["count"] for c in met} == {of[0].knobs["count"]}


@pytest.mark.parametrize("task, images", [("rotation", 32), ("jigsaw", 72)])
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
        features.features(method.deployable(), of, images, crop=1.0)
        for of in (probe.train, probe.test)
    )
    sets = known["pooled"], known["label"], asked["pooled"], asked["label"]
    assert found["kNN pooled"] == knn.evaluate(*sets)["top1"]

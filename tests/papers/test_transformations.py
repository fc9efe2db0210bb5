"""The study of removed transformations: what is compared, and what is claimed."""

import pytest

from sslzoo import recipe, runner
from sslzoo.augment import ablations
from sslzoo.evaluation import features, knn
from sslzoo.papers import study
from sslzoo.papers import transformations as ours

SMALL = {**recipe.module(recipe.find(ours.RECIPE)).SMALL, "beta": 0.0}


def plan_of(cell, **knobs):
    data = dict(data="synthetic:40", test="synthetic:20", count=12)
    return recipe.load(ours.RECIPE, **{**SMALL, **data, **cell.knobs, **knobs})


@pytest.mark.parametrize("method", ours.METHODS)
@pytest.mark.parametrize("row", ours.ROWS)
def test_a_cell_is_its_method_with_the_views_of_its_row(method, row):
    plan = plan_of(ours.STUDY.cell(ours.name(method, row)))
    built = plan.method()
    assert plan.streams.source.count == 12
    assert (built.predictor is None) == (method == "SimCLR")
    assert built.beta == (1 if method == "SimCLR" else 0)
    assert len(built.example.changes) == 2
    for made, asked in zip(built.example.changes, ablations.pair(row)):
        for change in ("jitter", "gray", "flip", "solarize"):
            assert getattr(made, change) == getattr(asked, change), change


def test_a_cell_is_measured_by_what_its_network_ends_in():
    plan = plan_of(ours.STUDY.cells[1])
    method = runner.untrained(plan)
    found = ours.measure(method, plan, 0)
    assert set(found) == set(ours.COLUMNS)
    known, asked = (
        features.features(method.deployable(), of, 32, crop=1.0)
        for of in (plan.streams.source, plan.probes["images"].test)
    )
    sets = known["pooled"], known["label"], asked["pooled"], asked["label"]
    assert found["kNN"] == knn.evaluate(*sets)["top1"]


def test_of_the_papers_figures_each_claim_holds():
    """Table 17: SimCLR loses 22.2 without colours, BYOL 9.1."""
    found = {
        cell.name: {
            str(seed): {
                "knobs": {},
                "scores": {"linear": cell.published["linear"] / 100},
            }
            for seed in range(cell.seeds)
        }
        for cell in ours.STUDY.cells
        if cell.published
    }
    claims = [claim for claim in ours.CLAIMS if claim.words.endswith(", linear")]
    told = [study.verdict(claim, found) for claim in claims]
    assert [each["difference"]["mean"] for each in told] == pytest.approx(
        [0.091, 0.222, 0.131]
    )
    assert {each["says"] for each in told} == {"holds"}
    text = study.tables(ours.STUDY, found)
    for claim, paper in zip(claims, ("+9.1", "+22.2", "+13.1")):
        (row,) = (line for line in text.splitlines() if f"| {claim.words} |" in line)
        assert row.endswith(f"| holds | {paper} |")

import itertools
import json
import math

import numpy as np
import pytest

from sslzoo import health
from sslzoo.errors import BadInput


def sphere(n, d, seed=0):
    z = np.random.default_rng(seed).normal(size=(n, d))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def test_points_all_over_the_sphere_have_a_spread_of_one():
    z = sphere(4000, 64)
    found = health.measure(z, z)
    assert abs(found["std"] - 1) < 0.01
    assert found["alignment"] == 0
    # exp(-2 (2 - 2 cos)) with cos ~ N(0, 1 / d): a mean of exp(-4 + 8 / d).
    assert abs(found["uniformity"] - (-4 + 8 / 64)) < 0.02
    assert found["effective_rank"] > 60


def test_one_point_has_no_spread_no_rank_and_no_uniformity():
    z = np.tile(sphere(1, 16), (20, 1))
    found = health.measure(z, z)
    assert found["std"] < 1e-12 and found["effective_rank"] == 0
    assert abs(found["uniformity"]) < 1e-12


def test_the_length_of_a_projection_does_not_matter():
    z1, z2, t1, t2 = np.random.default_rng(0).normal(size=(4, 30, 8))
    lengths = np.random.default_rng(1).uniform(1, 9, size=(30, 1))
    plain = health.measure(z1, z2, t1, t2)
    longer = health.measure(z1 * lengths, z2 * 7, t1 * 0.1, t2 * lengths)
    assert plain == pytest.approx(longer, rel=1e-9)


@pytest.mark.parametrize("directions", [1, 2, 5])
def test_the_effective_rank_counts_directions_of_equal_size(directions):
    axes = np.eye(8)[:directions]
    z = np.concatenate([axes, -axes])
    assert health.effective_rank(z) == pytest.approx(directions)


def test_the_effective_rank_is_the_exponential_of_the_entropy():
    z = np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])  # Singular values 3 : 1.
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert health.effective_rank(z) == pytest.approx(math.exp(entropy))


@pytest.mark.parametrize("chunk", [1, 4, 7, 100])
def test_uniformity_is_its_equation_for_any_chunk(chunk):
    z = sphere(13, 3)
    pairs = [
        math.exp(-2 * np.sum((a - b) ** 2)) for a, b in itertools.combinations(z, 2)
    ]
    expected = math.log(sum(pairs) / len(pairs))
    assert health.uniformity(z, chunk) == pytest.approx(expected)


def test_alignment_and_target_distance_by_hand():
    z1 = np.array([[1.0, 0], [0, 1]])
    z2 = np.array([[0.0, 2], [0, 5]])  # A right angle, and none: (2 + 0) / 2.
    target1 = -z1  # Opposite: 4 and 4.
    found = health.measure(z1, z2, target1, z2)
    assert found["alignment"] == pytest.approx(1)
    assert found["target_distance"] == pytest.approx((4 + 0) / 2)


def test_not_a_number_is_flagged_and_not_computed_with():
    z = sphere(5, 4)
    bad = z.copy()
    bad[2, 1] = np.inf
    found = health.measure(z, bad)
    assert found["finite"] == 0 and math.isnan(found["std"])
    assert health.measure(z, z)["finite"] == 1


def test_figures_are_plain_floats():
    found = health.measure(*np.random.normal(size=(4, 6, 3)).astype("float32"))
    assert all(type(value) is float for value in found.values())
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("shape", [(4, 3), (5, 2), (5,)])
def test_views_of_different_shapes_are_refused(shape):
    with pytest.raises(BadInput, match="same n"):
        health.measure(np.ones((5, 3)), np.ones(shape))


def figures(std=0.8, rank=60.0, finite=1.0, dimensions=256.0):
    return {
        "std": std,
        "effective_rank": rank,
        "finite": finite,
        "dimensions": dimensions,
    }


def run(**columns):
    """Histories as columns: run(std=[0.1, 0.5]) has two measures."""
    rows = zip(*columns.values())
    return [figures(**dict(zip(columns, row))) for row in rows]


@pytest.mark.parametrize(
    "history",
    [
        [],
        run(std=[0.01]),  # A random network; one measure tells nothing.
        run(std=[0.03, 0.04]),
        run(std=[0.1, 0.06, 0.07, 0.2, 0.6]),  # Narrow first, then it opens.
        run(std=[0.02, 0.03, 0.04, 0.045]),  # Rising.
        run(std=[0.9, 0.7, 0.6, 0.55]),
        run(std=[0.8, 0.01, 0.7]),  # One bad measure is not a collapse.
        run(rank=[190.0, 60.0, 30.0, 25.0]),
        run(rank=[3.0, 3.0, 3.0], dimensions=[4.0, 4.0, 4.0]),  # Few there are.
    ],
    ids=len,
)
def test_a_healthy_run_is_left_alone(history):
    assert health.diagnose(history) is None


@pytest.mark.parametrize(
    "kind, history",
    [
        ("nan", [figures(finite=0.0)]),
        ("nan", [figures(), figures(std=math.nan, finite=0.0)]),
        ("collapse", run(std=[0.2, 0.01, 0.003])),
        ("collapse", run(std=[0.001, 0.001, 0.001])),
        ("collapse", run(std=[1.0, 0.09, 0.08])),
        ("collapse", run(std=[0.5, 0.02, 0.01], rank=[90.0, 1.0, 1.0])),
        ("dimensional collapse", run(rank=[90.0, 3.0, 2.0])),
        ("dimensional collapse", run(rank=[150.0, 14.0, 12.0])),
    ],
)
def test_a_sick_run_is_named(kind, history):
    found = health.diagnose(history)
    assert found.kind == kind
    assert len(found.words) > 80  # What was seen, and what to do.


def test_an_untrained_projector_is_no_collapse():
    """Its outputs lie within a narrow cone: ReLU features with a common mean."""
    random = np.random.default_rng(0)
    features = np.maximum(random.normal(size=(256, 128)) * 0.3 + 1, 0)
    hidden = np.maximum(features @ random.normal(size=(128, 512)), 0)
    z = hidden @ random.normal(size=(512, 64))
    noise = 0.1 * random.normal(size=z.shape)
    found = health.measure(z, z + noise)
    assert found["std"] < 0.5
    assert health.diagnose([found] * 5) is None

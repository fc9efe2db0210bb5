import json

import numpy as np
import pytest
import scipy.stats

from sslzoo.errors import BadInput
from sslzoo.evaluation import statistics


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 99, 2000])
@pytest.mark.parametrize("probability", [0.6, 0.95, 0.975, 0.9995])
def test_quantiles_of_t_are_those_of_scipy(freedom, probability):
    expected = scipy.stats.t.ppf(probability, freedom)
    found = statistics.t_quantile(probability, freedom)
    assert found == pytest.approx(expected, rel=1e-9)


def test_an_interval_by_hand():
    # Mean 2, s = 1, t(2) = 4.3027: 2 +- 4.3027 / sqrt 3.
    found = statistics.interval([1, 2, 3])
    assert found["mean"] == 2 and found["n"] == 3 and found["values"] == [1, 2, 3]
    assert found["high"] - 2 == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert 2 - found["low"] == pytest.approx(found["high"] - 2)


def test_one_run_has_no_interval():
    expected = {"mean": 0.5, "low": None, "high": None, "n": 1, "values": [0.5]}
    assert statistics.interval([0.5]) == expected


def test_the_interval_holds_the_truth_19_times_in_20():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        found = statistics.interval(random.normal(3, 2, size=4))
        held += found["low"] <= 3 <= found["high"]
    assert 930 <= held <= 970


def test_the_bootstrap_of_coins_is_about_the_binomial_interval():
    hits = np.repeat([1, 0], [700, 300])
    found = statistics.bootstrap(hits, seed=1)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 1000)
    assert found["mean"] == pytest.approx(0.7) and found["n"] == 1000
    assert found["low"] == pytest.approx(0.7 - half, abs=0.004)
    assert found["high"] == pytest.approx(0.7 + half, abs=0.004)


def test_the_bootstrap_depends_on_its_seed_alone():
    values = np.random.default_rng(0).normal(size=50)
    again = [statistics.bootstrap(values, seed, 200) for seed in (3, 3, 4)]
    assert again[0] == again[1] != again[2]


def test_a_paired_difference_sees_what_two_intervals_do_not():
    """Seeds that are hard are hard for both."""
    seeds = np.array([0.1, 0.5, 0.9])
    ours = seeds + 0.02 + np.array([0.001, 0, -0.001])
    found = statistics.difference(ours, seeds)
    assert found["low"] > 0.015 and found["high"] < 0.025
    assert statistics.interval(ours)["low"] < statistics.interval(seeds)["high"]


def test_every_report_is_json():
    for report in (
        statistics.interval(np.float32([1, 2])),
        statistics.interval([1]),
        statistics.bootstrap(np.array([True, False])),
        statistics.difference([1, 2], [0, 3]),
    ):
        assert json.loads(json.dumps(report, allow_nan=False)) == report
        assert set(report) == {"mean", "low", "high", "n", "values"}


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: statistics.interval([]), "list of figures"),
        (lambda: statistics.interval([[1.0]]), "list of figures"),
        (lambda: statistics.interval([1, np.nan]), "NaN"),
        (lambda: statistics.interval([1, 2], confidence=95), "0.95"),
        (lambda: statistics.difference([1, 2], [1]), "paired"),
        (lambda: statistics.bootstrap([1], resamples=0), "resamples"),
    ],
)
def test_what_is_no_set_of_figures_is_refused(call, words):
    with pytest.raises(BadInput, match=words):
        call()

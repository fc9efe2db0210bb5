import numpy as np
import pytest

from sslzoo.optim.schedules import WarmupCosine

# Sheet, section 1.1: 1000 and 300 epochs at a batch of 4096; 1000 of Imagenette.
VECTORS = {
    (3.2, 312784, 3127): {
        0: 0,
        1: 0.0010233,
        3127: 3.2,
        78195: 2.757979,
        157955: 1.600008,
        312783: 0,
    },
    (4.8, 93835, 3127): {3127: 4.8, 46917: 2.529939},
    (2.0, 36988, 369): {18494: 1.015828},
}


@pytest.mark.parametrize("run", VECTORS)
def test_the_rate_follows_the_official_schedule(run):
    schedule = WarmupCosine(*run)
    for step, rate in VECTORS[run].items():
        # The vectors have six to seven digits, and so has float32.
        np.testing.assert_allclose(schedule(step), rate, rtol=2e-5, atol=1e-6)


def test_it_stays_at_zero_after_the_end():
    assert abs(float(WarmupCosine(1.0, 10)(25))) < 1e-7


def test_without_warm_up_it_starts_at_the_peak():
    assert float(WarmupCosine(0.5, 10)(0)) == 0.5


def test_it_reads_back_from_its_config():
    config = WarmupCosine(0.5, 10, 2).get_config()
    assert WarmupCosine.from_config(config).get_config() == config

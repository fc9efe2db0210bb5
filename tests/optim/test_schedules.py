import numpy as np
import pytest

from sslzoo.errors import BadInput
from sslzoo.optim.schedules import WarmupCosine, drops

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


def test_the_rate_drops_at_its_steps_as_in_caffe():
    """The authors' VGG-16: a tenth at 1.0, 1.5 and 1.75 of 2.0 million steps."""
    schedule = drops(1e-3, "0.5,0.75,0.875", 2_000_000)
    assert schedule.at == [1_000_000, 1_500_000, 1_750_000]
    for step, rate in {
        0: 1e-3,
        999_999: 1e-3,
        1_000_000: 1e-4,
        1_499_999: 1e-4,
        1_500_000: 1e-5,
        1_999_999: 1e-6,
    }.items():
        np.testing.assert_allclose(schedule(step), rate, rtol=1e-5)
    assert float(drops(0.5, "", 10)(9)) == 0.5
    config = schedule.get_config()
    assert type(schedule).from_config(config).get_config() == config


@pytest.mark.parametrize("parts", ["half", "0.5,2", "0"])
def test_drops_that_are_no_parts_of_a_run_are_told(parts):
    with pytest.raises(BadInput, match="give parts of the run by commas"):
        drops(1e-3, parts, 100)


def test_a_warm_up_rises_to_the_rate_and_the_drops_come_after():
    """Revisiting's: 5 epochs of 35, drops after 15 and 25; 10 steps an epoch."""
    schedule = drops(0.1, "0.4285714,0.7142857", 350, warmup=50)
    rates = {0: 0, 25: 0.05, 50: 0.1, 149: 0.1, 150: 0.01, 250: 0.001, 349: 0.001}
    for step, rate in rates.items():
        np.testing.assert_allclose(schedule(step), rate, rtol=1e-5)
    config = schedule.get_config()
    assert type(schedule).from_config(config).get_config() == config

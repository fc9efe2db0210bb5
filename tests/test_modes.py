"""How a run is computed changes little, and where it was stopped nothing."""

import os
import signal

import numpy as np
import pytest

from sslzoo import checkpoints, recipe, runner, workdir
from sslzoo.errors import Interrupted

NAME = "byol_r50_folder"
KNOBS = dict(
    data="synthetic:16", backbone="tiny", image_size="32", batch_size="4", epochs="2",
    hidden="16", base_rate="1.0",
)  # fmt: skip


def run(path, listener=None, **knobs):
    knobs = {**KNOBS, **knobs}
    plan = recipe.load(NAME, **knobs)
    folder = workdir.Workdir(path)
    folder.open(*workdir.identity(NAME, knobs, plan))
    runner.pretrain(plan, folder, listener=listener)
    return folder


class StopAt(runner.Listener):
    """Presses Ctrl-C after a batch."""

    def __init__(self, batch):
        self.batch = batch

    def stepped(self, batch, logs):
        if batch == self.batch:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_what_is_drawn_on_the_device_is_what_the_host_draws(tmp_path):
    """But for roundings: the same seed, the same views, the same losses."""
    host, device = (
        run(tmp_path / a, augment=a, epochs="1").history() for a in ("host", "device")
    )
    assert len(host) == 2
    for one, other in zip(host[1:], device[1:]):
        np.testing.assert_allclose(other["loss"], one["loss"], rtol=1e-3)


@pytest.mark.slow
def test_accumulated_on_two_replicas_is_as_on_one(two_replicas):
    plan = recipe.load(NAME, **KNOBS, accumulate="2")
    methods = [runner.pretrain(plan, strategy=s) for s in (None, two_replicas)]
    assert [int(m.optimizer.iterations.numpy()) for m in methods] == [4, 4]
    for one, two in zip(*(m.get_weights() for m in methods)):
        np.testing.assert_allclose(two, one, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.slow
def test_a_run_stopped_within_an_accumulated_step_ends_with_the_same_bits(
    tmp_path, precision
):
    """The sums so far are kept, and in float16 the scale of the loss."""
    knobs = dict(precision=precision, accumulate="2")
    whole = run(tmp_path / "whole", **knobs)
    with pytest.raises(Interrupted, match="after step 1 of 4"):
        run(tmp_path / "left", StopAt(3), **knobs)
    left = run(tmp_path / "left", **knobs)
    (step, a, notes), (_, b, others) = (
        checkpoints.latest(folder.checkpoints) for folder in (whole, left)
    )
    assert step == 8 and notes == others and a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    counted = [int(a[name]) for name in a if name.endswith("step_counter")]
    assert counted == ([4] if precision == "mixed_float16" else [])

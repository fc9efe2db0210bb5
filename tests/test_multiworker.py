"""Two processes train as one: the same losses, the same weights."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = """
import json, sys
import keras, numpy as np, tensorflow as tf
from sslzoo import distribute, recipe, runner, workdir

kind, out, name, more = sys.argv[1:]
if kind == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
strategy = distribute.strategy(kind)
# Narrower heads and larger rates are chaotic: there one device whose first weights are
# moved by 1e-7 parts from itself by more than 1e-4.
knobs = dict(backbone="tiny", image_size=32, batch_size=16, epochs=1, rate=0.005)
knobs |= json.loads(more)
plan = recipe.load(name, **knobs)

class Curve(runner.Listener):
    losses = []
    def stepped(self, batch, logs):
        # The meter is the mean so far: undone, it is the loss of each step.
        mean = float(np.ravel(logs["loss"])[0])
        self.losses.append(batch * mean - sum(self.losses))

folder = workdir.Workdir(out + ".run")
if distribute.is_chief(strategy):
    folder.open(*workdir.identity(name, knobs, plan))
method = runner.pretrain(plan, folder, strategy, Curve())
if distribute.is_chief(strategy):
    weights = {f"w{i:03d}": w for i, w in enumerate(method.get_weights())}
    np.savez(out, losses=Curve.losses, **weights)
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def train(tmp_path, kind, steps, workers=1, name="byol_r18w16_toyworld", **more):
    """The losses and the last weights of a run by `kind`, in processes of their own."""
    out = str(tmp_path / kind)
    more = json.dumps(more or dict(count=16 * steps, labelled=32, hidden=256))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    env["CUDA_VISIBLE_DEVICES"] = ""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    processes = []
    for index in range(workers):
        if workers > 1:
            task = {"type": "worker", "index": index}
            env["TF_CONFIG"] = json.dumps(
                {"cluster": {"worker": addresses}, "task": task}
            )
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT, kind, out, name, more],
                env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True,
            )
        )  # fmt: skip
    for process in processes:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said[-3000:]
    with np.load(out + ".npz") as file:
        return {name: file[name] for name in file.files}


def same_run(one, other, steps):
    assert len(one["losses"]) == len(other["losses"]) == steps
    np.testing.assert_allclose(one["losses"], other["losses"], atol=1e-4)
    for name in one:
        # Sums over a batch in another order, and fifty steps to grow.
        np.testing.assert_allclose(one[name], other[name], rtol=1e-2, atol=2e-4)


@pytest.mark.slow
def test_two_workers_and_two_replicas_give_the_losses_of_one_device_over_50_steps(
    tmp_path,
):
    alone = train(tmp_path, "one", 50)
    same_run(alone, train(tmp_path, "mirrored", 50), 50)
    same_run(alone, train(tmp_path, "multiworker", 50, workers=2), 50)


def test_two_workers_train_as_one_device(tmp_path):
    """The short form of the same, with the repair of Keras that it needs."""
    alone = train(tmp_path, "one", 4)
    same_run(alone, train(tmp_path, "multiworker", 4, workers=2), 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, knobs",
    [
        ("info_nce_r18w16_cifar10", dict(beta=0.5, target="online", hidden=256)),
        ("two_views_r18w16_cifar10", dict(method="moco", keys=40, outputs=64)),
    ],
    ids=["info_nce", "moco"],
)
def test_negatives_and_queues_are_those_of_all_workers(tmp_path, name, knobs):
    """Of both, in both; the queue is one of the weights that are compared."""
    knobs |= dict(data="toyworld:train?count=64&size=32", test="synthetic:8")
    alone = train(tmp_path, "one", 4, name=name, **knobs)
    pair = train(tmp_path, "multiworker", 4, workers=2, name=name, **knobs)
    same_run(alone, pair, 4)

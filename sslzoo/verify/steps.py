"""A step of any method: parts of a batch as the whole, two devices as one."""

import os
import subprocess
import sys

import numpy as np
import tensorflow as tf

from sslzoo.backbones import tiny
from sslzoo.methods.base import Method
from sslzoo.optim.lars import LARS
from sslzoo.verify import byol
from sslzoo.verify.checking import Failed, exact, same, true
from sslzoo.verify.small import batch, mean_colour, numbers, settled


class Regression(Method):
    """Learns to answer 1: a method without batch normalisation, for one check."""

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            pooled = self.backbone(batch["view1"], training=True)["pooled"]
            loss = tf.reduce_mean(tf.square(pooled - 1))
        self.minimize(tape, loss)
        return self.report(loss=loss)


def accumulation():
    """Without batch norm, two accumulated half batches make the step of the whole."""
    seen, found = batch(8)["view1"], []
    for parts in (1, 2):
        method = Regression(mean_colour(), example=None, name="regression")
        method.compile(LARS(0.5, decay=0.01, trust=0.1), accumulate=parts)
        settled(method, np.random.default_rng(0))
        for part in tf.split(seen, parts):
            method.train_step({"view1": part})
        true(
            int(method.optimizer.iterations) == 1,
            f"{parts} accumulated batches: expected 1 step of the optimizer, got "
            f"{int(method.optimizer.iterations)}.",
        )
        found.append(numbers(method.backbone))
    for path, expected in found[0].items():
        same(found[1][path], expected, f"{path} after two halves", 1e-5)


def two_replicas_as_one():
    """Two replicas with synchronized batch norm train as one: the same weights."""
    # In another process, for a device can be split only before it is used.
    code = "from sslzoo.verify import steps; steps.on_two_devices()"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p or "." for p in sys.path)}
    env |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env
    )
    said = done.stdout.strip() or done.stderr.strip()
    true(done.returncode == 0, said.rpartition("\n")[2] or "The process ended.")


def on_two_devices():
    """`as_one` with the processor as two devices; ends the process with 1 if not so."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    try:
        with exact():
            as_one(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    except Failed as failure:
        print(failure)
        sys.exit(1)


def as_one(strategy):
    """Raises unless two steps under `strategy` give the weights of one device."""
    alone = after_two_steps(tf.distribute.get_strategy())
    for path, found in after_two_steps(strategy).items():
        same(found, alone[path], f"{path} of two replicas", 1e-3, 1e-4)


def after_two_steps(strategy):
    shares = strategy.num_replicas_in_sync

    def share(context):
        which = context.replica_id_in_sync_group if shares > 1 else 0
        return {key: tf.split(value, shares)[which] for key, value in seen.items()}

    with strategy.scope():
        method = byol.made(tiny.tiny(), LARS(0.5, trust=0.1))
    step, seen = tf.function(method.train_step), batch()
    if shares == 1:
        seen = share(None)
    else:
        seen = strategy.experimental_distribute_values_from_function(share)
    for _ in range(2):
        strategy.run(step, (seen,))
    return {**numbers(method.backbone), **numbers(method.target_backbone)}


CHECKS = (
    accumulation,
    two_replicas_as_one,
)

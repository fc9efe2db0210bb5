"""MoCo v2, SimSiam, Barlow Twins, VICReg: their steps, a queue that is exact."""

import dataclasses
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import checkpoints, health, recipe, runner, workdir
from sslzoo.backbones.tiny import tiny
from sslzoo.errors import Interrupted, UnknownName
from sslzoo.methods import barlow_twins, moco, simsiam, vicreg
from sslzoo.methods.base import Method
from sslzoo.optim.sgd import SGD
from sslzoo.zoo import resume
from tests.runs import slow

NAME = "two_views_r18w16_cifar10"
METHODS = ("moco", "simsiam", "barlow_twins", "vicreg")


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    view1, view2 = rng.random((2, 8, 32, 32, 3)) * rng.random((2, 8, 1, 1, 3))
    return {
        "view1": tf.constant(view1, tf.float32),
        "view2": tf.constant(view2, tf.float32),
    }


def make(kind, rate=0.1, **settings):
    example = {"moco": moco, "simsiam": simsiam, "vicreg": vicreg}.get(
        kind, barlow_twins
    )
    methods = {
        "moco": lambda: moco.MoCo(
            tiny(), example.example(32), **{"keys": 12, "outputs": 8, **settings}
        ),
        "simsiam": lambda: simsiam.SimSiam(tiny(), example.example(32), 8, 4),
        "barlow_twins": lambda: barlow_twins.BarlowTwins(
            tiny(), example.example(32), 0.3, outputs=8
        ),
        "vicreg": lambda: vicreg.VICReg(tiny(), example.example(32), outputs=8),
    }
    method = methods[kind]()
    method.compile(SGD(rate))
    return method


def small(**more):
    knobs = {**recipe.module(recipe.find(NAME)).SMALL, **more}
    if knobs.get("method", "moco") != "moco":
        del knobs["keys"]
    plan = recipe.load(NAME, **knobs)
    return dataclasses.replace(plan, probes={})


def unit(x):
    return np.asarray(x) / np.linalg.norm(x, axis=1, keepdims=True)


def loss_by_hand(kind, method, batch, training):
    """The equation of each, in NumPy, from what its networks say."""
    if kind == "moco":
        q = unit(method.query(batch["view1"], training).numpy())
        k = unit(method.key(batch["view2"], training).numpy())
        own = np.exp(np.sum(q * k, axis=1) / 0.2)
        others = np.exp(q @ np.float64(method.queue).T / 0.2).sum(axis=1)
        return -np.mean(np.log(own / (own + others)))
    z1, z2 = (method.project(batch[v], training).numpy() for v in ("view1", "view2"))
    if kind == "simsiam":
        p1, p2 = (method.predictor(z, training=training) for z in (z1, z2))
        near = np.sum(unit(p1) * unit(z2) + unit(p2) * unit(z1), axis=1) / 2
        return 1 - np.mean(near)
    if kind == "barlow_twins":
        c = np.corrcoef(z1.T, z2.T)[:8, 8:]
        own = np.diagonal(c)
        return np.sum((1 - own) ** 2) + 0.3 * (np.sum(c**2) - np.sum(own**2))
    loss = 25 * np.mean((z1 - z2) ** 2)
    for z in (z1, z2):
        cov = np.cov(z.T)
        own = np.diagonal(cov)
        loss += 25 * np.mean(np.maximum(0, 1 - np.sqrt(own + 1e-4))) / 2
        loss += (np.sum(cov**2) - np.sum(own**2)) / 8
    return loss


def test_the_tau_of_moco_has_the_name_that_byols_has():
    assert small(base_tau=0.5).method().tau == 0.5


@pytest.mark.parametrize("kind", METHODS)
def test_the_loss_is_that_of_the_paper_and_every_weight_learns_by_it(kind, batch):
    method = make(kind)
    # Wider apart than untrained networks are, lest an epsilon count for much.
    for weight in method.trainable_variables:
        if "kernel" in weight.path:
            weight.assign(weight * 2)
    near = 2e-2 if kind == "barlow_twins" else 1e-4  # Its epsilon is not in NumPy.
    expected = loss_by_hand(kind, method, batch, training=False)
    found = method.test_step(batch)["loss"]
    np.testing.assert_allclose(found, expected, rtol=near)
    method.reset_metrics()
    expected = loss_by_hand(kind, method, batch, training=True)
    before = [w.numpy() for w in method.trainable_variables]
    np.testing.assert_allclose(method.train_step(batch)["loss"], expected, rtol=near)
    for old, weight in zip(before, method.trainable_variables):
        assert abs(np.asarray(weight) - old).max() > 0, weight.path
        assert np.isfinite(weight).all()
    assert health.measure(
        **{name: np.asarray(z) for name, z in method.look(batch).items()}
    )["finite"]


# Of the others the losses are tried so.
@pytest.mark.parametrize(
    "kind", [kind if kind == "moco" else slow(kind) for kind in METHODS]
)
def test_two_replicas_do_the_work_of_one(kind, batch, two_replicas):
    """Three steps; of MoCo both replicas have the queue of one."""
    data = tf.data.Dataset.from_tensor_slices(batch).batch(8).repeat(3)

    def trained(strategy):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            method = make(kind, rate=0.01)
        method.fit(data, shuffle=False, verbose=0)
        assert int(method.optimizer.iterations.numpy()) == 3
        return method

    one, two = (trained(s) for s in (tf.distribute.get_strategy(), two_replicas))
    for a, b in zip(one.get_weights(), two.get_weights()):
        np.testing.assert_allclose(b, a, rtol=2e-3, atol=2e-5)
    if kind == "moco":
        held = two_replicas.experimental_local_results(two.queue.value)
        assert len(held) == 2
        np.testing.assert_array_equal(held[0], held[1])
        np.testing.assert_allclose(held[0], one.queue, rtol=1e-3, atol=1e-5)


def test_the_stopped_side_of_simsiam_has_no_gradient(batch):
    """Where the predictor says a constant, nothing teaches the network."""
    method = make("simsiam")
    for weight in method.predictor.weights:
        if weight.path.endswith("out/kernel"):
            weight.assign(tf.zeros_like(weight))
        elif weight.path.endswith("out/bias"):
            weight.assign(tf.ones_like(weight))
    with tf.GradientTape() as tape:
        loss = method.loss_of(batch)
    weights = [w.value for w in method.backbone.trainable_variables]
    for gradient in tape.gradient(loss, weights):
        np.testing.assert_allclose(gradient, 0, atol=1e-7)


def test_simsiams_heads_narrow_and_end_in_a_norm_without_parameters():
    method = make("simsiam")
    names = [w.path.split("projector/")[1] for w in method.projector.weights]
    assert not any(n.startswith("norm_out/") and "moving" not in n for n in names)
    assert "norm_out/moving_mean" in names
    shapes = [tuple(w.shape) for w in method.predictor.weights if "kernel" in w.path]
    assert shapes == [(8, 4), (4, 8)]


def test_the_queue_has_the_latest_keys_in_their_order(batch):
    """Random ones first; twelve places, eight keys in a step."""
    method = make("moco")
    queue = method.queue.numpy()
    np.testing.assert_allclose(np.linalg.norm(queue, axis=1), 1, rtol=1e-5)
    for _ in range(3):
        keys = unit(method.key(batch["view2"]))
        method.train_step(batch)
        queue = np.concatenate([queue, keys])[-12:]
        np.testing.assert_allclose(method.queue, queue, rtol=1e-4, atol=1e-6)


def test_a_queue_shorter_than_a_batch_has_the_last_keys_of_it(batch):
    method = make("moco", keys=3)
    keys = unit(method.key(batch["view2"]))
    method.train_step(batch)
    np.testing.assert_allclose(method.queue, keys[-3:], rtol=1e-4, atol=1e-6)


def test_mocos_copy_moves_by_one_minus_tau_and_learns_nothing(batch):
    method = make("moco", tau=0.75)
    slow = [w.numpy() for w in method.target_projector.weights]
    method.train_step(batch)
    fast = method.projector.weights
    for old, new, online in zip(slow, method.target_projector.weights, fast):
        expected = 0.75 * old + 0.25 * np.asarray(online)
        np.testing.assert_allclose(new, expected, rtol=1e-5, atol=1e-7)
    known = {id(w) for w in method.trainable_variables}
    copies = [*method.target_backbone.weights, *method.target_projector.weights]
    assert not known & {id(w) for w in [*copies, method.queue]}


class StopAt(runner.Listener):
    """Presses Ctrl-C after a batch."""

    def __init__(self, batch):
        self.batch = batch

    def stepped(self, batch, logs):
        if batch == self.batch:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_a_run_with_a_queue_that_was_stopped_ends_with_the_same_bits(tmp_path):
    knobs = recipe.module(recipe.find(NAME)).SMALL

    def run(path, listener=None):
        folder = workdir.Workdir(path)
        folder.open(*workdir.identity(NAME, knobs, small()))
        runner.pretrain(small(), folder, listener=listener)
        return folder

    whole = run(tmp_path / "whole")
    with pytest.raises(Interrupted, match="after step 3 of 4"):
        run(tmp_path / "left", StopAt(3))
    left = run(tmp_path / "left")
    (step, a, _), (_, b, _) = (
        checkpoints.latest(folder.checkpoints) for folder in (whole, left)
    )
    assert step == 4 and a.keys() == b.keys()
    assert any(name.endswith("queue") for name in a)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_a_queue_is_kept_with_the_heads_and_goes_on_with_the_same_bits(batch, tmp_path):
    method = make("moco")
    method.train_step(batch)
    method.deployable().save_weights(tmp_path / "backbone.weights.h5")
    resume.save(method, tmp_path)
    again = resume.load(tmp_path)
    np.testing.assert_array_equal(again.queue, method.queue)
    for each in (method, again):
        each.train_step(batch)
    for a, b in zip(method.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_each_is_read_back_as_it_was_made():
    for kind in METHODS:
        method = make(kind)
        again = type(method).from_config(method.get_config())
        shapes = [tuple(w.shape) for w in method.weights]
        assert [tuple(w.shape) for w in again.weights] == shapes
        assert isinstance(again, Method) and again.example.size == 32


def test_a_method_that_there_is_not_is_told():
    with pytest.raises(UnknownName, match="method='mocco'. Did you mean 'moco'"):
        small(method="mocco")

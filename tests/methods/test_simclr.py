"""SimCLR against its paper: its loss, its one pass, its views and its projector."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import recipe
from sslzoo.augment import views
from sslzoo.backbones.tiny import tiny
from sslzoo.data import sources
from sslzoo.errors import BadInput
from sslzoo.methods import info_nce, simclr
from sslzoo.methods.simclr import SimCLR
from sslzoo.optim import lars
from sslzoo.optim.sgd import SGD


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    view1, view2 = rng.random((2, 8, 32, 32, 3)) * rng.random((2, 8, 1, 1, 3))
    return {
        "view1": tf.constant(view1, tf.float32),
        "view2": tf.constant(view2, tf.float32),
    }


def make(**settings):
    settings = {"hidden": 16, "outputs": 8, **settings}
    method = SimCLR(tiny(), example=simclr.example(32), **settings)
    method.compile(SGD(0.1))
    return method


def by_hand(z1, z2, t):
    """The paper's Algorithm 1, one term at a time; its loss is a mean over 2n."""
    z = np.float64(np.concatenate([z1, z2]))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    n, losses, found = len(z1), [], []
    for i in range(2 * n):
        others = {k: z[i] @ z[k] for k in range(2 * n) if k != i}
        near = others[(i + n) % (2 * n)]
        crowd = sum(np.exp(s / t) for s in others.values())
        losses.append(-np.log(np.exp(near / t) / crowd))
        found.append(near == max(others.values()))
    return np.mean(losses), np.mean(found)


@pytest.mark.parametrize("t", [0.1, 0.5])
def test_the_loss_is_that_of_the_algorithm_for_both_directions(batch, t):
    method = make(temperature=t)
    looks = method.look(batch)
    loss, found = by_hand(looks["z1"], looks["z2"], t)
    logs = method.test_step(batch)
    np.testing.assert_allclose(logs["loss"], 2 * loss, rtol=1e-4)
    np.testing.assert_allclose(logs["accuracy"], found, rtol=1e-6)


def test_both_views_go_through_in_one_pass(batch):
    """So the running averages move once in a step, by the mean of both views."""
    method = make()
    norm = method.backbone.get_layer("norm1")
    conv = keras.Model(method.backbone.input, method.backbone.get_layer("conv1").output)
    means = [np.mean(conv(batch[v]), axis=(0, 1, 2)) for v in ("view1", "view2")]
    method.train_step(batch)
    expected = 0.1 * (means[0] + means[1]) / 2
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-4, atol=1e-6)


def test_a_step_follows_the_gradient_of_its_loss_alone(batch):
    """Of the loss by hand, along the step that was taken."""
    method = make()
    before = [w.numpy() for w in method.trainable_variables]

    def loss():
        z1, z2 = (np.asarray(z) for z in method.project(batch))
        return 2 * by_hand(z1, z2, method.temperature)[0]

    method.train_step(batch)
    steps = [np.asarray(w) - old for w, old in zip(method.trainable_variables, before)]
    ends = []
    for sign in (1e-4, -1e-4):
        for weight, old, step in zip(method.trainable_variables, before, steps):
            weight.assign(old + sign * step)
        ends.append(loss())
    slope = (ends[0] - ends[1]) / 2e-4
    expected = -sum(np.sum(np.square(step)) for step in steps) / 0.1
    np.testing.assert_allclose(slope, expected, rtol=2e-2)


def test_its_projector_is_that_of_the_code():
    """Three layers without bias, each with BN behind it, the last without offset."""
    method = SimCLR(tiny(), simclr.example(32))
    names = [layer.name for layer in method.projector.layers]
    layer = ["hidden{0}", "norm{0}", "relu{0}"]
    expected = [n.format(i) for i in (1, 2) for n in layer]
    assert names == [*expected, "out", "norm_out"]
    weights = {w.path.split("projector/")[1] for w in method.projector.weights}
    assert not any(name.endswith("bias") for name in weights)
    assert "norm_out/gamma" in weights and "norm_out/beta" not in weights
    assert method.projector.output_shape == (None, 128)
    hidden = method.projector.get_layer("hidden1").kernel.shape
    assert tuple(hidden) == (16, 16)  # As wide as the features of `tiny`.


def test_its_views_are_of_one_family_in_the_codes_strengths():
    example = simclr.example(32)
    one, other = example.changes
    assert one == other and one.brighten == "scale"
    assert (one.brightness, one.contrast, one.saturation, one.hue) == (0.8,) * 3 + (
        0.2,
    )
    assert (one.jitter, one.gray, one.blur, one.solarize) == (0.8, 0.2, 0.5, 0.0)
    half = simclr.example(32, strength=0.5, blur=0.0).changes[0]
    assert (half.brightness, half.hue, half.blur) == (0.4, 0.1, 0.0)
    assert example.area == (0.08, 1.0) and isinstance(example, views.Views)
    with pytest.raises(BadInput, match="none is below 0.* strength of 1.25 or less"):
        simclr.example(32, strength=2)
    simclr.example(32, strength=1.25)


def test_on_the_plane_it_is_the_corner_across_from_byol(batch):
    """The same weights and views, each view by itself: 4 + 4 t of the mean loss."""
    plane = info_nce.InfoNCE(
        tiny(), 10, simclr.example(32), "none", "online", 1.0, 0.1, hidden=16, outputs=8
    )
    plane.compile(SGD(0.1))
    looks = plane.look(batch)
    expected, _ = by_hand(looks["z1"], looks["z2"], 0.1)
    np.testing.assert_allclose(
        plane.test_step(batch)["loss"], 4 + 0.4 * expected, rtol=1e-4
    )


def test_it_learns_to_tell_eight_pictures_apart(batch):
    """Two views that are equal: then a step after another tells all of them."""
    method = make()
    equal = {"view1": batch["view1"], "view2": batch["view1"]}
    other = {"view1": batch["view1"], "view2": batch["view1"][:, ::-1]}
    step = tf.function(method.train_step)
    before = float(method.test_step(other)["loss"])
    for _ in range(30):
        step(other)
    method.reset_metrics()
    logs = method.test_step(other)
    assert float(logs["loss"]) < before
    method.reset_metrics()
    assert float(method.test_step(equal)["accuracy"]) == 1


def test_the_recipe_of_imagenet_has_the_codes_schedule(monkeypatch):
    """LARS with 0.3 for 256 images, 10 of 1000 epochs of warm-up, decay 1e-6."""
    monkeypatch.setattr(sources, "from_spec", lambda *_: sources.Synthetic(8 * 4096))
    plan = recipe.load("simclr_r50_in1k")
    assert plan.steps == 8000 and plan.streams.batch_size == 4096
    optimizer = plan.optimizer()
    rate = optimizer.get_config()["learning_rate"]
    rate = keras.optimizers.schedules.deserialize(rate)
    for step, expected in {40: 2.4, 80: 4.8, 4040: 2.4, 8000: 0}.items():
        np.testing.assert_allclose(rate(step), expected, rtol=1e-4, atol=1e-6)
    assert isinstance(optimizer, lars.LARS)
    known = optimizer.momentum, optimizer.decay, optimizer.trust
    assert known == (0.9, 1e-6, 1e-3)

import keras
import numpy as np
import pytest

from sslzoo.backbones.tiny import tiny
from sslzoo.errors import BadInput
from sslzoo.heads import projectors
from sslzoo.methods import byol, info_nce, moco, momentum


def test_the_twin_normalises_with_its_own_batch():
    """Freezing the layers instead of the variables would use moving statistics."""
    model = projectors.mlp(4, 16, 8, name="projector")
    twin = momentum.frozen_copy(model)
    x = np.random.default_rng(0).normal(5, 3, size=(32, 4)).astype("float32")
    expected = model(x, training=True)
    np.testing.assert_allclose(twin(x, training=True), expected, rtol=1e-5, atol=1e-6)
    assert not twin.trainable_variables and model.trainable_variables


@pytest.mark.parametrize("make", [tiny, lambda: projectors.mlp(4, 16, 8, name="p")])
def test_a_fresh_twin_has_kernels_of_its_own_and_the_same_shape(make):
    model = make()
    twin = momentum.frozen_copy(model, fresh=True)
    assert not twin.trainable_variables
    for ours, theirs in zip(model.weights, twin.weights):
        assert ours.shape == theirs.shape
        if ours.path.endswith("kernel"):
            assert abs(np.asarray(ours) - np.asarray(theirs)).mean() > 1e-3


@pytest.mark.parametrize("fresh", [False, True])
def test_what_does_not_learn_is_the_same_in_a_twin(fresh):
    """A frozen layer, and what was adapted to images: no step would bring it there."""
    known = keras.layers.Normalization(name="known")
    known.adapt(np.random.default_rng(0).normal(3, 5, size=(64, 8, 8, 3)))
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            known,
            keras.layers.Conv2D(4, 3, trainable=False),
            keras.layers.BatchNormalization(trainable=False),
        ]
    )
    model.layers[-1].moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    twin = momentum.frozen_copy(model, fresh)
    x = np.random.default_rng(1).normal(3, 5, size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(twin(x), model(x), rtol=1e-6, atol=1e-6)


class Forgetful(keras.layers.Dense):
    """Says of itself what it does not take, as some layers of keras-hub do."""

    def get_config(self):
        return {**super().get_config(), "patches": 4}


@pytest.mark.parametrize("fresh", [False, True])
def test_a_model_that_cannot_be_built_twice_is_refused_in_words(fresh):
    model = keras.Sequential([keras.Input((3,)), Forgetful(2)], name="theirs")
    words = "twin of theirs.*[Ff]orgetful.*or take a method without"
    with pytest.raises(BadInput, match=words):
        momentum.frozen_copy(model, fresh)


def test_the_twin_moves_but_its_running_averages_stay():
    model, twin = tiny(), tiny()
    for weight in model.weights:
        weight.assign(keras.ops.ones_like(weight) * 2)
    before = [np.asarray(w) for w in twin.weights]
    momentum.move(twin, model, 0.75)
    for old, new, weight in zip(before, twin.weights, model.weights):
        moving = "moving" in weight.path
        expected = old if moving else 0.75 * old + 0.25 * 2
        np.testing.assert_allclose(new, expected, rtol=1e-6)


def test_the_twin_waits_until_the_optimizer_has_stepped():
    model, twin = tiny(), tiny()
    before = [np.asarray(w) for w in twin.weights]
    momentum.move(twin, model, 0.5, when=keras.ops.array(False))
    for old, new in zip(before, twin.weights):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("tau", [2, -0.5])
@pytest.mark.parametrize(
    "make",
    [
        lambda tau: byol.BYOL(tiny(), 9, byol.example(32), tau, 8, 4),
        lambda tau: info_nce.InfoNCE(tiny(), 9, byol.example(32), base_tau=tau),
        lambda tau: moco.MoCo(tiny(), moco.example(32), 8, tau=tau),
    ],
)
def test_the_target_keeps_a_part_of_itself(make, tau):
    with pytest.raises(BadInput, match=f"tau={tau}: .* Give a number from 0 to 1"):
        make(tau)

"""The plane: BYOL is one of its corners, and each setting is what it is called."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import health
from sslzoo.backbones.tiny import tiny
from sslzoo.errors import BadInput, UnknownName
from sslzoo.losses import contrastive, regression
from sslzoo.methods import info_nce
from sslzoo.methods.byol import BYOL
from sslzoo.methods.info_nce import InfoNCE
from sslzoo.optim.lars import LARS
from sslzoo.optim.sgd import SGD

PARTS = ("backbone", "projector", "predictor", "target_backbone", "target_projector")


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    view1, view2 = rng.random((2, 16, 32, 32, 3)) * rng.random((2, 16, 1, 1, 3))
    return {
        "view1": tf.constant(view1, tf.float32),
        "view2": tf.constant(view2, tf.float32),
    }


def make(kind=InfoNCE, optimizer=None, **settings):
    settings = {"steps": 10, "hidden": 16, "outputs": 8, **settings}
    method = kind(tiny(), example=info_nce.example(32), **settings)
    method.compile(optimizer or SGD(0.1))
    return method


def like(other, method):
    """The method with the other's weights."""
    for part in PARTS:
        ours, theirs = getattr(method, part), getattr(other, part)
        if ours is not None and theirs is not None:
            ours.set_weights(theirs.get_weights())
    return method


def assert_same(one, other, parts=PARTS, rtol=1e-4, atol=1e-5):
    """Biases before a norm are moved by rounding alone: by 1e-6 or so."""
    for part in parts:
        mine, its = getattr(one, part).weights, getattr(other, part).weights
        assert len(mine) == len(its) > 0
        for a, b in zip(mine, its):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=a.path)


def kernels(model):
    return [w.numpy() for w in model.weights if w.path.endswith("kernel")]


def test_by_default_it_takes_the_steps_of_byol(batch):
    """Weights, running averages and targets after three of them, by LARS with decay."""
    lars = dict(learning_rate=0.5, decay=1e-2, trust=0.1)
    byol = make(BYOL, LARS(**lars), base_tau=0.9)
    plane = like(byol, make(optimizer=LARS(**lars), base_tau=0.9))
    for _ in range(3):
        one, other = byol.train_step(batch), plane.train_step(batch)
        np.testing.assert_allclose(other["loss"], one["loss"], rtol=1e-5)
        np.testing.assert_array_equal(other["tau"], one["tau"])
    assert_same(plane, byol)
    byol.reset_metrics()
    plane.reset_metrics()
    expected = byol.test_step(batch)["loss"]
    np.testing.assert_allclose(plane.test_step(batch)["loss"], expected, rtol=1e-4)


def test_a_target_that_copies_at_once_is_the_network_itself(batch):
    """tau 0 for ever, from equal weights, is the stopped gradient of the network."""
    copy = make(base_tau=0.0, constant_tau=True, fresh_target=False)
    stop = like(copy, make(target="stop"))
    for _ in range(3):
        one, other = copy.train_step(batch), stop.train_step(batch)
        np.testing.assert_allclose(other["loss"], one["loss"], rtol=1e-5)
    assert_same(stop, copy, ("backbone", "projector", "predictor"))
    assert float(copy.tau()) == 0 and "tau" not in stop.meters


def test_a_target_of_tau_one_stays_as_it_was_drawn(batch):
    method = make(base_tau=1.0)
    before, fast = kernels(method.target_backbone), kernels(method.backbone)
    for _ in range(2):
        method.train_step(batch)
    for old, new, online in zip(before, kernels(method.target_backbone), fast):
        np.testing.assert_array_equal(old, new)
        assert abs(old - online).max() > 1e-3  # And it is another network.


def gradients(method, batch):
    """Of the loss, by the network's outputs z, each side by itself."""
    z = [method.project(batch[v]) for v in ("view1", "view2")]
    with tf.GradientTape() as tape:
        tape.watch(z)
        psi = z if method.target == "online" else [tf.stop_gradient(x) for x in z]
        loss = method.loss_of(method.predict_from(z, psi), psi)
    return tape.gradient(loss, z)


def test_only_where_the_target_is_online_does_it_learn(batch):
    """Without predictor and negatives the gradient is then twice that of one side."""
    settings = dict(predictor="none")
    online = make(target="online", **settings)
    stop = like(online, make(target="stop", **settings))
    for both, one in zip(gradients(online, batch), gradients(stop, batch)):
        np.testing.assert_allclose(both, 2 * one, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("predictor", info_nce.PREDICTORS)
@pytest.mark.parametrize("target", info_nce.TARGETS)
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_every_setting_has_the_loss_of_its_parts(batch, predictor, target, beta):
    """From projections by hand: predictor, target, negatives; and it learns by it."""
    method = make(predictor=predictor, target=target, beta=beta, alpha=0.3)
    views = [batch["view1"], batch["view2"]]
    z = [method.project(v, training=False) for v in views]
    psi = [method.target_of(v, False) for v in views] if target == "ema" else z
    if predictor == "mlp":
        phi = [method.predictor(x, training=False) for x in z]
    elif predictor == "ridge":
        zs, ys = (np.concatenate(x).astype("float64") for x in (z, psi[::-1]))
        square = zs.T @ zs
        square += 1e-3 * np.trace(square) / 8 * np.eye(8)
        phi = [np.float64(x) @ np.linalg.solve(square, zs.T @ ys) for x in z]
    else:
        phi = z
    phi, psi = (np.float32([np.asarray(x) for x in side]) for side in (phi, psi))
    expected = contrastive.info_nce(*phi, *psi, 0.3, beta)
    found = method.test_step(batch)["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    before = kernels(method.backbone)
    method.train_step(batch)
    moved = [abs(a - b).max() for a, b in zip(before, kernels(method.backbone))]
    assert min(moved) > 0 and np.isfinite(moved).all()


def test_the_plane_has_every_row_of_the_paper():
    """Table 5b, and of Table 19 those that it lacks."""
    table = {  # predictor, target network, beta: top-1
        ("mlp", "ema", 0): 72.5,
        ("mlp", "ema", 1): 70.9,
        ("none", "ema", 1): 70.7,
        ("none", "online", 1): 69.4,
        ("mlp", "online", 1): 69.1,
        ("mlp", "online", 0): 0.3,
        ("none", "ema", 0): 0.2,
        ("none", "online", 0): 0.1,
    }
    found = {row: round(100 * top, 1) for row, top in info_nce.ROWS.items()}
    assert table.items() <= found.items()
    assert len(found) == 12 and all(
        figure["value"] == info_nce.ROWS[row]
        for row, figure in zip(info_nce.ROWS, InfoNCE.figures)
    )
    for row, figure in zip(info_nce.ROWS, InfoNCE.figures):
        of = "5b" if row in table else "19"
        assert figure["source"] == f"Grill et al. 2020, Table {of}"
    for predictor, target, beta in found:
        assert predictor in info_nce.PREDICTORS and target in info_nce.TARGETS
        assert beta in (0, 1)


@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
def test_the_norm_is_that_of_both_sides(batch, norm):
    method = make(norm=norm)
    views = [batch["view1"], batch["view2"]]
    phi, psi = method.sides(views, training=False)
    expected = sum(
        regression.normed_distance(p, y, norm) for p, y in zip(phi, psi[::-1])
    )
    cosine = sum(regression.cosine_distance(p, y) for p, y in zip(phi, psi[::-1]))
    found = method.test_step(batch)["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert abs(float(found) - float(cosine)) > 1e-3


def test_heads_have_the_depths_and_widths_that_they_are_given():
    method = make(projector_depth=3, predictor_depth=1, hidden=24, outputs=6)
    shapes = [tuple(w.shape) for w in method.projector.weights if "kernel" in w.path]
    assert shapes == [(16, 24), (24, 24), (24, 6)]
    shapes = [tuple(w.shape) for w in method.predictor.weights]
    assert shapes == [(6, 6)]  # One linear layer.


@pytest.mark.parametrize("kind, rate", [(SGD, 0.1), (LARS, 10.0)])
def test_a_rate_of_its_own_moves_the_predictor_so_much_further(batch, kind, rate):
    """Under LARS too, which would undo a factor of the gradient."""
    plain, fast = (
        make(optimizer=kind(rate)),
        make(optimizer=kind(rate, rates={"predictor/*": 10.0})),
    )
    like(plain, fast)
    start = {part: kernels(getattr(plain, part)) for part in ("projector", "predictor")}
    plain.train_step(batch)
    fast.train_step(batch)
    for part, factor in (("projector", 1), ("predictor", 10)):
        ours, theirs = kernels(getattr(fast, part)), kernels(getattr(plain, part))
        for old, further, near in zip(start[part], ours, theirs):
            step = factor * (near - old)
            np.testing.assert_allclose(further - old, step, rtol=1e-3, atol=1e-6)


def test_what_cannot_be_is_told():
    with pytest.raises(UnknownName, match="target='emma'. Did you mean 'ema'"):
        make(target="emma")
    with pytest.raises(UnknownName, match="There are: mlp, none, ridge"):
        make(predictor="best")
    with pytest.raises(UnknownName, match="norm='layr'. Did you mean 'layer'"):
        make(norm="layr")
    with pytest.raises(BadInput, match="norm='none' with beta=1"):
        make(norm="none", beta=1)
    for wrong in (dict(beta=2), dict(beta=-1), dict(alpha=0)):
        with pytest.raises(BadInput, match="a weight from 0 to 1"):
            make(**wrong)


def test_it_is_read_back_as_it_was_made():
    method = make(predictor="none", target="stop", beta=0.5, alpha=0.2)
    again = InfoNCE.from_config(method.get_config())
    assert (again.kind, again.target, again.beta, again.alpha) == (
        *("none", "stop"),
        *(0.5, 0.2),
    )
    assert again.projector.count_params() == method.projector.count_params()


@pytest.mark.parametrize("target", info_nce.TARGETS)
def test_health_sees_projections_and_targets_where_there_are(batch, target):
    looks = {k: np.asarray(v) for k, v in make(target=target).look(batch).items()}
    figures = health.measure(**looks)
    assert figures["finite"] and ("target_distance" in figures) == (target == "ema")


def test_what_keeps_it_whole_is_kept_in_full_precision(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        method = make(predictor="ridge", beta=0.5)
        logs = method.train_step(batch)
    finally:
        keras.config.set_dtype_policy("float32")
    assert logs["loss"].dtype == tf.float32 and np.isfinite(logs["loss"])

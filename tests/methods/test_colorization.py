"""Colorization against its paper: few places or all, gray in, nothing but counters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones, recipe, runner
from sslzoo.backbones import channels, layers
from sslzoo.errors import BadInput, UnknownName
from sslzoo.methods import colorization
from sslzoo.methods.colorization import Colorization
from sslzoo.methods.colour_targets import Bins, Regression
from sslzoo.optim.sgd import SGD

STRIDES = colorization.HYPERCOLUMNS


def network(name="alexnet", **options):
    if name == "alexnet":
        options = {"form": "larsson", "norm": "bn", "width": 1 / 16, **options}
    return backbones.build(name, **options)


def make(name="alexnet", rate=0.1, momentum=0.0, build=None, **settings):
    keras.utils.set_random_seed(0)
    settings = {"strides": STRIDES.get(name), "points": 16, "hidden": 8, **settings}
    settings = {"dropout": 0.0, **settings}
    method = Colorization(
        network(name, **(build or {"dropout": 0.0})),
        colorization.example(32, (32, 48)),
        **settings,
    )
    method.compile(SGD(rate, momentum=momentum))
    return method


def batch(n=4, size=32, start=0):
    images = np.random.default_rng(0).random((n, size, size, 3)).astype("float32")
    # Smooth, so that there is something to learn of a window.
    images = tf.image.resize(images[:, ::8, ::8], (size, size)).numpy()
    return {"image": tf.constant(images), "n": tf.range(start, start + n)}


def test_the_hypercolumns_are_those_of_the_paper():
    """9,569 numbers of AlexNet, 12,417 of VGG-16; strides as the networks have them."""
    for name, dims in {"alexnet": 9569, "vgg16": 12_417}.items():
        info = {
            i["name"]: i for i in backbones.feature_info(network(name, width=0.125))
        }
        found = [
            info.get(key, {"stride": 1, "channels": 0.125}) for key in STRIDES[name]
        ]
        assert [i["stride"] for i in found] == [*STRIDES[name].values()]
        extra = 0.875 * (name == "vgg16")  # "data" is one whatever the width.
        assert 8 * (sum(i["channels"] for i in found) - extra) == dims


def test_places_are_uniform_in_the_margin_and_follow_the_counters():
    method = make(points=200, margin=5)
    seeds = method.seeds({"n": tf.range(300)})
    places = method.places(seeds, (32, 24)).numpy()
    assert places.shape == (300, 200, 2)
    for axis, side in enumerate((32, 24)):
        counts = np.bincount(places[..., axis].ravel(), minlength=side)
        room = side - 10
        assert not counts[:5].any() and not counts[5 + room :].any()
        expected = 60_000 / room
        chi = np.sum((counts[5 : 5 + room] - expected) ** 2 / expected)
        assert chi < room + 5 * np.sqrt(2 * room)
    y, x = places[..., 0].ravel(), places[..., 1].ravel()
    assert abs(np.corrcoef(y, x)[0, 1]) < 0.02
    later = method.places(method.seeds({"n": tf.range(100, 110)}), (32, 24))
    np.testing.assert_array_equal(later, places[100:110])
    assert len(np.unique(places.reshape(300, -1), axis=0)) == 300


@pytest.mark.parametrize("target", [None, Regression(), Bins()], ids=str)
def test_few_places_have_the_expected_loss_of_all(target):
    """Many draws of sparse: their mean is dense, within four standard errors."""
    sparse = make(points=64, margin=4, target=target)
    dense = make(points=0, margin=4, target=target)
    weights = sparse.head.get_weights()
    for method in (sparse, dense):  # Answers that are not near zero.
        method.head.set_weights([200 * weights[0], *weights[1:]])
    images = batch(2)["image"]

    @tf.function
    def drawn(n):
        return sparse.loss_of(images, sparse.seeds({"n": n}), training=False)

    losses = [float(drawn(tf.range(2) + 2 * i)) for i in range(100)]
    seeds = dense.seeds({"n": tf.range(2)})
    truth = float(dense.loss_of(images, seeds, training=False))
    error = np.std(losses, ddof=1) / 10
    assert 0 < error < 0.02 * truth
    assert abs(np.mean(losses) - truth) < 4 * error


def test_all_places_are_each_place_once():
    """Dense at 1 pixel is sparse that is given all pixels inside the margin."""
    method = make(points=0, margin=3)
    images = batch(2)["image"]
    places = method.places(method.seeds({"n": tf.range(2)}), (32, 32))
    assert places.shape == (2, 26 * 26, 2)
    assert places.numpy().min() == 3 and places.numpy().max() == 28
    dense = method.answers(images, None)
    np.testing.assert_allclose(dense, method.answers(images, places), atol=1e-5)


def test_the_head_of_stride_8_reads_the_map_as_it_is():
    """Zhang et al.: 313 numbers at each 8th pixel, of a map of stride 8: no mixing."""
    method = make(strides={"conv2": 8}, points=0, spacing=8, hidden=0, target=Bins())
    images = batch(2)["image"]
    features = method.backbone(images, training=False)["conv2"]
    kernel, bias = method.head.get_weights()
    truth = np.reshape(features, (2, 16, -1)) @ kernel + bias
    answers = method.answers(images, None)
    assert answers.shape == (2, 16, 313)
    np.testing.assert_allclose(answers, truth, rtol=1e-4, atol=1e-5)


def test_what_is_shown_is_gray_and_what_is_asked_is_colour():
    """Colours of the same gray: the same answers, another loss."""
    method = make()
    images = batch()["image"]
    other = tf.reverse(images, [-1])
    places = method.places(method.seeds(batch()), (32, 32))
    answers = [method.answers(x, places).numpy() for x in (images, other)]
    np.testing.assert_allclose(*answers, atol=1e-6)
    costs = [float(method.target.loss(answers[0], x, places)) for x in (images, other)]
    assert abs(costs[0] - costs[1]) > 0.01


def test_a_network_that_sees_colours_is_refused():
    with pytest.raises(BadInput, match="sees colours, and would learn to copy"):
        make(build={"pixels": "centred", "dropout": 0.0})
    gray = channels.to_gray(backbones.build("tiny", width=4))
    assert make_with(gray).backbone is gray
    lab = network(pixels="l", dropout=0.0)
    assert make_with(lab, {"conv5": 16}).backbone is lab


def make_with(backbone, strides=None, **settings):
    settings = dict(hidden=4) | settings
    return Colorization(backbone, None, strides or {"block2": 4}, **settings)


def test_wrong_features_and_margins_are_told():
    with pytest.raises(UnknownName, match="Did you mean 'conv5'"):
        make(strides={"conv55": 16})
    for points in (8, 0):
        method = make(margin=16, points=points)
        with pytest.raises(BadInput, match="margin=16 leaves nothing"):
            method.train_step(batch())


@pytest.mark.parametrize(
    "numbers", [dict(points=-1), dict(margin=-3), dict(hidden=-1), dict(spacing=0)]
)
def test_numbers_that_no_place_can_have_are_refused(numbers):
    ((name, value),) = numbers.items()
    with pytest.raises(BadInput, match=f"{name}={value}: "):
        make_with(network(), {"conv5": 16}, **{"points": 0, **numbers})


def test_a_step_with_dropout_is_a_function_of_its_examples():
    """Twice the same step from the same weights; in halves, the same masks."""
    method = make(build={"dropout": 0.5}, dropout=0.5)
    start = method.get_weights()

    def after(data):
        method.set_weights(start)
        method.train_step(data)
        return method.get_weights()

    for one, other in zip(after(batch()), after(batch())):
        np.testing.assert_array_equal(one, other)
    later = after(batch(start=100))
    assert any(abs(a - b).max() > 1e-4 for a, b in zip(later, after(batch())))


def test_dropout_of_a_half_is_that_of_the_whole_batch():
    from sslzoo.augment import draws

    layer = layers.Dropout(0.3, name="drop")
    x = tf.ones((6, 5, 4, 100))
    seeds = tf.stack([tf.zeros(6, tf.int64), tf.range(6, dtype=tf.int64)], -1)

    def dropped(part):
        with layers.drawn_by(lambda name, shape: draws.field(seeds[part], name, shape)):
            return layer(x[part], training=True).numpy()

    whole = dropped(slice(0, 6))
    np.testing.assert_array_equal(
        np.concatenate([dropped(slice(0, 2)), dropped(slice(2, 6))]), whole
    )
    assert set(np.unique(whole)) == {0, np.float32(1 / 0.7)}
    assert np.mean(whole == 0) == pytest.approx(0.3, abs=0.02)
    assert np.mean((whole[0] == 0) == (whole[1] == 0)) < 0.65
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_normalisation_learns_no_scale_but_keeps_it_for_later():
    backbone = backbones.build("resnet18", width=1 / 16, style="caffe")
    count = sum(w.path.endswith(("gamma", "beta")) for w in backbone.weights)
    method = Colorization(
        backbone, None, {"block4": 32}, points=0, spacing=32, hidden=4
    )
    method.compile(SGD(0.1))
    before = {w.path: w.numpy() for w in backbone.weights}
    method.train_step(batch(size=64))
    frozen = [w for w in backbone.weights if w.path.endswith(("gamma", "beta"))]
    assert count == len(frozen) > 0
    for w in frozen:
        np.testing.assert_array_equal(w, before[w.path])
    moved = backbone.get_layer("root_bn").moving_mean
    assert np.abs(moved).max() > 0
    free = backbones.build("resnet18", width=1 / 16, style="caffe")
    Colorization(free, None, {"block4": 32}, hidden=4, affine=True)
    assert free.get_layer("root_bn").gamma.trainable


def test_what_is_exported_has_no_normalisation_and_says_the_same():
    method = make()
    for _ in range(3):
        method.train_step(batch())
    exported = method.deployable()
    assert not any(isinstance(f, layers.BatchNorm) for f in exported.layers)
    images = batch()["image"]
    ours, truth = exported(images), method.backbone(images, training=False)
    for name in truth:
        np.testing.assert_allclose(ours[name], truth[name], rtol=1e-3, atol=1e-4)
    kept = make(absorb=False)
    assert kept.deployable() is kept.backbone


def test_colours_come_back_by_a_third_of_the_first_kernel():
    """Table 5: gray to RGB, which says of gray images what it said."""
    exported = make().deployable()
    wide = channels.to_rgb(exported)
    kernel = wide.get_layer("conv1").kernel
    assert kernel.shape[2] == 3
    np.testing.assert_allclose(
        kernel, np.repeat(exported.get_layer("conv1").kernel / 3, 3, axis=2), rtol=1e-6
    )
    gray = tf.repeat(tf.reduce_mean(batch()["image"], -1, keepdims=True), 3, -1)
    np.testing.assert_allclose(
        wide(gray)["pooled"], exported(gray)["pooled"], rtol=1e-3, atol=1e-4
    )


def test_gray_pictures_are_kept_and_counted():
    data = batch(4)
    gray = tf.repeat(tf.reduce_mean(data["image"][:1], -1, keepdims=True), 3, -1)
    images = tf.concat([gray, data["image"][1:]], axis=0)
    method = make()
    logs = method.train_step({**data, "image": images})
    assert float(logs["gray"]) == 0.25 and float(logs["loss"]) > 0
    where = method.places(method.seeds(data), (32, 32))
    zeros = tf.zeros((4, 16, 64))
    whole = method.target.loss(zeros, images, where)
    rest = method.target.loss(zeros[1:], images[1:], where[1:])
    alone = method.target.loss(zeros[:1], gray, where[:1])
    np.testing.assert_allclose(whole, 0.75 * rest + 0.25 * alone, rtol=1e-5)
    assert float(alone) > 0  # Chroma is asked: that it is none.


@pytest.mark.parametrize("target", [None, Regression(), Bins()], ids=str)
def test_black_pictures_leave_numbers(target):
    method = make(target=target)
    logs = method.train_step({**batch(), "image": tf.zeros((4, 32, 32, 3))})
    assert np.isfinite(float(logs["loss"])) and float(logs["gray"]) == 1
    assert all(np.isfinite(w).all() for w in method.get_weights())


@pytest.mark.slow
def test_it_learns_and_sparse_learns_what_dense_learns():
    """25 steps on four pictures: what they learn differs by less than a tenth of it."""
    ends = {}
    for points in (64, 0):
        method = make(points=points, spread=0.05, rate=0.1, spacing=2, momentum=0.9)
        asked = make(points=0, spread=0.05)
        data, step = batch(), tf.function(method.train_step)
        for turn in range(25):
            step({**data, "n": data["n"] + 4 * turn})
        asked.set_weights(method.get_weights())
        seeds = asked.seeds(data)
        ends[points] = float(asked.loss_of(data["image"], seeds, training=True))
    start = make(points=0, spread=0.05)
    first = float(start.loss_of(batch()["image"], start.seeds(batch()), training=True))
    assert max(ends.values()) < 0.9 * first
    assert abs(ends[64] - ends[0]) < 0.1 * (first - ends[0])


def test_it_is_read_back_with_its_target(tmp_path):
    method = make(target=Bins(nearest=5))
    twin = Colorization.from_config(method.get_config())
    assert twin.target == Bins(nearest=5) and twin.points == 16
    assert twin.example.shortest == (32, 48)


def test_the_colours_it_gives_are_at_the_gray_it_sees():
    method = make(target=Regression())
    images = batch()["image"]
    found = method.colours(images, spacing=8)
    assert found.shape == (4, 4, 4, 3)
    gray = tf.repeat(tf.reduce_mean(images, -1, keepdims=True), 3, -1)[:, ::8, ::8]
    np.testing.assert_allclose(found, gray, atol=0.02)  # It knows no colour yet.


@pytest.mark.parametrize(
    "knobs",
    [
        dict(target="regression"),
        dict(target="bins", rebalance=True, points=0, spacing=8),
        dict(hypercolumn=False),
    ],
    ids=str,
)
def test_the_recipe_has_every_colorizer_of_the_study(knobs):
    path = recipe.find("colorization_alexnet_cifar10")
    plan = recipe.load(path, **{**recipe.module(path).SMALL, **knobs})
    method = runner.pretrain(plan)
    assert all(np.isfinite(w).all() for w in method.get_weights())
    dims = 1 + 6 + 16 + 24 + 24 + 16 + 256 + 256
    assert method.head.input_shape[-1] == (dims if knobs.get("hypercolumn", 1) else 256)
    assert type(method.target).__name__.lower() == knobs.get("target", "histograms")
    assert (getattr(method.target, "prior", None) is None) != ("rebalance" in knobs)


def test_fit_takes_a_dataset_of_plain_images():
    images = np.random.default_rng(0).integers(0, 255, (8, 40, 40, 3), "uint8")
    method = make()
    before = method.head.get_weights()
    method.fit(tf.data.Dataset.from_tensor_slices(images).batch(4), verbose=0)
    assert int(method.optimizer.iterations) == 2
    assert any((a != b).any() for a, b in zip(before, method.head.get_weights()))


@pytest.mark.slow
@pytest.mark.parametrize("target", [None, Regression(), Bins()], ids=str)
def test_xla_compiles_the_step_to_the_same_step(target):
    def after(jit):
        method = make(target=target, build={"dropout": 0.5}, dropout=0.5)
        logs = tf.function(method.train_step, jit_compile=jit)(batch())
        return float(logs["loss"]), method.get_weights()

    (plain, weights), (compiled, same) = after(False), after(True)
    assert compiled == pytest.approx(plain, rel=1e-4)
    for one, other in zip(weights, same):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4)


def test_half_precision_keeps_its_loss_and_places_in_full():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        method = make()
        logs = method.train_step(batch())
    finally:
        keras.config.set_dtype_policy("float32")
    full = make().train_step(batch())
    assert float(logs["loss"]) == pytest.approx(float(full["loss"]), rel=0.02)
    assert method.answers(batch()["image"], None).dtype == tf.float32
    assert {w.dtype for w in method.trainable_variables} == {"float32"}


def test_a_recipe_has_the_head_of_zhang_on_the_multi_task_papers_trunk():
    """313 numbers of each 8th pixel, linear in the trunk's end; its scales learn."""
    small = recipe.module(recipe.find("colorization_in1k")).SMALL
    shape = dict(backbone="resnet101slim", width=1 / 32, image_size=32, batch_size=2)
    asked = dict(target="bins", points=0, margin=0, hidden=0, rebalance=True)
    asked |= dict(hypercolumn=False, gray_below=5.0, data="synthetic:2")
    plan = recipe.load("colorization_in1k", **{**small, **shape, **asked})
    method = plan.method()
    kernel, bias = method.head.get_weights()
    images = batch(2)["image"]
    features = method.backbone(images, training=False)["postnorm"]
    assert np.min(features) == 0  # Of the trunk's sums, behind BN and ReLU.
    assert features.shape == (2, 4, 4, 32) and method.target.gray_below == 5
    found = method.answers(images, None)
    wanted = np.reshape(features, (2, 16, -1)) @ kernel + bias
    assert found.shape == (2, 16, 313)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
    assert any("gamma" in w.path for w in method.trainable_weights)
    with pytest.raises(BadInput, match="Say hypercolumn=false"):
        recipe.load("colorization_in1k", **{**small, **shape}).method()

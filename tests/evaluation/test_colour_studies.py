"""The colour proxy's studies: shift, depth, snapshots, top activations."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones, recipe, runner, workdir
from sslzoo.backbones import fields
from sslzoo.data.sources import Arrays
from sslzoo.errors import BadInput, UnknownName
from sslzoo.evaluation import feature_shift, snapshots, top_activations, tuned_layers
from sslzoo.optim import sgd
from sslzoo.optim.schedules import drops


def source(n=20, size=32, classes=2, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = random.integers(0, 120, (n, size, size, 3))
    images = (images + 130 * labels[:, None, None, None] // (classes - 1)).astype(
        "uint8"
    )
    return Arrays(images, labels, [str(i) for i in range(classes)])


def moved(model, amount):
    """A twin, of which the last convolution is mixed with noise."""
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    kernel, *rest = twin.get_layer("conv2").get_weights()
    noise = np.random.default_rng(0).normal(size=kernel.shape) * kernel.std()
    twin.get_layer("conv2").set_weights([kernel + amount * noise, *rest])
    return twin


def test_the_shift_is_pearsons_over_places_and_images():
    before = backbones.build("tiny")
    after, images = moved(before, 1.0), source()
    found = feature_shift.evaluate(before, after, images, 32, batch_size=6)
    x, y = (
        model(images.images / np.float32(255), training=False)
        for model in (before, after)
    )
    for name in ("block1", "block2", "pooled"):
        a, b = (
            np.asarray(z[name], "float64").reshape(-1, z[name].shape[-1])
            for z in (x, y)
        )
        alive = [c for c in range(a.shape[1]) if a[:, c].std() and b[:, c].std()]
        r = [np.corrcoef(a[:, c], b[:, c])[0, 1] for c in alive]
        truth = np.quantile(r, [0.25, 0.5, 0.75])
        ours = [found[name][key] for key in ("low", "median", "high")]
        np.testing.assert_allclose(ours, truth, atol=2e-4)
        assert found[name]["channels"] == a.shape[1]
        assert found[name]["constant"] == a.shape[1] - len(alive)
    assert found["block1"]["median"] == pytest.approx(1, abs=1e-5)
    assert found["block2"]["median"] < 0.95


def test_a_channel_that_is_dead_has_no_correlation():
    before = backbones.build("tiny")
    after = moved(before, 0)
    kernel = after.get_layer("conv2").kernel
    kernel.assign(kernel * np.array([0] + 15 * [1.0]))
    found = feature_shift.evaluate(before, after, source(), 32, names=["block2"])
    assert found["block2"]["constant"] == 1
    assert found["block2"]["low"] == pytest.approx(1, abs=1e-5)
    with pytest.raises(BadInput, match="block1 has 8 channels before and 4 after"):
        feature_shift.evaluate(before, backbones.build("tiny", width=4), source(), 32)


def test_a_window_is_all_that_a_cell_sees():
    """By the gradient of one cell, in the middle of an image, at four strides."""
    net = backbones.build("alexnet", form="single", width=1 / 16, norm="none", size=0)
    images = np.random.default_rng(0).random((1, 260, 260, 3)).astype("float32")
    for name, cell in {"conv1": 20, "pool1": 10, "conv3": 7, "pool5": 7}.items():
        x = tf.Variable(images)
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(net(x)[name][:, cell, cell] ** 2)
        seen = np.flatnonzero(np.abs(tape.gradient(y, x)).sum(axis=(0, 2, 3)))
        first, stride, side = fields.field_of_view(net, name)
        low = first + cell * stride
        # A max pool passes the gradient of the largest alone: less may be seen.
        assert max(low, 0) <= seen[0] and seen[-1] <= low + side - 1
        if name == "conv1":
            assert (seen[0], seen[-1]) == (low, low + side - 1)
        assert abs(seen.mean() - (low + (side - 1) / 2)) < 0.2 * side


@pytest.mark.parametrize(
    "name, truth", [("conv1_1", (-1, 1, 3)), ("conv2_1", (-4, 2, 10)), ("fc7", None)]
)
def test_the_fields_of_view_of_vgg16(name, truth):
    """Side 3 and 10; fc7's is 404 of stride 32, the 7 x 7 of fc6 on 212 of pool5."""
    net = backbones.build("vgg16", width=1 / 32)
    first, stride, side = fields.field_of_view(net, name)
    if truth:
        assert (first, stride, side) == truth
    else:
        assert (stride, side) == (32, 404)


def test_what_excites_a_channel_most_comes_first():
    """A bright square in the third of five dark pictures."""
    images = np.zeros((5, 32, 32, 3), "uint8")
    images[2, 16:20, 8:12] = 255
    images[4, 4:6, 24:26] = 128
    inputs = keras.Input((None, None, 3))
    ones = dict(kernel_initializer="ones", use_bias=False)
    x = keras.layers.ZeroPadding2D(4)(inputs)
    x = keras.layers.Conv2D(2, 4, strides=4, name="conv", **ones)(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    net = keras.Model(inputs, {"conv": x, "pooled": pooled})
    found = top_activations.evaluate(net, Arrays(images), 32, "conv", [1], k=2)
    first, second = found[1]
    assert (first["image"], second["image"]) == (2, 4)
    assert first["window"] == (16, 8, 4, 4) and second["window"] == (4, 24, 4, 4)
    assert first["value"] == pytest.approx(48) and second["value"] < 10
    with pytest.raises(BadInput, match="channels 0 to 1, not 2"):
        top_activations.evaluate(net, Arrays(images), 32, "conv", [2])
    with pytest.raises(BadInput, match="is no map"):
        top_activations.evaluate(net, Arrays(images), 32, "pooled")


def history():
    scores, losses = [0.2, 0.3, 0.35, 0.5, 0.52], [None, 4.0, 3.8, 3.0, 2.9]
    return [
        {
            "epoch": i,
            "step": 10 * i,
            "loss": loss,
            "probes": {"c": {"linear": s, "knn": 0}},
        }
        for i, (s, loss) in enumerate(zip(scores, losses))
    ]


def test_snapshots_tell_what_a_drop_of_the_rate_did():
    found = snapshots.evaluate(history(), drops(0.1, "0.5", 40), "c")
    assert (found["random"], found["last"], found["best"]) == (0.2, 0.52, 0.52)
    assert [p["rate"] for p in found["points"]] == pytest.approx([0.1] * 3 + [0.01] * 2)
    (drop,) = found["drops"]
    assert drop["step"] == 30
    assert drop["score"] == pytest.approx(0.15) and drop["loss"] == pytest.approx(-0.8)
    assert snapshots.evaluate(history(), drops(0.1, "", 40), "c")["drops"] == []


def test_the_rate_is_read_from_an_optimizer():
    optimizer = sgd.SGD(drops(0.1, "0.5,0.75", 40))
    rate = snapshots.rate_of(optimizer)
    found = [rate(step) for step in (0, 19, 20, 29, 30, 39)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)
    assert snapshots.drops_of(optimizer) == [20, 30]
    piecewise = keras.optimizers.schedules.PiecewiseConstantDecay([5, 7], [3, 2, 1.0])
    assert snapshots.drops_of(keras.optimizers.Adam(piecewise)) == [5, 7]
    falling = keras.optimizers.schedules.CosineDecay(0.1, 40)
    for smooth in (falling, 0.1):
        assert snapshots.drops_of(keras.optimizers.SGD(smooth)) == []
    found = snapshots.evaluate(history(), rate, "c")
    assert [drop["step"] for drop in found["drops"]] == [30, 40]


def test_a_run_without_snapshots_is_told():
    with pytest.raises(BadInput, match="not tried on 'd'; it was on: c"):
        snapshots.points(history(), drops(0.1, "", 40), "d")
    with pytest.raises(BadInput, match="tried on nothing"):
        snapshots.points([{"epoch": 0, "step": 0}], drops(0.1, "", 40), "d")


def network():
    keras.utils.set_random_seed(1)
    return backbones.build("vgg16", width=1 / 32, norm=False, dropout=0.0)


def test_only_layers_from_the_depth_on_are_fine_tuned():
    model = network()
    kept = ["conv1_1", "conv3_3", "conv4_1", "fc6", "fc7"]
    learning = {"none": 0, "fc6": 2, "conv4_1": 3, "all": 5}
    for depth, count in learning.items():
        net = tuned_layers.classifier(tuned_layers.frozen(model, depth), "pooled", 2)
        net.compile("sgd", "sparse_categorical_crossentropy")
        before = {name: net.get_layer(name).kernel.numpy() for name in kept}
        images = source(4)
        net.fit(images.images / np.float32(255), images.labels, verbose=0)
        same = [np.array_equal(net.get_layer(n).kernel, before[n]) for n in kept]
        assert same == (5 - count) * [True] + count * [False]
    few = source(20)
    with pytest.raises(UnknownName, match="Did you mean 'fc6'.*none, all, or one of"):
        tuned_layers.evaluate(model, few, few, 32, depths=("none", "fc66"))


@pytest.mark.slow
def test_fine_tuning_from_fc6_on_moves_fc6_of_an_alexnet():
    """Whose "pooled" is of pool5, so that its classifier would not see fc6 at all."""
    few = source(20)
    net = backbones.build("alexnet", form="single", geometry="small", width=1 / 16)
    maps = ("conv5", "fc6", "fc7")
    found = tuned_layers.evaluate(
        net, few, few, 32, ("none", "fc6"), rate=0.1, epochs=1, shift=maps
    )
    stayed, moved = found["none"]["shift"], found["fc6"]["shift"]
    assert all(stayed[k]["low"] == pytest.approx(1, abs=1e-5) for k in maps)
    assert moved["conv5"]["low"] == pytest.approx(1, abs=1e-5)
    assert moved["fc6"]["low"] < 0.999 and moved["fc7"]["low"] < 0.999
    with pytest.raises(BadInput, match="'pooled' of .* is before its layer 'fc6'"):
        tuned_layers.evaluate(net, few, few, 32, ("fc6",), feature="pooled")


class Told(Arrays):
    """Whose labels come with the items alone, as those of a tfds: set do."""

    def __init__(self, source):
        super().__init__(source.images)
        self.truth, self.uniform = source.labels, False

    @property
    def fields(self):
        return {**super().fields, "label": tf.TensorSpec([], tf.int64)}

    def read(self, index, window=None, smallest=None, only=None):
        item = super().read(index, window, smallest, only)
        return {**item, "label": self.truth[index]}


def test_labels_that_are_not_at_hand_are_read():
    few, settings = source(20), dict(depths=("none",), epochs=1)
    one, other = (
        tuned_layers.evaluate(backbones.build("tiny"), each, few, 32, **settings)
        for each in (few, Told(few))
    )
    assert one.keys() == other.keys()


def test_fine_tuning_ends_at_the_third_stall_and_leaves_the_model():
    """Two classes, dark and bright: told at once, so no epoch gains but the first."""
    keras.utils.set_random_seed(0)
    model = backbones.build("tiny")
    before = model.get_weights()
    found = tuned_layers.evaluate(
        model,
        source(60),
        source(20, seed=1),
        32,
        ("none", "conv2"),
        rate=0.1,
        batch_size=6,
        epochs=12,
        shift=["block1", "block2"],
    )
    for scores in found.values():
        assert scores["top1"] == scores["validation_top1"] == 1
        assert 4 <= scores["epochs"] < 12
    still, moved = (found[depth]["shift"] for depth in ("none", "conv2"))
    for one in (still["block1"], still["block2"], moved["block1"]):
        assert one["low"] == pytest.approx(1, abs=1e-5)
    assert moved["block2"]["low"] < 0.999
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_the_commands_make_table_6_figure_3_and_figure_4(
    command, tmp_path, monkeypatch
):
    """Probes at half an epoch; layers fine-tuned, and how far that moved them."""
    name, run = "colorization_alexnet_cifar10", tmp_path / "run"
    small = recipe.module(recipe.find(name)).SMALL
    small |= {"data": "toyworld:train?count=24&size=32", "drops": "0.5"}
    small |= {"test": "toyworld:test?count=12&size=32"}
    knobs = [f"{knob}={value}" for knob, value in small.items()]
    code, _, err = command("train", name, *knobs, "--workdir", run, "--probe-at", 0.5)
    assert code == 0, err
    assert "epoch 0.5  loss" in err
    folder = workdir.Workdir(run)
    tried = [(row["epoch"], row["step"]) for row in folder.history()]
    assert tried == [(0, 0), (0.5, 3), (1, 6)]
    _, plan = runner.trained(folder)
    rate = snapshots.rate_of(plan.optimizer())
    (drop,) = snapshots.evaluate(folder.history(), rate, "cifar10")["drops"]
    assert drop["step"] == 6

    words = ["evaluate", run, "--protocol", "finetune", "--depths", "none,fc6"]
    kept = tmp_path / "scores.json"
    code, out, err = command(*words, "--epochs", 1, "--out", kept)
    assert code == 0, err
    for said in ("fine-tuned: none", "fine-tuned: fc6", "fc7", "1.00 [1.00, 1.00]"):
        assert said in out
    found = json.loads(kept.read_text())["cifar10"]
    (row,) = found["fine-tuned: fc6"]["runs"]
    assert set(row["trained"]["shift"]) >= {"conv1", "conv5", "fc7"}
    assert row["trained"]["shift"]["conv5"]["low"] == pytest.approx(1, abs=1e-5)
    for one in (row["trained"], row["random"]):
        assert 0 <= one["top1"] <= 1 and one["epochs"] == 1
    code, _, err = command(*words[:-1], "none,fc66")
    assert code == 1 and "Did you mean 'fc6'" in err
    code, _, err = command("evaluate", run, "--depths", "all")
    assert code == 1 and "of --protocol finetune" in err

    seen = []

    def compare(runs, *_):
        seen.extend(network for _, *both in runs for network in both)
        return {}

    monkeypatch.setattr(tuned_layers, "compare", compare)
    for more in ([], ["--rgb"]):
        code, _, err = command(*words, *more)
        assert code == 0, err
    kernels = [network.get_layer("conv1").kernel.shape[2] for network in seen]
    assert kernels == [1, 1, 3, 3]

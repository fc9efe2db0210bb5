"""RevNet against plain NumPy, and its saving of memory against plain backprop."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones
from sslzoo.backbones import fold, revnet
from sslzoo.backbones.layers import BatchNorm
from sslzoo.backbones.revnet import ReversibleBlock
from sslzoo.errors import BadInput, UnknownName
from tests.runs import slow


@contextlib.contextmanager
def policy(name):
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def small(save_memory=False, dtype="float32", units=(2, 1, 1, 1), **options):
    """16 channels to 128."""
    with policy(dtype):
        options = {"width": 1 / 16, "units": units, **options}
        return alive(backbones.build("revnet50", save_memory=save_memory, **options))


def brief(save_memory=False, dtype="float32", units=2):
    """The root and two blocks of it: `units`, and one more. 8 channels, then 16."""
    with policy(dtype):
        images = keras.Input((None, None, 3))
        x = revnet.root(images, 8, "imagenet", save_memory)
        for block, (inner, count) in {"first": (1, units), "second": (2, 1)}.items():
            if block == "second":
                x = revnet.transition(x, 2, block)
            parts = [revnet.unit(inner, f"{block}_{i}") for i in range(count)]
            x = ReversibleBlock(parts, save_memory, name=block)(x)
        pooled = keras.layers.GlobalAveragePooling2D()(x)
        return alive(keras.Model(images, {"pooled": pooled}))


def alive(model):
    """The same weights each time, none of them special."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith("kernel"):
            deviation = np.prod(weight.shape[:-1]) ** -0.5
            weight.assign(rng.normal(0, deviation, weight.shape))
        else:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def pictures(n=8, side=32, dtype="float32"):
    return np.random.default_rng(1).random((n, side, side, 3)).astype(dtype)


def parameters(**options):
    model = backbones.build("revnet50", **options)
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def test_the_parameters_are_those_of_the_sheet():
    """Section 1.5. They are a k^2 + b k: two narrow networks tell them of all k."""
    assert parameters() == 5_408_640
    one, two = (parameters(width=w) for w in (1 / 32, 1 / 16))  # k = 1/8, 1/4
    a, b = 32 * two - 64 * one, 16 * one - 4 * two
    assert a * 4**2 + b * 4 == 5_408_640
    for k, millions in {8: 21.5, 12: 48.3, 16: 85.8}.items():
        assert round((a * k**2 + b * k) / 1e6, 1) == millions


def test_the_stages_have_the_channels_and_strides_of_the_sheet():
    info = backbones.feature_info(small(), 224)
    assert [stage["stride"] for stage in info] == [4, 4, 8, 16, 32]
    assert [stage["channels"] for stage in info] == [16, 16, 32, 64, 128]
    patch = backbones.feature_info(small(stem="patch"), 64)
    assert [stage["stride"] for stage in patch] == [2, 2, 4, 8, 8]


def test_the_last_relu_and_the_representation_are_options():
    images = pictures(2)
    minus = small(last_relu=False)(images)["pooled"]
    assert np.min(minus) < 0 <= np.min(small()(images)["pooled"])
    model = small(representation=10)
    assert model.output["pooled"].shape == (None, 10)
    assert model.get_layer("representation_conv").kernel.shape == (1, 1, 128, 10)


def test_the_root_pads_with_zeros_that_win_over_negative_values():
    """7x7 of ones over an image of -1. The last window ends where the map does: the 7x7
    around row 30 of 32 has five rows in the image.
    """
    model = small(channels=1, width=1 / 32)
    root = keras.Model(model.input, model.output["after_root"])
    root.get_layer("root_conv").set_weights([np.ones((7, 7, 1, 8), "float32")])
    answer = np.asarray(root(-np.ones((1, 32, 32, 1), "float32")))[0, :, :, 0]
    assert answer.shape == (8, 8)
    assert answer[0, 0] == answer[0, 3] == answer[3, 0] == 0
    assert answer[3, 3] == -49 and answer[-1, 3] == -5 * 7


def test_a_plain_numpy_network_gives_the_same_two_blocks():
    model = small(units=(2, 1, 1, 1))
    w = {weight.path: np.asarray(weight, np.float64) for weight in model.weights}
    outputs = {k: np.asarray(v) for k, v in model(pictures(1)).items()}

    def conv(x, name):
        kernel = w[f"{name}/kernel"]
        margin = len(kernel) // 2
        padded = np.pad(x, [(margin, margin)] * 2 + [(0, 0)])
        places = np.ndindex(kernel.shape[:2])
        high, wide = x.shape[:2]
        return sum(padded[i : i + high, j : j + wide] @ kernel[i, j] for i, j in places)

    def norm_relu(x, name):
        g, b, m, v = (
            w[f"{name}_bn/{k}"]
            for k in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return np.maximum(g * (x - m) / np.sqrt(v + 1e-3) + b, 0)

    def unit(x, name):
        half = x.shape[-1] // 2
        x1, x2 = x[..., :half], x[..., half:]
        y = conv(norm_relu(x2, f"{name}_pre"), f"{name}_conv1")
        y = conv(norm_relu(y, f"{name}_1"), f"{name}_conv2")
        y = conv(norm_relu(y, f"{name}_2"), f"{name}_conv3")
        return np.concatenate([x2, x1 + y], axis=-1)

    x = unit(unit(outputs["after_root"][0], "block1_0"), "block1_1")
    np.testing.assert_allclose(outputs["block1"][0], x, rtol=1e-3, atol=1e-3)
    x = (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4
    x = unit(np.pad(x, [(0, 0), (0, 0), (8, 8)]), "block2_0")
    np.testing.assert_allclose(outputs["block2"][0], x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-11), ("float32", 1e-4)])
@pytest.mark.parametrize("units", [1, 5])
def test_what_comes_out_of_a_block_gives_back_what_was_in_it(units, dtype, tolerance):
    block = small(dtype=dtype, units=(units, 1, 1, 1)).get_layer("block1")
    x = np.random.default_rng(2).normal(size=(2, 5, 4, 16)).astype(dtype)
    y = block(x)
    assert np.abs(y - x).max() > 0.1
    far = np.abs(block.invert(y) - x).max()
    assert far <= tolerance * np.abs(y).max()


def step(model, images, graph=True):
    """Gradients of weights and images, and the weights afterwards."""
    size = model.output["pooled"].shape[-1]
    mix = np.random.default_rng(3).normal(size=(len(images), size))
    values = [weight.value for weight in model.trainable_weights]

    def run(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            out = model(images, training=True)
            loss = tf.reduce_sum(tf.cast(out["pooled"], "float64") * mix)
            if "block2" in out:  # A feature in the middle has a loss of its own.
                loss += 0.01 * tf.reduce_sum(tf.cast(out["block2"], "float64") ** 2)
        return tape.gradient(loss, [*values, images])

    found = (tf.function(run) if graph else run)(tf.constant(images))
    names = [*(weight.path for weight in model.trainable_weights), "images"]
    return dict(zip(names, map(np.float64, found))), model.get_weights()


def compare(found, expected, tolerance, statistics=1e-6):
    (gradients, weights), (theirs, others) = found, expected
    assert gradients.keys() == theirs.keys()
    for name, value in theirs.items():
        assert np.abs(value).max() > 0, name
        far = np.abs(gradients[name] - value).max() / np.abs(value).max()
        assert far <= tolerance, (name, far)
    for ours, other in zip(weights, others):
        np.testing.assert_allclose(ours, other, rtol=statistics, atol=statistics)


@pytest.mark.parametrize(
    "dtype, tolerance, graph, n",
    [
        ("float64", 1e-8, True, 8),
        slow("float64", 1e-8, False, 3),  # No whole pieces for the root.
        slow("float32", 1e-3, True, 8),
    ],
)
def test_gradients_and_averages_are_those_of_plain_backprop(dtype, tolerance, graph, n):
    images = pictures(n)
    plain = step(small(dtype=dtype), images)
    model = small(True, dtype)
    before = model.get_weights()
    found = step(model, images, graph)
    compare(found, plain, tolerance, 1e-12 if dtype == "float64" else 1e-6)
    assert any(np.any(a != b) for a, b in zip(before, found[1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype, tolerance, units",
    [
        ("float64", 1e-8, (3, 4, 6, 3)),
        ("float32", 1e-3, (3, 4, 6, 3)),
        ("float32", 1e-3, (6, 8, 12, 6)),
    ],
)
def test_so_they_are_at_the_depth_of_a_revnet50_and_at_twice_that(
    dtype, tolerance, units
):
    """Each block is inverted unit by unit: what rounding does to one, the next has."""
    images = pictures(4, 64)
    plain = step(small(dtype=dtype, units=units), images)
    found = step(small(True, dtype, units=units), images)
    compare(found, plain, tolerance, 1e-12 if dtype == "float64" else 1e-5)


@pytest.mark.slow
def test_channels_of_zeros_with_their_beta_at_zero_get_the_same_gradient():
    """As at the start of training: they lie on the edge of a ReLU, and stay there."""
    found = []
    for save_memory in (False, True):
        with policy("float64"):
            keras.utils.set_random_seed(0)
            options = dict(width=1 / 16, stem="small", units=(1, 3, 1, 1))
            model = backbones.build("revnet50", save_memory=save_memory, **options)
        found.append(step(model, pictures(4, 16))[0]["block2_0_pre_bn/beta"])
    assert (found[0] == 0).sum() == 8 and not found[1][found[0] == 0].any()


def test_weights_that_are_frozen_stay_and_let_the_gradient_through():
    found = []
    for save_memory in (False, True):
        model = brief(save_memory, "float64")
        model.get_layer("second").trainable = False
        unit = model.get_layer("first").units[1]
        unit.get_layer("first_1_pre_bn").trainable = False
        unit.get_layer("first_1_conv1").trainable = False
        model.get_layer("root_conv").trainable = False
        found.append(step(model, pictures()))
    compare(found[1], found[0], 1e-8, 1e-12)
    forward = tf.function(lambda: model(pictures(), training=True))
    operations = forward.get_concrete_function().graph.get_operations()
    assigned = [op for op in operations if op.type == "AssignVariableOp"]
    assert len(assigned) == 2 * (3 + 2)  # Mean and variance of what is not frozen.


def test_in_bfloat16_the_sums_are_kept_in_full_and_so_the_gradients_are_the_same():
    """To the rounding of F's own numbers: of the largest a few parts in 2^8, each time.

    Through three units that is ten at most. Where a processor has no units for
    bfloat16 it rounds more often: of one such 5.4 were seen.
    """
    plain, found = (step(brief(s, "mixed_bfloat16"), pictures()) for s in (0, 1))
    compare(found, plain, 10 / 2**8, 1e-3)


def traced(save_memory, units):
    """The graph of a step, and how many of its operations are of the forward pass."""
    model = brief(save_memory, units=units)
    values, ahead = [weight.value for weight in model.trainable_weights], []

    @tf.function
    def run(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True)["pooled"])
        ahead.append(len(tf.compat.v1.get_default_graph().get_operations()))
        return tape.gradient(loss, values)

    operations = run.get_concrete_function(tf.ones((4, 32, 32, 3))).graph
    return operations.get_operations(), ahead[-1]


def kept(save_memory, units):
    """Numbers in the maps that the forward pass must keep for the backward pass."""
    operations, ahead = traced(save_memory, units)
    forward = set(operations[:ahead])
    used = {t.ref(): t for op in operations[ahead:] for t in op.inputs}
    sizes = [
        t.shape.num_elements()
        for t in used.values()
        if t.op in forward and t.shape.rank == 4 and t.shape[0] == 4
    ]
    return sum(sizes)


def test_what_is_kept_does_not_grow_with_the_units():
    plain = [kept(False, units) for units in (1, 2, 3)]
    assert plain[2] - plain[1] == plain[1] - plain[0] > 2000
    saving = [kept(True, units) for units in (1, 2, 3)]
    assert saving[0] == saving[1] == saving[2] < plain[0] / 2


def test_a_unit_is_computed_again_when_that_behind_it_is_done():
    """Else TensorFlow begins with all of them at once."""
    operations, ahead = traced(True, 3)

    def of_the_first_block(kind):
        """Whose maps have 8 x 8 places."""
        backward = [op for op in operations[ahead:] if op.type == kind]
        return [op for op in backward if op.inputs[0].shape[1:3] == [8, 8]]

    def waits_for(op):
        seen, rest = set(), [op]
        while rest:
            op = rest.pop()
            before = {*(t.op for t in op.inputs), *op.control_inputs} - seen
            seen |= before
            rest += before
        return seen

    again = of_the_first_block("Conv2D")
    filters = set(of_the_first_block("Conv2DBackpropFilter"))
    assert len(again) == len(filters) == 3 * 3
    assert [len(waits_for(op) & filters) for op in again] == 3 * [0] + 3 * [3] + 3 * [6]


def test_two_replicas_have_the_gradients_and_averages_of_one(two_replicas):
    images = pictures(8)
    mix = np.random.default_rng(3).normal(size=(8, 16)).astype("float32")

    def gradients(model, images, mix):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True)["pooled"] * mix)
        values = [weight.value for weight in model.trainable_weights]
        return tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, values)], 0)

    alone = brief()
    expected = tf.function(gradients)(alone, images, mix).numpy()
    with two_replicas.scope():
        model = brief(True)
    halves = [
        two_replicas.experimental_distribute_values_from_function(
            lambda c, x=x: tf.constant(np.split(x, 2)[c.replica_id_in_sync_group])
        )
        for x in (images, mix)
    ]

    @tf.function
    def both(images, mix):
        found = two_replicas.run(gradients, (model, images, mix))
        return two_replicas.reduce("SUM", found, axis=None)

    found = both(*halves).numpy()
    ends = np.cumsum([np.prod(w.shape) for w in alone.trainable_weights])[:-1]
    for ours, theirs in zip(np.split(found, ends), np.split(expected, ends)):
        assert np.abs(ours - theirs).max() <= 1e-3 * np.abs(theirs).max()
    for ours, theirs in zip(model.non_trainable_weights, alone.non_trainable_weights):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_fit_that_accumulates_ends_with_the_weights_of_plain_backprop():
    found = []
    for save_memory in (False, True):
        backbone = brief(save_memory, "float64")
        model = keras.Model(backbone.input, backbone.output["pooled"])
        optimizer = keras.optimizers.SGD(
            1e-3, momentum=0.9, gradient_accumulation_steps=2
        )
        model.compile(optimizer, "mse", jit_compile="auto" if save_memory else False)
        assert not model.jit_compile
        targets = np.zeros((16, 16))
        options = dict(batch_size=4, epochs=2, shuffle=False, verbose=0)
        loss = model.fit(pictures(16), targets, **options).history["loss"]
        assert loss[1] < loss[0]
        found.append(model.get_weights())
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_xla_whose_order_is_its_own_is_not_asked_to_save_memory():
    for save_memory in (False, True):
        layers = [brief(save_memory).get_layer(n) for n in ("root_conv", "second")]
        assert [layer.supports_jit for layer in layers] == 2 * [not save_memory]


def test_a_tape_remembers_nothing_of_the_units_in_eager_mode_either(monkeypatch):
    block, seen = brief(True).get_layer("first"), []
    for unit in block.units:

        def spy(weights, others, x, run=unit.stateless_call, **options):
            result = run(weights, others, x, **options)
            seen.append((x, result[0]))
            return result

        monkeypatch.setattr(unit, "stateless_call", spy)
    x = tf.random.stateless_normal((2, 4, 4, 8), (0, 1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = block(x, training=True)
    assert [tape.gradient(out, into) for into, out in seen] == [None, None]
    assert tape.gradient(y, x) is not None


def test_it_can_be_saved_and_read_back_with_the_names_of_its_weights(tmp_path):
    model, images = small(True), pictures(2)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again(images)["pooled"], model(images)["pooled"])
    assert [w.path for w in again.weights] == [w.path for w in model.weights]
    assert again.get_layer("block1").save_memory
    assert "block1_0_conv2/kernel" in {w.path for w in again.weights}
    model.save_weights(tmp_path / "net.weights.h5")
    plain = small()
    plain.get_layer("root_conv").kernel.assign(plain.get_layer("root_conv").kernel * 0)
    plain.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_array_equal(plain(images)["pooled"], model(images)["pooled"])


def test_units_are_folded_and_give_the_same_features():
    model, images = small(), pictures(2)
    light = fold.folded(model)
    for name, value in model(images).items():
        far = np.abs(light(images)[name] - value).max()
        assert far <= 1e-4 * np.abs(value).max()
    (unit, _) = light.get_layer("block1").units
    kinds = [type(layer) for layer in unit.layers]
    assert BatchNorm not in kinds and kinds.count(fold.Affine) == 1
    assert isinstance(light.get_layer("block1"), ReversibleBlock)


def test_wrong_options_are_told():
    with pytest.raises(BadInput, match="four whole numbers"):
        backbones.build("revnet50", units=(3, 4, 6))
    with pytest.raises(BadInput, match="width=0.01"):
        backbones.build("revnet50", width=0.01)
    with pytest.raises(UnknownName, match="imagenet, small, patch"):
        backbones.build("revnet50", stem="cifar")

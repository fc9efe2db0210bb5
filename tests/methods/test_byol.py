"""BYOL against its paper: laws of one step, and a step written out in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.backbones.tiny import tiny
from sslzoo.errors import BadInput
from sslzoo.methods import byol
from sslzoo.methods.byol import BYOL
from sslzoo.optim.lars import LARS


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    # Of different colours, lest a normalisation magnify what float32 rounds off.
    view1, view2 = rng.random((2, 8, 32, 32, 3)) * rng.random((2, 8, 1, 1, 3))
    view1, view2 = view1.astype("float32"), view2.astype("float32")
    labels = np.arange(8) % 2
    return {
        "view1": tf.constant(view1),
        "view2": tf.constant(view2),
        "label": tf.constant(labels),
    }


def make(backbone=None, optimizer=None, accumulate=1, **settings):
    settings = {"steps": 10, "hidden": 16, "outputs": 8, **settings}
    method = BYOL(backbone or tiny(), example=byol.example(32), **settings)
    method.compile(optimizer or keras.optimizers.SGD(0.1), accumulate)
    return method


def kernels(model):
    return [w.numpy() for w in model.weights if w.path.endswith("kernel")]


def test_the_target_moves_by_one_minus_tau(batch):
    method = make(base_tau=0.9)
    before = kernels(method.target_projector)
    method.train_step(batch)
    after, online = kernels(method.target_projector), kernels(method.projector)
    for old, new, fast in zip(before, after, online):
        np.testing.assert_allclose(new, 0.9 * old + 0.1 * fast, rtol=1e-5, atol=1e-7)


def test_no_gradient_reaches_the_target(batch):
    method = make(base_tau=1.0)
    before = kernels(method.target_backbone)
    method.train_step(batch)
    for old, new in zip(before, kernels(method.target_backbone)):
        np.testing.assert_array_equal(old, new)


def test_the_target_is_not_in_the_optimizer():
    method = make()
    target = {id(w) for w in method.target_backbone.weights}
    target |= {id(w) for w in method.target_projector.weights}
    assert not target & {id(w) for w in method.trainable_variables}


@pytest.mark.parametrize(
    "run, taus",
    [  # Sheet, section 1.1, at a batch of 4096.
        (
            (0.996, 312784),
            {0: 0.996, 78196: 0.99658579, 156392: 0.998, 234588: 0.99941421},
        ),
        ((0.99, 93835), {3127: 0.990027376, 46917: 0.99499992}),
    ],
)
def test_tau_follows_the_official_schedule(run, taus):
    method = make(base_tau=run[0], steps=run[1])
    for step, tau in taus.items():
        method.optimizer.iterations.assign(step)
        np.testing.assert_allclose(method.tau(), tau, atol=1e-6)
    for step in (run[1], run[1] + 1, 2 * run[1]):  # And does not fall again.
        method.optimizer.iterations.assign(step)
        assert float(method.tau()) == 1


def test_the_loss_is_the_sum_of_both_directions_not_their_mean(batch):
    """Swapping the views changes nothing, and orthogonal outputs would cost four."""
    method = make()
    loss = float(method.test_step(batch)["loss"])
    swapped = dict(batch, view1=batch["view2"], view2=batch["view1"])
    method.reset_metrics()
    np.testing.assert_allclose(method.test_step(swapped)["loss"], loss, rtol=1e-5)
    looks = method.look(batch)
    p = [method.predictor(looks[z], training=False) for z in ("z1", "z2")]
    cosine = keras.losses.cosine_similarity
    each = [
        4 + 2 * cosine(p[0], looks["target2"]) - 2 + 0,
        2 * cosine(p[1], looks["target1"]),
    ]
    expected = np.mean(each[0] + 2 + each[1])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_each_view_is_normalised_by_itself(batch):
    """Two passes: the running averages move twice in a step, once for each view."""
    method = make()
    norm = method.backbone.get_layer("norm1")
    conv = keras.Model(method.backbone.input, method.backbone.get_layer("conv1").output)
    means = [np.mean(conv(batch[v]), axis=(0, 1, 2)) for v in ("view1", "view2")]
    expected = 0.9 * (0.9 * np.zeros(8) + 0.1 * means[0]) + 0.1 * means[1]
    method.train_step(batch)
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-4, atol=1e-6)


def test_the_probe_teaches_the_backbone_nothing(batch):
    """With the loss taken away, only the classifier moves."""
    method = make(classes=2, base_tau=1.0, optimizer=keras.optimizers.SGD(1.0))
    with tf.GradientTape() as tape:
        pooled = method.pooled(batch["view1"])
        loss, _ = method.probe(pooled, batch)
    learn = tape.gradient(loss, [w.value for w in method.trainable_variables])
    moved = [w.path for w, g in zip(method.trainable_variables, learn) if g is not None]
    assert moved and all(path.startswith("classifier") for path in moved)


def test_the_probe_is_part_of_a_step_and_uses_labels(batch):
    method = make(classes=2)
    before = kernels(method.classifier)
    logs = method.train_step(batch)
    assert 0 <= float(logs["probe"]) <= 1 and method.uses == ("label",)
    assert abs(before[0] - kernels(method.classifier)[0]).max() > 0
    assert make().uses == ()


def linear_backbone():
    """Mean colour, then one linear layer: what NumPy below computes too."""
    images = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D()(images)
    x = keras.layers.Dense(6, name="features")(x)
    return keras.Model(images, {"pooled": x})


def test_a_step_is_the_one_written_out_in_numpy(batch):
    """Forward in float64, gradient by central differences, LARS and target by hand."""
    lars = dict(learning_rate=0.5, momentum=0.9, decay=0.01, trust=0.1)
    method = make(linear_backbone(), LARS(**lars), base_tau=0.9)
    for index, weight in enumerate(method.trainable_variables):
        noise = np.random.default_rng(index).normal(0, 0.5, weight.shape)
        weight.assign(noise + (1.0 if "gamma" in weight.path else 0.0))
    online = {w.path: np.asarray(w, np.float64) for w in method.trainable_variables}
    fast = [*method.backbone.weights, *method.projector.weights]
    slow = [*method.target_backbone.weights, *method.target_projector.weights]
    slow = {f.path: np.asarray(s, np.float64) for f, s in zip(fast, slow)}
    views = [np.asarray(batch[v], np.float64).mean((1, 2)) for v in ("view1", "view2")]

    def head(x, w, name):
        x = x @ w[f"{name}/hidden1/kernel"] + w[f"{name}/hidden1/bias"]
        x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
        x = x * w[f"{name}/norm1/gamma"] + w[f"{name}/norm1/beta"]
        return np.maximum(x, 0) @ w[f"{name}/out/kernel"]

    def project(view, w):
        return head(view @ w["features/kernel"] + w["features/bias"], w, "projector")

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    targets = [unit(project(view, slow)) for view in views]

    def loss(w):
        p1, p2 = (unit(head(project(view, w), w, "predictor")) for view in views)
        return np.mean(np.sum((p1 - targets[1]) ** 2 + (p2 - targets[0]) ** 2, axis=1))

    expected = loss(online)
    logs = method.train_step(batch)
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)

    for weight in method.trainable_variables:
        path, old = weight.path, online[weight.path]
        gradient = np.zeros_like(old)
        for place in np.ndindex(old.shape):
            up, down = old.copy(), old.copy()
            up[place] += 1e-5
            down[place] -= 1e-5
            gradient[place] = loss({**online, path: up}) - loss({**online, path: down})
        gradient /= 2e-5
        if path.endswith("kernel"):
            gradient += 0.01 * old
            gradient *= 0.1 * np.linalg.norm(old) / np.linalg.norm(gradient)
        # A bias before a normalisation has no gradient but float32 noise.
        np.testing.assert_allclose(weight, old - 0.5 * gradient, rtol=2e-4, atol=2e-5)


def test_four_accumulated_batches_are_one_step_of_all(batch):
    """Of equal batches, whose statistics are equal too: then it is exact."""
    once, four = make(), make(accumulate=4)
    for part in (
        "backbone",
        "projector",
        "predictor",
        "target_backbone",
        "target_projector",
    ):
        getattr(four, part).set_weights(getattr(once, part).get_weights())
    before = kernels(four.backbone), kernels(four.target_backbone)
    for turn in range(4):
        four.train_step(batch)
        if turn < 3:
            now = kernels(four.backbone), kernels(four.target_backbone)
            for old, new in zip(before[0] + before[1], now[0] + now[1]):
                np.testing.assert_array_equal(old, new)
    once.train_step(batch)
    assert int(four.optimizer.iterations) == int(once.optimizer.iterations) == 1
    for part in ("backbone", "predictor", "target_backbone", "target_projector"):
        for a, b in zip(kernels(getattr(once, part)), kernels(getattr(four, part))):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_half_precision_keeps_its_losses_and_variables_in_full(batch):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        method = make()
        logs = method.train_step(batch)
    finally:
        keras.config.set_dtype_policy("float32")
    assert logs["loss"].dtype == tf.float32 and np.isfinite(logs["loss"])
    assert {w.dtype for w in method.trainable_variables} == {"float32"}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_float16_cannot_take_is_not_taken_by_the_target_either(
    batch, accumulate
):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        method = make(accumulate=accumulate, base_tau=0.5)
    finally:
        keras.config.set_dtype_policy("float32")
    scale = method.optimizer.dynamic_scale

    def after_a_step():
        for _ in range(accumulate):
            method.train_step(batch)
        return kernels(method.projector), kernels(method.target_projector)

    before = kernels(method.projector), kernels(method.target_projector)
    scale.assign(2.0**126)  # A gradient times this is more than any number.
    for old, new in zip(before, after_a_step()):
        np.testing.assert_array_equal(old[0], new[0])
    assert float(scale) == 2.0**125 and int(method.optimizer.iterations) == 0
    scale.assign(2.0**10)
    for old, new in zip(before, after_a_step()):
        assert np.isfinite(new[0]).all() and abs(old[0] - new[0]).max() > 0
    assert int(method.optimizer.iterations) == 1


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_xla_compiles_the_whole_step_to_the_same_step(batch, accumulate):
    """Within what float32 rounds off when sums are ordered otherwise."""

    def trained(jit):
        keras.utils.set_random_seed(0)
        method = make(optimizer=LARS(0.1), classes=2)
        method.compile(method.optimizer, accumulate, jit_compile=jit)
        batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
        method.make_train_function()
        losses = [method.train_function(batches)["loss"].numpy() for _ in range(4)]
        return losses, method.get_weights()

    (plain, weights), (compiled, same) = trained(False), trained(True)
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
    for one, other in zip(weights, same):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4)


def test_fit_takes_a_dataset_of_plain_images():
    """The line a newcomer writes: pictures in, a trained backbone out."""
    images = np.random.default_rng(0).integers(0, 255, (16, 40, 40, 3), "uint8")
    method = make()
    history = method.fit(
        tf.data.Dataset.from_tensor_slices(images).batch(8), epochs=2, verbose=0
    )
    assert (
        np.isfinite(history.history["loss"]).all() and len(history.history["loss"]) == 2
    )
    assert int(method.optimizer.iterations) == 4
    single = tf.data.Dataset.from_tensor_slices(images)
    method.fit(single, batch_size=4, verbose=0)
    assert int(method.optimizer.iterations) == 8


def test_fit_takes_no_floats_from_0_to_255():
    """Which is what `image_dataset_from_directory` gives."""
    images = np.random.default_rng(0).uniform(0, 255, (4, 20, 24, 3))
    data = tf.data.Dataset.from_tensor_slices(images.astype("float32"))
    method = make()
    before = method.get_weights()
    with pytest.raises(BadInput, match="as it seems, 0 to 255. Divide by 255"):
        method.fit(data.batch(4), verbose=0)
    for old, new in zip(before, method.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_fit_says_what_it_takes():
    from sslzoo.errors import BadInput

    method = make()
    with pytest.raises(BadInput, match="it takes images"):
        method.fit(tf.data.Dataset.range(4))
    with pytest.raises(BadInput, match="batch_size"):
        method.fit(tf.data.Dataset.from_tensor_slices(np.zeros((4, 8, 8, 3), "uint8")))


def test_a_backbone_without_pooled_is_refused():
    from sslzoo.errors import BadInput

    plain = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    with pytest.raises(BadInput, match="'pooled'"):
        make(plain)


def test_a_second_compile_leaves_nothing_of_the_first():
    """Which would be kept in every checkpoint, and published with the heads."""
    method = make(accumulate=2)
    once = len(method.variables)
    method.compile(keras.optimizers.SGD(0.1), accumulate=2)
    assert len(method.variables) == once
    method.compile(keras.optimizers.SGD(0.1))
    assert len(method.variables) < once

"""Conformance: that what is installed here computes what the papers say.

    sslzoo verify

or in Python, `from sslzoo import verify; verify.run()`.

A method that is subtly wrong still trains. So each mistake that is known to have been
made somewhere has a check here, that compares with a value worked by hand, written out
in NumPy, or published. Each is a function without arguments; the first line of its
docstring is what is said to the user, and it raises `Failed` if that is not so.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from sslzoo import workdir
from sslzoo.augment import views
from sslzoo.backbones import fold, layers, tiny
from sslzoo.data import pipeline, sources
from sslzoo.errors import BadInput, SslzooError
from sslzoo.evaluation import knn, linear
from sslzoo.losses import regression
from sslzoo.methods import byol
from sslzoo.methods.base import Method
from sslzoo.optim import schedules
from sslzoo.optim.lars import LARS
from sslzoo.zoo import artifacts, export, load, registry, store, sums
from sslzoo.zoo import input as inputs


class Failed(SslzooError, AssertionError):
    """A check whose sentence is not true here."""


def run(progress=lambda done, of: None):
    """Runs all checks, on the device that training would use.

    Args:
        progress: called as progress(done, of) after each check.

    Returns:
        {"passed", "seconds", "versions", "checks": [{"name", "words", "passed",
        "failure", "seconds"}, ...]}; "failure" is "" where there is none.
    """
    if keras.config.backend() != "tensorflow":
        raise BadInput(
            "What is verified here trains, which needs TensorFlow, and Keras runs on "
            f"{keras.config.backend()}: set KERAS_BACKEND=tensorflow."
        )
    checks, rows = [*CHECKS, *shipped()], []
    with exact():
        for check in checks:
            rows.append(tried(check))
            progress(len(rows), len(checks))
    return {
        "passed": all(row["passed"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows), 2),
        "versions": {
            **workdir.versions(),
            "devices": [device.name for device in tf.config.list_logical_devices()],
        },
        "checks": rows,
    }


def tried(check):
    start, failure = time.monotonic(), ""
    try:
        check()
    except SslzooError as error:
        failure = str(error)
    except Exception as error:  # Whatever it is, the others are still to be tried.
        failure = f"It did not come to an end. {type(error).__name__}: {error}"
    return {
        "name": check.__name__,
        "words": check.__doc__.partition("\n")[0],
        "passed": not failure,
        "failure": failure,
        "seconds": round(time.monotonic() - start, 2),
    }


@contextlib.contextmanager
def exact():
    """One worker, and full precision, whatever the user has set, who gets it back."""
    policy = keras.config.dtype_policy()
    short = tf.config.experimental.tensor_float_32_execution_enabled()
    cluster = os.environ.pop("TF_CONFIG", None)
    keras.config.set_dtype_policy("float32")
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        tf.config.experimental.enable_tensor_float_32_execution(short)
        if cluster is not None:
            os.environ["TF_CONFIG"] = cluster


def same(found, expected, what, rtol=1e-4, atol=1e-6):
    """Raises unless the numbers are equal, to |found - expected| <= atol + rtol |e|."""
    found = np.asarray(found, np.float64)
    expected = np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise Failed(
            f"{what}: expected numbers of shape {list(expected.shape)}, got "
            f"{list(found.shape)}."
        )
    off = np.abs(found - expected) - rtol * np.abs(expected)
    if not (off <= atol).all():  # Also where there are NaN.
        worst = np.unravel_index(np.argmax(np.nan_to_num(off, nan=np.inf)), off.shape)
        where = f" at {[int(i) for i in worst]}" if worst else ""
        raise Failed(
            f"{what}: expected {expected[worst]:.8g}, got {found[worst]:.8g}{where}."
        )


def true(holds, what):
    if not holds:
        raise Failed(what)


# The equations.


def loss_values():
    """The loss of two directions is 2 - 2 cos: 0 alike, 2 across, 4 opposite."""
    pairs = [
        ("alike, of other lengths", (3, 4), (6, 8), 0),
        ("across", (1, 0), (0, 5), 2),
        ("opposite", (1, 2), (-2, -4), 4),
        ("of (3, 4) and (4, 3)", (3, 4), (4, 3), 2 - 2 * 24 / 25),
    ]
    for what, p, y, expected in pairs:
        found = regression.cosine_distance(np.float32([p]), np.float32([y]))
        same(found, expected, f"loss, {what}", atol=1e-5)
    p, y = (np.float32([pair[side] for pair in pairs]) for side in (1, 2))
    same(regression.cosine_distance(p, y), 6.08 / 4, "loss, the mean of all four")


def learning_rates():
    """The learning rate is the published one: a line up from 0, then half a cosine."""
    published = {  # (peak, steps, warm-up): {step: rate}; batch 4096 and Imagenette.
        (3.2, 312784, 3127): {
            **{0: 0, 1: 0.0010233, 3127: 3.2, 78195: 2.757979},
            **{157955: 1.600008, 312783: 0},
        },
        (4.8, 93835, 3127): {3127: 4.8, 46917: 2.529939},
        (2.0, 36988, 369): {18494: 1.015828},
    }
    for plan, rates in published.items():
        schedule = schedules.WarmupCosine(*plan)
        for step, rate in rates.items():
            what = f"rate {step} of {plan[1]} steps"
            same(schedule(step), rate, what, rtol=2e-5)


def taus():
    """The target's tau is the published one: it rises to 1 by half a cosine."""
    published = {  # (base, steps): {step: tau}
        (0.996, 312784): {
            **{0: 0.996, 78196: 0.99658579, 156392: 0.998, 234588: 0.99941421},
            312784: 1,
        },
        (0.99, 93835): {3127: 0.990027376, 46917: 0.99499992},
    }
    for (base, steps), values in published.items():
        method = made(base_tau=base, steps=steps)
        for step, tau in values.items():
            method.optimizer.iterations.assign(step)
            what = f"tau {step} of {steps} steps"
            same(method.tau(), tau, what, rtol=0, atol=1e-6)


def lars_by_hand():
    """LARS takes the steps done by hand in float64; norms and biases are exempt."""
    shapes = {"kernel": (3, 2), "small_kernel": (2,), "zero_kernel": (2,)}
    shapes |= {"bias": (2,), "norm_gamma": (2,), "norm_beta": (2,)}
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    weights["small_kernel"] *= 1e-6  # There an epsilon in the norms would show,
    weights["zero_kernel"] *= 0  # and here a division by nothing.
    variables = [
        keras.Variable(w, dtype="float32", name=name) for name, w in weights.items()
    ]
    momentum = {name: 0.0 for name in shapes}
    lars = LARS(0.0, momentum=0.9, decay=0.1, trust=0.1)
    for turn, rate in enumerate((0.5, 0.2)):  # Other rates: it is not in the momentum.
        scale = {name: 1e-6 if name == "small_kernel" else 1.0 for name in shapes}
        gradients = {n: scale[n] * rng.normal(size=s) for n, s in shapes.items()}
        lars.learning_rate = rate
        lars.apply([np.float32(g) for g in gradients.values()], variables)
        for (name, g), variable in zip(gradients.items(), variables):
            w = weights[name]
            if name.endswith("kernel"):
                g = g + 0.1 * w
                size, slope = np.linalg.norm(w), np.linalg.norm(g)
                g = g * (0.1 * size / slope if size and slope else 1)
            momentum[name] = 0.9 * momentum[name] + g
            weights[name] = w - rate * momentum[name]
            what = f"{name} after step {turn + 1}"
            same(variable, weights[name], what, rtol=1e-4, atol=1e-11)


# The method, on a network so small that NumPy can do the same.


def mean_colour():
    """Images -> their mean colour through one linear layer; no normalisation."""
    images = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(images)
    x = keras.layers.Dense(6, name="features")(x)
    return keras.Model(images, {"pooled": x})


def made(backbone=None, optimizer=None, **settings):
    """A small BYOL with weights that are always the same."""
    settings = {"steps": 10, "hidden": 16, "outputs": 8, **settings}
    method = byol.BYOL(backbone or mean_colour(), example=byol.example(16), **settings)
    method.compile(optimizer or keras.optimizers.SGD(0.1))
    settled(method, np.random.default_rng(0))
    return method


def settled(model, rng):
    """Gives what is learned in a model, and in its target, numbers by `rng`."""
    for weight in model.weights:
        name = weight.path.rpartition("/")[2]
        if name in ("kernel", "bias", "gamma", "beta"):
            centre = 1.0 if name == "gamma" else 0.0
            weight.assign(rng.normal(centre, 0.5, weight.shape))


def batch(n=8):
    """Two views of n images, of different colours, which no rounding can equal."""
    rng = np.random.default_rng(1)
    both = rng.random((2, n, 16, 16, 3)) * rng.random((2, n, 1, 1, 3))
    labels = {"label": tf.constant(np.arange(n) % 2)}
    return {"view1": single(both[0]), "view2": single(both[1]), **labels}


def single(array):
    return tf.constant(array, tf.float32)


def numbers(model):
    return {weight.path: np.asarray(weight, np.float64) for weight in model.weights}


def hidden(images, backbone, projector):
    """What a projector on `mean_colour` normalises, by NumPy; and all weights."""
    w = {**numbers(backbone), **numbers(projector)}
    w = {path.rpartition("projector/")[2]: value for path, value in w.items()}
    x = np.asarray(images, np.float64).mean((1, 2))
    x = x @ w["features/kernel"] + w["features/bias"]
    return x @ w["hidden1/kernel"] + w["hidden1/bias"], w


def both_directions():
    """The loss of a step is the sum over both directions, not their mean."""
    method, seen = made(), batch()
    p1, p2 = (method.predict_from(method.pooled(seen[v])) for v in ("view1", "view2"))
    t1, t2 = (method.target_of(seen[v]) for v in ("view1", "view2"))
    expected = 4 - 2 * np.mean(cosines(p1, t2) + cosines(p2, t1))
    same(method.train_step(seen)["loss"], expected, "loss of a step", rtol=1e-5)


def cosines(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.sum(a * b, axis=1) / length


def target_in_training_mode():
    """The target is in training mode: it normalises by its batch, as NumPy does."""
    method, images = made(), batch()["view1"]
    x, w = hidden(images, method.target_backbone, method.target_projector)
    x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * w["norm1/gamma"] + w["norm1/beta"]
    expected = np.maximum(x, 0) @ w["out/kernel"]
    same(method.target_of(images), expected, "the target's answer", 1e-3, 1e-5)


def target_outside_the_optimizer():
    """The optimizer does not know the target, which is moved by tau alone."""
    method = made(base_tau=0.9)
    pairs = [
        (slow, fast)
        for twin, model in (
            (method.target_backbone, method.backbone),
            (method.target_projector, method.projector),
        )
        for slow, fast in zip(twin.weights, model.weights)
        if "moving" not in fast.path
    ]
    learned = {id(weight) for weight in method.trainable_variables}
    true(
        not learned & {id(slow) for slow, _ in pairs},
        "Weights of the target are among those that the optimizer learns.",
    )
    before = [np.asarray(slow) for slow, _ in pairs]
    method.train_step(batch())
    for old, (slow, fast) in zip(before, pairs):
        expected = 0.9 * old + 0.1 * np.asarray(fast)
        same(slow, expected, f"{slow.path} of the target, tau 0.9", 1e-5)


def stopped_gradients():
    """No gradient flows through the target, nor from the probe into the backbone."""
    method, seen = made(classes=2), batch()
    images = seen["view1"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        pooled = method.pooled(images)
        target = method.target_of(images)
        online = regression.cosine_distance(method.predict_from(pooled), target)
        slow = regression.cosine_distance(tf.ones_like(target), target)
        probe, _ = method.probe(pooled, seen)
    weights = [weight.value for weight in method.backbone.trainable_variables]
    true(tape.gradient(slow, images) is None, "A gradient passes through the target.")
    true(
        all(g is None for g in tape.gradient(probe, weights)),
        "A gradient of the probe's loss reaches the backbone.",
    )
    taught = [g for g in tape.gradient(online, weights) if g is not None]
    true(len(taught) == len(weights), "The loss does not reach the backbone.")


def two_passes():
    """Each view is normalised by itself, so running averages move twice in a step."""
    method, seen = made(), batch()
    moving = 0.0
    for view in ("view1", "view2"):
        x, _ = hidden(seen[view], method.backbone, method.projector)
        moving = 0.9 * moving + 0.1 * x.mean(0)
    method.train_step(seen)
    found = method.projector.get_layer("norm1").moving_mean
    same(found, moving, "running mean of the projector", 1e-3, 1e-5)


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


def full_precision_loss():
    """In mixed precision the loss and the weights stay in float32."""
    with exact():
        keras.config.set_dtype_policy("mixed_bfloat16")
        method, seen = made(tiny.tiny()), batch()
    prediction = method.predict_from(method.pooled(seen["view1"]))
    target = method.target_of(seen["view2"])
    in_full(prediction, "prediction")
    in_full(target, "target")
    loss = regression.cosine_distance(prediction, target)
    in_full(loss, "loss")
    expected = 2 - 2 * np.mean(cosines(prediction, target))
    same(loss, expected, "loss in mixed precision", 1e-5)
    kinds = sorted({weight.dtype for weight in method.trainable_variables})
    true(kinds == ["float32"], f"Weights are kept in {', '.join(kinds)}.")


def in_full(tensor, what):
    dtype = tensor.dtype.name
    true(dtype == "float32", f"The {what} is taken in {dtype}, and not in float32.")


# Batch normalisation.


def fused_batch_norm():
    """The fused batch norm is Keras' own: outputs, gradients and running averages."""
    for shape in ((8, 5, 7, 6), (16, 6)):
        rng = np.random.default_rng(0)
        images, mix = single(rng.normal(3, 2, shape)), single(rng.normal(size=shape))
        found = []
        for layer in (
            layers.BatchNorm(),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
        ):
            layer.build(shape)
            layer.gamma.assign(np.linspace(0.5, 2, 6))
            layer.beta.assign(np.linspace(-1, 1, 6))
            with tf.GradientTape() as tape:
                tape.watch(images)
                y = layer(images, training=True)
                loss = tf.reduce_sum(y * mix)
            each = dict(zip(("output", "gradient"), (y, tape.gradient(loss, images))))
            each["running mean"] = layer.moving_mean
            each["running variance"] = layer.moving_variance
            each["output when inferring"] = layer(images, training=False)
            found.append({what: np.asarray(value) for what, value in each.items()})
        for what, expected in found[1].items():
            same(found[0][what], expected, f"{what} of {list(shape)}", 1e-3, 1e-4)


def two_replicas_as_one():
    """Two replicas with synchronized batch norm train as one: the same weights."""
    # In another process, for a device can be split only before it is used.
    code = "from sslzoo import verify; verify.on_two_devices()"
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
        method = made(tiny.tiny(), LARS(0.5, trust=0.1))
    step, seen = tf.function(method.train_step), batch()
    if shares == 1:
        seen = share(None)
    else:
        seen = strategy.experimental_distribute_values_from_function(share)
    for _ in range(2):
        strategy.run(step, (seen,))
    return {**numbers(method.backbone), **numbers(method.target_backbone)}


# What the network is shown.


def order_of_images():
    """Each epoch shows every image once, in a new order, which is always the same."""
    for count in (10, 37):
        order = pipeline.shuffled(tf.range(3 * count, dtype=tf.int64), count, seed=0)
        epochs = [tuple(epoch) for epoch in order.numpy().reshape(3, count)]
        for number, epoch in enumerate(epochs):
            true(
                sorted(epoch) == list(range(count)),
                f"Epoch {number} of {count} images shows {len(set(epoch))} of them.",
            )
        true(len(set(epochs)) == 3, "Two epochs show the images in the same order.")
    order = pipeline.shuffled(tf.range(10, dtype=tf.int64), 10, seed=0)
    same(order, ORDER, "order of ten images")


def any_position_at_once():
    """A run that goes on at step 3 sees what one from the start sees, to the bit."""
    stream = pipeline.Stream(sources.Synthetic(12), byol.example(16), 4)
    after = next(iter(pipeline.training_batches(stream, seed=5, step=3)))
    whole = pipeline.training_batches(stream, seed=5).skip(3)
    for key, expected in next(iter(whole)).items():
        same(after[key], expected, f"{key} at step 3", rtol=0, atol=0)


def views_of_fixed_seeds():
    """Views of fixed seeds have the pixels that they had when this was written."""
    example, item = byol.example(64), {"image": inputs.fixture()}
    for seed, expected in VIEWS.items():
        shown = example(item, tf.constant([0, seed], tf.int64))
        found = [shown[view][15::32, 15::32] for view in ("view1", "view2")]
        expected = np.reshape(expected, np.shape(found))
        same(found, expected, f"pixels of seed {seed}", rtol=0, atol=1e-4)


def evaluation_view():
    """The view of evaluation is the centre, resized as TensorFlow does it."""
    image, size = inputs.fixture(96)[:, :80], 32
    crop = size / (size + 32)  # BYOL's rule; here half of 80, from row 28, column 20.
    contract = {"size": size, "crop": crop, "interpolation": "bicubic"}
    found = inputs.view(image, {**contract, "antialias": False})
    centre = image[28:68, 20:60]
    expected = np.clip(tf.image.resize(centre, (size, size), "bicubic"), 0, 1)
    same(found, expected, "pixels, as features are made", 0, 1e-5)
    item, seed = {"image": image}, tf.constant([0, 0], tf.int64)
    other = views.evaluation_view(size)(item, seed)["view1"]
    same(other, expected, "pixels, as runs are evaluated", 0, 1e-5)


# How features are judged.


def neighbours_by_hand():
    """The vote of kNN is the one worked by hand: weighted by cosines, or counted."""
    # Cosines 1, 0.8, 0.8 to the one asked: e^(0.2 / t) is 17.4 at t = 0.07, and so more
    # than the two; at t = 1 it is 1.2; and without a temperature they are counted.
    train = np.array([[2, 0], [4, 3], [4, -3], [-1, 0]], np.float32)
    labels, asked = np.array([0, 1, 1, 2]), np.array([[5, 0]], np.float32)
    for t, expected in ((0.07, 0), (1.0, 1), (None, 1)):
        found = knn.predict(train, labels, asked, k=3, temperature=t)
        same(found, [expected], f"class at temperature {t}")
    share = knn.evaluate(train, labels, np.repeat(asked, 2, 0), [0, 1], k=3)
    same(share["top1"], 0.5, "share of right classes")


def regression_by_hand():
    """Logistic regression finds the minimum worked by hand, weights and objective."""
    # Of x = -1 and 1, with weights -a and a for the second: F = 2 C log(1 + e^(-2a)) +
    # a^2, least where 2 C = a (1 + e^(2a)); so at C = ln 3, a = ln(3) / 2 and p = 3/4.
    x, log3 = np.array([[-1.0], [1.0]]), np.log(3)
    fit = linear.fit(x, np.array([0, 1]), C=log3, tolerance=1e-10)
    same(fit.kernel, [[-log3 / 2, log3 / 2]], "weights", 1e-4)
    same(fit.bias, [0, 0], "bias", atol=1e-5)
    least = 2 * log3 * np.log(4 / 3) + log3**2 / 4
    same(fit.objective, least, "objective", 1e-6)
    same(fit.predict(np.array([[0.1], [-3.0]])), [1, 0], "classes")


# What is published.


def lived_in():
    """A small network whose normalisations have running averages of their own."""
    backbone, rng = tiny.tiny(), np.random.default_rng(2)
    settled(backbone, rng)
    for weight in backbone.weights:
        if "moving" in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return backbone


def folding():
    """Batch norm folded into the convolutions before it changes no feature."""
    backbone = lived_in()
    light = fold.folded(backbone)
    left = [layer.name for layer in light.layers if "norm" in layer.name]
    true(not left, f"Of batch norm is left: {', '.join(left)}.")
    images = batch()["view1"]
    found, expected = (artifacts.features(net, images) for net in (light, backbone))
    for name, value in expected.items():
        same(found[name] / np.abs(value).max(), value / np.abs(value).max(), name, 1e-4)


def round_trip():
    """What is exported loads with its very weights, and its SavedModel agrees."""
    backbone, images = lived_in(), batch()["view1"]
    method = byol.BYOL(backbone, 10, byol.example(16), hidden=16, outputs=8)
    method.compile(keras.optimizers.SGD(0.1))
    expected = np.asarray(backbone(images)["pooled"])
    largest = np.abs(expected).max()
    with tempfile.TemporaryDirectory() as folder:
        entry = export.export(method, "byol_tiny.verify", folder, size=16)
        again = load.load("byol_tiny.verify", registry=folder)
        for ours, theirs in zip(backbone.weights, again.weights, strict=True):
            same(theirs, ours, f"{ours.path} of the loaded model", 0, 0)
        same(again(images) / largest, expected / largest, "features", 0, 1e-5)
        served = tf.saved_model.load(str(entry.path / "saved_model"))
        same(served(images) / largest, expected / largest, "SavedModel", 0, 1e-4)


def shipped():
    """A check for each model that lies in the package, whole."""
    package, found = pathlib.Path(__file__).parent, {}
    for place in (package.parent / "savedmodels", package / "savedmodels"):
        if place.is_dir():
            for name in store.all_names(place):
                found.setdefault(name, _of_model(name, place))
    return [*found.values()]


def _of_model(name, place):
    def check():
        if registry.card(name, place).source:
            return  # Its weights are elsewhere, and looked at when they are fetched.
        entry = registry.find(name, place)
        sums.check(entry.path)  # Anew: `find` believes files that it knows.
        load.examine(load.stored(entry), entry.card)

    check.__name__ = name
    check.__doc__ = f"{name} is what was published, and answers as its card says."
    return check


# What was so when it was written: runs of then can be gone on with, and repeated.
ORDER = (6, 1, 9, 8, 2, 0, 3, 7, 4, 5)
VIEWS = {  # seed: pixels of both views. 1 has a gray one, 11 a solarized one.
    1: (
        0.26642, 0.26642, 0.26642, 0.46977, 0.46977, 0.46977,
        0.48346, 0.48346, 0.48346, 0.21104, 0.21104, 0.21104,
        0.23482, 0.05221, 0.71681, 0.80615, 0.03270, 0.45090,
        0.10221, 0.28781, 0.73053, 0.11771, 0.45372, 0.00000,
    ),
    2: (
        0.03262, 0.76251, 0.90934, 0.83347, 0.15904, 0.32183,
        0.59886, 0.18123, 0.23976, 0.21212, 0.77741, 0.01427,
        0.63161, 0.31120, 0.20000, 0.07654, 0.27450, 0.90000,
        0.15197, 0.67554, 0.20000, 0.05556, 0.27450, 0.20000,
    ),
    11: (
        0.36057, 0.22261, 0.84803, 0.89321, 0.18984, 0.28694,
        0.73569, 0.20387, 0.25284, 0.71572, 0.54632, 0.21787,
        0.40428, 0.47697, 0.20000, 0.14514, 0.42106, 0.10000,
        0.40061, 0.29769, 0.20000, 0.03788, 0.42106, 0.20000,
    ),
}  # fmt: skip

CHECKS = (
    loss_values,
    learning_rates,
    taus,
    lars_by_hand,
    both_directions,
    target_in_training_mode,
    target_outside_the_optimizer,
    stopped_gradients,
    two_passes,
    accumulation,
    full_precision_loss,
    fused_batch_norm,
    two_replicas_as_one,
    order_of_images,
    any_position_at_once,
    views_of_fixed_seeds,
    evaluation_view,
    neighbours_by_hand,
    regression_by_hand,
    folding,
    round_trip,
)

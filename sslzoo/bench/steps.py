"""Networks on images that are there: their features, and their steps."""

import collections
import pathlib
import re
import tempfile

import numpy as np

from sslzoo.bench import timing
from sslzoo.errors import UnknownName, nearest


def step(
    backbone="resnet50",
    image_size=224,
    batch_size=16,
    precision="float32",
    jit=False,
    turns=5,
    optimizer="lars",
    operations=False,
):
    """One BYOL step on images that are there: forward, backward, weights, target.

    Args:
        optimizer: "lars", or "sgd" without momentum, as the peer of tools/ has it.
        operations: also the seconds that each kind of operation took in one step, the
            longest first; several run at once.
    """
    import keras
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.methods import byol
    from sslzoo.optim import lars

    keras.config.set_dtype_policy(precision)
    method = byol.BYOL(
        backbones.build(backbone), 1000, byol.example(image_size), hidden=4096
    )
    kinds = {"lars": lars.LARS, "sgd": keras.optimizers.SGD}
    if optimizer not in kinds:
        raise UnknownName(
            f"bench step has no optimizer {optimizer!r}.{nearest(optimizer, kinds)} "
            f"It has: {', '.join(kinds)}."
        )
    method.compile(kinds[optimizer](0.1))
    shape = (batch_size, image_size, image_size, 3)
    batch = {f"view{i}": tf.random.stateless_uniform(shape, (0, i)) for i in (1, 2)}
    train = tf.function(method.train_step, jit_compile=jit)

    def action():
        train(batch)["loss"].numpy()

    seconds = timing.times(action, turns, skip=2)
    result = {"images_per_second": batch_size / float(np.median(seconds))}
    return result | ({"seconds_in": _operations(action)} if operations else {})


def forward(
    backbone="resnet50",
    image_size=224,
    batch_size=32,
    precision="auto",
    turns=9,
):
    """Features of images that are there, as `sslzoo.features` takes them.

    Beside them how far they are from those of the network as it was trained: the
    largest difference over the largest feature, and the least cosine; and the least
    cosine where each layer computes in bfloat16, which any processor can, if slowly.
    """
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.zoo import load, serving

    model = backbones.build(backbone)
    _lived_in(model)
    shape = (batch_size, image_size, image_size, 3)
    images = tf.random.stateless_uniform(shape, (0, 1))
    quick = serving.quick(model)
    precision = serving.known_precision(precision)
    with serving.computing_in(precision):
        run = tf.function(lambda: quick(images, training=False)["pooled"])
        seconds = timing.times(lambda: run().numpy(), turns, skip=2)
        found = run().numpy()
    plain = tf.function(lambda: model(images, training=False)["pooled"])().numpy()
    half = load.architecture(quick.to_json(), "mixed_bfloat16")
    half.set_weights(quick.get_weights())
    rounded = tf.function(lambda: half(images, training=False)["pooled"])()
    return {
        "images_per_second": batch_size / float(np.median(seconds)),
        "computed_in": precision,
        "difference": float(np.abs(found - plain).max() / np.abs(plain).max()),
        "cosine": _least_cosine(found, plain),
        "cosine_in_bfloat16": _least_cosine(tf.cast(rounded, "float32"), plain),
    }


def _least_cosine(found, wanted):
    a, b = (np.float64(x) for x in (found, wanted))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.min(np.sum(a * b, axis=1) / lengths))


def supervised(
    backbone="resnet50",
    image_size=224,
    batch_size=32,
    precision="float32",
    jit=False,
    turns=5,
):
    """One supervised step on images that are there: forward, backward, plain SGD."""
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy(precision)
    step = tf.function(supervised_step(backbone), jit_compile=jit)
    shape = (batch_size, image_size, image_size, 3)
    images = tf.random.stateless_uniform(shape, (0, 1))
    labels = tf.zeros(batch_size, tf.int32)
    seconds = timing.times(lambda: step(images, labels).numpy(), turns, skip=2)
    return {"images_per_second": batch_size / float(np.median(seconds))}


def _lived_in(model):
    """Statistics of batch norms as if it had been trained: folding must show."""
    for seed, weight in enumerate(model.non_trainable_weights):
        random = np.random.default_rng(seed)
        if weight.name == "moving_mean":
            weight.assign(random.normal(0, 0.1, weight.shape))
        elif weight.name == "moving_variance":
            weight.assign(random.uniform(0.5, 2, weight.shape))


def supervised_step(backbone, **options):
    """(images, labels) -> loss, with 1000 classes and plain SGD."""
    import keras
    import tensorflow as tf

    from sslzoo import backbones

    trunk = backbones.build(backbone, **options)
    logits = keras.layers.Dense(1000, dtype="float32")(trunk.output["pooled"])
    model = keras.Model(trunk.input, logits)
    optimizer = keras.optimizers.SGD(0.01)
    optimizer.build(model.trainable_variables)

    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, model(images, training=True)
            )
            loss = tf.reduce_mean(loss)
        values = [weight.value for weight in model.trainable_variables]
        gradients = tape.gradient(loss, values)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return step


def _operations(action):
    """Kind of TensorFlow operation -> seconds spent in it, by its profiler."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        action()
        tf.profiler.experimental.stop()
        (trace,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space, spent = XSpace.FromString(trace.read_bytes()), collections.Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            # Those of operations are called name:Kind, and #details# may follow;
            # oneDNN's are the same kinds behind _Mkl or _MklNative.
            name = plane.event_metadata[event.metadata_id].name.split("#")[0]
            kind = re.fullmatch(r"[^:]+:(?:_Mkl(?:Native)?)?(_?[A-Z]\w+)", name)
            if kind:
                spent[kind[1]] += event.duration_ps / 1e12
    return dict(spent.most_common(12))

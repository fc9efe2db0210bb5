"""Pictures on their way to a network: drawn, decoded, cut, changed."""

import time

import numpy as np

from sslzoo import recipe, watch
from sslzoo.bench import timing
from sslzoo.errors import BadInput


def views(photo="", size=224, turns=100, augment="host"):
    """Two BYOL views of a 500x375 JPEG, decoding included; on "device", crops alone.

    One element at a time, as one core of the pipeline works: pin it with taskset.
    """
    import tensorflow as tf

    from sslzoo.augment import views as augment_views
    from sslzoo.data import pipeline, sources

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    jpeg = np.frombuffer(timing.photo(photo), np.uint8)
    source = sources.Encoded(jpeg, [0, len(jpeg)])
    stream = pipeline.Stream(source, augment_views.Views(size), 1, augment)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    batches = pipeline.training_batches(stream).with_options(options)
    seconds = timing.times(iter(batches).__next__, turns, skip=20)
    return {"pairs_per_second": 1 / float(np.mean(seconds))}


def scenes(size=64, images=400):
    """Pictures of the toy world, drawn one by one: pin it with taskset to one core."""
    from sslzoo.data.toyworld import ToyWorld

    world = ToyWorld("train", images, size)
    start = time.perf_counter()
    for i in range(images):
        watch.tell(i, images)
        world.read(i, only=("image",))
    return {"images_per_second": images / (time.perf_counter() - start)}


def input(name="byol_r18w16_toyworld", batches=50):
    """Batches of a recipe's own pipeline, with nobody training on them."""
    from sslzoo.data import pipeline

    plan = recipe.load(name)
    turns = iter(pipeline.training_batches(plan.streams))
    start = None
    for turn in range(batches + 3):
        watch.tell(turn, batches + 3)
        next(turns)
        if turn == 2:  # The first wait for compilation.
            start = time.perf_counter()
    size = plan.streams.batch_size
    return {"images_per_second": size * batches / (time.perf_counter() - start)}


def cifar(
    data="",
    batches=20,
    precision="float32",
    augment="host",
    backbone="resnet18",
    batch_size=256,
):
    """Steps of byol_r18w16_cifar10 end to end: decode, augment, train."""
    from sslzoo import runner
    from sslzoo.data import pipeline

    if not data:
        raise BadInput(
            "bench cifar wants data=npz:cifar10_jpeg.npz#train, or tfds:cifar10/train."
        )
    knobs = dict(precision=precision, augment=augment, backbone=backbone)
    start = time.perf_counter()
    plan = recipe.load(
        "byol_r18w16_cifar10", data=data, test=data, batch_size=batch_size, **knobs
    )
    decoding = time.perf_counter() - start
    method = runner.untrained(plan)
    turns = iter(pipeline.training_batches(plan.streams))
    method.make_train_function()
    seconds = timing.times(
        lambda: float(np.ravel(method.train_function(turns)["loss"])[0]),
        batches,
        skip=3,
    )
    return {
        "images_per_second": plan.streams.batch_size / float(np.median(seconds)),
        "seconds_to_decode_all_once": decoding,
    }

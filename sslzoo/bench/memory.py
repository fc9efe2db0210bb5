"""What a step takes of memory, in processes of its own."""

import json

import numpy as np

from sslzoo import watch
from sslzoo.bench import steps as network_steps
from sslzoo.bench import timing

# What is let go of goes back to the system at once, and is not counted any more.
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
CHILD = "import sys; from sslzoo.bench import memory; memory.{}(sys.argv[1])"


def memory(
    backbone="revnet50",
    image_size=224,
    batch_size=16,
    units=1,
    save_memory=True,
    turns=3,
    steps=4,
):
    """What one supervised step adds to the memory in use, at most, and its seconds.

    Plain backprop and, with `save_memory`, the same network without its maps in turn,
    each in processes of its own; the medians are told. What a first step on 32 pixels
    takes for good, such as code, is not counted; gradients of weights are. "kept" is
    what there is of it between the two passes: the maps that lie there for the second.

    Args:
        units: how many times more of them each block has than a RevNet50.
        turns: processes of each kind; `steps`, whose seconds are taken in each.
    """
    counts = [units * count for count in (3, 4, 6, 3)]
    work = dict(backbone=backbone, image_size=image_size, batch_size=batch_size)
    found = {"plain": [], **({"saving": []} if save_memory else {})}
    for turn in range(turns):
        for done, (kind, told) in enumerate(found.items()):
            watch.tell(turn * len(found) + done, turns * len(found))
            options = dict(units=counts, save_memory=kind == "saving")
            words = json.dumps({**work, "options": options, "steps": steps})
            one = json.loads(timing.said(CHILD.format("one_step"), words))
            maps = json.loads(timing.said(CHILD.format("kept"), words, **AT_ONCE))
            told.append(one | maps)
    result = {
        f"{kind}_{what}": float(np.median([each[what] for each in told]))
        for kind, told in found.items()
        for what in told[0]
    }
    if save_memory:
        for what in ("mebibytes", "seconds", "kept_mebibytes"):
            part = result[f"saving_{what}"] / result[f"plain_{what}"]
            result[f"part_of_plain_{what}"] = part
    return result


def one_step(words):
    """Prints, as JSON, what a step of a new network takes; for a process of its own."""
    import tensorflow as tf

    said = json.loads(words)
    step = tf.function(
        network_steps.supervised_step(said["backbone"], **said["options"]),
        input_signature=[
            tf.TensorSpec((None, None, None, 3)),
            tf.TensorSpec((None,), tf.int32),
        ],
    )

    def action(side=said["image_size"]):
        images = tf.random.stateless_uniform(
            (said["batch_size"], side, side, 3), (0, 1)
        )
        step(images, tf.zeros(said["batch_size"], tf.int32)).numpy()

    action(32)
    before = timing.mebibytes("VmRSS")
    action()
    most = timing.mebibytes("VmHWM") - before
    seconds = float(np.median(timing.times(action, said["steps"], skip=0)))
    print(json.dumps({"mebibytes": most, "seconds": seconds}))


def kept(words):
    """Prints, as JSON, what lies in memory after a forward pass for the backward."""
    import tensorflow as tf

    from sslzoo import backbones

    said = json.loads(words)
    model = backbones.build(said["backbone"], **said["options"])

    def forward(side):
        shape = (said["batch_size"], side, side, 3)
        with tf.GradientTape() as tape:
            images = tf.random.stateless_uniform(shape, (0, 1))
            total = tf.reduce_sum(model(images, training=True)["pooled"])
        total.numpy()
        return tape

    tape = forward(32)
    del tape
    before = timing.mebibytes("VmRSS")
    tape = forward(said["image_size"])
    most = timing.mebibytes("VmRSS") - before
    del tape
    print(json.dumps({"kept_mebibytes": most}))


def hypercolumns(
    width=1.0,
    image_size=224,
    batch_size=1,
    points=128,
    spacing=1,
    hidden=1024,
    draws=20,
    turns=1,
    steps=1,
):
    """What a colorizer's step, VGG-16 with hypercolumn, adds to the memory in use.

    Sparse, `points` places of each image; and dense, all places `spacing` pixels apart
    (1 is all pixels, 4 how the authors test), each in processes of its own. What the
    networks have for good is not counted; gradients of weights are. And the loss of
    both with the same weights, those of the head 200 times as large as they begin, so
    that answers differ: of the sparse, over `draws` draws of places, the mean and its
    standard error.
    """
    work = dict(width=width, image_size=image_size, batch_size=batch_size, draws=draws)
    work |= dict(spacing=spacing, hidden=hidden, steps=steps)
    found = {"dense": [], "sparse": []}
    for turn in range(turns):
        for done, (kind, told) in enumerate(found.items()):
            watch.tell(turn * len(found) + done, turns * len(found))
            asked = points if kind == "sparse" else 0
            words = json.dumps({**work, "points": asked})
            told.append(json.loads(timing.said(CHILD.format("colour"), words)))
    result = {
        f"{kind}_{what}": float(np.median([each[what] for each in told]))
        for kind, told in found.items()
        for what in told[0]
    }
    del result["dense_loss_error"]
    for what in ("mebibytes", "seconds"):
        result[f"part_of_dense_{what}"] = (
            result[f"sparse_{what}"] / result[f"dense_{what}"]
        )
    return result


def colour(words):
    """Prints, as JSON, a colorizer's loss and what a step takes; like `one_step`."""
    import keras
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.data.toyworld import ToyWorld
    from sslzoo.methods import colorization
    from sslzoo.optim import sgd

    said = json.loads(words)
    keras.utils.set_random_seed(0)
    method = colorization.Colorization(
        backbones.build("vgg16", width=said["width"]),
        None,
        colorization.HYPERCOLUMNS["vgg16"],
        points=said["points"],
        spacing=said["spacing"],
        hidden=said["hidden"],
    )
    method.compile(sgd.SGD(1e-3))

    @tf.function
    def step(images, n):
        return method.train_step({"image": images, "n": n})["loss"]

    @tf.function
    def loss(images, n):
        seeds = method.seeds({"n": n})
        return method.loss_of(images, seeds, training=False)

    count = said["batch_size"]
    world = ToyWorld("test", count, said["image_size"])
    pictures = [world.read(i, only=("image",))["image"] for i in range(count)]
    images = tf.constant(np.stack(pictures), tf.float32) / 255
    n = tf.range(count)
    start = method.get_weights()
    step(images[:, :32, :32], n).numpy()
    before = timing.mebibytes("VmRSS")
    step(images, n).numpy()
    most = timing.mebibytes("VmHWM") - before
    method.set_weights(start)
    # As they begin all answers are near zero, and any column's the same.
    method.head.set_weights([200 * w for w in method.head.get_weights()])
    draws = said["draws"] if said["points"] else 1
    losses = [float(loss(images, n + i * count)) for i in range(draws)]
    seconds = timing.times(lambda: step(images, n).numpy(), said["steps"], skip=0)
    result = {"mebibytes": most, "seconds": float(np.median(seconds))}
    result["loss"] = float(np.mean(losses))
    result["loss_error"] = float(np.std(losses) / max(draws - 1, 1) ** 0.5)
    print(json.dumps(result))

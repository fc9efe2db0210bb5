"""What a task costs beside labels, with the same network and as many images."""

import numpy as np

from sslzoo.bench import timing

THROUGH = {  # For each image of a batch so many go through the network.
    "rotation": 4,
    "exemplar": 8,
    "jigsaw": 9,
    "relative_patch": 9,
    "simclr": 2,
    "byol": 4,
    "info_nce": 4,
    "moco": 2,
    "simsiam": 2,
    "barlow_twins": 2,
    "vicreg": 2,
}
PATCHES = ("jigsaw", "relative_patch")
SIZES = {  # Of heads, and how many copies, as the papers have them.
    "exemplar": dict(embedding=1000, copies=8),
    "jigsaw": dict(embedding=1000, hidden=4096),
    "relative_patch": dict(embedding=1000, hidden=4096),
    "simclr": dict(embedding=128, hidden=2048),
    "byol": dict(embedding=256, hidden=4096),
}
OF_VIEWS = ("info_nce", "moco", "simsiam", "barlow_twins", "vicreg")


def task(
    task="rotation",
    backbone="resnet50v2",
    k=4.0,
    image_size=224,
    batch_size=4,
    precision="float32",
    turns=5,
):
    """A step of a task, and one of labels, in turn; each by the work that is in it.

        overhead = (seconds / operations) of the task / the same of labels - 1

    Operations are those of floating point as TensorFlow's profiler counts them, so that
    heads, and passes without a gradient, count as what they are.
    """
    import keras
    import tensorflow as tf

    from sslzoo import recipe, runner
    from sslzoo.data import pipeline
    from sslzoo.errors import UnknownName, nearest
    from sslzoo.methods import supervised

    if task not in THROUGH:
        raise UnknownName(
            f"task={task!r}.{nearest(task, THROUGH)} There are: {', '.join(THROUGH)}."
        )
    keras.config.set_dtype_policy(precision)
    plan = recipe.load(
        "revisiting_small",
        task="simclr" if task in OF_VIEWS else task,
        backbone=backbone,
        k=k,
        image_size=image_size,
        batch_size=batch_size,
        data=f"synthetic:{batch_size}",
        test="synthetic:8",
        count=0,
        epochs=1,
        precision=precision,
        **SIZES.get(task, {}),
    )
    method = runner.untrained(plan)
    if task in OF_VIEWS:
        method = of_views(task, method.backbone, method.example)
        method.compile(plan.optimizer())
    batch = next(iter(pipeline.training_batches(plan.streams, method.uses)))

    network = keras.models.clone_model(method.backbone)
    labels = supervised.Supervised(network, None, 1000)
    labels.compile(plan.optimizer())
    count = THROUGH[task] * batch_size
    side = image_size // 3 if task in PATCHES else image_size
    images = tf.random.stateless_uniform((count, side, side, 3), (0, 1))
    known = {"image": images, "label": tf.zeros(count, tf.int64), "n": tf.range(count)}

    steps = [
        (tf.function(each.train_step), of)
        for each, of in ((method, batch), (labels, known))
    ]

    def action(step, of):
        return lambda: step(of)["loss"].numpy()

    taken = timing.in_turn([action(*each) for each in steps], turns, skip=2)
    seconds = np.median(taken, axis=0)
    work = [operations(step, of) for step, of in steps]
    rates = seconds / work
    return {
        "seconds": float(seconds[0]),
        "seconds_of_labels": float(seconds[1]),
        "operations": work[0],
        "operations_of_labels": work[1],
        "overhead": float(rates[0] / rates[1] - 1),
    }


def of_views(task, network, example):
    """A method that no recipe has on Revisiting's networks, of its paper's sizes."""
    from sslzoo.methods import barlow_twins, info_nce, moco, simsiam, vicreg

    made = {
        "info_nce": lambda: info_nce.InfoNCE(network, 1, example, beta=1.0),
        "moco": lambda: moco.MoCo(network, example),
        "simsiam": lambda: simsiam.SimSiam(network, example),
        "barlow_twins": lambda: barlow_twins.BarlowTwins(network, example),
        "vicreg": lambda: vicreg.VICReg(network, example),
    }
    return made[task]()


def operations(function, *arguments):
    """Of floating point, in a call."""
    import tensorflow as tf

    graph = function.get_concrete_function(*arguments).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    found = tf.compat.v1.profiler.profile(
        graph, cmd="op", options={**options, "output": "none"}
    )
    return found.total_float_ops

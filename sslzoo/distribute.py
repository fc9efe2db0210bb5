"""Several replicas and several workers as one: strategies, and what they share."""

import json
import os

from sslzoo.errors import BadInput, UnknownName, nearest

STRATEGIES = ("auto", "one", "mirrored", "multiworker", "tpu")


def strategy(name="auto"):
    """The `tf.distribute` strategy by its short name.

    "auto" takes what is there: several workers where TF_CONFIG names them, else
    every GPU, else one device. "tpu" connects to the TPU that the environment
    names; it has not been run by the authors, who have none.
    """
    import tensorflow as tf

    if name not in STRATEGIES:
        raise UnknownName(
            f"No strategy {name!r}.{nearest(name, STRATEGIES)} "
            f"There are: {', '.join(STRATEGIES)}."
        )
    if name == "multiworker" or (name == "auto" and workers() > 1):
        if workers() < 2:
            raise BadInput(
                "strategy=multiworker: TF_CONFIG names no second worker. Set it in "
                "each process: docs/distributed.md shows how."
            )
        # Before anything else looks at the devices: TensorFlow demands it.
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return tf.distribute.MirroredStrategy(
            None if gpus else [d.name for d in tf.config.list_logical_devices("CPU")]
        )
    return tf.distribute.get_strategy()


def where(strategy):
    """What a strategy computes on, in words: "2 GPUs"."""
    import tensorflow as tf

    count, kind, why = strategy.num_replicas_in_sync, "GPU", ""
    if isinstance(strategy, tf.distribute.TPUStrategy):
        kind = "TPU core"
    elif not tf.config.list_logical_devices("GPU"):
        kind, why = "CPU", ": TensorFlow sees no GPU"
    return f"{count} {kind}{'s' * (count > 1)}{why}"


def workers():
    """How many processes TF_CONFIG names; 1 without it."""
    cluster = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {})
    return len(cluster.get("worker", ())) + len(cluster.get("chief", ())) or 1


def is_chief(strategy):
    """Whether this process writes the files of the run."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().as_dict()
    )


def gather(x):
    """Concatenates `x` of every replica along the batch, in replica order."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    # TensorFlow forgets what is known of the shape.
    return tf.ensure_shape(context.all_gather(x, axis=0), [None, *x.shape[1:]])


def first_row(x):
    """The row of `gather(x)` at which this replica's begin."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0
    # A last batch, for one, is not shared alike.
    rows = context.all_gather(tf.shape(x)[:1], axis=0)
    return tf.reduce_sum(rows[: context.replica_id_in_sync_group])

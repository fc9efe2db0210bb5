"""From sources of items to the batches of a method."""

import atexit
import dataclasses
import gc
import os
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from sslzoo.data.sources import Source
from sslzoo.errors import BadInput

AT_ONCE = os.cpu_count() or 1  # images that are made
BATCHES = min(AT_ONCE, 16)  # the same of whole batches, which lie in memory


@atexit.register
def let_go():
    """Ends the pipelines of fits that were left within an epoch.

    Keras keeps their iterators in a cycle, and an error that nobody caught does too. As
    Python ends it kills the threads that read; an iterator that is let go of after that
    would wait for them for ever.
    """
    sys.last_exc = sys.last_value = sys.last_traceback = None
    gc.collect()


@dataclasses.dataclass(frozen=True)
class Stream:
    """`batch_size` examples at a time, made from the items of `source`.

    Args:
        example: `(item, seed) -> dict`, one entry of the batch. It may have
            `windows(seed, height, width)`, the parts of the image that it needs, so
            that no more is decoded; and `start` and `finish`, its two halves.
        batch_size: over all replicas.
        augment: where `finish` is done: "host", or "device", in the method's step.
        smallest: an image may be decoded at a half, a quarter or an eighth as long
            as the part that is needed keeps this many pixels; None: never.
    """

    source: Source
    example: Callable
    batch_size: int
    augment: str = "host"
    smallest: int | None = None

    def __post_init__(self):
        if self.batch_size < 1:
            raise BadInput(
                f"batch_size={self.batch_size}: a batch has 1 image or more."
            )
        if self.batch_size > self.source.count:
            raise BadInput(
                f"batch_size={self.batch_size}, but {self.source.name} has "
                f"{self.source.count} images. Take a batch_size of at most that."
            )
        if self.augment not in ("host", "device"):
            raise BadInput(f"augment={self.augment!r}: it is 'host' or 'device'.")

    @property
    def steps_per_epoch(self):
        return self.source.count // self.batch_size


def training_batches(
    streams, uses=(), seed=0, step=0, replicas=1, first_replica=0, local_replicas=1
):
    """Endless batches, each epoch in a new order; one stream per task if given so.

    The n-th example of a stream depends on (seed, n) alone: which item it is, and
    how it was augmented. A run resumes by starting at `step`. The batch carries its
    counters as "n": what is random inside a step is seeded by them.

    Args:
        streams: a stream, for its batches; or {task: stream}, for {task: batch}.
        uses: what an example may see of an item beside its image.
        replicas: among which a batch is shared. This pipeline makes the shares of
            `local_replicas` of them from `first_replica` on, one after the other.
    """
    if isinstance(streams, dict):
        tasks = {
            task: training_batches(
                stream, uses, seed, step, replicas, first_replica, local_replicas
            )
            for task, stream in streams.items()
        }
        return tf.data.Dataset.zip(tasks)

    stream = streams
    if stream.batch_size % replicas:
        raise BadInput(
            f"batch_size={stream.batch_size} cannot be shared among {replicas} "
            f"replicas. Take a multiple of {replicas}."
        )
    share = stream.batch_size // replicas

    def counters(turn):
        """Of the examples of one share: [share]."""
        replica = first_replica + turn % local_replicas
        start = turn // local_replicas * stream.batch_size + replica * share
        return start + tf.range(share, dtype=tf.int64)

    turns = tf.data.Dataset.counter(step * local_replicas, dtype=tf.int64)
    make = _maker(stream, uses, seed)
    if stream.source.uniform:
        batches = turns.map(lambda turn: make(counters(turn)), BATCHES)
    else:
        singles = turns.map(counters).unbatch()
        batches = singles.map(make, AT_ONCE).batch(share, drop_remainder=True)
    return untuned(batches.map(_with_shape(share)).prefetch(2))


def untuned(batches):
    """A dataset that TensorFlow does not tune as it runs.

    The thread that tunes sleeps, the longer the longer it has run, and whoever lets go
    of the dataset's iterator waits until it wakes: up to as long as all took.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def first(stream, count, seed=0):
    """The batch of the first `count` examples that a run of this seed shows."""
    count = min(count, stream.source.count)
    stream = dataclasses.replace(stream, batch_size=count, augment="host")
    return next(iter(training_batches(stream, seed=seed)))


def _maker(stream, uses, seed):
    """Counters, `[]` or `[n]`, to the examples they stand for."""
    source, example = stream.source, stream.example
    windows = getattr(example, "windows", None)
    fields = {
        key: spec for key, spec in source.fields.items() if key in ("image", *uses)
    }
    for key in uses:
        if key not in fields:
            raise BadInput(
                f"This run needs {key!r} of every image, which {source.name} does "
                f"not have; it has {', '.join(source.fields)}."
            )

    def read_one(index, seeds):
        found = {}

        def union(height, width):
            found["windows"] = windows(seeds, height, width)
            return _union(found["windows"])

        item = source.read(
            int(index), union if windows else None, stream.smallest, tuple(fields)
        )
        image = item["image"]
        values = [np.asarray(item[k], fields[k].dtype.as_numpy_dtype) for k in fields]
        if windows:
            values.append(_within(found["windows"], item["region"], image.shape))
        return values

    def read_many(indices, seeds):
        item = source.batch(indices, tuple(fields))
        values = [item[key] for key in fields]
        if windows:
            height, width = item["image"].shape[1:3]
            values.append(np.asarray(windows(seeds, height, width), np.int64))
        return values

    def make(n):
        index = shuffled(n, source.count, seed)
        seeds = tf.stack([tf.fill(tf.shape(n), tf.constant(seed, tf.int64)), n], -1)
        dtypes = [spec.dtype for spec in fields.values()]
        if windows:
            dtypes.append(tf.int64)
        read = read_one if n.shape.rank == 0 else read_many
        values = tf.numpy_function(read, [index, seeds], dtypes, stateful=False)
        item = {}
        for (key, spec), value in zip(fields.items(), values):
            value.set_shape([*n.shape, *spec.shape])
            item[key] = value
        if windows:
            values[-1].set_shape([*n.shape, None, 4])
            item["windows"] = values[-1]
        kept = {"n": n}
        if "label" in uses:  # The one field that no augmentation changes.
            kept["label"] = item["label"]
        if not hasattr(example, "finish"):
            return {**example(item, seeds), **kept}
        begun = example.start(item, seeds)
        if stream.augment == "device":
            return {"unfinished": {**begun, "seed": seeds}, **kept}
        return {**example.finish(begun, seeds), **kept}

    return make


def shuffled(n, count, seed):
    """The item that the n-th example shows: in each epoch, every item once.

    16 rounds, because with the usual 4 and small seeds the order is almost sorted.
    """
    epoch = n // count
    key = tf.stack([tf.fill(tf.shape(n), tf.constant(seed, tf.int64)), epoch], -1)
    key = tf.concat([key, tf.zeros_like(key[..., :1])], -1)
    return tf.raw_ops.RandomIndexShuffle(
        index=n % count, seed=key, max_index=tf.cast(count - 1, tf.int64), rounds=16
    )


def _union(windows):
    """The smallest window around several: (top, left, height, width)."""
    top, left = windows[:, 0].min(), windows[:, 1].min()
    bottom = (windows[:, 0] + windows[:, 2]).max()
    right = (windows[:, 1] + windows[:, 3]).max()
    return int(top), int(left), int(bottom - top), int(right - left)


def _within(windows, region, shape):
    """The windows in the pixels of the part that was decoded, maybe at a scale."""
    top, left, height, width = region
    scale = np.array([shape[0] / height, shape[1] / width])
    corners = np.floor((windows[:, :2] - [top, left]) * scale + 1e-9).astype(np.int64)
    sides = np.maximum(np.round(windows[:, 2:] * scale).astype(np.int64), 1)
    sides = np.minimum(sides, np.array(shape[:2]) - corners)
    return np.concatenate([corners, sides], axis=1)


def _with_shape(share):
    """Says the size of the batch, which the steps of the pipeline forget."""

    def shape(batch):
        return tf.nest.map_structure(
            lambda t: tf.ensure_shape(t, [share, *t.shape[1:]]), batch
        )

    return shape

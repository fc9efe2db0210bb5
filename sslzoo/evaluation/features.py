"""Every image of a source through a model in inference mode, once, in order.

What the model is shown is the view of evaluation, `zoo.input.view`, and nothing random.
"""

import functools
import os

import keras
import numpy as np
import tensorflow as tf

from sslzoo.data import pipeline
from sslzoo.errors import BadInput, SslzooError
from sslzoo.zoo.input import view, window
from sslzoo.zoo.load import known_feature


def features(
    model,
    source,
    size=None,
    batch_size=256,
    progress=None,
    names=("pooled",),
    crop=None,
    out=None,
    contract=None,
    smallest=None,
):
    """The features of all images.

    Args:
        model: from RGB in [0, 1], `[n, size, size, 3]`, to a dict of features or to a
            tensor, which is then called by the one name in `names`.
        source: gives images, and labels if it has them (design, section 3).
        size: the side of the images shown; without, the only one that the model
            takes, or else that of the images where they are all of one square size.
        batch_size: images at once; it bounds memory, not the result (save the last
            digits of float32).
        progress: called with (images done, images in all) after every batch.
        crop: the part of the short side that is seen. Without: 1 where the images
            are of that size already, else 0.875.
        out: a path for features larger than memory: each name is written to
            `<out>.npy`, or `<out>.<name>.npy` if there are several, and given back as
            a memory-mapped array. Nothing is left there if it fails.
        contract: the "input" of a card, in place of `size` and `crop`.
        smallest: a JPEG may be decoded at a half, a quarter or an eighth as long as
            what is seen of it keeps this many pixels; exactly without.

    Returns:
        {name: float32 `[n, ...]`, ..., "label": `[n]` if the source has labels}.
    """
    if batch_size < 1:
        raise BadInput(f"batch_size={batch_size} images hold nothing. Give 1 or more.")
    names = (names,) if isinstance(names, str) else tuple(names)
    contract = contract or _contract(model, source, size, crop)
    if not 0 < contract["crop"] <= 1:
        raise BadInput(
            f"crop={contract['crop']} is no part of an image. Give 0.875, or 1 for all."
        )
    batch_size, failures = _batch_size(source.count, batch_size), []
    batches = _batches(source, contract, batch_size, smallest, failures)
    run, sink = _inference(model, names), _Sink(source.count, names, out)
    labels, done = [], 0
    try:
        for batch in batches:
            images = batch["image"]
            n = len(images)
            if n < batch_size:  # One shape for all, so that the model is traced once.
                images = tf.pad(images, [(0, batch_size - n), (0, 0), (0, 0), (0, 0)])
            sink.put(done, {k: v.numpy()[:n] for k, v in run(images).items()})
            if "label" in batch:
                labels.append(batch["label"].numpy())
            done += n
            if progress is not None:
                progress(done, source.count)
        found = sink.close()
    except tf.errors.OpError:
        if failures:  # The source has said it in better words.
            raise failures[0] from None
        raise
    finally:
        sink.discard()
    return {**found, **({"label": np.concatenate(labels)} if labels else {})}


def _batch_size(count, most):
    """Of which next to nothing is padded: 2,000 by at most 64 are 40 times 50.

    Even, since oneDNN's convolutions take twice as long for 63 images as for 64.
    """
    if count <= most:
        return count
    sizes = [n for n in range(most, most * 3 // 4, -1) if n % 2 == 0] or [most]
    return min(sizes, key=lambda n: -count % n)


def _contract(model, source, size, crop):
    """How images are shown where no card says it."""
    size = size or _only_size(model, source)
    if crop is None:
        crop = 1.0 if _all_are(source, size) else 0.875
    kind = {"interpolation": "bicubic", "antialias": False}
    return {"size": size, "crop": crop, **kind}


def _unit(images):
    return tf.image.convert_image_dtype(images, tf.float32)


def _batches(source, contract, batch_size, smallest, failures):
    """tf.data of {"image": `[n, size, size, 3]`, "label"}, the last one shorter."""
    size, crop = contract["size"], contract["crop"]
    label = source.fields.get("label")
    kept = ("image", "label") if label is not None else ("image",)

    def guarded(read):
        def call(index):
            try:
                image, item = read(index)
            except SslzooError as error:
                failures.append(error)
                raise
            return [image] + [np.asarray(item[k], label.dtype.name) for k in kept[1:]]

        return call

    def one(index):
        # Only the window is decoded; what comes back is that window, whole.
        item = source.read(
            int(index), window=functools.partial(window, crop=crop), smallest=smallest
        )
        return view(item["image"], {**contract, "crop": 1.0}), item

    def many(indices):
        item = source.batch(np.asarray(indices))
        return item["image"], item

    whole = (
        crop == 1
        and getattr(source, "uniform", False)
        and _all_are(source, size)
        and hasattr(source, "batch")
    )
    images = source.fields["image"].dtype if whole else tf.float32
    types = [images] + [label.dtype for _ in kept[1:]]
    shape = (None, size, size, 3) if whole else (size, size, 3)

    @tf.autograph.experimental.do_not_convert
    def load(index):
        values = tf.numpy_function(guarded(many if whole else one), [index], types)
        values[0] = _unit(tf.ensure_shape(values[0], shape))
        if label is not None:
            rank = [None] if whole else []
            values[1] = tf.ensure_shape(values[1], [*rank, *label.shape])
        return dict(zip(kept, values))

    indices = tf.data.Dataset.range(source.count)
    if whole:
        batches = indices.batch(batch_size).map(load, pipeline.BATCHES)
    else:
        batches = indices.map(load, pipeline.AT_ONCE).batch(batch_size)
    # Ahead only of a model that runs elsewhere: one on these same cores waits, at each
    # of its layers, for the core that also reads, at times as long as it computes.
    if tf.config.list_logical_devices("GPU"):
        batches = batches.prefetch(2)
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return pipeline.untuned(batches.with_options(options))


def _inference(model, names):
    @tf.function(autograph=False)  # Nothing to rewrite; errors keep their words.
    def run(images):
        outputs = model(images, training=False)
        if not isinstance(outputs, dict):
            if len(names) != 1:
                raise BadInput(
                    f"The model gives one tensor, not {len(names)}: {names}. Ask for "
                    "one name, or give the model of all features (features_only=True)."
                )
            outputs = {names[0]: outputs}
        found = {name: outputs[known_feature(name, outputs)] for name in names}
        return {name: tf.cast(value, tf.float32) for name, value in found.items()}

    return run


class _Sink:
    """Where features go: into memory, or into .npy files that appear when whole."""

    def __init__(self, count, names, out):
        self.count, self.arrays, self.paths = count, {}, {}
        if out is not None:
            stem = os.fspath(out).removesuffix(".npy")
            many = len(names) > 1
            self.paths = {
                k: f"{stem}.{k}.npy" if many else f"{stem}.npy" for k in names
            }

    def put(self, start, values):
        for name, value in values.items():
            if name not in self.arrays:
                shape = (self.count, *value.shape[1:])
                if self.paths:
                    self.arrays[name] = np.lib.format.open_memmap(
                        self.paths[name] + ".part", "w+", np.float32, shape
                    )
                else:
                    self.arrays[name] = np.empty(shape, np.float32)
            self.arrays[name][start : start + len(value)] = value

    def close(self):
        if not self.paths:
            return self.arrays
        for name, path in self.paths.items():
            self.arrays[name].flush()
            os.replace(path + ".part", path)
        return {k: np.load(path, mmap_mode="r") for k, path in self.paths.items()}

    def discard(self):
        for path in self.paths.values():
            if os.path.exists(path + ".part"):
                os.remove(path + ".part")


def _all_are(source, size):
    """Whether images are size x size: all, where the source says so, or a sample."""
    shape = source.fields["image"].shape
    if shape.is_fully_defined():
        return tuple(shape[:2]) == (size, size)
    some = np.unique(np.linspace(0, source.count - 1, 16).astype(int))
    return all(tuple(source.size(int(i))) == (size, size) for i in some)


def _only_size(model, source):
    if isinstance(model, keras.Model) and getattr(model, "inputs", None):
        shape = model.inputs[0].shape
        if len(shape) == 4 and shape[1] is not None and shape[1] == shape[2]:
            return shape[1]
    shape = source.fields["image"].shape
    if shape.is_fully_defined() and shape[0] == shape[1]:
        return shape[0]
    raise BadInput(
        f"The size to show images of {source.name} at is not known: the model takes "
        "any, and they are not all of one square size. Give one, such as size=224."
    )

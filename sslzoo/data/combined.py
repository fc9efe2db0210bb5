"""Sources made of sources: a part of one, several in a row, one kept in memory."""

import bisect
import concurrent.futures
import functools
import os

import numpy as np
from PIL import Image

from sslzoo import watch
from sslzoo.data.base import (
    Arrays,
    Source,
    as_float,
    file_of,
    has_labels,
    inside,
    sha256,
)
from sslzoo.errors import BadInput


class Subset(Source):
    """The items of `source` at `indices`."""

    def __init__(self, source, indices):
        self.source, self.indices = source, np.asarray(indices).astype(np.int64)
        self.count, self.name = len(self.indices), f"{source.name}[{len(indices)}]"
        if not self.count:
            raise BadInput(f"An empty subset of {source.name}.")
        if self.indices.min() < 0 or self.indices.max() >= source.count:
            raise BadInput(
                f"A subset of {source.name} asks for items {self.indices.min()} to "
                f"{self.indices.max()}; it has 0 to {source.count - 1}."
            )
        self.classes = source.classes
        self.uniform = getattr(source, "uniform", False)

    @property
    def fields(self):
        return self.source.fields

    @functools.cached_property
    def labels(self):
        if getattr(self.source, "labels", None) is None:
            return None
        return self.source.labels[self.indices]

    def read(self, index, window=None, smallest=None, only=None):
        index = self.indices[inside(self, index)]
        return self.source.read(int(index), window, smallest, only)

    def batch(self, indices, only=None):
        return self.source.batch(self.indices[indices], only)

    def size(self, index):
        return self.source.size(int(self.indices[index]))

    def file(self, index):
        return file_of(self.source, int(self.indices[index]))

    def fingerprint(self):
        return sha256(self.source.fingerprint(), self.indices)


class Union(Source):
    """Several sources, one after the other.

    It has the fields that all have; labels only where all have the same classes.
    """

    def __init__(self, sources):
        self.sources = tuple(sources)
        self.starts = np.cumsum([0] + [source.count for source in sources]).tolist()
        self.count = self.starts[-1]
        self.name = "+".join(source.name for source in sources)
        if len({source.classes for source in sources}) == 1:
            self.classes = sources[0].classes

    @functools.cached_property
    def fields(self):
        import tensorflow as tf

        first, *others = [source.fields for source in self.sources]
        agree = len({source.classes for source in self.sources}) == 1
        fields = {}
        for key, spec in first.items():
            specs = [spec] + [fields[key] for fields in others if key in fields]
            if len(specs) < len(self.sources) or (key == "label" and not agree):
                continue
            shape = spec.shape if len({str(s.shape) for s in specs}) == 1 else None
            if shape is None:
                shape = [None, None, 3] if key == "image" else [None] * spec.shape.rank
            mixed = len({s.dtype for s in specs}) > 1
            fields[key] = tf.TensorSpec(shape, tf.float32 if mixed else spec.dtype)
        return fields

    @functools.cached_property
    def labels(self):
        parts = [getattr(source, "labels", None) for source in self.sources]
        if "label" not in self.fields or any(part is None for part in parts):
            return None
        return np.concatenate(parts)

    def read(self, index, window=None, smallest=None, only=None):
        source, index = self._member(index)
        only = tuple(k for k in self.fields if only is None or k in only)
        item = source.read(index, window, smallest, only)
        if "image" in item and self.fields["image"].dtype == "float32":
            item["image"] = as_float(item["image"])
        return item

    def size(self, index):
        source, index = self._member(index)
        return source.size(index)

    def file(self, index):
        return file_of(*self._member(index))

    def fingerprint(self):
        return sha256([source.fingerprint() for source in self.sources])

    def _member(self, index):
        index = inside(self, index)
        k = bisect.bisect_right(self.starts, index) - 1
        return self.sources[k], index - self.starts[k]


class Cached(Arrays):
    """A source decoded once, into memory: what `cached` makes.

    `bad` is {index: error} of the images that could not be read. Reading one raises
    the error again, as the source does, so that whoever reads can go round it.
    """

    def __init__(self, images, labels, source, size, bad):
        super().__init__(images, labels, source.classes, source.name)
        self.source, self.reduced, self.bad = source, size, bad

    def batch(self, indices, only=None):
        if self.bad and (only is None or "image" in only):
            for index in np.asarray(indices).tolist():
                self._raise_if_bad(index)
        return super().batch(indices, only)

    def size(self, index):
        self._raise_if_bad(index)
        return super().size(index)

    def file(self, index):
        return file_of(self.source, index)

    def fingerprint(self):
        if self.reduced is None:
            return self.source.fingerprint()  # The same pixels.
        return sha256(self.source.fingerprint(), self.reduced)

    def _image(self, index, window, smallest):
        self._raise_if_bad(index)
        return super()._image(index, window, smallest)

    def _raise_if_bad(self, index):
        if index in self.bad:
            raise BadInput(self.bad[index])


def cached(source, size=None, workers=None, progress=watch.tell):
    """All images of `source`, decoded once and kept in memory, and their labels.

    Where they are all of one size, the result is `uniform` and gives batches at once.
    An image that cannot be read is one when it is read from here, see `Cached`.

    Args:
        size: images with a longer short side are reduced to it (antialiased, aspect
            kept), so that a folder of photographs fits.
        progress: called as progress(done, count) now and then; by default the bar
            of the command, if there is one.
    """
    keys = ("image", "label") if has_labels(source) else ("image",)
    labels = np.zeros(source.count, np.int64) if "label" in keys else None
    first = _first(source, size)
    whole = np.zeros((source.count, *first.shape), first.dtype)
    others = {}  # Those of another size; their places in `whole` are never touched.
    bad = {}  # Nor are theirs.

    def keep(start):
        stop = min(start + 64, source.count)
        for index in range(start, stop):
            try:
                item = source.read(index, smallest=size, only=keys)
            except BadInput as error:
                bad[index] = str(error)
                if labels is not None:
                    labels[index] = source.read(index, only=("label",))["label"]
                continue
            image = _reduced(item["image"], size)
            if image.shape == first.shape and image.dtype == first.dtype:
                whole[index] = image
            else:
                others[index] = image
            if labels is not None:
                labels[index] = item["label"]
        return stop - start

    pool = concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count())
    try:
        done = 0
        starts = range(0, source.count, 64)
        for ready in concurrent.futures.as_completed(
            pool.submit(keep, s) for s in starts
        ):
            done += ready.result()
            progress(done, source.count)
    finally:  # Also when the user interrupts: do not read on.
        pool.shutdown(cancel_futures=True)
    if others:
        whole = [others.get(index, whole[index]) for index in range(source.count)]
    return Cached(whole, labels, source, size, bad)


def _first(source, size):
    """The first image that can be read; its size is that of most, or of all."""
    reason = None
    for index in range(source.count):
        try:
            item = source.read(index, smallest=size, only=("image",))
            return _reduced(item["image"], size)
        except BadInput as error:
            reason = reason or error
    raise BadInput(f"None of its {source.count} images can be read: {reason}")


def _reduced(image, size):
    height, width = image.shape[:2]
    if size is None or min(height, width) <= size:
        return image
    scale = size / min(height, width)
    shape = max(size, round(width * scale)), max(size, round(height * scale))
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).resize(shape, Image.BICUBIC))
    planes = [
        np.asarray(Image.fromarray(plane).resize(shape, Image.BICUBIC))
        for plane in np.moveaxis(image, -1, 0)
    ]
    return np.clip(np.stack(planes, axis=-1), 0, 1)

"""What a source is, and the two that others are made of: Arrays and Pictures."""

import functools
import hashlib

import numpy as np

from sslzoo.data import decode
from sslzoo.errors import BadInput


class Source:
    """`count` items; `read(index)` gives one."""

    count = 0
    name = ""  # for messages
    classes = None  # the names of the labels, or None
    labels = None  # int64 [count], where they are at hand
    uniform = False  # whether all images are of one size, and `batch` gives many

    @functools.cached_property
    def fields(self):
        """What `read` gives: {"image": a tf.TensorSpec, ...}."""
        import tensorflow as tf  # Here, so that importing sources stays cheap.

        fields = {"image": tf.TensorSpec([None, None, 3], tf.uint8)}
        if self.labels is not None:
            fields["label"] = tf.TensorSpec([], tf.int64)
        return fields

    def read(self, index, window=None, smallest=None, only=None):
        """One item, {"image": [h, w, 3], "label": ...}.

        Args:
            window: (height, width) -> (top, left, height, width): that part only.
            smallest: a side that suffices; larger ones may come at reduced size.
            only: the names of the fields wanted; all without.

        With a window or a smallest side, "region" says which part of the upright image
        the pixels cover, (top, left, height, width): see `decode.read`.
        """
        inside(self, index)
        item = {}
        if only is None or "image" in only:
            item["image"], region = self._image(index, window, smallest)
            if window is not None or smallest is not None:
                item["region"] = np.array(region, np.int64)
        if self.labels is not None and (only is None or "label" in only):
            item["label"] = self.labels[index]
        return item

    def size(self, index):
        """(height, width) of the upright image."""
        raise NotImplementedError

    def fingerprint(self):
        """A sha256 of what identifies the data, the same on every machine."""
        raise NotImplementedError

    def file(self, index):
        """The name of the item where it comes from, or ""."""
        return ""

    def _image(self, index, window, smallest):
        raise NotImplementedError

    def _set_labels(self, labels, classes):
        if classes is not None:
            self.classes = tuple(str(name) for name in classes)
        if labels is None:
            return
        self.labels = np.asarray(labels).astype(np.int64).reshape(-1)
        if len(self.labels) != self.count:
            raise BadInput(
                f"{self.name}: {self.count} images but {len(self.labels)} labels."
            )
        most = self.labels.max(initial=0)
        if self.classes is not None and most >= len(self.classes):
            raise BadInput(
                f"{self.name}: a label is {most}, but there are {len(self.classes)} "
                "class names (labels count from 0)."
            )


class Arrays(Source):
    """Images in memory: an array [n, h, w, 3], or a list of [h, w, 3].

    uint8, or floating point in [0, 1]. With one channel, or none, they are gray.
    """

    def __init__(self, images, labels=None, classes=None, name="arrays"):
        self.name, self.count = name, len(images)
        if not self.count:
            raise BadInput(f"{name}: no images.")
        self.uniform = isinstance(images, np.ndarray) and images.dtype != object
        if self.uniform:
            self.images = pixels(images, 4, name)
        else:
            self.images = [pixels(np.asarray(image), 3, name) for image in images]
            if len({image.dtype for image in self.images}) > 1:
                self.images = [as_float(image) for image in self.images]
        self._set_labels(labels, classes)

    @functools.cached_property
    def fields(self):
        import tensorflow as tf

        shape = self.images.shape[1:] if self.uniform else [None, None, 3]
        spec = tf.TensorSpec(shape, tf.as_dtype(self.images[0].dtype))
        return {**super().fields, "image": spec}

    def batch(self, indices, only=None):
        """The items at `indices`, stacked; for images of one size."""
        batch = {}
        if only is None or "image" in only:
            batch["image"] = self.images[indices]
        if self.labels is not None and (only is None or "label" in only):
            batch["label"] = self.labels[indices]
        return batch

    def size(self, index):
        return self.images[index].shape[:2]

    def _image(self, index, window, smallest):
        return part(self.images[index], window)

    def fingerprint(self):
        images = [self.images] if self.uniform else self.images
        return sha256(*images, self.labels, self.classes)


class Pictures(Source):
    """Images that are decoded when read. Kinds give `encoded(index)`, their bytes."""

    def encoded(self, index):
        raise NotImplementedError

    def size(self, index):
        return self._named(index, lambda: decode.size(self.encoded(index)))

    def _image(self, index, window, smallest):
        return self._named(
            index, lambda: decode.read(self.encoded(index), window, smallest)
        )

    def _named(self, index, action):
        try:
            return action()
        except (BadInput, OSError) as error:
            raise BadInput(f"{where(self, index)}: {error}") from error


def inside(source, index):
    """The index of an item, as Python's integer; an error where there is no such."""
    if not 0 <= index < source.count:
        raise BadInput(f"{source.name} has items 0 to {source.count - 1}, not {index}.")
    return int(index)


def file_of(source, index):
    """`source.file(index)`, also of a source that is none of ours."""
    return source.file(index) if hasattr(source, "file") else ""


def where(source, index):
    """How messages call an item."""
    file = file_of(source, index)
    return f"{source.name}, item {index}" + (f" ({file})" if file else "")


def has_labels(source):
    return "label" in source.fields


def labelled(source):
    """The labels of all items, int64 [count]; an error where there are none."""
    if not has_labels(source):
        raise BadInput(
            f"{source.name} has no labels, and this needs them. A folder has labels "
            "if it holds nothing but folders of images, two or more, named as the "
            "classes; a .npz file, if y_train stands beside train_bytes or x_train."
        )
    labels = getattr(source, "labels", None)
    if labels is None:
        labels = [source.read(i, only=("label",))["label"] for i in range(source.count)]
    return np.asarray(labels, np.int64)


def classified(source, classes):
    """Raises unless all items have labels, of at most so many classes; 0 asks none."""
    if not classes:
        return
    if not has_labels(source):
        labelled(source)  # It says what is missing.
    if len(source.classes or ()) > classes:
        raise BadInput(
            f"classes={classes}, but {source.name} has {len(source.classes)}: "
            f"{', '.join(source.classes[:5])}{' ...' * (len(source.classes) > 5)}. "
            f"Give classes={len(source.classes)}; 0 is for no labels and no probe."
        )


def part(image, window):
    """The window of a decoded image, and where it lies."""
    height, width = image.shape[:2]
    if window is None:
        return image, (0, 0, height, width)
    place = decode.checked(window(height, width), height, width)
    top, left, height, width = place
    return image[top : top + height, left : left + width], place


def as_float(image):
    """uint8 or float32 -> float32 in [0, 1]."""
    return image if image.dtype == np.float32 else image.astype(np.float32) / 255


def pixels(images, rank, name):
    """Checks what a user gives as images: uint8 or float32, three channels."""
    if images.ndim == rank - 1 and images.shape[-1] not in (1, 3):
        images = images[..., None]
    if images.ndim != rank or images.shape[-1] not in (1, 3) or 0 in images.shape:
        expected = "[n, h, w, 3]" if rank == 4 else "[h, w, 3]"
        turned = images.ndim == rank and images.shape[rank - 3] in (1, 3)
        raise BadInput(
            f"{name}: an array of shape {list(images.shape)} where {expected} is "
            "expected (or 1 channel, or none, for gray)."
            + (" The channels come last: transpose it." if turned else "")
        )
    if images.dtype != np.uint8:
        least, most = images.min(), images.max()
        if not np.issubdtype(images.dtype, np.floating):
            raise BadInput(
                f"{name}: pixels are {images.dtype}, {least} to {most}. Give uint8, "
                "0 to 255, or floating point, 0 to 1."
            )
        if not (least >= 0 and most <= 1):  # false for NaN too
            raise BadInput(
                f"{name}: floating point pixels go from {least:g} to {most:g}. They "
                "must lie in [0, 1]: divide those of 0 to 255 by 255."
            )
        images = images.astype(np.float32, copy=False)
    if images.shape[-1] == 1:
        images = np.repeat(images, 3, axis=-1)
    images = images.view()
    images.flags.writeable = False  # What is read is a view of it.
    return images


def sha256(*parts):
    """Of arrays by their bytes, of anything else by its repr."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).data)
        else:
            total.update(repr(part).encode())
    return total.hexdigest()

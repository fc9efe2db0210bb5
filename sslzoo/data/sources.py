"""Where items come from: from_spec("folder:/photos"), or a source made in Python.

A source has `count` items; `read(index)` gives one, as a dict of NumPy arrays: "image"
always, RGB, [h, w, 3], upright, uint8 (255 = 1) or float32 in [0, 1]; "label", int64,
where there is one. It is plain Python, safe to call from many threads.

    npz:PATH#train          arrays, or encoded images with offsets, in a .npz file
    folder:PATH             a folder of images, or of folders of images, which label
    folder:PATH?labels=no   the same, whatever its folders mean
    folder:PATH?images=&classes=   refused where there are not so many
    tfds:NAME/SPLIT         any dataset of tensorflow-datasets
    toyworld:SPLIT?count=&size=&seed=
    rgbd:FILE?every=        colour and depth of one .npz file, or of rgbd:toyworld:...
    synthetic:N             noise, for tests and for timing
    SPEC+SPEC               one after the other
"""

import collections
import functools
import os
import re
import zipfile

import numpy as np

from sslzoo.data import decode
from sslzoo.data.base import (
    Arrays,
    Pictures,
    Source,
    classified,
    labelled,
    part,
    pixels,
    sha256,
)
from sslzoo.data.combined import Subset, Union, cached
from sslzoo.errors import BadInput, MissingExtra, MissingFile, UnknownName, nearest

__all__ = [
    "TFDS",
    "Arrays",
    "Encoded",
    "Files",
    "Folder",
    "Pictures",
    "Source",
    "Subset",
    "Synthetic",
    "Union",
    "cached",
    "classified",
    "from_spec",
    "labelled",
]

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm"),
)


def from_spec(spec, cache=False, size=None):
    """Reads "kind:argument", for example "folder:/photos", or several with "+".

    Args:
        cache: keep all images in memory, decoded once, with `size` as in `cached`.
    """
    if cache:
        return cached(from_spec(spec), size)
    members = _split(spec, r"\+")
    if len(members) > 1:
        return Union([from_spec(member) for member in members])
    kind, _, argument = spec.partition(":")
    if kind not in KINDS:
        meant = nearest(kind, KINDS)
        if os.path.exists(spec):
            best = "folder" if os.path.isdir(spec) else "npz"
            meant = f" Did you mean '{best}:{spec}'?"
        raise UnknownName(
            f"Cannot open data={spec!r}: unknown kind {kind!r}.{meant} "
            f"Write kind:argument with a kind of {', '.join(KINDS)}, "
            "for example data=folder:/photos."
        )
    return KINDS[kind](argument)


def specs(text):
    """Those of a list "kind:argument,kind:argument", which may be empty."""
    return _split(text, ",") if text else []


def _split(text, mark):
    # A "+" inside a path is none of ours: what follows ours begins with a kind.
    return re.split(mark + r"(?=[A-Za-z_]+:|toyworld)", text)


class Encoded(Pictures):
    """Files in memory, one after the other: image i is data[offsets[i]:offsets[i+1]].

    Args:
        data: uint8 [bytes].
        offsets: int64 [n + 1].
        files: the names that the images had, for messages.
    """

    def __init__(
        self, data, offsets, labels=None, classes=None, name="encoded", files=None
    ):
        self.name, self.count, self.files = name, len(offsets) - 1, files
        self.data, self.offsets = data, np.asarray(offsets)
        if self.count < 1:
            raise BadInput(f"{name}: no images.")
        if self.offsets[0] < 0 or (np.diff(self.offsets) < 0).any():
            raise BadInput(f"{name}: the offsets do not grow from image to image.")
        if self.offsets[-1] > len(data):
            raise BadInput(
                f"{name}: the offsets end at {self.offsets[-1]}, but there are "
                f"{len(data)} bytes."
            )
        self._set_labels(labels, classes)

    def encoded(self, index):
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes()

    def file(self, index):
        return "" if self.files is None else str(self.files[index])

    def fingerprint(self):
        return sha256(self.data, self.offsets, self.labels, self.classes)


class Files(Pictures):
    """Image files by their paths; in messages they are named from `root` on."""

    def __init__(self, paths, labels=None, classes=None, name="files", root=None):
        self.paths = [os.fspath(path) for path in paths]
        self.name, self.count = name, len(self.paths)
        if not self.count:
            raise BadInput(f"{name}: no images.")
        if root is None:
            root = os.path.commonpath([os.path.dirname(path) for path in self.paths])
        self.root = root
        self._set_labels(labels, classes)

    def encoded(self, index):
        with open(self.paths[index], "rb") as file:
            return file.read()

    def size(self, index):
        try:  # Most headers are within the first bytes.
            with open(self.paths[index], "rb") as file:
                return decode.size(file.read(1 << 16))
        except (BadInput, OSError):
            return super().size(index)

    def file(self, index):
        return os.path.relpath(self.paths[index], self.root).replace(os.sep, "/")

    def fingerprint(self):
        files = [(self.file(i), os.path.getsize(p)) for i, p in enumerate(self.paths)]
        return sha256(files, self.labels, self.classes)


class Folder(Files):
    """Every image below a folder, in the order of their names.

    Where the folder holds no images itself but at least two folders that do (at any
    depth), their names are the classes; `labels=False` ignores that. `others` are the
    names of the files that are no images by their extension.
    """

    def __init__(self, path, labels=True):
        path = existing(os.fspath(path))
        if not os.path.isdir(path):
            raise BadInput(f"folder:{path} is a file. Give the folder it lies in.")
        images, self.others = listed(path)
        if not images:
            raise BadInput(f"No image below {path!r}. {_found(self.others)}")
        tops = [image.partition("/")[0] for image in images]
        classes = sorted(set(tops))
        if not labels or len(classes) < 2 or not all("/" in image for image in images):
            numbers = classes = None
        else:
            number = {name: n for n, name in enumerate(classes)}
            numbers = [number[top] for top in tops]
        paths = [os.path.join(path, image) for image in images]
        super().__init__(paths, numbers, classes, f"folder:{path}", path)


class TFDS(Pictures):
    """A dataset of tensorflow-datasets: what `tfds.data_source` gives.

    Its images should come encoded (`decoders={"image": SkipDecoding()}`), so that
    here too only the window that is needed is decoded; decoded ones are taken as well.
    """

    def __init__(self, items, name):
        self.items, self.name, self.count = items, name, len(items)
        features = items.dataset_info.features
        if "image" not in features:
            raise BadInput(
                f"{name} has no 'image'. Its features are: {', '.join(features)}."
            )
        names = getattr(features["label"], "names", None) if "label" in features else ()
        self.classes = tuple(names) if names else None

    @functools.cached_property
    def fields(self):
        import tensorflow as tf

        label = {"label": tf.TensorSpec([], tf.int64)} if self.classes else {}
        return {**super().fields, **label}

    def encoded(self, index):
        return self.items[int(index)]["image"]  # a NumPy integer is refused there

    def read(self, index, window=None, smallest=None, only=None):
        if self.classes is None or (only is not None and "label" not in only):
            return super().read(index, window, smallest, only)
        item = super().read(index, window, smallest, only)
        return {**item, "label": np.int64(self.items[int(index)]["label"])}

    def _image(self, index, window, smallest):
        image = self.encoded(index)
        if isinstance(image, np.ndarray) and image.ndim == 3:
            return part(pixels(image, 3, self.name), window)
        data = bytes(image)
        return self._named(index, lambda: decode.read(data, window, smallest))

    def fingerprint(self):
        full = getattr(self.items.dataset_info, "full_name", self.name)
        return sha256(full, self.name, self.count)


class Synthetic(Source):
    """Fixed noise, [48, 40, 3], with labels 0 and 1, for tests and for timing."""

    classes = ("even", "odd")

    def __init__(self, count):
        self.count, self.name = count, f"synthetic:{count}"
        self.labels = np.arange(count) % 2

    def size(self, index):
        return 48, 40

    def _image(self, index, window, smallest):
        noise = np.random.Generator(np.random.PCG64(int(index)))
        return part(noise.integers(0, 256, (48, 40, 3), np.uint8), window)

    def fingerprint(self):
        return sha256(self.name)


def existing(path):
    """`path`, or an error that names what lies near it."""
    if not os.path.exists(path):
        parent, name = os.path.split(os.path.abspath(path))
        beside = sorted(os.listdir(parent)) if os.path.isdir(parent) else ()
        raise MissingFile(f"No such file or folder: {path!r}.{nearest(name, beside)}")
    return path


def listed(path):
    """Files below a folder: images (by their extensions) and others, sorted.

    Their names are relative, with "/". Hidden files and folders are left out; links
    to folders are followed, each folder once.
    """
    images, others, seen = [], [], set()
    for folder, folders, files in os.walk(path, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        start = os.path.relpath(folder, path).replace(os.sep, "/") + "/"
        start = "" if start == "./" else start
        for name in files:
            if not name.startswith("."):
                kind = os.path.splitext(name)[1].lower()
                (images if kind in EXTENSIONS else others).append(start + name)
    return sorted(images), sorted(others)


def _found(others):
    if not others:
        return "It is empty."
    kinds = collections.Counter(
        os.path.splitext(name)[1].lower() or "no extension" for name in others
    )
    found = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(5))
    return f"It holds {found}; images are {', '.join(EXTENSIONS)}."


def folder(argument):
    path, options = _options(argument, ("labels", "images", "classes"), "folder")
    labels = options.get("labels", "yes")
    if labels not in ("yes", "no"):
        raise BadInput(f"folder: labels={labels!r}. It is yes or no.")
    found = Folder(path, labels == "yes")
    for what, count in (("images", found.count), ("classes", len(found.classes or ()))):
        asked = options.get(what, str(count))
        if asked != str(count):
            raise BadInput(
                f"folder:{path} has {count} {what}, and {what}={asked} was asked for. "
                "Look for what is missing or too many there, or leave that out."
            )
    return found


def npz(argument):
    path, _, split = argument.partition("#")
    name = f"npz:{argument}"
    try:
        opened = np.load(existing(path))
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise BadInput(f"{path!r} is one array (.npy). Save it by numpy.savez.")
        with opened as arrays:
            keys = _npz_keys(arrays.files, path, split)
            found = {role: arrays[key] for role, key in keys.items()}
    except (zipfile.BadZipFile, EOFError, ValueError, IsADirectoryError) as error:
        if isinstance(error, BadInput | UnknownName):
            raise
        raise BadInput(f"{path!r} cannot be read as .npz: {error}") from error
    if "images" in found:
        return Arrays(found["images"], found.get("labels"), found.get("classes"), name)
    return Encoded(name=name, **found)


def _npz_keys(keys, path, split):
    """Which array of the file plays which role."""
    splits = {}
    for key in keys:
        stem = key.removesuffix("_bytes")
        if stem != key and f"{stem}_offsets" in keys:
            splits[stem] = {"data": key, "offsets": f"{stem}_offsets"}
        elif key.startswith("x_"):
            splits[key[2:]] = {"images": key}
        elif key == "images":
            splits[key] = {"images": key}
    if not split and len(splits) == 1:
        (split,) = splits
    if split not in splits:
        raise UnknownName(
            f"{path!r} has no images {split!r}.{nearest(split, splits)} "
            if split
            else f"{path!r}: say which images. "
            f"It has: {', '.join(splits) or 'none'} (of {', '.join(keys)}); "
            f"write npz:{path}#{next(iter(splits), 'NAME')}. Images are NAME_bytes "
            "with NAME_offsets, x_NAME, or images."
        )
    roles = splits[split]
    names = (f"y_{split}", f"{split}_labels", f"{split}_y")
    names += ("labels", "y") if split == "images" else ()
    for key in names:
        if key in keys:
            roles["labels"] = key
            if "class_names" in keys:
                roles["classes"] = "class_names"
    if "data" in roles and f"{split}_files" in keys:
        roles["files"] = f"{split}_files"
    return roles


def tfds(argument):
    name, _, split = argument.rpartition("/")
    if not name:
        raise BadInput(
            f"tfds:{argument}: no split. Write tfds:NAME/SPLIT, for example "
            "tfds:cifar10/train."
        )
    try:
        import tensorflow_datasets
    except ImportError:
        raise MissingExtra(
            f"tfds:{argument} needs tensorflow-datasets: pip install 'sslzoo[tfds]'"
        ) from None
    raw = {"image": tensorflow_datasets.decode.SkipDecoding()}
    try:
        items = tensorflow_datasets.data_source(name, split=split, decoders=raw)
    except tensorflow_datasets.core.DatasetNotFoundError:
        base = re.split("[/:@]", name)[0]
        known = tensorflow_datasets.list_builders()
        raise UnknownName(
            f"tensorflow-datasets has no {base!r}.{nearest(base, known)}"
        ) from None
    except Exception as error:  # Unknown splits, no network, no licence.
        raise BadInput(f"tensorflow-datasets cannot open {name}: {error}") from error
    return TFDS(items, f"tfds:{argument}")


def toyworld(argument):
    from sslzoo.data.toyworld import ToyWorld  # Here, since it is a source too.

    split, options = _options(argument, ("count", "size", "seed"), "toyworld")
    options = {key: _number(value, key) for key, value in options.items()}
    return ToyWorld(split or "train", **options)


def rgbd(argument):
    from sslzoo.data import rgbd  # Here, since it is made of sources too.

    if argument.partition(":")[0] == "toyworld":
        return rgbd.RGBD(from_spec(argument), f"rgbd:{argument}")
    path, options = _options(argument, ("every",), "rgbd")
    every = _number(options.get("every", "2"), "every")
    return rgbd.RGBD(rgbd.Frames(existing(path)), f"rgbd:{argument}", every)


def synthetic(argument):
    count = _number(argument, "synthetic")
    if count < 1:
        raise BadInput(f"synthetic:{argument}: it must be 1 or more.")
    return Synthetic(count)


def _options(argument, known, kind):
    """ "head?a=1&b=2" -> "head", {"a": "1", "b": "2"}"""
    head, mark, tail = argument.rpartition("?")
    if not mark or "=" not in tail:
        return argument, {}
    options = {}
    for option in tail.split("&"):
        key, _, value = option.partition("=")
        if key not in known:
            raise UnknownName(
                f"{kind} has no option {key!r}.{nearest(key, known)} "
                f"It has: {', '.join(known)}."
            )
        options[key] = value
    return head, options


def _number(value, what):
    try:
        return int(value)
    except ValueError:
        raise BadInput(f"{what}: {value!r} is no whole number.") from None


KINDS = {
    "folder": folder,
    "npz": npz,
    "tfds": tfds,
    "toyworld": toyworld,
    "rgbd": rgbd,
    "synthetic": synthetic,
}

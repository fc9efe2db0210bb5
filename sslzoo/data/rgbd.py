"""Pictures with depth, and the HHA of it, which needs the camera: see `color.hha`."""

import functools
import io

import numpy as np
from PIL import Image

from sslzoo import color
from sslzoo.data import decode
from sslzoo.data.base import Source, inside, sha256
from sslzoo.errors import BadInput


class RGBD(Source):
    """The pictures of a source of one size that has depth, with HHA.

        image   uint8 [h, w, 3]
        hha     uint8 [h, w, 3], 255 = 1; black where no depth is known
        label   int64, where the source has one

    HHA is made when an item is first asked for, and kept, 3 bytes a pixel.

    Args:
        source: its `camera(index)` is of the picture as `read` gives it; its `down`,
            where it has one, is the direction of gravity in all of them.
        every: HHA is of all pixels; then of these every second, third ... is taken, and
            of the picture the mean of as many.
    """

    uniform = True

    def __init__(self, source, name, every=1):
        if every < 1:
            raise BadInput(f"{name}: every={every}. Give 1 for all pixels, 2 for half.")
        self.source, self.name, self.every = source, name, every
        self.count, self.classes = source.count, source.classes
        self._kept = {}

    @functools.cached_property
    def labels(self):
        return self.source.labels

    @functools.cached_property
    def fields(self):
        import tensorflow as tf

        image = tf.TensorSpec([*self.size(0), 3], tf.uint8)
        label = {k: v for k, v in self.source.fields.items() if k == "label"}
        return {"image": image, "hha": image, **label}

    def size(self, index):
        height, width = self.source.size(index)
        return height // self.every, width // self.every

    def read(self, index, window=None, smallest=None, only=None):
        index = inside(self, index)
        wanted = tuple(self.fields) if only is None else only
        item = {}
        if {"image", "hha"} & {*wanted}:
            if index not in self._kept:
                self._kept[index] = self._made(index)
            item |= dict(zip(("image", "hha"), self._kept[index]))
        if "label" in wanted:
            item |= self.source.read(index, only=("label",))
        region = (0, 0, *self.size(index))
        if window is not None:
            region = decode.checked(window(*region[2:]), *region[2:])
            top, left, height, width = region
            for key in {"image", "hha"} & {*item}:
                item[key] = item[key][top : top + height, left : left + width]
        if window is not None or smallest is not None:
            item["region"] = np.array(region, np.int64)
            wanted = (*wanted, "region")
        return {key: item[key] for key in wanted}

    def batch(self, indices, only=None):
        items = [self.read(index, only=only) for index in indices]
        return {name: np.stack([item[name] for item in items]) for name in items[0]}

    def _made(self, index):
        item = self.source.read(index, only=("image", "depth"))
        image, depth = item["image"], item["depth"]
        if image.shape[:2] != depth.shape:
            raise BadInput(
                f"{self.name}, item {index}: the picture has {image.shape[:2]} pixels, "
                f"its depth {depth.shape}. Bring the depth to the picture's pixels, "
                "each to its own, before it is given here."
            )
        camera = self.source.camera(index)
        hha = _hha(depth, camera, getattr(self.source, "down", None))
        step = self.every
        height, width = (extent // step for extent in depth.shape)
        parts = image[: height * step, : width * step]
        parts = parts.reshape(height, step, width, step, 3).mean((1, 3))
        half = step // 2
        hha = hha[half::step, half::step][:height, :width]
        return np.rint(parts).astype(np.uint8), np.rint(255 * hha).astype(np.uint8)

    def fingerprint(self):
        return sha256(self.source.fingerprint(), self.every)


class Seen(Source):
    """What a network sees of the items of a source, as its images: their HHA."""

    def __init__(self, source, key="hha"):
        self.source, self.key = source, key
        self.count, self.name, self.classes = source.count, source.name, source.classes
        self.labels, self.uniform = getattr(source, "labels", None), True

    @property
    def fields(self):
        fields = dict(self.source.fields)
        return {**fields, "image": fields.pop(self.key)}

    def read(self, index, window=None, smallest=None, only=None):
        wanted = None if only is None else [self._theirs(name) for name in only]
        item = self.source.read(index, window, smallest, wanted)
        return {**item, "image": item.pop(self.key)} if self.key in item else item

    def batch(self, indices, only=None):
        wanted = None if only is None else [self._theirs(name) for name in only]
        items = self.source.batch(indices, wanted)
        return {**items, "image": items.pop(self.key)} if self.key in items else items

    def size(self, index):
        return self.source.size(index)

    def _theirs(self, name):
        return self.key if name == "image" else name

    def fingerprint(self):
        return sha256(self.source.fingerprint(), self.key)


def seen(source, sees):
    """The source as a network is shown it that sees "image", or "hha" in its place."""
    if sees == "image":
        return source
    if sees not in source.fields:
        raise BadInput(
            f"The network sees depth, as HHA, and {source.name} has no {sees}, only "
            f"{', '.join(source.fields)}. Give pictures with depth: rgbd:FILE, or "
            "rgbd:toyworld:test. Arrays of HHA go through "
            "sslzoo.load_preprocessor(NAME)."
        )
    return Seen(source, sees)


class Frames(Source):
    """NYU Depth v2 in one .npz file: JPEGs, PNGs of depth, and the metres of a unit.

    Keys are image_bytes, image_offsets, depth_bytes, depth_offsets and
    depth_metres_per_unit. Of 640 x 480 pixels the middle 561 x 427 are taken, on which
    the two cameras agree, as is usual with this set.
    """

    top, left, height, width = 44, 40, 427, 561

    def __init__(self, path):
        self.name = f"rgbd:{path}"
        with np.load(path) as arrays:
            missing = {"image_bytes", "image_offsets", "depth_bytes", "depth_offsets"}
            missing = {*missing, "depth_metres_per_unit"} - {*arrays.files}
            if missing:
                raise BadInput(
                    f"{path} has no {', '.join(sorted(missing))}, but "
                    f"{', '.join(arrays.files)}. Pictures alone are npz:{path}#NAME."
                )
            self.arrays = {key: arrays[key] for key in arrays.files}
        self.unit = float(self.arrays["depth_metres_per_unit"])
        self.count = len(self.arrays["image_offsets"]) - 1

    @functools.cached_property
    def fields(self):
        import tensorflow as tf

        size = [self.height, self.width]
        image = tf.TensorSpec([*size, 3], tf.uint8)
        return {"image": image, "depth": tf.TensorSpec(size, tf.float32)}

    def size(self, index):
        return self.height, self.width

    def camera(self, index):
        return color.NYU.of_part(self.top, self.left)

    def read(self, index, window=None, smallest=None, only=None):
        index = inside(self, index)
        image = decode.read(self._bytes("image", index))[0]
        depth = np.asarray(Image.open(io.BytesIO(self._bytes("depth", index))))
        image = self._middle(image, "picture", index)
        depth = self._middle(depth, "depth", index) * self.unit
        return {"image": image, "depth": depth}

    def _bytes(self, name, index):
        start, stop = self.arrays[f"{name}_offsets"][index : index + 2]
        return self.arrays[f"{name}_bytes"][start:stop].tobytes()

    def _middle(self, pixels, what, index):
        if pixels.shape[:2] != (480, 640):
            raise BadInput(
                f"{self.name}: the {what} of item {index} has {pixels.shape[:2]} "
                "pixels; NYU Depth v2 has (480, 640), of which its camera is known."
            )
        rows = slice(self.top, self.top + self.height)
        return pixels[rows, self.left : self.left + self.width]

    def fingerprint(self):
        return sha256(*(self.arrays[key] for key in sorted(self.arrays)))


def _hha(depth, camera, down):
    """`color.hha` in NumPy; compiled once for each size of pictures."""
    import tensorflow as tf

    numbers = np.float32([*camera.focal, *camera.centre])
    return _compiled(down)(tf.constant(depth, tf.float32), numbers).numpy()


@functools.cache
def _compiled(down):
    import tensorflow as tf

    @tf.function(autograph=False)
    def made(depth, numbers):
        fx, fy, cx, cy = tf.unstack(numbers)
        return color.hha(depth, color.Camera((fx, fy), (cx, cy)), down=down)

    return made

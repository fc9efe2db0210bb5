"""The toy world: small natural-looking scenes made by NumPy, a source without files.

Item `index` is a pure function of (seed, split, index). Its class is that of its main
thing; smaller things and stuff stand around it, before it and behind it. Two kinds
share each palette, light and ground vary, so that shape and texture tell the class.
"""

import functools

import numpy as np

from sslzoo import color
from sslzoo.data import toyscene
from sslzoo.data.base import Source, inside, sha256
from sslzoo.errors import BadInput, UnknownName, nearest

SPLITS = ("train", "test")
FRAMES = 8
# Part of the fingerprint: to be raised when the same index gives another picture.
VERSION = 3
# Images once made are kept, up to this many bytes: they are asked for every epoch.
KEPT = 2**28


class ToyWorld(Source):
    """A source of `count` scenes of `size` x `size` pixels.

    Fields of an item, with h = w = size:
        image      uint8 [h, w, 3]
        label      int64, the class of the main thing
        boxes      float32 [k, 4], (ymin, xmin, ymax, xmax) in pixels, edges included
                   below and excluded above: exactly around the instances 1 .. k
        box_labels int64 [k]
        mask       int32 [h, w], 0 for sky, ground, bushes and rocks, else 1 + class
        instances  int32 [h, w], 0 likewise, else 1 + the row in boxes
        depth      float32 [h, w], metres; the sky is at 500
        clip       uint8 [8, h, w, 3]; the first frame is the image
        motion     bool [8, h, w], the pixels of things that move on their own; what
                   moves with the camera, and shadows, are not marked

    A scene is the same at every size, but for the noise of the camera.
    """

    classes = tuple(kind.name for kind in toyscene.KINDS)
    uniform = True
    down = (0.0, 1.0, 0.0)  # the direction of gravity: the camera looks level

    def __init__(self, split="train", count=4096, size=64, seed=0):
        if split not in SPLITS:
            raise UnknownName(
                f"toyworld has no split {split!r}.{nearest(split, SPLITS)} "
                f"It has: {', '.join(SPLITS)}."
            )
        if size < 32:
            raise BadInput(f"toyworld got size={size}; things are lost below 32.")
        if count < 1:
            raise BadInput(f"toyworld got count={count}; it must be 1 or more.")
        self.split, self.count, self.side, self.seed = split, count, size, seed
        self.name = f"toyworld:{split}"
        self._kept = {}

    @functools.cached_property
    def labels(self):
        """int64 `[count]`; composes every scene once, and paints none."""
        return np.array([self.scene(i).things[0].label for i in range(self.count)])

    @functools.cached_property
    def fields(self):
        """Name to `tf.TensorSpec`."""
        import tensorflow as tf  # Here, so that making pictures needs NumPy alone.

        side = self.side
        return {
            "image": tf.TensorSpec([side, side, 3], tf.uint8),
            "label": tf.TensorSpec([], tf.int64),
            "boxes": tf.TensorSpec([None, 4], tf.float32),
            "box_labels": tf.TensorSpec([None], tf.int64),
            "mask": tf.TensorSpec([side, side], tf.int32),
            "instances": tf.TensorSpec([side, side], tf.int32),
            "depth": tf.TensorSpec([side, side], tf.float32),
            "clip": tf.TensorSpec([FRAMES, side, side, 3], tf.uint8),
            "motion": tf.TensorSpec([FRAMES, side, side], tf.bool),
        }

    def size(self, index):
        """(height, width)."""
        return self.side, self.side

    def fingerprint(self):
        """Identifies the pictures; the data itself is never made for it."""
        return sha256(self.name, VERSION, self.count, self.side, self.seed)

    def scene(self, index):
        """The `toyscene.Scene` of an item, before it is painted."""
        return toyscene.compose(self._generator(index, 0))

    def camera(self, index):
        """The `color.Camera` of an item; its horizon is not in the middle."""
        scene, side = self.scene(index), self.side
        centre = (side / 2 + 0.5, side * scene.horizon + 0.5)  # The first pixel is 1.
        return color.Camera((side * scene.focal,) * 2, centre)

    def read(self, index, window=None, smallest=None, only=None):
        """The item at `index`, as NumPy arrays.

        Args:
            window: from (height, width) to (top, left, height, width), the part that
                is wanted of every picture; boxes are then those of this part.
            smallest: of no use here, since nothing is decoded.
            only: names of the fields wanted, all by default. Others are not made.
        """
        index, wanted = inside(self, index), FIELDS if only is None else tuple(only)
        for name in wanted:
            if name not in FIELDS:
                raise UnknownName(
                    f"toyworld has no field {name!r}.{nearest(name, FIELDS)} "
                    f"It has: {', '.join(FIELDS)}."
                )
        region = (0, 0, self.side, self.side)
        if window is not None:
            region = tuple(int(n) for n in window(self.side, self.side))
        top, left, height, width = region
        part = (slice(top, top + height), slice(left, left + width))

        item = self._make(index, set(wanted), part)
        if window is not None or smallest is not None:
            item["region"] = np.array(region, np.int64)
            wanted = (*wanted, "region")
        return {name: item[name] for name in wanted}

    def batch(self, indices, only=None):
        """The items at `indices`, stacked; not for boxes, whose number varies."""
        only = ("image", "label") if only is None else only
        items = [self.read(index, only=only) for index in indices]
        return {name: np.stack([item[name] for item in items]) for name in only}

    def _make(self, index, wanted, part):
        item = {}
        if index in self._kept:
            image, item["label"] = self._kept[index]
            item["image"] = image[part].copy()
        if wanted <= set(item):
            return item
        scene = self.scene(index)
        item["label"] = np.int64(scene.things[0].label)
        if wanted - {"clip", "motion"} - set(item):
            rgb, depth, seen = toyscene.paint(scene, self.side)
            item |= _instances(seen[part], scene)
            item["depth"] = depth[part]
            if "image" in wanted:
                image = self._photo(rgb, scene, index, 0)
                item["image"] = image[part].copy()
                if len(self._kept) * image.nbytes < KEPT:
                    self._kept[index] = image, item["label"]
        if wanted & {"clip", "motion"}:
            item["clip"], item["motion"] = self._film(scene, index, part)
        return item

    def _film(self, scene, index, part):
        moves = np.array([False] + [thing.velocity != 0 for thing in scene.things])
        clip, motion = [], []
        for time in range(FRAMES):
            rgb, _, seen = toyscene.paint(scene, self.side, time)
            clip.append(self._photo(rgb, scene, index, time)[part])
            motion.append(moves[seen[part]])
        return np.stack(clip), np.stack(motion)

    def _photo(self, rgb, scene, index, time):
        return toyscene.develop(rgb, scene, self._generator(index, 1 + time))

    def _generator(self, index, purpose):
        entropy = (self.seed % 2**64, SPLITS.index(self.split), int(index), purpose)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


FIELDS = (
    "image", "label", "boxes", "box_labels", "mask", "instances", "depth", "clip",
    "motion",
)  # fmt: skip


def _instances(seen, scene):
    """Masks and boxes from `seen`, 1 + the number of the thing seen at each pixel."""
    labels = [-1] + [thing.label for thing in scene.things]
    classes = np.array(labels, np.int32)
    number = np.zeros(len(classes), np.int32)
    boxes, kept = [], []
    for k in range(1, len(classes)):
        if classes[k] < 0:
            continue
        rows, columns = (np.flatnonzero((seen == k).any(axis)) for axis in (1, 0))
        if len(rows):
            boxes.append((rows[0], columns[0], rows[-1] + 1, columns[-1] + 1))
            kept.append(classes[k])
            number[k] = len(kept)
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "box_labels": np.array(kept, np.int64),
        "mask": (classes + 1)[seen],
        "instances": number[seen],
    }

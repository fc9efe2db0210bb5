"""Whole views of an image: a window of it, then changes of its pixels.

BYOL's (Grill et al., 2020, appendix on augmentations), in this order:

    crop, resize  |  flip, colour jitter, grayscale, blur, solarize, clip

What stands before the bar (`start`) needs the image, whose size is its own; what stands
behind (`finish`) has one shape, is compiled, and may run on the host, one example at a
time, or on the device, in batches. Both give the same pixels for the same seeds.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from sslzoo.augment import base, crops, draws, ops
from sslzoo.errors import BadInput


@dataclasses.dataclass(frozen=True)
class Changes:
    """How often a view is changed, or how much; defaults are BYOL's first family."""

    flip: float = 0.5  # probability
    jitter: float = 0.8  # probability of the next four together
    brightness: float = 0.4  # most that is added, or that the factor departs from 1
    brighten: str = "add"  # or "scale": a factor, as SimCLR's second code has it
    contrast: float = 0.4  # most that the factor departs from 1
    saturation: float = 0.2  # the same
    hue: float = 0.1  # most that is turned, of a whole turn
    gray: float = 0.2  # probability
    blur: float = 1.0  # probability
    solarize: float = 0.0  # probability

    def __post_init__(self):
        for name in ("flip", "jitter", "gray", "blur", "solarize"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(
                    f"Changes({name}={getattr(self, name)!r}) is a probability: "
                    "give a number from 0 to 1."
                )
        if self.brighten not in ("add", "scale"):
            raise BadInput(
                f"Changes(brighten={self.brighten!r}): brightness is changed by 'add' "
                "or by 'scale'."
            )
        for name in ("brightness", "contrast", "saturation", "hue"):
            if not getattr(self, name) >= 0:
                raise BadInput(
                    f"Changes({name}={getattr(self, name)!r}) is the most that a "
                    "colour changes: give 0 or more."
                )
        factors = ["contrast", "saturation"]
        factors += ["brightness"] if self.brighten == "scale" else []
        for name in factors:
            if getattr(self, name) > 1:
                raise BadInput(
                    f"Changes({name}={getattr(self, name)!r}) is the most that a "
                    "factor departs from 1, and none is below 0: give 1 or less, and "
                    "to SimCLR a strength of 1.25 or less."
                )

    def __call__(self, image, seed):
        """The changed image; one, or a batch."""
        flip, jitter, gray, blur, solarize = draws.split(ops.tensor(seed), 5)
        image = ops.flip(image, flip, self.flip)
        most = self.brightness, self.contrast, self.saturation, self.hue
        image = ops.jitter(image, jitter, *most, self.jitter, self.brighten)
        image = ops.grayscale(image, gray, self.gray)
        image = ops.blur(image, blur, self.blur)
        image = ops.solarize(image, solarize, self.solarize)
        return ops.clip(image)


BYOL_T = Changes()
MIRROR = Changes(jitter=0, gray=0, blur=0)
BYOL_T_PRIME = Changes(blur=0.1, solarize=0.2)
# Of Inception's training, in its fast mode, as Revisiting has it: brightness by 32 of
# 255, saturation by half. Its code has one order of the two; here it is drawn.
INCEPTION = Changes(
    jitter=1.0, brightness=32 / 255, contrast=0, saturation=0.5, hue=0, gray=0, blur=0
)


@keras.saving.register_keras_serializable("sslzoo")
class Views(base.Transform):
    """Views of an example, `(item, seed) -> {"view1": [size, size, 3], ...}`.

    Args:
        size: of a view.
        changes: one `Changes` for each view; None for a view that is only cropped.
        area, ratio: of the random window: part of the image, and width / height; None
            for squares, parts of the largest.
        evaluate: the centre in place of random windows.
    """

    def __init__(
        self,
        size,
        changes=(BYOL_T, BYOL_T_PRIME),
        area=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        evaluate=False,
    ):
        if not size >= 1:
            raise BadInput(f"A view has a size of 1 or more, not {size!r}.")
        low, high = area
        if not 0 < low <= high <= 1:
            raise BadInput(
                f"A view shows at least {low!r} and at most {high!r} of an image: give "
                "parts above 0, up to 1, such as smallest_crop=0.08."
            )
        self.size, self.changes = int(size), tuple(changes)
        self.area, self.ratio = tuple(area), ratio and tuple(ratio)
        self.evaluate = evaluate
        self.names = tuple(f"view{i + 1}" for i in range(len(self.changes)))

    def get_config(self):
        """What it was made with: a method that is kept tells by it what it saw."""
        changes = [each and dataclasses.asdict(each) for each in self.changes]
        kept = {
            key: getattr(self, key) for key in ("size", "area", "ratio", "evaluate")
        }
        return {**kept, "changes": changes}

    @classmethod
    def from_config(cls, config):
        changes = [each and Changes(**each) for each in config["changes"]]
        return cls(**{**config, "changes": changes})

    def windows(self, seed, height, width):
        """(top, left, height, width) of each view, int64 `[..., k, 4]`, in NumPy."""
        k = len(self.names)
        if np.ndim(height):
            height, width = np.asarray(height)[..., None], np.asarray(width)[..., None]
        if self.evaluate:
            centre = crops.centre_window(self.size, height, width)
            return np.broadcast_to(centre, (*np.shape(seed)[:-1], k, 4))
        where = draws.split(seed, 2)[0]
        seeds = draws.children(where, k)
        return crops.random_windows(seeds, height, width, self.area, self.ratio)

    def start(self, item, seed):
        """Crops and resizes `item["image"]`, one or a batch, uint8 or float32.

        Its windows are `item["windows"]`, or those of `windows` where it has none.
        """
        image = tf.convert_to_tensor(item["image"])
        windows = item["windows"] if "windows" in item else self.draw(image, seed)
        return {
            name: crops.resize(image, windows[..., i, :], self.size)
            for i, name in enumerate(self.names)
        }

    def finish(self, views, seed):
        """Changes the pixels of what `start` gave; one example, or a batch."""
        if not any(self.changes):
            return dict(views)
        return self.compiled(views, seed)

    @tf.function(jit_compile=True, autograph=False)
    def compiled(self, views, seed):
        seeds = draws.split(draws.split(ops.tensor(seed), 2)[1], len(self.names))
        return {
            name: change(views[name], seed) if change else views[name]
            for name, change, seed in zip(self.names, self.changes, seeds)
        }


class Alike(base.Transform):
    """An example made of views that are all changed alike; subclasses `finish` it."""

    def __init__(self, size, changes, area, ratio, count=1):
        self.views = Views(size, (changes,) * count, area, ratio)
        self.size, self.changes = self.views.size, changes
        self.area, self.ratio = self.views.area, self.views.ratio
        self.windows = self.views.windows

    def get_config(self):
        return {**super().get_config(), "changes": dataclasses.asdict(self.changes)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "changes": Changes(**config["changes"])})

    def start(self, item, seed):
        return self.views.start(item, seed)


def evaluation_view(size):
    """The centre of an image and nothing else: `{"view1"}`."""
    return Views(size, changes=(None,), evaluate=True)

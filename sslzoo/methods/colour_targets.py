"""What a network is asked of the colour at a place, and what its answer costs.

    Histograms   of hue and chroma around it         Larsson et al., 2017
    Regression   a and b of Lab                      the same, Table 2
    Bins         which of the 313 of ab it is        Zhang et al., 2016

Each has the number of its `outputs`; `loss(outputs, images, places)`, the mean over the
places; and `colours(outputs, gray)`, the RGB `[..., 3]` that the outputs stand for.
For a person to see there are `distributions(outputs)`, and `counted(images)`, what
these would be if they were right.
Outputs are `[n, points, outputs]`, images `[n, h, w, 3]`, places int `[n, points, 2]`.
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from sslzoo import color
from sslzoo.backbones import layers
from sslzoo.errors import BadInput
from sslzoo.losses import colorization as losses
from sslzoo.losses.classification import cross_entropy

COLOURLESS = 2 / 255  # Of chroma: less is what rounding leaves of gray.
CHANNELS = {"ab": slice(1, 3), "Lab": slice(0, 3)}


class Target:
    """What the three share: a method that is kept tells by it what it asked."""

    def get_config(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def distributions(self, outputs):
        """{name: `[..., bins]`, of the sum 1}; a regression has none."""
        return {}

    def counted(self, images):
        """{name: `[n, h, w, bins]`}, of those that images have at each pixel."""
        return {}


@keras.saving.register_keras_serializable("sslzoo")
@dataclasses.dataclass(frozen=True)
class Histograms(Target):
    """32 bins of hue, 32 of chroma; see `color.histograms` and `hue_chroma_kl`."""

    bins: int = color.HISTOGRAM_BINS
    window: int = color.HISTOGRAM_WINDOW
    hue_scale: float = 5.0
    scale: float = 1.0  # of the loss

    @property
    def outputs(self):
        return 2 * self.bins

    def loss(self, outputs, images, places):
        hue, chroma = color.hue_chroma(images)
        found = (
            color.histograms_at(values, places, self.bins, self.window)
            for values in (hue, chroma)
        )
        logits = ops.split(outputs, 2, axis=-1)
        centre, gray = at(chroma, places), at(ops.mean(images, axis=-1), places)
        loss = losses.hue_chroma_kl(*found, *logits, centre, gray, self.hue_scale)
        return self.scale * loss

    def colours(self, outputs, gray):
        said = self.distributions(outputs)
        return color.colour_of(said["hue"], said["chroma"], gray)

    def distributions(self, outputs):
        hue, chroma = ops.split(ops.convert_to_tensor(outputs), 2, axis=-1)
        return {"hue": ops.softmax(hue), "chroma": ops.softmax(chroma)}

    def counted(self, images):
        hue, chroma = (
            color.dense_histograms(values, self.bins, self.window)
            for values in color.hue_chroma(images)
        )
        return {"hue": hue, "chroma": chroma}


@keras.saving.register_keras_serializable("sslzoo")
@dataclasses.dataclass(frozen=True)
class Regression(Target):
    """a / 100 and b / 100, squared error.

    What the authors regress on, how they scale it and which distance they take is not
    recorded. With channels "Lab" the third is L / 100 - 1/2, which gray tells.
    """

    channels: str = "ab"
    scale: float = 1.0  # of the loss: see `matched`

    def __post_init__(self):
        layers.known(self.channels, CHANNELS, "channels")

    @property
    def outputs(self):
        return len(self.channels)

    def loss(self, outputs, images, places):
        lab = color.rgb_to_lab(at(images, places)) - (50.0, 0.0, 0.0)
        wanted = lab[..., CHANNELS[self.channels]] / 100
        return self.scale * losses.squared_error(outputs, wanted)

    def colours(self, outputs, gray):
        return _of_ab(100 * ops.convert_to_tensor(outputs)[..., -2:], gray)


@keras.saving.register_keras_serializable("sslzoo")
@dataclasses.dataclass(frozen=True)
class Bins(Target):
    """313 bins of ab, soft targets.

    Args:
        nearest: bins that share a colour: 10 in the code, 5 in the paper; 1 is hard.
        prior: how often each of the 313 is found, to rebalance by: see `ab_prior`.
            None rebalances nothing.
        uniform: the share of equal parts in that, the papers' lambda, or gamma.
        gray_below: an image whose a and b are nowhere beyond it, at the places that are
            asked, counts nothing; 5 in the code of Zhang et al. 0: all count.
    """

    nearest: int = 10
    sigma: float = 5.0
    prior: tuple | None = None
    uniform: float = 0.5
    gray_below: float = 0.0
    scale: float = 1.0  # of the loss

    @property
    def outputs(self):
        return len(color.AB_BINS)

    def loss(self, outputs, images, places):
        ab = color.rgb_to_lab(at(images, places))[..., 1:]
        bins, weights = color.soft_ab_bins(ab, self.nearest, self.sigma)
        if self.gray_below:
            far = ops.max(ops.abs(ab), axis=(1, 2), keepdims=True) > self.gray_below
            weights *= ops.cast(far, weights.dtype)
        counts = None
        if self.prior is not None:
            prior = tf.constant(self.prior, tf.float32)
            # Few images leave bins out, which are the rarest of all.
            counts = color.rebalancing(prior, self.uniform, empty=True)
        loss = cross_entropy(outputs, bins, weights, counts)
        return self.scale * loss

    def colours(self, outputs, gray):
        return _of_ab(color.annealed_mean(outputs), gray)

    def distributions(self, outputs):
        return {"ab": ops.softmax(outputs)}


def named(kind, images, scale=0.0, rebalance=False, gray_below=0.0):
    """The target that a recipe names: "histograms", "regression" or "bins".

    Args:
        images: () -> `[n, h, w, 3]`, some that the run will show.
        scale: of its loss; 0 makes the steps as large as those of histograms at first,
            see `matched`.
        rebalance: bins by how often they are found in these images.
        gray_below: see `Bins`.
    """
    layers.known(kind, TARGETS, "target")
    if rebalance and kind != "bins":
        raise BadInput(f"rebalance=true of target={kind}: bins alone are rebalanced.")
    if gray_below and kind != "bins":
        raise BadInput(f"gray_below={gray_below} of target={kind}: it is of bins.")
    if not scale >= 0:
        raise BadInput(
            f"scale={scale}: a loss is made larger by it, or smaller. Give 1 to leave "
            "it, or 0 to match the steps of histograms."
        )
    target = TARGETS[kind](scale=scale or 1.0)
    if gray_below:
        target = dataclasses.replace(target, gray_below=gray_below)
    if kind == "histograms" or (scale and not rebalance):
        return target
    images = images()
    if rebalance:
        prior = ops.convert_to_numpy(ab_prior(images[:, ::8, ::8])).tolist()
        target = dataclasses.replace(target, prior=tuple(prior))
    if scale:
        return target
    every = np.mgrid[: images.shape[1] : 8, : images.shape[2] : 8].reshape(2, -1).T
    places = tf.repeat(tf.constant(every[None], tf.int32), len(images), axis=0)
    return matched(target, Histograms(), images, places)


def ab_prior(images, nearest=10, sigma=5.0):
    """How often each of the 313 bins is found in images `[n, h, w, 3]`: `[313]`."""
    ab = color.rgb_to_lab(images)[..., 1:]
    bins, weights = color.soft_ab_bins(ab, nearest, sigma)
    count = len(color.AB_BINS)
    total = ops.segment_sum(ops.reshape(weights, -1), ops.reshape(bins, -1), count)
    return total / ops.sum(total)


TARGETS = {"histograms": Histograms, "regression": Regression, "bins": Bins}
TARGETS["regression_lab"] = functools.partial(Regression, "Lab")


def matched(target, other, images, places):
    """The target with such a scale that at first it moves a network as `other` does.

    Two losses with one rate for both are compared where their steps are alike (the
    paper, section 3). At first all outputs are near zero, and the last weights of one
    variance whatever is asked, so the gradient in the hypercolumn is as large as the
    gradient in the outputs: the length of that is made equal.
    """

    def size(asked):
        outputs = tf.zeros((*places.shape[:2], asked.outputs))
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            loss = asked.loss(outputs, images, places)
        return float(tf.norm(tape.gradient(loss, outputs)))

    wanted, found = size(other), size(target)
    if not found or np.max(np.ptp(images, axis=-1)) < COLOURLESS:
        raise BadInput(
            f"The first {len(images)} images of the run have no colour that counts, so "
            "that the steps of two losses cannot be compared by them. Give other "
            "images, or the scale of the loss yourself: scale=1."
        )
    return dataclasses.replace(target, scale=target.scale * wanted / found)


def part_gray(images):
    """The part of the images that have no colour anywhere."""
    chroma = ops.max(images, axis=-1) - ops.min(images, axis=-1)
    colourless = ops.max(chroma, axis=(1, 2)) < COLOURLESS
    return ops.mean(ops.cast(colourless, "float32"))


def at(values, places):
    """The values of some pixels, `[n, points, ...]` of `[n, h, w, ...]`."""
    return tf.gather_nd(values, places, batch_dims=1)


def _of_ab(ab, gray):
    """RGB of ab and of the L that this gray has, nearest where there is none."""
    gray = ops.repeat(ops.expand_dims(gray, -1), 3, axis=-1)
    lightness = color.rgb_to_lab(gray)[..., :1]
    return color.lab_to_rgb(ops.concatenate([lightness, ab], axis=-1))

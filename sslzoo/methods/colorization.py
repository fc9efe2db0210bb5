"""Colorization (Larsson et al., 2017), arXiv:1703.04044.

A network is shown an image in gray, and says at some places which colour was there:

    loss = mean_i target(head(h(y_i, x_i)), image, (y_i, x_i)),    i = 1 .. points

h is the hypercolumn: all that the network knows of the place. A few random places for
each image suffice, since neighbours have almost the same, and take a small part of the
memory that all would take; with points=0 all are asked, and the expected loss is the
same. What is asked of a colour is a target, see `colour_targets`.

Batch: {"image"}, `[n, size, size, 3]`, RGB in [0, 1]; and "n", `[n]`, which decides the
places and what is dropped.

Pictures that are gray themselves are kept, since nothing tells them from what is gray
in the world; the meter "gray" is their part.
"""

import colorsys
import functools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from sslzoo.augment import draws, patches
from sslzoo.backbones import fold, layers
from sslzoo.errors import BadInput
from sslzoo.heads.hypercolumns import Hypercolumns
from sslzoo.methods import colour_targets, sheets
from sslzoo.methods.base import Method

BLOCKS = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3}  # of VGG-16, and their convolutions
HYPERCOLUMNS = {  # {feature: stride}; "data" is the gray image itself.
    "alexnet": {"data": 1, "conv1": 4, "conv2": 8}
    | {"conv3": 16, "conv4": 16, "conv5": 16, "fc6": 32, "fc7": 32},
    "vgg16": {"data": 1}
    | {
        f"conv{block}_{i}": 2 ** (block - 1)
        for block, count in BLOCKS.items()
        for i in range(1, count + 1)
    }
    | {"fc6": 32, "fc7": 32},
    # Of unit_outputs=True, for tasks: it learned colours without. In Caffe's names
    # conv1, res2a .. c, res3b1, 4 and 7, res4b5, 10 .. 35, res5c.
    "resnet152": {"root": 2}
    | {f"block1_{i}": 4 for i in range(3)}
    | {f"block2_{i}": 8 for i in (1, 4, 7)}
    | {f"block3_{i}": 16 for i in range(5, 36, 5)}
    | {"block4_2": 32},
}
GRAY_MEAN = 0.4488  # What the authors take from gray before the network sees it.
CELLS = 64  # Places along a side of a picture for a person: between them it is smooth.


def example(size, shortest=(352, 600)):
    """A square of the image at a random scale, maybe mirrored, in colours."""
    return patches.Patch(size, shortest)


class Colorization(Method):
    """Pretrains `backbone` to tell colours.

    Args:
        backbone: it makes images gray itself, as `pixels="gray"` or "l" has it, so that
            it is no other network when it is used.
        example: what is shown; see `example` above.
        strides: {feature: stride} of the hypercolumn, as in `HYPERCOLUMNS`. Only the
            last map, {"fc7": 32}, is a network without hypercolumn.
        target: what is asked of a colour, of `colour_targets`.
        points: random places in each image; 0 asks all, `spacing` apart.
        margin: pixels at each border where nothing is asked. The authors' 96 of 352.
        spacing: of the places when all are asked, in pixels. Zhang et al. ask at each
            8th, of a map of stride 8.
        hidden: the head's one hidden layer; 0 is none.
        spread: of the weights into that layer at the start.
        dropout: behind it, in training.
        affine: whether batch normalisation has a scale and a shift that are learned.
            The authors have none; a network that has them, as ResNet, keeps them at 1
            and 0 while it learns colours, and may move them later.
        absorb: whether the model that is exported has batch normalisation absorbed in
            its weights, as the authors evaluate AlexNet and VGG, and not ResNet.
    """

    citation = """@inproceedings{larsson2017colorization,
  title = {Colorization as a Proxy Task for Visual Understanding},
  author = {Larsson, Gustav and Maire, Michael and Shakhnarovich, Gregory},
  booktitle = {Conference on Computer Vision and Pattern Recognition},
  year = {2017}
}"""
    figures = (
        {
            "setting": "VGG-16, histograms, ImageNet and Places, 10 epochs",
            "data": "VOC 2012, validation",
            "protocol": "segmentation (mIU), gray, all layers fine-tuned, +FoV",
            "value": 0.56,
            "source": "Larsson et al. 2017, Tables 1 and 6",
        },
        {
            "setting": "AlexNet, histograms, ImageNet and Places",
            "data": "VOC 2012, validation",
            "protocol": "segmentation (mIU), gray, all layers fine-tuned",
            "value": 0.384,
            "source": "Larsson et al. 2017, Table 1",
        },
        {
            "setting": "ResNet-152, histograms, ImageNet and Places, 35 epochs",
            "data": "VOC 2012, validation",
            "protocol": "segmentation (mIU), gray, all layers fine-tuned, +FoV",
            "value": 0.6,
            "source": "Larsson et al. 2017, Table 1",
        },
    )
    meters = ("loss", "gray")

    def __init__(
        self,
        backbone,
        example,
        strides,
        target=None,
        points=128,
        margin=0,
        spacing=1,
        hidden=1024,
        spread=1e-4,
        dropout=0.5,
        affine=False,
        absorb=True,
    ):
        _check(points=points, margin=margin, hidden=hidden)
        if spacing < 1:
            raise BadInput(f"spacing={spacing}: places lie 1 pixel apart, or more.")
        super().__init__(backbone, example, name="colorization")
        _gray(backbone)
        if not affine:
            freeze_affine(backbone)
        self.target = target or colour_targets.Histograms()
        self.points, self.margin, self.spacing = points, margin, spacing
        self.absorb = absorb
        self.columns = Hypercolumns(strides, spacing=spacing, name="columns")
        maps = {"data": backbone.input[..., :1], **backbone.output}
        for name in strides:
            layers.known(name, maps, "strides: feature")
        dims = sum(maps[name].shape[-1] for name in strides)
        self.head = head(dims, hidden, self.target.outputs, spread, dropout)

    def train_step(self, batch):
        batch = self.shown(batch)
        seeds = self.seeds(batch)
        dropped = layers.drawn_by(functools.partial(draws.field, seeds))
        with tf.GradientTape() as tape, dropped:
            loss = self.loss_of(batch["image"], seeds, training=True)
        self.minimize(tape, loss)
        return self.report(loss=loss, gray=colour_targets.part_gray(batch["image"]))

    def test_step(self, batch):
        """The loss on held-out images, at places that their counters decide."""
        batch = self.shown(batch)
        loss = self.loss_of(batch["image"], self.seeds(batch), training=False)
        return self.report(loss=loss, gray=colour_targets.part_gray(batch["image"]))

    def loss_of(self, images, seeds, training):
        places = self.places(seeds, images.shape[1:3])
        answers = self.answers(images, places if self.points else None, training)
        return self.target.loss(answers, images, places)

    def answers(self, images, places, training=False):
        """`[n, points, outputs]`; at all places inside the margin without `places`."""
        features = self.backbone(images, training=training)
        if "data" not in features:
            gray = ops.mean(images, axis=-1, keepdims=True) - GRAY_MEAN
            features = {"data": gray, **features}
        if places is None:
            rows, columns = (self.grid(side) for side in images.shape[1:3])
            found = self.columns(features)
            found = ops.take(found, rows // self.spacing, axis=1)
            found = ops.take(found, columns // self.spacing, axis=2)
            found = ops.reshape(found, (-1, len(rows) * len(columns), found.shape[-1]))
        else:
            found = self.columns(features, places)
        return self.head(found, training=training)

    def places(self, seeds, size):
        """Where colours are asked, int32 `[n, points, 2]`: y and x, in pixels.

        Uniform over all pixels inside the margin; or all of these, `spacing` apart.
        """
        room = np.array(size) - 2 * self.margin
        if min(room) < 1 or not all(map(len, map(self.grid, size))):
            raise BadInput(
                f"margin={self.margin} leaves nothing of images of {size}: give less "
                "than half a side."
            )
        if not self.points:
            grid = np.stack(np.meshgrid(*map(self.grid, size), indexing="ij"), axis=-1)
            grid = tf.constant(grid.reshape(1, -1, 2), tf.int32)
            return tf.repeat(grid, tf.shape(seeds)[0], axis=0)
        u = draws.field(seeds, "places", (None, self.points, 2))
        return self.margin + tf.cast(tf.floor(u * room.astype("float32")), tf.int32)

    def grid(self, side):
        """The places of one axis when all are asked."""
        every = np.arange(0, side - self.margin, self.spacing)
        return every[every >= self.margin]

    def seeds(self, batch):
        """`[n, 2]`, of the counters: the same however many replicas share them."""
        n = tf.cast(batch["n"], tf.int64)
        return tf.stack([tf.zeros_like(n), n], axis=-1)

    def colours(self, images, spacing=8):
        """The colours that it gives to images, `[n, h, w, 3]`, at each 8th pixel.

        What the network sees of the images is gray, whatever they are.
        """
        rows, columns = (np.arange(0, side, spacing) for side in images.shape[1:3])
        grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
        places = np.repeat(grid.reshape(1, -1, 2), len(images), axis=0)
        gray = colour_targets.at(ops.mean(images, axis=-1), places)
        found = self.target.colours(self.answers(images, places), gray)
        return ops.reshape(found, (-1, len(rows), len(columns), 3))

    def sheet(self, batch):
        """Gray, the colours said, the truth, and how sure it is at each pixel."""
        images = ops.convert_to_numpy(batch["image"])
        gray, size = images.mean(-1, keepdims=True), images.shape[1:3]
        spacing = -(-max(size) // CELLS)
        grid = [np.arange(spacing // 2, side, spacing) for side in size]
        places = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(1, -1, 2)
        # One at a time: of all places the hypercolumns are large.
        said = [self.answers(images[i : i + 1], places) for i in range(len(images))]
        said = ops.concatenate(said)

        def whole(values):
            values = np.reshape(values, (len(images), *map(len, grid), -1))
            return sheets.between(values, grid, size)

        shade = gray[:, grid[0]][:, :, grid[1], 0].reshape(len(images), -1)
        colours = np.asarray(self.target.colours(said, shade)) - shade[..., None]
        rgb = np.clip(gray + whole(colours), 0, 1)
        pictures = {"gray": np.repeat(gray, 3, -1), "said": rgb, "truth": images}
        figures = sheets.of_colours(rgb, images)
        p = {name: np.asarray(v) for name, v in self.target.distributions(said).items()}
        if p:
            pictures["sure"] = whole(sum(map(sheets.sure, p.values())) / len(p))[..., 0]
        # As in the loss, the hue of a place counts by its chroma.
        chroma = np.ptp(images, axis=-1)
        weights = {"hue": chroma + 1e-6, "chroma": np.ones_like(chroma)}
        bars, counted = {}, self.target.counted(images)
        for name, each in p.items():
            figures[f"bits of {name}"] = sheets.entropy(each).mean(-1)
            if name in counted:
                found, weight = np.asarray(counted[name]), weights[name]
                bits = sheets.entropy(found).mean(axis=(1, 2))
                figures[f"bits of {name} in the image"] = bits
                bars[name] = sheets.Bars(
                    _marginal(each, weight[:, grid[0]][:, :, grid[1]]),
                    _marginal(found, weight),
                    _of_bins(name, found.shape[-1]),
                )
        return sheets.Sheet(pictures, bars, figures)

    def deployable(self):
        """The gray network; `backbones.channels.to_rgb` makes it one of colours."""
        return fold.folded(self.backbone) if self.absorb else self.backbone


def head(dims, hidden, outputs, spread, dropout):
    """A hypercolumn to what is asked: dense, ReLU, dropout; a linear layer."""
    xavier = keras.initializers.VarianceScaling(1, "fan_in", "uniform")  # Caffe's
    parts = [keras.Input((None, dims))]
    if hidden:
        start = keras.initializers.RandomNormal(stddev=spread)
        parts += [
            keras.layers.Dense(hidden, "relu", kernel_initializer=start, name="hidden"),
            layers.Dropout(dropout, name="head_dropout"),
        ]
    out = dict(kernel_initializer=xavier, dtype="float32", name="out")
    return keras.Sequential([*parts, keras.layers.Dense(outputs, **out)], name="head")


def freeze_affine(backbone):
    """Keeps scale and shift of each batch normalisation where they are."""
    for layer in backbone.layers:
        # Of a network that is wrapped it is Keras' own, which ours is a kind of.
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable in layer.trainable_variables:
                variable.trainable = False


def _marginal(p, weight):
    """The mean of distributions, `[n, bins]` of `[n, ..., bins]`, by their weight."""
    n, bins = len(p), p.shape[-1]
    share = weight.reshape(n, -1) / weight.reshape(n, -1).sum(-1, keepdims=True)
    return np.einsum("np,npb->nb", share, p.reshape(n, -1, bins))


def _of_bins(name, bins):
    """The RGB of each bin of hue, or of chroma: those of one blue."""
    middle = (np.arange(bins) + 0.5) / bins
    if name == "hue":
        return np.array([colorsys.hsv_to_rgb(v, 0.75, 0.85) for v in middle])
    return np.array([colorsys.hsv_to_rgb(0.6, v, 0.85) for v in middle])


def _check(**numbers):
    for name, value in numbers.items():
        if value < 0:
            raise BadInput(f"{name}={value}: give 0 or more.")


def _gray(backbone):
    """Raises unless the network makes gray of what it is shown, before all else."""
    for layer in backbone.layers:
        if isinstance(layer, layers.Gray):
            return
        if isinstance(layer, layers.Lab) and layer.part == "L":
            return
    raise BadInput(
        f"{backbone.name} sees colours, and would learn to copy them. Build it with "
        "pixels='gray', or 'l'; so wrap a network of one channel; or make it gray by "
        "sslzoo.backbones.channels.to_gray(backbone)."
    )

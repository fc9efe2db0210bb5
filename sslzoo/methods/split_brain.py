"""Split-Brain Autoencoders (Zhang et al., 2017), arXiv:1611.09842, and all their rows.

Half a network sees L and says what a and b are, the other half sees a and b and says
what L is. Neither has anything of the other; their features stand side by side:

    X1 = L, X2 = ab,   F = {F1, F2},   loss = l(F1(X1), X2) + l(F2(X2), X1)

    reg: l = 1/2 |x - y|^2            cl: l = -log p(bin of x), 313 of ab, 50 of L

each the mean over cells and images. `ROWS` has this and what the paper compares it
with, among them one network that learns both ways (its equations 4 and 5):

    loss = l(F(X1), X2) + l(F(X2), X1)
    loss = lambda l(F(X1), X2) + lambda l(F(X2), X1) + (1 - 2 lambda) l(F(X), X)

and networks of depth. Batch: {"image"}, `[n, size, size, 3]`, RGB in [0, 1]; and "hha",
of the same shape, see `color.hha`, where there is depth.

The authors never published how they trained. What paper and sheet leave open are
settings here: where a cell's colour is taken, the unit of regression, what drop50
drops, whether equation 4 says what it is not asked.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from sslzoo import color
from sslzoo.augment.windows import Windows
from sslzoo.backbones import fields, fold, layers
from sslzoo.errors import BadInput
from sslzoo.heads import maps
from sslzoo.losses.classification import cross_entropy
from sslzoo.losses.regression import half_squares
from sslzoo.methods import colour_targets, split_brain_sheet
from sslzoo.methods.base import Method
from sslzoo.methods.split_brain_rows import ROWS, USED, rows


def sees(row, depth=False):
    """What the backbone of a row takes of an image, as `layers.pixels` calls it.

    Args:
        depth: whether there are pictures of it, for the rows that want them.
    """
    layers.known(row, ROWS, "row")
    if "HHA" in row and not depth:
        raise BadInput(
            f"row={row} is of pictures with their depth: train it by "
            "split_brain_alexnet_rgbd."
        )
    return rows("cl", "cl", 1 / 3)[row].sees.lower()


OUTPUTS = {"L": 1, "ab": 2, "Lab": 3, "HHA": 3}
BINS = {"L": len(color.L_BINS), "ab": len(color.AB_BINS)}
# Of NYU Depth v2, in the loaders of FCN: 0 to 255.
HHA_MEAN = (132.431, 94.076, 118.477)


def example(size=180, stored=256):
    """A random window of `size` pixels of an image stretched to `stored`, mirrored."""
    return Windows(size, stored)


class SplitBrain(Method):
    """Pretrains `backbone` by what one part of an image says of another.

    Args:
        backbone: takes what the row sees, of "pixels" "lab", "l" or "ab"; of the row
            "split", and of "ensemble", its halves must be apart, as those of
            alexnet(form="split") and of `backbones.split` are.
        example: what the network is shown; see `example` above.
        row: of `ROWS`.
        ab, light: the loss of ab and of L, "cl" or "reg", where the row leaves it open.
        mix: lambda of equation 5, 0 to 1/2.
        top: the feature that answers are read from. None: "fc7"; of "HHA_Lab", which
            has two branches of fc6 and fc7 of its own, "pool5", as the paper has it.
        stride: pixels from cell to cell of it, and cell (i, j) is asked what is at
            pixel (stride i, stride j), the last pixel at most. A network whose cells
            lie elsewhere is refused. 0: they are asked for a smaller picture of as many
            pixels as there are cells, each a mean.
        unit: of the numbers that regression is of; 1 is L, a, b and 0 to 255 of HHA,
            which the weight 200 in the paper fits.
        drop: what drop50 drops: each "element", or "pixel".
        keep_scale: whether what is left is doubled, as Caffe's dropout does.
        literal: whether equation 4's output is held to 0 in the channels that were
            shown, as its formula read to the letter has it.
        hidden: channels of a branch's layers.
        momentum: of what their batch normalisation averages; less in short runs.
        evaluated: (backbone) -> the model that is exported, as `alexnet.Evaluated`;
            None: the backbone, or what is `transferred` of an AlexNet of depth.
    """

    citation = """@inproceedings{zhang2017splitbrain,
  title = {Split-Brain Autoencoders: Unsupervised Learning by Cross-Channel Prediction},
  author = {Zhang, Richard and Isola, Phillip and Efros, Alexei A.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year = {2017}
}"""
    figures = (
        {
            "setting": "AlexNet, ImageNet",
            "data": "ImageNet, validation",
            "protocol": "linear on conv3, about 9000 numbers",
            "value": 0.354,
            "source": "Zhang et al. 2017, Table 2",
        },
        {
            "setting": "AlexNet, ImageNet",
            "data": "Places205, validation",
            "protocol": "linear on conv4, about 9000 numbers",
            "value": 0.341,
            "source": "Zhang et al. 2017, Table 3",
        },
    )

    def __init__(
        self,
        backbone,
        example,
        row="split",
        ab="cl",
        light="cl",
        mix=1 / 3,
        top=None,
        stride=16,
        unit=1.0,
        drop="element",
        keep_scale=True,
        literal=False,
        hidden=512,
        momentum=0.999,
        evaluated=None,
    ):
        layers.known(row, ROWS, "row")
        layers.known(ab, ("cl", "reg"), "ab")
        layers.known(light, ("cl", "reg"), "light")
        layers.known(drop, ("element", "pixel"), "drop")
        if not 0 <= mix <= 1 / 2:
            raise BadInput(
                f"mix={mix}: lambda of equation 5 is 0, for Lab alone, to 1/2, for "
                "none of it. The recipes have 1/3."
            )
        if not unit > 0:
            raise BadInput(
                f"unit={unit}: what regression is of is divided by it. Give 1 for L, a "
                "and b as they are, or more, such as 20, where a run is short."
            )
        if not stride >= 0:
            raise BadInput(
                f"stride={stride}: give the pixels from one cell to the next, such as "
                "16; or 0 for a smaller picture of means."
            )
        given = dict(ab=ab, light=light, mix=mix)
        given |= dict(drop=drop, keep_scale=keep_scale, literal=literal)
        for name, (users, usual) in USED.items():
            if given[name] != usual and row not in users:
                raise BadInput(
                    f"{name}={given[name]} of row={row}, which does not use it: it is "
                    f"of row={' and row='.join(users)} alone. Leave it out."
                )
        top = top or ("pool5" if row == "HHA_Lab" else "fc7")
        self.row = rows(ab, light, mix)[row]
        every = [answer for one in self.row.passes for answer in one.asked]
        right = [f"{answer.name}_right" for answer in every if answer.loss == "cl"]
        self.meters = ("loss", "gray", *(answer.name for answer in every), *right)
        self.uses = ("hha",) if "HHA" in row else ()
        self.sees = "hha" if self.row.sees == "HHA" else "image"
        super().__init__(backbone, example, name="split_brain")
        layers.known(top, backbone.output, "top")
        self.stride, self.unit, self.literal = stride, unit, literal
        self.drop, self.keep_scale, self.evaluated = drop, keep_scale, evaluated
        if evaluated is None and "HHA" in row and "pool5" in backbone.output:
            self.evaluated = transferred

        self.trunk = self.behind_colours(top)
        if stride and example is not None:
            self.check_cells(example.size)
        channels = backbone.output[top].shape[-1]
        if row == "split":
            self.check_apart()
        if row == "ensemble":
            self.check_two()
        if self.row.shared:
            self.heads = {"all": maps.answers(channels, 3, "Lab")}
        else:
            self.heads = {
                answer.name: self.head(answer, channels, hidden, momentum)
                for answer in every
            }

    def behind_colours(self, top):
        """The backbone up to `top`, of the colours that it is to see."""
        lab = [x for x in self.backbone.layers if isinstance(x, layers.Lab)]
        self.lab = lab[0] if lab else None
        found = self.lab.part if lab else "RGB"
        wanted = "RGB" if self.row.sees == "HHA" else self.row.sees
        if found != wanted:
            pixels = "centred" if wanted == "RGB" else wanted.lower()
            raise BadInput(
                f"{self.backbone.name} sees {found}, and this row is of a network that "
                f"sees {wanted}: else it might be shown what it is asked. Build it "
                f'with pixels="{pixels}", or so wrap a network of so many channels.'
            )
        first = self.lab.output if lab else self.backbone.input
        return keras.Model(first, self.backbone.output[top], name="trunk")

    def check_cells(self, size):
        """Raises where the cells do not lie on the pixels that they are asked for."""
        found = fields.centre(self.trunk, size=size)
        if found is None:  # Of layers that do not tell what they see.
            return
        first, apart = found
        if apart != self.stride or abs(first) > apart / 2:
            raise BadInput(
                f"The cells of {self.backbone.name} lie {apart} pixels apart, the "
                f"first on pixel {first:g}, and by stride={self.stride} would be asked "
                f"for those at 0, {self.stride}, {2 * self.stride} ... Give stride="
                f"{apart} to a network of symmetric paddings, such as a ResNet of "
                'style="torch"; or stride=0, where means are asked.'
            )

    def check_apart(self):
        """Raises where what a half says changes with what it is asked."""
        side = self.backbone.input_shape[1] or 64
        noise = np.random.default_rng(0).normal(0, 20, (1, side, side, 3))
        said = self.trunk(noise.astype("float32"))
        for of, shown, asked in (
            ("first", (1, 0, 0), "what a and b are sees them"),
            ("rest", (0, 1, 1), "what L is sees it"),
        ):
            less = self.trunk((noise * shown).astype("float32"))
            if np.any(ops.convert_to_numpy(half(said, of) != half(less, of))):
                raise BadInput(
                    f"{self.backbone.name} is not split: the half that is asked "
                    f'{asked}. Build alexnet with form="split", or "split" with '
                    "half=NAME; sslzoo.backbones.split.joined makes one of two "
                    "networks."
                )

    def check_two(self):
        """Raises where a weight is of both halves, though they see the same."""
        side = self.backbone.input_shape[1] or 64
        shape = (1, side, side, self.trunk.input_shape[-1])
        noise = np.random.default_rng(0).normal(0, 20, shape).astype("float32")
        with tf.GradientTape(persistent=True) as tape:
            cells = ops.cast(self.trunk(noise), "float32")
            sums = [tf.reduce_sum(half(cells, of)) for of in ("first", "rest")]
        weights = tape.watched_variables()
        slopes = (tape.gradient(x, weights, unconnected_gradients="zero") for x in sums)
        if any(tf.reduce_any((a != 0) & (b != 0)) for a, b in zip(*slopes)):
            raise BadInput(
                f"{self.backbone.name} is not split: the halves of an ensemble, one "
                "trained by classes and one by regression, would share its weights. "
                'Build alexnet with form="split", pixels="l".'
            )

    def head(self, answer, channels, hidden, momentum):
        outputs = (BINS if answer.loss == "cl" else OUTPUTS)[answer.target]
        if self.row.sees == "HHA":
            return maps.branch(channels, outputs, answer.name, hidden, momentum)
        channels = channels if answer.of == "all" else channels // 2
        return maps.answers(channels, outputs, answer.name)

    def train_step(self, batch):
        batch = self.shown(batch)
        with tf.GradientTape() as tape:
            loss, told = self.guess(batch, training=True)
        self.minimize(tape, loss)
        return self.report(loss=loss, **told)

    def test_step(self, batch):
        loss, told = self.guess(self.shown(batch), training=False)
        return self.report(loss=loss, **told)

    def deployable(self):
        """The evaluation network, made anew of the weights as they are now."""
        return self.evaluated(self.backbone) if self.evaluated else self.backbone

    def guess(self, batch, training):
        """The loss; and what each answer adds to it, the part of its cells right.

        "gray" is the part of pictures without colour: they are kept, their a and b
        are 0 and so learned.
        """
        loss, told = 0.0, {"gray": colour_targets.part_gray(batch["image"])}
        for answer, said in self.answers(batch, training):
            value, right = self.score(answer, said, batch)
            loss += answer.weight * value
            told[answer.name] = value
            if right is not None:
                told[f"{answer.name}_right"] = right
        return loss, told

    def answers(self, batch, training=False):
        """Of every pass each answer and what is said to it, `[n, cells, cells, c]`."""
        said = []
        images = batch[self.sees]
        colours = images if self.lab is None else self.lab(images)
        for one in self.row.passes:
            seen = self.visible(colours, one.shown, batch, training)
            cells = self.trunk(seen, training=training)
            for answer in one.asked:
                head = self.heads["all" if self.row.shared else answer.name]
                said.append((answer, head(half(cells, answer.of), training=training)))
        return said

    def sheet(self, batch):
        return split_brain_sheet.sheet(self, batch)

    def given(self, one, answer):
        """What of an image is shown to those channels that give this answer."""
        if one.shown in ("L", "ab"):
            return one.shown
        if self.row.sees == "Lab" and answer.of != "all":
            return {"first": "L", "rest": "ab"}[answer.of]
        return self.row.sees

    def told(self, answer, said, temperature=0.38):
        """The numbers an answer stands for: L, a, b, or 0 to 255 of HHA.

        Of classes their annealed mean; at temperature 1 the mean itself, which has the
        least squared error.
        """
        if answer.loss == "cl":
            if answer.target == "ab":
                return np.asarray(color.annealed_mean(said, temperature=temperature))
            light = color.annealed_mean(said, color.L_BINS, temperature)
            return np.asarray(light)[..., None]
        said = ops.convert_to_numpy(said) * self.unit
        if answer.target == "HHA":
            return said + np.array(HHA_MEAN, "float32")
        part = layers.PARTS[answer.target]
        said = said[..., part] if self.row.shared else said
        return said + np.array((50, 0, 0), "float32")[part]

    def lie(self, cells, side):
        """The pixels on which the cells of one axis lie."""
        if self.stride:
            return np.minimum(self.stride * np.arange(cells), side - 1)
        return (np.arange(cells) + 0.5) * side / cells - 0.5

    def visible(self, colours, shown, batch, training):
        """What a pass shows: L lies around zero, so what is left out is 0."""
        if shown in ("L", "ab"):
            kept = np.zeros(3)
            kept[layers.PARTS[shown]] = 1
            return colours * ops.convert_to_tensor(kept, colours.dtype)
        if shown == "dropped" and training:
            return colours * ops.cast(self.kept(batch["n"], colours), colours.dtype)
        return colours

    def kept(self, n, colours):
        """0, or 1 or 2, for each element of the examples of these counters."""
        shape = (*colours.shape[1:-1], 3 if self.drop == "element" else 1)

        def of_one(n):
            return tf.random.stateless_uniform(shape, tf.stack([0, n]))

        uniform = tf.map_fn(of_one, n, fn_output_signature=tf.float32)
        return tf.where(uniform < 0.5, 2.0 if self.keep_scale else 1.0, 0.0)

    def score(self, answer, said, batch):
        """The loss of an answer, and for classes the part of cells that is right."""
        cells = said.shape[1:3]
        if answer.target == "HHA":
            hha, known = self.depth_of(batch["hha"], cells)
            target = (255 * hha - np.array(HHA_MEAN, "float32")) / self.unit
            return half_squares(said, target, known=known), None
        lab = self.colours_of(batch["image"], cells)
        if answer.loss == "cl":
            is_ab = answer.target == "ab"
            bins = color.ab_bin(lab[..., 1:]) if is_ab else color.l_bin(lab[..., 0])
            right = ops.equal(ops.argmax(said, axis=-1), bins)
            return cross_entropy(said, bins), ops.mean(ops.cast(right, "float32"))
        target = (lab - np.array((50, 0, 0), "float32")) / self.unit
        part = layers.PARTS[answer.target]
        if self.literal:
            asked = np.zeros(3, "float32")
            asked[part] = 1
            return half_squares(said, target * asked), None
        said = said[..., part] if self.row.shared else said
        return half_squares(said, target[..., part]), None

    def colours_of(self, images, cells):
        """L, a and b of the cells; by the constants of those that the backbone sees."""
        standard = self.lab.standard if self.lab else "skimage"
        if self.stride:  # Few of all are looked at.
            return color.rgb_to_lab(self.at_cells(images, cells), standard)
        return self.at_cells(color.rgb_to_lab(images, standard), cells)

    def depth_of(self, hha, cells):
        """HHA of the cells, and of which it is known. A hole is black.

        Of means, that of what is known, where that is half or more.
        """
        known = ops.cast(hha[..., 2:] > 0, "float32")
        part = self.at_cells(known, cells)
        mean = self.at_cells(hha * known, cells) / ops.maximum(part, 1e-6)
        return mean, part[..., 0] > 0.5 - 1e-3

    def at_cells(self, images, cells):
        """What the images have where the cells lie, `[n, *cells, 3]`."""
        if not self.stride:
            return ops.image.resize(images, cells, "bilinear", antialias=True)
        for axis, count in zip((1, 2), cells):
            images = ops.take(images, self.lie(count, images.shape[axis]), axis=axis)
        return images


def transferred(backbone):
    """What the paper takes of an AlexNet of depth: conv1 to pool5, of which "pooled" is
    the mean, with batch normalisation absorbed. fc6 and fc7 begin anew.
    """
    names = [*backbone.output]
    kept = {name: backbone.output[name] for name in names[: names.index("pool5") + 1]}
    kept["pooled"] = keras.layers.GlobalAveragePooling2D(name="pool")(kept["pool5"])
    return fold.folded(keras.Model(backbone.input, kept, name=backbone.name))


def half(maps, of):
    """All channels, the "first" half of them or the "rest"."""
    middle = maps.shape[-1] // 2
    return {"first": maps[..., :middle], "rest": maps[..., middle:]}.get(of, maps)

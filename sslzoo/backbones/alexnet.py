"""AlexNet (Krizhevsky et al., 2012), in the forms that the colour papers give it.

    conv1 - pool1 - conv2 - pool2 - conv3 - conv4 - conv5 - pool5 - fc6 - fc7

Behind each convolution come its normalisation and ReLU, and fc6 and fc7 are
convolutions too. What differs is told apart here, so that weights trained in one form
serve in another:

- the layout: which channels see which. Split-brain's is two networks of half the
  channels side by side, of which one sees L and the other a and b;
- the geometry: paddings and strides, so the size of images and maps;
- the normalisation: of Krizhevsky (LRN), of batches without parameters, or none.

`carry` brings the weights over, with batch normalisation absorbed in them.
"""

import collections
import dataclasses

import keras
import numpy as np

from sslzoo.backbones import fold, layers
from sslzoo.errors import BadInput

SHAPES = {  # channels, and the side of the kernel
    "conv1": (96, 11),
    "conv2": (256, 5),
    "conv3": (384, 3),
    "conv4": (384, 3),
    "conv5": (256, 3),
    "fc6": (4096, 6),
    "fc7": (4096, 1),
}
LAYOUTS = {  # The convolutions of two groups, which do not see each other.
    "full": (),
    "grouped": ("conv2", "conv4", "conv5"),  # Krizhevsky's
    "split": ("conv2", "conv3", "conv4", "conv5", "fc6", "fc7"),  # and two conv1
    "half": (),  # of the channels: one of the two of "split"
}
NORMS = ("lrn", "bn", "none")


@dataclasses.dataclass(frozen=True)
class Geometry:
    conv1: str  # padding, of `layers.conv`
    pool: int | str  # padding, of `layers.max_pool`
    pool5_stride: int
    fc6: str  # padding
    fc6_dilation: int
    conv1_stride: int = 4


GEOMETRIES = {
    # Split-brain, Table 7, and Krizhevsky: 227 pixels -> one vector.
    "fixed": Geometry("valid", 0, 2, "valid", 1),
    # Split-brain, Table 6: 180 pixels -> 12 x 12. Cell (i, j) of all from pool2 on is
    # centred on pixel (16 i, 16 j). A stride less is a dilation more.
    "dense": Geometry("symmetric", 1, 1, "symmetric", 2),
    # Ours, for small images: half the strides of "dense". 32 pixels -> 5 x 5, cell
    # (i, j) centred on pixel (8 i, 8 j).
    "small": Geometry("symmetric", 1, 1, "symmetric", 1, conv1_stride=2),
    # Larsson's TensorFlow code on images of any size: 224 pixels -> 7 x 7. How it pads
    # its pools is not known.
    "same": Geometry("same", "same", 2, "same", 1),
    # As "fixed", but fc6 as split-brain's file for Caffe has it: 6 x 6, and dilated,
    # which belongs to the stride of "dense".
    "deploy": Geometry("valid", 0, 2, "symmetric", 2),
}


@dataclasses.dataclass(frozen=True)
class Form:
    """What an AlexNet is, beside the size of images."""

    layout: str  # of `LAYOUTS`
    geometry: str  # of `GEOMETRIES`
    norm: str  # of `NORMS`
    dropout: float  # behind fc6 and fc7
    pixels: str  # a kind of `layers.PIXELS` or `layers.LAB`
    start: str  # the initial weights: "gaussian" or "xavier"
    width: float = 1.0
    momentum: float = 0.999  # of batch normalisation
    data_lab: bool = False  # a scale and a shift of each colour, as weights


FORMS = {
    "original": Form("grouped", "fixed", "lrn", 0.5, "centred", "gaussian"),
    # Split-brain: in pretraining whole, one half of it, or the network of full width
    # of its ablations; and what is evaluated of it.
    "split": Form("split", "dense", "bn", 0, "lab", "gaussian"),
    "half": Form("half", "dense", "bn", 0, "l", "gaussian"),
    "single": Form("grouped", "dense", "bn", 0, "lab", "gaussian"),
    "evaluation": Form("split", "fixed", "none", 0, "lab", "gaussian"),
    # The same as its authors published it: `converters.split_brain`.
    "release": Form(
        "grouped", "fixed", "none", 0, "lab_caffe", "gaussian", data_lab=True
    ),
    # Larsson's colour proxy; his files with batch normalisation by norm="bn".
    "larsson": Form("grouped", "same", "lrn", 0.5, "gray", "xavier"),
}


def alexnet(
    form="original",
    width=1.0,
    layout=None,
    geometry=None,
    norm=None,
    dropout=None,
    pixels=None,
    size=None,
    momentum=0.999,
    channels=3,
    name=None,
):
    """RGB in [0, 1] -> {"conv1", "pool1", "conv2", .. "pool5", "fc6", "fc7", "pooled"}.

    Each is taken behind its ReLU, fc6 and fc7 behind their dropout. "pooled" is fc7
    where the size of images makes one vector of it, else the mean of pool5.

    Whether split-brain's halves had groups inside, its sheet does not know; here they
    have none. In layout "split" the first half of all channels is of L. What lies
    behind the layer "lab" may be shown other colours by

        keras.Model(net.get_layer("lab").output, net.output)

    Args:
        form: of `FORMS`; what is given beside it stands in place of its own.
        width: factor on every number of channels.
        layout: of `LAYOUTS`. "full" has no groups. "grouped" is also how split-brain's
            weights were published, with zeros between the halves where it has none.
            "split" of pixels "l" is the paper's ensemble, of which both halves see L.
        geometry: of `GEOMETRIES`.
        norm: "lrn", of conv1 and conv2; "bn", of all; or "none".
        dropout: behind fc6 and fc7, in training.
        pixels: what the network is shown, of `layers.PIXELS` and `layers.LAB`.
        size: the only side of images; in geometry "fixed" 227 unless given, else any.
            0 is any.
        momentum: of batch normalisation; 0.999 is Caffe's. But Caffe averages over the
            steps there were, and Keras begins at 0 and 1, which take thousands of steps
            to forget: a shorter run wants less.
        channels: of the images.
    """
    layers.known(form, FORMS, "form")
    given = dict(layout=layout, geometry=geometry, norm=norm)
    given |= dict(dropout=dropout, pixels=pixels, width=width, momentum=momentum)
    given = {key: value for key, value in given.items() if value is not None}
    title, form = form, dataclasses.replace(FORMS[form], **given)
    layers.known(form.layout, LAYOUTS, "layout")
    layers.known(form.geometry, GEOMETRIES, "geometry")
    layers.known(form.norm, NORMS, "norm")
    if (form.layout, form.norm) == ("split", "lrn"):
        raise BadInput('norm="lrn" mixes the two halves of layout="split".')
    if size is None:
        size = 227 if form.geometry == "fixed" else 0
    vector = bool(size) and form.geometry == "fixed"
    if vector and _cells(size) != 6:
        raise BadInput(
            f"size={size}: pool5 has {max(_cells(size), 0)} cells a side, and fc6 "
            "wants 6. Give 227 or 224; or 0, for images of any size from 199 on."
        )
    how = GEOMETRIES[form.geometry]

    images = keras.Input((size or None, size or None, channels), name="images")
    x = layers.pixels(images, form.pixels)
    if form.data_lab:
        x = fold.Affine(name="data_lab")(x)
    features = {"conv1": stems(form, x, how.conv1, how.conv1_stride)}
    x = lrn(form, features["conv1"], "norm1")
    x = features["pool1"] = layers.max_pool(x, how.pool, name="pool1")
    x = features["conv2"] = conv(form, x, "conv2")
    x = lrn(form, x, "norm2")
    x = features["pool2"] = layers.max_pool(x, how.pool, name="pool2")
    x = features["conv3"] = conv(form, x, "conv3")
    x = features["conv4"] = conv(form, x, "conv4")
    x = features["conv5"] = conv(form, x, "conv5")
    x = layers.max_pool(x, how.pool, name="pool5", stride=how.pool5_stride)
    features["pool5"] = x
    x = conv(form, x, "fc6", padding=how.fc6, dilation_rate=how.fc6_dilation)
    x = features["fc6"] = dropped(form, x, "drop6")
    x = conv(form, x, "fc7")
    features["fc7"] = dropped(form, x, "drop7")
    last = features["fc7" if vector else "pool5"]
    features["pooled"] = keras.layers.GlobalAveragePooling2D(name="pool")(last)
    return keras.Model(images, features, name=name or f"alexnet_{title}")


def _cells(size):
    """The side of pool5, in geometry "fixed"."""
    n = (size - 11) // 4 + 1
    for _ in range(3):
        n = -((3 - n) // 2) + 1
    return n


def stems(form, x, padding, stride):
    """conv1; of the split layout two: one sees the first channel, one the rest.

    Unless there is but one channel, which then both see.
    """
    how = dict(stride=stride, padding=padding)
    if form.layout != "split" or x.shape[-1] == 1:
        return conv(form, x, "conv1", **how)
    parts = {"first": (0, 1), "rest": (1, x.shape[-1])}
    each = [
        conv(form, layers.Channels(*part, name=name)(x), "conv1", f"_{name}", **how)
        for name, part in parts.items()
    ]
    return keras.layers.Concatenate(name="conv1_stems")(each)


def conv(form, x, name, stem="", padding="symmetric", **how):
    """A convolution, its batch normalisation if it has one, and ReLU."""
    filters, size = SHAPES[name]
    halves = 1 if stem or form.layout == "half" else 2
    title = f"{name}{stem}"
    x = layers.conv(
        x,
        halves * layers.channels_of(filters // 2, form.width),
        size,
        name=title,
        padding=padding,
        bias=True,
        groups=2 if name in LAYOUTS[form.layout] else 1,
        **start(form, name),
        **how,
    )
    if form.norm == "bn":
        free = dict(center=False, scale=False, name=f"{title}_bn")
        x = layers.BatchNorm(form.momentum, **free)(x)
    return keras.layers.ReLU(name=f"{title}_relu")(x)


def start(form, name):
    """The initial kernel and bias.

    "gaussian" is Krizhevsky's section 5, with the 0.005 of Caffe for fc6 and fc7;
    "xavier" Caffe's, of which Larsson's networks learn colours (sheet, section 3).
    """
    if form.start == "xavier":
        return dict(kernel=layers.XAVIER, bias_initializer="zeros")
    spread = 0.005 if name in ("fc6", "fc7") else 0.01
    return dict(
        kernel=keras.initializers.RandomNormal(stddev=spread),
        bias_initializer="zeros" if name in ("conv1", "conv3") else "ones",
    )


def lrn(form, x, name):
    return layers.LRN(name=name)(x) if form.norm == "lrn" else x


def dropped(form, x, name):
    return layers.Dropout(form.dropout, name=name)(x) if form.dropout else x


def carry(sources, target):
    """Gives `target` the weights of the same network in another form.

    Batch normalisation is absorbed in them. Two halves make one network, of which a
    convolution without groups has zeros between them:

        W = [[W_first, 0], [0, W_second]]

    Args:
        sources: an AlexNet, or a list of two halves, that of L first.
        target: an AlexNet without batch normalisation.
    """
    sources = sources if isinstance(sources, (list, tuple)) else [sources]
    for source in sources:
        if _has(layers.LRN, source) != _has(layers.LRN, target):
            raise BadInput(
                f"Of {source.name} and {target.name} one has LRN, the other has not: "
                "with the same weights they are not the same network."
            )
    if _has(layers.BatchNorm, target):
        raise BadInput(
            f"{target.name} normalises by batches, and what it would be given has that "
            'absorbed in it. Build it with norm="none".'
        )
    _carry_colours(sources, target)
    kernels, biases = collections.defaultdict(list), collections.defaultdict(list)
    for source in sources:
        for name, found in _convolutions(fold.folded(source)).items():
            for layer in found:
                kernel, bias = layer.get_weights()
                kernels[name] += np.split(kernel, layer.groups, axis=-1)
                biases[name] += np.split(bias, layer.groups)
    for name, found in _convolutions(target).items():
        groups = sum(layer.groups for layer in found)
        blocks, shifts = kernels[name], biases[name]
        if groups == 1:
            blocks = [_one(blocks, found[0].input.shape[-1])]
            shifts = [np.concatenate(shifts)]
        for layer in found:
            mine, blocks = blocks[: layer.groups], blocks[layer.groups :]
            shift, shifts = shifts[: layer.groups], shifts[layer.groups :]
            _set(layer, mine, shift, target)


@keras.saving.register_keras_serializable("sslzoo")
class Evaluated:
    """What is evaluated of a pretrained AlexNet, `Evaluated(...)(net)`: see `carry`.

    Args:
        options: of `alexnet`; its form is "evaluation" unless they name another.
    """

    def __init__(self, **options):
        self.options = {"form": "evaluation", **options}

    def __call__(self, net):
        target = alexnet(**self.options)
        target.made_by = {"builder": "alexnet", "options": self.options}
        carry(net, target)
        return target

    def get_config(self):
        return self.options

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _carry_colours(sources, target):
    """What each colour is multiplied by and shifted, of networks that have it."""
    found = [layer.get_weights() for layer in map(_colours, sources) if layer]
    if found and not _colours(target):
        raise BadInput(
            f"{sources[0].name} has a scale of its own for each colour (its layer "
            f"data_lab), for which {target.name} has no place. Build it with "
            'form="release".'
        )
    if _colours(target) and found:
        _colours(target).set_weights(found[0])


def _colours(network):
    return next((one for one in network.layers if one.name == "data_lab"), None)


def _has(kind, model):
    return any(isinstance(layer, kind) for layer in model.layers)


def _convolutions(model):
    """{"conv1": its layers, ...}: one, or of split-brain's conv1 two."""
    found = collections.defaultdict(list)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            found[layer.name.partition("_")[0]].append(layer)
    return found


def _one(blocks, channels):
    """One kernel of those of groups, which see all `channels` or each its own."""
    if all(block.shape[2] == channels for block in blocks):
        return np.concatenate(blocks, axis=-1)
    ends = np.cumsum([block.shape[2:] for block in blocks], axis=0)
    whole = np.zeros((*blocks[0].shape[:2], *ends[-1]), "float32")
    for block, (i, o) in zip(blocks, ends):
        whole[:, :, i - block.shape[2] : i, o - block.shape[3] : o] = block
    return whole


def _set(layer, blocks, shifts, target):
    shapes = [block.shape for block in blocks]
    height, width, inputs, outputs = layer.kernel.shape
    wanted = [(height, width, inputs, outputs // layer.groups)] * layer.groups
    if shapes != wanted:
        raise BadInput(
            f"{layer.name} of {target.name} wants kernels {wanted}, and is given "
            f"{shapes}: width, pixels or layout are another."
        )
    layer.set_weights([np.concatenate(blocks, axis=-1), np.concatenate(shifts)])

"""Split-brain's caffemodels (sheet split_brain, 1.4 and 5.3), plain and rescaled.

    data_lab/{0, 1}                              scale and shift of each of L, a, b
    conv1/{0, 1} .. conv5/{0, 1}, fc6/.., fc7/.. kernel and bias; all are convolutions

The network is `backbones.build("alexnet", form="release")`. Its layer "lab" gives
c = Lab - (50, 0, 0) already, so its "data_lab" is

    s * Lab + t = s * c + (t + 50 s e_L)

s and t are always those of the same file: the rescaling of Kraehenbuehl et al. has
changed them, too, in the file whose name ends in "_rs". The channels of conv1 are L, a
and b, so nothing is turned from BGR.

The two halves are one network with zeros between them, of which nobody has recorded
where they are: `halves` looks.

The authors' file for Caffe has fc6 dilated, 6 x 6 of it, though its pool5 has a stride
of two, and their tests of classification have not; so has this network, and
geometry="deploy" is the other. What predicted colours, "fc8...", is left out where a
file has it still.
"""

import numpy as np

from sslzoo.converters.mapping import assign, flat, hwio
from sslzoo.converters.readers import caffe
from sslzoo.errors import BadInput

CONVS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
CENTRE = np.array([50, 0, 0], "float32")  # What the layer "lab" takes away.
IGNORED = ("fc8*",)


def convert(path, backbone):
    """Fills `backbone`, an AlexNet of the form "release"."""
    if not any(layer.name == "data_lab" for layer in backbone.layers):
        raise BadInput(
            f"The network {backbone.name!r} has no layer 'data_lab', as the weights "
            "of split-brain have. Build one: build('alexnet', form='release')."
        )
    arrays = caffe.read(path)
    scale, shift = (arrays.get(f"data_lab/{place}") for place in (0, 1))
    if np.size(scale) == np.size(shift) == len(CENTRE):  # Else `assign` says it.
        moved = np.ravel(shift) + np.ravel(scale) * CENTRE
        arrays = {**arrays, "data_lab/1": moved}
    table = {"data_lab/scale": ("data_lab/0", flat), "data_lab/shift": "data_lab/1"}
    for name in CONVS:
        table[f"{name}/kernel"] = f"{name}/0", hwio
        table[f"{name}/bias"] = f"{name}/1", flat  # Of old files (1, 1, 1, n).
    report = assign(backbone, arrays, table, origin=path, ignored=IGNORED)
    one, two = halves(backbone)
    report.notes.append(f"the halves of conv1 see {one} and {two}")
    return report


def halves(backbone):
    """What each half of the channels of conv1 sees: ("L", "ab"), the other way or else.

    "Lab" are halves that are not kept apart, as of a network that was trained on.
    """
    kernel = np.asarray(backbone.get_layer("conv1").kernel)
    return tuple(
        "".join(
            name
            for name, part in (("L", half[:, :, :1]), ("ab", half[:, :, 1:]))
            if np.any(part)
        )
        for half in np.split(kernel, 2, axis=-1)
    )

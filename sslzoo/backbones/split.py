"""Two networks side by side, of which one sees L and the other a and b.

Split-brain (Zhang et al., 2017) of any network that takes images of one and of two
channels; of AlexNet, form="split" is the same with groups in one network.
"""

import keras

from sslzoo import backbones
from sslzoo.backbones import layers
from sslzoo.errors import BadInput


def split(half="resnet18", width=0.5, channels=3, **options):
    """RGB in [0, 1] -> the features of both, those of L first, under one name each.

    Args:
        half: a name of `backbones.BUILDERS`.
        width: of each of the two: 0.5 gives features as wide as those of one network.
        options: of `half`.
    """
    if channels != 3:
        raise BadInput(f"channels={channels}: what is split into L and ab is RGB.")
    images = keras.Input((None, None, 3), name="images")
    lab = layers.Lab(name="lab")(images)
    pair = []
    for name, (start, stop) in {"light": (0, 1), "colour": (1, 3)}.items():
        net = backbones.build(half, width=width, channels=stop - start, **options)
        net = keras.Model(net.input, net.output, name=name)
        pair.append(net(layers.Channels(start, stop, name=f"{name}_channels")(lab)))
    features = {
        name: keras.layers.Concatenate(name=f"{name}_of_both")(
            [net[name] for net in pair]
        )
        for name in pair[0]
    }
    return keras.Model(images, features, name=f"split_{half}")

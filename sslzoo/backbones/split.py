"""Two networks side by side, of which one sees L and the other a and b.

Split-brain (Zhang et al., 2017) of any network that takes images of one and of two
channels; of AlexNet, form="split" is the same with groups in one network. `split`
builds the two, `joined` is given them.
"""

import keras

from sslzoo import backbones
from sslzoo.backbones import layers, resnet
from sslzoo.errors import BadInput

PADDED = [f"resnet{depth}" for depth in resnet.UNITS]  # Elsewhere as TensorFlow pads.
CHANNELS = (1, 2)  # of L, and of a and b


def split(half="resnet18", width=0.5, channels=3, **options):
    """RGB in [0, 1] -> the features of both, those of L first, under one name each.

    Args:
        half: a name of `backbones.BUILDERS`; see `joined` for networks of your own.
        width: of each of the two: 0.5 gives features as wide as those of one network.
        options: of `half`. A ResNet is of style "torch" unless they say another: its
            paddings are symmetric, so that its cells lie on the pixels that they are
            asked for.
    """
    if channels != 3:
        raise BadInput(f"channels={channels}: what is split into L and ab is RGB.")
    if half in PADDED:
        options = {"style": "torch"} | options
    light, colour = (
        backbones.build(half, width=width, channels=n, **options) for n in CHANNELS
    )
    return joined(light, colour, name=f"split_{half}")


def joined(light, colour, name="split"):
    """Two networks of your own, or two backbones, as one: see `split`.

    Args:
        light: of images of one channel, L - 50; a model that `backbones.wrap` takes.
        colour: of images of two, a and b; its features are as many and as large.
    """
    pair = [backbones.wrap(net) for net in (light, colour)]
    _check(pair)
    images = keras.Input((*light.input_shape[1:-1], 3), name="images")
    lab = layers.Lab(name="lab")(images)
    found, start = [], 0
    for part, net, n in zip(("light", "colour"), pair, CHANNELS):
        net = keras.Model(net.input, net.output, name=part)
        seen = layers.Channels(start, start + n, name=f"{part}_channels")(lab)
        found.append(net(seen))
        start += n
    features = {
        feature: keras.layers.Concatenate(name=f"{feature}_of_both")(
            [of[feature] for of in found]
        )
        for feature in found[0]
    }
    return keras.Model(images, features, name=name)


def _check(pair):
    for net, n in zip(pair, CHANNELS):
        if net.input_shape[-1] != n:
            raise BadInput(
                f"{net.name} takes images of {net.input_shape[-1]} channels, where "
                f"this half is shown {n}. Give a network of L, of 1 channel, and "
                "behind it one of a and b, of 2."
            )
    shapes = [{n: list(x.shape[1:]) for n, x in net.output.items()} for net in pair]
    if shapes[0] != shapes[1]:
        raise BadInput(
            f"The half of L gives {shapes[0]}, that of a and b {shapes[1]}. Give two "
            "of the same features; backbones.wrap(model, features) names them."
        )

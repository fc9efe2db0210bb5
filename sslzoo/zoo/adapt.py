"""A network made to take images of other channels, or of one size."""

import numbers

from sslzoo.errors import BadInput


def adapted(backbone, card, channels=None, size=None):
    """The network, with its weights, and its input contract.

    Args:
        channels: of the images, as `load` takes `in_chans`.
        size: a side, or (height, width).
    """
    contract = dict(card.input)
    if channels is not None and channels != contract["channels"]:
        backbone = _with_channels(backbone, card, channels)
        contract["channels"] = channels
    if size is not None:
        sides = _sides(size)
        backbone = _with_size(backbone, card, sides)
        contract["size"] = min(sides)
    return backbone, contract


def is_whole(value):
    """Whether it is a whole number, of Python or of NumPy; True is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _sides(size):
    sides = (size, size) if is_whole(size) else size
    pair = isinstance(sides, (tuple, list)) and len(sides) == 2
    if not pair or not all(is_whole(side) for side in sides):
        raise BadInput(
            f"input_size={size!r}: give a side in pixels, such as 224, or "
            "(height, width)."
        )
    return tuple(int(side) for side in sides)


def _with_size(backbone, card, sides):
    import keras

    only, smallest = card.input["size"], card.input["smallest"]
    if card.input["fixed"] and set(sides) != {only}:
        raise BadInput(f"input_size={sides}: {card.name} takes {only} x {only} only.")
    if min(sides) < smallest:
        raise BadInput(
            f"input_size={sides}: {card.name} takes images of {smallest} or more."
        )
    images = keras.Input((*sides, backbone.input_shape[-1]), name="images")
    return keras.Model(images, backbone.call(images), name=backbone.name)


def _with_channels(backbone, card, n):
    from sslzoo.backbones import channels

    if not is_whole(n) or n < 1:
        raise BadInput(f"in_chans={n!r}: give a whole number, 1 or more.")
    try:
        return channels.with_channels(backbone, n)
    except BadInput as error:
        raise BadInput(f"in_chans={n}, {card.name}: {error}") from None

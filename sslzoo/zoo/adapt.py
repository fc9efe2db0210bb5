"""A network made to take images of other channels, or of one size."""

import numbers

from sslzoo.errors import BadInput

# Layers that do the same to every channel.
PLAIN = ("InputLayer", "Standardize", "Rescaling", "ZeroPadding2D")


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
    """As timm's `adapt_input_conv`, but for what stands before the convolution.

    Gray is shown as RGB. That is the sum of the kernels, and stays right behind layers
    that treat colours differently, as standardizing does.
    """
    import keras

    if not is_whole(n) or n < 1:
        raise BadInput(f"in_chans={n!r}: give a whole number, 1 or more.")
    *shape, old = backbone.input_shape[1:]
    images = keras.Input((*shape, n), name="images")
    if n == 1:
        colours = keras.ops.repeat(images, old, axis=-1)
        return keras.Model(images, backbone.call(colours), name=backbone.name)
    _begins_with_a_convolution(backbone, card, n)

    every = [i % old for i in range(n)]

    def clone(layer):
        config = layer.get_config()
        if type(layer).__name__ == "Standardize":
            for key in ("mean", "std"):
                config[key] = [config[key][i] for i in every]
        return type(layer).from_config(config)

    twin = keras.models.clone_model(backbone, images, clone_function=clone)
    for weight, new in zip(backbone.weights, twin.weights):
        if weight.shape != new.shape:  # The kernel, [h, w, channels, filters].
            weight = keras.ops.take(weight, every, axis=-2) * (old / n)
        new.assign(weight)
    return twin


def _begins_with_a_convolution(backbone, card, n):
    """Refuses networks in which the channels mean something, such as L, a and b."""
    import keras

    for layer in backbone.operations:
        kind = type(layer).__name__
        if isinstance(layer, keras.layers.Conv2D) and layer.groups == 1:
            return
        if kind not in PLAIN:
            break
    raise BadInput(
        f"in_chans={n}: the first layers of {card.name} ({kind}) treat its channels "
        "each in its own way, so more of them have no meaning. Only 1 can be had."
    )

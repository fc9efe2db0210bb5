"""The slow twin of a network, that follows it and learns nothing by itself."""

import math

import keras
import tensorflow as tf
from keras import ops

from sslzoo.errors import BadInput


def frozen_copy(model, fresh=False):
    """A twin of `model` that no gradient will move.

    Freezes the variables, not the layers: a frozen BatchNormalization layer falls
    back on its moving statistics, and BYOL's target must use those of its batch.

    Args:
        fresh: draw what the model learns anew instead of copying it. BYOL's code
            starts the target so; its authors saw no difference. What it does not
            learn, a frozen layer for one, `move` never moves: that is copied.
    """
    try:
        if fresh:
            twin = type(model).from_config(_other_seeds(model.get_config()))
        else:
            twin = keras.models.clone_model(model)
    except (TypeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise BadInput(
            f"A slow twin of {model.name} is needed, and Keras cannot build it once "
            f"more from its own settings: {reason}. Let that layer read back all that "
            "its get_config() says, or take a method without a twin, such as SimCLR."
        ) from error
    for slow, fast in zip(twin.weights, model.weights):
        if not (fresh and fast.trainable):
            slow.assign(fast)
    for layer in twin._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # It computes with what it made of its weights.
    for variable in twin.trainable_variables:
        variable.trainable = False
    return twin


def move(twin, model, tau, when=None):
    """twin <- tau * twin + (1 - tau) * model, over what the optimizer learns.

    The running averages of a batch normalisation are not moved: each network has
    its own.

    Args:
        when: a boolean tensor; the twin stays where it is unless true. None: always.
    """
    for slow, fast in zip(twin.weights, model.weights):
        if fast.trainable:
            moved = slow + (1 - tau) * (fast - slow)
            slow.assign(moved if when is None else tf.where(when, moved, slow))


def part_kept(tau, name="base_tau"):
    """tau, which must be a part: what a twin keeps of itself in a step."""
    if not 0 <= tau <= 1:
        raise BadInput(
            f"{name}={tau}: it is the part of itself that the target keeps in a step. "
            "Give a number from 0 to 1."
        )
    return tau


def rising(base, step, steps):
    """tau(k) = 1 - (1 - base) (1 + cos(pi k / steps)) / 2, from base to 1.

    Behind `steps` it stays 1.
    """
    done = ops.minimum(ops.cast(step, "float32") / steps, 1.0)
    return 1 - (1 - base) * 0.5 * (1 + ops.cos(math.pi * done))


def _other_seeds(config):
    """The config with every initializer's seed changed, so that it draws anew."""
    if isinstance(config, dict):
        return {
            key: value + 1
            if key == "seed" and isinstance(value, int)
            else _other_seeds(value)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_other_seeds(value) for value in config)
    return config

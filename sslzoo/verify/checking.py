"""What checks are written with."""

import contextlib
import os

import keras
import numpy as np
import tensorflow as tf

from sslzoo.errors import SslzooError


class Failed(SslzooError, AssertionError):
    """A check whose sentence is not true here."""


def same(found, expected, what, rtol=1e-4, atol=1e-6):
    """Raises unless the numbers are equal, to |found - expected| <= atol + rtol |e|."""
    found = np.asarray(found, np.float64)
    expected = np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise Failed(
            f"{what}: expected numbers of shape {list(expected.shape)}, got "
            f"{list(found.shape)}."
        )
    off = np.abs(found - expected) - rtol * np.abs(expected)
    if not (off <= atol).all():  # Also where there are NaN.
        worst = np.unravel_index(np.argmax(np.nan_to_num(off, nan=np.inf)), off.shape)
        where = f" at {[int(i) for i in worst]}" if worst else ""
        raise Failed(
            f"{what}: expected {expected[worst]:.8g}, got {found[worst]:.8g}{where}."
        )


def true(holds, what):
    if not holds:
        raise Failed(what)


@contextlib.contextmanager
def exact():
    """One worker, and full precision, whatever the user has set, who gets it back."""
    policy = keras.config.dtype_policy()
    short = tf.config.experimental.tensor_float_32_execution_enabled()
    cluster = os.environ.pop("TF_CONFIG", None)
    keras.config.set_dtype_policy("float32")
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        tf.config.experimental.enable_tensor_float_32_execution(short)
        if cluster is not None:
            os.environ["TF_CONFIG"] = cluster

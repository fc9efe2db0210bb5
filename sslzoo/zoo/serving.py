"""A network as features are taken by it: the same features, sooner.

Batch normalisation is folded into the convolutions, which changes the last digits. And
where the processor has units for it, they multiply bfloat16 and add in float32:
features then keep a cosine of 0.9999 or more with those of float32.
"""

import contextlib
import pathlib

import keras

from sslzoo.backbones import fold
from sslzoo.errors import BadInput, UnknownName, nearest
from sslzoo.zoo import model as models

PRECISIONS = ("auto", "float32", "bfloat16")
OPTION = "auto_mixed_precision_onednn_bfloat16"
# As Linux calls what processors have: units of its own for bfloat16; and without which
# TensorFlow does not compute in it.
UNITS = {"amx_bf16", "avx512_bf16"}
NEEDED = {"avx512f", "avx_ne_convert"}


def quick(model):
    """A function of images that gives what `model` gives in inference mode, folded.

    One of another precision than float32, and one that folds not, stays as it is.
    """
    layers = model._flatten_layers(include_self=False)
    drawn = getattr(model, "inputs", None)  # None of what is code alone.
    if not drawn or any(layer.compute_dtype != "float32" for layer in layers):
        return model
    try:
        twin = fold.folded(keras.Model(model.inputs, model.output))
    except BadInput:  # Keras cannot write it down.
        return model
    if not isinstance(model, models.ZooModel):
        return twin

    def run(images, training=False):
        return models.answer(twin, model.input_shape, images, training=training)

    return run


def known_precision(name):
    """ "float32" or "bfloat16": what "auto" means on this machine, else the name."""
    if name not in PRECISIONS:
        raise UnknownName(
            f"precision={name!r}.{nearest(name, PRECISIONS)} "
            f"There are: {', '.join(PRECISIONS)}."
        )
    if name == "float32":
        return name
    import tensorflow as tf

    has, graphics = _processor(), tf.config.list_logical_devices("GPU")
    if name == "auto":
        return "float32" if graphics or UNITS.isdisjoint(has) else "bfloat16"
    if graphics or ("flags" in has and NEEDED.isdisjoint(has)):
        raise BadInput(
            f"precision={name!r}: TensorFlow has it for processors with AVX-512, and "
            f"would compute in float32 on {'a GPU' if graphics else 'this one'}. Give "
            "'auto', or a model that is of it: sslzoo.load(NAME, dtype='bfloat16')."
        )
    return name


@contextlib.contextmanager
def computing_in(precision):
    """A block in which TensorFlow's graphs, built there, compute in that precision."""
    if precision == "float32":
        yield
        return
    import tensorflow as tf

    options = tf.config.optimizer
    before = options.get_experimental_options().get(OPTION, False)
    options.set_experimental_options({OPTION: True})
    try:
        yield
    finally:
        options.set_experimental_options({OPTION: before})


def _processor():
    """The words of what Linux says of the processor; none elsewhere."""
    try:
        return set(pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return set()

"""A network that says what is wrong with the images that it is given.

Keras takes nearly anything, and the answer looks like features: of pixels from 0 to
255, of bytes, of gray images, of NaN. Shape and dtype are known while a graph is
traced, too, and to look at them costs nothing when it runs; at pixels, only where
there are any yet. So `fit` and the like look at arrays before they begin. To ask a
dataset for a batch beforehand would draw from its random numbers, or take the batch
away: one of tf.data is looked at as it gives its batches. Of a generator shape and
dtype alone are checked; its pixels are looked at by `model(batch)` of one batch.
"""

import contextlib

import keras

from sslzoo.errors import BadInput
from sslzoo.zoo import input as inputs

LOOKED_AT = 64  # Images of an array whose pixels `fit` and the like look at,
OF_A_BATCH = 8  # and of each batch of a dataset: one is one too many from 0 to 255.


@keras.saving.register_keras_serializable("sslzoo")
class ZooModel(keras.Model):
    """What `load` gives: a functional model of images.

    Arrays are looked at before `fit`, `evaluate` and `predict` begin, datasets of
    tf.data while they run.
    """

    def __call__(self, inputs, *args, **options):
        return answer(super().__call__, self.input_shape, inputs, *args, **options)

    def predict(self, x, *args, **options):
        if not hasattr(x, "shape"):
            with _watched(x) as (x,):
                return super().predict(x, *args, **options)
        check(x, self.input_shape)
        if len(x):
            return super().predict(x, *args, **options)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, self(x))

    def fit(self, x=None, *args, **options):
        held_out = options.get("validation_data")
        some = held_out[:1] if isinstance(held_out, (tuple, list)) else ()
        for images in (x, *some):
            check_first(images, self.input_shape)
        with _watched(x, held_out) as (x, held_out):
            if held_out is not None:
                options["validation_data"] = held_out
            return super().fit(x, *args, **options)

    def evaluate(self, x=None, *args, **options):
        check_first(x, self.input_shape)
        with _watched(x) as (x,):
            return super().evaluate(x, *args, **options)

    def train_on_batch(self, x, *args, **options):
        check_first(x, self.input_shape)
        return super().train_on_batch(x, *args, **options)

    def test_on_batch(self, x, *args, **options):
        check_first(x, self.input_shape)
        return super().test_on_batch(x, *args, **options)

    def predict_on_batch(self, x):
        check_first(x, self.input_shape)
        return super().predict_on_batch(x)


@contextlib.contextmanager
def _watched(*given):
    """`given`, where each dataset of tf.data looks at the pixels that it gives.

    An error that it raises from within TensorFlow comes out of the block as it is.
    """
    errors = []
    try:
        yield [_watching(each, errors) for each in given]
    except Exception:
        if errors:
            raise errors[0] from None
        raise


def _watching(data, errors):
    if not (hasattr(data, "element_spec") and hasattr(data, "map")):
        return data
    import tensorflow as tf  # Whoever gives such a dataset has it.

    def look(pixels):
        try:
            inputs.check_range(pixels)
        except BadInput as error:
            errors.append(error)
            raise
        return True

    def looked_at(images, *others):
        if isinstance(images, tf.Tensor) and images.dtype.is_floating:
            seen = tf.numpy_function(look, [images[:OF_A_BATCH]], tf.bool)
            with tf.control_dependencies([seen]):
                images = tf.identity(images)
        return (images, *others) if others else images

    return data.map(looked_at)


def answer(call, shape, images, *args, **options):
    """What a network gives for the images, bytes scaled to [0, 1]; also for none.

    Args:
        call: the network.
        shape: of what it takes, None where that may be any.
    """
    if isinstance(images, dict):  # Keras' other way, by names.
        return call(images, *args, **options)
    if isinstance(images, (list, tuple)):
        images = inputs.array(images)
    check(images, shape)
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        images = keras.ops.cast(images, "float32") / 255
    n, *sides = _known(images) or (None,)
    if n != 0 or None in sides:
        return call(images, *args, **options)
    # Convolutions of oneDNN fail where there is nothing: of one image, then, none.
    blank = keras.ops.zeros((1, *sides), images.dtype)
    return keras.tree.map_structure(lambda y: y[:0], call(blank, training=False))


def check(images, shape):
    """Raises unless `images` may be given to a network that takes such a `shape`."""
    check_form(images, shape)
    check_pixels(images)


def check_first(images, shape):
    """As `check`, but looks at the pixels of the first images only.

    Args:
        images: what `fit` is given: what is no array is passed over.
    """
    if hasattr(images, "shape") and hasattr(images, "dtype") and _known(images):
        check_form(images, shape)
        check_pixels(images[:LOOKED_AT])


def check_form(images, shape):
    """Raises unless shape and dtype are those of what a network takes."""
    found = _known(images)
    if not found:
        return
    inputs.check_shape(found, shape[-1])
    for side, only in zip(found[1:3], shape[1:3]):
        if only is not None and side not in (None, only):
            raise BadInput(
                f"The model takes images of {shape[1]} x {shape[2]} pixels only, not "
                f"{found[1]} x {found[2]}. sslzoo.load_preprocessor(NAME) brings them "
                "to that size."
            )
    if 0 in found[1:]:
        raise BadInput(f"Images without pixels: an array of shape {list(found)}.")
    inputs.check_dtype(keras.backend.standardize_dtype(images.dtype))


def check_pixels(images):
    """Raises unless the pixels may be RGB in [0, 1], where there are pixels yet."""
    try:
        pixels = keras.ops.convert_to_numpy(images)
    except (NotImplementedError, TypeError, ValueError):
        return  # A graph is traced: there are none yet.
    inputs.check_range(pixels)


def _known(images):
    """The shape; () where not even the rank is known, so that Keras is left to look."""
    try:
        return tuple(images.shape)
    except ValueError:
        return ()

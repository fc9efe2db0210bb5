"""Plain images, as people give them to `fit` and `evaluate`: a method's examples.

Plain images are RGB, uint8 or floats in [0, 1]: an array `[n, h, w, 3]`, or a
`tf.data.Dataset` of single ones or of batches. All else is passed on as it is.
"""

import contextlib
import inspect
import warnings

import numpy as np
import tensorflow as tf

from sslzoo.errors import BadInput

NO_NUMBERS = "The images have pixels that are no numbers (NaN, infinity)."
BELOW = (
    "Floating point images go below 0: as it seems, -1 to 1, or a mean was taken away. "
    "Give plain RGB in [0, 1], data.map(lambda x: (x + 1) / 2) of the former, or uint8."
)
BEYOND = (
    "Floating point images are beyond [0, 1]: as it seems, 0 to 255. Divide by 255, "
    "data.map(lambda x: x / 255), or give uint8."
)
BATCH = 32  # Of an array, as Keras has it.
REFUSED = {
    "class_weight": "its loss is its own, in which every image counts as much.",
    "sample_weight": "its loss is its own, in which every image counts as much.",
    "validation_split": "give what is held out, validation_data=images.",
}


def named(function, *args, **options):
    """The arguments of a function of Keras' models, each by its name."""
    given = inspect.signature(function).bind(None, *args, **options).arguments
    given = dict([*given.items()][1:])
    others = given.pop("kwargs", {})
    return {**given, **others}


def for_fit(method, given):
    """What `fit` was given, as Keras' own takes it: endless batches of examples.

    They are numbered on from the batches that a method has learned from, over all
    epochs and calls, so that none shows what another has shown, as long as batches
    stay as large.
    """
    given = {**given, "validation_split": given.get("validation_split") or None}
    _refuse(method, given)
    del given["validation_split"]
    held_out = given.get("validation_data")
    if held_out is not None:
        pair = isinstance(held_out, (tuple, list))
        x, y, *weight = (*held_out, None)[:3] if pair else (held_out, None)
        size = given.get("validation_batch_size") or given.get("batch_size")
        told = {"x": x, "y": y, "batch_size": size}
        told |= {"sample_weight": weight[0]} if weight else {}
        told |= {"steps": given.get("validation_steps")}
        told = for_evaluate(method, told, "validation_steps")
        given["validation_data"] = told["x"]
    if not _are(given.get("x")):
        return given
    batch_size, shuffle = given.pop("batch_size", None), given.pop("shuffle", True)
    compiled = getattr(method, "optimizer", None)  # Keras says where it is not.
    taken = method.accumulate * int(np.asarray(compiled.iterations)) if compiled else 0
    data, size, batches = _singles(
        method, given.pop("x"), given.pop("y", None), batch_size, shuffle and [taken]
    )
    steps = given.pop("steps_per_epoch", None) or batches
    if steps < 1:
        raise BadInput(
            "fit cannot tell how many batches make an epoch of this dataset "
            f"(batch_size={size}): say steps_per_epoch=..."
        )
    data = _examples(method, data.repeat(), taken * size)
    data = data.batch(size, drop_remainder=True)
    data = data.prefetch(tf.data.AUTOTUNE)
    return {**given, "x": data, "steps_per_epoch": steps, "shuffle": False}


def for_evaluate(method, given, steps="steps"):
    """What `evaluate` was given, as Keras' own takes it.

    Each image is shown once, always in the same way, but for the last that fill no
    batch.

    Args:
        steps: what the caller's argument is called that says how many batches.
    """
    given = dict(given)
    _refuse(method, given)
    if not _are(given.get("x")):
        return given
    data, size, batches = _singles(
        method, given.pop("x"), given.pop("y", None), given.pop("batch_size", None)
    )
    if batches == tf.data.INFINITE_CARDINALITY and not given.get("steps"):
        raise BadInput(f"This dataset has no end: say how many batches, {steps}=...")
    data = (
        _examples(method, data).batch(size).filter(lambda batch: _counts(batch, size))
    )
    return {**given, "x": data.prefetch(tf.data.AUTOTUNE)}


def _counts(batch, size):
    """Whether it is whole; or the first, of fewer images than a batch has."""
    return (batch["n"][0] == 0) | (tf.shape(batch["n"])[0] == size)


@contextlib.contextmanager
def in_words():
    """What TensorFlow found wrong with the images, said as we say it."""
    try:
        with warnings.catch_warnings():
            # Keras says so of any dataset that does not know its length beforehand.
            warnings.filterwarnings("ignore", "Your input ran out of data")
            yield
    except tf.errors.InvalidArgumentError as error:
        for words in (NO_NUMBERS, BELOW, BEYOND):
            if words in str(error):
                raise BadInput(words) from None
        raise


def _refuse(method, given):
    for name, why in REFUSED.items():
        if given.get(name) is not None:
            raise BadInput(f"{type(method).__name__} takes no {name}: {why}")


def _are(x):
    """Whether these are plain images, not batches as `train_step` reads them."""
    if isinstance(x, tf.data.Dataset):
        return not isinstance(x.element_spec, dict)
    if isinstance(x, (list, tuple)):
        raise BadInput(
            f"Images were given as a {type(x).__name__} of {len(x)}. Give an array "
            "[n, h, w, 3], np.stack(images); or, where their sizes differ, a "
            "tf.data.Dataset of single images and batch_size=..."
        )
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _singles(method, x, y, batch_size, shuffle=()):
    """(a dataset of single images, the size of a batch, how many batches it has).

    Args:
        shuffle: the seed of the orders that an array is shown in, `[seed]`.
    """
    if isinstance(x, tf.data.Dataset):
        if y is not None:
            raise BadInput(
                "y was given beside a dataset: give a dataset of (image, label)."
            )
        data, size, batches = _singles_of_dataset(x, batch_size)
        return data, _shared(method, size), batches
    if len(x.shape) != 4 or x.shape[-1] != 3:
        raise BadInput(
            f"Images were given as an array {list(x.shape)}. It takes [n, h, w, 3]."
        )
    count = len(x)
    if not count or (y is not None and len(y) != count):
        labels = "" if y is None else f" and {len(y)} labels"
        raise BadInput(
            f"{count} images{labels} were given: give a label for each image, and one "
            "image at least."
        )
    size = _shared(method, min(batch_size or BATCH, count), given=batch_size)
    with tf.device("CPU"):
        arrays = [tf.constant(np.asarray(a)) for a in (x, y) if a is not None]
    order = tf.data.Dataset.range(count)
    if shuffle:  # In another order each epoch.
        order = order.shuffle(count, seed=shuffle[0])
    data = order.map(lambda i: tuple(array[i] for array in arrays))
    return data, size, count // size


def _singles_of_dataset(data, batch_size):
    several = isinstance(data.element_spec, tuple)
    spec = data.element_spec[0] if several else data.element_spec
    shape = getattr(spec, "shape", tf.TensorShape(None))
    if shape.rank not in (3, 4) or shape[-1] != 3:
        raise BadInput(
            f"A dataset of {data.element_spec} was given: it takes images [h, w, 3], "
            "or batches of them [n, h, w, 3], alone or as (image, label)."
        )
    batches = int(data.cardinality())
    if shape.rank == 4:
        many = shape[0] or len(tf.nest.flatten(next(iter(data)))[0])
        size = batch_size or many
        again = batches if size == many or batches < 0 else batches * many // size
        return data.unbatch(), size, again
    if not batch_size:
        raise BadInput("A dataset of single images was given: say batch_size=... too.")
    return data, batch_size, batches // batch_size if batches > 0 else batches


def _shared(method, size, given=True):
    """The size of a batch, of which every replica is to have as much.

    What is told apart from the rest of a batch is found by its number in it.
    """
    replicas = method.distribute_strategy.num_replicas_in_sync
    rest = size % replicas
    if rest and (given or size < replicas):
        raise BadInput(
            f"A batch of {size} images does not divide among {replicas} replicas: give "
            f"batch_size={size - rest + replicas}"
            + (f" or {size - rest}." if size > replicas else ", and as many images.")
        )
    return size - rest


def _examples(method, data, first=0):
    """What `method` is shown of each image of a dataset of single ones."""
    if method.example is None:
        raise BadInput(
            f"This {type(method).__name__} was read from a file that could not say "
            "what it is shown of an image: load it with example=..."
        )
    several = isinstance(data.element_spec, tuple)
    given = ["label"] if several and len(data.element_spec) > 1 else []
    if {*method.uses} - {*given}:
        raise BadInput(
            f"{type(method).__name__} uses {', '.join(method.uses)} beside an image, "
            "and was given images"
            + (" and labels." if given else " alone.")
            + " Labels go with an array as y, and in a dataset of (image, label); for "
            "all else write a recipe, whose source has them."
        )

    dtype = (data.element_spec[0] if several else data.element_spec).dtype
    if not (dtype.is_floating or dtype == tf.uint8):
        raise BadInput(
            f"Images were given as {dtype.name}: they are uint8, 0 to 255, or floats "
            "in [0, 1]. images.astype('uint8') where they are bytes."
        )

    def example(n, element):
        image, *rest = element if isinstance(element, tuple) else (element,)
        if image.dtype.is_floating:
            image = tf.cast(image, tf.float32)
            tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(image)), [NO_NUMBERS])
            tf.debugging.assert_greater_equal(tf.reduce_min(image), -0.5, BELOW)
            tf.debugging.assert_less_equal(tf.reduce_max(image), 2.0, BEYOND)
        seed = tf.stack([tf.zeros_like(n), n])
        label = {"label": rest[0]} if "label" in method.uses else {}
        return {**method.example({"image": image, **label}, seed), **label, "n": n}

    return data.enumerate(first).map(example, tf.data.AUTOTUNE)

"""A backbone in the forms in which others run it; each run again once it is written.

saved_model/   TF-Hub's contract for image features: called, "serve" and
               "serving_default" give `[n, d]`; "features" every named feature
model.keras    as Keras keeps it, for those who train on; not folded
model.onnx     every named feature, for ONNX runtimes

But for model.keras, batch normalisation is folded into what comes before it.
"""

import importlib.util

import keras
import numpy as np
import tensorflow as tf

from sslzoo.backbones.fold import folded
from sslzoo.errors import BadInput, MissingExtra, UnknownName, nearest

LIMIT = 1e-4  # Of the largest feature: more is a mistake, not a rounding.
EXACT = 1e-5  # Where the numbers and their order are the same as before.
NEEDED = {"keras": (), "onnx": ("onnx", "onnxruntime", "tf2onnx")}


def check(formats):
    """Raises unless the further `formats` can be written here."""
    for name in formats:
        if name not in NEEDED:
            raise UnknownName(
                f"No format {name!r}.{nearest(name, NEEDED)} Beside the SavedModel, "
                f"which is always written, there are: {', '.join(NEEDED)}."
            )
        missing = [m for m in NEEDED[name] if importlib.util.find_spec(m) is None]
        if missing:
            raise MissingExtra(
                f"To write and try {name}, {', '.join(missing)} must be installed: "
                "pip install 'sslzoo[onnx]'"
            )


def write(backbone, folder, contract, formats=()):
    """Writes the forms of `backbone`, in float32, into `folder`.

    Args:
        contract: the input of its card.
        formats: of `NEEDED`, beside the SavedModel.

    Returns:
        {form: its largest difference from `backbone`, in parts of the largest feature}
    """
    batches = trials(contract)

    def answers(run):
        return [run(batch) for batch in batches]

    def held(form, found, expected, limit=LIMIT):
        """The difference of this form from what was expected, unless it is too far."""
        value = difference(expected, found)
        if not value <= limit:  # Nor if it is no number.
            raise BadInput(
                f"The form {form!r} of {backbone.name} gives other features than the "
                f"model: by {value:.1e} of the largest, where {limit:g} is allowed. "
                "Nothing was published. A layer that counts its calls, draws at random "
                "or uses its batch when it infers would do so."
            )
        return value

    expected = answers(lambda batch: features(backbone, batch))
    light = folded(backbone)
    simpler = answers(lambda batch: features(light, batch))
    differences = {"folded": held("folded", simpler, expected)}
    saved_model(light, folder / "saved_model")
    served = answers(_served(folder / "saved_model"))
    held("saved_model", served, simpler, EXACT)
    differences["saved_model"] = held("saved_model", served, expected)
    if "keras" in formats:
        backbone.save(folder / "model.keras")
        again = keras.models.load_model(
            folder / "model.keras", compile=False, safe_mode=True
        )
        found = answers(lambda batch: features(again, batch))
        differences["keras"] = held("keras", found, expected, EXACT)
    if "onnx" in formats:
        light.export(folder / "model.onnx", format="onnx", verbose=False)
        found = answers(_onnx(folder / "model.onnx"))
        differences["onnx"] = held("onnx", found, expected)
    return differences


def trials(contract):
    """Batches on which two forms of a model are compared, of several sizes."""
    side = contract["size"]
    sizes = [(1, side, side), (3, side, side)]
    if not contract["fixed"]:
        sizes += [(2, side + side // 3, side), (1, *2 * [contract["smallest"]])]
    rng = np.random.default_rng(0)
    shapes = [(*size, contract["channels"]) for size in sizes]
    # Of different colours: those of plain noise are all one gray.
    colours = [rng.random((shape[0], 1, 1, shape[-1])) for shape in shapes]
    batches = [rng.random(s) * c for s, c in zip(shapes, colours)]
    return [batch.astype("float32") for batch in batches]


def features(model, images):
    outputs = model(images, training=False)
    return {name: np.asarray(value) for name, value in outputs.items()}


def difference(expected, found):
    """The largest of any feature, in parts of the largest value of that feature.

    Args:
        expected, found: a dict of features for each batch.
    """
    parts = []
    for name in expected[0]:
        ours, theirs = (
            np.concatenate([features[name].ravel() for features in side])
            for side in (expected, found)
        )
        largest = max(np.abs(ours).max(), np.finfo("float32").tiny)
        parts.append(np.abs(theirs - ours).max() / largest)
    return float(np.max(parts))  # Not Python's max, which passes over what is NaN.


class Served(tf.Module):
    """What a SavedModel holds: functions, and the variables that they use.

    Not the Keras model: else the file would need Keras, of one version, to be read.
    """

    # Plain attributes, which are written, in place of tf.Module's properties.
    variables, trainable_variables, regularization_losses = (), (), ()

    def __init__(self, model):
        super().__init__()
        self.variables = [v.value for v in model.variables]
        self.trainable_variables = [v.value for v in model.trainable_variables]
        self.regularization_losses = []
        self.run = _of_any_batch(model)

    @tf.function(autograph=False)
    def __call__(self, images, training=False):
        """The same in both: what was learned from batches is fixed."""
        return self.features(images)["pooled"]

    @tf.function(autograph=False)
    def serve(self, images):
        return self.features(images)["pooled"]

    @tf.function(autograph=False)
    def named(self, images):
        return {"pooled": self.features(images)["pooled"]}

    @tf.function(autograph=False)
    def features(self, images):
        return self.run(images)


def _of_any_batch(model):
    """The features of images, also of none; refuses what is no batch of images."""

    def run(images):
        # A signature takes any shape, and oneDNN ends the process where the rank is
        # another; of an empty batch it fails, so one black image is added, and its
        # answer taken away. Where none is added, nothing is copied.
        images = tf.ensure_shape(images, model.input_shape)
        n = tf.shape(images)[0]
        added = tf.cast(tf.equal(n, 0), tf.int32)
        images = tf.pad(images, [[0, added], [0, 0], [0, 0], [0, 0]])
        images = tf.ensure_shape(images, model.input_shape)
        features = model(images, training=False)
        return {name: value[:n] for name, value in features.items()}

    return run


def saved_model(model, path):
    """Writes the SavedModel of a folded model with a dict of outputs to `path`."""
    served = Served(model)
    images = tf.TensorSpec(model.input_shape, tf.float32, name="images")
    for training in (False, True):
        served.__call__.get_concrete_function(images, training=training)
    served.serve.get_concrete_function(images)
    named = served.named.get_concrete_function(images)
    features = served.features.get_concrete_function(images)
    signatures = {"serve": named, "serving_default": named, "features": features}
    tf.saved_model.save(served, str(path), signatures)


def _served(path):
    again = tf.saved_model.load(str(path))

    def run(images):
        outputs = again.features(images)
        return {**outputs, "pooled": again(images)}

    return lambda images: {k: v.numpy() for k, v in run(images).items()}


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    (source,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {source.name: images})))

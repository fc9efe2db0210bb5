"""TensorFlow's checkpoints: alone, of a SavedModel, or of a module of TF1's hub.

    read("model.ckpt-225206")    the two files model.ckpt-225206.index and .data-...
    read("module")               those in the folder, or in its "variables"

TensorFlow itself reads them: they hold numbers and names, and no code.
"""

import pathlib

import numpy as np

from sslzoo.converters.readers.stored import Stored
from sslzoo.errors import BadInput, MissingExtra, MissingFile

FOLDERS = ("", "variables")  # Where a checkpoint may lie in what was published.


def read(path):
    """{name: array}; each is read when asked for. What is no number is left out."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise MissingExtra(
            "A checkpoint of TensorFlow is read by it: pip install tensorflow."
        ) from error
    prefix = found(path)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        dtypes = reader.get_variable_to_dtype_map()
    except Exception as error:  # Of a damaged file TF raises kinds of any sort.
        raise _broken(prefix, error) from error

    def tensor(name):
        try:
            return np.asarray(reader.get_tensor(name))
        except Exception as error:
            raise _broken(prefix, error) from error

    return {
        name: Stored(shape, lambda name=name: tensor(name))
        for name, shape in shapes.items()
        if dtypes[name].is_floating or dtypes[name].is_integer
    }


def found(path):
    """The prefix of the one checkpoint that `path` means."""
    path = pathlib.Path(path)
    if path.is_dir():
        prefixes = [
            file.with_suffix("")
            for folder in FOLDERS
            for file in sorted((path / folder).glob("*.index"))
        ]
        if len(prefixes) > 1:
            names = ", ".join(str(prefix) for prefix in prefixes)
            raise BadInput(f"{path} has several checkpoints. Give one: {names}.")
        if not prefixes:
            raise MissingFile(
                f"{path} has no checkpoint, NAME.index and NAME.data-..., and none in "
                "its folder 'variables'. Unpack what was published, and give that."
            )
        return prefixes[0]
    prefix = path
    if path.suffix == ".index" or path.suffix.startswith(".data-"):
        prefix = path.with_suffix("")
    if not prefix.with_name(f"{prefix.name}.index").is_file():
        what = "is no checkpoint of TensorFlow" if path.exists() else "is not there"
        raise (BadInput if path.exists() else MissingFile)(
            f"{path} {what}. Give a folder, or NAME where NAME.index and NAME.data-... "
            "are; an archive is to be unpacked first."
        )
    return prefix


def _broken(prefix, error):
    reason = str(error).strip().partition("\n")[0]
    return BadInput(f"{prefix} cannot be read: {reason}. Fetch it again.")

"""Arrays that are still in their file: a checkpoint may be larger than the memory."""

import math
import mmap
import os
import pathlib

import numpy as np

from sslzoo.errors import BadInput, MissingFile


class Stored:
    """An array of a known shape, read whenever NumPy asks for it.

    Args:
        read: gives the array.
    """

    def __init__(self, shape, read):
        self.shape, self.read = tuple(shape), read

    def __array__(self, dtype=None, copy=None):
        return np.array(self.read(), dtype=dtype, copy=copy or None)


def mapped(path):
    """The bytes of a file, as a view: only what is looked at is read."""
    path = pathlib.Path(path)
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise BadInput(f"{path} is empty. Fetch it again.")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        raise MissingFile(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; give the file that is meant.") from None


def shaped(data, dtype, shape, what, order="C"):
    """The array of `shape` that the bytes `data` are; they must be just enough.

    Args:
        what: a file and a name in it, for errors.
    """
    shape, dtype = whole(shape, what), np.dtype(dtype)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise BadInput(
            f"{what} should be {shape} of {dtype}, {math.prod(shape) * dtype.itemsize} "
            f"bytes, and has {len(data)}. The file is damaged; fetch it again."
        )
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def whole(shape, what):
    """`shape` as a tuple of whole numbers, 0 or more."""
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (None,)
    if len(shape) <= 32 and all(type(size) is int and size >= 0 for size in shape):
        return shape
    raise BadInput(f"{what} has no shape of whole numbers. The file is damaged.")

"""Pickles of JAX, Haiku and NumPy, written by `pickle` or `dill`; none is executed.

    read(path)    the value of the file: dicts, lists, tuples, numbers and arrays

Haiku's mappings come as dicts, named tuples as dicts of their fields, JAX arrays as
those of NumPy. Arrays stay in the file until NumPy asks for them: protocol 2, which
BYOL's files have, keeps bytes as a text that is half as long again.
"""

import re

import numpy as np

from sslzoo.converters.readers import machine
from sslzoo.converters.readers.stored import Stored, mapped, shaped, whole
from sslzoo.errors import BadInput

DTYPE = re.compile(r"[<>=|]?(?:[iufb]\d{1,2}|\?)")


def read(path):
    """The value that a pickle holds, of arrays and plain containers alone."""
    return machine.unpickled(mapped(path), MAKERS, str(path))


class Dtype(machine.Built):
    """A kind of number; objects, texts and records are none."""

    def __init__(self, code, *_):
        machine.plain(code, "the kind of an array")
        if not DTYPE.fullmatch(code):
            raise ValueError(f"the kind of an array is {code!r}")
        self.dtype = np.dtype(code)

    def build(self, state):
        # (version, byte order, and for records what plain numbers leave empty)
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class Bytes:
    """Bytes that protocol 2 keeps as a text, each a letter of Latin 1."""

    def __init__(self, text, encoding="latin1"):
        machine.plain(encoding, "the encoding of bytes")
        if encoding not in ("latin1", "latin-1"):
            raise ValueError(f"it encodes bytes as {encoding!r}")
        if not isinstance(text, (str, machine.Text)):
            raise ValueError(f"it makes bytes of a {type(text).__name__}")
        self.text = text

    def __bytes__(self):
        try:
            return str(self.text).encode("latin1")
        except UnicodeError as error:
            raise BadInput(
                f"An array of the pickle is written in letters that are no bytes "
                f"({error.reason}). The file is damaged; fetch it again."
            ) from None


class Array(Stored, machine.Built):
    """An array whose numbers are named by the state that it is given."""

    def __init__(self, *_):
        super().__init__((), self.numbers)
        self.state = None

    def build(self, state):
        _, shape, kind, fortran, data = state
        if not isinstance(kind, Dtype):
            raise ValueError("an array has no kind")
        if not isinstance(data, (Bytes, bytes, memoryview)):
            raise ValueError("an array is not of plain numbers")
        self.shape = whole(shape, "An array")
        self.state = kind.dtype, data, "F" if fortran else "C"

    def numbers(self):
        if self.state is None:
            raise BadInput("An array of the pickle has no numbers.")
        dtype, data, order = self.state
        data = bytes(data) if isinstance(data, Bytes) else data
        return shaped(data, dtype, self.shape, "An array of the pickle", order)


def scalar(kind, data):
    # Of a number, bytes() would make as many zeros.
    if not isinstance(data, (Bytes, bytes, memoryview)):
        raise ValueError(f"a number is kept as a {type(data).__name__}")
    return shaped(bytes(data), kind.dtype, (), "A number of the pickle")[()]


def made(make, arguments, state, *_):
    """An array of `make(*arguments)` with the state, as dill and JAX write it."""
    if not isinstance(make, machine.Maker):
        raise ValueError("an array is made by no maker of arrays")
    array = make.make(*arguments)
    array.build(state)
    return array


def mapping(items=None):
    if not isinstance(items, (dict, type(None))):
        raise ValueError("a mapping is made of what is none")
    return dict(items or {})


def named_tuple(name, fields, module, *_):
    """The class of a named tuple; what it makes is {field: value}."""
    for word in (name, module, *fields):
        machine.plain(word, "a name of a named tuple")
    return machine.Maker(
        f"{module}.{name}", lambda *values: dict(zip(fields, values, strict=True))
    )


def not_called(*_):
    raise ValueError("an array is made without a shape")


MAKERS = {
    "dill._dill._create_namedtuple": named_tuple,
    "dill._dill._create_array": made,
    "haiku._src.data_structures.FlatMapping": mapping,
    "haiku._src.data_structures.FlatMap": mapping,
    "haiku._src.data_structures.frozendict": mapping,
    "collections.OrderedDict": mapping,
    "_codecs.encode": Bytes,
    "numpy.ndarray": not_called,
    "numpy.dtype": Dtype,
    # JAX's arrays, by the names that its versions gave the one that reads them.
    "jax._src.array._reconstruct_array": made,
    "jax._src.device_array.reconstruct_device_array": made,
    "jax.interpreters.xla.reconstruct_device_array": made,
}
for core in ("numpy.core", "numpy._core"):  # NumPy 2 renamed it.
    MAKERS[f"{core}.multiarray._reconstruct"] = Array
    MAKERS[f"{core}.multiarray.scalar"] = scalar

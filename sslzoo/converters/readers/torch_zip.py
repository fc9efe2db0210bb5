"""Files of `torch.save`, since 1.6 a zip: a pickle, and the numbers beside it.

Only tensors and plain containers are read, as torch's own `weights_only=True` does,
and torch is not needed. Members lie in the zip as they are, so nothing is unpacked.
"""

import math
import pathlib
import struct
import zipfile

import numpy as np

from sslzoo.converters.readers import machine
from sslzoo.converters.readers.safetensors import widened
from sslzoo.converters.readers.stored import Stored, mapped, whole
from sslzoo.errors import BadInput

STORAGES = {
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "u2",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


def read(path):
    """The value that a file holds, a state dict or what has one: {name: array}."""
    data = mapped(path)
    members = _members(path, data)
    names = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if len(names) != 1:
        raise BadInput(f"{path} is a zip of something else: torch writes one data.pkl.")
    folder = names[0].removesuffix("data.pkl")
    order = bytes(members.get(f"{folder}byteorder", b"little"))
    if order not in (b"little", b"big"):
        raise BadInput(
            f"{path} has the byte order {order!r}: 'little' or 'big' is one."
        )

    def stored(label):
        word, kind, key, _, count = label
        machine.plain(word, "the kind of what is kept beside it")
        machine.plain(key, "the name of a storage")
        (count,) = whole((count,), f"{path}: a storage")
        name = f"{folder}data/{key}"
        if word != "storage" or getattr(kind, "name", None) not in STORAGES:
            raise ValueError(f"it refers to a {word!r}")
        dtype = np.dtype(STORAGES[kind.name]).newbyteorder("<>"[order == b"big"])
        if name not in members or len(members[name]) < count * dtype.itemsize:
            raise BadInput(
                f"{path} lacks numbers: {name} is not whole. Fetch it again."
            )
        return Numbers(kind.name, np.frombuffer(members[name], dtype, count))

    return machine.unpickled(members[names[0]], MAKERS, str(path), stored)


def _members(path, data):
    """{name: view of its bytes} of the zip `data`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {info.filename: _view(info, data, path) for info in archive.filelist}
    except BadInput:
        raise
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise BadInput(
            f"{path} is no zip, or it breaks off: {error}. If torch before 1.6 wrote "
            "it, let a newer one save it again: torch.save(torch.load(OLD), NEW)."
        ) from error


def _view(info, data, path):
    name = pathlib.PurePosixPath(info.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
        raise BadInput(f"{path} has {info.filename!r}, which leaves its folder.")
    if info.compress_type != zipfile.ZIP_STORED:
        raise BadInput(f"{path} is compressed, which torch's files are not.")
    # The name and the extra field are told again before the member itself.
    lengths = struct.unpack_from("<HH", data, info.header_offset + 26)
    start = info.header_offset + 30 + sum(lengths)
    if start + info.file_size > len(data):
        raise BadInput(f"{path} breaks off in {info.filename}. Fetch it again.")
    return data[start : start + info.file_size]


class Numbers:
    """The numbers of one or several tensors, in a row."""

    def __init__(self, kind, array):
        self.kind, self.array = kind, array


class Ordered(dict, machine.Built):
    """An OrderedDict; what a module says of itself beside its state is left."""

    def build(self, state):
        pass


def not_called(*_):
    raise ValueError("a storage is called")


def tensor(numbers, offset, shape, strides, *_):
    if not isinstance(numbers, Numbers):
        raise ValueError("a tensor has no storage")
    array, shape = numbers.array, whole(shape, "A tensor")
    offset, *strides = whole((offset, *strides), "A tensor")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
    # No more than it has: strides of zero would make much of nothing.
    if (
        len(strides) != len(shape)
        or math.prod(shape) > len(array)
        or (math.prod(shape) and last >= len(array))
    ):
        raise ValueError(f"a tensor of shape {shape} is not within its storage")
    strides = [stride * array.itemsize for stride in strides]
    array = np.ndarray(shape, array.dtype, array, offset * array.itemsize, strides)
    if numbers.kind == "torch.BFloat16Storage":
        return Stored(shape, lambda: widened(array.astype("u2", order="C")))
    return array


def parameter(tensor, *_):
    return tensor


MAKERS = {
    "collections.OrderedDict": lambda: Ordered(),
    "torch._utils._rebuild_tensor_v2": tensor,
    "torch._utils._rebuild_parameter": parameter,
    **dict.fromkeys(STORAGES, not_called),
}

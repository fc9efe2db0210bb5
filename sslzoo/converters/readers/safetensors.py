"""Safetensors: the length of a header, the header in JSON, and the numbers.

8 bytes, little-endian: n | n bytes: {"name": {"dtype", "shape", "data_offsets"}}
| the numbers, each array at its offsets from here
"""

import json

import numpy as np

from sslzoo.converters.readers.stored import Stored, mapped, shaped, whole
from sslzoo.errors import BadInput

MOST = 100_000_000  # Bytes of a header: the format's own limit.
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # The upper half of a float32.
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def read(path):
    """{name: array} of a file of safetensors; bfloat16 comes as float32."""
    data = mapped(path)
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MOST, len(data) - 8):
        raise BadInput(
            f"{path} says that its header has {length} bytes, of {len(data)} in all: "
            "it is no file of safetensors, or it breaks off. Fetch it again."
        )
    try:
        header = json.loads(bytes(data[8 : 8 + length]))
        header.pop("__metadata__", None)
        return {
            name: _array(entry, data[8 + length :], f"{path}: {name}")
            for name, entry in header.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"{path} has a header that is none of safetensors: {error}. Fetch it again."
        ) from error


def _array(entry, data, what):
    if entry["dtype"] not in DTYPES:
        raise BadInput(
            f"{what} is of {entry['dtype']!r}, which is not read. Known are: "
            f"{', '.join(DTYPES)}."
        )
    start, end = whole(entry["data_offsets"], what)
    if not start <= end <= len(data):
        raise BadInput(
            f"{what} lies at {start} to {end}, of {len(data)} bytes. Fetch it again."
        )
    array = shaped(data[start:end], DTYPES[entry["dtype"]], entry["shape"], what)
    if entry["dtype"] == "BF16":
        return Stored(array.shape, lambda: widened(array))
    return array


def widened(halves):
    """The float32 that bfloat16, given as whole numbers of 16 bits, stand for."""
    return (halves.astype(np.uint32) << 16).view(np.float32)

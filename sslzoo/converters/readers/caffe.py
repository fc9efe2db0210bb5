"""Caffe's binary NetParameter, a protocol buffer, read without Caffe.

    read(path)    {"conv1/0": weights, "conv1/1": bias, ...}

Of a file only names and blobs are looked at. The fields, by their numbers in
caffe.proto:

    NetParameter      layers 2 (before 2014: V1), layer 100
    LayerParameter    name 1, blobs 7;    V1LayerParameter: name 4, blobs 6
    BlobProto         num, channels, height, width 1 - 4 (before 2014), data 5,
                      shape 7 (of which dim 1), double_data 8

Files that are older still (V0: a layer in each of `layers`) are refused.
"""

from sslzoo.converters.readers.stored import mapped, shaped
from sslzoo.errors import BadInput

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # Kinds of values on the wire.


def read(path):
    """{"<layer>/<place>": array} of the layers that have blobs."""
    arrays = {}
    try:
        for field, kind, value in fields(mapped(path)):
            if kind == BYTES and field in (2, 100):
                name, blobs = _layer(value, *((4, 6) if field == 2 else (1, 7)))
                for place, blob in enumerate(blobs):
                    if f"{name}/{place}" in arrays:
                        raise ValueError(f"it has two layers {name!r}")
                    arrays[f"{name}/{place}"] = _blob(blob, f"{path}: {name}/{place}")
    except BadInput:
        raise
    except (IndexError, ValueError) as error:
        raise BadInput(
            f"{path} is no binary NetParameter of Caffe, or it breaks off: {error}. "
            "Fetch it again."
        ) from error
    if not arrays:
        raise BadInput(
            f"{path} has no layer with weights: is it a .prototxt, or of a Caffe "
            "before 2013? Caffe's upgrade_net_proto_binary renews those."
        )
    return arrays


def _layer(data, name_field, blobs_field):
    name, blobs = "", []
    for field, kind, value in fields(data):
        if kind == BYTES and field == name_field:
            name = str(value, "utf-8")
        elif kind == BYTES and field == blobs_field:
            blobs.append(value)
    return name, blobs


def _blob(data, what):
    legacy, shape, parts = [0, 0, 0, 0], None, {5: [], 8: []}
    for field, kind, value in fields(data):
        if kind == VARINT and 1 <= field <= 4:
            legacy[field - 1] = value
        elif kind == BYTES and field == 7:
            shape = _dims(value)
        elif field in parts and kind in (BYTES, FOUR, EIGHT):
            parts[field].append(value)
    dtype, parts = ("<f8", parts[8]) if parts[8] else ("<f4", parts[5])
    # Packed, as Caffe writes it, all numbers are one part; else each is one.
    numbers = parts[0] if len(parts) == 1 else b"".join(parts)
    return shaped(numbers, dtype, legacy if shape is None else shape, what)


def _dims(data):
    dims = []
    for field, kind, value in fields(data):
        if field == 1 and kind == VARINT:
            dims.append(value)
        elif field == 1 and kind == BYTES:
            at = 0
            while at < len(value):
                dim, at = varint(value, at)
                dims.append(dim)
    return dims


def fields(data):
    """(number, kind, value) of each field of a message: an int, or a view of bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        field, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(data, at)
        else:
            if kind == BYTES:
                size, at = varint(data, at)
            elif kind in (FOUR, EIGHT):
                size = 4 if kind == FOUR else 8
            else:
                raise ValueError(f"a value of the kind {kind} at {at}")
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise ValueError(f"field {field} goes on behind the end")
        if not field:
            raise ValueError(f"a field 0 at {at}")
        yield field, kind, value


def varint(data, at):
    """A number of 7 bits a byte, the lowest first; and the place behind it."""
    value = 0
    for place in range(10):
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError(f"a number of more than ten bytes at {at}")

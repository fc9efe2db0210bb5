"""Caffe's snapshots in HDF5: /data/<layer>/<place>.

    read(path)    {"conv1/0": weights, "conv1/1": bias, ...}

HDF5 can point out of a file, by links and by storage elsewhere; such a file is refused.
"""

import pathlib

import h5py

from sslzoo.converters.readers.stored import Stored
from sslzoo.errors import BadInput, MissingFile


def read(path):
    """{"<layer>/<place>": array} of the group /data; each is read when asked for."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise MissingFile(f"There is no file {path}.")
    try:
        file = h5py.File(path, "r")
        if not isinstance(_within(file, "data", path), h5py.Group):
            raise BadInput(f"{path} has no group /data: it is no snapshot of Caffe.")
        arrays = {}
        for layer in file["data"]:
            group = _within(file["data"], layer, path)
            for place in group if isinstance(group, h5py.Group) else ():
                arrays[f"{layer}/{place}"] = _array(_within(group, place, path), path)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"{path} is no HDF5 file, or it breaks off: {error}. Fetch it again."
        ) from error
    if not arrays:
        raise BadInput(f"{path} has no arrays below /data. Fetch it again.")
    return arrays


def _within(group, name, path):
    """What `name` is, if it lies in the file itself; None if there is none."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise BadInput(f"{path}: {name!r} points elsewhere. Do not trust the file.")
    return group[name]


def _array(item, path):
    what = f"{path}: {getattr(item, 'name', 'a name')}"
    kind = item.dtype.kind if isinstance(item, h5py.Dataset) else ""
    if kind not in ("f", "i", "u") or item.shape is None:  # A dataspace may be null.
        raise BadInput(f"{what} is no array of numbers.")
    if item.external or item.is_virtual:
        raise BadInput(f"{what} keeps its numbers elsewhere. Do not trust the file.")

    def numbers():
        try:
            return item[()]
        except OSError as error:
            raise BadInput(f"{what} breaks off: {error}. Fetch it again.") from error

    return Stored(item.shape, numbers)

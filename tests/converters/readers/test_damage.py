"""Files with bytes that are not what they were: read, or refused; nothing else."""

import io
import pathlib

import dill
import h5py
import numpy as np
import pytest

from sslzoo.converters.readers import caffe, hdf5, pickles, safetensors, torch_zip
from sslzoo.errors import BadInput

save = pytest.importorskip("safetensors.numpy").save
REFERENCES = pathlib.Path(__file__).parents[2] / "references"


def pickled():
    arrays = {f"a{i}": np.arange(i, dtype="f4") for i in range(1, 9)}
    arrays["long"] = np.arange(1000, dtype="f4")  # Which is read when it is asked for.
    return dill.dumps(
        {"state": arrays, "more": [arrays, (1, None, "text")]}, protocol=2
    )


def snapshot():
    with io.BytesIO() as text:
        with h5py.File(text, "w") as file:
            for layer in range(4):
                file[f"data/conv{layer}/0"] = np.ones((2, 3), "f4")
        return text.getvalue()


FILES = {
    "hdf5": (hdf5.read, snapshot),
    "pickle": (pickles.read, pickled),
    "caffe": (
        caffe.read,
        lambda: np.load(REFERENCES / "caffe.npz")["caffemodel"].tobytes(),
    ),
    "safetensors": (
        safetensors.read,
        lambda: save({f"a{i}": np.arange(i, dtype="f4") for i in range(1, 9)}),
    ),
    "torch": (torch_zip.read, lambda: (REFERENCES / "torch.pth").read_bytes()),
}


def read_all(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            read_all(inner)
    elif hasattr(value, "shape"):
        np.asarray(value)


@pytest.mark.parametrize("kind", FILES)
def test_damage_is_refused_in_words_or_does_not_matter(kind, tmp_path):
    read, content = FILES[kind]
    whole, rng, refused = content(), np.random.default_rng(0), 0
    read_all(read(write(tmp_path, whole)))
    for turn in range(400):
        data = bytearray(whole)
        if turn % 4 == 0:
            del data[rng.integers(1, len(data)) :]
        elif turn % 4 == 1:  # Something is left out.
            start = rng.integers(len(data) - 1)
            del data[start : start + rng.integers(1, 9)]
        else:
            for place in rng.integers(len(data), size=rng.integers(1, 6)):
                data[place] = rng.integers(256)
        try:
            read_all(read(write(tmp_path, data)))
        except BadInput:
            refused += 1
    assert refused > 100


def write(folder, data):
    path = folder / "theirs"
    path.write_bytes(data)
    return path

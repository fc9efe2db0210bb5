"""Caffe's snapshots in HDF5, written by h5py."""

import h5py
import numpy as np
import pytest

from sslzoo.converters.readers import hdf5
from sslzoo.errors import BadInput, MissingFile


@pytest.fixture
def snapshot(tmp_path):
    """(fill) -> the path of a file whose group /data/conv1 `fill` was given."""

    def make(fill):
        path = tmp_path / "net.caffemodel.h5"
        with h5py.File(path, "w") as file:
            fill(file.create_group("data/conv1"))
        return path

    return make


def test_arrays_come_by_layer_and_place(snapshot):
    kernel = np.arange(24, dtype="f4").reshape(2, 3, 2, 2)

    def fill(layer):
        layer["0"], layer["1"] = kernel, kernel.astype(">f8")
        layer.file["data/relu1"] = h5py.Empty("f4")
        del layer.file["data/relu1"]
        layer.file.create_group("data/relu1")
        layer.file["diff/conv1/0"] = kernel

    found = hdf5.read(snapshot(fill))
    assert set(found) == {"conv1/0", "conv1/1"}
    assert found["conv1/0"].shape == (2, 3, 2, 2)
    np.testing.assert_array_equal(found["conv1/0"], kernel)
    np.testing.assert_array_equal(found["conv1/1"], kernel)


def test_numbers_are_read_when_they_are_asked_for(snapshot):
    """A huge array that no weight has the shape of takes no memory."""
    path = snapshot(lambda layer: layer.create_dataset("0", (2**40,), chunks=(2**20,)))
    assert hdf5.read(path)["conv1/0"].shape == (2**40,)


def test_what_points_out_of_the_file_is_refused(snapshot, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["a"] = np.ones(2)
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource(other, "a", (2,))

    def external(layer):
        layer.create_dataset("0", (2,), "f4", external=[(str(secret), 0, 8)])

    ways = {
        "points elsewhere": lambda g: g.__setitem__("0", h5py.ExternalLink(other, "a")),
        "points else": lambda g: g.__setitem__("0", h5py.SoftLink("/data")),
        "numbers elsewhere": external,
        "keeps its numbers": lambda g: g.create_virtual_dataset("0", layout),
    }
    for words, fill in ways.items():
        with pytest.raises(BadInput, match=words):
            hdf5.read(snapshot(fill))


def test_other_files_are_refused(snapshot, tmp_path):
    with pytest.raises(BadInput, match="no array of numbers"):
        hdf5.read(snapshot(lambda layer: layer.__setitem__("0", "a text")))
    with pytest.raises(BadInput, match="no array of numbers"):
        hdf5.read(snapshot(lambda layer: layer.create_group("0")))
    with pytest.raises(BadInput, match="no array of numbers"):
        hdf5.read(snapshot(lambda layer: layer.__setitem__("0", h5py.Empty("f4"))))
    with pytest.raises(BadInput, match="no arrays below /data"):
        hdf5.read(snapshot(lambda layer: None))
    with h5py.File(tmp_path / "keras.h5", "w") as file:
        file["layers/conv1"] = np.ones(2)
    with pytest.raises(BadInput, match="no group /data"):
        hdf5.read(tmp_path / "keras.h5")
    (tmp_path / "page.h5").write_text("<html>")
    with pytest.raises(BadInput, match="no HDF5 file"):
        hdf5.read(tmp_path / "page.h5")
    with pytest.raises(MissingFile, match="none.h5"):
        hdf5.read(tmp_path / "none.h5")


def test_a_file_that_breaks_off_is_refused(snapshot):
    path = snapshot(lambda layer: layer.__setitem__("0", np.ones(10000, "f4")))
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(BadInput, match="breaks off"):
        np.asarray(hdf5.read(path)["conv1/0"])

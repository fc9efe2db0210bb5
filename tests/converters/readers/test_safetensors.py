"""Files of safetensors, written by the library of that name."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest

from sslzoo.converters.readers import safetensors
from sslzoo.errors import BadInput, MissingFile

theirs = pytest.importorskip("safetensors.numpy")


def test_arrays_come_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        kind: rng.normal(0, 50, (3, 4)).astype(kind)
        for kind in "f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 ?".split()
    }
    arrays["none"], arrays["no axes"] = np.zeros((0, 3), "f4"), np.array(3, "i8")
    theirs.save_file(arrays, tmp_path / "a.safetensors", {"format": "np"})
    found = safetensors.read(tmp_path / "a.safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].shape == array.shape and found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bfloat16_comes_as_float32(tmp_path):
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(ml_dtypes.bfloat16)
    theirs.save_file({"a": array}, tmp_path / "a.safetensors")
    found = np.asarray(safetensors.read(tmp_path / "a.safetensors")["a"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array.astype("f4"))


def file(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "is empty"),
        (b"1234567", "breaks off"),
        (file({}, length=2**62), "header has 4611686018427387904 bytes"),
        (struct.pack(">Q", 2) + b"{}", "breaks off"),  # Of the other byte order.
        (file(b"[1, 2]"), "none of safetensors"),
        (file(b"{'a'}"), "none of safetensors"),
        (file(b"[" * 100_000), "none of safetensors"),
        (file(b"\xff\xfe{}"), "none of safetensors"),
        (file({"a": 3}), "none of safetensors"),
        (file({"a": {"dtype": "F32"}}), "none of safetensors"),
        (file(entry("F8_E4M3"), b"abcd"), "'F8_E4M3', which is not read"),
        (file(entry(), b"abc"), "lies at 0 to 4, of 3 bytes"),
        (file(entry(offsets=(4, 0)), b"abcd"), "lies at 4 to 0"),
        (file(entry(offsets=(-4, 0)), b"abcd"), "whole numbers"),
        (file(entry(offsets=(0, 2**70)), b"abcd"), "lies at"),
        (file(entry(shape=(-1,)), b"abcd"), "whole numbers"),
        (file(entry(shape=(True,)), b"abcd"), "whole numbers"),
        (file(entry(shape=(2**40, 2**40)), b"abcd"), "bytes, and has 4"),
        (file(entry(shape=[1] * 100), b"abcd"), "whole numbers"),
        (file(entry(shape=(2,)), b"abcd"), "8 bytes, and has 4"),
    ],
)
def test_files_that_are_not_whole_are_refused(data, words, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=words):
        safetensors.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFile, match="none.safetensors"):
        safetensors.read(tmp_path / "none.safetensors")

"""Files of torch.save; `references/torch.pth` was written by torch itself."""

import io
import pathlib
import pickle
import zipfile

import dill
import numpy as np
import pytest

from sslzoo.converters.readers import torch_zip
from sslzoo.errors import BadInput, MissingFile
from tests.converters.readers import exploits

FILE = pathlib.Path(__file__).parents[2] / "references" / "torch.pth"


def members(path=FILE):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def written(tmp_path):
    """(members, how) -> the path of a zip of them."""

    def make(content, how=zipfile.ZIP_STORED):
        with zipfile.ZipFile(tmp_path / "a.pth", "w", how) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return tmp_path / "a.pth"

    return make


def changed(suffix, change):
    return {
        name: change(data) if name.endswith(suffix) else data
        for name, data in members().items()
    }


def test_a_file_of_torch_comes_as_it_was_written():
    """What it holds is in tools/make_reference.py."""
    found = torch_zip.read(FILE)
    state = found["state_dict"]
    kinds = "float64 float32 float16 int64 int32 int16 int8 uint8 bool".split()
    for kind in kinds:
        assert state[kind].dtype == kind and state[kind].shape == (2, 3)
        np.testing.assert_array_equal(
            state[kind], (np.arange(6).reshape(2, 3) - 2).astype(kind)
        )
    halves = np.asarray(state["bfloat16"])
    assert halves.dtype == np.float32
    np.testing.assert_array_equal(halves, np.arange(6).reshape(2, 3) - 2)
    np.testing.assert_array_equal(state["transposed"], np.arange(6).reshape(2, 3).T)
    np.testing.assert_array_equal(state["every second"], [0, 2, 4])
    np.testing.assert_array_equal(state["parameter"], np.ones(2))
    kernel = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(state["channels last"], kernel)
    assert state["no axes"].shape == () and state["no axes"] == 7
    assert found["epoch"] == 3
    np.testing.assert_array_equal(found["module"]["weight"], [[0.5, -0.5]])


def test_numbers_of_the_other_byte_order_are_read_by_it(written):
    content = members()
    order = next(name for name in content if name.endswith("byteorder"))
    state = torch_zip.read(FILE)["state_dict"]
    # Of one kind of numbers all are turned round, and it is said that they are.
    content[order] = b"big"
    turned = {}
    for name, data in content.items():
        size = 4 if len(data) == 24 and "/data/" in name else 1
        turned[name] = np.frombuffer(data, f"u{size}").byteswap().tobytes()
    found = torch_zip.read(written(turned))["state_dict"]
    np.testing.assert_array_equal(found["float32"], state["float32"])
    content[order] = b"middle"
    with pytest.raises(BadInput, match="byte order b'middle'"):
        torch_zip.read(written(content))


@pytest.fixture
def refused(written, tmp_path):
    """(pickle, words): it runs code in Python's own, and is refused in a file."""

    def check(data, words):
        marker = tmp_path / "executed"
        assert exploits.works(io.BytesIO(data), marker)
        with exploits.importable(tmp_path):
            with pytest.raises(BadInput, match=words):
                torch_zip.read(written(changed("data.pkl", lambda _: data)))
        assert not marker.exists()

    return check


@pytest.mark.parametrize("kind", exploits.EXPLOITS)
@pytest.mark.parametrize("nested", exploits.NESTED)
def test_a_pickle_that_would_run_code_is_refused(kind, nested, refused, tmp_path):
    exploit, _ = exploits.EXPLOITS[kind]
    value = exploits.NESTED[nested](exploit(str(tmp_path / "executed")))
    data = dill.dumps({"state_dict": {"w": value}}, protocol=2, recurse=True)
    # Or else an array of NumPy or a named tuple is, before there is code.
    refused(data, "names '.*nothing was executed")


@pytest.mark.parametrize("kind", exploits.CRAFTED)
def test_a_pickle_whose_steps_run_code_is_refused(kind, refused, tmp_path):
    data = exploits.crafted(kind, "in a dict", tmp_path / "executed")
    refused(data, exploits.CRAFTED[kind].words)


def test_a_label_or_an_argument_that_runs_code_is_refused(refused, tmp_path):
    """All that a label holds is made before anyone looks the storage up."""
    run = exploits.call(exploits.SYSTEM, exploits.touch(tmp_path / "executed"))
    label = b"(" + exploits.text("storage") + run + b"tQ"
    refused(b"\x80\x02" + label + b".", "names 'os.system'")
    made = exploits.call(exploits.global_("collections.OrderedDict"), run)
    refused(b"\x80\x02" + made + b".", "names 'os.system'")


def tensor(storage="torch\nFloatStorage", offset=0, shape=(2,), strides=(1,), count=2):
    """A pickle of one tensor, with numbers that need not be true."""

    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            return (
                value[1] if isinstance(value, tuple) and value[:1] == ("id",) else None
            )

    class Named:
        def __init__(self, name):
            self.name = name

    text = io.BytesIO()
    Writer(text, 2).dump(
        (("id", ("storage", "KIND", "0", "cpu", count)), offset, shape, strides)
    )
    arguments = text.getvalue()[2:-1].replace(
        b"X\x04\x00\x00\x00KIND", b"c" + storage.encode() + b"\n"
    )
    call = b"ctorch._utils\n_rebuild_tensor_v2\n"
    return b"\x80\x02" + call + arguments + b"R."


@pytest.mark.parametrize(
    "options, words",
    [
        ({"storage": "torch\nFooStorage"}, "names 'torch.FooStorage'"),
        ({"storage": "collections\nOrderedDict"}, "refers to"),
        ({"count": 3}, "lacks numbers"),
        ({"count": 2**60}, "lacks numbers"),
        ({"count": -1}, "whole numbers"),
        ({"offset": 1}, "not within its storage"),
        ({"offset": -1}, "whole numbers"),
        ({"shape": (3,)}, "not within its storage"),
        ({"strides": (2,)}, "not within its storage"),
        ({"strides": (-1,)}, "whole numbers"),
        ({"strides": (1, 1)}, "not within its storage"),
        ({"shape": (2**40,), "strides": (0,)}, "not within its storage"),
        ({"shape": "ab"}, "whole numbers"),
    ],
)
def test_a_tensor_is_within_its_storage(options, words, written):
    content = {"a/data.pkl": tensor(**options), "a/data/0": b"\0" * 8}
    with pytest.raises(BadInput, match=words):
        torch_zip.read(written(content))


def test_that_tensor_is_read_where_its_numbers_are_true(written):
    content = {"a/data.pkl": tensor(), "a/data/0": np.array([1, 2], "f4").tobytes()}
    np.testing.assert_array_equal(torch_zip.read(written(content)), [1, 2])


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"]
)
def test_members_that_leave_the_folder_are_refused(name, written, tmp_path):
    before = set(tmp_path.parent.rglob("*"))
    path = written({**members(), name: b"x"})
    with pytest.raises(BadInput, match="leaves its folder"):
        torch_zip.read(path)
    assert set(tmp_path.parent.rglob("*")) - before == {path}


def test_other_zips_are_refused(written):
    with pytest.raises(BadInput, match="one data.pkl"):
        torch_zip.read(written({"model.h5": b"x"}))
    with pytest.raises(BadInput, match="one data.pkl"):
        torch_zip.read(written({"a/data.pkl": b"x", "b/data.pkl": b"x"}))
    with pytest.raises(BadInput, match="is compressed"):
        torch_zip.read(written(members(), zipfile.ZIP_DEFLATED))


def test_a_file_that_breaks_off_or_is_older_is_refused(tmp_path):
    path, data = tmp_path / "a.pth", FILE.read_bytes()
    for content in (data[: len(data) // 2], data[:-1], b"\x80\x02\x8a\nold", b"<html>"):
        path.write_bytes(content)
        with pytest.raises(BadInput, match="no zip, or it breaks off"):
            torch_zip.read(path)
    with pytest.raises(MissingFile, match="none.pth"):
        torch_zip.read(tmp_path / "none.pth")


def test_a_member_that_is_said_to_be_longer_than_the_file_is_refused(tmp_path):
    data = bytearray(FILE.read_bytes())
    at = data.rindex(b"PK\x01\x02")  # The last entry of the table of contents.
    data[at + 20 : at + 28] = b"\xff\xff\xff\x7f" * 2
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(BadInput, match="breaks off"):
        torch_zip.read(tmp_path / "a.pth")

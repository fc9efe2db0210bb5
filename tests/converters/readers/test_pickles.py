"""What a pickle may hold, and what it may not do."""

import collections
import io
import pickle
import struct
import tracemalloc

import dill
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslzoo.converters.readers import pickles
from sslzoo.errors import BadInput, MissingFile
from tests.converters.readers import exploits


@pytest.fixture
def read(tmp_path):
    def call(data):
        path = tmp_path / "theirs.pkl"
        path.write_bytes(data)
        return pickles.read(path)

    return call


VALUES = {
    "float32": np.linspace(-1, 1, 1000, dtype="f4").reshape(10, 100),
    "big endian": np.arange(6, dtype=">f8").reshape(2, 3),
    "columns first": np.asfortranarray(np.arange(600.0).reshape(20, 30)),
    "whole": np.arange(-3, 3, dtype="i8"),
    "bytes": np.arange(256, dtype="u1"),
    "true": np.array([True, False]),
    "none": np.zeros((0, 3), "f4"),
    "no axes": np.array(3, np.int32),
}


@pytest.mark.parametrize("write", [pickle.dumps, dill.dumps])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_and_containers_come_as_they_were(write, protocol, read):
    value = {
        "arrays": VALUES,
        "others": [None, True, 3, -70000, 2**40, 1.5, "é" * 300, (1, (2, [])), b"abc"],
        3: np.float32(2.5),
        "again": VALUES["float32"],
        "ordered": collections.OrderedDict(a=1, b=np.ones(2)),
    }
    if protocol == 2:
        value["others"].pop()  # Bytes: then an object of Latin letters.
        value["arrays"] = {k: v for k, v in VALUES.items() if k != "none"}
    found = read(write(value, protocol=protocol))
    for name, array in value["arrays"].items():
        ours = np.asarray(found["arrays"][name])
        assert ours.shape == found["arrays"][name].shape == array.shape
        np.testing.assert_array_equal(ours, array)
    texts = [
        str(v) if isinstance(v, pickles.machine.Text) else v for v in found["others"]
    ]
    assert texts == value["others"]
    assert found[3] == 2.5 and found["again"] is found["arrays"]["float32"]
    np.testing.assert_array_equal(found["ordered"]["b"], np.ones(2))


def test_arrays_stay_in_the_file_until_they_are_asked_for(read):
    array = np.random.default_rng(0).normal(size=2**20).astype("f4")  # 4 MiB
    data = dill.dumps({f"a{i}": array + i for i in range(4)}, protocol=2)
    tracemalloc.start()
    found = read(data)
    taken = tracemalloc.get_traced_memory()[0]
    np.testing.assert_array_equal(found["a3"], array + 3)
    tracemalloc.stop()
    assert taken < array.nbytes / 10 and len(data) > 5 * array.nbytes


def test_arrays_of_jax_come_as_those_of_numpy(read):
    value = {"a": jnp.arange(6.0).reshape(2, 3), "key": jax.random.PRNGKey(3)}
    found = read(dill.dumps(value, protocol=2))
    np.testing.assert_array_equal(found["a"], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(found["key"], value["key"])
    assert type(np.asarray(found["a"])) is np.ndarray


def test_arrays_of_older_jax_are_read_by_the_names_it_had(read):
    data = pickle.dumps(jnp.arange(3.0), protocol=2)
    for name in (b"jax._src.device_array", b"jax.interpreters.xla"):
        old = data.replace(
            b"cjax._src.array\n_reconstruct_array",
            b"c" + name + b"\nreconstruct_device_array",
        )
        assert old != data
        np.testing.assert_array_equal(read(old), [0, 1, 2])


def test_named_tuples_come_as_dicts_of_their_fields(read):
    State = collections.namedtuple("State", "mu count")
    State.__module__ = "optax.of_nobody"
    found = read(dill.dumps((State({"w": 1}, 2), State(3, ())), protocol=2))
    assert found == ({"mu": {"w": 1}, "count": 2}, {"mu": 3, "count": ()})


@pytest.fixture
def marker(tmp_path):
    """What an exploit leaves; the test fails if reading left it."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("kind", exploits.EXPLOITS)
@pytest.mark.parametrize("nested", exploits.NESTED)
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_runs_code_is_refused_by_its_name(kind, nested, protocol, read, marker):
    """In Python's own unpickler, and in dill's, it does run: so it is no mere name."""
    exploit, name = exploits.EXPLOITS[kind]
    value = exploits.NESTED[nested](exploit(str(marker)))
    data = dill.dumps(value, protocol=protocol, recurse=True)
    for unpickler in (exploits.Python, dill.Unpickler):
        assert exploits.works(io.BytesIO(data), marker, unpickler)
    with pytest.raises(BadInput, match=f"names '.*({name}).*nothing was executed"):
        read(data)


@pytest.mark.parametrize("kind", exploits.CRAFTED)
@pytest.mark.parametrize("nested", exploits.CRAFTED_NESTED)
def test_what_runs_code_by_its_steps_is_refused(kind, nested, read, marker):
    data = exploits.crafted(kind, nested, marker)
    assert exploits.works(io.BytesIO(data), marker)
    with exploits.importable(marker.parent):  # Where extensions have their names.
        with pytest.raises(BadInput, match=exploits.CRAFTED[kind].words):
            read(data)


def test_a_named_tuple_imports_no_module(read, marker):
    """Python's own looks for its class, and so runs any module of its name."""
    name = exploits.module(str(marker))
    steps = exploits.call(
        exploits.global_("dill._dill._create_namedtuple"),
        exploits.text("State"),
        b"(" + exploits.text("mu") + b"t",
        exploits.text(name),
    )
    data = b"\x80\x04" + exploits.call(steps, b"K\x07") + b"."
    assert exploits.works(io.BytesIO(data), marker)
    with exploits.importable(marker.parent):
        assert read(data) == {"mu": 7}


def test_a_class_is_refused(read):
    with pytest.raises(BadInput, match="names '.*Pair'"):
        read(pickle.dumps(exploits.Pair, protocol=2))


def name_only(module, name):
    """The pickle that names something and calls it with a command."""
    called = exploits.call(exploits.stack_global(module, name), exploits.text("true"))
    return b"\x80\x04" + called + b"."


@pytest.mark.parametrize(
    "module, name",
    [
        ("numpy", "os.system"),
        ("numpy", "ndarray.__class__"),
        ("numpy", "fromfile"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("sslzoo.converters.readers.machine", "pickletools.sys"),
    ],
)
def test_other_names_lead_nowhere(module, name, read):
    with pytest.raises(BadInput, match=f"names '{module}.{name}'"):
        read(name_only(module, name))


SCALAR = exploits.global_("numpy._core.multiarray.scalar")
ARRAY = exploits.global_("numpy._core.multiarray._reconstruct") + b")R"
DTYPE = exploits.global_("numpy.dtype") + b"X\x02\x00\x00\x00f4\x85R"


def array(shape, dtype=DTYPE, data=b"C\x04abcd"):
    return ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


@pytest.mark.parametrize(
    "body, words",
    [
        (b"X\x01\x00\x00\x00aQ.", "refers to something beside"),  # a persistent id
        (b"Pabc\n.", "the step PERSID"),
        (b"(S'a'\nios\nsystem\n.", "the step STRING"),
        (b"(ios\nsystem\n.", "the step INST"),
        (b"\x82\x01.", "the step EXT1"),
        (b"]N}\x92.", "the step NEWOBJ_EX"),
        (b"\xff.", "the byte 0xff"),
        (b"K\x01)R.", "calls a int"),
        (b"})R.", "calls a dict"),
        (b"]}b.", "gives a list a state"),
        (exploits.global_("numpy.ndarray") + b"}b.", "gives a Maker a state"),
        (exploits.global_("numpy.ndarray") + b")R.", "without a shape"),
        (exploits.global_("numpy.dtype") + b"X\x01\x00\x00\x00O\x85R.", "kind .* 'O'"),
        (
            exploits.global_("numpy.dtype") + b"X\x02\x00\x00\x00V8\x85R.",
            "kind .* 'V8'",
        ),
        (
            exploits.global_("numpy.dtype")
            + exploits.global_("numpy.ndarray")
            + b"\x85R.",
            "kind of",
        ),
        (
            exploits.global_("_codecs.encode")
            + b"X\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
            "hex",
        ),
        (array(b"K\x01\x85", data=b"]"), "not of plain numbers"),
        (array(b"J\xff\xff\xff\xff\x85"), "whole numbers"),
        (array(b"X\x01\x00\x00\x00a\x85"), "whole numbers"),
        (array(b"K\x01\x85", dtype=b"N"), "no kind"),
        # As bytes() of Python takes it, a number of so many zeros.
        (SCALAR + DTYPE + b"\x8a\x06\0\0\0\0\0\x01\x86R.", "kept as a int"),
        (b"}(K\x01u.", "makes sense"),
        (b"}()K\x01u.", "a tuple is a key"),
        (b"]K\x01s.", "pickle"),
        (b"h\x05.", "makes sense"),
        (b"(.", "takes a mark"),
        (b"e.", "breaks off"),
        (b".", "breaks off"),
        (b"cno newline", "makes sense"),
        (b"X\x03\x00\x00\x00\xff\xff\xff.", "makes sense"),
    ],
)
def test_a_pickle_that_makes_no_sense_is_refused(body, words, read):
    with pytest.raises(BadInput, match=words):
        read(b"\x80\x02" + body)


def endless(levels=60):
    """A tuple of two such tuples of two ..., by the memo: 2^levels numbers, written."""
    return b")q\x00" + b"0h\x00h\x00\x86q\x00" * levels


@pytest.mark.parametrize(
    "body",
    [
        DTYPE[: -len(b"X\x02\x00\x00\x00f4\x85R")] + endless() + b"\x85R.",
        exploits.global_("_codecs.encode")
        + b"X\x01\x00\x00\x00a"
        + endless()
        + b"\x86R.",
        endless() + b"X\x01\x00\x00\x00a\x93.",
        b"X\x01\x00\x00\x00a" + endless() + b"\x93.",
        exploits.global_("dill._dill._create_namedtuple")
        + b"X\x01\x00\x00\x00a"
        + endless()
        + b"X\x01\x00\x00\x00b\x87R.",
    ],
)
def test_tuples_without_end_are_neither_written_out_nor_hashed(body, read):
    """It would take 2^60 steps: who is still here has not tried."""
    with pytest.raises(BadInput, match="is a tuple"):
        read(b"\x80\x04" + body)


@pytest.mark.parametrize("spoilt", [b"\xff\xff", "Ā".encode()])
def test_letters_that_are_no_bytes_are_told_when_the_array_is_read(spoilt, read):
    data = dill.dumps({"a": np.full(1000, 0xA9, "u1")}, protocol=2)
    at = data.index("©".encode() * 100) + 300
    found = read(data[:at] + spoilt + data[at + 2 :])
    with pytest.raises(BadInput, match="letters that are no bytes.*fetch it again"):
        np.asarray(found["a"])


HUGE = struct.pack("<Q", 2**62)


@pytest.mark.parametrize(
    "body",
    [
        b"\x8d" + HUGE + b"a.",
        b"\x8e" + HUGE + b"a.",
        b"B\xff\xff\xff\xffa.",
        b"X\xff\xff\xff\xffa.",
        b"\x8b\xff\xff\xff\x7fa.",
        b"\x8b\xff\xff\xff\xffa.",
    ],
)
def test_a_length_beyond_the_file_takes_no_memory(body, read):
    with pytest.raises(BadInput, match="breaks off"):
        read(b"\x80\x04" + body)


def test_a_place_far_away_takes_no_memory(read):
    """CPython's own unpickler makes a list of that many places."""
    assert read(b"\x80\x02K\x07r\xff\xff\xff\xff0j\xff\xff\xff\xff.") == 7


def test_an_array_of_a_huge_shape_is_refused_when_it_is_read(read):
    array_ = read(b"\x80\x02" + array(b"J\x00\x00\x00\x7f" * 2 + b"\x86") + b".")
    with pytest.raises(BadInput, match="bytes, and has 4"):
        np.asarray(array_)


def test_an_array_without_numbers_is_refused_when_it_is_read(read):
    with pytest.raises(BadInput, match="no numbers"):
        np.asarray(read(b"\x80\x02" + ARRAY + b"."))


def test_what_is_no_pickle_is_refused(read, tmp_path):
    for data in (
        b"<!DOCTYPE html>",
        b"PK\x03\x04 zip",
        b"\x80\x01.",
        b"\x80\x09.",
        b"(lp0\n.",
    ):
        with pytest.raises(BadInput, match="no pickle of protocol 2 to 5"):
            read(data)
    with pytest.raises(BadInput, match="is empty"):
        read(b"")
    with pytest.raises(MissingFile, match="no file"):
        pickles.read(tmp_path / "none.pkl")
    with pytest.raises(BadInput, match="is a folder"):
        pickles.read(tmp_path)

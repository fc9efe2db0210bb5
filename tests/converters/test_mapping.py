"""Every array finds its weight, every weight its array; else nothing is set."""

import keras
import numpy as np
import pytest

from sslzoo.converters import mapping
from sslzoo.converters.readers.stored import Stored
from sslzoo.errors import BadInput


@pytest.fixture
def net():
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="last")(x), name="net")


TABLE = {
    "conv/kernel": ("a.weight", mapping.hwio),
    "conv/bias": ("a.bias", mapping.flat),
    "last/kernel": "b.w",
    "last/bias": "b.b",
}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    shapes = {"a.weight": (2, 3, 3, 3), "a.bias": (1, 1, 1, 2)}
    shapes |= {"b.w": (1, 1, 2, 2), "b.b": (2,)}
    return {name: rng.normal(size=s).astype("f4") for name, s in shapes.items()}


def test_each_weight_is_the_array_that_the_table_says(net, arrays):
    arrays["head/0"] = np.ones(2)
    report = mapping.assign(net, arrays, TABLE, origin="x", ignored=["head/*"])
    conv, last = net.get_layer("conv"), net.get_layer("last")
    for place in np.ndindex(2, 3, 3, 3):
        out, channel, row, column = place
        assert conv.kernel[row, column, channel, out] == arrays["a.weight"][place]
    np.testing.assert_array_equal(conv.bias, arrays["a.bias"].ravel())
    np.testing.assert_array_equal(last.kernel, arrays["b.w"])
    assert report == {p: e if isinstance(e, str) else e[0] for p, e in TABLE.items()}


def gone(name):
    return lambda arrays, table: arrays.pop(name)


def entry(path, name):
    return lambda arrays, table: table.__setitem__(path, name)


def other(name, shape):
    return lambda arrays, table: arrays.__setitem__(name, np.ones(shape, "f4"))


@pytest.mark.parametrize(
    "change, words",
    [
        (gone("b.w"), r"1 weights without an array:\n *last/kernel \(1, 1, 2, 2\)"),
        (lambda a, t: t.pop("last/bias"), "1 arrays without a place:\n *b.b"),
        (other("b.extra", (7,)), r"1 arrays without a place:\n *b.extra \(7,\)"),
        (entry("conv/bias", "b.b"), "1 arrays for two weights:\n *b.b"),
        (
            entry("conv/gamma", "b.extra"),
            "1 places that the network lacks:\n *conv/gamma",
        ),
        (
            other("b.b", (3,)),
            r"1 arrays of another shape:\n *last/bias \(2,\), but b.b",
        ),
        (other("a.bias", (2, 2)), "1 arrays of another shape:\n *conv/bias"),
        (other("a.weight", (2, 3)), "1 arrays of another shape:\n *conv/kernel"),
        (entry("last/bias", "b.bb"), "to come from 'b.bb'. Did you mean 'b.b'?"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_set(change, words, net, arrays):
    table, before = dict(TABLE), net.get_weights()
    change(arrays, table)
    with pytest.raises(BadInput, match=words):
        mapping.assign(net, arrays, table, origin="x")
    for old, new in zip(before, net.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_arrays_are_not_read_before_all_fit(net, arrays):
    def refuse():
        raise AssertionError("It was read.")

    arrays = {name: Stored(array.shape, refuse) for name, array in arrays.items()}
    arrays["extra"] = Stored((2**40, 2**40), refuse)
    with pytest.raises(BadInput, match="without a place"):
        mapping.assign(net, arrays, TABLE, origin="x")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(value, net, arrays):
    """Nor those that float32 cannot hold."""
    arrays["b.w"] = arrays["b.w"].astype("float64")
    arrays["b.w"][0, 0, 1, 1] = value
    words = "x: b.w: it has numbers that are not finite.*in part: build it anew"
    with pytest.raises(BadInput, match=words):
        mapping.assign(net, arrays, TABLE, origin="x")


def test_many_faults_are_counted_and_some_shown(net):
    extra = {f"extra{i:02}": np.ones(1) for i in range(30)}
    with pytest.raises(
        BadInput, match="(?s)30 arrays without.*extra07.*and 22 more"
    ) as error:
        mapping.assign(net, extra, {}, origin="x")
    assert "extra08" not in str(error.value)

"""Caffe's binary files, written by Google's protocol buffers with Caffe's numbers."""

import pathlib

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from sslzoo.converters.readers import caffe
from sslzoo.errors import BadInput, MissingFile

FIELDS = {  # caffe.proto, as far as it matters: message -> {field: (number, type)}
    "BlobShape": {"dim": (1, "repeated int64")},
    "BlobProto": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "repeated float"),
        "diff": (6, "repeated float"),
        "shape": (7, "BlobShape"),
        "double_data": (8, "repeated double"),
    },
    "LayerParameter": {
        "name": (1, "string"),
        "type": (2, "string"),
        "bottom": (3, "repeated string"),
        "blobs": (7, "repeated BlobProto"),
    },
    "V1LayerParameter": {
        "bottom": (2, "repeated string"),
        "name": (4, "string"),
        "type": (5, "int32"),
        "blobs": (6, "repeated BlobProto"),
    },
    "NetParameter": {
        "name": (1, "string"),
        "layers": (2, "repeated V1LayerParameter"),
        "input": (3, "repeated string"),
        "input_dim": (4, "repeated int32"),
        "layer": (100, "repeated LayerParameter"),
    },
}


def messages(packed=True):
    """{name: class} of Caffe's messages."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"caffe_{packed}.proto")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            repeated, _, kind = kind.rpartition(" ")
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            entry = message.field.add(name=field, number=number, label=label)
            if kind in FIELDS:
                entry.type, entry.type_name = kinds.TYPE_MESSAGE, f".{kind}"
            else:
                entry.type = getattr(kinds, f"TYPE_{kind.upper()}")
            if repeated and kind in ("float", "double", "int64"):
                entry.options.packed = packed
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in FIELDS
    }


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "conv1/0": rng.normal(size=(8, 3, 5, 5)).astype("f4"),
        "conv1/1": rng.normal(size=8).astype("f4"),
        "fc6/0": rng.normal(size=(4, 300)).astype("f4"),
        "batch_conv1/2": np.array([999.9], "f4"),
    }


def net(arrays, packed=True, field="layer", legacy=False, double=False):
    """The bytes of a net; a layer without blobs lies between those with some."""
    net = messages(packed)["NetParameter"](name="net", input=["data"], input_dim=[1, 3])
    places = {}
    for name, array in arrays.items():
        layer, place = name.split("/")
        if layer not in places:
            getattr(net, field).add(name=f"relu_{layer}", bottom=["x"])
            places[layer] = getattr(net, field).add(name=layer, bottom=["data"])
        blobs = places[layer].blobs
        while len(blobs) <= int(place):
            blobs.add(data=[0], diff=[1]).shape.dim.append(1)
        blob = blobs[int(place)]
        blob.ClearField("data")
        (blob.double_data if double else blob.data).extend(array.ravel().tolist())
        blob.ClearField("shape")
        if legacy:
            shape = (1,) * (4 - array.ndim) + array.shape
            blob.num, blob.channels, blob.height, blob.width = shape
        else:
            blob.shape.dim.extend(array.shape)
    return net.SerializeToString()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("field", ["layer", "layers"])
@pytest.mark.parametrize("double", [False, True])
def test_blobs_come_by_layer_and_place(packed, field, double, arrays, tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net(arrays, packed, field, double=double))
    found = caffe.read(path)
    assert set(arrays) <= set(found) and len(found) == 6
    for name, array in arrays.items():
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_a_file_that_opencv_reads_means_the_same_to_us(tmp_path):
    """OpenCV 4 has a reader of Caffe of its own: see tools/make_reference.py."""
    stored = np.load(pathlib.Path(__file__).parents[2] / "references" / "caffe.npz")
    path = tmp_path / "net.caffemodel"
    path.write_bytes(stored["caffemodel"].tobytes())
    found = caffe.read(path)
    windows = np.lib.stride_tricks.sliding_window_view(stored["image"], (3, 3), (2, 3))
    y = np.einsum("ncyxij,ocij->noyx", windows, found["conv1/0"])
    y += found["conv1/1"][:, None, None]
    answer = y.reshape(1, -1) @ found["fc2/0"].T + found["fc2/1"]
    np.testing.assert_allclose(answer, stored["fc2"], rtol=1e-4, atol=1e-5)


def test_files_before_2014_say_four_sizes(arrays, tmp_path):
    path = tmp_path / "old.caffemodel"
    path.write_bytes(net(arrays, field="layers", legacy=True))
    found = caffe.read(path)
    assert found["conv1/0"].shape == (8, 3, 5, 5)
    assert found["fc6/0"].shape == (1, 1, 4, 300)
    np.testing.assert_array_equal(found["fc6/0"][0, 0], arrays["fc6/0"])


def test_a_file_that_breaks_off_is_refused_wherever_it_does(arrays, tmp_path):
    data = net({"conv1/0": arrays["conv1/0"][:1, :1]})
    path = tmp_path / "net.caffemodel"
    whole = 0
    for length in range(1, len(data)):
        path.write_bytes(data[:length])
        try:
            caffe.read(path)
            whole += 1
        except BadInput:
            pass
    assert not whole
    with pytest.raises(BadInput, match="is empty"):
        path.write_bytes(b"")
        caffe.read(path)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"layer { name: 'conv1' }", "no binary NetParameter"),
        (b"\x00\x01", "field 0"),
        (b"\x0b", "a value of the kind 3"),
        (b"\xff" * 11, "more than ten bytes"),
        (b"\x0a\xff\xff\xff\xff\x0fabc", "behind the end"),
        (b"\x0a\x03net", "no layer with weights"),
        # A blob of 2^31 x 2^31 numbers, of which one is there.
        (
            b"\xa2\x06\x1a\x0a\x01a\x3a\x15\x2a\x04abcd"
            b"\x3a\x0d\x0a\x0b" + b"\x80\x80\x80\x80\x08" * 2 + b"\x01",
            "bytes, and has 4",
        ),
    ],
)
def test_other_files_are_refused(data, words, tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=words):
        caffe.read(path)


def test_two_layers_of_one_name_are_refused(arrays, tmp_path):
    path = tmp_path / "net.caffemodel"
    one = net({"conv1/1": arrays["conv1/1"]})
    path.write_bytes(one + one)
    with pytest.raises(BadInput, match="two layers 'conv1'"):
        caffe.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFile, match="none.caffemodel"):
        caffe.read(tmp_path / "none.caffemodel")

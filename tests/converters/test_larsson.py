"""Against OpenCV's networks of Caffe with the same weights, from snapshots in HDF5."""

import functools
import pathlib

import h5py
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.converters import larsson
from sslzoo.errors import BadInput
from tests.converters import caffe_nets

OPENCV = pathlib.Path(__file__).parents[1] / "references" / "caffe_nets.npz"


@pytest.fixture
def file(tmp_path):
    """(name, change of the arrays) -> the path of a snapshot."""

    def write(name, change=lambda arrays: None):
        arrays = caffe_nets.NETS[name]().arrays
        change(arrays)
        return caffe_nets.snapshot(tmp_path / "net.caffemodel.h5", arrays)

    return write


def alexnet(geometry="fixed", **options):
    options |= dict(form="larsson", geometry=geometry)
    return backbones.build("alexnet", width=1 / 16, **options)


def vgg16(**options):
    return backbones.build("vgg16", width=1 / 16, **options)


@functools.cache
def resnet(depth=152):
    """Filled anew by each test: it takes a while to build."""
    return backbones.build(f"resnet{depth}", width=1 / 32, style="caffe")


def is_opencvs(ours, reference, same, side):
    found = ours(caffe_nets.photos(side))
    with np.load(OPENCV) as stored:
        expected = {
            name.partition("/")[2]: stored[name]
            for name in stored
            if name.startswith(f"{reference}/")
        }
    assert expected.keys() == found.keys() - {"pooled", "data"}
    for name, theirs in expected.items():
        same(caffe_nets.sampled(found[name]), theirs)
    same(found["pooled"], [*expected.values()][-1].mean((1, 2)))


def without_batch_norm(arrays):
    for name in [name for name in arrays if name.startswith("batch_")]:
        del arrays[name]


@pytest.mark.parametrize(
    "name, make, side",
    [
        ("alexnet", alexnet, 227),
        ("alexnet_norm", lambda: alexnet(norm="bn", dropout=0), 227),
        ("alexnet_both", alexnet, 227),
        ("vgg16", vgg16, 64),
        ("vgg16", lambda: vgg16(norm=False), 64),
        ("resnet50", lambda: resnet(50), 64),
        ("resnet152", resnet, 64),
    ],
)
def test_every_feature_is_what_opencv_makes_of_gray(name, make, side, file, same):
    ours = make()
    larsson.convert(file(name), ours)
    is_opencvs(ours, name, same, side)


def test_what_went_where_is_told(file):
    def more(arrays):
        # The hypercolumn of a sixteenth of the widths: 1 + 2 * 4 + 2 * 8 + 3 * 16
        # + 6 * 32 + 2 * 256 numbers.
        arrays["hidden/0"], arrays["hidden/1"] = np.ones((10, 777)), np.ones(10)
        arrays["hue/0"] = np.ones((32, 10, 1, 1))
        arrays["chroma/0"] = np.ones((32, 10))
        arrays["mean/0"] = np.full((1, 3, 1, 1), 0.33333)

    ours = vgg16()
    report = larsson.convert(file("vgg16", more), ours)
    assert "conv1_1/kernel <- conv1_1/0\n" in report.text()
    assert report.text().count(" <- ") == len(ours.weights) == 4 * 15
    beside = ("chroma/0", "hidden/0", "hidden/1", "hue/0", "mean/0")
    what = "what was trained on top"
    assert "".join(f"left out, of {what}: {n}\n" for n in beside) in report.text()
    assert f"60 arrays are in their places, found by name; left out: 5 of {what}" == (
        report.line()
    )


@pytest.mark.parametrize(
    "name, make, inputs",
    [("alexnet", alexnet, 599), ("alexnet", alexnet, 256), ("resnet50", None, 64)],
)
def test_a_head_is_known_by_its_shapes(name, make, inputs, file):
    def headed(hidden, bins):
        def change(arrays):
            arrays["top/0"], arrays["last/0"] = np.ones((7, hidden)), np.ones((bins, 7))

        return change

    ours = make() if make else resnet(50)
    larsson.convert(file(name, headed(inputs, 32)), ours)
    for change in (headed(inputs + 1, 32), headed(inputs, 31)):
        with pytest.raises(BadInput, match=r"2 arrays without a place:\n *last/0"):
            larsson.convert(file(name, change), ours)


@pytest.mark.parametrize(
    "name, shape",
    [
        ("conv5_4/0", (32, 32, 3, 3)),
        ("a/0", ()),
        ("bn_a/0", (3,)),
        ("mean/0", (1, 3, 1, 1)),
    ],
)
def test_what_has_no_place_is_refused_by_name(name, shape, file):
    def more(arrays):
        arrays[name] = np.ones(shape)

    with pytest.raises(BadInput, match=f"1 arrays without a place:\n *{name} "):
        larsson.convert(file("vgg16", more), vgg16())


def test_dense_layers_are_convolutions(file, same):
    """As snapshots have them that were not made fully convolutional."""

    def dense(arrays):
        for name in ("fc6/0", "fc7/0"):
            arrays[name] = arrays[name].reshape(256, -1)

    ours = alexnet()
    larsson.convert(file("alexnet", dense), ours)
    is_opencvs(ours, "alexnet", same, 227)

    def wrong(arrays):
        arrays["fc6/0"] = arrays["fc6/0"].reshape(256, -1)[:, 1:]

    with pytest.raises(BadInput, match="another shape:\n *fc6/kernel"):
        larsson.convert(file("alexnet", wrong), ours)


def test_without_scales_they_are_one_and_with_some_all_must_be(file):
    """OpenCV's ResNet-50 has none, its ResNet-152 all of them."""
    ours = resnet(50)
    for weight in ours.weights:
        weight.assign(weight + 3)
    larsson.convert(file("resnet50"), ours)
    norm = ours.get_layer("block3_1_2_bn")
    assert set(np.ravel(norm.gamma)) == {1} and set(np.ravel(norm.beta)) == {0}

    def few(arrays):
        arrays["scale_conv1/0"] = arrays["scale_conv1/1"] = np.ones(2)

    with pytest.raises(BadInput, match="104 weights without an array"):
        larsson.convert(file("resnet50", few), ours)


def drops(name):
    return lambda arrays: arrays.pop(name)


def puts(name, value):
    return lambda arrays: arrays.update({name: np.array(value, "f4")})


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("weight", [[0], [-1], [np.nan], [np.inf], [1, 1], [[]]])
def test_sums_without_a_weight_are_refused(weight, norm, file):
    spoilt = file("vgg16", puts("batch_conv3_1/2", weight))
    with pytest.raises(BadInput, match="batch_conv3_1/2 should be the weight"):
        larsson.convert(spoilt, vgg16(norm=norm))


@pytest.mark.parametrize(
    "change, norm, words",
    [
        (drops("batch_conv3_1/2"), False, "batch_conv3_1/2 should be .* is not there"),
        (drops("batch_conv3_1/2"), True, "batch_conv3_1/2 should be .* is not there"),
        (drops("batch_conv3_1/1"), True, "moving_variance .16,., to come from"),
        (drops("batch_conv3_1/1"), False, "absorbed in conv3_1.* no batch_conv3_1/1"),
        (drops("conv3_1/1"), False, "absorbed in conv3_1.* no conv3_1/1"),
        (drops("conv3_1/0"), True, "conv3_1/kernel .3, 3, 8, 16., to come from"),
        (puts("batch_conv3_1/0", [1, 1]), True, "but batch_conv3_1/0 .2,"),
        (puts("batch_conv3_1/0", [1, 1]), False, r"batch_conv3_1 has .2,."),
        (puts("conv3_1/0", 1), False, r"kernel of ..,"),
        (puts("conv3_1/0", 1), True, "another shape:\n *conv3_1/kernel"),
        (puts("batch_conv3_1/1", [-1e9] * 16), False, "not finite"),
        (without_batch_norm, True, "30 weights without an array"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_by_name(change, norm, words, file):
    spoilt = file("vgg16", change)
    with pytest.raises(BadInput, match=f"(?s){words}"):
        larsson.convert(spoilt, vgg16(norm=norm))


def test_without_batch_normalisation_nothing_is_absorbed(file):
    ours = vgg16(norm=False)
    larsson.convert(file("vgg16", without_batch_norm), ours)
    kernel = caffe_nets.NETS["vgg16"]().arrays["conv4_2/0"]
    found = np.transpose(ours.get_layer("conv4_2").kernel, (3, 2, 0, 1))
    np.testing.assert_array_equal(found, kernel)


@pytest.mark.parametrize(
    "name, make, words",
    [
        ("resnet152", lambda: resnet(50), "ResNet-152.*is ResNet-50"),
        ("resnet50", vgg16, "is no ResNet"),
        ("vgg16", lambda: resnet(50), "does not fit the network 'resnet50'"),
        ("vgg16", lambda: vgg16(pixels="unit"), "conv1_1/kernel .3, 3, 3, 4., but"),
        ("alexnet", vgg16, "does not fit the network 'vgg16'"),
        ("vgg16", alexnet, "does not fit the network 'alexnet_larsson'"),
        ("alexnet", lambda: alexnet(layout="full"), "another shape:\n *conv2/kernel"),
        (
            "resnet50",
            lambda: backbones.build("resnet50", width=1 / 16, style="caffe"),
            "width 0.03125.*width 0.0625",
        ),
    ],
)
def test_another_network_is_refused(name, make, words, file):
    with pytest.raises(BadInput, match=f"(?s){words}"):
        larsson.convert(file(name), make())


def test_a_huge_array_of_another_network_takes_no_memory(tmp_path):
    arrays = caffe_nets.NETS["vgg16"]().arrays
    path = caffe_nets.snapshot(tmp_path / "net.h5", arrays)
    with h5py.File(path, "a") as file:
        for name in ("conv4_1/0", "batch_conv4_1/1"):
            del file[f"data/{name}"]
            file.create_dataset(f"data/{name}", (2**42,), "f4", chunks=(2**20,))
    for norm in (True, False):
        with pytest.raises(BadInput, match="conv4_1"):
            larsson.convert(path, vgg16(norm=norm))

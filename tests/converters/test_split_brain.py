"""Against OpenCV's reader of Caffe, and what it made of the same weights."""

import pathlib

import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.converters import split_brain
from sslzoo.errors import BadInput
from tests.converters import caffe_nets
from tests.converters.readers.test_caffe import net as caffemodel

OPENCV = pathlib.Path(__file__).parents[1] / "references" / "caffe_nets.npz"
WIDTH = 1 / 16


@pytest.fixture
def file(tmp_path):
    """(change of the arrays) -> the path of a caffemodel; `written` as by whom."""

    def write(change=lambda arrays: None, **written):
        arrays = caffe_nets.split_brain().arrays
        change(arrays)
        (tmp_path / "net.caffemodel").write_bytes(caffemodel(arrays, **written))
        return tmp_path / "net.caffemodel"

    return write


def network(**options):
    return backbones.build("alexnet", form="release", width=WIDTH, **options)


def is_opencvs(ours, reference, same):
    found = ours(caffe_nets.photos(227))
    with np.load(OPENCV) as stored:
        expected = {
            name.partition("/")[2]: stored[name]
            for name in stored
            if name.startswith(f"{reference}/")
        }
    assert expected.keys() == found.keys() - {"pooled"}
    for name, theirs in expected.items():
        same(caffe_nets.sampled(found[name]), theirs)
    return found, expected


@pytest.mark.parametrize(
    "options, reference",
    [
        ({}, "split_brain"),
        (dict(pixels="lab"), "split_brain_skimage"),
        (dict(geometry="deploy"), "split_brain_deploy"),
    ],
)
def test_every_feature_is_what_opencv_makes_of_lab(options, reference, file, same):
    """Lab is by the authors' formulas, or by scikit-image."""
    ours = network(**options)
    split_brain.convert(file(), ours)
    found, theirs = is_opencvs(ours, reference, same)
    last = "pool5" if options.get("geometry") else "fc7"
    same(found["pooled"], theirs[last].mean((1, 2)))


@pytest.mark.parametrize(
    "written", [dict(packed=False), dict(field="layers", legacy=True)]
)
def test_files_of_older_caffes_mean_the_same(written, file, same):
    ours = network()
    split_brain.convert(file(**written), ours)
    is_opencvs(ours, "split_brain", same)


def test_lab_is_scaled_by_the_numbers_of_the_same_file(file):
    """L - 50 of the plain one is what our layer gives already."""
    ours = network()

    def plain(arrays):
        arrays["data_lab/0"][:] = 1
        arrays["data_lab/1"][:] = -50, 0, 0

    split_brain.convert(file(plain), ours)
    layer = ours.get_layer("data_lab")
    np.testing.assert_array_equal(layer.scale, [1, 1, 1])
    np.testing.assert_array_equal(layer.shift, [0, 0, 0])
    split_brain.convert(file(), ours)
    np.testing.assert_allclose(layer.scale, [0.9, 0.69308239, 0.7])
    np.testing.assert_allclose(layer.shift, [1, 0.1, 0.2], rtol=1e-5)
    assert not layer.trainable_weights


def test_what_each_half_sees_is_looked_up(file):
    ours = network()

    def apart(order):
        def change(arrays):
            for half, part in zip(np.split(arrays["conv1/0"], 2), order):
                half[:, part] = 0

        return change

    light, colours = slice(0, 1), slice(1, 3)
    report = split_brain.convert(file(apart([colours, light])), ours)
    assert split_brain.halves(ours) == ("L", "ab")
    assert report.line().endswith("the halves of conv1 see L and ab")
    split_brain.convert(file(apart([light, colours])), ours)
    assert split_brain.halves(ours) == ("ab", "L")
    split_brain.convert(file(), ours)
    assert split_brain.halves(ours) == ("Lab", "Lab")


def test_what_predicted_colours_is_left_out_and_all_else_refused(file):
    def predictions(arrays):
        arrays["fc8_ab/0"] = np.ones((3, 2, 1, 1), "f4")

    report = split_brain.convert(file(predictions), network())
    assert len(report) == 16 and report["data_lab/scale"] == "data_lab/0"

    def more(arrays):
        arrays["bn1/0"] = np.ones(3, "f4")

    with pytest.raises(BadInput, match=r"1 arrays without a place:\n *bn1/0 \(3,\)"):
        split_brain.convert(file(more), network())


def test_a_file_that_lacks_something_is_refused_by_name(file):
    for name, ours in (("data_lab/1", "data_lab/shift"), ("fc7/1", "fc7/bias")):
        lacking = file(lambda arrays, name=name: arrays.pop(name))
        with pytest.raises(BadInput, match=f"1 weights without an array:\n *{ours} "):
            split_brain.convert(lacking, network())


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: backbones.build("alexnet", width=WIDTH), "form='release'"),
        (lambda: backbones.build("resnet18", width=WIDTH), "form='release'"),
        (lambda: network(layout="full"), "another shape:\n *conv2/kernel"),
        (lambda: network(layout="split"), "conv1_first/kernel"),
        (lambda: network(channels=1), "data_lab/scale .1,., but data_lab/0"),
    ],
)
def test_another_network_is_refused(make, words, file):
    with pytest.raises(BadInput, match=f"(?s){words}"):
        split_brain.convert(file(), make())

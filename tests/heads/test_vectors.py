"""About 9000 numbers of each layer: their number, and their resizing."""

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.backbones.nine import nine
from sslzoo.errors import BadInput
from sslzoo.heads.vectors import Resized, endpoints, vectors
from tests.runs import slow


def test_alexnets_are_those_of_table_7():
    with keras.StatelessScope():
        net = backbones.build("alexnet", form="evaluation")
        found = {k: v.shape[1:] for k, v in vectors(net).output.items()}
    wide = {"conv1": 9600, "conv2": 9216, "conv3": 9600, "conv4": 9600, "conv5": 9216}
    wide |= {"pool1": 9600, "pool2": 9216, "pool5": 9216}
    assert found == {name: (number,) for name, number in wide.items()}


def test_a_network_of_any_size_has_no_vectors():
    with pytest.raises(BadInput, match="vectors are of one.*keras.Input"):
        vectors(backbones.build("tiny"))


def resized(maps, side):
    return np.asarray(Resized(side)(np.float32(maps)))


def test_corners_stay_on_corners_and_a_plane_stays_a_plane():
    """Inside; a corner takes of its neighbours too."""
    y, x = np.mgrid[:13, :17]
    plane = np.stack([2 * y + 3 * x + 1, x - y], -1)[None]
    found = resized(plane, 5)
    y, x = np.meshgrid(np.arange(5) * 3.0, np.arange(5) * 4.0, indexing="ij")
    expected = np.stack([2 * y + 3 * x + 1, x - y], -1)
    np.testing.assert_allclose(found[0, 1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-4)


def test_it_is_a_tent_around_each_place():
    maps = np.random.default_rng(0).normal(size=(1, 9, 1, 1))
    step = 8 / 3
    for i, found in enumerate(resized(maps, 4)[0, :, 0, 0]):
        weights = np.maximum(0, 1 - np.abs(np.arange(9) - i * step) / step)
        expected = weights @ maps[0, :, 0, 0] / weights.sum()
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_is_small_stays_as_it_is():
    maps = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    np.testing.assert_array_equal(resized(maps, 5), maps)
    layer = Resized.from_config(Resized(3).get_config())
    assert layer(maps).shape == layer.compute_output_shape(maps.shape) == (2, 3, 3, 3)


def test_constants_stay():
    found = resized(np.full((1, 55, 55, 2), 7.0), 10)
    np.testing.assert_allclose(found, 7, rtol=1e-6)


@pytest.mark.parametrize(
    "k, expected",
    [  # Of Revisiting's sheet, section 3.2.
        (4, [7744, 6400, 8192, 4096, 2048, 2048]),
        (8, [8192, 8192, 4096, 8192, 4096, 4096]),
        slow(16, [6400, 4096, 8192, 4096, 8192, 8192]),
    ],
)
def test_endpoints_have_the_sizes_of_revisiting(k, expected):
    with keras.StatelessScope():
        net = backbones.build("resnet50v2", width=k / 4)
        found = endpoints(net, 224).output
    names = ("after_root", "block1", "block2", "block3", "block4", "pooled")
    assert [found[name].shape[1] for name in names] == expected


def test_those_of_patches_have_their_own_and_are_pooled_before_the_mean():
    with keras.StatelessScope():
        net = backbones.build("resnet50v2", stem="patch")
        found = endpoints(net, 64).output
    sizes = [found[f"block{i}"].shape[1] for i in (1, 2, 3, 4)]
    assert sizes == [6400, 8192, 4096, 8192]  # The sheet's, at 64 and k = 4.
    trunk = backbones.build("tiny")
    images = np.random.default_rng(0).random((2, 48, 48, 3)).astype("float32")
    model = nine(endpoints(trunk, 16, most=100), 16)
    patches = images.reshape(2, 3, 16, 3, 16, 3).swapaxes(2, 3).reshape(18, 16, 16, 3)
    maps = np.asarray(trunk(patches)["block1"])  # 8 x 8 of 8: windows of 3 x 3.
    windows = maps[:, :6, :6].reshape(18, 2, 3, 2, 3, 8).max(axis=(2, 4))
    expected = windows.reshape(2, 9, -1).mean(axis=1)
    np.testing.assert_allclose(model(images)["block1"], expected, rtol=1e-4, atol=1e-5)

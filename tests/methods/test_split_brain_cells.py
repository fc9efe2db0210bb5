"""Where the cells of split-brain lie, and what pictures and depth show there."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones
from sslzoo.backbones import fields
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream, training_batches
from sslzoo.errors import BadInput
from sslzoo.methods import split_brain
from sslzoo.methods.split_brain import SplitBrain

SIDE, CELLS = 33, 5


def alexnet(form="split", geometry="small", pixels="lab"):
    options = dict(form=form, geometry=geometry, pixels=pixels, momentum=0.9)
    return backbones.build("alexnet", width=1 / 16, **options)


def make(net=None, size=SIDE, row="split", stride=8, **settings):
    net, example = net or alexnet(), split_brain.example(size, size)
    return SplitBrain(net, example, row=row, stride=stride, **settings)


def of_depth(**settings):
    """One whose answers are not all alike."""
    net = alexnet("single", pixels="centred")
    method = make(net, row="RGB_HHA", **settings)
    method.compile(keras.optimizers.SGD(0.1))
    kernel = method.heads["HHA_reg"].trainable_variables[0]
    kernel.assign(np.random.default_rng(1).normal(0, 0.3, kernel.shape))
    return method


@pytest.fixture
def batch():
    images, hha = np.random.default_rng(0).random((2, 4, SIDE, SIDE, 3))
    return {
        "image": tf.constant(images, tf.float32),
        "hha": tf.constant(hha, tf.float32),
        "n": tf.range(4, dtype=tf.int64),
    }


def test_cells_are_asked_for_the_pixels_on_which_they_lie(batch):
    """The last pixel at most; at 180 pixels, 12 cells of 16 are in the image."""
    method = make()
    found = method.at_cells(batch["image"], (CELLS, CELLS))
    np.testing.assert_array_equal(found, batch["image"][:, ::8, ::8])
    short = batch["image"][:, :30, :30]
    found = method.at_cells(short, (CELLS, CELLS))
    np.testing.assert_array_equal(found[:, -1, -1], short[:, 29, 29])
    paper = make(alexnet(geometry="dense"), 180, stride=16)
    images = tf.random.stateless_uniform((1, 180, 180, 3), (0, 1))
    found = paper.at_cells(images, (12, 12))
    np.testing.assert_array_equal(found, images[:, ::16, ::16])


def test_cells_may_be_asked_for_means_in_place_of_pixels():
    """Every colour counts, and the mean of all stays."""
    method = make(stride=0)
    image = np.zeros((1, 40, 40, 3), "float32")
    image[:, :, 20:] = 1
    found = method.colours_of(image, (5, 5)).numpy()
    assert found.shape == (1, 5, 5, 3)
    assert 1 < found[0, 2, 2, 0] < 99 and found[0, 2, 0, 0] < 1
    np.testing.assert_allclose(found[..., 0].mean(), 50, atol=0.5)


def seen_by(net, top, size, cell):
    """The pixel in the middle of what a cell sees, by the squares of gradients."""
    images = np.random.default_rng(0).random((4, size, size, 3), "float32")
    images = tf.Variable(images)
    with tf.GradientTape() as tape:
        said = net(images, training=True)[top][:, cell, cell]
        y = tf.reduce_sum(said * np.random.default_rng(1).normal(size=said.shape))
    power = (tape.gradient(y, images).numpy() ** 2).sum(axis=(0, 2, 3))
    return np.sum(power * np.arange(size)) / power.sum()


RESNETS = {
    "torch": dict(),
    "small": dict(stem="small"),
    "byol": dict(style="byol"),
}


@pytest.mark.parametrize("kind", RESNETS)
def test_of_two_resnets_cells_lie_on_their_pixels_or_they_are_refused(kind):
    """In the middle of an image, to a quarter of a cell, by what they really see."""
    net = backbones.build("split", half="resnet18", width=1 / 16, **RESNETS[kind])
    size, stride = (96, 8) if kind == "small" else (288, 32)
    cells = net.compute_output_shape((1, size, size, 3))["block4"][1]
    middle = cells // 2
    seen = seen_by(net, "block4", size, middle)
    first, apart = fields.centre(net, "block4", size)
    assert apart == stride
    if kind != "byol":
        assert first == 0 and abs(seen - stride * middle) < stride / 4
        assert make(net, size, top="block4", stride=stride).lie(3, size)[1] == stride
        with pytest.raises(BadInput, match=f"Give stride={stride} to a network"):
            make(net, size, top="block4", stride=2 * stride)
        return
    # As TensorFlow pads they lie more than half a cell beside.
    assert first > stride / 2 and seen - stride * middle > stride / 2
    with pytest.raises(BadInput, match='such as a ResNet of style="torch"'):
        make(net, size, top="block4", stride=stride)
    assert make(net, size, top="block4", stride=0).stride == 0


def test_of_layers_that_do_not_tell_what_they_see_no_centre_is_known():
    net = backbones.build("split", half="revnet50", width=1 / 16)
    assert fields.centre(net, "block4", 96) is None
    make(net, 96, top="block4", stride=32)


def test_a_hole_of_depth_teaches_nothing(batch):
    method = of_depth()
    hha = batch["hha"].numpy()
    hha[0, 8, 16] = 0
    whole = float(method.test_step(batch)["loss"])
    ((_, said),) = method.answers(batch)
    target = 255 * batch["hha"][0, 8, 16] - split_brain.HHA_MEAN
    cost = 0.5 * np.square(said[0, 1, 2] - target).sum() / (4 * CELLS**2)
    method.reset_metrics()
    found = float(method.test_step({**batch, "hha": hha})["loss"])
    np.testing.assert_allclose(found, whole - cost, rtol=1e-5)


@pytest.mark.parametrize("least", [0, 1])
def test_means_of_depth_are_of_what_is_known(batch, least):
    """Every second column a hole, then more: of half and less than half."""
    method = of_depth(stride=0)
    hha = np.full((1, 40, 40, 3), 0.5, "float32")
    hha[:, :, 1::2] = 0
    hha[:, :, : 40 * least : 4] = 0
    found, known = method.depth_of(tf.constant(hha), (10, 10))
    inner = slice(2, 8)
    assert known.numpy()[0, inner, inner].all() == (least == 0)
    np.testing.assert_allclose(found[0, inner, inner], 0.5, rtol=1e-5)


def test_windows_that_are_enlarged_do_not_mix_depth_with_holes():
    hha = np.zeros((1, 20, 20, 3), "uint8")
    hha[:, :, ::2] = 200
    item = {"image": hha, "hha": hha}
    view = split_brain.example(33, 0)(item, np.array([[0, 1]]))
    np.testing.assert_allclose(np.unique(view["hha"]), (0, 200 / 255), rtol=1e-6)
    assert len(np.unique(view["image"])) > 2
    one = split_brain.example(33, 0)({k: v[0] for k, v in item.items()}, [0, 1])
    np.testing.assert_array_equal(one["hha"], view["hha"][0])


def test_windows_are_of_the_stretched_image_and_flips_are_by_chance():
    """Of 256 by 256, 180 by 180: of 512 by 128 pixels, 360 by 90, anywhere."""
    seeds = np.stack([np.zeros(500, np.int64), np.arange(500)], -1)
    windows = split_brain.example().windows(seeds, 512, 128)[:, 0]
    assert (windows[:, 2:] == (360, 90)).all()
    assert windows[:, 0].min() == 0 and windows[:, 0].max() == 152
    assert windows[:, 1].min() == 0 and windows[:, 1].max() == 38
    cut_out = split_brain.Windows(50, 0).windows(seeds, 60, 40)[:, 0]
    assert (cut_out[:, 2:] == (50, 40)).all() and cut_out[:, 0].max() == 10
    ramp = np.tile(np.arange(8, dtype="float32")[:, None] / 8, (500, 8, 1, 3))
    views = split_brain.example(8, 8)({"image": ramp}, seeds)["image"].numpy()
    turned = (views[:, 0, 0, 0] > views[:, 0, -1, 0]).mean()
    assert 0.4 < turned < 0.6
    np.testing.assert_allclose(np.sort(views, 2), ramp, atol=1e-5)


class Pairs(sources.Source):
    """Noise with other noise for its HHA, as `rgbd.RGBD` gives them."""

    count, name, uniform = 4, "pairs", True
    fields = dict.fromkeys(("image", "hha"), tf.TensorSpec([48, 48, 3], tf.uint8))

    def read(self, index, window=None, smallest=None, only=None):
        noise = np.random.default_rng(index).integers(0, 256, (2, 48, 48, 3), np.uint8)
        return dict(zip(("image", "hha"), noise))

    def batch(self, indices, only=None):
        items = [self.read(index) for index in indices]
        return {key: np.stack([item[key] for item in items]) for key in only}


def test_picture_and_depth_are_cut_and_turned_alike():
    source = Pairs()
    stream = Stream(source, split_brain.example(33, 0), 4)
    batch = next(iter(training_batches(stream, uses=("hha",))))
    assert batch["image"].shape == batch["hha"].shape == (4, 33, 33, 3)
    pairs = [source.read(i) for i in range(4)]
    for image, hha in zip(batch["image"].numpy(), batch["hha"].numpy()):
        places = [
            (pair, i, j, turn)
            for pair in pairs
            for i in range(16)
            for j in range(16)
            for turn in (1, -1)
            if _near(pair["image"][i : i + 33, j : j + 33][:, ::turn], image)
        ]
        assert len(places) == 1
        ((pair, i, j, turn),) = places
        assert _near(pair["hha"][i : i + 33, j : j + 33][:, ::turn], hha)


def _near(pixels, image):
    return np.abs(pixels / 255 - image).max() < 1e-3

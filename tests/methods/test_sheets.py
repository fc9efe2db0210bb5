"""What methods of colour say: their numbers by other libraries, and at their places."""

import numpy as np
import pytest
import scipy.spatial
import skimage.color
import skimage.metrics
import tensorflow as tf

from sslzoo import backbones, color
from sslzoo.backbones import cut
from sslzoo.errors import BadInput
from sslzoo.methods import (
    barlow_twins,
    byol,
    colorization,
    info_nce,
    moco,
    sheets,
    simclr,
    simsiam,
    split_brain,
    vicreg,
)
from sslzoo.methods.base import Method
from sslzoo.methods.colour_targets import Bins, Histograms, Regression

SIDE = 33
SMALL = dict(geometry="small", width=1 / 16)


def smooth(n=2, size=(SIDE, SIDE)):
    small = np.random.default_rng(0).random((n, 3, 3, 3))
    return tf.image.resize(small, size).numpy()


def test_figures_are_those_of_scikit_image():
    truth, found = smooth(4)[:2], smooth(4)[2:]
    figures = sheets.of_colours(found, truth)
    gray = np.repeat(truth.mean(-1, keepdims=True), 3, -1)
    for name, other in {"PSNR": found, "PSNR of gray": gray}.items():
        wanted = [
            skimage.metrics.peak_signal_noise_ratio(t, f, data_range=1)
            for t, f in zip(truth, other)
        ]
        np.testing.assert_allclose(figures[name], wanted, rtol=1e-5)
    lab, said = (skimage.color.rgb2lab(np.float64(x)) for x in (truth, found))
    apart = np.linalg.norm((lab - said)[..., 1:], axis=-1).mean((1, 2))
    np.testing.assert_allclose(figures["ab error"], apart, rtol=1e-3)
    away = np.linalg.norm(lab[..., 1:], axis=-1).mean((1, 2))
    np.testing.assert_allclose(figures["ab error of gray"], away, rtol=1e-3)
    assert sheets.psnr(truth, truth) == pytest.approx(2 * [58.92], abs=0.01)


def test_a_distribution_is_sure_where_it_is_of_one_bin():
    even, one = np.full((2, 32), 1 / 32), np.eye(32)[:2]
    half = np.repeat([[0.5, 0.0]], 2, axis=-1)
    assert sheets.entropy(even).tolist() == [5, 5]
    assert sheets.sure(even) == pytest.approx(0) and sheets.sure(one).tolist() == [1, 1]
    np.testing.assert_allclose(sheets.entropy(half), 1)
    np.testing.assert_allclose(sheets.sure(half), 0.5)


def test_between_places_a_map_is_linear_and_beyond_them_level():
    y, x = np.mgrid[:20, :30]
    plane = (2 * y + 3 * x + 1)[None, ..., None]
    places = [np.array([2, 9, 17]), np.array([0, 10, 29])]
    known = plane[:, places[0]][:, :, places[1]]
    found = sheets.between(known, places, (20, 30))
    assert found.shape == (1, 20, 30, 1)
    np.testing.assert_allclose(found[:, 2:18], plane[:, 2:18], rtol=1e-6)
    np.testing.assert_array_equal(found[0, :2], np.repeat(found[0, 2:3], 2, 0))


def colorizer(target):
    net = backbones.build("alexnet", form="single", pixels="gray", **SMALL)
    strides = {"data": 1, "conv1": 2}
    example = colorization.example(32, (32, 32))
    return colorization.Colorization(net, example, strides, target, hidden=0)


def say(method, outputs):
    """The method's outputs become `outputs(places)`, places `[n, points, 2]`."""

    def answers(images, places, training=False):
        places = np.repeat(places, len(images), axis=0)
        return tf.constant(outputs(places), tf.float32)

    method.answers = answers
    return method


def test_what_is_said_of_a_place_is_drawn_there():
    """a grows downwards and b to the right, on an image that is no square."""
    images = np.full((1, 40, 70, 3), 0.5, "float32")
    method = say(colorizer(Regression()), lambda places: places / 400)
    found = method.sheet({"image": images})
    lab = skimage.color.rgb2lab(np.float64(found.pictures["said"][0]))
    y, x = np.mgrid[:40, :70]
    far = np.abs(lab[..., 1:] - np.stack([y, x], -1) / 4)
    assert far[1:-1, 1:-1].max() < 0.1  # 70 pixels have 35 places: level outside.
    assert set(found.pictures) == {"gray", "said", "truth"} and not found.bars


def test_one_that_says_gray_is_as_good_as_gray():
    method = colorizer(Regression())
    for weight in method.head.weights:
        weight.assign(tf.zeros_like(weight))
    images = smooth()
    found = method.sheet({"image": images})
    for name in ("PSNR", "ab error"):
        np.testing.assert_allclose(
            found.figures[name], found.figures[f"{name} of gray"], rtol=1e-3
        )
    np.testing.assert_array_equal(found.pictures["truth"], images)
    gray = images.mean(-1, keepdims=True)
    np.testing.assert_allclose(found.pictures["gray"], gray + 0 * images, atol=1e-6)


def test_right_bins_come_near_the_truth():
    images = np.full((1, 32, 32, 3), (0.6, 0.4, 0.3), "float32")
    (ab,) = color.rgb_to_lab(images)[:, 0, 0, 1:]
    logits = 50 * np.eye(313)[int(color.ab_bin(ab))]
    method = say(colorizer(Bins()), lambda p: np.tile(logits, (*p.shape[:2], 1)))
    found = method.sheet({"image": images})
    assert found.figures["ab error"] < 10 / np.sqrt(2)  # Half the grid's diagonal.
    assert found.figures["ab error"] < found.figures["ab error of gray"] / 2
    assert found.figures["bits of ab"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.pictures["sure"], 1, atol=1e-6)


def test_marginals_of_histograms_stand_beside_those_of_the_image():
    """Left half green, right half gray: gray has a hue too, red, and no say."""
    images = np.full((1, 32, 32, 3), 0.5, "float32")
    images[:, :, :16] = (0.0, 0.8, 0.0)
    method = say(colorizer(Histograms()), lambda p: np.zeros((*p.shape[:2], 64)))
    found = method.sheet({"image": images})
    assert found.figures["bits of hue"] == pytest.approx(5)
    np.testing.assert_allclose(found.pictures["sure"], 0, atol=1e-6)
    np.testing.assert_allclose(found.bars["hue"].said, 1 / 32, rtol=1e-5)
    green = int(color.histogram_bin(1 / 3))
    assert found.bars["hue"].found[0].argmax() == green
    # Only at the border do windows see gray beside green.
    assert found.bars["hue"].found[0, green] > 0.9
    red, bright, blue = found.bars["hue"].colours[green]
    assert bright > red and bright > blue
    chroma = found.bars["chroma"].found[0]
    assert chroma[0] == pytest.approx(0.5) and chroma[25] == pytest.approx(0.5)
    assert 0 < found.figures["bits of hue in the image"] < 0.2


def splitter(row, **settings):
    sees, apart = split_brain.sees(row, depth=True), row in ("split", "ensemble")
    net = backbones.build(
        "alexnet",
        form="split" if apart else "single",
        pixels="centred" if sees in ("rgb", "hha") else sees,
        **SMALL,
    )
    if row == "HHA_Lab":
        net = cut.cut_behind(net, "pool5")
    settings |= dict(top="pool5" if row == "HHA_Lab" else "fc7", hidden=8, stride=8)
    example = split_brain.example(SIDE, SIDE)
    return split_brain.SplitBrain(net, example, row=row, **settings)


WAYS = {
    "split": ["L -> ab, cl", "ab -> L, cl"],
    "ensemble": ["L -> ab, cl", "L -> ab, reg"],
    "L_ab": ["L -> ab, cl"],
    "ab_L": ["ab -> L, cl"],
    "Lab_Lab": ["Lab -> Lab, reg"],
    "drop50": ["Lab -> Lab, reg"],
    "equation4": ["L -> ab, reg", "ab -> L, reg"],
    "equation5": ["L -> ab, reg", "ab -> L, reg", "Lab -> Lab, reg"],
    "RGB_HHA": ["RGB -> HHA, reg"],
    "HHA_Lab": ["HHA -> L, reg", "HHA -> ab, cl", "HHA -> Lab"],
}


@pytest.mark.parametrize("row", WAYS)
def test_each_row_shows_its_ways(row):
    """What it is given, what it says, and the truth; all of them finite."""
    found = splitter(row).sheet({"image": smooth(), "hha": smooth()[::-1]})
    ways = [name for name in found.pictures if "->" in name]
    assert ways == WAYS[row]
    assert {way.partition(" ")[0] for way in ways} <= set(found.pictures)
    assert {"truth"} <= set(found.pictures)
    for picture in found.pictures.values():
        assert picture.shape[:3] == (2, SIDE, SIDE) and np.isfinite(picture).all()
        assert picture.ndim == 3 or (picture.min() >= 0 and picture.max() <= 1)
    for figure in found.figures.values():
        assert figure.shape == (2,) and np.isfinite(figure).all()


def test_both_directions_are_drawn_where_their_cells_lie():
    """Right at the cells, whose a, b and L are those that the halves said."""
    images = np.full((1, SIDE, SIDE, 3), (0.5, 0.45, 0.4), "float32")
    method = splitter("split", ab="reg", light="reg", unit=10.0)
    said = {
        "ab": np.random.default_rng(0).uniform(-1, 1, (1, 5, 5, 2)),
        "L": np.random.default_rng(1).uniform(-1, 1, (1, 5, 5, 1)),
    }
    answers = method.answers

    def instead(batch):
        return [(answer, said[answer.target]) for answer, _ in answers(batch)]

    method.answers = instead
    found = method.sheet({"image": images})
    truth = skimage.color.rgb2lab(np.float64(images))

    def at_cells(name):
        return skimage.color.rgb2lab(np.float64(found.pictures[name]))[:, ::8, ::8]

    ab = at_cells("L -> ab, reg")
    np.testing.assert_allclose(ab[..., 1:], 10 * said["ab"], atol=0.05)
    np.testing.assert_allclose(ab[..., :1], truth[:, ::8, ::8, :1], atol=0.05)
    light = at_cells("ab -> L, reg")
    np.testing.assert_allclose(light[..., :1], 50 + 10 * said["L"], atol=0.05)
    np.testing.assert_allclose(light[..., 1:], truth[:, ::8, ::8, 1:], atol=0.05)
    middle = skimage.color.rgb2lab(np.float64(found.pictures["ab"]))
    np.testing.assert_allclose(middle[..., 0], 50, atol=0.05)
    error = np.abs(truth[0, 0, 0, 0] - 50)
    assert found.figures["ab -> L, reg: L error of 50"] == pytest.approx(
        error, rel=1e-3
    )


def test_of_what_depth_says_nothing_is_of_the_truth():
    """Who sees HHA shows the same of other pictures, and all that it said as one."""
    method, images = splitter("HHA_Lab"), smooth()
    batch = {"hha": images[::-1]}
    found, other = (method.sheet({**batch, "image": x}) for x in (images, 1 - images))
    said = ["HHA -> L, reg", "HHA -> ab, cl", "HHA -> Lab"]
    for name in said:
        np.testing.assert_array_equal(found.pictures[name], other.pictures[name])
    light, colours, both = (
        skimage.color.rgb2lab(np.float64(found.pictures[name])) for name in said
    )
    np.testing.assert_allclose(light[..., 1:], 0, atol=0.05)
    np.testing.assert_allclose(colours[..., 0], 50, atol=0.05)
    np.testing.assert_allclose(both[..., :1], light[..., :1], atol=0.1)
    np.testing.assert_allclose(both[..., 1:], colours[..., 1:], atol=0.1)
    error = np.mean((found.pictures["HHA -> Lab"] - images) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(
        found.figures["HHA -> Lab: PSNR"], -10 * np.log10(error), rtol=1e-4
    )


def test_the_classes_of_a_half_become_its_colours():
    """All of one bin: the colour is that bin's, and no bit is open."""
    images = np.full((1, SIDE, SIDE, 3), (0.6, 0.4, 0.3), "float32")
    method = splitter("L_ab")
    bins = np.zeros((1, 5, 5, 313), "float32")
    bins[..., 200] = 60
    (answer, _), *_ = method.answers({"image": images})
    method.answers = lambda batch: [(answer, tf.constant(bins))]
    found = method.sheet({"image": images})
    truth = skimage.color.rgb2lab(np.float64(images))[0, 0, 0, 1:]
    far = np.linalg.norm(truth - color.AB_BINS[200])
    assert found.figures["L -> ab, cl: ab error"] == pytest.approx(far, rel=1e-3)
    assert found.figures["L -> ab, cl: bits"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.pictures["sure of ab"], 1, atol=1e-6)


def test_depth_is_judged_only_where_it_is_known():
    method = splitter("RGB_HHA")
    answer, said = method.answers({"image": smooth(1)})[0]
    method.answers = lambda batch: [(answer, 0 * said)]  # The mean of HHA.
    hha = np.full((1, SIDE, SIDE, 3), 0.2, "float32")
    hha[:, :10] = 0
    found = method.sheet({"image": smooth(1), "hha": hha})
    wanted = np.abs(np.array(split_brain.HHA_MEAN) - 51).mean()
    assert found.figures["HHA error"] == pytest.approx(wanted, rel=1e-5)
    assert found.figures["HHA error of their mean"] == pytest.approx(0, abs=1e-4)


class Plain(Method):
    def __init__(self, backbone, example):
        super().__init__(backbone, example, name="plain")


def test_a_method_without_pictures_of_its_own_shows_its_views():
    method = Plain(backbones.build("tiny"), byol.example(16))
    images = smooth(2)
    found = method.sheet({"image": images})
    assert list(found.pictures) == ["image", "view1 shown", "view2 shown"]
    assert found.pictures["view1 shown"].shape == (2, 16, 16, 3)
    again = method.sheet({"image": images}).pictures["view2 shown"]
    np.testing.assert_array_equal(found.pictures["view2 shown"], again)
    np.testing.assert_array_equal(found.pictures["image"], images)


def test_parts_of_an_example_stand_side_by_side():
    method = Plain(
        backbones.build("tiny"),
        lambda item, seed: {"turned": tf.stack([item["image"]] * 2), "k": seed},
    )
    found = method.sheet({"image": smooth(1)})
    assert list(found.pictures) == ["image", "turned 1", "turned 2"]


@pytest.mark.parametrize("example", [None, lambda item, seed: {"k": seed}])
def test_a_method_with_nothing_to_show_says_so(example):
    method = Plain(backbones.build("tiny"), example)
    with pytest.raises(BadInput, match=r"Plain has nothing to show.*--filters"):
        method.sheet({"image": smooth(1)})


TWO_VIEWS = {
    "byol": lambda net, example: byol.BYOL(net, 1, example, hidden=16, outputs=8),
    "info_nce": lambda net, example: info_nce.InfoNCE(
        net, 1, example, "none", "stop", 1.0, hidden=16, outputs=8
    ),
    "simclr": lambda net, example: simclr.SimCLR(net, example, outputs=8),
    "moco": lambda net, example: moco.MoCo(net, example, 8, outputs=8),
    "simsiam": lambda net, example: simsiam.SimSiam(net, example, 8, 4),
    "barlow_twins": lambda net, example: barlow_twins.BarlowTwins(
        net, example, outputs=8
    ),
    "vicreg": lambda net, example: vicreg.VICReg(net, example, outputs=8),
}


@pytest.mark.parametrize(
    "name",
    [
        name if name == "byol" else pytest.param(name, marks=pytest.mark.slow)
        for name in TWO_VIEWS
    ],
)
def test_each_method_of_two_views_shows_them_and_what_it_takes_for_them(name):
    """The views that it is shown, and of the others the nearest by `look`."""
    method = TWO_VIEWS[name](backbones.build("tiny"), byol.example(16))
    images = smooth(5)
    found = method.sheet({"image": images})
    assert [*found.pictures] == [
        "view 1",
        "view 2",
        "negative most alike",
        "negative 2",
    ]
    seeds = np.stack([np.zeros(5), np.arange(5)], axis=-1).astype("int64")
    views = method.example({"image": tf.constant(images)}, seeds)
    for i in (1, 2):
        shown = found.pictures[f"view {i}"]
        np.testing.assert_allclose(shown, views[f"view{i}"], atol=1e-6)
    looks = {k: np.float64(v) for k, v in method.look(views).items()}
    cosine = 1 - scipy.spatial.distance.cdist(looks["z1"], looks["z2"], "cosine")
    np.testing.assert_allclose(found.figures["cosine"], cosine.diagonal(), rtol=1e-4)
    np.fill_diagonal(cosine, -9)
    nearest = cosine.argmax(axis=1)
    alike = found.figures["cosine of negative most alike"]
    np.testing.assert_allclose(alike, cosine.max(axis=1), rtol=1e-4)
    np.testing.assert_array_equal(
        found.pictures["negative most alike"], found.pictures["view 2"][nearest]
    )
    assert set(found.figures["found by chance"]) == {1 / 5}


def said(z1, z2):
    """What a method shows that projects five images there."""
    method = TWO_VIEWS["simclr"](backbones.build("tiny"), byol.example(16))
    method.look = lambda views: {"z1": tf.constant(z1), "z2": tf.constant(z2)}
    return method.sheet({"image": smooth(len(z1))})


def test_an_image_is_found_where_no_other_is_more_alike():
    z1 = np.eye(4)
    found = said(z1, 3 * z1[[0, 1, 3, 2]])
    assert found.figures["found"].tolist() == [1, 1, 0, 0]
    assert found.figures["cosine"].tolist() == [1, 1, 0, 0]
    alike = found.pictures["negative most alike"]
    np.testing.assert_array_equal(alike[2], found.pictures["view 2"][3])
    np.testing.assert_array_equal(alike[3], found.pictures["view 2"][2])
    alone = said(np.ones((1, 3)), np.ones((1, 3)))  # None to take it for.
    assert alone.figures["found"] == 1 and [*alone.pictures] == ["view 1", "view 2"]


def test_where_all_is_one_nothing_is_found():
    """As `nt_xent` counts; whatever the views are."""
    method = Plain(backbones.build("tiny"), None)
    z = {"z1": tf.fill((5, 3), 0.1), "z2": tf.fill((5, 3), 0.7)}
    method.look = lambda views: z
    same = dict.fromkeys(sheets.VIEWS, np.zeros((8, 8, 3), "float32"))
    method.examples = lambda batch: [same] * 5
    assert not sheets.of_views(method, {}).figures["found"].any()

"""Pages of what a model says, its filters, what excites it; and their command."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image

from sslzoo import backbones, recipe
from sslzoo.backbones import layers
from sslzoo.data import sources
from sslzoo.errors import BadInput, UnknownName
from sslzoo.methods import split_brain
from sslzoo.methods.base import Method
from sslzoo.methods.sheets import Bars, Sheet
from sslzoo.show import pictures, sheet


class Example:
    size = 32


class Brightness(Method):
    """It says how bright an image is."""

    def __init__(self, backbone, example):
        super().__init__(backbone, example, name="brightness")

    def sheet(self, batch):
        images = batch["image"]
        heights = np.full((len(images), 4), 0.25)
        return Sheet(
            {"image": images, "map": images[..., 0]},
            {"bars": Bars(heights, heights, np.zeros((4, 3)))},
            {"light": images.mean((1, 2, 3)), "light of black": np.zeros(len(images))},
        )


@pytest.fixture
def method():
    return Brightness(backbones.build("tiny"), Example())


def shades(count, side=40):
    """Image i is i / count bright all over."""
    shade = np.arange(count, dtype="float32") / count
    return sources.Arrays(np.tile(shade[:, None, None, None], (1, side, side, 3)))


def test_answers_are_of_images_evenly_spread_with_their_figures(method):
    page = pictures.answers(method, shades(9), count=3)
    assert page.titles == [f"light {x:.2f} (of black 0.00)" for x in (0, 4 / 9, 8 / 9)]
    assert page.figures == pytest.approx({"light": 4 / 9, "light of black": 0})
    captions = [caption for _, caption in page.rows[0]]
    assert captions == ["image", "map: 0.00 to 0.89", "bars; ticks: truth"]
    assert len(page.rows) == 3
    for row, light in zip(page.rows, (0, 4 / 9, 8 / 9)):
        assert {picture.shape for picture, _ in row} == {(128, 128, 3)}
        assert np.abs(row[0][0] - np.round(255 * light)).max() <= 1
    dark, bright = page.rows[0][1][0], page.rows[2][1][0]  # One scale for all images.
    assert dark.mean() < 10 and bright.mean() > 200


def test_an_image_of_any_shape_is_shown_by_its_middle(method):
    image = np.zeros((60, 200, 3), "uint8")
    image[:, 70:130] = 255
    page = pictures.answers(method, sources.Arrays([image]))
    assert page.rows[0][0][0].min() == 255


def test_the_page_is_written_and_holds_its_titles(method, tmp_path):
    page = pictures.Page([[np.zeros((8, 8, 3))]], ["long words\n" + "x" * 60], {})
    path = page.write(tmp_path / "deep" / "page.png")
    wide, tall = Image.open(path).size
    assert wide > 300 and tall > 8 + 2 * sheet.LINE


def test_bars_are_as_high_as_their_parts():
    said, found = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.0, 0.0, 0.0, 1.0])
    drawn = pictures.as_bars(said, found, np.full((4, 3), 0.5))
    heights = [(drawn[:, 32 * k + 5, 0] == 128).sum() for k in range(4)]
    assert heights == pytest.approx([60, 30, 30, 0], abs=2)
    tick = [np.flatnonzero(drawn[:, 32 * k + 5, 0] == 0).min() for k in range(4)]
    assert tick == [126, 126, 126, 8]


def test_figures_of_one_way_are_one_line():
    figures = {"a -> b: x": 1, "a -> b: x of gray": 2, "b -> a: x": 3, "b -> a: y": 4}
    words = "a -> b: x 1.00 (of gray 2.00)\nb -> a: x 3.00; y 4.00"
    assert pictures.in_words(figures) == words


def test_filters_are_those_of_the_first_convolution_alone():
    net = backbones.build("tiny")
    kernel = np.random.default_rng(0).normal(size=net.get_layer("conv1").kernel.shape)
    net.get_layer("conv1").kernel.assign(kernel)
    page = pictures.kernels(net)
    assert len(page.titles) == len(page.rows) == 1 and "conv1" in page.titles[0]
    assert len(page.rows[0]) == page.figures["kernels"] == kernel.shape[-1]
    scale = len(page.rows[0][0]) // 3
    for k, picture in enumerate(page.rows[0]):
        wanted = 0.5 + 0.5 * kernel[..., k] / np.abs(kernel[..., k]).max()
        np.testing.assert_allclose(picture[::scale, ::scale], wanted, atol=1e-6)


def test_filters_of_caffe_are_in_the_colours_that_excite_them():
    """Behind its order of channels, BGR; and those of depth are not of RGB."""
    net = backbones.build("resnet18", width=1 / 16, stem="small", pixels="caffe")
    kernel = np.zeros(net.get_layer("root_conv").kernel.shape)
    kernel[:, :, 2] = 1  # Of what comes last, which is red.
    net.get_layer("root_conv").kernel.assign(kernel)
    page = pictures.kernels(net)
    assert page.titles[0].endswith("of BGR")
    np.testing.assert_allclose(page.rows[0][0][0, 0], [1, 0.5, 0.5])
    page = pictures.kernels(backbones.build("tiny"), sees="hha")
    assert page.titles[0].endswith("of HHA")


def test_filters_of_both_halves_are_in_what_each_sees():
    net = backbones.build("alexnet", form="split", geometry="small", width=1 / 16)
    page = pictures.kernels(net)
    assert [title.rpartition("of ")[2] for title in page.titles] == ["L", "ab"]
    light, colours = page.rows[0][0], page.rows[1][0]
    assert np.ptp(light, axis=-1).max() < 1e-6  # gray
    assert np.ptp(colours, axis=-1).max() > 0.1


def test_filters_of_halves_that_are_networks_are_found():
    net = backbones.build("split", half="resnet18", width=1 / 16, stem="small")
    page = pictures.kernels(net)
    assert [title.partition(":")[0] for title in page.titles] == [
        "light/root_conv",
        "colour/root_conv",
    ]
    assert [title.rpartition("of ")[2] for title in page.titles] == ["L", "ab"]
    assert np.ptp(page.rows[0][0], axis=-1).max() < 1e-6


def test_many_filters_take_many_rows_under_one_title():
    net = backbones.build("tiny", width=20)
    page = pictures.kernels(net)
    assert [len(row) for row in page.rows] == [12, 8]
    assert page.titles[0] and not page.titles[1]


def test_a_network_without_convolutions_has_no_filters():
    images = keras.Input((8, 8, 3))
    net = keras.Model(images, {"pooled": keras.layers.Flatten()(images)}, name="flat")
    with pytest.raises(BadInput, match="flat has no convolution"):
        pictures.kernels(net)


@pytest.mark.parametrize("part", ["L", "ab", "Lab", "gray", "RGB"])
def test_no_weight_is_middle_gray(part):
    kernel = np.zeros((3, 3, len(part) if part in layers.PARTS else 3))
    drawn = pictures.as_filter(kernel, part)
    np.testing.assert_allclose(drawn, 0.5, atol=0.04)  # L = 50 is 0.466.


def reddest():
    images = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(1, 3, padding="same", use_bias=False)
    x = conv(images)
    kernel = np.zeros((3, 3, 3, 1))
    kernel[1, 1, 0] = 1
    conv.kernel.assign(kernel)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, {"red": x, "pooled": pooled})


def test_windows_that_excite_a_channel_come_first_and_lie_inside():
    """The window around the red corner of image 2 would reach beyond it."""
    images = np.zeros((4, 16, 16, 3), "float32")
    images[2, 0, 0] = (0.9, 0, 0)
    images[1, 8, 8] = (0.5, 0, 0)
    page = pictures.excited(reddest(), sources.Arrays(images), "red", 16, count=2)
    assert page.titles == ["red, channel 0"]
    assert [caption for _, caption in page.rows[0]] == ["0.9", "0.5"]
    assert page.figures["largest, mean of channels"] == pytest.approx(0.9)
    corner, middle = (
        np.asarray(picture)[21::43, 21::43] for picture, _ in page.rows[0]
    )
    red = np.zeros((2, 3, 3), int)
    red[0, 0, 0], red[1, 1, 1] = 230, 128
    np.testing.assert_array_equal([corner[..., 0], middle[..., 0]], red)


def test_a_window_larger_than_the_image_is_the_image():
    image = np.random.default_rng(0).random((4, 6, 3))
    np.testing.assert_array_equal(pictures.cut(image, (-3, 2, 9, 9)), image)
    beyond = pictures.cut(image, (2, 4, 3, 3))
    np.testing.assert_array_equal(beyond, image[1:4, 3:6])


def test_an_unknown_layer_is_named():
    with pytest.raises(UnknownName, match="Did you mean 'red'"):
        pictures.excited(reddest(), shades(2), "rad", 16)


def test_a_method_that_needs_depth_says_so():
    net = backbones.build("alexnet", form="single", pixels="centred", geometry="small",
                          width=1 / 16)  # fmt: skip
    example = split_brain.example(33, 33)
    method = split_brain.SplitBrain(net, example, row="RGB_HHA", stride=8)
    with pytest.raises(BadInput, match=r"needs hha beside each image.*rgbd"):
        pictures.answers(method, shades(2))
    depth = sources.from_spec("rgbd:toyworld:test?count=2&size=64")
    page = pictures.answers(method, depth)
    assert "HHA error" in page.figures and len(page.rows) == 2
    captions = [caption for _, caption in page.rows[0]]
    assert captions == ["RGB", "RGB -> HHA, reg", "truth"]


def test_between_a_hole_of_depth_and_what_is_known_nothing_is_made_up():
    hha = np.full((40, 60, 3), 200, "uint8")
    hha[::7, ::5] = 0
    for side in (24, 33, 40, 90):
        drawn = pictures._square(hha, side, "hha")
        assert drawn.shape == (side, side, 3)
        assert {*np.unique(np.rint(255 * drawn))} == {0, 200}
    ramp = np.tile(np.arange(40, dtype="uint8")[:, None, None], (1, 60, 3))
    found = np.rint(255 * pictures._square(ramp, 20, "hha"))[:, 0, 0]
    np.testing.assert_array_equal(found, 2 * np.arange(20) + 1)
    unknown = pictures._square(hha, 24)
    assert len(np.unique(np.rint(255 * unknown))) > 2


def test_what_excites_a_network_of_depth_is_depth():
    """Its largest answer is of the reddest HHA; its picture is what is drawn."""
    depth = sources.from_spec("rgbd:toyworld:test?count=5&size=64")
    page = pictures.excited(reddest(), depth, "red", 64, count=5, sees="hha")
    largest = [depth.read(i)["hha"][..., 0].max() / 255 for i in range(5)]
    said = [float(caption) for _, caption in page.rows[0]]
    np.testing.assert_allclose(said, np.sort(largest)[::-1], atol=2e-3)
    pictured = pictures.excited(reddest(), depth, "red", 64, count=5)
    assert page.figures != pictured.figures
    with pytest.raises(BadInput, match="needs hha beside each image"):
        pictures.excited(reddest(), shades(2), "red", 40, sees="hha")


def test_a_channel_that_says_nothing_is_told():
    page = pictures.excited(reddest(), shades(1), "red", 40)
    assert page.titles == ["red, channel 0, 0 everywhere"]


def test_a_method_that_does_not_say_how_large_its_images_are(method):
    method.example = None
    with pytest.raises(BadInput, match="does not say how large"):
        pictures.answers(method, shades(2))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A colorizer, trained for two steps, and pictures that it has not seen."""
    from sslzoo import cli

    folder = tmp_path_factory.mktemp("show")
    name = "colorization_alexnet_cifar10"
    small = recipe.module(recipe.find(name)).SMALL
    knobs = [f"{knob}={value}" for knob, value in small.items()]
    for words in (
        ["train", name, *knobs, "--workdir", str(folder / "run"), "--json"],
        ["sheet", "--folder", str(folder / "photos"), "--count", "4"],
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        assert left.value.code == 0
    return folder


def test_a_run_is_shown_and_so_is_the_model_made_of_it(run, command):
    words = ["show", run / "run", run / "photos", "--count", 2, "--json"]
    code, out, err = command(*words, "--out", run / "a.png")
    assert code == 0, err
    told = json.loads(out)
    assert {"PSNR", "PSNR of gray", "ab error", "bits of hue"} <= set(told["figures"])
    assert np.isfinite([*told["figures"].values()]).all()
    wide, tall = Image.open(told["out"]).size
    assert wide > 6 * 128 and tall > 2 * 128
    export = ["export", run / "run", "--name", "colorization_alexnet.tiny"]
    assert command(*export, "--registry", run / "models")[0] == 0
    words = ["show", "colorization_alexnet.tiny", run / "photos", "--count", 2]
    words += ["--registry", run / "models", "--out", run / "b.png"]
    code, out, err = command(*words, "--json")
    assert code == 0, err
    assert json.loads(out)["figures"] == pytest.approx(told["figures"], rel=1e-3)


def test_the_page_of_a_run_has_what_it_says(run, command):
    code, _, err = command("report", run / "run", "--out", run / "page.html")
    assert code == 0, err
    page = (run / "page.html").read_text(encoding="utf-8")
    assert "PSNR" in page and "bits of hue" in page
    assert "could not be drawn" not in page


def test_filters_and_what_excites_a_layer_are_drawn(run, command):
    out = ["--out", run / "c.png"]
    code, said, err = command("show", run / "run", *out, "--filters")
    assert code == 0 and "kernels: 6.000" in said, err
    words = ["show", run / "run", run / "photos", *out, "--top", "conv2"]
    code, out, err = command(*words, "--count", 3)
    assert code == 0 and str(run / "c.png") in out, err
    assert Image.open(run / "c.png").size[0] == 6 + 3 * (128 + 6)


def test_what_cannot_be_shown_is_told(run, command, tmp_path):
    def error(*words):
        code, _, err = command("show", *words, "--out", tmp_path / "x.png")
        assert code == 1 and not (tmp_path / "x.png").exists()
        return " ".join(err.split())

    (tmp_path / "empty").mkdir()
    photos = run / "photos"
    assert "Which images? sslzoo show" in error(run / "run")
    assert "No image below" in error(run / "run", tmp_path / "empty")
    assert "Give 1 or more" in error(run / "run", photos, "--count", 0)
    assert "no features 'conv9'" in error(run / "run", photos, "--top", "conv9")
    bare, models = "colorization_alexnet.bare", ["--registry", run / "models"]
    words = ["export", run / "run", "--no-heads", "--name", bare, *models]
    assert command(*words)[0] == 0
    words = error(bare, photos, *models)
    assert "without heads" in words and "--filters" in words
    words = ["show", bare, *models, "--filters", "--out", tmp_path / "bare.png"]
    assert command(*words)[0] == 0


def test_a_picture_may_have_words_of_its_own_for_each_image(method):
    plain = method.sheet

    def captioned(batch):
        words = {"image": [f"{x:.1f} bright" for x in batch["image"].mean((1, 2, 3))]}
        return dataclasses.replace(plain(batch), words=words)

    method.sheet = captioned
    rows = pictures.answers(method, shades(2), count=2).rows
    assert [row[0][1] for row in rows] == ["0.0 bright", "0.5 bright"]
    assert rows[0][1][1].startswith("map: ")

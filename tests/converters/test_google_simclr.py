"""Against networks of Haiku and of plain ops of TF1, in files named as the authors'."""

import functools
import importlib.util
import pathlib
import re
import shutil

import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.converters import google_simclr
from sslzoo.errors import BadInput
from tests.converters import haiku_nets

spec = importlib.util.spec_from_file_location(
    "graph", pathlib.Path(__file__).with_name("graph.py")
)
graph = importlib.util.module_from_spec(spec)
spec.loader.exec_module(graph)
tf1 = graph.tf1
STEM = 4  # Channels, 64 in the original.


def name(kind, number):
    return f"base_model/{kind}" + (f"_{number}" if number else "")


def resnet(make, x, counts, selective=False):
    """SimCLR's ResNet: in a unit that projects the shortcut is made first."""
    seen = {}
    if selective:
        for width in (STEM // 2, STEM // 2, STEM):
            x = make.norm(make.conv(x, width, 3, 2 if x.shape[-1] == 3 else 1))
    else:
        x = make.norm(make.conv(x, STEM, 7, 2))
    x = tf1.nn.max_pool2d(x, 3, 2, "SAME")
    seen["after_root"] = x
    for group, count in enumerate(counts, start=1):
        width, stride = STEM * 2 ** (group - 1), 1 if group == 1 else 2
        for unit in range(count):
            shortcut, at = x, stride if unit == 0 else 1
            if unit == 0:
                shortcut = make.norm(make.conv(x, 4 * width, 1, at), relu=False)
            y = make.norm(make.conv(x, width, 1))
            y = make.norm(make.conv(y, width, 3, at))
            y = make.norm(make.conv(y, 4 * width, 1), relu=False)
            x = tf1.nn.relu(y + shortcut)
        seen[f"block{group}"] = x
    seen["pooled"] = tf1.reduce_mean(x, [1, 2])
    return seen


def others(make):
    """What else is in the files: sheet, section 3."""
    one = np.ones((2, 2))
    for kernel in ("base_model/conv2d/kernel", "base_model/conv2d_7/kernel"):
        make.variable(f"{kernel}/Momentum", one)
    for beside in (
        "head_contrastive/nl_0/dense/kernel",
        "head_contrastive/nl_0/batch_normalization/gamma",
        "head_supervised/linear_layer/dense/bias",
        "ema_model/base_model/conv2d/kernel",
        "ema_model/conv2d/kernel",
    ):
        make.variable(beside, one)
    tf1.train.get_or_create_global_step()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(counts, ...) -> a checkpoint, and what the network said of the photographs."""

    def write(photos, counts=(3, 4, 6, 3), folder="model", **options):
        prefix = tmp_path_factory.mktemp("simclr") / folder
        with graph.session() as opened:
            images = tf1.placeholder("float32", [None, None, None, 3])
            make = graph.Graph(name, 1e-5)
            seen = resnet(make, images, counts, **options)
            others(make)
            answers = graph.run(opened, seen, images, photos)
            graph.save(opened, prefix)
        return prefix, answers

    return write


@pytest.fixture(scope="module")
def r50(written, photos):
    return written(photos, folder="model.ckpt-225206")


def network(depth=50, width=STEM / 64, **options):
    return backbones.build(f"resnet{depth}", width=width, style="simclr", **options)


@pytest.fixture
def of_haiku(tmp_path, random_like):
    """(depth) -> a checkpoint with the weights of Haiku's network, and that network."""

    def make(depth):
        net, outputs = haiku_nets.network(depth, STEM / 64)
        params, state = haiku_nets.drawn(net, outputs, random_like)
        root = f"res_net{depth}/~/initial"
        layers = [(f"{root}_conv", f"{root}_batchnorm")]
        for unit, (_, place) in haiku_nets.units(depth):
            parts = ["0", "1", "2"] if place else ["shortcut", "0", "1", "2"]
            for part in parts:
                ends = [f"conv_{part}", f"batchnorm_{part}"]
                if part == "shortcut":
                    ends = ["shortcut_conv", "shortcut_batchnorm"]
                layers.append(tuple(f"{unit}/{end}" for end in ends))
        with graph.session() as opened:
            make = graph.Graph(name, 1e-5)
            for number, (conv, norm) in enumerate(layers):
                make.variable(f"{name('conv2d', number)}/kernel", params[conv]["w"])
                for part, array in haiku_nets.norm(params, state, norm).items():
                    make.variable(
                        f"{name('batch_normalization', number)}/{part}", array
                    )
            others(make)
            opened.run(tf1.global_variables_initializer())
            graph.save(opened, tmp_path / "model.ckpt-7")
        answer = functools.partial(haiku_nets.features, net, params, state)
        return tmp_path / "model.ckpt-7", answer

    return make


@pytest.mark.parametrize(
    "card, depth",
    [
        ("simclr_r50", 50),
        pytest.param("simclrv2_r101.in1k_google", 101, marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_gives_the_features_of_haiku(card, depth, of_haiku, same, models):
    """SimCLR pads on both sides, Haiku as "SAME": of odd sides that is the same."""
    prefix, theirs = of_haiku(depth)
    model = haiku_nets.loaded(card, prefix, models, width=STEM / 64)
    images = haiku_nets.odd()
    same(model(images), theirs(images))


def test_every_stage_is_that_of_the_network_in_plain_ops(r50, photos, same):
    prefix, theirs = r50
    ours = network()
    google_simclr.convert(prefix, ours)
    for stage, features in ours(photos).items():
        same(features, theirs[stage])


def test_a_module_of_the_hub_is_read_from_its_folder(r50, tmp_path):
    (tmp_path / "variables").mkdir()
    for file in r50[0].parent.iterdir():
        name = file.name.replace("model.ckpt-225206", "variables")
        shutil.copy(file, tmp_path / "variables" / name)
    report = google_simclr.convert(tmp_path, network())
    # Counted by hand: the stem, the shortcut, three convolutions; then the second unit.
    assert report["block1_0_shortcut_conv/kernel"] == "base_model/conv2d_1/kernel"
    assert report["block1_1_conv1/kernel"] == "base_model/conv2d_5/kernel"
    assert report.line() == (
        "265 arrays are in their places, found by name; left out: 2 of */Momentum, "
        "2 of ema_model/*, 1 of global_step, 2 of head_contrastive/*, 1 of "
        "head_supervised/*"
    )


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: network(101), "ResNet of 53 convolutions.*has 104"),
        (lambda: network(34), "ResNet of 53 convolutions.*has 37"),
        (lambda: network(width=0.125), r"stem of \(7, 7, 3, 4\).*\(7, 7, 3, 8\)"),
        (lambda: network(channels=1), r"\(7, 7, 3, 4\).*\(7, 7, 1, 4\)"),
        (lambda: network(shortcut="identity", residual=False), "53 conv.*has 49"),
        (lambda: backbones.build("tiny"), "is no ResNet"),
    ],
)
def test_another_network_is_refused(make, words, r50):
    with pytest.raises(BadInput) as error:
        google_simclr.convert(r50[0], make())
    assert re.search(words, str(error.value), re.S)


def test_selective_kernels_are_refused_in_words(written, photos):
    prefix, _ = written(photos[:1], counts=(1, 1, 1, 1), selective=True)
    with pytest.raises(BadInput, match="selective kernels .sk1.*Take.*sk0"):
        google_simclr.convert(prefix, network())


def test_another_checkpoint_is_refused(tmp_path):
    with graph.session() as opened:
        make = graph.Graph(lambda kind, number: f"model/{kind}", 1e-5)
        make.variable("model/conv2d/kernel", np.ones((7, 7, 3, 4)))
        opened.run(tf1.global_variables_initializer())
        graph.save(opened, tmp_path / "model")
    with pytest.raises(BadInput, match="no 'base_model/conv2d/kernel'"):
        google_simclr.convert(tmp_path / "model", network())


def test_a_number_in_place_of_a_kernel_is_refused(monkeypatch):
    arrays = {name: np.ones((7, 7, 3, 4)) for name in ("base_model/conv2d/kernel",)}
    arrays["base_model/conv2d_1/kernel"] = np.float32(1)
    reader = google_simclr.tensorflow_checkpoint
    monkeypatch.setattr(reader, "read", lambda path: arrays)
    with pytest.raises(BadInput, match="ResNet of 2 convolutions"):
        google_simclr.convert("model.ckpt-1", network())

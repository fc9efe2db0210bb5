"""Against ResNets v2 of Haiku and of plain ops of TF1, under names codes may give."""

import functools
import importlib.util
import pathlib

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.converters import vtab
from sslzoo.errors import BadInput
from tests.converters import haiku_nets
from tests.runs import slow

spec = importlib.util.spec_from_file_location(
    "graph", pathlib.Path(__file__).with_name("graph.py")
)
graph = importlib.util.module_from_spec(spec)
spec.loader.exec_module(graph)
tf1 = graph.tf1
STEM = 4  # Channels, 64 in the original.


class Named(graph.Graph):
    """Layers whose names are given as they are made."""

    def __init__(self, naming):
        super().__init__(None, 1e-3)
        self.naming, self.place = naming, None

    def scope(self, kind):
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        return self.naming(kind, number, *self.place)

    def at(self, *place):
        self.place = place
        return self


def by_number(kind, number, *place):
    """As TF1 names layers that have no names."""
    return f"resnet50/{kind}" + (f"_{number}" if number else "")


def by_scope(kind, number, unit, part):
    """As code names them that has a scope for each unit, "a" to "c", and "proj"."""
    if unit is None:
        return {"root": "module/root/conv2d", "last": "module/tail/bn"}[part]
    block, index = unit
    part = {"shortcut": "proj", 0: "a", 1: "b", 2: "c"}[part]
    kind = "conv2d" if kind == "conv2d" else "bn"
    return f"module/block{block}/unit{index + 1:02}/{part}/{kind}"


def by_words(kind, number, unit, part):
    """Names whose order is none: shapes cannot tell the two inner norms."""
    if unit is None or kind == "conv2d":
        return by_scope(kind, number, unit, part)
    words = {0: "ante", 1: "inner", 2: "outer"}[part]
    return f"module/block{unit[0]}/unit{unit[1] + 1:02}/{words}"


def resnet(make, x, shortcut_first):
    """Revisiting's v2: sheet, section 1.2. Pads before the pool are zeros."""
    x = make.at(None, "root").conv(x * 2 - 1, STEM, 7, 2)
    x = tf1.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    x = tf1.nn.max_pool2d(x, 3, 2, "VALID")
    seen = {"after_root": x}
    for block, count in enumerate((3, 4, 6, 3), start=1):
        width, stride = STEM * 2 ** (block - 1), 1 if block == 1 else 2
        for index in range(count):
            unit, at = (block, index), stride if index == 0 else 1
            h, shortcut = make.at(unit, 0).norm(x), x

            def project(h=h, unit=unit, at=at, width=width):
                return make.at(unit, "shortcut").conv(h, 4 * width, 1, at)

            if index == 0 and shortcut_first:
                shortcut = project()
            y = make.at(unit, 0).conv(h, width, 1)
            y = make.at(unit, 1).conv(make.at(unit, 1).norm(y), width, 3, at)
            y = make.at(unit, 2).conv(make.at(unit, 2).norm(y), 4 * width, 1)
            if index == 0 and not shortcut_first:
                shortcut = project()
            x = y + shortcut
        seen[f"block{block}"] = x
    seen["pooled"] = tf1.reduce_mean(make.at(None, "last").norm(x), [1, 2])
    return seen


@pytest.fixture(scope="module")
def written(tmp_path_factory, photos):
    """(naming, ...) -> the folder of a module, and what it said of the photographs."""

    @functools.cache
    def write(naming, shortcut_first=True, extra=()):
        folder = tmp_path_factory.mktemp("vtab")
        with graph.session() as opened:
            images = tf1.placeholder("float32", [None, None, None, 3])
            make = Named(naming)
            seen = resnet(make, images, shortcut_first)
            for name in extra:
                make.variable(name, np.ones(3))
            answers = graph.run(opened, seen, images, photos)
            graph.save(opened, folder / "variables" / "variables")
        return folder, answers

    return write


def network(name="resnet50v2", **options):
    return backbones.build(name, **{"width": STEM / 64, **options})


@pytest.fixture
def of_haiku(tmp_path, random_like):
    """The folder of a module with the weights of Haiku's v2, and that network."""
    net, outputs = haiku_nets.network(
        50, STEM / 64, resnet_v2=True, bn_config={"eps": 1e-3}
    )
    params, state = haiku_nets.drawn(net, outputs, random_like)
    root = "res_net50/~"
    # Haiku's pool pads with nothing, Revisiting's with zeros: the same of what is not
    # negative. The zeros are seen by test_the_root_is_that_of_keras_applications.
    params[f"{root}/initial_conv"]["w"] = abs(params[f"{root}/initial_conv"]["w"])
    with graph.session() as opened:
        make = Named(by_number)

        def kernel(module, *place):
            name = make.at(*place).scope("conv2d")
            make.variable(f"{name}/kernel", params[module]["w"])

        def norm(module, *place):
            name = make.at(*place).scope("batch_normalization")
            for part, array in haiku_nets.norm(params, state, module).items():
                make.variable(f"{name}/{part}", array)

        kernel(f"{root}/initial_conv", None, "root")
        for unit, (group, index) in haiku_nets.units(50):
            if index == 0:
                kernel(f"{unit}/shortcut_conv", (group + 1, index), "shortcut")
            for part in range(3):
                norm(f"{unit}/batchnorm_{part}", (group + 1, index), part)
                kernel(f"{unit}/conv_{part}", (group + 1, index), part)
        norm(f"{root}/final_batchnorm", None, "last")
        opened.run(tf1.global_variables_initializer())
        graph.save(opened, tmp_path / "module" / "variables" / "variables")
    answer = functools.partial(haiku_nets.features, net, params, state)
    return tmp_path / "module", answer


def test_a_module_gives_the_features_of_haiku(of_haiku, same, models):
    """Revisiting pads on both sides, Haiku as "SAME": of odd sides that is the same."""
    folder, theirs = of_haiku
    model = haiku_nets.loaded("rotation_r50v2", folder, models, width=STEM / 64)
    images = 0.5 + haiku_nets.odd() / 2  # Shown as 2 x - 1, they are not negative.
    same(model(images), theirs(2 * images - 1))


def test_the_root_is_that_of_keras_applications(photos, same):
    """Which pads with zeros before the pool, too."""
    theirs = keras.applications.ResNet50V2(weights=None, include_top=False)
    ours = backbones.build("resnet50v2", units=(1, 1, 1, 1))
    theirs.get_layer("conv1_conv").kernel.assign(ours.get_layer("root_conv").kernel)
    root = keras.Model(theirs.input, theirs.get_layer("pool1_pool").output)
    expected = root(keras.applications.resnet_v2.preprocess_input(255 * photos))
    same(ours(photos)["after_root"], expected)


@pytest.mark.parametrize(
    "naming, shortcut_first",
    [(by_scope, True), slow(by_number, True), slow(by_number, False)],
)
def test_every_stage_is_that_of_plain_ops_whatever_the_names(
    naming, shortcut_first, written, photos, same
):
    folder, theirs = written(naming, shortcut_first)
    ours = network()
    report = vtab.convert(folder, ours)
    for stage, features in ours(photos).items():
        same(features, theirs[stage])
    assert "found by order and shape; left out: none\n" in report.text()
    assert "\nroot_conv/kernel <- " in report.text()
    assert report.text().count(" <- ") == len(ours.weights)


def test_names_without_an_order_are_refused(written):
    folder, _ = written(by_words)
    with pytest.raises(BadInput, match="inner' and .*outer' have one shape"):
        vtab.convert(folder, network())


def test_leftovers_are_refused_by_name(written):
    folder, _ = written(by_number, extra=("head/bias",))
    with pytest.raises(
        BadInput, match=r"1 arrays without a place:\n *head/bias \(3,\)"
    ):
        vtab.convert(folder, network())


def test_another_network_is_refused(written):
    folder, _ = written(by_number)
    with pytest.raises(
        BadInput, match=r"the first 0 fit.*conv2d/kernel \(7, 7, 3, 4\)"
    ):
        vtab.convert(folder, network(width=0.125))
    with pytest.raises(BadInput, match=r"\(7, 7, 1, 4\) should"):
        vtab.convert(folder, network(channels=1))
    with pytest.raises(BadInput, match="is no ResNet v2"):
        vtab.convert(folder, network("resnet50"))
    with pytest.raises(BadInput, match="is no ResNet v2"):
        vtab.convert(folder, network("tiny", width=8))


def test_numbers_in_names_are_sorted_by_size():
    names = ["a_10/k", "a_2/k", "a/k", "b1/unit10", "b1/unit9", "b10", "b2"]
    order = sorted(reversed(names), key=vtab.natural)
    assert order == ["a/k", "a_2/k", "a_10/k", "b1/unit9", "b1/unit10", "b2", "b10"]

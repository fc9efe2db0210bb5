"""Revisiting's axes: what each knob of its recipes reaches, and which are refused."""

import fnmatch

import keras
import numpy as np
import pytest

from sslzoo import backbones, recipe
from sslzoo.backbones import layers, revisiting
from sslzoo.errors import BadInput, UnknownName
from tests.revisiting import small
from tests.runs import slow

WIDE = dict(backbone="resnet50v2", k=0.25, image_size=72)  # Not "tiny".


@pytest.mark.parametrize(
    "name, knobs",
    [
        ("rotation_in1k", {}),
        ("exemplar_in1k", {}),
        ("jigsaw_in1k", dict(orders=8)),
        ("relative_patch_in1k", {}),
        ("revisiting_small", dict(task="jigsaw", image_size=24, orders=8)),
        ("rotation_in1k", {**WIDE, "backbone": "revnet50", "representation": 40}),
    ],
)
def test_what_is_decayed_is_the_authors(name, knobs):
    """5e-4 of the kernels of `puzzle`, 1e-4 of others; nothing of biases, of what
    normalises, and of two kernels of a RevNet."""
    plan = recipe.load(name, **{**recipe.module(recipe.find(name)).SMALL, **knobs})
    method, sgd = plan.method(), plan.optimizer()
    sgd.build(method.trainable_variables)
    free = ("root_conv", "representation_conv") if "backbone" in knobs else ()
    seen = set()
    for weight, excluded, decay in zip(
        method.trainable_variables, sgd.excluded, sgd.decays
    ):
        *_, layer, kind = weight.path.split("/")
        assert excluded == (kind != "kernel" or layer in free), weight.path
        if not excluded:
            expected = 5e-4 if weight.path.startswith("puzzle/") else 1e-4
            assert decay == pytest.approx(expected), weight.path
            seen.add(decay)
    patches = name in ("jigsaw_in1k", "relative_patch_in1k", "revisiting_small")
    assert len(seen) == 1 + patches and any(sgd.excluded)


@pytest.mark.parametrize("task", ["rotation", "exemplar", "jigsaw", "relative_patch"])
def test_heads_begin_as_the_authors_draw_them(task):
    """Glorot's: uniform, up to the root of 6 / (inputs + outputs)."""
    method = small(task).method()
    head = method.classifier if task == "rotation" else method.embedding
    kernel, bias = head.get_weights()
    most = np.sqrt(6 / sum(kernel.shape))
    assert 0.9 * most < np.abs(kernel).max() <= most and not bias.any()
    assert kernel.std() == pytest.approx(most / 3**0.5, rel=0.15)


@pytest.mark.parametrize(
    "knobs, words",
    [
        (dict(task="jigsaw", smallest_crop=0.5), "smallest_crop=0.5 with task=jigsaw"),
        (dict(task="rotation", embedding=8), "embedding=8 with task=rotation"),
        (dict(task="exemplar", hidden=8), "hidden=8 with task=exemplar"),
        (
            dict(task="relative_patch", colours="dropped", gray=0.2),
            "gray=0.2 and .* with colours=dropped: they are of colours=gray alone",
        ),
        (
            dict(task="relative_patch", colours="dropped", gray_each=True),
            "gray_each=True with colours=dropped: they are of colours=gray alone",
        ),
    ],
)
def test_a_knob_that_a_task_leaves_without_use_is_refused(knobs, words):
    with pytest.raises(BadInput, match=words):
        small(**knobs)


@pytest.mark.parametrize(
    "task, knob, words",
    [
        ("exemplar", "embedding", "The embedding ends in 0 numbers: .* embedding="),
        ("simclr", "embedding", "The projector ends in 0 numbers: .* embedding="),
        (
            "jigsaw",
            "hidden",
            "The puzzle has 0 numbers in its hidden layer: .* hidden=",
        ),
        ("byol", "hidden", "The projector has 0 numbers in its hidden .* hidden="),
    ],
)
def test_a_head_of_no_size_is_told(task, knob, words):
    few = {"orders": 8} if task == "jigsaw" else {}
    with pytest.raises(BadInput, match=words):
        small(task, **few, **{knob: 0}).method()


@pytest.mark.parametrize("knob", [dict(gray=0.2), dict(gray_each=True)])
def test_colours_that_are_dropped_are_not_also_gray(knob):
    name = "relative_patch_in1k"
    knobs = recipe.module(recipe.find(name)).SMALL
    with pytest.raises(BadInput, match="with colours=dropped: it is of colours=gray"):
        recipe.load(name, **knobs, colours="dropped", **knob)


def parameters(name, **options):
    with keras.StatelessScope():  # Nothing is drawn.
        return revisiting.network(name, **options).count_params()


def test_networks_are_as_wide_as_k_says():
    """Parameters of the sheet, section 1.5, and moving averages."""
    for name, builder, options in (
        ("resnet50v1", "resnet50", {"style": "revisiting", "width": 0.25}),
        ("resnet50v2", "resnet50v2", {"width": 0.25}),
        ("revnet50", "revnet50", {"width": 0.25}),
        ("vgg19bn", "vgg19bn", {"width": 0.125, "image_size": 32}),
    ):
        with keras.StatelessScope():
            expected = backbones.build(builder, **options).count_params()
        assert parameters(name, k=1, image_size=32) == expected


def test_the_axes_of_the_study_are_knobs():
    with keras.StatelessScope():
        for name in ("resnet50v1", "resnet50v2", "revnet50-minus"):
            net = revisiting.network(name, k=0.25, representation=40)
            assert net.output["pooled"].shape[-1] == 40
        plain, cut = (
            revisiting.network("resnet50v2", k=0.25, residual=residual)
            for residual in (True, False)
        )
        last = [layer.name for layer in cut.layers]
        assert not any(isinstance(x, keras.layers.Add) for x in cut.layers)
        assert any(isinstance(x, keras.layers.Add) for x in plain.layers)
        minus = revisiting.network("resnet50v2-minus", k=0.25)
        assert "last_relu" in last and "last_relu" not in [x.name for x in minus.layers]
        gray = revisiting.network("vgg19bn", 0.25, 64, "patch", "per_image")
        assert "per_image" in [x.name for x in gray.layers]


PUZZLES = dict(task="jigsaw", orders=8)


def drawn(name, **knobs):
    """The method of a recipe's small knobs but for these; nothing is drawn."""
    known = recipe.module(recipe.find(name)).SMALL
    with keras.StatelessScope():
        plan = recipe.load(name, **{**known, **knobs})
        return plan.method(), plan


@pytest.mark.parametrize(
    "name, knobs",
    [
        ("jigsaw_in1k", dict(orders=8)),
        slow("relative_patch_in1k", {}),
        ("revisiting_small", {**PUZZLES, "units": 1}),
        slow("revisiting_small", {"task": "relative_patch", "units": 1}),
    ],
)
def test_patches_are_standardized_and_keep_their_size_at_the_root(name, knobs):
    """As the authors have it: 7 x 7 without a stride, and none in block 4."""
    method, _ = drawn(name, **WIDE, **knobs)
    net = method.backbone
    assert isinstance(net.get_layer("per_image"), layers.PerImage)
    root = net.get_layer("root_conv")
    assert (root.kernel_size, root.strides) == ((7, 7), (1, 1))
    maps = {each["name"]: each["stride"] for each in backbones.feature_info(net, 24)}
    assert maps["block1"] == 2 and maps["block3"] == maps["block4"] == 8
    assert method.evaluated.output["pooled"].shape[-1] == 128


@pytest.mark.parametrize(
    "name, knobs",
    [
        slow("rotation_in1k", {}),
        slow("exemplar_in1k", {}),
        slow("jigsaw_in1k", dict(orders=8)),
        slow("relative_patch_in1k", {}),
        ("revisiting_small", dict(task="rotation", units=1)),
    ],
)
def test_the_knobs_of_the_network_reach_it(name, knobs):
    net = drawn(name, **WIDE, **knobs, representation=40, residual=False)[0].backbone
    assert net.output["pooled"].shape[-1] == 40
    assert not any(isinstance(layer, keras.layers.Add) for layer in net.layers)


@pytest.mark.parametrize(
    "name, knobs, key, value",
    [
        ("rotation_in1k", dict(squeeze=False), "ratio", None),
        ("rotation_in1k", dict(squeeze=True), "ratio", [3 / 4, 4 / 3]),
        ("exemplar_in1k", dict(squared=False), "squared", False),
        ("exemplar_in1k", dict(everyone=False), "everyone", False),
        ("exemplar_in1k", dict(margin=0.125), "margin", 0.125),
        ("exemplar_in1k", dict(normalize="batch"), "normalize", "batch"),
        ("jigsaw_in1k", dict(orders=8, gray_each=True), "each", True),
        ("jigsaw_in1k", dict(orders=8, subset=4, shared=False), "shared", False),
        ("relative_patch_in1k", dict(gray_each=True), "each", True),
        ("relative_patch_in1k", dict(colours="dropped"), "colours", "dropped"),
        ("revisiting_small", {**PUZZLES, "gray_each": True}, "each", True),
        *(
            ("revisiting_small", {"task": task, knob: value}, key, value)
            for task, knob, key, value in (
                ("exemplar", "margin", "margin", 0.125),
                ("exemplar", "normalize", "normalize", "vector"),
                ("relative_patch", "gray_each", "each", True),
                ("relative_patch", "colours", "colours", "dropped"),
            )
        ),
    ],
)
def test_a_knob_reaches_the_method_or_what_it_is_shown(name, knobs, key, value):
    method, plan = drawn(name, **knobs)
    shown = plan.streams.example.get_config()
    assert method.example is plan.streams.example
    found = {**shown, **method.made_with}[key]
    assert (list(found) if isinstance(found, tuple) else found) == value


@pytest.mark.parametrize("name", ["info_nce_r50_in1k", "info_nce_r18w16_cifar10"])
def test_the_heads_of_the_plane_are_as_deep_as_their_knobs_say(name):
    deep = dict(projector_depth=1, predictor_depth=3, beta=0, norm="batch")
    method, _ = drawn(name, **deep)
    dense = [
        sum(isinstance(layer, keras.layers.Dense) for layer in head.layers)
        for head in (method.projector, method.predictor, method.target_projector)
    ]
    assert dense == [1, 3, 1] and method.norm == "batch"


@pytest.mark.parametrize("name", ["resnet50v1", "resnet50v2", "revnet50"])
def test_a_network_may_have_fewer_units_and_the_rest_as_before(name):
    with keras.StatelessScope():
        whole, brief = (revisiting.network(name, k=0.25, units=n) for n in (0, 2))
    for one, two in zip(whole.output.items(), brief.output.items()):
        assert one[0] == two[0] and one[1].shape == two[1].shape

    def count(net, block):
        if name == "revnet50":
            return len(net.get_layer(f"block{block}").units)
        return sum(layer.name.startswith(f"block{block}_") for layer in net.layers)

    ratios = [count(whole, b) / count(brief, b) for b in (1, 2, 3, 4)]
    np.testing.assert_allclose(ratios, [3 / 2, 4 / 2, 6 / 2, 3 / 2], rtol=0.15)


def test_what_a_network_does_not_take_is_told():
    with pytest.raises(BadInput, match="vgg19bn takes no units=2"):
        revisiting.network("vgg19bn", units=2)
    with pytest.raises(BadInput, match="units=.* give four whole numbers"):
        revisiting.network("resnet50v2", units=-1)
    with pytest.raises(UnknownName, match="Did you mean 'revnet50'"):
        revisiting.network("revnet5")
    with pytest.raises(BadInput, match="vgg19bn takes no representation=64"):
        revisiting.network("vgg19bn", representation=64)
    with pytest.raises(BadInput, match="revnet50 takes no residual=False"):
        revisiting.network("revnet50", residual=False)


def test_what_is_not_decayed_are_weights_of_the_network():
    with keras.StatelessScope():
        net = revisiting.network("revnet50", k=0.25, representation=40)
    for pattern in revisiting.undecayed("revnet50"):
        assert any(fnmatch.fnmatch(weight.path, pattern) for weight in net.weights)
    assert revisiting.undecayed("resnet50v2") == ()

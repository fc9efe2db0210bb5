import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.errors import BadInput, UnknownName
from tests.backbones import plain

BASIC, BOTTLENECK = (3, 3), (1, 3, 1)  # The convolutions of a unit.
BUILT = {18: (BASIC, 2, 2, 2, 2), 34: (BASIC, 3, 4, 6, 3)}
BUILT |= {50: (BOTTLENECK, 3, 4, 6, 3), 101: (BOTTLENECK, 3, 4, 23, 3)}


@pytest.mark.parametrize("last_relu", [True, False])
@pytest.mark.parametrize("depth", BUILT)
def test_a_plain_numpy_network_gives_the_same(depth, last_relu):
    """The whole of it; with `last_relu=False` features may be negative."""
    model = backbones.build(f"resnet{depth}v2", width=1 / 32, last_relu=last_relu)
    w = plain.weights_of(model)
    image = np.random.default_rng(1).random((45, 45, 3))

    def norm_relu(x, name):
        return plain.relu(plain.norm(x, w, name, 1e-3))

    x = plain.conv(2 * image - 1, w["root_conv/kernel"], 2, (3, 3))
    x = plain.max_pool(x, pad=(1, 1), fill=0)  # Zeros, not minus infinity.
    wanted = {"after_root": x}
    sizes, *counts = BUILT[depth]
    for block, units in enumerate(counts, 1):
        for i in range(units):
            name, stride = f"block{block}_{i}", 2 if i == 0 and block > 1 else 1
            y = h = norm_relu(x, f"{name}_pre")
            for at, size in enumerate(sizes, 1):
                y = y if at == 1 else norm_relu(y, f"{name}_{at - 1}")
                here = stride if at == sizes.index(3) + 1 else 1
                pads = (size // 2, size // 2)
                y = plain.conv(y, w[f"{name}_conv{at}/kernel"], here, pads)
            if x.shape != y.shape:  # Not so in block 1 of basic units.
                x = plain.conv(h, w[f"{name}_shortcut_conv/kernel"], stride)
            x = x + y
        wanted[f"block{block}"] = x
    x = plain.norm(x, w, "last", 1e-3)
    x = plain.relu(x) if last_relu else x
    wanted["pooled"] = x.mean((0, 1))
    assert (wanted["pooled"] < 0).any() != last_relu

    ours = model(image[None].astype("float32"))
    assert list(ours) == list(wanted)
    for name, value in wanted.items():
        scale = abs(value).max()
        np.testing.assert_allclose(ours[name][0] / scale, value / scale, atol=2e-5)


def test_for_patches_neither_root_nor_block4_has_a_stride():
    model = backbones.build("resnet50v2", width=1 / 16, stem="patch")
    shapes = model.compute_output_shape((None, 64, 64, 3))
    sides = [shapes[n][1] for n in ("after_root", "block1", "block2", "block3")]
    assert sides == [32, 32, 16, 8] and shapes["block4"] == (None, 8, 8, 128)


def test_the_size_of_the_representation_need_not_follow_the_width():
    model = backbones.build("resnet50v2", width=1 / 16, representation=256)
    assert model.output["pooled"].shape[-1] == 256
    assert model.output["block3"].shape[-1] == 64
    with pytest.raises(BadInput, match="multiple of 4"):
        backbones.build("resnet50v2", representation=30)


def test_basic_units_have_all_options_of_bottlenecks():
    small = dict(width=1 / 16)
    images = np.ones((1, 64, 64, 3), "float32")
    assert backbones.build("resnet18v2", **small, representation=30)(images)[
        "pooled"
    ].shape == (1, 30)
    patch = backbones.build("resnet18v2", **small, stem="patch")
    strides = [stage["stride"] for stage in backbones.feature_info(patch, 64)]
    assert strides == [2, 2, 4, 8, 8]
    little = backbones.build("resnet34v2", **small, stem="small", units=(1, 1, 1, 1))
    strides = [stage["stride"] for stage in backbones.feature_info(little, 32)]
    assert strides == [1, 1, 2, 4, 8]
    bare = backbones.build("resnet18v2", **small, residual=False)
    assert not [layer for layer in bare.layers if "shortcut" in layer.name]
    assert [layer for layer in bare.layers if layer.name.endswith("_add")] == []


@pytest.mark.parametrize("name", ["resnet18v2", "resnet50v2", "resnet18", "revnet50"])
@pytest.mark.parametrize("size", [-4, 0, 4.0, "4", True])
def test_a_representation_that_is_no_number_of_channels_is_named(name, size):
    with pytest.raises(BadInput, match="^representation="):
        backbones.build(name, representation=size)


def test_without_shortcuts_nothing_passes_a_unit_but_through_its_convolutions():
    model = backbones.build("resnet50v2", width=1 / 16, residual=False)
    assert not [layer for layer in model.layers if "shortcut" in layer.name]
    model.get_layer("block3_2_conv3").kernel.assign(
        0 * model.get_layer("block3_2_conv3").kernel
    )
    assert not np.any(model(np.ones((1, 64, 64, 3), "float32"))["block3"])


def test_wrong_options_are_named():
    with pytest.raises(UnknownName, match="stem='pach'. Did you mean 'patch'"):
        backbones.build("resnet50v2", stem="pach")
    with pytest.raises(BadInput, match="above 0"):
        backbones.build("resnet50v2", width=0)

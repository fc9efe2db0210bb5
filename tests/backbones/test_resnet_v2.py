import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.errors import BadInput, UnknownName
from tests.backbones import plain


def parameters(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.parametrize("k, millions", [(4, 23.500352), (8, 93.9)])
def test_it_has_the_parameters_of_the_sheet(k, millions):
    model = backbones.build("resnet50v2", width=k / 4)
    assert parameters(model) / 1e6 == pytest.approx(millions, rel=1e-3)
    assert model.output["pooled"].shape[-1] == 512 * k


@pytest.mark.parametrize("last_relu", [True, False])
def test_a_plain_numpy_network_gives_the_same(last_relu):
    """The whole of it; with `last_relu=False` features may be negative."""
    model = backbones.build("resnet50v2", width=1 / 32, last_relu=last_relu)
    w = plain.weights_of(model)
    image = np.random.default_rng(1).random((45, 45, 3))

    def norm_relu(x, name):
        return plain.relu(plain.norm(x, w, name, 1e-3))

    x = plain.conv(2 * image - 1, w["root_conv/kernel"], 2, (3, 3))
    x = plain.max_pool(x, pad=(1, 1), fill=0)  # Zeros, not minus infinity.
    wanted = {"after_root": x}
    for block, (units, stride) in enumerate([(3, 1), (4, 2), (6, 2), (3, 2)], 1):
        for i in range(units):
            name, stride = f"block{block}_{i}", stride if i == 0 else 1
            h = norm_relu(x, f"{name}_pre")
            y = norm_relu(plain.conv(h, w[f"{name}_conv1/kernel"]), f"{name}_1")
            y = plain.conv(y, w[f"{name}_conv2/kernel"], stride, (1, 1))
            y = plain.conv(norm_relu(y, f"{name}_2"), w[f"{name}_conv3/kernel"])
            if i == 0:
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

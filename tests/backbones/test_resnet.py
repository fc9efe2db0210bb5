import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.backbones import resnet
from sslzoo.errors import UnknownName


def test_resnet50_has_the_parameters_of_the_official_encoder():
    model = backbones.build("resnet50")
    kernels = sum(
        int(np.prod(w.shape))
        for w in model.weights
        if "conv" in w.path and "kernel" in w.path
    )
    assert kernels == 23_454_912  # sheet, section 1.5
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 23_508_032


def test_width_scales_every_layer_the_stem_too():
    model = backbones.build("resnet50", width=2)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 93_907_072
    assert model.output["pooled"].shape[-1] == 4096


@pytest.mark.parametrize("depth, units", [(18, 8), (34, 16), (50, 16)])
def test_depth_counts_its_units(depth, units):
    model = resnet.resnet(depth, width=0.125)
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == units


def test_the_stages_have_the_strides_of_the_paper():
    model = backbones.build("resnet18", width=0.25)
    info = backbones.feature_info(model, size=224)
    assert [stage["stride"] for stage in info] == [4, 4, 8, 16, 32]
    assert [stage["channels"] for stage in info] == [16, 16, 32, 64, 128]
    small = backbones.build("resnet18", width=0.25, stem="small")
    assert [s["stride"] for s in backbones.feature_info(small, 32)] == [1, 1, 2, 4, 8]


def test_padding_is_same_and_so_one_sided_for_a_stride_of_two():
    """At 224 pixels a 7x7 of stride 2 pads 2 before, 3 behind: sheet, section 2.4."""
    model = backbones.build("resnet18", width=1 / 64, channels=1)
    root = keras.Model(model.input, model.get_layer("root_conv").output)
    root.get_layer("root_conv").set_weights([np.ones((7, 7, 1, 1), "float32")])
    answer = np.asarray(root(np.ones((1, 224, 224, 1), "float32")))[0, :, :, 0]
    assert answer[0, 0] == 5 * 5 and answer[-1, -1] == 4 * 4  # rows 0..4, 220..223
    assert answer[1, 1] == 7 * 7


def test_pooled_is_the_mean_of_the_last_map():
    model = backbones.build("resnet18", width=0.125, stem="small")
    out = model(np.random.default_rng(0).random((2, 32, 32, 3), "float32"))
    np.testing.assert_allclose(
        out["pooled"], np.mean(out["block4"], axis=(1, 2)), rtol=1e-5, atol=1e-6
    )


def test_a_plain_numpy_network_gives_the_same_first_unit():
    """One basic unit with its projection, written out with loops of NumPy."""
    model = backbones.build("resnet18", width=1 / 16, stem="small")
    for index, weight in enumerate(model.weights):
        noise = np.random.default_rng(index).normal(0, 0.3, weight.shape)
        weight.assign(abs(noise) + 0.5 if "variance" in weight.path else noise)
    image = np.random.default_rng(99).random((8, 8, 3))
    w = {weight.path: np.asarray(weight, np.float64) for weight in model.weights}

    def conv(x, name):
        kernel = w[f"{name}/kernel"]
        size = kernel.shape[0]
        padded = np.pad(x, [(size // 2, size // 2)] * 2 + [(0, 0)])
        out = np.zeros((*x.shape[:2], kernel.shape[-1]))
        for i in range(size):
            for j in range(size):
                out += padded[i : i + x.shape[0], j : j + x.shape[1]] @ kernel[i, j]
        return out

    def norm(x, name):
        g, b, m, v = (
            w[f"{name}_bn/{k}"]
            for k in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return g * (x - m) / np.sqrt(v + 1e-5) + b

    def relu(x):
        return np.maximum(x, 0)

    x = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = relu(norm(conv(x, "root_conv"), "root"))
    y = relu(norm(conv(x, "block1_0_conv1"), "block1_0_1"))
    y = norm(conv(y, "block1_0_conv2"), "block1_0_2")
    y = relu(y + norm(conv(x, "block1_0_shortcut_conv"), "block1_0_shortcut"))
    unit = keras.Model(model.input, model.get_layer("block1_0_relu").output)
    ours = np.asarray(unit(image[None].astype("float32")))[0]
    np.testing.assert_allclose(ours, y, rtol=1e-3, atol=1e-4)


def test_it_can_be_saved_and_read_back(tmp_path):
    model = backbones.build("resnet18", width=0.125, stem="small")
    images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again(images)["pooled"], model(images)["pooled"])


def test_the_last_scale_can_start_at_zero():
    model = backbones.build("resnet50", width=0.0625, zero_last=True)
    last = [w for w in model.weights if w.path.endswith("_3_bn/gamma")]
    assert len(last) == 16 and not any(np.asarray(w).any() for w in last)


def test_wrong_options_are_named():
    with pytest.raises(UnknownName, match="Did you mean 'resnet50'"):
        backbones.build("resnet5")
    with pytest.raises(UnknownName, match="depht"):
        backbones.build("resnet50", depht=3)
    with pytest.raises(UnknownName, match="imagenet, small, patch"):
        backbones.build("resnet18", stem="cifar")

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.backbones import resnet
from sslzoo.errors import BadInput, UnknownName
from tests.backbones import plain


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


# Of each code: pads of the root, of its pool and of a 3x3 of stride 2, before and
# behind (images of an even side); which convolution of a bottleneck has the stride;
# whether the first unit always has a shortcut of its own; epsilon; what pixels become.
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
AS_IN = {
    "byol": ((2, 3), (0, 1), (0, 1), 2, True, 1e-5, IMAGENET),
    "byol_2020": ((2, 3), (0, 1), (0, 1), 2, True, 1e-5, IMAGENET),
    "torch": ((3, 3), (1, 1), (1, 1), 2, False, 1e-5, IMAGENET),
    "simclr": ((3, 3), (0, 1), (1, 1), 2, True, 1e-5, (0, 1)),
    "revisiting": ((3, 3), (1, 1), (1, 1), 2, False, 1e-3, (0.5, 0.5)),
    "caffe": ((3, 3), (0, 1), (1, 1), 1, False, 1e-5, None),
}


@pytest.mark.parametrize("style", AS_IN)
@pytest.mark.parametrize("depth", [18, 50])
def test_a_plain_numpy_network_gives_the_same(depth, style):
    root, pool, pad, strided, always, epsilon, pixels = AS_IN[style]
    model = backbones.build(f"resnet{depth}", width=1 / 16, style=style)
    w = plain.weights_of(model)
    image = np.random.default_rng(1).random((64, 64, 3))

    def conv_norm(x, name, norm, *how):
        return plain.norm(plain.conv(x, w[f"{name}/kernel"], *how), w, norm, epsilon)

    if pixels is None:
        x = image.mean(-1, keepdims=True) - 114.451 / 255
    else:
        x = (image - pixels[0]) / pixels[1]
    x = plain.relu(conv_norm(x, "root_conv", "root", 2, root))
    x = plain.max_pool(x, pad=pool)
    wanted = {"after_root": x}
    counts, sizes = ([2] * 4, (3, 3)) if depth == 18 else ([3, 4, 6, 3], (1, 3, 1))
    for block, count in enumerate(counts, 1):
        for i in range(count):
            name, stride = f"block{block}_{i}", 2 if i == 0 and block > 1 else 1
            y = x
            for at, size in enumerate(sizes, 1):
                basic = 2 if style == "byol_2020" else 1
                here = stride if at == (strided if depth == 50 else basic) else 1
                pads = (0, 0) if size == 1 else pad if here == 2 else (1, 1)
                y = conv_norm(y, f"{name}_conv{at}", f"{name}_{at}", here, pads)
                y = plain.relu(y) if at < len(sizes) else y
            if (i == 0 and always) or x.shape != y.shape:
                short = f"{name}_shortcut"
                x = conv_norm(x, f"{short}_conv", short, stride)
            x = plain.relu(x + y)
        wanted[f"block{block}"] = x
    wanted["pooled"] = x.mean((0, 1))

    ours = model(image[None].astype("float32"))
    assert list(ours) == list(wanted)
    for name, value in wanted.items():
        scale = abs(value).max()
        np.testing.assert_allclose(ours[name][0] / scale, value / scale, atol=2e-5)


@pytest.mark.parametrize("depth, convolutions", [(50, 53), (101, 104), (152, 155)])
def test_depth_counts_its_convolutions(depth, convolutions):
    model = backbones.build(f"resnet{depth}", width=1 / 32)
    kernels = [w for w in model.weights if w.path.endswith("kernel")]
    assert len(kernels) == convolutions


def test_for_patches_neither_root_nor_group_4_has_a_stride():
    model = backbones.build("resnet50", style="revisiting", width=1 / 16, stem="patch")
    shapes = model.compute_output_shape((None, 64, 64, 3))
    sides = [shapes[n][1] for n in ("after_root", "block1", "block2", "block3")]
    assert sides == [32, 32, 16, 8] and shapes["block4"] == (None, 8, 8, 128)


def test_the_size_of_the_representation_need_not_follow_the_width():
    model = backbones.build("resnet50", width=1 / 16, representation=256)
    assert model.output["pooled"].shape[-1] == 256
    assert model.output["block3"].shape[-1] == 64
    with pytest.raises(BadInput, match="multiple of 4"):
        backbones.build("resnet50", representation=30)


def test_it_can_be_saved_and_read_back(tmp_path):
    model = backbones.build("resnet18", width=0.125, stem="small")
    images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again(images)["pooled"], model(images)["pooled"])


def test_wrong_options_are_named():
    with pytest.raises(UnknownName, match="Did you mean 'resnet50'"):
        backbones.build("resnet5")
    with pytest.raises(UnknownName, match="depht"):
        backbones.build("resnet50", depht=3)
    with pytest.raises(UnknownName, match="imagenet, small, patch"):
        backbones.build("resnet18", stem="cifar")

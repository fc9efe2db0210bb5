"""The two VGGs against the figures of their papers and a network in float64."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
import skimage
from scipy.signal import correlate

from sslzoo import backbones
from sslzoo.backbones.fold import folded
from sslzoo.backbones.layers import BatchNorm
from sslzoo.errors import BadInput, UnknownName

SMALL = 1 / 16
REFERENCES = pathlib.Path(__file__).parents[1] / "references"


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def of_kernels(sizes):
    """Parameters of 3x3 convolutions in a row, their kernels alone."""
    return sum(9 * a * b for a, b in itertools.pairwise(sizes))


def shaken(model):
    """As if trained: no mean zero, no variance one, no bias zero."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith("variance"):
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif not weight.path.endswith("kernel"):
            weight.assign(rng.uniform(-0.5, 0.5, weight.shape))
    return model


def pictures(*shape):
    return np.random.default_rng(1).random(shape, "float32")


def test_vgg16_of_a_width_has_the_parameters_of_its_table():
    """Counted by hand, of a sixteenth of the widths; one plane goes in, gray."""
    model = backbones.build("vgg16", width=SMALL)
    convs = [1, 4, 4, 8, 8, 16, 16, 16, 32, 32, 32, 32, 32, 32]
    kernels = of_kernels(convs) + 49 * 32 * 256 + 256 * 256
    biases = sum(convs[1:]) + 256 + 256
    assert count(model.trainable_weights) == kernels + biases
    assert count(model.non_trainable_weights) == 2 * biases  # means and variances


def test_the_hypercolumn_of_vgg16_has_12417_numbers():
    model = backbones.build("vgg16", width=SMALL)
    found = [stage["channels"] for stage in backbones.feature_info(model)]
    assert found[0] == 1 and 16 * sum(found[1:]) + 1 == 12_417


def test_the_stages_of_vgg16_have_the_strides_of_the_paper():
    info = backbones.feature_info(backbones.build("vgg16", width=SMALL))
    at = {stage["name"]: stage["stride"] for stage in info}
    convs = [f"conv{b}_{i}" for b, n in _blocks(1, 16) for i in range(1, n + 1)]
    assert list(at) == ["data", *convs, "fc6", "fc7"]
    assert [*at.values()] == [1] * 3 + [2] * 2 + [4] * 3 + [8] * 3 + [16] * 3 + [32] * 2


@pytest.mark.parametrize(
    "options, size, places", [({}, 352, 11), (dict(norm=False, fc6="valid"), 224, 1)]
)
def test_fc7_has_as_many_places_as_the_paper_says(options, size, places):
    model = backbones.build("vgg16", width=SMALL, **options)
    shapes = model.compute_output_shape((1, size, size, 3))
    assert shapes["fc7"] == (1, places, places, 256)


@pytest.mark.parametrize("size, remain", [(224, 7), (64, 2)])
def test_fc6_of_vgg19bn_covers_what_remains(size, remain):
    model = backbones.build("vgg19bn", width=SMALL, image_size=size)
    assert model.get_layer("fc6").kernel.shape[:2] == (remain, remain)
    assert model.output["fc7"].shape == (None, 1, 1, 256)
    info = {i["name"]: i["stride"] for i in backbones.feature_info(model)}
    assert [info[f"block{i}"] for i in range(5)] == [1, 2, 4, 8, 16]
    # The paper's block1 is what the second pool takes in, so 28 wide: sheet, 1.4.
    for block in range(5):
        taken = model.get_layer(f"block{block}_pool").input
        assert taken is model.output[f"block{block}"]


def written_out(model, image, last, order, epsilon):
    """A VGG of NumPy and SciPy in float64: its maps before each pool, and the top."""
    w = {weight.path: np.asarray(weight, np.float64) for weight in model.weights}

    def layer(x, name, mode):
        kernel = w[f"{name}/kernel"]
        sides = kernel.shape[0] // 2 if mode == "same" else 0
        x = np.pad(x, [(sides, sides), (sides, sides), (0, 0)])
        x = np.stack(
            [
                correlate(x, kernel[..., c], mode="valid")[..., 0]
                for c in range(kernel.shape[-1])
            ],
            axis=-1,
        )
        x = x + w.get(f"{name}/bias", 0)
        if f"{name}_bn/moving_mean" in w:
            x = x - w[f"{name}_bn/moving_mean"]
            x = x / np.sqrt(w[f"{name}_bn/moving_variance"] + epsilon)
            x = x * w.get(f"{name}_bn/gamma", 1) + w.get(f"{name}_bn/beta", 0)
        return np.maximum(x, 0)

    x, maps = image.astype(np.float64), []
    for block in order:
        for name in block:
            x = layer(x, name, "same")
        maps.append(x)
        x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
    for name in ("fc6", "fc7"):
        x = layer(x, name, last if name == "fc6" else "same")
        maps.append(x)
    return maps


@pytest.mark.parametrize("norm", [True, False])
def test_vgg16_is_its_network_written_out(norm):
    model = shaken(backbones.build("vgg16", width=1 / 64, norm=norm))
    image = pictures(1, 64, 32, 3)
    order = [[f"conv{b}_{i}" for i in range(1, n + 1)] for b, n in _blocks(1, 16)]
    gray = image[0].mean(axis=-1, keepdims=True) - 114.451 / 255
    expected = written_out(model, gray, "same", order, 1e-5)
    out = model(image)
    for name, truth in zip([b[-1] for b in order] + ["fc6", "fc7"], expected):
        np.testing.assert_allclose(out[name][0], truth, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        out["pooled"][0], expected[-1].mean(axis=(0, 1)), rtol=1e-3, atol=1e-4
    )
    assert expected[-1].std() > 0.01


def test_vgg19bn_is_its_network_written_out():
    model = shaken(backbones.build("vgg19bn", width=1 / 64, image_size=64))
    image = pictures(1, 64, 64, 3)
    order = [[f"block{b}_{i}" for i in range(n)] for b, n in _blocks(0, 19)]
    expected = written_out(model, image[0] * 2 - 1, "valid", order, 1e-3)
    out = model(image)
    for name, truth in zip([f"block{b}" for b in range(5)] + ["fc6", "fc7"], expected):
        np.testing.assert_allclose(out[name][0], truth, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(out["pooled"], out["fc7"][:, 0, 0])
    assert expected[-1].std() > 0.01


def of_torchvision(name):
    """Its arrays in the order of its layers, and what it said of photographs."""
    with np.load(REFERENCES / f"torch_{name}.npz") as stored:
        found = {key: stored[key] for key in stored}
    layers = {}
    for key, array in found.items():
        if key.startswith("state/"):
            layer, _, of = key.removeprefix("state/").rpartition(".")
            layers.setdefault(layer, {})[of] = array
    return [*layers.values()], found


def hwio(kernel, side):
    """Of a convolution; or of a linear layer, which saw channels first."""
    kernel = kernel.reshape(len(kernel), -1, side, side)
    return np.transpose(kernel, (2, 3, 1, 0))


def is_torchvisions(model, found, stages):
    both = skimage.data.astronaut(), skimage.data.coffee()
    images = np.stack([image[:224, :224] for image in both])
    features = model(images.astype("float32") / 255)
    for place, stage in enumerate(stages):
        theirs, step = found[f"pool{place}"], 2 ** (4 - place)
        ours = features[stage][:, ::step, ::step]
        assert theirs.std() > 0.01
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    for name in ("fc6", "fc7"):
        ours = np.asarray(features[name])[:, 0, 0]
        np.testing.assert_allclose(ours, found[name], rtol=1e-4, atol=1e-4)


def test_the_plain_vgg16_is_torchvisions():
    theirs, found = of_torchvision("vgg16")
    model = backbones.build(
        "vgg16", width=1 / 64, norm=False, fc6="valid", pixels="imagenet"
    )
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer, state in zip(convs, theirs):
        kernel = hwio(state["weight"], layer.kernel.shape[0])
        layer.set_weights([kernel, state["bias"]])
    assert len(convs) == 15 == len(theirs) - 1
    is_torchvisions(model, found, [f"conv{b}_{n}" for b, n in _blocks(1, 16)])


def test_vgg19bn_is_torchvisions():
    """What it has beside ours is written as ours: 1e-5 for 1e-3 in its variances, a
    bias of each convolution in the mean, and no normalisation of fc6 and fc7.
    """
    theirs, found = of_torchvision("vgg19bn")
    model = backbones.build("vgg19bn", width=1 / 64, pixels="imagenet")
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    theirs = iter(theirs)
    for layer in convs:
        conv, norm = next(theirs), model.get_layer(f"{layer.name}_bn")
        layer.set_weights([hwio(conv["weight"], layer.kernel.shape[0])])
        if layer.name.startswith("fc"):
            rest = np.ones_like(conv["bias"]), conv["bias"], 0 * conv["bias"]
            norm.set_weights([*rest, np.full_like(conv["bias"], 1 - 1e-3)])
        else:
            of = next(theirs)
            mean = of["running_mean"] - conv["bias"]
            variance = of["running_var"] + 1e-5 - 1e-3
            norm.set_weights([of["weight"], of["bias"], mean, variance])
    assert len(convs) == 18 and len([*theirs]) == 1
    is_torchvisions(model, found, [f"block{block}" for block in range(5)])


def _blocks(first, depth):
    counts = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}[depth]
    return enumerate(counts, start=first)


def test_without_scale_and_shift_it_is_gone_when_folded():
    model = shaken(backbones.build("vgg16", width=1 / 32))
    twin = folded(model)
    assert not any(isinstance(layer, BatchNorm) for layer in twin.layers)
    images = pictures(2, 64, 64, 3)
    ours, theirs = model(images), twin(images)
    for name in ours:
        scale = np.abs(ours[name]).max()
        assert np.abs(ours[name] - theirs[name]).max() <= 1e-4 * scale


def test_hypercolumns_see_what_dropout_left():
    """In place, as the paper's: half of fc6 is zero, and fc7 is drawn from the rest."""
    keras.utils.set_random_seed(1)
    model = backbones.build("vgg16", width=1 / 8, norm=False)
    images = pictures(1, 64, 64, 3)
    dry, wet = model(images), model(images, training=True)
    kept = np.asarray(wet["fc6"]) > 0
    assert 0.4 < kept.sum() / (np.asarray(dry["fc6"]) > 0).sum() < 0.6
    np.testing.assert_allclose(wet["fc6"][kept], 2 * dry["fc6"][kept], rtol=1e-5)


@pytest.mark.parametrize("name", ["vgg16", "vgg19bn"])
def test_no_two_layers_start_from_one_kernel(name):
    model = backbones.build(name, width=1 / 32)
    kernels = [np.asarray(w) for w in model.weights if w.path.endswith("kernel")]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)


@pytest.mark.parametrize("name", ["vgg16", "vgg19bn"])
def test_it_is_stored_and_read_back(name, tmp_path):
    options = dict(image_size=32) if name == "vgg19bn" else {}
    model = shaken(backbones.build(name, width=1 / 64, **options))
    images = pictures(2, 32, 32, 3)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again(images)["pooled"], model(images)["pooled"])


def test_wrong_options_are_named():
    with pytest.raises(BadInput, match="image_size=31: .* Give 32 or more"):
        backbones.build("vgg19bn", image_size=31)
    with pytest.raises(UnknownName, match="Did you mean 'valid'"):
        backbones.build("vgg16", fc6="vallid")

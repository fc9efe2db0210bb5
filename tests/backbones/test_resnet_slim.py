import re

import keras
import numpy as np
import pytest

from sslzoo import backbones
from tests.backbones import plain


def test_the_trunk_has_the_convolutions_of_the_sheet():
    model = backbones.build("resnet101slim", width=1 / 32)
    kernels = [w.path for w in model.weights if w.path.endswith("kernel")]
    shortcuts = [path for path in kernels if "shortcut" in path]
    # The sheet counts 91 and 94 with shortcuts; it forgets none of ours.
    assert (len(kernels), len(shortcuts)) == (94, 3)


@pytest.mark.parametrize("output_stride, side", [(32, 3), (16, 5), (8, 9)])
def test_a_plain_numpy_network_gives_the_same(output_stride, side):
    """Strides in the last unit of a block, or in their place rates in what follows."""
    model = backbones.build("resnet101slim", width=1 / 32, output_stride=output_stride)
    w = plain.weights_of(model)
    image = np.random.default_rng(1).random((65, 65, 3))

    def norm_relu(x, name):
        return plain.relu(plain.norm(x, w, name, 1e-5))

    def conv(x, name, *how):
        return plain.conv(x, w[f"{name}/kernel"], *how, bias=w.get(f"{name}/bias", 0))

    x = plain.max_pool(conv(2 * image - 1, "root_conv", 2, (3, 3)), pad=(1, 1))
    wanted, at, rate = {"after_root": x}, 4, 1
    for block, units in enumerate([3, 4, 23], 1):
        for i in range(units):
            name, stride = f"block{block}_{i}", 2 if i == units - 1 else 1
            if at * stride > output_stride:
                now, then = (1, rate), (at, rate * stride)
            else:
                now, then = (stride, rate), (at * stride, rate)
            h = norm_relu(x, f"{name}_pre")
            y = norm_relu(conv(h, f"{name}_conv1"), f"{name}_1")
            y = conv(y, f"{name}_conv2", now[0], (now[1], now[1]), now[1])
            y = conv(norm_relu(y, f"{name}_2"), f"{name}_conv3")
            short = conv(h, f"{name}_shortcut_conv") if i == 0 else x
            x = short[:: now[0], :: now[0]] + y
            at, rate = then
            if block == 3:
                wanted[name] = x
        wanted[f"block{block}"] = x
    wanted["postnorm"] = norm_relu(x, "last")
    wanted["pooled"] = wanted["postnorm"].mean((0, 1))
    assert wanted["block3"].shape[:2] == (side, side)

    ours = model(image[None].astype("float32"))
    assert set(ours) == set(wanted) and len(wanted) == 23 + 6
    for name, value in wanted.items():
        scale = abs(value).max()
        np.testing.assert_allclose(ours[name][0] / scale, value / scale, atol=2e-5)


def test_keras_applications_gives_the_same():
    """Its ResNet50V2 has slim's strides and biases, other names, another eps."""
    theirs = keras.applications.ResNet50V2(
        weights=None, include_top=False, pooling="avg", input_shape=(65, 65, 3)
    )
    ours = backbones.build("resnet50slim", blocks=4, output_stride=32, unit_outputs=0)
    names = {"post_bn": "last_bn", "conv1_conv": "root_conv"}
    for layer in theirs.layers:
        if hit := re.fullmatch(r"conv(\d)_block(\d+)_(\w+)_(bn|conv)", layer.name):
            block, unit, place, kind = hit.groups()
            place = {"preact": "pre", "0": "shortcut"}.get(place, place)
            last = {"conv": f"conv{place}", "bn": f"{place}_bn"}[kind]
            last = "shortcut_conv" if place == "shortcut" else last
            names[layer.name] = f"block{int(block) - 1}_{int(unit) - 1}_{last}"
    random = np.random.default_rng(0)
    given = set()
    for name, mine in names.items():
        layer = theirs.get_layer(name)
        weights = [random.normal(0, 0.2, w.shape) for w in layer.weights]
        if name.endswith("bn"):
            layer.epsilon = 1e-5
            weights = [1 + weights[0], weights[1], weights[2], 0.5 + abs(weights[3])]
        else:
            weights[0] *= 5 * (2 / np.prod(weights[0].shape[:3])) ** 0.5
        if name == "conv1_conv":
            # Above nought everywhere, so that zeros around it are never its maximum.
            weights[1] += 20
        layer.set_weights(weights)
        ours.get_layer(mine).set_weights(weights)
        given.add(mine)
    assert given == {layer.name for layer in ours.layers if layer.weights}

    image = random.random((2, 65, 65, 3), "float32")
    wanted = {"pooled": theirs.output}
    for block, units in zip((2, 3, 4, 5), (3, 4, 6, 3)):
        wanted[f"block{block - 1}"] = theirs.get_layer(
            f"conv{block}_block{units}_out"
        ).output
    wanted = keras.Model(theirs.input, wanted)(2 * image - 1)
    found = ours(image)
    for name, value in wanted.items():
        scale = np.max(np.abs(value))
        np.testing.assert_allclose(found[name] / scale, value / scale, atol=1e-5)


def test_the_weights_serve_every_output_stride():
    coarse, fine = (
        backbones.build("resnet101slim", width=1 / 32, output_stride=s) for s in (16, 8)
    )
    assert [w.shape for w in coarse.weights] == [w.shape for w in fine.weights]
    fine.set_weights(coarse.get_weights())
    image = np.random.default_rng(0).random((1, 65, 65, 3), "float32")
    rough, dense = coarse(image)["block3_0"], fine(image)["block3_0"]
    # The same places of the same map, where no border of the image is near.
    np.testing.assert_allclose(dense[0, 4, 4], rough[0, 2, 2], rtol=1e-4, atol=1e-5)


def test_block4_is_there_for_those_who_ask():
    model = backbones.build("resnet101slim", width=1 / 16, blocks=4, unit_outputs=0)
    assert list(model.output) == [
        "after_root",
        *(f"block{i}" for i in (1, 2, 3, 4)),
        "postnorm",
        "pooled",
    ]
    assert model.output["block4"].shape[-1] == 128

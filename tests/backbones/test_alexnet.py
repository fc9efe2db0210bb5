"""AlexNet against the tables of the papers, and against NumPy of the same weights."""

import functools
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import skimage.color
import skimage.data
import tensorflow as tf

from sslzoo import backbones
from sslzoo.backbones import fold, layers
from sslzoo.backbones.alexnet import FORMS, carry
from sslzoo.errors import BadInput, UnknownName


def alexnet(form="original", scale=0.03, width=1 / 16, **options):
    """One as if trained: no bias is zero, no mean, and no variance is one.

    Args:
        scale: of conv1's kernel; Lab and 0 to 255 come some tens wide.
    """
    net = backbones.build("alexnet", form=form, width=width, **options)
    rng = np.random.default_rng(5)
    for weight in net.weights:
        kind = weight.path.rpartition("/")[2]
        low, high = (0.5, 2) if kind == "moving_variance" else (-0.3, 0.3)
        value = rng.uniform(low, high, weight.shape)
        if kind == "kernel":
            spread = scale if "conv1" in weight.path else 1.4
            spread /= math.sqrt(np.prod(weight.shape[:3]))
            value = rng.normal(0, spread, weight.shape)
        weight.assign(value)
    return net


def photos(size, n=2):
    """Parts of a photograph, `[n, size, size, 3]`, float32 in [0, 1]."""
    photo = skimage.data.astronaut().astype("float32") / 255
    return np.stack([photo[40 * i :, 150 + 20 * i :][:size, :size] for i in range(n)])


def near(found, expected, tolerance=1e-4):
    """Within `tolerance` of the largest, and that is not zero."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape and np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


# Sizes, of the sheet's sections 1.1 to 1.3.


@functools.cache
def sized(form, **options):
    """One of full width, whose weights have shapes but no values."""
    with keras.StatelessScope():
        return backbones.build("alexnet", form=form, **options)


def count(net):
    """Kernels and biases."""
    return sum(math.prod(weight.shape) for weight in net.trainable_weights)


@pytest.mark.parametrize(
    "form, options, parameters",
    [
        ("original", {}, 56_868_224),
        ("split", {}, 29_145_456),
        ("evaluation", {}, 29_145_456),
        ("single", {}, 56_868_224),
        ("release", {}, 56_868_224),
        ("larsson", {}, 56_868_224 - 2 * 11 * 11 * 96),  # Of gray, not of three.
    ],
)
def test_the_parameters_are_those_of_the_sheet(form, options, parameters):
    assert count(sized(form, **options)) == parameters


@pytest.mark.parametrize(
    "pixels, outputs, parameters",
    [
        ("l", 313, 15_211_161),
        ("ab", 50, 14_678_082),
        ("l", 2, 14_573_922),
        ("ab", 1, 14_577_681),
    ],
)
def test_a_half_with_its_head_has_those_of_the_sheet(pixels, outputs, parameters):
    half = sized("half", pixels=pixels)
    fc8 = (half.output["fc7"].shape[-1] + 1) * outputs
    assert count(half) + fc8 == parameters


WIDE = dict(conv1=96, pool1=96, conv2=256, pool2=256, conv3=384, conv4=384, conv5=256)
WIDE |= dict(pool5=256, fc6=4096, fc7=4096)
TABLE6 = dict(zip(WIDE, (45, 23, 23, 12, 12, 12, 12, 12, 12, 12)))
TABLE7 = dict(zip(WIDE, (55, 27, 27, 13, 13, 13, 13, 6, 1, 1)))


@pytest.mark.parametrize(
    "form, size, table",
    [
        ("split", 180, TABLE6),
        ("single", 180, TABLE6),
        ("evaluation", 227, TABLE7),
        ("original", 227, TABLE7),
    ],
)
def test_the_maps_are_those_of_tables_6_and_7(form, size, table):
    shapes = sized(form).compute_output_shape((1, size, size, 3))
    wide = shapes.pop("pooled")[-1]
    assert shapes == {k: (1, table[k], table[k], WIDE[k]) for k in WIDE}
    assert wide == (4096 if size == 227 else 256)


def test_a_half_has_half_of_the_channels():
    shapes = sized("half").compute_output_shape((1, 180, 180, 3))
    assert {k: shapes[k][-1] for k in WIDE} == {k: v // 2 for k, v in WIDE.items()}


def test_the_strides_of_larssons_are_those_of_his_hypercolumns():
    info = backbones.feature_info(sized("larsson"))
    strides = {stage["name"]: stage["stride"] for stage in info}
    taps = {"conv1": 4, "conv2": 8, "conv3": 16, "conv4": 16, "conv5": 16}
    taps |= {"fc6": 32, "fc7": 32}
    assert taps.items() <= strides.items()
    columns = sum(stage["channels"] for stage in info if stage["name"] in taps)
    assert 1 + columns == 9569  # With the gray image itself: sheet, section 1.4.


def test_the_fixed_form_takes_227_pixels_or_the_size_that_is_given():
    assert sized("evaluation").input_shape == (None, 227, 227, 3)
    assert sized("original", size=224).input_shape == (None, 224, 224, 3)
    anywhere = sized("original", size=0)
    assert anywhere.input_shape == (None, None, None, 3)
    assert anywhere.compute_output_shape((1, 300, 259, 3))["fc7"] == (1, 4, 2, 4096)
    assert anywhere.output["pooled"].shape[-1] == 256


def test_a_cell_looks_at_a_square_around_pixel_16_i_16_j():
    """With means in place of maxima it is linear, and its gradient all that it sees.

    195 pixels at pool5: 11, and 2 * 4, 4 * 8, 2 * 8, 3 * 2 * 16 and 2 * 16 more.
    """
    net = backbones.build("alexnet", form="single", pixels="unit", width=1 / 48)

    def averaging(layer):
        config = layer.get_config()
        pool = isinstance(layer, keras.layers.MaxPooling2D)
        kind = keras.layers.AveragePooling2D if pool else type(layer)
        return kind.from_config(config)

    net = keras.models.clone_model(net, clone_function=averaging)
    for weight in net.trainable_weights:
        weight.assign(np.ones(weight.shape))
    images = tf.ones((1, 256, 256, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        cell = net(images)["pool5"][0, 7, 8, 0]
    seen = np.abs(tape.gradient(cell, images)[0, :, :, 0])
    rows, columns = np.flatnonzero(seen.sum(1)), np.flatnonzero(seen.sum(0))
    assert (rows[0], rows[-1]) == (16 * 7 - 97, 16 * 7 + 97)
    assert (columns[0], columns[-1]) == (16 * 8 - 97, 16 * 8 + 97)
    seen = seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_allclose(seen, seen[::-1, ::-1], rtol=1e-3)


# Against NumPy in float64, written out from the sheet's tables.


def windows(x, size, stride=1, dilation=1):
    """`[n, h, w, c]` -> `[n, rows, columns, c, size, size]`."""
    reach = (size - 1) * dilation + 1
    every = np.lib.stride_tricks.sliding_window_view(x, (reach, reach), axis=(1, 2))
    return every[:, ::stride, ::stride, :, ::dilation, ::dilation]


def padded(x, before, behind, value=0.0):
    sides = [(0, 0), (before, behind), (before, behind), (0, 0)]
    return np.pad(x, sides, constant_values=value)


def written_out(
    net, x, conv1=0, pool=0, stride5=2, fc6=0, dilation=1, groups=(), stride1=4
):
    """{name: features} by the weights of `net` of what conv1 is shown."""
    known = {weight.path: np.asarray(weight, "float64") for weight in net.weights}
    has_lrn = any(isinstance(layer, layers.LRN) for layer in net.layers)

    def conv(x, name, stride=1, pad=0, dilation=1):
        kernel, parts = known[f"{name}/kernel"], 2 if name in groups else 1
        sides = pad if isinstance(pad, tuple) else (pad, pad)
        seen = windows(padded(x, *sides), len(kernel), stride, dilation)
        pairs = zip(np.split(seen, parts, axis=3), np.split(kernel, parts, axis=-1))
        each = [np.tensordot(a, b, [(3, 4, 5), (2, 0, 1)]) for a, b in pairs]
        y = np.concatenate(each, axis=-1) + known[f"{name}/bias"]
        if f"{name}_bn/moving_mean" in known:
            y -= known[f"{name}_bn/moving_mean"]
            y /= np.sqrt(known[f"{name}_bn/moving_variance"] + 1e-5)
        return np.maximum(y, 0)

    def lrn(x):
        squares = np.pad(x**2, [(0, 0)] * 3 + [(2, 2)])
        around = np.lib.stride_tricks.sliding_window_view(squares, 5, axis=-1)
        return x / (1 + 1e-4 / 5 * around.sum(-1)) ** 0.75 if has_lrn else x

    def pooled(x, stride=2):
        count = math.ceil((x.shape[1] + 2 * pool - 3) / stride) + 1
        behind = (count - 1) * stride + 3 - x.shape[1] - pool
        x = padded(x, pool, behind, -np.inf)
        return windows(x, 3, stride).max((4, 5))

    y, how = {}, dict(stride=stride1, pad=conv1)
    if "conv1_first/kernel" in known:
        stems = [conv(x[..., :1], "conv1_first", **how)]
        stems += [conv(x[..., 1:], "conv1_rest", **how)]
        y["conv1"] = np.concatenate(stems, axis=-1)
    else:
        y["conv1"] = conv(x, "conv1", **how)
    y["pool1"] = pooled(lrn(y["conv1"]))
    y["conv2"] = conv(y["pool1"], "conv2", pad=2)
    y["pool2"] = pooled(lrn(y["conv2"]))
    y["conv3"] = conv(y["pool2"], "conv3", pad=1)
    y["conv4"] = conv(y["conv3"], "conv4", pad=1)
    y["conv5"] = conv(y["conv4"], "conv5", pad=1)
    y["pool5"] = pooled(y["conv5"], stride5)
    y["fc6"] = conv(y["pool5"], "fc6", pad=fc6, dilation=dilation)
    y["fc7"] = conv(y["fc6"], "fc7")
    vector = y["fc7"].shape[1:3] == (1, 1)
    return y | {"pooled": y["fc7" if vector else "pool5"].mean((1, 2))}


TWO = ("conv2", "conv4", "conv5")
ALL = (*TWO, "conv3", "fc6", "fc7")
DENSE = dict(conv1=5, pool=1, stride5=1, fc6=5, dilation=2)
SMALL = dict(conv1=5, pool=1, stride5=1, fc6=(2, 3), stride1=2)


def lab(images):
    return skimage.color.rgb2lab(images) - [50, 0, 0]


def gray(images):
    return images.mean(-1, keepdims=True, dtype="float64") - 114.451 / 255


def bytes_around_a_mean(images):
    return 255 * np.float64(images) - [122.7717, 115.9465, 102.9801]


def light(images):
    return lab(images)[..., :1]


def colour(images):
    return lab(images)[..., 1:]


GRAY = dict(scale=3)


@pytest.mark.parametrize(
    "form, options, size, shown, reference",
    [
        ("original", {}, 227, bytes_around_a_mean, dict(groups=TWO)),
        ("original", dict(layout="full", size=224), 224, bytes_around_a_mean, {}),
        ("original", dict(size=0), 244, bytes_around_a_mean, dict(groups=TWO)),
        ("split", {}, 180, lab, dict(DENSE, groups=ALL)),
        ("split", {}, 97, lab, dict(DENSE, groups=ALL)),
        ("split", dict(geometry="small"), 32, lab, dict(SMALL, groups=ALL)),
        ("split", dict(pixels="l"), 64, light, dict(DENSE, groups=ALL)),
        ("half", dict(pixels="ab"), 70, colour, DENSE),
        ("single", dict(pixels="l"), 70, light, dict(DENSE, groups=TWO)),
        ("evaluation", {}, 227, lab, dict(groups=ALL)),
        ("larsson", dict(geometry="fixed") | GRAY, 227, gray, dict(groups=TWO)),
        (
            "larsson",
            dict(norm="bn", geometry="dense") | GRAY,
            66,
            gray,
            dict(DENSE, groups=TWO),
        ),
    ],
)
def test_every_form_is_what_the_tables_say(form, options, size, shown, reference):
    net, images = alexnet(form, **options), photos(size)
    expected = written_out(net, shown(images), **reference)
    found = net(images, training=False)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        near(found[name], value)


def test_on_any_size_larssons_pads_as_tensorflow():
    """Of conv1 at 227 pixels 4 and 4, at 224 first 3 and then 4; and strides divide."""
    net = alexnet("larsson", **GRAY)
    shapes = net.compute_output_shape((1, 224, 224, 3))
    sides = dict(zip(WIDE, (56, 28, 28, 14, 14, 14, 14, 7, 7, 7)))
    assert {name: shapes[name][1] for name in WIDE} == sides
    for size, pads in ((227, (4, 4)), (224, (3, 4))):
        images = photos(size, 1)
        shown = padded(gray(images), *pads)
        expected = written_out(net, shown, groups=TWO)["conv1"]
        near(net(images)["conv1"], expected)


# Two halves in one network.


def halves_and_whole(**options):
    """Two halves, and the split network of the same weights, set one by one."""
    left, right = alexnet("half", **options), alexnet("half", pixels="ab", **options)
    for weight in right.weights:
        weight.assign(weight[..., ::-1])  # Other weights than those of the left.
    whole = alexnet("split", **options)
    for a, b in zip(left.weights, right.weights):
        if a.path.startswith("conv1"):
            first, rest = (a.path.replace("conv1", f"conv1_{s}") for s in STEMS)
            put(whole, {first: a, rest: b})
        else:
            put(whole, {a.path: np.concatenate([a, b], axis=-1)})
    return left, right, whole


STEMS = ("first", "rest")


def put(net, values):
    places = {weight.path: weight for weight in net.weights}
    for path, value in values.items():
        places[path].assign(value)


def side_by_side(left, right, images, training=False):
    pair = [half(images, training=training) for half in (left, right)]
    return {k: np.concatenate([y[k] for y in pair], axis=-1) for k in pair[0]}


def test_a_split_network_is_its_two_halves():
    """In training too, where each channel is normalised by itself."""
    left, right, whole = halves_and_whole()
    for training in (True, False):
        found = whole(photos(64), training=training)
        expected = side_by_side(left, right, photos(64), training)
        for name in found:
            near(found[name], expected[name], 1e-5)
    near(
        whole.get_layer("conv5_bn").moving_variance[8:],
        right.get_layer("conv5_bn").moving_variance,
        1e-5,
    )


def test_neither_half_sees_what_the_other_sees():
    net = alexnet("split")
    behind = keras.Model(net.get_layer("lab").output, net.output)
    colours = tf.constant(lab(photos(64, 1)), tf.float32)
    assert set(behind.output) == set(net.output)
    for half in (0, 1):
        with tf.GradientTape() as tape:
            tape.watch(colours)
            every = behind(colours, training=True).values()
            seen = [tf.split(feature, 2, axis=-1)[half] for feature in every]
        slope = np.abs(tape.gradient(seen, colours))
        both = slope[..., :1], slope[..., 1:]
        own, other = both[half], both[1 - half]
        assert not other.any() and own.any(axis=(0, 1, 2)).all()


@pytest.mark.parametrize("layout", ["split", "grouped"])
def test_two_halves_are_carried_into_one_network(layout):
    left, right, _ = halves_and_whole()
    whole = alexnet("split", layout=layout, norm="none")
    carry([left, right], whole)
    found = whole(photos(100))
    for name, value in side_by_side(left, right, photos(100)).items():
        near(found[name], value)


def test_where_the_published_file_has_no_groups_there_are_zeros():
    left, right, _ = halves_and_whole()
    whole = alexnet("evaluation", layout="grouped")
    carry([left, right], whole)
    for name, apart in (("conv1", 1), ("conv3", 8), ("fc6", 8), ("fc7", 128)):
        kernel = np.asarray(whole.get_layer(name).kernel)
        middle = kernel.shape[-1] // 2
        assert not kernel[:, :, :apart, middle:].any()
        assert not kernel[:, :, apart:, :middle].any()
        assert kernel[:, :, :apart, :middle].all()
        assert kernel[:, :, apart:, middle:].all()


def test_what_was_pretrained_is_evaluated_with_the_same_weights():
    """Table 6 to Table 7: its BN in the weights, other paddings, strides, dilation."""
    left, right, whole = halves_and_whole()
    images = photos(227, 1)
    expected = written_out(whole, lab(images), groups=ALL)
    for sources, layout in ((whole, "split"), ([left, right], "grouped")):
        net = alexnet("evaluation", layout=layout)
        carry(sources, net)
        found = net(images)
        for name, value in expected.items():
            near(found[name], value)


def test_the_ensemble_is_two_halves_that_see_l():
    left, right = alexnet("half"), alexnet("half")
    for weight in right.weights:
        weight.assign(weight[..., ::-1])
    whole = alexnet("split", pixels="l", norm="none")
    carry([left, right], whole)
    found = whole(photos(64))
    for name, value in side_by_side(left, right, photos(64)).items():
        near(found[name], value)


@pytest.mark.parametrize(
    "source, target, message",
    [
        (dict(form="single"), dict(), "conv1_first of alexnet_evaluation wants"),
        (
            dict(form="half"),
            dict(layout="half", width=1 / 8),
            "width, pixels or layout",
        ),
        (dict(form="split"), dict(norm="bn"), 'norm="none"'),
        (dict(form="original"), dict(), "has LRN"),
        (dict(form="release"), dict(), 'data_lab.*form="release"'),
    ],
)
def test_what_does_not_fit_is_not_carried(source, target, message):
    with pytest.raises(BadInput, match=message):
        carry(alexnet(**source), alexnet("evaluation", **target))


# What every backbone owes.


@pytest.mark.parametrize("form", FORMS)
def test_it_can_be_saved_and_read_back(form, tmp_path):
    net = alexnet(form)
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = photos(net.input_shape[1] or 64)
    found, expected = again(images), net(images)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_folded_it_has_no_normalisation_left():
    net = alexnet("split")
    twin = fold.folded(net)
    kinds = {type(layer) for layer in twin.layers}
    assert not kinds & {layers.BatchNorm, fold.Affine}
    near(twin(photos(64))["fc7"], net(photos(64))["fc7"])


def test_only_in_training_fc6_and_fc7_are_dropped():
    net, images = alexnet(size=0), photos(227)
    quiet, loud = net(images), net(images, training=True)
    np.testing.assert_array_equal(loud["pool5"], quiet["pool5"])
    quiet, loud = np.asarray(quiet["fc6"]), np.asarray(loud["fc6"])
    kept = loud > 0
    near(loud[kept], 2 * quiet[kept])
    assert 0.3 < kept.sum() / (quiet > 0).sum() < 0.7


ELSEWHERE = """
import sys
import keras, numpy as np
import sslzoo.backbones
net, images, found = sys.argv[1:]
features = keras.models.load_model(net).predict(np.load(images), verbose=0)
np.savez(found, **features)
"""


@pytest.mark.parametrize(
    "backend, form, options",
    [
        pytest.param("jax", "split", {}, marks=pytest.mark.slow),
        pytest.param("jax", "larsson", GRAY, marks=pytest.mark.slow),
        pytest.param("torch", "split", {}, marks=pytest.mark.slow),
        pytest.param("torch", "larsson", GRAY, marks=pytest.mark.slow),
    ],
)
def test_other_backends_give_the_same(backend, form, options, tmp_path):
    pytest.importorskip(backend)
    net, images, found = (tmp_path / f for f in ("net.keras", "images.npy", "y.npz"))
    here = alexnet(form, **options)
    here.save(net)
    np.save(images, photos(70))
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, net, images, found],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
    )
    with np.load(found) as features:
        for name, value in here(photos(70)).items():
            near(features[name], value)


@pytest.mark.parametrize(
    "options, error, message",
    [
        (dict(form="splitt"), UnknownName, "Did you mean 'split'"),
        (dict(layout="group"), UnknownName, "Did you mean 'grouped'"),
        (dict(geometry="fix"), UnknownName, "fixed, dense, small, same"),
        (dict(norm="batch"), UnknownName, "lrn, bn, none"),
        (dict(pixels="labs"), UnknownName, "Did you mean 'lab'"),
        (dict(size=64), BadInput, "pool5 has 1 cells.* 227 or 224"),
        (dict(size=5), BadInput, "pool5 has 0 cells"),
        (dict(form="split", norm="lrn"), BadInput, "mixes the two halves"),
        (dict(width=0), BadInput, "width=0"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        backbones.build("alexnet", **options)


def test_colours_are_carried_with_their_own_scales():
    source, target = alexnet("release"), alexnet("release")
    for weight in source.get_layer("data_lab").weights:
        weight.assign([0.5, 0.25, 2.0])
    carry(source, target)
    images = photos(227, 1)
    near(target(images)["pool5"], np.asarray(source(images)["pool5"]))

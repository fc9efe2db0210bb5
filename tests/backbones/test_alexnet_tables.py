"""AlexNet's sizes are those of the papers: the sheet's sections 1.1 to 1.3."""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones
from tests.backbones.alexnets import WIDE


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

"""Every form of AlexNet gives what NumPy gives of the same weights."""

import numpy as np
import pytest

from tests.backbones.alexnets import (
    ALL,
    GRAY,
    TWO,
    WIDE,
    alexnet,
    lab,
    near,
    padded,
    photos,
    written_out,
)

DENSE = dict(conv1=5, pool=1, stride5=1, fc6=5, dilation=2)
SMALL = dict(conv1=5, pool=1, stride5=1, fc6=(2, 3), stride1=2)


def gray(images):
    return images.mean(-1, keepdims=True, dtype="float64") - 114.451 / 255


def bytes_around_a_mean(images):
    return 255 * np.float64(images) - [122.7717, 115.9465, 102.9801]


def light(images):
    return lab(images)[..., :1]


def colour(images):
    return lab(images)[..., 1:]


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

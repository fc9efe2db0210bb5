"""How each backbone begins, and the constants of its batch normalisation: as the code
of the papers has them, by the facts sheets whose sections are named.
"""

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.backbones.layers import BatchNorm

# A normal distribution cut at two sigma has this part of its deviation left.
LEFT = 0.87962566
# The largest that is drawn, in standard deviations.
LARGEST = {"uniform": 3**0.5, "truncated": 2 / LEFT, "normal": math.inf}


@dataclasses.dataclass(frozen=True)
class Begin:
    name: str
    options: dict
    kind: str  # of `LARGEST`
    spread: Callable  # (name of a layer, fan in, fan out) -> standard deviation
    norm: tuple | None  # momentum, epsilon, and whether there are gamma and beta
    zeros: str = "none"  # how the names of norms end whose gamma begins at zero
    ones: tuple = ()  # the layers whose bias begins at one


def haiku(name, fan_in, fan_out):
    return LEFT * fan_in**-0.5


def lecun(name, fan_in, fan_out):
    return fan_in**-0.5


def glorot(name, fan_in, fan_out):
    return (2 / (fan_in + fan_out)) ** 0.5


def he(name, fan_in, fan_out):
    return (2 / fan_in) ** 0.5


def he_fan_out(name, fan_in, fan_out):
    return (2 / fan_out) ** 0.5


def krizhevsky(name, fan_in, fan_out):
    return 0.005 if name.startswith("fc") else 0.01


TF1 = (0.99, 1e-3, True)  # tf.layers.batch_normalization: revisiting, 1.1.
SLIM = (0.997, 1e-5, True)  # multitask, 1.2.
CAFFE = (0.999, 1e-5, False)  # color_proxy, 1.7; split_brain, 1.2 and 4.2.
HAIKU = (0.9, 1e-5, True)  # byol, 1.5.
ONES = ("conv2", "conv4", "conv5", "fc6", "fc7")  # Krizhevsky's section 5.

BEGINNINGS = [
    # byol, 1.5: truncated without correction; the last gamma at one, as its results
    # had it, though Haiku has zero.
    Begin("resnet18", {}, "truncated", haiku, HAIKU),
    Begin("resnet50", {}, "truncated", haiku, HAIKU),
    Begin("resnet50", dict(zero_last=True), "truncated", haiku, HAIKU, "_3_bn"),
    # byol, 3: variance scaling, as TensorFlow 1 has it; the last gamma at zero.
    Begin("resnet18", dict(style="simclr"), "truncated", lecun, HAIKU, "_2_bn"),
    Begin("resnet50", dict(style="simclr"), "truncated", lecun, HAIKU, "_3_bn"),
    # torchvision's own code; byol, 2.4, has its normalisation.
    Begin("resnet18", dict(style="torch"), "normal", he_fan_out, HAIKU),
    # revisiting, 1.1, of all of its networks.
    Begin("resnet50", dict(style="revisiting"), "uniform", glorot, TF1),
    Begin("resnet18v2", {}, "uniform", glorot, TF1),
    Begin("resnet50v2", {}, "uniform", glorot, TF1),
    Begin("revnet50", {}, "uniform", glorot, TF1),
    Begin("vgg19bn", dict(image_size=64), "uniform", glorot, TF1),
    # multitask, 1.2.
    Begin("resnet50slim", dict(blocks=4), "truncated", he, SLIM),
    # color_proxy, 3: Caffe's xavier, of variance 1 / fan in. ResNet's gamma and beta,
    # which only learn later (1.5), begin as the others'.
    Begin("vgg16", {}, "uniform", lecun, CAFFE),
    Begin("alexnet", dict(form="larsson"), "uniform", lecun, None),
    Begin("alexnet", dict(form="larsson", norm="bn"), "uniform", lecun, CAFFE),
    Begin("resnet50", dict(style="caffe"), "uniform", lecun, (0.999, 1e-5, True)),
    # split_brain, 1.4 and 4.2.
    Begin("alexnet", {}, "normal", krizhevsky, None, ones=ONES),
    Begin("alexnet", dict(form="split"), "normal", krizhevsky, CAFFE, ones=ONES),
    Begin("alexnet", dict(form="single"), "normal", krizhevsky, CAFFE, ones=ONES),
    Begin("alexnet", dict(form="half"), "normal", krizhevsky, CAFFE, ones=ONES),
]


def title(begin):
    return "-".join([begin.name, *map(str, begin.options.values())])


def of_kind(model, kind):
    """Layers, those of RevNet's units too."""
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, kind)]


@pytest.mark.parametrize("begin", BEGINNINGS, ids=title)
def test_a_network_begins_as_in_the_code_of_its_paper(begin):
    model = backbones.build(begin.name, **{"width": 1 / 8, **begin.options})
    drawn = 0
    for layer in of_kind(model, keras.layers.Conv2D):
        kernel = np.asarray(layer.kernel, "float64")
        place = math.prod(kernel.shape[:2])
        fans = place * kernel.shape[2], place * kernel.shape[3]
        expected = begin.spread(layer.name, *fans)
        # The error of a deviation, of any of these, is below expected / sqrt(2 n).
        assert abs(kernel.std() / expected - 1) < 5 / (2 * kernel.size) ** 0.5
        largest = np.abs(kernel).max() / expected
        assert largest <= LARGEST[begin.kind] * (1 + 1e-6)
        if kernel.size > 5000:  # Then one is near it; of a normal one, beyond others'.
            assert largest > min(0.95 * LARGEST[begin.kind], 2.5)
            drawn += 1
        if layer.use_bias:
            bias = 1.0 if layer.name.partition("_")[0] in begin.ones else 0.0
            assert set(np.asarray(layer.bias)) == {bias}
    assert drawn > 2


@pytest.mark.parametrize("begin", BEGINNINGS, ids=title)
def test_batch_normalisation_is_that_of_the_code_of_its_paper(begin):
    model = backbones.build(begin.name, **{"width": 1 / 16, **begin.options})
    norms = of_kind(model, BatchNorm)
    assert bool(norms) == (begin.norm is not None)
    for norm in norms:
        momentum, epsilon, affine = begin.norm
        assert (norm.momentum, norm.epsilon) == (momentum, epsilon)
        assert (norm.center, norm.scale) == (affine, affine)
        assert not np.any(norm.moving_mean) and np.all(norm.moving_variance == 1)
        if affine:
            zero = norm.name.startswith("block") and norm.name.endswith(begin.zeros)
            assert set(np.asarray(norm.gamma)) == {0.0 if zero else 1.0}
            assert not np.any(norm.beta)


def test_every_family_is_here():
    found = {backbones.BUILDERS[begin.name] for begin in BEGINNINGS}
    found = {getattr(build, "func", build) for build in found}
    families = {getattr(f, "func", f) for f in backbones.BUILDERS.values()}
    own = {
        backbones.BUILDERS[name] for name in ("tiny", "split")
    }  # No paper's; halves.
    assert found == families - own

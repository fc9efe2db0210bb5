"""Parameters of every backbone at full width: of a list of its convolutions, written
out from the papers' tables; which must give what is published of it.
"""

import math

import keras
import pytest

from sslzoo import backbones

# He et al., 2015, Table 1; of 200 layers He et al., 2016.
UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
UNITS |= {152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}


def counted(name, **options):
    """What is learned of a network whose weights have shapes, and no values."""
    with keras.StatelessScope(initialize_variables=False):
        model = backbones.build(name, **options)
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def conv(side, inputs, outputs, bias=False):
    return side**2 * inputs * outputs + bias * outputs


def norm(channels):
    return 2 * channels  # gamma and beta


def resnet(depth, kind="v1", width=1, blocks=4, project=False):
    """`kind`: "v1", each convolution with a norm behind it; "v2", with one before it
    and one at the end; "slim", as v2, with biases where no norm follows.
    """
    v1, biased, deep = kind == "v1", kind == "slim", depth >= 50
    x = base = 64 * width
    total = conv(7, 3, base, biased) + v1 * norm(base)
    for block, units in enumerate(UNITS[depth][:blocks]):
        inner = base * 2**block
        outer = 4 * inner if deep else inner
        for index in range(units):
            row = [(1, x, inner), (3, inner, inner), (1, inner, outer)]
            row = row if deep else [(3, x, inner), (3, inner, inner)]
            total += sum(conv(*shape) for shape in row) + biased * outer
            total += sum(norm(o if v1 else i) for _, i, o in row)
            if x != outer or (project and index == 0):
                total += conv(1, x, outer, biased) + v1 * norm(outer)
            x = outer
    return total if v1 else total + norm(x)


def revnet(k):
    """F works on half of the channels: C/2 -> C/8 -> C/8 -> C/2."""
    c, total = 64 * k, conv(7, 3, 64 * k)
    for units in UNITS[50]:
        row = (1, c // 2, c // 8), (3, c // 8, c // 8), (1, c // 8, c // 2)
        total += units * sum(conv(*shape) + norm(shape[1]) for shape in row)
        c *= 2
    return total + norm(c // 2)


def vgg(counts, k, inputs, side, bias, normed):
    """Of 8k channels first, 64k last, and 512k in fc6 and fc7."""
    x, row = inputs, []
    for factor, count in zip((8, 16, 32, 64, 64), counts):
        for _ in range(count):
            row.append((3, x, factor * k))
            x = factor * k
    row += [(side, x, 512 * k), (1, 512 * k, 512 * k)]
    return sum(conv(*shape, bias) + normed * norm(shape[-1]) for shape in row)


def vgg19bn(k, side):
    return vgg((2, 2, 4, 4, 4), k, 3, side, bias=False, normed=True)


VGG16 = (2, 2, 3, 3, 3)
LARSSONS_VGG16 = vgg(VGG16, 8, 1, 7, bias=True, normed=False)  # BN without parameters.
PLAIN_VGG16 = vgg(VGG16, 8, 3, 7, bias=True, normed=False)
FC = 1000 * (2048 + 1)  # What stands on 2048 features, and is none of a backbone.
FC4096 = 1000 * (4096 + 1)


def alexnet(inputs=3, groups=2):
    row = (11, inputs, 96), (5, 96 // groups, 256), (3, 256, 384)
    row += (3, 384 // groups, 384), (3, 384 // groups, 256), (6, 256, 4096)
    return sum(conv(*shape, bias=True) for shape in (*row, (1, 4096, 4096)))


PUBLISHED = [
    # torchvision's documentation, with its classifier.
    (resnet(18) + 1000 * 513, 11_689_512),
    (resnet(34) + 1000 * 513, 21_797_672),
    (resnet(50) + FC, 25_557_032),
    (resnet(101) + FC, 44_549_160),
    (resnet(152) + FC, 60_192_808),
    (PLAIN_VGG16 + FC4096, 138_357_544),
    # Sheet byol, 1.5: exactly.
    (resnet(50), 23_508_032),
    (resnet(50, width=2), 93_907_072),
    (resnet(50, width=4), 375_378_176),
    (resnet(200), 62_624_832),
    (resnet(200, width=2), 250_128_512),
    # Sheet revisiting, 1.5: exactly.
    (resnet(50, "v2"), 23_500_352),
    (revnet(4), 5_408_640),
    (vgg19bn(8, 7) + FC4096, 143_680_936),
    # keras.applications' ResNet50V2 .. 152V2 are built like slim's: what they train.
    (resnet(50, "slim"), 23_519_360),
    (resnet(101, "slim"), 42_528_896),
    (resnet(152, "slim"), 58_187_904),
    # Sheet split_brain, 1.1.
    (alexnet(), 56_868_224),
]


@pytest.mark.parametrize("found, published", PUBLISHED)
def test_the_lists_give_what_is_published(found, published):
    assert found == published


MILLIONS = [
    # Sheet byol, 5.1 (the paper's Table 1).
    (resnet(50), "24"),
    (resnet(101), "43"),
    (resnet(152), "58"),
    (resnet(200), "63"),
    (resnet(50, width=2), "94"),
    (resnet(101, width=2), "170"),
    (resnet(50, width=3), "211"),
    (resnet(152, width=2), "232"),
    (resnet(200, width=2), "250"),
    (resnet(50, width=4), "375"),
    (resnet(101, width=3), "382"),
    (resnet(152, width=3), "522"),
    # Sheet revisiting, 1.5: k = 4, 8, 12, 16.
    *zip([resnet(50, "v1", k) for k in (1, 2, 3, 4)], "23.51 93.9 211.2 375.4".split()),
    *zip([resnet(50, "v2", k) for k in (1, 2, 3)], "23.50 93.9 211.2".split()),
    # With its logits: the sheet's 375.4 without them is 375.347.
    (resnet(50, "v2", 4) + 1000 * (4 * 2048 + 1), "383.5"),
    *zip([revnet(k) for k in (4, 8, 12, 16)], "5.41 21.5 48.3 85.8".split()),
    *zip([vgg19bn(k, 7) for k in (4, 8, 12, 16)], "34.9 139.6 314 558".split()),
    *zip([vgg19bn(k, 2) for k in (4, 8, 12, 16)], "11.3 45.2 102 181".split()),
    # Sheet multitask, 1.2. The paper's "30" and "20" are not slim's.
    (resnet(101, "slim", blocks=3), "27.56"),
    (resnet(101, "slim") - resnet(101, "slim", blocks=3), "14.97"),
]


@pytest.mark.parametrize("found, millions", MILLIONS)
def test_the_lists_give_the_millions_of_the_sheets(found, millions):
    digits = len(millions.partition(".")[2])
    assert f"{found / 1e6:.{digits}f}" == millions


BYOLS = dict(project=True)  # Its shortcuts of group 1 are convolutions at any depth.
LIGHT, COLOUR = conv(7, 1, 32), conv(7, 2, 32)  # The roots of two halves.
NETWORKS = [
    *[(f"resnet{depth}", {}, resnet(depth, **BYOLS)) for depth in UNITS],
    *[(f"resnet{d}", dict(style="torch"), resnet(d)) for d in (18, 34)],
    *[(f"resnet{depth}v2", {}, resnet(depth, "v2")) for depth in UNITS],
    *[(f"resnet{d}slim", {}, resnet(d, "slim", blocks=3)) for d in (50, 101, 152, 200)],
    *[(f"resnet{d}slim", dict(blocks=4), resnet(d, "slim")) for d in (50, 101)],
    ("resnet50", dict(width=4), resnet(50, width=4)),
    ("resnet50v2", dict(width=4), resnet(50, "v2", 4)),
    ("resnet18v2", dict(last_relu=False), resnet(18, "v2")),
    ("resnet152", dict(style="caffe"), resnet(152) - 2 * conv(7, 1, 64)),
    ("revnet50", {}, revnet(4)),
    ("revnet50", dict(width=4), revnet(16)),
    ("vgg16", {}, LARSSONS_VGG16),
    ("vgg16", dict(norm=False, fc6="valid", pixels="imagenet"), PLAIN_VGG16),
    ("vgg19bn", {}, vgg19bn(8, 7)),
    ("vgg19bn", dict(width=2, image_size=64), vgg19bn(16, 2)),
    ("alexnet", {}, alexnet()),
    ("alexnet", dict(form="larsson"), alexnet(inputs=1)),
    ("alexnet", dict(form="original", layout="full"), alexnet(groups=1)),
    (
        "split",
        {},
        2 * (resnet(18, width=0.5) - conv(7, 3, 32)) + LIGHT + COLOUR,
    ),
]


@pytest.mark.parametrize("name, options, count", NETWORKS)
def test_a_network_of_full_width_has_what_its_list_has(name, options, count):
    assert counted(name, **options) == count


def test_every_builder_is_counted():
    assert {name for name, *_ in NETWORKS} == {*backbones.BUILDERS} - {"tiny"}

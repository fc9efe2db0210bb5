"""Two halves in one AlexNet, and what is carried from one network into another."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.backbones.alexnet import carry
from sslzoo.errors import BadInput
from tests.backbones.alexnets import ALL, alexnet, lab, near, photos, written_out

STEMS = ("first", "rest")


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


def test_colours_are_carried_with_their_own_scales():
    source, target = alexnet("release"), alexnet("release")
    for weight in source.get_layer("data_lab").weights:
        weight.assign([0.5, 0.25, 2.0])
    carry(source, target)
    images = photos(227, 1)
    near(target(images)["pool5"], np.asarray(source(images)["pool5"]))

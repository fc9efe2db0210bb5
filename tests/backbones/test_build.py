"""What every backbone refuses, whichever it is."""

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.errors import BadInput, UnknownName

NAMES = ["tiny", "alexnet", "resnet18", "resnet50v2", "resnet101slim", "revnet50"]
NAMES += ["vgg16", "vgg19bn", "split"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "width", [0, -1, float("nan"), float("inf"), "2x", True, [1], 1e-9]
)
def test_a_width_that_is_none_is_named(name, width):
    with pytest.raises(BadInput, match="^width="):
        backbones.build(name, width=width)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"tiny"}))
@pytest.mark.parametrize("channels", [0, -1, 2.5, "3", True, None])
def test_channels_that_are_none_are_named(name, channels):
    with pytest.raises(BadInput, match="^channels=.*1 or more, such as 3 of RGB"):
        backbones.build(name, channels=channels)


def test_numbers_of_numpy_are_numbers():
    options = dict(width=np.float32(1 / 16), channels=np.int64(1))
    assert backbones.build("resnet18", **options).input_shape[-1] == 1


def test_every_family_is_here():
    made = {name: backbones.BUILDERS[name] for name in NAMES}
    families = {getattr(f, "func", f) for f in backbones.BUILDERS.values()}
    assert {getattr(f, "func", f) for f in made.values()} == families


def test_a_name_that_is_none_has_a_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'resnet50'"):
        backbones.build("resnet5")


def test_an_option_that_is_none_is_named_with_those_that_there_are():
    with pytest.raises(UnknownName) as caught:
        backbones.build("resnet50v2", lastrelu=False)
    assert "no option 'lastrelu'. Did you mean 'last_relu'? It has: " in str(
        caught.value
    )
    with pytest.raises(UnknownName, match="'output_stride' is of: .*resnet101slim"):
        backbones.build("resnet101v2", output_stride=8)  # The multi-task trunk's.
    for depth in (18, "v2"):  # Which its name says.
        with pytest.raises(UnknownName, match="no option 'depth'"):
            backbones.build("resnet50", depth=depth)


@pytest.mark.parametrize(
    "name, options", [("resnet18v2", {"last_relu": False}), ("resnet50slim", {})]
)
def test_it_is_stored_and_read_back(name, options, tmp_path):
    """Of the families that no other file has here."""
    net = backbones.build(name, width=1 / 32, **options)
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = np.random.default_rng(0).random((2, 33, 33, 3), np.float32)
    found, expected = again(images), net(images)
    assert list(found) == list(expected)
    for feature, value in expected.items():
        np.testing.assert_array_equal(found[feature], value)

"""What is known of images by their names, and of others nothing."""

import pytest

from sslzoo.data import sources, terms


@pytest.mark.parametrize(
    "spec, words",
    [
        ("npz:cifar10_jpeg.npz#train", "CIFAR-10 (JPEG copies), train"),
        ("npz:/data/cifar10_jpeg.npz#test", "CIFAR-10 (JPEG copies), test"),
        ("npz:cifar10_jpeg.npz", "CIFAR-10 (JPEG copies)"),
        ("tfds:cifar10/train", "CIFAR-10, train"),
        ("tfds:cifar10:3.0.2/train[:10%]", "CIFAR-10, train[:10%]"),
        ("tfds:imagenette/160px-v2/validation", "Imagenette, validation"),
        ("tfds:imagenette/160px-v2/train", "Imagenette, train"),
        ("tfds:imagenet2012/train", "ImageNet, train"),
        ("toyworld:test?count=5&size=64", "toy world, test"),
    ],
)
def test_images_are_known_by_their_names(spec, words):
    assert terms.words(spec) == words
    assert "not stated" not in terms.of(spec).licence


@pytest.mark.parametrize(
    "spec",
    [
        "folder:/photos/cifar10",
        "npz:my_cifar10_jpeg.npz#train",
        "tfds:cifar100/train",
        "npz:cifar10_jpeg.npz#train+folder:mine",
        "toyworld:train+folder:mine",
        "synthetic:8",
        "arrays",
        "",
    ],
)
def test_of_others_and_of_several_in_one_nothing_is_said(spec):
    assert terms.words(spec) == "" and terms.of(spec) == terms.Terms()
    assert terms.Terms().licence == terms.Terms().weights == "not stated"


def test_a_source_is_known_as_its_spec_is():
    assert terms.words(sources.from_spec("toyworld:train?count=8").name) == (
        "toy world, train"
    )


def test_all_that_is_known_says_what_it_is_not_for():
    for key, known in terms.KNOWN.items():
        if known.weights != "not stated":
            assert any("is not for" in words for words in known.limits), key
        assert all(words.endswith(".") for words in known.limits)

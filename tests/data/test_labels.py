"""Poorer labels: how many change, which classes meet, and who is told what."""

import json

import numpy as np
import pytest

from sslzoo.data import labels
from sslzoo.data.pipeline import Stream, training_batches
from sslzoo.data.sources import Arrays
from sslzoo.errors import BadInput, MissingFile

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def source(n=1000, classes=NAMES):
    images = np.random.default_rng(0).integers(0, 255, (n, 4, 4, 3), "uint8")
    return Arrays(images, np.arange(n) % len(classes), classes)


@pytest.mark.parametrize("space, part", [("E10", 0.1), ("E50", 0.5)])
def test_noise_draws_so_many_labels_anew(space, part):
    """Of those drawn a tenth is what it was: 10 classes."""
    original = source(10_000)
    noisy = labels.spaced(original, space)
    changed = np.mean(noisy.labels != original.labels)
    assert changed == pytest.approx(0.9 * part, abs=0.01)
    where = np.flatnonzero(noisy.labels != original.labels)
    assert where.mean() == pytest.approx(5000, rel=0.1)
    drawn = noisy.labels[noisy.labels != original.labels]
    assert np.bincount(drawn, minlength=10).min() > 0.08 * len(drawn)
    assert noisy.classes == original.classes


def test_noise_is_fixed_by_its_seed():
    one, same = (labels.noisy(source(), 0.5, seed=3).labels for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert (one != labels.noisy(source(), 0.5, seed=4).labels).any()
    np.testing.assert_array_equal(labels.noisy(source(), 0).labels, source().labels)


def test_random_buckets_are_even_and_keep_classes_whole():
    classes = [f"n{i:04d}" for i in range(1000)]
    original = source(3000, classes)
    for space, sizes in {"R50": {20}, "R16": {62, 63}}.items():
        found = labels.spaced(original, space)
        bucket = {}
        for label, new in zip(original.labels, found.labels):
            assert bucket.setdefault(label, new) == new
        counts = np.bincount([*bucket.values()])
        assert len(counts) == int(space[1:]) == labels.count(found)
        assert set(counts) == sizes
        neighbours = np.mean([bucket[i] == bucket[i + 1] for i in range(999)])
        assert neighbours < 0.1


@pytest.mark.parametrize(
    "count, groups",
    [
        (2, "bird cat deer dog frog horse | airplane automobile ship truck"),
        (3, "cat deer dog horse | bird frog | airplane automobile ship truck"),
        (4, "cat deer dog horse | bird frog | automobile truck | airplane ship"),
        (10, " | ".join(NAMES)),
    ],
)
def test_groups_follow_the_tree(count, groups):
    found = labels.spaced(source(), f"H{count}", labels.CIFAR10)
    together = {}
    for name, label in zip(NAMES, found.labels[:10]):
        together.setdefault(label, []).append(name)
    truth = {frozenset(group.split()) for group in groups.split(" | ")}
    assert {frozenset(group) for group in together.values()} == truth
    assert labels.count(found) == count == len(set(found.classes))


def test_a_tree_may_have_more_than_the_classes_and_come_from_a_file(tmp_path):
    tree = {"thing": {"x": ["a", "z"], "y": ["b", "unknown"]}, "rest": ["c"]}
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(tree))
    found = labels.hierarchical(source(6, ["a", "b", "c"]), path, 2)
    assert found.labels.tolist() == [0, 0, 1, 0, 0, 1]
    with pytest.raises(MissingFile, match="No tree of labels"):
        labels.hierarchical(source(), tmp_path / "none.json", 2)
    path.write_text("{")
    with pytest.raises(BadInput, match="is no JSON"):
        labels.hierarchical(source(), path, 2)


def test_a_tree_that_does_not_cover_the_labels_is_refused():
    tree = {"animal": ["cat", "dog", "horse"], "vehicle": ["ship"]}
    with pytest.raises(
        BadInput,
        match="lacks airplane, automobile, bird, deer, frog .*"
        " 6 of 10 classes. Add them",
    ):
        labels.hierarchical(source(), tree, 2)
    with pytest.raises(BadInput, match="lacks a, b, 2 of 2 classes"):
        labels.hierarchical(source(4, ["a", "b"]), tree, 2)


@pytest.mark.parametrize(
    "tree, words",
    [
        ({"a": "cat", "b": ["dog"]}, "has 'cat' where a branch should be"),
        ({"a": {"b": None}, "c": ["cat", "dog"]}, "has None where"),
        ({"a": [1, "cat"], "b": ["dog"]}, r"has \[1, 'cat'\] where"),
        (7, "has 7 where"),
        ({"a": ["cat", "dog"], "b": {"c": ["cat"]}}, "has cat in two places"),
    ],
)
def test_what_is_no_tree_is_told(tree, words):
    with pytest.raises(BadInput, match=words):
        labels.hierarchical(source(4, ["cat", "dog"]), tree, 2)


def test_a_tree_may_have_a_stranger_twice():
    tree = {"a": ["cat", "stranger"], "b": ["dog", "stranger"]}
    found = labels.hierarchical(source(4, ["cat", "dog"]), tree, 2)
    assert len({*found.labels}) == 2


@pytest.mark.parametrize(
    "space, words",
    [
        ("Z4", "labels='Z4': give E10"),
        ("E101", "cannot be random"),
        ("R11", "give a number from 2 to 10"),
        ("H1", "give a number from 2 to 10"),
        ("H2", "wants a tree"),
    ],
)
def test_a_space_that_cannot_be_is_told(space, words):
    tree = None if space == "H2" else labels.CIFAR10
    with pytest.raises(BadInput, match=words):
        labels.spaced(source(), space, tree)


def test_a_sample_has_so_many_of_each_class():
    few = labels.per_class(source(), 7)
    assert np.bincount(few.labels).tolist() == 10 * [7]
    assert labels.per_class(source(), 0).count == 1000
    assert (few.indices != labels.per_class(source(), 7, seed=1).indices).any()
    with pytest.raises(BadInput, match="has 100 images of airplane, not 101"):
        labels.per_class(source(), 101)
    assert labels.first(source(), 30).count == 30
    assert labels.first(source(), 0).count == labels.first(source(), 5000).count == 1000


def test_a_part_is_of_each_class_and_of_the_rare_one_image():
    """A twentieth of 100 each; of three images one, though that is more."""
    images = np.zeros((1003, 2, 2, 3), "uint8")
    known = np.append(np.arange(1000) % 10, [10, 10, 10])
    whole = Arrays(images, known, [*NAMES, "rare"])
    few = labels.part(whole, 0.05)
    assert np.bincount(few.labels).tolist() == [*10 * [5], 1]
    assert (few.indices != labels.part(whole, 0.05, seed=1).indices).any()
    assert labels.part(whole, 1).count == 1003
    for wrong in (0, 1.5, -1):
        with pytest.raises(BadInput, match="give 0.1 for a tenth"):
            labels.part(whole, wrong)


def test_the_images_stay_and_a_run_sees_the_new_labels():
    original = source(40)
    found = labels.random_buckets(original, 2)
    assert found.fingerprint() != original.fingerprint()
    np.testing.assert_array_equal(found.read(3)["image"], original.read(3)["image"])
    assert found.read(3)["label"] == found.labels[3]
    assert "label" not in found.read(3, only=("image",))
    stream = Stream(found, lambda item, seed: {"image": item["image"]}, 40)
    batch = next(iter(training_batches(stream, ("label",))))
    by_image = {
        im.tobytes(): label for im, label in zip(found.source.images, found.labels)
    }
    for image, label in zip(batch["image"].numpy(), batch["label"].numpy()):
        assert by_image[image.tobytes()] == label

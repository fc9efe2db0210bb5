import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from sslzoo.errors import BadInput
from sslzoo.evaluation import knn


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, 6))
    y, truth = random.integers(0, 4, 120), random.integers(0, 4, 50)
    x = centres[y] + 1.5 * random.normal(size=(120, 6))
    asked = centres[truth] + 1.5 * random.normal(size=(50, 6))
    return x.astype("float32"), y, asked.astype("float32"), truth


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.07, 1.0, None])
def test_it_votes_as_scikit_learn_does(data, k, temperature):
    x, y, asked, truth = data
    weights = "uniform"
    if temperature:
        weights = lambda distance: np.exp((1 - distance) / temperature)  # noqa: E731
    theirs = KNeighborsClassifier(k, weights=weights, metric="cosine").fit(x, y)
    ours = knn.predict(x, y, asked, k, temperature)
    np.testing.assert_array_equal(ours, theirs.predict(asked))
    top1 = knn.evaluate(x, y, asked, truth, k, temperature)["top1"]
    assert top1 == pytest.approx(theirs.score(asked, truth))


@pytest.mark.parametrize("k", [1, 7, 999])
@pytest.mark.parametrize("chunk, block", [(1, 1), (7, 13), (50, 31), (3, 1000)])
def test_it_does_not_depend_on_chunk_or_block(data, k, chunk, block):
    x, _, asked, _ = data
    whole = knn.search(x, asked, k)
    parts = knn.search(x, asked, k, chunk, block)
    for ours, theirs in zip(parts, whole):
        np.testing.assert_array_equal(ours, theirs)


def test_the_nearest_are_the_nearest_in_float64(data):
    x, _, asked, _ = (values.astype("float64") for values in data)
    cosine = (asked / np.linalg.norm(asked, axis=1, keepdims=True)) @ (
        x / np.linalg.norm(x, axis=1, keepdims=True)
    ).T
    found, neighbours = knn.search(x, asked, 9)
    np.testing.assert_array_equal(neighbours, np.argsort(-cosine, axis=1)[:, :9])
    np.testing.assert_allclose(found, -np.sort(-cosine, axis=1)[:, :9], rtol=1e-12)


def test_an_image_is_its_own_nearest_neighbour():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(50, 8)), random.integers(0, 5, 50)
    assert knn.evaluate(x, y, x, y, k=1) == {"top1": 1.0}


def test_of_equally_near_neighbours_the_first_count():
    """A collapsed network: all features are the same."""
    x, y = np.ones((40, 3)), np.repeat([2, 1], [10, 30])
    _, neighbours = knn.search(x, x[:3], 5, block=7)
    np.testing.assert_array_equal(neighbours, [[0, 1, 2, 3, 4]] * 3)
    assert (knn.predict(x, y, x[:3], 5, None) == 2).all()


def test_of_equal_votes_the_smallest_class_wins():
    x = np.eye(4)
    assert knn.predict(x, [7, 3, 5, 5], np.ones((1, 4)), 2, None) == [3]


def test_more_neighbours_than_images_means_all_images(data):
    x, y, asked, truth = data
    many = knn.evaluate(x, y, asked, truth, k=10_000)
    assert many == knn.evaluate(x, y, asked, truth, k=len(x))


def test_a_low_temperature_listens_to_the_nearest_only(data):
    x, y, asked, _ = data
    cold = knn.predict(x, y, asked, k=20, temperature=1e-5)
    np.testing.assert_array_equal(cold, knn.predict(x, y, asked, k=1))


def test_dead_features_do_not_disturb_the_others(data):
    x, y, asked, _ = data
    dead = np.concatenate([x, np.zeros((5, 6), "float32")])
    with_dead = knn.predict(dead, np.append(y, [9] * 5), asked, 5)
    np.testing.assert_array_equal(with_dead, knn.predict(x, y, asked, 5))


def test_a_class_without_training_images_is_missed(data):
    x, y, asked, truth = data
    missed = knn.evaluate(x, y, asked, np.full_like(truth, 99))
    assert missed == {"top1": 0.0}


def test_features_may_lie_on_disk(data, tmp_path):
    x, y, asked, truth = data
    np.save(tmp_path / "x.npy", x)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    here = knn.evaluate(x, y, asked, truth)
    assert knn.evaluate(on_disk, y, asked, truth, block=16) == here


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(k=0), "from 1 on"),
        (dict(temperature=0), "not positive"),
        (dict(train=np.full((3, 6), np.nan), train_labels=[0, 1, 2]), "NaN"),
        (dict(test=np.ones((50, 5))), "columns"),
        (dict(test_labels=[0]), "one label to each row"),
        (dict(train_labels=[0]), "one label to each row"),
        (dict(train=np.ones((3, 2, 2)), train_labels=[0] * 3), "pooled or flattened"),
        (dict(train=np.ones((0, 6)), train_labels=[]), "at least one"),
    ],
)
def test_what_cannot_be_compared_is_refused(data, change, words):
    arguments = dict(zip(("train", "train_labels", "test", "test_labels"), data))
    with pytest.raises(BadInput, match=words):
        knn.evaluate(**{**arguments, **change})

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sslzoo.data import sources
from sslzoo.errors import BadInput, UnknownName
from sslzoo.evaluation.features import features
from sslzoo.zoo.input import window


class Photos:
    """Images of several sizes, with labels; it counts what was decoded."""

    name = "photos"
    classes = None

    def __init__(self, images, labels=None):
        self.images, self.labels, self.count = images, labels, len(images)
        self.fields = {"image": tf.TensorSpec([None, None, 3], tf.uint8)}
        if labels is not None:
            self.fields["label"] = tf.TensorSpec([], tf.int64)
        self.pixels = []

    def size(self, index):
        return self.images[index].shape[:2]

    def read(self, index, window=None, smallest=None, only=None):
        image = self.images[index]
        if window is not None:
            top, left, height, width = window(*image.shape[:2])
            image = image[top : top + height, left : left + width]
        self.pixels.append(image.shape[:2])
        item = {"image": image}
        if self.labels is not None:
            item["label"] = np.int64(self.labels[index])
        return item


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


@pytest.fixture
def photos():
    sizes = [(50, 40), (33, 64), (48, 48), (20, 90), (64, 64), (40, 50), (37, 41)]
    return Photos([noise(h, w, 3) for h, w in sizes], labels=[3, 1, 4, 1, 5, 9, 2])


def pixels():
    """A "model" whose features are what it was shown."""
    images = keras.Input((None, None, 3))
    flat = keras.layers.Flatten()(keras.layers.Resizing(32, 32)(images))
    return keras.Model(images, {"pooled": flat})


def network(size=None):
    images = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 3, strides=2)(images)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, {"block1": x, "pooled": pooled})


def test_it_shows_the_centre_resized_bicubically(photos):
    found = features(pixels(), photos, size=32)
    assert found["label"].tolist() == photos.labels
    for image, shown in zip(photos.images, found["pooled"]):
        side = int(0.875 * min(image.shape[:2]))
        top = (image.shape[0] - side + 1) // 2
        left = (image.shape[1] - side + 1) // 2
        part = image[top : top + side, left : left + side] / np.float32(255)
        expected = np.clip(tf.image.resize(part, (32, 32), "bicubic"), 0, 1)
        np.testing.assert_allclose(shown.reshape(32, 32, 3), expected, atol=1e-5)


def test_enlarging_is_the_bicubic_of_pillow():
    """Where nothing shrinks, antialiasing makes no difference: another judge."""
    photos = Photos([64 + noise(20, 20, 3) // 2])  # It rounds and clips in between.
    shown = features(pixels(), photos, size=32, crop=1.0)["pooled"].reshape(32, 32, 3)
    expected = np.asarray(Image.fromarray(photos.images[0]).resize((32, 32), 3)) / 255
    np.testing.assert_allclose(shown, expected, atol=1.5 / 255)


def test_small_images_are_shown_as_they_are():
    images = noise(5, 32, 32, 3)
    shown = features(pixels(), Photos(list(images)), size=32)["pooled"]
    np.testing.assert_allclose(shown.reshape(images.shape), images / 255, atol=1e-6)


def test_only_the_window_is_decoded(photos):
    features(pixels(), photos, size=32)
    expected = [window(*image.shape[:2], 0.875)[2:] for image in photos.images]
    assert sorted(photos.pixels) == sorted(expected)


def test_a_large_jpeg_may_be_decoded_at_reduced_size():
    """A quarter here: it keeps the 64 pixels of the short side that are asked for."""
    photo = Image.fromarray(noise(8, 8, 3)).resize((320, 320), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=95)
    data = np.frombuffer(stream.getvalue(), np.uint8)
    source, decoded = sources.Encoded(data, [0, len(data)]), []
    read = source.read
    source.read = lambda *_, **o: decoded.append(read(*_, **o)) or decoded[-1]
    exact = features(pixels(), source, size=32)["pooled"]
    quick = features(pixels(), source, size=32, smallest=64)["pooled"]
    assert [item["image"].shape[0] for item in decoded] == [280, 70]
    np.testing.assert_allclose(quick, exact, atol=0.05)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_it_does_not_depend_on_the_batch_size(photos, batch_size):
    model = network()
    whole = features(model, photos, size=32)
    parts = features(model, photos, size=32, batch_size=batch_size)
    np.testing.assert_allclose(parts["pooled"], whole["pooled"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(parts["label"], whole["label"])


def test_the_model_only_infers(photos):
    model = network()
    before = model.get_weights()
    shown = features(pixels(), photos, size=32)["pooled"].reshape(-1, 32, 32, 3)
    found = features(model, photos, size=32)["pooled"]
    expected = model(shown, training=False)["pooled"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_the_model_is_traced_once(photos):
    traces = []

    def model(images, training):
        traces.append(images.shape)
        return tf.reduce_mean(images, axis=(1, 2))

    found = features(model, photos, size=32, batch_size=3)
    assert len(traces) == 1
    assert found["pooled"].shape == (7, 3)


def test_a_model_of_one_size_tells_the_size(photos):
    model = network(size=24)
    here = features(model, photos)["pooled"]
    np.testing.assert_array_equal(here, features(model, photos, size=24)["pooled"])


def test_several_features_at_once_and_on_disk(photos, tmp_path):
    model, names = network(), ("block1", "pooled")
    here = features(model, photos, size=32, names=names)
    there = features(
        model, photos, size=32, batch_size=2, names=names, out=tmp_path / "f.npy"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "f.block1.npy",
        "f.pooled.npy",
    ]
    for name in names:
        assert isinstance(there[name], np.memmap)
        np.testing.assert_allclose(there[name], here[name], rtol=1e-5, atol=1e-6)


def test_labels_are_left_out_where_there_are_none():
    assert set(features(pixels(), Photos([noise(32, 32, 3)]), size=32)) == {"pooled"}


def test_progress_is_told_after_every_batch(photos):
    told = []
    features(
        pixels(), photos, 32, batch_size=3, progress=lambda *done: told.append(done)
    )
    assert told == [(3, 7), (6, 7), (7, 7)]


class Uniform(Photos):
    """Arrays: many at once, as `data.sources` has them."""

    uniform = True

    def __init__(self, images, labels):
        super().__init__(images, labels)
        self.fields["image"] = tf.TensorSpec(images.shape[1:], tf.uint8)

    def batch(self, indices, only=None):
        return {"image": self.images[indices], "label": np.array(self.labels)[indices]}

    def read(self, *_, **__):
        raise AssertionError("One by one is slow.")


def test_arrays_of_the_right_size_are_read_many_at_once():
    images = noise(10, 32, 32, 3)
    found = features(pixels(), Uniform(images, list(range(10))), batch_size=4)
    np.testing.assert_allclose(
        found["pooled"].reshape(images.shape), images / 255, atol=1e-6
    )
    assert found["label"].tolist() == list(range(10))


def test_the_error_of_a_source_is_told_in_its_own_words(photos, tmp_path):
    def read(index, **_):
        raise BadInput(f"photos/{index}.jpg is broken.")

    photos.read = read
    with pytest.raises(BadInput, match=r"jpg is broken") as caught:
        features(pixels(), photos, size=32, out=tmp_path / "f.npy")
    assert "numpy_function" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "kind, words, options",
    [
        (UnknownName, "Did you mean 'pooled'", dict(size=32, names=("poled",))),
        (BadInput, "size=224", dict()),
        (BadInput, "crop=2", dict(size=32, crop=2)),
        (BadInput, "batch_size=0", dict(size=32, batch_size=0)),
    ],
)
def test_what_cannot_be_shown_is_refused(photos, kind, words, options):
    with pytest.raises(kind, match=words):
        features(network(), photos, **options)

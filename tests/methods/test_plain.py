"""Images as people have them, given to `fit` and `evaluate` of a method."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo.errors import BadInput
from sslzoo.methods.base import Method
from sslzoo.verify.small import mean_colour


class Guess(Method):
    """Guesses a number of each image: 1, or its label."""

    def __init__(self, backbone, example, labels=False):
        super().__init__(backbone, example, name="guess")
        self.uses = ("label",) if labels else ()

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            loss = self.loss_of(batch)
        self.minimize(tape, loss)
        return self.report(loss=loss)

    def test_step(self, batch):
        return self.report(loss=self.loss_of(batch))

    def loss_of(self, batch):
        label = tf.cast(batch["label"], tf.float32)[:, None] if self.uses else 1.0
        return tf.reduce_mean((self.backbone(batch["view"])["pooled"] - label) ** 2)


def example(item, seed):
    """The image, lighter or darker by chance."""
    image = tf.image.convert_image_dtype(item["image"], tf.float32)
    return {"view": image * tf.random.stateless_uniform((), seed)}


def made(labels=False):
    keras.utils.set_random_seed(0)
    method = Guess(mean_colour(), example, labels)
    method.compile(keras.optimizers.SGD(0.1))
    return method


def images(n=8, dtype="uint8"):
    found = np.random.default_rng(0).integers(0, 256, (n, 20, 24, 3)).astype(dtype)
    return found / 255 if np.issubdtype(found.dtype, np.floating) else found


def dataset(array, batch=4):
    return tf.data.Dataset.from_tensor_slices(array).batch(batch)


def steps(method):
    return int(np.asarray(method.optimizer.iterations))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_fit_takes_arrays(dtype):
    method = made()
    method.fit(images(dtype=dtype), batch_size=4, epochs=2, verbose=0)
    assert steps(method) == 4


def test_arguments_may_be_given_by_their_place_as_keras_has_them():
    method = made()
    history = method.fit(images(), None, 4, 1, 0, None, 0.0, images()).history
    assert steps(method) == 2 and np.isfinite(history["val_loss"]).all()
    assert np.isfinite(method.evaluate(images(), None, 4, 0)).all()


@pytest.mark.parametrize(
    "held_out", [images(), dataset(images()), (images(), None), images(2)]
)
def test_what_is_held_out_is_given_as_what_is_learned_from(held_out):
    history = made().fit(
        dataset(images()), validation_data=held_out, epochs=2, verbose=0
    )
    assert len(history.history["val_loss"]) == 2
    assert np.isfinite(history.history["val_loss"]).all()


def test_an_evaluation_is_the_mean_over_its_batches_and_the_same_again():
    """Each image is seen once, as its place says; the last that fill no batch, not."""
    method = made()
    found = method.evaluate(images(10), batch_size=4, verbose=0, return_dict=True)
    again = method.evaluate(dataset(images(10)), verbose=0, return_dict=True)
    assert found == again
    losses = []
    for start in (0, 4):
        seen = [
            method.example({"image": tf.constant(image)}, tf.constant([0, start + i]))
            for i, image in enumerate(images(10)[start : start + 4])
        ]
        batch = {name: tf.stack([each[name] for each in seen]) for name in seen[0]}
        method.reset_metrics()
        losses.append(float(method.test_step(batch)["loss"]))
    np.testing.assert_allclose(found["loss"], np.mean(losses), rtol=1e-4)


def test_fewer_images_than_a_batch_are_one():
    found = made().evaluate(dataset(images(3)), batch_size=8, verbose=0)
    assert np.isfinite(found).all()


def test_labels_go_with_the_images():
    """Of a method that uses them: learned by heart, and held out."""
    method, labels = made(labels=True), np.arange(8) % 2
    pair = (images(), labels)
    history = method.fit(images(), labels, 4, verbose=0, validation_data=pair).history
    assert np.isfinite(history["val_loss"]).all()
    found = method.evaluate(images(), labels, verbose=0)
    assert found == method.evaluate(dataset(pair, 8), verbose=0)
    assert method.evaluate(images(), 1 - labels, verbose=0) != found
    with pytest.raises(BadInput, match="uses label .* was given images alone. Labels"):
        method.fit(images(), verbose=0)


def test_what_a_call_has_shown_the_next_does_not_show_again():
    """What is shown of an image is by its number: views are drawn by it."""
    method, seen = made(), []
    step = method.train_step

    def noted(batch):
        seen.extend(batch["n"].numpy())
        return step(batch)

    method.train_step = noted
    method.run_eagerly = True
    for _ in range(2):
        method.fit(images(), batch_size=4, epochs=2, verbose=0)
    assert seen == [*range(32)]


def test_batches_may_be_made_smaller_and_larger():
    """An epoch is as many images all the same."""
    for size, expected in ((2, 4), (4, 2), (8, 1)):
        method = made()
        method.fit(dataset(images()), batch_size=size, verbose=0)
        assert steps(method) == expected


def test_every_replica_has_as_much_of_a_batch(two_replicas):
    with two_replicas.scope():
        method = made()
    method.fit(images(7), verbose=0)
    assert steps(method) == 1
    words = "A batch of 5 images does not divide among 2 replicas: .*size=6 or 4"
    for given in (images(), dataset(images())):
        with pytest.raises(BadInput, match=words):
            method.fit(given, batch_size=5, verbose=0)
    with pytest.raises(BadInput, match="batch_size=2, and as many images"):
        method.evaluate(images(1), verbose=0)


def test_batches_as_a_step_reads_them_are_passed_on():
    rng = np.random.default_rng(0)
    seen = {"view": rng.random((8, 16, 16, 3), "float32")}
    method = made()
    method.fit(dataset(seen), validation_data=dataset(seen), verbose=0)
    assert steps(method) == 2


@pytest.mark.parametrize(
    "asked, words",
    [
        (lambda m: m.fit([*images()]), "a list of 8. Give an array"),
        (lambda m: m.fit(images()[..., 0]), r"an array \[8, 20, 24\]. It takes"),
        (lambda m: m.fit(images(dtype="int64")), "given as int64: they are uint8"),
        (lambda m: m.fit(255 * images(dtype="float32")), "as it seems, 0 to 255"),
        (lambda m: m.evaluate(255 * images(dtype="float32")), "as it seems, 0 to 255"),
        (lambda m: m.fit(images(), np.arange(3)), "8 images and 3 labels were given"),
        (lambda m: m.evaluate(images()[:0]), "0 images were given"),
        (lambda m: m.fit(dataset(images()), np.arange(8)), "y was given beside a data"),
        (lambda m: m.fit(images(), validation_split=0.5), "takes no validation_split"),
        (lambda m: m.fit(images(), sample_weight=np.ones(8)), "takes no sample_weight"),
        (
            lambda m: m.fit(images(), validation_data=255 * images(dtype="float32")),
            "as it seems, 0 to 255",
        ),
        (lambda m: m.evaluate(dataset(images()).repeat()), "has no end: .* steps="),
        (
            lambda m: m.fit(images(), validation_data=dataset(images()).repeat()),
            "has no end: say how many batches, validation_steps=",
        ),
        (
            lambda m: m.fit(2 * images(dtype="float32") - 1),
            "below 0: as it seems, -1 to 1",
        ),
        (
            lambda m: m.fit((images(dtype="float32") - 0.4) / 0.2),
            "below 0: as it seems, -1 to 1, or a mean was taken away",
        ),
        (lambda m: m.fit(np.nan * images(dtype="float32")), "no numbers .NaN"),
    ],
)
def test_what_it_cannot_take_is_told(asked, words):
    method = made()
    with pytest.raises(BadInput, match=words):
        asked(method)

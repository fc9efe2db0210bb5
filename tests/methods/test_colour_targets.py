"""What is asked of a colour: in closed form, and against scikit-image."""

import keras
import numpy as np
import pytest
import skimage.color
import tensorflow as tf

from sslzoo import color
from sslzoo.errors import BadInput, UnknownName
from sslzoo.methods import colour_targets
from sslzoo.methods.colour_targets import Bins, Histograms, Regression

TARGETS = [Histograms(), Regression(), Regression("Lab"), Bins(), Bins(nearest=5)]


def images(n=2, size=16):
    return np.random.default_rng(0).random((n, size, size, 3)).astype("float32")


def every(n=2, size=16):
    grid = np.stack(np.mgrid[0:size, 0:size], axis=-1).reshape(1, -1, 2)
    return tf.constant(grid.repeat(n, axis=0), tf.int32)


def places():
    return tf.constant([[[0, 0], [3, 7]], [[15, 2], [8, 8]]], tf.int32)


def test_histograms_cost_their_entropy_when_nothing_is_known():
    """Logits of zero: KL(t || uniform) = log 32 - H(t), place by place in float64."""
    x, total = images(), 0
    hue, chroma = (np.asarray(v, "float64") for v in color.hue_chroma(x))
    for n, (y, z) in ((i, p) for i in range(2) for p in places().numpy()[i]):
        gray = x[n, y, z].mean()
        room = min(3 * gray, 1, 3 * (1 - gray))
        weights = 5 * chroma[n, y, z], room
        for weight, values in zip(weights, (hue[n], chroma[n])):
            part = values[max(y - 3, 0) : y + 4, max(z - 3, 0) : z + 4]
            t = np.histogram(part, 32, (0, 1))[0] / part.size
            entropy = -sum(p * np.log(p) for p in t if p)
            total += weight * (np.log(32) - entropy)
    ours = Histograms().loss(tf.zeros((2, 2, 64)), x, places())
    np.testing.assert_allclose(ours, total / 4, rtol=1e-5)


@pytest.mark.parametrize("channels", ["ab", "Lab"])
def test_regression_is_on_a_hundredth_of_lab(channels):
    x = images()
    lab = skimage.color.rgb2lab(x.astype("float64")) - [50, 0, 0]
    lab = lab[..., -len(channels) :] / 100
    found = np.array([lab[n, y, z] for n in (0, 1) for y, z in places().numpy()[n]])
    ours = Regression(channels).loss(tf.zeros((2, 2, len(channels))), x, places())
    np.testing.assert_allclose(ours, np.mean(np.sum(found**2, axis=1)), rtol=1e-4)


def test_bins_cost_log_313_when_nothing_is_known():
    loss = Bins().loss(tf.zeros((2, 2, 313)), images(), places())
    np.testing.assert_allclose(loss, np.log(313), rtol=1e-6)


def test_rebalancing_weighs_by_the_nearest_bin():
    """Of equal logits each place costs log 313 times what its nearest bin counts."""
    x = images()
    prior = np.random.default_rng(3).dirichlet(np.ones(313))
    ab = skimage.color.rgb2lab(x.astype("float64"))[..., 1:]
    mixed = 0.5 * prior + 0.5 / 313
    counts = 1 / mixed / np.sum(prior / mixed)
    nearest = [
        np.linalg.norm(color.AB_BINS - ab[n, y, z], axis=1).argmin()
        for n in (0, 1)
        for y, z in places().numpy()[n]
    ]
    loss = Bins(prior=tuple(prior)).loss(tf.zeros((2, 2, 313)), x, places())
    np.testing.assert_allclose(loss, np.log(313) * counts[nearest].mean(), rtol=1e-4)


def test_a_picture_that_is_nearly_gray_may_count_nothing():
    """One of two, whose a and b are within 5: half the loss, and no gradient of it."""
    x = images()
    x[1] = 0.5 + 0.01 * (x[1] - 0.5)
    far = np.abs(skimage.color.rgb2lab(x.astype("float64"))[..., 1:]).max((1, 2, 3))
    assert far[0] > 5 > far[1] > 0
    said = tf.zeros((2, 2, 313))
    with tf.GradientTape() as tape:
        tape.watch(said)
        loss = Bins(gray_below=5.0).loss(said, x, places())
    np.testing.assert_allclose(loss, np.log(313) / 2, rtol=1e-5)
    slopes = tape.gradient(loss, said).numpy()
    assert slopes[0].any() and not slopes[1].any()


def test_the_prior_is_how_often_bins_are_found():
    """Of hard bins a count; and the same sum of soft ones."""
    x = images()
    ab = skimage.color.rgb2lab(x.astype("float64"))[..., 1:].reshape(-1, 2)
    nearest = np.linalg.norm(ab[:, None] - color.AB_BINS, axis=-1).argmin(axis=1)
    truth = np.bincount(nearest, minlength=313) / len(ab)
    np.testing.assert_allclose(colour_targets.ab_prior(x, 1), truth, atol=1e-6)
    soft = np.asarray(colour_targets.ab_prior(x))
    assert soft.sum() == pytest.approx(1, abs=1e-5) and np.count_nonzero(soft) > 100


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_a_perfect_answer_has_the_colours_of_the_image(target):
    """Of one flat colour, whose window is that colour too; to the width of a bin."""
    rgb = np.array([0.7, 0.45, 0.35], "float32")
    x = np.broadcast_to(rgb, (1, 8, 8, 3)).copy()
    where = every(1, 8)
    outputs = tf.Variable(tf.zeros((1, 64, target.outputs)))
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([outputs])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = target.loss(tf.identity(outputs), x, where)
        optimizer.apply([64 * tape.gradient(loss, outputs)], [outputs])

    for _ in range(250):
        step()
    gray = tf.fill((1, 64), float(rgb.mean()))
    np.testing.assert_allclose(target.colours(outputs, gray)[0, 0], rgb, atol=0.07)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_a_black_picture_costs_a_number(target):
    outputs = tf.Variable(tf.random.stateless_normal((2, 2, target.outputs), (0, 1)))
    with tf.GradientTape() as tape:
        loss = target.loss(
            tf.identity(outputs), np.zeros((2, 16, 16, 3), "float32"), places()
        )
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, outputs)).all()
    shade = target.colours(tf.zeros_like(outputs), tf.zeros((2, 2)))
    assert np.isfinite(shade).all()


def test_matched_targets_have_gradients_of_one_size_at_the_hypercolumn():
    """Through a head as it is at the start, of columns that are as they may be."""
    from sslzoo.methods.colorization import head

    x, where = images(4), every(4)
    columns = tf.random.stateless_normal((4, 256, 50), (0, 2))

    def size(target):
        keras.utils.set_random_seed(3)
        part = head(50, 512, target.outputs, 1e-4, 0)
        with tf.GradientTape() as tape:
            tape.watch(columns)
            loss = target.loss(part(columns), x, where)
        return float(tf.norm(tape.gradient(loss, columns)))

    truth = size(Histograms())
    for target in (Regression(), Regression("Lab"), Bins()):
        ours = colour_targets.matched(target, Histograms(), x, where)
        assert size(ours) == pytest.approx(truth, rel=0.2)
    assert size(Regression()) < 0.5 * truth or size(Regression()) > 2 * truth


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["regression", "bins"])
def test_losses_are_not_matched_by_images_without_colour(kind, shade):
    """Their gradients are of nothing, or of rounding: a scale of 0, or of thousands."""

    def gray():
        return np.full((4, 16, 16, 3), shade, "float32")

    with pytest.raises(BadInput, match="first 4 images of the run have no colour"):
        colour_targets.named(kind, gray)
    assert colour_targets.named(kind, gray, scale=2.0).scale == 2
    prior = colour_targets.named("bins", gray, scale=1.0, rebalance=True).prior
    assert np.isfinite(prior).all() and sum(prior) == pytest.approx(1)


def test_losses_are_not_matched_by_images_of_which_none_counts():
    """Of some chroma, but so little that gray_below leaves them all out."""
    pale = np.full((4, 16, 16, 3), 0.5, "float32") + np.float32([0.006, 0, -0.006])
    assert np.isfinite(colour_targets.named("bins", lambda: pale).scale)
    with pytest.raises(BadInput, match="no colour that counts"):
        colour_targets.named("bins", lambda: pale, gray_below=5.0)


def test_a_recipe_names_its_target():
    def some():
        return images(4)

    def never():
        raise AssertionError("no image is needed")

    assert colour_targets.named("histograms", never) == Histograms()
    assert colour_targets.named("bins", never, scale=2.0) == Bins(scale=2.0)
    assert colour_targets.named("regression", some, 1.0) == Regression("ab")
    assert colour_targets.named("regression_lab", some, 1.0) == Regression("Lab")
    scaled = colour_targets.named("regression", some)
    assert scaled.scale not in (0, 1)
    assert len(colour_targets.named("bins", some, 1.0, rebalance=True).prior) == 313
    assert colour_targets.named("bins", never, 2.0, gray_below=5.0).gray_below == 5
    with pytest.raises(BadInput, match="scale=-1.0: a loss is made"):
        colour_targets.named("bins", never, -1.0)
    with pytest.raises(BadInput, match="it is of bins"):
        colour_targets.named("histograms", never, gray_below=5.0)
    with pytest.raises(UnknownName, match="Did you mean 'histograms'"):
        colour_targets.named("histogram", some)
    with pytest.raises(BadInput, match="bins alone"):
        colour_targets.named("regression", some, rebalance=True)
    with pytest.raises(UnknownName, match="channels='a'"):
        Regression("a")


@pytest.mark.parametrize("target", [*TARGETS, Bins(prior=(0.5, 0.5))], ids=repr)
def test_a_target_is_read_back_from_its_config(target):
    entry = keras.saving.serialize_keras_object(target)
    assert keras.saving.deserialize_keras_object(entry) == target

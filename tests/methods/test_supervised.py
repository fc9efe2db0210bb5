"""Classification: its loss and one step in closed form, and what it sees."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones, recipe, runner
from sslzoo.augment import views
from sslzoo.augment.patches import Patch
from sslzoo.backbones import layers
from sslzoo.errors import BadInput, UnknownName
from sslzoo.methods import rotation, supervised
from sslzoo.methods.supervised import Supervised
from sslzoo.optim.sgd import SGD


def make(classes=3, feature="pooled", pixels="gray", absorb=False, dropout=0.0):
    keras.utils.set_random_seed(0)
    form = dict(form="larsson", norm="bn", width=1 / 16, dropout=dropout)
    backbone = backbones.build("alexnet", **form, pixels=pixels)
    method = Supervised(backbone, Patch(32, (32, 40)), classes, feature, absorb)
    method.compile(SGD(0.1, momentum=0.0))
    return method


def batch(n=6):
    images = np.random.default_rng(0).random((n, 32, 32, 3)).astype("float32")
    labels = tf.constant(np.arange(n) % 3)
    return {"image": tf.constant(images), "label": labels, "n": tf.range(n)}


@pytest.mark.parametrize("feature", ["pooled", "fc7"])
def test_loss_and_accuracy_are_those_of_the_softmax(feature):
    method, data = make(feature=feature), batch()
    x = np.asarray(method.backbone(data["image"], training=False)[feature], "float64")
    x = x.mean(axis=(1, 2)) if x.ndim == 4 else x
    kernel, bias = (w.astype("float64") for w in method.classifier.get_weights())
    z = x @ kernel + bias
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = data["label"].numpy()
    logs = method.test_step(data)
    np.testing.assert_allclose(
        logs["loss"], -np.log(p[range(6), labels]).mean(), rtol=1e-4
    )
    np.testing.assert_allclose(logs["accuracy"], np.mean(z.argmax(axis=1) == labels))


def test_smoothed_labels_are_keras_own_in_training_alone():
    method, data = make(), batch()
    method.smoothing = 0.1
    z = method.classifier(method.backbone(data["image"], training=True)["pooled"])
    expected = keras.losses.categorical_crossentropy(
        tf.one_hot(data["label"], 3), z, from_logits=True, label_smoothing=0.1
    )
    found = method.guess(data, training=True)[0]
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)
    held_out = method.guess(data, training=False)[0]
    method.smoothing = 0.0
    np.testing.assert_array_equal(method.guess(data, training=False)[0], held_out)


def test_the_views_are_randaugments_or_inceptions():
    strong, mild = supervised.view(12), supervised.view(12, changes=0)
    assert (strong.count, strong.magnitude) == (2, 9)
    assert strong.views.changes == (views.MIRROR,)
    assert mild.count == 0 and mild.views.changes == (views.INCEPTION,)
    assert strong.views.area == (0.08, 1.0)
    assert mild.views.area == rotation.example(12).area == (0.1, 1.0)


def test_it_learns_six_pictures():
    method, data = make(), batch()
    step = tf.function(method.train_step)
    for _ in range(40):
        step(data)
    method.reset_metrics()
    assert float(step(data)["accuracy"]) == 1


def test_gray_input_sees_no_colours_and_colour_input_does():
    data = batch()
    turned = tf.reverse(data["image"], [-1])
    for pixels, same in (("gray", True), ("centred", False)):
        method = make(pixels=pixels)
        found = [
            method.backbone(x, training=False)["pooled"].numpy()
            for x in (data["image"], turned)
        ]
        assert np.allclose(*found, rtol=1e-3, atol=1e-6) == same


def test_a_step_with_dropout_is_a_function_of_its_examples():
    method = make(feature="fc7", dropout=0.5)
    start = method.get_weights()

    def after(data):
        method.set_weights(start)
        method.train_step(data)
        return method.get_weights()

    for one, other in zip(after(batch()), after(batch())):
        np.testing.assert_array_equal(one, other)
    later = after({**batch(), "n": tf.range(100, 106)})
    assert any(abs(a - b).max() > 1e-4 for a, b in zip(later, after(batch())))


def test_what_is_exported_may_have_its_normalisation_absorbed():
    method = make(absorb=True)
    method.train_step(batch())
    exported = method.deployable()
    assert not any(isinstance(f, layers.BatchNorm) for f in exported.layers)
    truth = method.backbone(batch()["image"], training=False)["pooled"]
    ours = exported(batch()["image"])["pooled"]
    np.testing.assert_allclose(ours, truth, rtol=1e-3, atol=1e-4)
    assert make().deployable().get_layer("conv1_bn")


def test_one_class_or_no_such_feature_is_told():
    with pytest.raises(BadInput, match="classes=1: there is nothing"):
        make(classes=1)
    with pytest.raises(UnknownName, match="Did you mean 'fc7'"):
        make(feature="fc77")


def test_the_recipe_has_the_label_spaces_of_the_study():
    path = recipe.find("supervised_alexnet_cifar10")
    knobs = {**recipe.module(path).SMALL, "data": "toyworld:train?count=60&size=32"}
    knobs["test"] = "toyworld:test?count=12&size=32"
    for labels, classes in (("", 12), ("E50", 12), ("R5", 5)):
        method = recipe.load(path, **knobs, labels=labels).method()
        assert method.classifier.output_shape[-1] == classes
    plan = recipe.load(path, **knobs, labels="R2", pixels="centred", per_class=1)
    assert plan.streams.source.count == 12 and runner.pretrain(plan)
    with pytest.raises(BadInput, match="tree does not cover the labels"):
        recipe.load(path, **knobs, labels="H2")

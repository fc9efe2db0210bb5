"""A folded model against the model: the same outputs, and no normalisation left."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from sslzoo import backbones
from sslzoo.backbones.fold import Affine, folded
from sslzoo.backbones.layers import BatchNorm, GroupedConv2D
from sslzoo.errors import BadInput


@pytest.fixture
def exact():
    """In float64, so that what differs is a mistake and not a rounding."""
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy("float32")


def shaken(model):
    """As if trained: no scale is one, no mean zero, no variance one."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        low, high = (0.5, 2) if weight.path.endswith("variance") else (-1, 1)
        if not weight.path.endswith("kernel"):
            weight.assign(rng.uniform(low, high, weight.shape))
    return model


def kinds(model):
    """Class names of all layers, those of nested models too, in order."""
    return [
        kind
        for layer in model.layers
        for kind in (kinds(layer) if hasattr(layer, "layers") else [type(layer)])
    ]


def same(model, images, tolerance=1e-12):
    """Folds it, and says what is left in it."""
    twin = folded(shaken(model))
    ours, theirs = model(images, training=False), twin(images, training=False)
    assert keras.tree.assert_same_structure(ours, theirs) is None
    for a, b in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs)):
        scale = np.abs(a).max()
        assert scale > 0 and np.abs(a - b).max() <= tolerance * scale
    return kinds(twin)


def pictures(*shape, dtype="float64"):
    return np.random.default_rng(1).random(shape).astype(dtype)


ABSORBING = {
    "same padding": lambda: layers.Conv2D(4, 3, padding="same"),
    "valid padding": lambda: layers.Conv2D(4, 3, use_bias=False),
    "strided": lambda: layers.Conv2D(4, 3, strides=2, padding="same"),
    "dilated": lambda: layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
    "grouped": lambda: layers.Conv2D(6, 3, groups=3, use_bias=False),
    "grouped, ours": lambda: GroupedConv2D(6, 3, groups=3, use_bias=False),
    "depthwise": lambda: layers.DepthwiseConv2D(3, padding="same"),
    "depthwise of two": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "dense": lambda: layers.Dense(5, use_bias=False),
}


@pytest.mark.parametrize("linear", ABSORBING.values(), ids=ABSORBING)
@pytest.mark.parametrize(
    "norm",
    [
        BatchNorm,
        layers.BatchNormalization,
        lambda: BatchNorm(center=False, scale=False),
        lambda: layers.BatchNormalization(center=False),
        lambda: layers.BatchNormalization(scale=False),
    ],
    ids=["ours", "theirs", "parameter-free", "no shift", "no scale"],
)
def test_a_normalisation_behind_a_linear_layer_is_gone(exact, linear, norm):
    images = keras.Input((None, None, 3))
    model = keras.Model(images, {"y": norm()(linear()(images))})
    left = same(model, pictures(2, 9, 8, 3))
    assert len(left) == 2 and Affine not in left


def first_of_all(images):
    return BatchNorm()(images)


def behind_an_activation(images):
    return BatchNorm()(layers.Conv2D(4, 3, activation="relu")(images))


def behind_a_pool(images):
    return BatchNorm()(layers.MaxPooling2D()(layers.Conv2D(4, 3)(images)))


def whose_input_is_an_output(images):
    x = layers.Conv2D(4, 3)(images)
    return {"before": x, "after": BatchNorm()(x)}


def whose_input_is_used_twice(images):
    x = layers.Conv2D(4, 3)(images)
    return layers.Add()([x, BatchNorm()(x)])


def behind_a_convolution_called_twice(images):
    conv = layers.Conv2D(3, 3, padding="same")
    return BatchNorm()(conv(conv(images)))


def called_twice(images):
    norm = BatchNorm()
    return norm(norm(layers.Conv2D(3, 3)(images)))


def over_another_axis(images):
    return layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3)(images))


@pytest.mark.parametrize(
    "network",
    [
        first_of_all,
        behind_an_activation,
        behind_a_pool,
        whose_input_is_an_output,
        whose_input_is_used_twice,
        behind_a_convolution_called_twice,
        called_twice,
        over_another_axis,
    ],
)
def test_elsewhere_it_becomes_a_line(exact, network):
    images = keras.Input((9, 8, 3))
    left = same(keras.Model(images, network(images)), pictures(2, 9, 8, 3))
    assert left.count(Affine) == 1 and BatchNorm not in left


def test_one_that_always_uses_its_batch_is_left_alone(exact):
    images = keras.Input((9, 8, 3))
    norm = BatchNorm()
    model = keras.Model(images, norm(layers.Conv2D(4, 3)(images), training=True))
    assert BatchNorm in same(model, pictures(2, 9, 8, 3))


def block(name):
    images = keras.Input((9, 8, 3))
    x = BatchNorm()(layers.Conv2D(3, 3, padding="same")(images))
    return keras.Model(
        images, {"x": x, "pooled": layers.GlobalMaxPool2D()(x)}, name=name
    )


def test_models_within_models_are_folded_too(exact):
    """Functional and sequential ones, and one of them called twice."""
    images = keras.Input((9, 8, 3))
    inner, chain = (
        block("inner"),
        keras.Sequential(
            [
                keras.Input((9, 8, 3)),
                layers.DepthwiseConv2D(3, padding="same"),
                layers.BatchNormalization(),
                layers.BatchNormalization(),
                layers.ReLU(),
                block("innermost"),
            ],
            name="chain",
        ),
    )
    y = chain(inner(inner(images)["x"])["x"] + 1)
    model = keras.Model(images, [y["x"], y["pooled"]])
    left = same(model, pictures(2, 9, 8, 3))
    assert left.count(Affine) == 1
    assert not {BatchNorm, layers.BatchNormalization} & set(left)


@keras.saving.register_keras_serializable("test")
class Holder(layers.Layer):
    """A weight of its own, and models."""

    def __init__(self, parts, **options):
        super().__init__(**options)
        self.parts = parts

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], name="scale")

    def call(self, x, training=False):
        for part in self.parts:
            x = part(x, training=training) * self.scale
        return x

    def get_config(self):
        write = keras.saving.serialize_keras_object
        return {**super().get_config(), "parts": [write(part) for part in self.parts]}

    @classmethod
    def from_config(cls, config):
        read = keras.saving.deserialize_keras_object
        return cls(**{**config, "parts": [read(part) for part in config["parts"]]})


def test_models_that_a_layer_holds_are_folded_too(exact):
    """In any order; and the layer keeps what is its own."""
    parts = [
        keras.Sequential([keras.Input((9, 8, 3)), *made], name=name)
        for name, made in {
            "second": [BatchNorm(), layers.Conv2D(3, 3, padding="same"), BatchNorm()],
            "first": [layers.Conv2D(3, 1), BatchNorm(), layers.ReLU()],
        }.items()
    ]
    images = keras.Input((9, 8, 3))
    model = keras.Model(images, Holder(parts)(images))
    images = pictures(2, 9, 8, 3)
    assert same(model, images) == [layers.InputLayer, Holder]
    left = [kinds(part) for part in folded(model).layers[-1].parts]
    assert left == [[Affine, layers.Conv2D], [layers.Conv2D, layers.ReLU]]


def test_a_chain_of_layers_stays_one(exact):
    model = keras.Sequential(
        [keras.Input((7,)), layers.Dense(4), BatchNorm(), layers.ReLU(), BatchNorm()]
    )
    left = same(model, pictures(3, 7))
    assert left == [layers.Dense, layers.ReLU, Affine]


@keras.saving.register_keras_serializable("test")
class Nameless(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.norm = BatchNorm()

    def build(self, shape):
        self.norm.build(shape)

    def call(self, x, training=False):
        return x + self.norm(x, training=training)


@keras.saving.register_keras_serializable("test")
class Unit(Nameless):
    def get_config(self):
        return {**super().get_config(), "name": self.name}


def test_a_normalisation_of_a_layers_own_is_left_as_it_is(exact):
    images = keras.Input((9, 8, 3))
    assert Unit in same(keras.Model(images, Unit()(images)), pictures(2, 9, 8, 3))


def test_a_layer_that_does_not_say_its_name_is_refused():
    images = keras.Input((9, 8, 3))
    with pytest.raises(BadInput, match="Nameless does not say its name"):
        folded(keras.Model(images, Nameless()(images)))


@pytest.mark.parametrize("size", [32, 33])
@pytest.mark.parametrize(
    "name, options",
    [
        ("tiny", {}),
        ("resnet18", dict(width=0.25, stem="small", shortcut="identity")),
        ("resnet50", dict(width=0.25)),
    ],
)
def test_every_stage_of_a_backbone_is_the_same(exact, name, options, size):
    model = backbones.build(name, **options)
    left = same(model, pictures(2, size, size + 5, 3))
    assert Affine not in left and BatchNorm not in left


SMALL = dict(width=1 / 16)
NORM_FIRST = {  # The units: each begins with a normalisation; one more is at the end.
    "resnet18v2": ("resnet18v2", {}, 8),
    "resnet50v2 (-)": ("resnet50v2", dict(last_relu=False), 16),
    "resnet50slim": ("resnet50slim", dict(blocks=4, output_stride=8), 16),
    "revnet50": ("revnet50", {}, 16),
    "revnet50 (-)": ("revnet50", dict(last_relu=False), 16),
}


@pytest.mark.parametrize("name, options, units", NORM_FIRST.values(), ids=NORM_FIRST)
def test_where_normalisation_comes_first_that_of_each_unit_is_a_line(
    exact, name, options, units
):
    """Those behind a convolution are gone, and every stage is the same."""
    model = backbones.build(name, **SMALL, **options)
    same(model, pictures(2, 33, 38, 3))
    left = [type(layer) for layer in folded(model)._flatten_layers()]
    assert left.count(Affine) == units + 1 and BatchNorm not in left


@pytest.mark.parametrize("name, options, units", NORM_FIRST.values(), ids=NORM_FIRST)
def test_so_it_is_in_single_precision(name, options, units):
    """As promised: 1e-4 of the largest of each feature."""
    model = backbones.build(name, **SMALL, **options)
    same(model, pictures(2, 32, 32, 3, dtype="float32"), tolerance=1e-4)


def test_in_single_precision_it_differs_by_its_rounding():
    """1e-4 of the largest feature is promised; what is found is about 1e-6."""
    model = backbones.build("resnet18", width=0.25, stem="small")
    same(model, pictures(2, 32, 32, 3, dtype="float32"), tolerance=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet101", "resnet152", "resnet200"])
def test_so_it_is_in_the_deepest(name):
    model = backbones.build(name, width=0.25)
    same(model, pictures(2, 64, 64, 3, dtype="float32"), tolerance=1e-4)


def test_a_folded_model_is_stored_and_read_back():
    images = keras.Input((9, 8, 3))
    twin = folded(shaken(keras.Model(images, first_of_all(images))))
    again = keras.models.model_from_json(twin.to_json())
    again.set_weights(twin.get_weights())
    x = pictures(1, 9, 8, 3, dtype="float32")
    np.testing.assert_array_equal(again(x), twin(x))
    assert not again.trainable_variables


def test_the_model_itself_is_not_touched():
    model = shaken(block("block"))
    config, weights = json.loads(model.to_json()), model.get_weights()
    folded(model)
    assert json.loads(model.to_json()) == config
    for before, now in zip(weights, model.get_weights()):
        np.testing.assert_array_equal(before, now)


def test_a_model_of_unknown_layers_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(BadInput, match="keras.Model\\(inputs, outputs\\)"):
        folded(Own())


def test_what_keras_cannot_make_again_is_refused_by_name():
    images = keras.Input((8, 8, 3))
    model = keras.Model(
        images, keras.layers.Lambda(lambda x: 2 * x)(images), name="own"
    )
    with pytest.raises(BadInput, match="Keras cannot make own again"):
        folded(model)

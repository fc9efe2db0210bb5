"""What `sslzoo.features` runs gives what the model gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo import backbones
from sslzoo.errors import BadInput, UnknownName
from sslzoo.zoo import serving
from tests.runs import slow

IMAGES = np.random.default_rng(0).random((4, 64, 64, 3), np.float32)


def graph(model):
    return tf.function(lambda images: model(images, training=False))


def norms(model):
    layers = model._flatten_layers()
    return [layer for layer in layers if isinstance(layer, backbones.layers.BatchNorm)]


@pytest.mark.parametrize(
    "options", [{"features_only": True}, slow({}), slow({"pooling": None})]
)
def test_a_model_of_the_zoo_gives_the_same_without_its_norms(options):
    model = sslzoo.load("byol_r18w16", **options)
    quick = serving.quick(model)
    assert norms(model) and quick is not model
    expected, found = (keras.tree.flatten(graph(run)(IMAGES)) for run in (model, quick))
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.shape == other.shape
        # Rounding of float32, in parts of the largest feature.
        assert np.abs(one - other).max() <= 1e-5 * np.abs(other).max()
    names = [
        op.type
        for op in graph(quick).get_concrete_function(IMAGES).graph.get_operations()
    ]
    assert not any("BatchNorm" in name for name in names)


def test_it_refuses_what_the_model_refuses():
    quick = serving.quick(sslzoo.load("byol_r18w16"))
    with pytest.raises(BadInput, match="0 to 255"):
        quick(255 * IMAGES)
    with pytest.raises(BadInput, match="in_chans"):
        quick(IMAGES[..., :1])


class Own(keras.Model):
    def call(self, images):
        return keras.ops.mean(images, axis=(1, 2))


def test_a_model_that_cannot_be_folded_or_is_in_half_precision_stays_as_it_is():
    own = Own()
    assert serving.quick(own) is own
    half = sslzoo.load("byol_r18w16", dtype="bfloat16")
    assert serving.quick(half) is half


def test_bfloat16_keeps_the_direction_of_features_and_is_left_when_the_block_ends():
    before = tf.config.optimizer.get_experimental_options().get(serving.OPTION, False)
    quick = serving.quick(sslzoo.load("byol_r18w16"))
    exact = graph(quick)(IMAGES).numpy()
    with pytest.raises(KeyError), serving.computing_in("bfloat16"):
        found = graph(quick)(IMAGES).numpy()
        raise KeyError
    now = tf.config.optimizer.get_experimental_options()[serving.OPTION]
    assert now == before
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(found, axis=1)
    assert np.min(np.sum(exact * found, axis=1) / lengths) >= 0.9999
    if "avx512f" in open("/proc/cpuinfo").read():  # What oneDNN's bfloat16 wants.
        assert np.abs(exact - found).max() > 1e-6 * np.abs(exact).max()
    np.testing.assert_array_equal(graph(quick)(IMAGES), exact)


@pytest.mark.parametrize(
    "has, graphics, precision",
    [
        ("avx2 avx512f avx512_bf16", [], "bfloat16"),
        ("avx2 avx512f amx_bf16", [], "bfloat16"),
        ("avx2 avx512f", [], "float32"),
        ("avx2", [], "float32"),
        ("avx512f avx512_bf16", ["GPU:0"], "float32"),
    ],
)
def test_auto_is_what_the_machine_is_quick_at(monkeypatch, has, graphics, precision):
    monkeypatch.setattr(serving, "_processor", lambda: {"flags", *has.split()})
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: graphics)
    assert serving.known_precision("auto") == precision
    assert serving.known_precision("float32") == "float32"


@pytest.mark.parametrize(
    "has, graphics, where", [("avx2", [], "this one"), ("avx512f", [0], "a GPU")]
)
def test_a_precision_is_not_told_that_would_not_be(monkeypatch, has, graphics, where):
    monkeypatch.setattr(serving, "_processor", lambda: {"flags", has})
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: graphics)
    with pytest.raises(BadInput, match=f"float32 on {where}.*dtype='bfloat16'"):
        serving.known_precision("bfloat16")


def test_bfloat16_can_be_asked_for(monkeypatch):
    """Where the processor is not known (not Linux, not x86), the word is taken."""
    for has in ({"flags", "avx512f"}, {"flags", "avx_ne_convert"}, set(), {"asimd"}):
        monkeypatch.setattr(serving, "_processor", lambda has=has: has)
        assert serving.known_precision("bfloat16") == "bfloat16"


def test_a_mistyped_precision_is_named():
    with pytest.raises(UnknownName, match="Did you mean 'bfloat16'"):
        serving.known_precision("bfloat61")

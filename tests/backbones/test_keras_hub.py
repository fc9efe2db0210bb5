"""Backbones of keras-hub itself, wherever it is installed: no extra of ours brings it.

It asks for tensorflow-text, which is made for one minor version of TensorFlow; what is
tried here runs without.
"""

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.errors import BadInput
from sslzoo.methods import byol, rotation

hub = pytest.importorskip(
    "keras_hub",
    reason="keras-hub is not installed: pip install keras-hub",
    exc_type=ImportError,
).models
SIDE = 32


def pictures(*shape):
    return np.random.default_rng(1).random(shape, "float32")


def resnet(**options):
    return hub.ResNetBackbone(
        input_conv_filters=[4],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 4, 8, 8],  # It allows no other first.
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        **{"block_type": "bottleneck_block", **options},
    )


def hgnet():
    stages = [[8, 8, 16, 1, 2, 3], [16, 8, 16, 1, 2, 3]]
    return hub.HGNetV2Backbone(
        [1, 1], 8, [8, 8], [3, 8, 8], "relu", False, stages, [False, True], [False] * 2
    )


SHAPE = (SIDE, SIDE, 3)
MODELS = {  # Each with how many maps it gives.
    "resnet": (resnet, 4),
    "resnet v2": (lambda: resnet(use_pre_activation=True), 4),
    "densenet": (lambda: hub.DenseNetBackbone([1, 1, 1], growth_rate=4), 3),
    "vgg": (lambda: hub.VGGBackbone([1, 1], [4, 8]), 1),
    "a dict of stages": (hgnet, 3),
    "vit": (lambda: hub.ViTBackbone(SHAPE, 16, 1, 2, 12, 24), 0),
    "a dict of images, levels of tokens": (
        lambda: hub.DINOV2Backbone(
            8, 1, 8, 2, 16, image_shape=SHAPE, position_embedding_shape=SHAPE
        ),
        0,
    ),
}


@pytest.mark.parametrize("make, maps", MODELS.values(), ids=MODELS)
def test_it_says_what_the_model_says(make, maps):
    """Pooled is the mean of what it ends in, which need not be its last level."""
    model, images = make(), pictures(2, SIDE, SIDE, 3)
    wrapped = backbones.wrap(model)
    out = wrapped(images)
    assert len(out) == maps + 1
    given = model({"images": images} if isinstance(model.input, dict) else images)
    last = np.asarray([*given.values()][-1] if isinstance(given, dict) else given)
    mean = last.mean(tuple(range(1, last.ndim - 1)))
    np.testing.assert_allclose(out["pooled"], mean, rtol=1e-4, atol=1e-5)
    for name, level in getattr(model, "pyramid_outputs", {}).items() if maps else ():
        values = keras.Model(model.input, level)(images)
        np.testing.assert_allclose(out[name], values, rtol=1e-4, atol=1e-5)


def trained(method, batch):
    """(loss, which weights of the backbone one step has moved)."""
    method.compile(keras.optimizers.SGD(0.1))
    before = method.backbone.get_weights()
    batch = {key: keras.ops.array(value) for key, value in batch.items()}
    loss = float(method.train_step(batch)["loss"])
    after = method.backbone.get_weights()
    return loss, [np.abs(a - b).max() > 0 for a, b in zip(before, after)]


@pytest.mark.parametrize("kind", ["resnet v2", "densenet"])
def test_byol_trains_it(kind):
    backbone = backbones.wrap(MODELS[kind][0]())
    method = byol.BYOL(
        backbone, steps=2, example=byol.example(SIDE), hidden=16, outputs=8
    )
    views = pictures(4, SIDE, SIDE, 3)
    loss, moved = trained(method, {"view1": views, "view2": views[::-1]})
    assert 0 < loss < 8
    assert np.mean(moved) > 0.9


def test_a_twin_of_a_transformer_is_made_or_refused_in_words():
    """That of 0.32 has a layer that does not take what it says of itself."""
    backbone = backbones.wrap(MODELS["vit"][0]())
    try:
        byol.BYOL(backbone, steps=2, example=byol.example(SIDE), hidden=16, outputs=8)
    except BadInput as error:
        assert "or take a method without a twin" in str(error)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_rotation_trains_it(kind):
    backbone = backbones.wrap(MODELS[kind][0]())
    method = rotation.Rotation(backbone, rotation.example(SIDE))
    loss, moved = trained(method, {"view1": pictures(2, SIDE, SIDE, 3)})
    assert 0 < loss and np.mean(moved) > 0.9


def test_it_is_stored_and_read_back(tmp_path):
    wrapped = backbones.wrap(resnet())
    wrapped.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    images = pictures(2, SIDE, SIDE, 3)
    np.testing.assert_array_equal(again(images)["pooled"], wrapped(images)["pooled"])

"""Projectors and predictors: what their settings put where, and in NumPy."""

import numpy as np
import pytest

from sslzoo.errors import BadInput, UnknownName
from sslzoo.heads import projectors, puzzles

ENDS = {  # last: what stands behind the hidden layers, and its weights
    "linear": (["out"], ["out/kernel"]),
    "bias": (["out"], ["out/kernel", "out/bias"]),
    "scale": (["out", "norm_out"], ["out/kernel", "norm_out/gamma"]),
    "norm": (["out", "norm_out"], ["out/kernel"]),
}


@pytest.mark.parametrize("last", ENDS)
def test_it_ends_as_it_is_told(last):
    head = projectors.mlp(5, 7, 3, "head", depth=3, last=last)
    layers, weights = ENDS[last]
    hidden = ["hidden1", "norm1", "relu1", "hidden2", "norm2", "relu2"]
    assert [layer.name for layer in head.layers] == hidden + layers
    found = [w.path.removeprefix("head/") for w in head.trainable_weights]
    assert found[8:] == weights and head.output_shape == (None, 3)


def test_by_default_it_is_byols():
    """Whose published weights have these names."""
    head = projectors.mlp(5, 7, 3, "projector")
    assert [w.path for w in head.weights] == [
        *("projector/hidden1/kernel", "projector/hidden1/bias"),
        *("projector/norm1/gamma", "projector/norm1/beta"),
        *("projector/norm1/moving_mean", "projector/norm1/moving_variance"),
        "projector/out/kernel",
    ]


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("last", ENDS)
def test_it_is_what_numpy_makes_of_its_weights(norm, last):
    head = projectors.mlp(5, 7, 3, "head", bias=not norm, norm=norm, last=last)
    rng = np.random.default_rng(0)
    for weight in head.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    w = {v.path.removeprefix("head/"): np.float64(v) for v in head.trainable_weights}
    x = rng.normal(2, 3, size=(9, 5)).astype("float32")

    def normal(y):
        return (y - y.mean(0)) / np.sqrt(y.var(0) + 1e-5)

    y = x @ w["hidden1/kernel"] + w.get("hidden1/bias", 0)
    assert ("hidden1/bias" in w) == (not norm)
    if norm:
        y = normal(y) * w["norm1/gamma"] + w["norm1/beta"]
    y = np.maximum(y, 0) @ w["out/kernel"] + w.get("out/bias", 0)
    if last in ("scale", "norm"):
        y = normal(y) * w.get("norm_out/gamma", 1)
    np.testing.assert_allclose(head(x, training=True), y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("depth", [0, -2])
def test_a_head_without_layers_is_refused(depth):
    with pytest.raises(BadInput, match=f"A predictor of depth {depth}: it has 1 layer"):
        projectors.mlp(5, 7, 3, "predictor", depth)


@pytest.mark.parametrize("momentum", [5, 1, -0.1])
def test_a_norm_keeps_a_part_of_its_statistics(momentum):
    with pytest.raises(BadInput, match=f"momentum={momentum}: .* Give 0 or more, bel"):
        puzzles.patch_mlp(4, 3, 2, "puzzle", momentum=momentum)


@pytest.mark.parametrize("size", [0, -3])
def test_a_layer_without_numbers_is_refused(size):
    ends = f"The head ends in {size} numbers: give it 1 or more"
    with pytest.raises(BadInput, match=ends):
        projectors.mlp(5, 7, size, "head")
    with pytest.raises(BadInput, match=ends):
        projectors.linear(5, size, "head")
    hidden = f"The head has {size} numbers in its hidden layer: give it 1 or more"
    with pytest.raises(BadInput, match=hidden):
        projectors.mlp(5, size, 3, "head")
    with pytest.raises(BadInput, match=hidden):
        puzzles.patch_mlp(5, size, 3, "head")
    assert projectors.mlp(5, size, 3, "head", depth=1).output_shape == (None, 3)


def test_an_end_that_there_is_not_is_told():
    with pytest.raises(UnknownName, match="last='scal'. Did you mean 'scale'"):
        projectors.mlp(5, 7, 3, "head", last="scal")

"""Hypercolumns against NumPy written out, SciPy, and TensorFlow's ways to resize."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import map_coordinates

from sslzoo import backbones
from sslzoo.errors import BadInput, UnknownName
from sslzoo.heads.fov import with_fov
from sslzoo.heads.hypercolumns import Hypercolumns
from sslzoo.methods import colorization

SHAPES = {"fine": (2, 12, 8, 3), "middle": (2, 6, 4, 5), "top": (2, 1, 1, 2)}
STRIDES = {"fine": 2, "middle": 4, "top": 32}


def maps():
    rng = np.random.default_rng(0)
    return {k: rng.normal(size=shape).astype("float32") for k, shape in SHAPES.items()}


def places(points=50):
    """Also off the image, on both sides."""
    rng = np.random.default_rng(1)
    return rng.uniform((-9, -9), (40, 30), (2, points, 2)).astype("float32")


def weights_of(p, extent):
    """{cell: its weight} for a place between cells, one case after the other."""
    if p <= 0:
        return {0: 1.0}
    if p >= extent - 1:
        return {extent - 1: 1.0}
    low = int(p)
    return {low: 1 - (p - low), low + 1: p - low}


def written_out(features, locations, strides, offsets):
    """The sum over cells that have a weight, in float64; and the weights."""
    found, parts = [], []
    for n, points in enumerate(locations.astype("float64")):
        for y, x in points:
            column = []
            for name, s in strides.items():
                f, o = features[name].astype("float64"), offsets.get(name, 0)
                rows = weights_of((y - o) / s, f.shape[1])
                columns = weights_of((x - o) / s, f.shape[2])
                total = np.zeros(f.shape[-1])
                for (i, a), (j, b) in itertools.product(rows.items(), columns.items()):
                    total += a * b * f[n, i, j]
                    parts.append((name, n, i, j, a * b, len(found)))
                column.append(total)
            found.append(np.concatenate(column))
    return np.reshape(found, (*locations.shape[:2], -1)), parts


@pytest.mark.parametrize("offsets", [{}, {"fine": 0.5, "middle": 1.5}])
def test_sparse_is_its_formula(offsets):
    features, locations = maps(), places()
    ours = Hypercolumns(STRIDES, offsets)(features, locations)
    truth, _ = written_out(features, locations, STRIDES, offsets)
    np.testing.assert_allclose(ours, truth, rtol=1e-4, atol=1e-5)


def test_sparse_is_what_scipy_samples():
    features, locations = maps(), places()
    ours = Hypercolumns({"middle": 4})(features, locations)
    for n, c in itertools.product(range(2), range(5)):
        theirs = map_coordinates(
            features["middle"][n, :, :, c], locations[n].T / 4, order=1, mode="nearest"
        )
        np.testing.assert_allclose(ours[n, :, c], theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spacing", [1, 2, 4, 5])
@pytest.mark.parametrize("offsets", [{}, {"fine": 0.5, "middle": 1.5, "top": 15.5}])
def test_dense_and_sparse_agree_at_the_same_places(spacing, offsets):
    features = maps()
    layer = Hypercolumns(STRIDES, offsets, spacing)
    dense = np.asarray(layer(features))
    assert dense.shape == (2, -(-24 // spacing), -(-16 // spacing), 10)
    grid = np.stack(np.mgrid[0:24:spacing, 0:16:spacing], axis=-1).reshape(-1, 2)
    sparse = layer(features, np.stack([grid, grid]))
    np.testing.assert_allclose(dense.reshape(2, -1, 10), sparse, rtol=1e-5, atol=1e-6)


def test_offsets_of_zero_are_how_tensorflow_once_resized():
    f = maps()["middle"]
    ours = Hypercolumns({"middle": 4})({"middle": f})
    theirs = tf.raw_ops.ResizeBilinear(images=f, size=(24, 16))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_offsets_of_the_middle_are_how_it_resizes_today():
    f = maps()["middle"]
    ours = Hypercolumns({"middle": 4}, {"middle": 1.5})({"middle": f})
    theirs = tf.image.resize(f, (24, 16))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_gradient_goes_back_to_the_four_cells():
    features = {name: tf.constant(f) for name, f in maps().items()}
    locations = places(20)
    layer = Hypercolumns(STRIDES)
    noise = np.random.default_rng(2).normal(size=(2, 20, 10)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_sum(layer(features, locations) * noise)
    ours = tape.gradient(loss, features)

    truth = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    starts = dict(zip(SHAPES, np.cumsum([0, 3, 5])))
    _, parts = written_out(maps(), locations, STRIDES, {})
    for name, n, i, j, weight, point in parts:
        channels = slice(starts[name], starts[name] + SHAPES[name][-1])
        truth[name][n, i, j] += weight * noise.reshape(40, 10)[point, channels]
    for name in truth:
        np.testing.assert_allclose(
            tf.convert_to_tensor(ours[name]), truth[name], rtol=1e-3, atol=1e-4
        )


def test_half_precision_does_not_move_a_place():
    """Pixel 257 is none of bfloat16's numbers: it knows 256 and 258."""
    odd = (np.arange(352) % 2).astype("float32")[None, :, None, None]
    layer = Hypercolumns({"data": 1}, dtype="mixed_bfloat16")
    out = layer({"data": odd}, np.array([[[257.0, 0.0]]], "float32"))
    assert out.dtype == "bfloat16" and float(out[0, 0, 0]) == 1


def test_in_a_model_of_any_size_it_is_read_back(tmp_path):
    backbone = backbones.build("tiny", width=2)
    strides = {"block1": 2, "block2": 4}
    where = keras.Input((None, 2), name="where")
    layer = Hypercolumns(strides, {"block2": 1.5}, spacing=2, name="columns")
    features = backbone(backbone.input)
    outputs = {"sparse": layer(features, where), "dense": layer(features)}
    assert outputs["sparse"].shape == (None, None, 6)
    assert outputs["dense"].shape == (None, None, None, 6)
    model = keras.Model([backbone.input, where], outputs)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    rng = np.random.default_rng(0)
    inputs = [rng.random((2, 32, 24, 3), "float32"), rng.random((2, 7, 2)) * 20]
    ours, theirs = model(inputs), again(inputs)
    assert ours["dense"].shape == (2, 16, 12, 6)
    for kind in ours:
        np.testing.assert_array_equal(ours[kind], theirs[kind])


LARSSONS = {"vgg16": {}, "alexnet": dict(form="larsson")}
LARSSONS["resnet152"] = dict(style="caffe", unit_outputs=True)


@pytest.mark.parametrize(
    "name, dims", [("alexnet", 9569), ("vgg16", 12_417), ("resnet152", 11_584)]
)
def test_over_larssons_networks_it_has_the_dims_of_the_sheet(name, dims):
    """Sheet color_proxy, 1.3 to 1.6: of full width, of shapes alone; with "+FoV"."""
    strides = colorization.HYPERCOLUMNS[name]
    with keras.StatelessScope(initialize_variables=False):
        backbone = backbones.build(name, **LARSSONS[name])
        wide = with_fov(backbone)
    found = {i["name"]: i["stride"] for i in backbones.feature_info(wide)}
    taken = {**strides, "conv8_1": 64, "conv9_1": 128}
    assert {k: found.get(k, 1) for k in taken} == taken
    images = {"data": (8, 352, 352, 1)}  # In gray, which VGG-16 has as a feature too.
    shapes = {**images, **wide.compute_output_shape((8, 352, 352, 3))}
    sparse = Hypercolumns(strides).compute_output_shape(shapes, (8, 128, 2))
    assert sparse == (8, 128, dims)
    dense = Hypercolumns(taken, spacing=4).compute_output_shape(shapes)
    assert dense == (8, 88, 88, dims + 2 * 1024)


def test_every_unit_of_a_resnet_can_be_a_feature():
    options = dict(width=1 / 16, style="caffe")
    plain, told = (
        backbones.build("resnet18", **options, unit_outputs=told)
        for told in (False, True)
    )
    told.set_weights(plain.get_weights())
    images = np.random.default_rng(0).random((1, 64, 64, 3), "float32")
    ours, theirs = plain(images), told(images)
    assert len(theirs) == len(ours) + 1 + 8
    for name, value in ours.items():
        np.testing.assert_array_equal(theirs[name], value)
    for block in (1, 2, 3, 4):
        unit = theirs[f"block{block}_1"]
        np.testing.assert_array_equal(unit, theirs[f"block{block}"])
    assert theirs["root"].shape == (1, 32, 32, 4)


def test_a_wider_view_is_two_blocks_more():
    backbone = backbones.build("vgg16", width=1 / 32)
    wide = with_fov(backbone, channels=6)
    info = {i["name"]: i for i in backbones.feature_info(wide, 448)}
    assert [info[n]["stride"] for n in ("fc7", "conv8_1", "conv9_1")] == [32, 64, 128]
    assert info["conv9_1"]["channels"] == 6
    images = np.random.default_rng(0).random((1, 128, 128, 3), "float32")
    out = wide(images)
    np.testing.assert_array_equal(out["pooled"], backbone(images)["pooled"])
    assert [out[n].shape[1] for n in ("fc7", "conv8_1", "conv9_1")] == [4, 2, 1]

    # The first block in NumPy.
    w, b = (np.asarray(v, "float64") for v in wide.get_layer("conv8_1").weights)
    pooled = np.asarray(out["fc7"])[0].reshape(2, 2, 2, 2, -1).max(axis=(1, 3))
    padded = np.pad(pooled, [(1, 1), (1, 1), (0, 0)])
    truth = np.zeros((2, 2, 6)) + b
    for i, j in itertools.product(range(3), range(3)):
        truth += padded[i : i + 2, j : j + 2] @ w[i, j]
    np.testing.assert_allclose(
        out["conv8_1"][0], np.maximum(truth, 0), rtol=1e-4, atol=1e-6
    )


def test_a_wrong_name_or_shape_is_told():
    with pytest.raises(UnknownName, match="Did you mean 'middle'"):
        Hypercolumns({"midle": 4})(maps())
    with pytest.raises(BadInput, match=r"\(2, 50\).*give \[n, points, 2\]"):
        Hypercolumns(STRIDES)(maps(), places()[..., 0])

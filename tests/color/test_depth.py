"""HHA of rooms whose geometry is known, and against the equations in NumPy."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from sslzoo import color

CAMERA = color.Camera((70.0, 60.0), (33.5, 20.5))
HEIGHT, WIDTH = 56, 64


def room(pitch=0.0, tall=1.5, wall=9.0):
    """Depth of a floor, `tall` m below, and of a wall, through a camera that looks down
    by `pitch` degrees; and how high what is seen is, and the direction down."""
    x, y = np.meshgrid(np.arange(1, WIDTH + 1), np.arange(1, HEIGHT + 1))
    rays = np.stack(
        [
            (x - CAMERA.centre[0]) / CAMERA.focal[0],
            (y - CAMERA.centre[1]) / CAMERA.focal[1],
            np.ones_like(x),
        ],
        -1,
    )
    t = np.radians(pitch)
    down = np.array([0, np.cos(t), np.sin(t)])
    ahead = np.array([0, -np.sin(t), np.cos(t)])
    with np.errstate(divide="ignore"):
        floor = np.where(rays @ down > 0, tall / (rays @ down), np.inf)
    depth = np.minimum(floor, wall / (rays @ ahead))
    is_floor = floor == depth
    return depth.astype("float32"), tall - depth * (rays @ down), is_floor, down


def inner(mask, by):
    """Where all within `by` pixels are so too, and inside of the picture."""
    full = np.pad(mask, by)
    sides = np.lib.stride_tricks.sliding_window_view(full, (2 * by + 1,) * 2)
    return sides.all((2, 3))


@pytest.mark.parametrize("pitch", [0, 15])
def test_a_room_is_measured(pitch):
    """Its floor faces down, its wall stands, heights are those above the floor."""
    depth, height, is_floor, down = room(pitch)
    found = 255 * np.asarray(color.hha(depth, CAMERA, down=down))
    np.testing.assert_allclose(found[..., 0], 310 / np.maximum(depth, 1), rtol=1e-4)
    expected = np.clip(100 * (height - height.min()), 0, 255)
    np.testing.assert_allclose(found[..., 1], expected, atol=0.05)
    flat, upright = inner(is_floor, 3), inner(~is_floor, 3)
    assert flat.sum() > 100 and upright.sum() > 100
    np.testing.assert_allclose(found[flat, 2], 38, atol=0.3)
    np.testing.assert_allclose(found[upright, 2], 128, atol=0.3)


@pytest.mark.parametrize("pitch", [0, 15])
def test_gravity_is_found(pitch):
    depth, _, _, down = room(pitch)
    normals = color.normals(depth, depth > 0, CAMERA, radius=10)
    found = np.asarray(color.gravity(normals))
    # Where floor and wall meet, planes of 21 pixels lie across the corner.
    assert np.degrees(np.arccos(found @ down)) < 3
    normals = color.normals(depth, depth > 0, CAMERA, radius=1)
    found = np.asarray(color.gravity(normals))
    assert np.degrees(np.arccos(min(1, found @ down))) < 0.5


def test_gravity_is_the_eigenvector_of_its_equation():
    """Written out in NumPy, on normals that are spread."""
    rng = np.random.default_rng(0)
    axes = np.array([[0.1, 1, 0.2], [0, 0.2, -1], [1, -0.1, 0]])
    normals = axes[rng.integers(0, 3, (20, 30))] + rng.normal(0, 0.1, (20, 30, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = normals.astype("float32")
    n, y = normals.reshape(-1, 3).astype("float64"), np.array([0, 1.0, 0])
    for degrees in (45,) * 5 + (15,) * 5:
        c = np.abs(n @ y)
        floor = n[c > np.cos(np.radians(degrees))]
        wall = n[c < np.sin(np.radians(degrees))]
        vectors = np.linalg.eigh(wall.T @ wall - floor.T @ floor)[1]
        y = vectors[:, 0] * np.sign(vectors[:, 0] @ y)
    np.testing.assert_allclose(color.gravity(normals), y, atol=1e-3)


def test_where_nothing_tells_gravity_stays_as_it_was():
    assert list(np.asarray(color.gravity(np.zeros((4, 5, 3), "float32")))) == [0, 1, 0]
    wall = np.tile(np.float32([0, 0, 1]), (4, 5, 1))
    np.testing.assert_allclose(color.gravity(wall), [0, 1, 0], atol=1e-6)


def test_normals_are_those_of_the_plane_through_the_pixels_in_use():
    """The sheet's normal equations, in float64, around a few pixels; with holes."""
    rng = np.random.default_rng(0)
    depth = (3 + rng.random((HEIGHT, WIDTH))).astype("float32")
    use = rng.random((HEIGHT, WIDTH)) < 0.7
    found = np.asarray(color.normals(depth, use, CAMERA, radius=3))
    x, y = np.meshgrid(np.arange(1, WIDTH + 1), np.arange(1, HEIGHT + 1))
    u = (x - CAMERA.centre[0]) / CAMERA.focal[0]
    v = (y - CAMERA.centre[1]) / CAMERA.focal[1]
    for i, j in ((20, 30), (0, 0), (55, 63), (3, 60)):
        rows, columns = slice(max(0, i - 3), i + 4), slice(max(0, j - 3), j + 4)
        seen = use[rows, columns]
        a = np.stack([u[rows, columns][seen], v[rows, columns][seen]], -1)
        a = np.concatenate([a, np.ones((len(a), 1))], -1)
        n = np.linalg.lstsq(a, 1 / depth[rows, columns][seen], rcond=None)[0]
        n /= np.linalg.norm(n)
        n *= np.sign(n @ [u[i, j], v[i, j], 1])
        np.testing.assert_allclose(found[i, j], n, atol=2e-3)


@pytest.mark.parametrize("hole", [0.0, -1.0, np.nan, np.inf])
def test_holes_are_black_and_nothing_else_is(hole):
    depth = room()[0]
    depth[5:9, 5:9] = depth[40, 40] = hole
    found = np.asarray(color.hha(depth, CAMERA))
    holes = np.zeros(depth.shape, bool)
    holes[5:9, 5:9] = holes[40, 40] = True
    np.testing.assert_array_equal(~found.any(-1), holes)
    assert np.isfinite(found).all() and found[~holes][:, 2].min() > 0


def test_of_no_depth_at_all_there_is_no_hha():
    found = np.asarray(color.hha(np.zeros((2, 8, 9), "float32"), CAMERA))
    assert found.shape == (2, 8, 9, 3) and not found.any()


def test_a_pixel_alone_has_the_angle_of_the_authors_files():
    depth = np.zeros((9, 9), "float32")
    depth[4, 4] = 2
    found = 255 * np.asarray(color.hha(depth, CAMERA))[4, 4]
    np.testing.assert_allclose(found[[0, 2]], [155, 218], rtol=1e-5)


def test_only_what_was_measured_makes_the_normals():
    depth, _, is_floor, down = room()
    measured = np.ones(depth.shape, bool)
    filled = depth.copy()
    measured[20:30, 10:20], filled[20:30, 10:20] = False, 1.0
    found = np.asarray(color.hha(filled, CAMERA, measured, down=down))
    whole = np.asarray(color.hha(depth, CAMERA, down=down))
    around = ~inner(measured, 4) & measured & (inner(is_floor, 4) | inner(~is_floor, 4))
    assert around.any()
    np.testing.assert_allclose(found[around, 2], whole[around, 2], atol=2e-3)
    assert found[25, 15, 0] == 1  # Depth and height are of what was filled in.


def test_a_ground_that_is_not_seen_is_130_cm_below():
    """No point is 90 cm below the camera: of two walls 0 is taken to be lower."""
    wall = np.full((20, 20), 2.0, "float32")
    camera = color.Camera((100.0, 100.0), (10.5, 10.5))
    found = 255 * np.asarray(color.hha(wall, camera, down=(0, 1, 0)))[..., 1]
    y = (np.arange(1, 21) - 10.5) / 100 * 200
    np.testing.assert_allclose(found, np.tile((130 - y)[:, None], 20), rtol=1e-5)


def test_what_is_shown_comes_back_as_geometry():
    depth, height, is_floor, down = room()
    depth[3, 3] = 0
    hha = color.hha(depth, CAMERA, down=down)
    metres, above, angle = (np.asarray(x) for x in color.hha_to_geometry(hha))
    seen = depth > 1.22
    np.testing.assert_allclose(metres[seen], depth[seen], rtol=1e-4)
    low = height - height.min() < 2.55
    low[3, 3] = False
    np.testing.assert_allclose(above[low], (height - height.min())[low], atol=1e-3)
    np.testing.assert_allclose(angle[inner(is_floor, 3)], 0, atol=0.3)
    assert metres[3, 3] == above[3, 3] == angle[3, 3] == 0
    near = color.hha_to_geometry(np.float32([[[1, 0, 0.5]]]))[0]
    np.testing.assert_allclose(near, 310 / 255, rtol=1e-5)  # The nearest that is told.


def test_a_batch_is_its_pictures():
    depths = np.stack([room(0)[0], room(15)[0]])
    batch = color.hha(depths, CAMERA)
    for one, depth in zip(batch, depths):
        np.testing.assert_allclose(one, color.hha(depth, CAMERA), atol=2e-3)


@pytest.mark.slow
def test_depth_may_be_as_numpy_has_it():
    depth, *_ = room()
    np.testing.assert_array_equal(
        color.hha(np.float64(depth), CAMERA), color.hha(depth, CAMERA)
    )


@pytest.mark.slow
def test_compiled_it_is_the_same():
    depths = np.stack([room(0)[0], room(15)[0]])
    compiled = tf.function(lambda x: color.hha(x, CAMERA), jit_compile=True)(depths)
    # A normal within rounding of 15 or 45 degrees counts or does not.
    np.testing.assert_allclose(compiled, color.hha(depths, CAMERA), atol=5e-3)


def test_the_camera_of_a_part_sees_the_same():
    depth, _, _, down = room()
    part = color.hha(depth[10:, 7:], CAMERA.of_part(10, 7), down=down)
    whole = np.asarray(color.hha(depth, CAMERA, down=down))[10:, 7:]
    np.testing.assert_allclose(part[3:, 3:], whole[3:, 3:], atol=1e-4)


CODE = """
import json, sys, numpy as np
from sslzoo import color
camera = color.Camera((70.0, 60.0), (33.5, 20.5))
hha = color.hha(np.float32(json.loads(sys.argv[1])), camera)
print(json.dumps(np.asarray(hha).tolist()))
"""


@pytest.mark.slow
def test_on_jax_it_is_the_same():
    pytest.importorskip("jax")
    depth = room(15)[0][::2, ::2]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    said = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(depth.tolist())],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    np.testing.assert_allclose(json.loads(said), color.hha(depth, CAMERA), atol=5e-3)

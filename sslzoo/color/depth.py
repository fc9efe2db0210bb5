"""HHA, depth as a picture of three channels (Gupta et al., 2014), and back.

    H1 = 31000 / max(z, 100),   z the depth in cm: horizontal disparity
    H2 = height above the lowest point, in cm
    A  = 38 + angle between the surface's normal and gravity, in degrees

each divided by 255 and cut to [0, 1], so that HHA is an image like any other: 38 is of
a floor, 128 of a wall. Where no depth is known it is black, which no known place is.

A pixel (x, y) of depth z is the point z (u, v, 1), with u = (x - cx) / fx to the right
and v = (y - cy) / fy down. All maps are `[..., h, w]`.
"""

import dataclasses
import math

import numpy as np
from keras import ops

DISPARITY = 31_000.0
NEAREST = 100.0  # cm: what is nearer counts as that
ANGLE = 38.0  # so that a wall, 90 degrees, is 128
# If no point is 90 cm below the camera, the ground is taken to be 130 cm below it.
LOW, GROUND = -90.0, -130.0
# Degrees around gravity, and around what is upright, of floors and of walls; each five
# times.
NARROWING = (45.0,) * 5 + (15.0,) * 5
INERTIA = 1e-4  # how much gravity keeps to what it was, where W and F are of up to 1


@dataclasses.dataclass(frozen=True)
class Camera:
    """Focal lengths and centre, (along x, along y), in pixels; the first pixel is 1.

    Numbers, or tensors without shape: a compiled `hha` then serves many cameras.
    """

    focal: tuple
    centre: tuple

    def of_part(self, top, left):
        """The camera of a window that begins there."""
        return Camera(self.focal, (self.centre[0] - left, self.centre[1] - top))


# The colour camera of NYU Depth v2, to which its depth is registered: 640 x 480.
NYU = Camera((518.857901, 519.469611), (325.582449, 253.736166))


def hha(depth, camera, measured=None, down=None):
    """HHA of depth in metres, `[..., h, w, 3]` in [0, 1].

    Args:
        depth: 0, negative, NaN or infinite where it is not known; best with its holes
            filled.
        measured: whether a depth was measured, not filled in: only such make the
            normals. Without, all that are known.
        down: the direction of gravity, `[..., 3]`, where it is known. Out of doors it
            should be: of a ground seen for 100 m, 1 degree makes 2 m of height.
    """
    depth = ops.cast(ops.convert_to_tensor(depth), "float32")  # NumPy has float64.
    known = ops.logical_and(depth > 0, depth < np.inf)  # false for NaN too
    depth = ops.where(known, depth, 1.0)
    use = known if measured is None else ops.logical_and(known, measured)
    u, v = _rays(depth.shape, camera)
    if down is None:
        down = gravity(normals(depth, use, camera, radius=10))
    down = ops.convert_to_tensor(down, depth.dtype)

    point = ops.stack([u * depth, v * depth, depth], axis=-1)
    height = -100 * _dot(point, down[..., None, None, :])
    lowest = ops.min(ops.where(known, height, np.inf), axis=(-2, -1), keepdims=True)
    lowest = ops.where(lowest > LOW, GROUND, lowest)
    disparity = DISPARITY / ops.maximum(100 * depth, NEAREST)
    normal = normals(depth, use, camera, radius=3)
    cosine = ops.clip(_dot(normal, down[..., None, None, :]), -1, 1)
    angle = ops.arccos(cosine) * (180 / math.pi)
    # Where nothing around is known there is no normal; the authors' files have 180.
    angle = ops.where(ops.any(normal != 0, axis=-1), angle, 180.0)
    channels = ops.stack([disparity, height - lowest, angle + ANGLE], axis=-1)
    return ops.where(known[..., None], ops.clip(channels / 255, 0, 1), 0.0)


def hha_to_geometry(hha):
    """Depth and height in metres, and the angle in degrees, `[..., h, w]` each.

    What was cut off is gone: nearer than 1.22 m is 1.22 m, higher than 2.55 m is that.
    Black, where nothing was known, is a depth of 0.
    """
    hha = 255 * ops.convert_to_tensor(hha)
    known = hha[..., 2] > 0
    disparity = ops.where(hha[..., 0] > 0, hha[..., 0], 1.0)
    depth = ops.where(known, DISPARITY / disparity / 100, 0.0)
    return depth, hha[..., 1] / 100, ops.where(known, hha[..., 2] - ANGLE, 0.0)


def normals(depth, use, camera, radius):
    """Of the plane through what is around each pixel, `[..., h, w, 3]`, of length 1.

    It points away from the camera, and is 0 where no plane is given. A plane n . P = 1
    makes 1/z linear, n . (u, v, 1); that is fitted by least squares to the pixels in
    use of a square of 2 radius + 1.
    """
    weight = ops.cast(use, depth.dtype)
    inverse = weight / depth
    # Sums of x^i y^j over the square, x and y from its middle: no digits are lost.
    across = {
        "n": [_moment(weight, radius, i, -1) for i in range(3)],
        "z": [_moment(inverse, radius, i, -1) for i in range(2)],
    }

    def total(what, i, j):
        scale = camera.focal[0] ** i * camera.focal[1] ** j
        return _moment(across[what][i], radius, j, -2) / scale

    n, x, y = total("n", 0, 0), total("n", 1, 0), total("n", 0, 1)
    xx, xy, yy = total("n", 2, 0), total("n", 1, 1), total("n", 0, 2)
    z, zx, zy = total("z", 0, 0), total("z", 1, 0), total("z", 0, 1)
    # The adjugate times the right side: its direction is all that is wanted.
    a = (yy * n - y * y) * zx + (x * y - xy * n) * zy + (xy * y - x * yy) * z
    b = (x * y - xy * n) * zx + (xx * n - x * x) * zy + (xy * x - xx * y) * z
    c = (xy * y - x * yy) * zx + (xy * x - xx * y) * zy + (xx * yy - xy * xy) * z
    u, v = _rays(depth.shape, camera)
    normal = ops.stack([a, b, c - a * u - b * v], axis=-1)
    # Pixels of one line give no plane: what is left is rounding.
    volume = n * (xx * yy - xy * xy) - x * (x * yy - xy * y) + y * (x * xy - xx * y)
    flat = volume <= 1e-5 * n * xx * yy
    length = ops.sqrt(ops.sum(ops.square(normal), axis=-1))
    none = ops.logical_or(flat, length == 0)[..., None]
    normal = normal / ops.where(none, 1.0, length[..., None])
    return ops.where(none, 0.0, normal * ops.where(c < 0, -1.0, 1.0)[..., None])


def gravity(normals):
    """The direction down, `[..., 3]`, that floors face and walls stand along.

    From (0, 1, 0) on, ten times: of the normals within 45 (then 15) degrees of it or of
    its opposite, F, and of those within as many of a right angle to it, W, the next is
    the eigenvector of the least eigenvalue of W W' - F F'.
    """
    shape = [1] * (len(normals.shape) - 3) + [3]
    down = ops.zeros_like(normals[..., 0, 0, :])
    down = down + ops.reshape(ops.convert_to_tensor((0.0, 1.0, 0.0), down.dtype), shape)
    there = ops.any(normals != 0, axis=-1)
    for degrees in NARROWING:
        cosine = ops.abs(_dot(normals, down[..., None, None, :]))
        floor = cosine > math.cos(math.radians(degrees))
        wall = ops.logical_and(there, cosine < math.sin(math.radians(degrees)))
        part = ops.cast(wall, normals.dtype) - ops.cast(floor, normals.dtype)
        rows = [
            ops.mean((part * normals[..., i])[..., None] * normals, axis=(-3, -2))
            for i in range(3)
        ]
        # One wall alone leaves it open: then it stays nearest to what it was.
        before = INERTIA * down[..., :, None] * down[..., None, :]
        found = ops.eigh(ops.stack(rows, axis=-2) - before)[1][..., 0]
        down = found * ops.where(_dot(found, down) < 0, -1.0, 1.0)[..., None]
    return down


def _rays(shape, camera):
    """u `[1, w]` and v `[h, 1]`."""
    (height, width), (fx, fy), (cx, cy) = shape[-2:], camera.focal, camera.centre
    x = ops.convert_to_tensor(np.arange(1, width + 1, dtype="float32")[None])
    y = ops.convert_to_tensor(np.arange(1, height + 1, dtype="float32")[:, None])
    return (x - cx) / fx, (y - cy) / fy


def _dot(a, b):
    return ops.sum(a * b, axis=-1)


def _moment(x, radius, power, axis):
    """sum_k k^power x[i + k], |k| <= radius, along an axis; outside there is nothing.

    As sums: a convolution may round to half precision.
    """
    edges = [(0, 0)] * len(x.shape)
    edges[axis] = (radius, radius)
    padded, extent = ops.pad(x, edges), x.shape[axis]

    def shifted(k):
        here = slice(radius + k, radius + k + extent)
        return padded[..., here, :] if axis == -2 else padded[..., here]

    places = [k for k in range(-radius, radius + 1) if k or not power]
    return sum(float(k**power) * shifted(k) for k in places)

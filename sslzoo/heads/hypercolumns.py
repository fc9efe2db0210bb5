"""Hypercolumns (Hariharan et al., 2015): all that a network knows of one place.

    h(y, x) = [f_1(p_1(y), p_1(x)), f_2(p_2(y), p_2(x)), ...]
    p_i(y) = (y - o_i) / s_i

y and x are in pixels of the image, s_i is the stride of map i, o_i the pixel on which
its first cell lies, and f_i between four cells is their bilinear mix. Outside, the
nearest cell counts: p is held in [0, H - 1], where the authors' code stops 0.0001 short
of the end.

Larsson et al., arXiv:1703.04044, learn from few places of an image and test on all.
"""

import keras
from keras import ops

from sslzoo.backbones import layers
from sslzoo.errors import BadInput


@keras.saving.register_keras_serializable("sslzoo")
class Hypercolumns(keras.layers.Layer):
    """{name: `[n, h, w, c]`} -> `[n, points, dims]`, or of a grid, `[n, h, w, dims]`.

    Sparse where locations are given, `[n, points, 2]` of (y, x). Dense otherwise, at
    y = 0, spacing, 2 spacing ...: the places that sparse would give the same for. The
    gradient goes back to the four cells, with the same weights.

    Args:
        strides: {name: s}, of the features to take, in this order; as
            `backbones.feature_info` tells them. Other features are left out.
        offsets: {name: o}, 0 where none is given: as all public code for tests has it.
            (s - 1) / 2 puts cells on the middle of the pixels they cover, as the
            authors' other code has it.
        spacing: of the dense grid, in pixels. What a map as fine as that has between is
            skipped.
    """

    def __init__(self, strides, offsets=None, spacing=1, **options):
        # Places are numbers of pixels: half precision would move them.
        super().__init__(autocast=False, **options)
        self.strides, self.offsets = dict(strides), dict(offsets or {})
        self.spacing = spacing

    def call(self, features, locations=None):
        features = self._taken(features)
        if locations is None:
            columns = self._dense(features)
        else:
            columns = self._sparse(features, ops.cast(locations, "float32"))
        return ops.concatenate(list(columns), axis=-1)

    def _sparse(self, features, locations):
        _points(locations.shape)
        for name, x in features.items():
            p = self._cells(name, locations)
            yield sampled(ops.cast(x, self.compute_dtype), p[..., 0], p[..., 1])

    def _dense(self, features):
        grid = self._grid({name: ops.shape(x) for name, x in features.items()})
        for name, x in features.items():
            x = ops.cast(x, self.compute_dtype)
            for axis, extent in zip((1, 2), grid):
                places = self.spacing * ops.arange(extent, dtype="float32")
                x = resampled(x, self._cells(name, places), axis)
            yield x

    def _taken(self, features):
        for name in self.strides:
            layers.known(name, features, "strides: feature")
        return {name: features[name] for name in self.strides}

    def _cells(self, name, places):
        return (places - self.offsets.get(name, 0)) / self.strides[name]

    def _grid(self, shapes):
        """As many places as cover the image, which the finest map tells."""
        finest = min(self.strides, key=self.strides.get)
        return [
            None
            if extent is None
            else -(-extent * self.strides[finest] // self.spacing)
            for extent in shapes[finest][1:3]
        ]

    def compute_output_shape(self, features_shape, locations_shape=None):
        shapes = self._taken(features_shape)
        dims = sum(shape[-1] for shape in shapes.values())
        n = next(iter(shapes.values()))[0]
        if locations_shape is None:
            return (n, *self._grid(shapes), dims)
        return (n, _points(locations_shape), dims)

    def get_config(self):
        own = {key: getattr(self, key) for key in ("strides", "offsets", "spacing")}
        return {**super().get_config(), **own}


def sampled(maps, y, x):
    """The maps `[n, h, w, c]` at cells y and x, `[n, points]`: `[n, points, c]`."""
    n, height, width, channels = ops.shape(maps)
    cells = ops.reshape(maps, (n * height * width, channels))
    image = ops.arange(n)[:, None]
    top, bottom, down = _between(y, height)
    left, right, along = _between(x, width)
    down, along = (ops.cast(part[..., None], maps.dtype) for part in (down, along))

    def row(i):
        first, second = (
            ops.take(cells, (image * height + i) * width + j, axis=0)
            for j in (left, right)
        )
        return first * (1 - along) + second * along

    return row(top) * (1 - down) + row(bottom) * down


def resampled(maps, p, axis):
    """The maps at the cells p, `[g]`, of one axis, whose extent g becomes."""
    before, behind, part = _between(p, ops.shape(maps)[axis])
    part = ops.cast(ops.reshape(part, [-1] + [1] * (3 - axis)), maps.dtype)
    first, second = (ops.take(maps, i, axis=axis) for i in (before, behind))
    return first * (1 - part) + second * part


def _between(p, extent):
    """The cells before and behind p, and how far it is from the first to the second."""
    p = ops.clip(p, 0, extent - 1)
    before = ops.floor(p)
    part = p - before
    before = ops.cast(before, "int32")
    return before, ops.minimum(before + 1, extent - 1), part


def _points(shape):
    """How many points locations of this shape are."""
    if len(shape) != 3 or shape[-1] != 2:
        raise BadInput(
            f"locations of the shape {tuple(shape)}: give [n, points, 2], y and x of "
            "each point."
        )
    return shape[1]

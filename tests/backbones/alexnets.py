"""Small AlexNets as if trained, and the same written out in NumPy."""

import math

import numpy as np
import skimage.color
import skimage.data

from sslzoo import backbones
from sslzoo.backbones import layers

WIDE = dict(conv1=96, pool1=96, conv2=256, pool2=256, conv3=384, conv4=384, conv5=256)
WIDE |= dict(pool5=256, fc6=4096, fc7=4096)
TWO = ("conv2", "conv4", "conv5")  # In two groups in the original network;
ALL = (*TWO, "conv3", "fc6", "fc7")  # in one of two halves, all of these.
GRAY = dict(scale=3)  # What `alexnet` of gray images wants.


def alexnet(form="original", scale=0.03, width=1 / 16, **options):
    """One as if trained: no bias is zero, no mean, and no variance is one.

    Args:
        scale: of conv1's kernel; Lab and 0 to 255 come some tens wide.
    """
    net = backbones.build("alexnet", form=form, width=width, **options)
    rng = np.random.default_rng(5)
    for weight in net.weights:
        kind = weight.path.rpartition("/")[2]
        low, high = (0.5, 2) if kind == "moving_variance" else (-0.3, 0.3)
        value = rng.uniform(low, high, weight.shape)
        if kind == "kernel":
            spread = scale if "conv1" in weight.path else 1.4
            spread /= math.sqrt(np.prod(weight.shape[:3]))
            value = rng.normal(0, spread, weight.shape)
        weight.assign(value)
    return net


def photos(size, n=2):
    """Parts of a photograph, `[n, size, size, 3]`, float32 in [0, 1]."""
    photo = skimage.data.astronaut().astype("float32") / 255
    return np.stack([photo[40 * i :, 150 + 20 * i :][:size, :size] for i in range(n)])


def near(found, expected, tolerance=1e-4):
    """Within `tolerance` of the largest, and that is not zero."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape and np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def lab(images):
    return skimage.color.rgb2lab(images) - [50, 0, 0]


def windows(x, size, stride=1, dilation=1):
    """`[n, h, w, c]` -> `[n, rows, columns, c, size, size]`."""
    reach = (size - 1) * dilation + 1
    every = np.lib.stride_tricks.sliding_window_view(x, (reach, reach), axis=(1, 2))
    return every[:, ::stride, ::stride, :, ::dilation, ::dilation]


def padded(x, before, behind, value=0.0):
    sides = [(0, 0), (before, behind), (before, behind), (0, 0)]
    return np.pad(x, sides, constant_values=value)


def written_out(
    net, x, conv1=0, pool=0, stride5=2, fc6=0, dilation=1, groups=(), stride1=4
):
    """{name: features} by the weights of `net` of what conv1 is shown."""
    known = {weight.path: np.asarray(weight, "float64") for weight in net.weights}
    has_lrn = any(isinstance(layer, layers.LRN) for layer in net.layers)

    def conv(x, name, stride=1, pad=0, dilation=1):
        kernel, parts = known[f"{name}/kernel"], 2 if name in groups else 1
        sides = pad if isinstance(pad, tuple) else (pad, pad)
        seen = windows(padded(x, *sides), len(kernel), stride, dilation)
        pairs = zip(np.split(seen, parts, axis=3), np.split(kernel, parts, axis=-1))
        each = [np.tensordot(a, b, [(3, 4, 5), (2, 0, 1)]) for a, b in pairs]
        y = np.concatenate(each, axis=-1) + known[f"{name}/bias"]
        if f"{name}_bn/moving_mean" in known:
            y -= known[f"{name}_bn/moving_mean"]
            y /= np.sqrt(known[f"{name}_bn/moving_variance"] + 1e-5)
        return np.maximum(y, 0)

    def lrn(x):
        squares = np.pad(x**2, [(0, 0)] * 3 + [(2, 2)])
        around = np.lib.stride_tricks.sliding_window_view(squares, 5, axis=-1)
        return x / (1 + 1e-4 / 5 * around.sum(-1)) ** 0.75 if has_lrn else x

    def pooled(x, stride=2):
        count = math.ceil((x.shape[1] + 2 * pool - 3) / stride) + 1
        behind = (count - 1) * stride + 3 - x.shape[1] - pool
        x = padded(x, pool, behind, -np.inf)
        return windows(x, 3, stride).max((4, 5))

    y, how = {}, dict(stride=stride1, pad=conv1)
    if "conv1_first/kernel" in known:
        stems = [conv(x[..., :1], "conv1_first", **how)]
        stems += [conv(x[..., 1:], "conv1_rest", **how)]
        y["conv1"] = np.concatenate(stems, axis=-1)
    else:
        y["conv1"] = conv(x, "conv1", **how)
    y["pool1"] = pooled(lrn(y["conv1"]))
    y["conv2"] = conv(y["pool1"], "conv2", pad=2)
    y["pool2"] = pooled(lrn(y["conv2"]))
    y["conv3"] = conv(y["pool2"], "conv3", pad=1)
    y["conv4"] = conv(y["conv3"], "conv4", pad=1)
    y["conv5"] = conv(y["conv4"], "conv5", pad=1)
    y["pool5"] = pooled(y["conv5"], stride5)
    y["fc6"] = conv(y["pool5"], "fc6", pad=fc6, dilation=dilation)
    y["fc7"] = conv(y["fc6"], "fc7")
    vector = y["fc7"].shape[1:3] == (1, 1)
    return y | {"pooled": y["fc7" if vector else "pool5"].mean((1, 2))}

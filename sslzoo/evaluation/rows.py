"""Passes over labelled features that may be larger than memory, for `linear`.

Rows come in chunks of one shape, the last one filled up with rows of weight 0, so that
TensorFlow traces each pass once. Sums over chunks are float64. Which rows are held out,
too, is a matter of weights alone.
"""

import numpy as np
import tensorflow as tf

from sslzoo.evaluation import labelled

NAMES = ("train", "validation")
CHUNK = 2**25  # Bytes of features in a chunk.
SAMPLE = 4  # A Gram matrix is taken of at most so many rows per feature.


class Rows:
    """The rows of one array, or of two, one after the other.

    Args:
        parts: pairs of features `[n, d]` and labels `[n]`: to train on, and of those
            to validate on.
        memory: bytes; features that take more are read anew in every pass.
    """

    def __init__(self, parts, memory=2**31):
        self.arrays, self.dimensions, given = [], None, []
        for (x, y), name in zip(parts, NAMES):
            labelled.features(x, name, self.dimensions)
            self.dimensions = x.shape[1]
            self.arrays.append(x)
            given.append(labelled.labels(y, x, name))
        labels = np.concatenate(given)
        self.classes, self.labels = np.unique(labels, return_inverse=True)
        self.count = len(labels)
        double = any(x.dtype == np.float64 for x in self.arrays)
        self.dtype = np.dtype(np.float64 if double else np.float32)
        widest = max(self.dimensions, len(self.classes)) * self.dtype.itemsize
        self.size = min(max(CHUNK // widest, 64), max(len(x) for x in self.arrays))
        whole = self.count * self.dimensions * self.dtype.itemsize <= memory
        self.kept = list(self._read()) if whole else None

    def chunks(self):
        """Yields (start, number of rows, features [size, d]); NaN is refused."""
        return iter(self.kept) if self.kept is not None else self._read()

    def _read(self):
        start = 0
        for x, name in zip(self.arrays, NAMES):
            for first in range(0, len(x), self.size):
                rows = np.asarray(x[first : first + self.size], self.dtype)
                rows = labelled.finite(rows, first, name)
                n = len(rows)
                if n < self.size:
                    rows = np.pad(rows, [(0, self.size - n), (0, 0)])
                yield start, n, tf.convert_to_tensor(rows)
                start += n

    def _fill(self, values, start, n):
        part = np.zeros(self.size, values.dtype)
        part[:n] = values[start : start + n]
        return part

    def moments(self, weights):
        """Weighted mean and standard deviation of the columns, `[d]` float64."""
        mean, square, total = np.zeros(self.dimensions), np.zeros(self.dimensions), 0.0
        weights = weights.astype(self.dtype)
        for start, n, x in self.chunks():
            here = float(weights[start : start + n].sum(dtype=np.float64))
            if not here:
                continue
            part, spread = (
                value.numpy().astype(np.float64)
                for value in _moments(x, self._fill(weights, start, n))
            )
            apart, total = part - mean, total + here
            square += spread + apart**2 * here * (total - here) / total
            mean += apart * here / total
        return mean, np.sqrt(square / total)

    def loss(self, kernel, bias, weights):
        """Cross entropy summed over the rows, with its slopes.

        Returns:
            the sum, its gradients `[d, K]` and `[K]`, and s_i `[n]` (see `linear`).
        """
        loss, slope, slope_bias = 0.0, np.zeros(kernel.shape), np.zeros(bias.shape)
        spread = np.empty(self.count, self.dtype)
        kernel, bias = kernel.astype(self.dtype), bias.astype(self.dtype)
        labels, weights = self.labels.astype(np.int32), weights.astype(self.dtype)
        for start, n, x in self.chunks():
            part, by_kernel, by_bias, s = _loss(
                x,
                self._fill(labels, start, n),
                self._fill(weights, start, n),
                kernel,
                bias,
            )
            loss += float(part)
            slope += by_kernel.numpy()
            slope_bias += by_bias.numpy()
            spread[start : start + n] = s.numpy()[:n]
        return loss, slope, slope_bias, spread

    def gram(self, spread, mean, scale, whole):
        """sum_i s_i z_i z_i^T, z = (x - mean) / scale; its diagonal if not `whole`.

        Of many rows a fixed random sample is taken, weighed up to the same total, and
        rows that hardly count are left out.
        """
        keep = np.flatnonzero(spread > 0.01 * spread.mean())
        limit = max(SAMPLE * self.dimensions, 4096)
        if len(keep) > limit:
            keep = np.random.default_rng(0).choice(keep, limit, replace=False)
        used = np.zeros_like(spread)
        used[keep] = spread[keep]
        if used.any():
            used *= spread.sum() / used.sum()
        d = self.dimensions
        gram = np.zeros((d, d) if whole else d)
        mean, scale = mean.astype(self.dtype), scale.astype(self.dtype)
        for start, n, x in self.chunks():
            some = np.flatnonzero(used[start : start + n]).astype(np.int32)
            if len(some):
                roots = np.sqrt(used[start + some]).astype(self.dtype)
                gram += _gram(x, some, roots, mean, scale, whole).numpy()
        return gram

    def predict(self, kernel, bias):
        """The index of the likeliest class of every row, `[n]`."""
        kernel, bias = kernel.astype(self.dtype), bias.astype(self.dtype)
        found = [_likeliest(x, kernel, bias).numpy()[:n] for _, n, x in self.chunks()]
        return np.concatenate(found)


@tf.function(reduce_retracing=True, autograph=False)
def _moments(x, weights):
    total = tf.reduce_sum(weights)
    mean = tf.linalg.matvec(x, weights, transpose_a=True) / total
    apart = tf.math.squared_difference(x, mean)
    return mean, tf.linalg.matvec(apart, weights, transpose_a=True)


@tf.function(reduce_retracing=True, autograph=False)
def _loss(x, labels, weights, kernel, bias):
    log_p = tf.nn.log_softmax(x @ kernel + bias)
    p = tf.exp(log_p)
    truth = tf.one_hot(labels, tf.shape(log_p)[1], dtype=log_p.dtype)
    loss = -tf.reduce_sum(log_p * truth, axis=1) * weights
    slope = (p - truth) * weights[:, None]
    spread = tf.reduce_sum(p * (1 - p), axis=1)  # 1 - sum p^2 would cancel.
    spread /= tf.cast(tf.shape(p)[1] - 1, p.dtype)
    return (
        tf.reduce_sum(tf.cast(loss, tf.float64)),
        tf.matmul(x, slope, transpose_a=True),
        tf.reduce_sum(slope, axis=0),
        spread,
    )


@tf.function(reduce_retracing=True, autograph=False)
def _gram(x, some, roots, mean, scale, whole):
    z = (tf.gather(x, some) - mean) / scale * roots[:, None]
    if whole:
        return tf.matmul(z, z, transpose_a=True)
    return tf.reduce_sum(tf.square(z), axis=0)


@tf.function(reduce_retracing=True, autograph=False)
def _likeliest(x, kernel, bias):
    return tf.argmax(x @ kernel + bias, axis=1)

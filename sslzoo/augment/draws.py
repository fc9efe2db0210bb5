"""Random numbers as a pure function of a seed, the same bits in NumPy and TensorFlow.

A seed is a pair of int64, `[2]`, or `[..., 2]` for many: of an example, (seed of the
run, number of the example). Its number is one step of SplitMix64 (Steele et al., 2014)
from a place that the pair decides; int64 arithmetic wraps alike in NumPy, in TensorFlow
on every device, and in XLA:

    z = a * seed[0] + b * seed[1]
    z = (z ^ z >> 30) * c;   z = (z ^ z >> 27) * d;   bits = z ^ z >> 31

and its children are the pairs (bits, 0), (bits, 1), ... So nothing has a state, an
example is drawn at any place of a run at once, and a batch is a loop of singles. Use a
seed once: either for a number or for children.
"""

import functools
import math
import zlib

import numpy as np
import tensorflow as tf


def signed(bits):
    return bits - 2**64 if bits >= 2**63 else bits


# Odd, so that two children of one parent never share their bits: see permutation.
A = signed(0xD1342543DE82EF95)
B = signed(0x9E3779B97F4A7C15)
C = signed(0xBF58476D1CE4E5B9)
D = signed(0x94D049BB133111EB)


def split(seed, k):
    """A list of k seeds that have nothing to do with each other."""
    seeds = children(seed, k)
    return [seeds[..., i, :] for i in range(k)]


def children(seed, k):
    """The seeds of `split` as one array, `[..., k, 2]`."""
    parent = bits(seed)[..., None, None]
    # (1, 0) * parent + (0, i): an outer sum, in place of a stack of two grids.
    number = np.zeros((k, 2), np.int64)
    number[:, 1] = np.arange(k)
    return parent * np.array([1, 0]) + number


def uniform(seed, low=0.0, high=1.0):
    """float32 `[...]` of `[low, high)`, in 2^24 steps."""
    top = shift(bits(seed), 40)
    cast = top.astype("float32") if in_numpy(top) else tf.cast(top, tf.float32)
    return low + (high - low) * (cast * np.float32(2**-24))


def coin(seed, probability):
    """True with this probability; never at 0, always at 1."""
    return uniform(seed) < probability


def field(seed, name, shape):
    """float32 of `[0, 1)` for every place of a tensor, another for each name.

    Args:
        seed: `[n, 2]`, of examples; it may have been used before.
        shape: of the tensor, n first; the rest of it is known.
    """
    seed = tf.stack([bits(seed), tf.fill(tf.shape(seed)[:1], _crc(name))], axis=-1)
    place = tf.range(math.prod(shape[1:]), dtype=tf.int64)
    top = shift(mixed(bits(seed)[:, None], place), 40)
    return tf.reshape(tf.cast(top, tf.float32) * 2**-24, (-1, *shape[1:]))


def of_parts(n, k):
    """`field`, of k parts of each of the examples n: part 0 of the first, part 1 ..."""
    n = tf.cast(n, tf.int64)
    part = tf.tile(tf.range(k, dtype=tf.int64), tf.shape(n))
    return functools.partial(field, tf.stack([part, tf.repeat(n, k)], axis=-1))


def _crc(name):
    return np.int64(zlib.crc32(name.encode()))


def permutation(seed, k):
    """The numbers 0 ... k - 1 in a random order, int64 `[..., k]`.

    Each is the rank of one child among all, and no two children are equal: of one
    parent, they differ by a multiple of an odd number, and what follows is one to one.
    """
    key = bits(children(seed, k))
    below = key[..., None, :] < key[..., :, None]
    if in_numpy(below):
        return below.sum(axis=-1)
    return tf.reduce_sum(tf.cast(below, tf.int64), axis=-1)


def bits(seed):
    """64 random bits, int64 `[...]`."""
    seed = np.asarray(seed, np.int64) if in_numpy(seed) else seed
    # Slices, not entries: NumPy warns when a scalar wraps, and is silent for arrays.
    return mixed(seed[..., :1], seed[..., 1:])[..., 0]


def mixed(first, second):
    """The bits of each pair."""
    z = first * A + second * B
    z = (z ^ shift(z, 30)) * C
    z = (z ^ shift(z, 27)) * D
    return z ^ shift(z, 31)


def shift(z, places):
    """Zeros move in from the left; an int64 by itself would repeat its sign."""
    right = np.right_shift if in_numpy(z) else tf.bitwise.right_shift
    return right(z, np.int64(places)) & np.int64(2 ** (64 - places) - 1)


def in_numpy(seed):
    """Lists and numbers are NumPy's too."""
    return isinstance(seed, (np.ndarray, np.generic, list, tuple))

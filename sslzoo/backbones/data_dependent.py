"""Data-dependent initialisation (Krähenbühl et al., 2016), arXiv:1511.06856.

Within a layer, weights come from what it is shown; between layers, scales are evened
out until all learn at the same rate. First, layer after layer, on patches D of what
goes into it:

    filters = centroids V S,   D^T D = V diag(s) V^T,   S = diag(1 / sqrt(s + 0.001)),

centroids of k-means on the rows of D V S, of length 1; each filter then scaled and its
bias set so that its output is of mean 0.1 and variance 1. Then, over all layers l, with
noise for the gradient at the top:

    r_l = rms(dW_l) / rms(W_l),   target = geometric mean of r * std(top)^(1/L)
    W_l <- W_l sqrt(r_l / target)

and biases along, so that the function changes by one factor only. Both take a row of
layers, see `chain`: AlexNet without LRN, or VGG.
"""

import keras
import numpy as np
from keras import ops

from sslzoo.backbones import chain
from sslzoo.errors import BadInput, UnknownName, nearest


def within_layers(model, images, patches=10_000, seed=0, bias=0.1, names=None):
    """A twin of the model, its layers drawn from what each is shown of `images`.

    A grouped convolution has its filters of each group from the channels of that group.
    A layer of more filters than there are patches, as dense ones of 4096 may be, is
    drawn from a normal distribution, then scaled alike; of fewer, k-means on what fc6
    sees, 9216 numbers each, takes minutes: leave it out by `names`. k-means runs on
    all patches at once; the authors' on small batches, which ends nearby.

    Args:
        images: `[n, h, w, channels]`, real ones: all n go through at once.
        patches: of which each layer learns, drawn from all images.
        bias: the mean that a filter's output is given.
        names: of the layers that are drawn, such as conv1 to conv5, as split-brain's
            authors began; others stay as they are. None: all.
    """
    twin, row = chain.copied(model)
    rng = np.random.default_rng(seed)
    before, segments = chain.segments(row)
    x = chain.run(before, ops.convert_to_tensor(images, dtype="float32"))
    known = [first.name for first, *_ in segments]
    if odd := [name for name in names or () if name not in known]:
        raise UnknownName(
            f"{model.name} has no layer {odd[0]!r}.{nearest(odd[0], known)} "
            f"It has: {', '.join(known)}."
        )
    for first, *others in segments:
        if names is not None and first.name not in names:
            x = chain.run([first, *others], x)
            continue
        kernel, old = chain.weights_of(first)
        groups = getattr(first, "groups", 1)
        shown = np.split(_patches(first, x, patches, rng), groups, axis=-1)
        drawn = [
            filters(part.reshape(len(part), -1), kernel.shape[-1] // groups, rng)
            for part in shown
        ]
        kernel = np.concatenate(drawn).T.reshape(kernel.shape)
        chain.assign(first, kernel, old)
        y = ops.convert_to_numpy(chain.linear(first, x)).astype("float64")
        y = y.reshape(-1, y.shape[-1])
        std = np.where(y.std(axis=0) > 0, y.std(axis=0), 1)
        new = None if old is None else bias - y.mean(axis=0) / std
        chain.assign(first, kernel / std, new)
        x = chain.run([first, *others], x)
    return twin


def filters(rows, count, rng):
    """`count` filters `[count, d]`, of patches `[p, d]`, of any scale."""
    if len(rows) < count:
        return rng.normal(size=(count, rows.shape[1]))
    rows = rows - rows.mean(axis=0)
    # The singular values of D are the roots of the eigenvalues of D^T D.
    _, roots, axes = np.linalg.svd(rows, full_matrices=False)
    s, v = np.square(roots[:count]), axes[:count].T
    whiten = v * np.where(s < 1e-6, 0, 1 / np.sqrt(s + 1e-3))
    white = rows @ whiten
    length = np.linalg.norm(white, axis=1, keepdims=True)
    white = white / np.where(length > 0, length, 1)
    return kmeans(white, count, rng) @ whiten.T


def kmeans(points, count, rng, rounds=20):
    """Centres `[count, d]`, each in the end the mean of the points nearest to it."""
    centres = points[rng.choice(len(points), count, replace=False)]
    for _ in range(rounds):
        near = points @ centres.T - np.square(centres).sum(axis=1) / 2
        near = near.argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, near, points)
        counts = np.bincount(near, minlength=count)[:, None]
        centres = np.where(counts > 0, sums / np.maximum(counts, 1), centres)
    return centres


def _patches(layer, x, count, rng):
    """What the layer sees in places drawn at random: `[p, ..., channels]`."""
    x = ops.convert_to_numpy(x).astype("float64")
    if isinstance(layer, keras.layers.Dense):
        x = x.reshape(-1, x.shape[-1])
        return x[rng.permutation(len(x))[:count]]
    size, rate = np.array(layer.kernel_size), np.array(layer.dilation_rate)
    reach = (size - 1) * rate
    if layer.padding == "same":
        x = np.pad(x, [(0, 0), *((r // 2, r - r // 2) for r in reach), (0, 0)])
    extents = [len(x), *(np.array(x.shape[1:3]) - reach)]
    places = rng.choice(np.prod(extents), min(count, np.prod(extents)), replace=False)
    n, y, z = (i[:, None, None] for i in np.unravel_index(places, extents))
    down, along = (np.arange(k) * d for k, d in zip(size, rate))
    return x[n, y + down[:, None], z + along]


def between_layers(model, images, rounds=10, classes=1000, tolerance=0.01, seed=0):
    """A twin of the model, the scales of its layers evened out.

    One batch, all of `images`, serves every round. Only under TensorFlow.

    Args:
        rounds: at most so many.
        classes: outputs of a dense layer of normal weights, of deviation 0.01, that is
            put on top meanwhile, as the authors have it. 0: none.
        tolerance: it ends when log r is that near to log target, for each layer.
    """
    if keras.config.backend() != "tensorflow":
        raise BadInput(
            f"Gradients are taken by TensorFlow, and Keras runs on "
            f"{keras.config.backend()}: set KERAS_BACKEND=tensorflow."
        )
    twin, row = chain.copied(model)
    rng = np.random.default_rng(seed)
    images = ops.convert_to_tensor(images, dtype="float32")
    if classes:
        head = keras.layers.Dense(classes)
        head.build(row[-1].output.shape)
        head.set_weights([rng.normal(0, 0.01, head.kernel.shape), np.zeros(classes)])
        row = [*row, head]
    before, segments = chain.segments(row)
    start = chain.run(before, images)
    sizes, top = _walk(segments, start)
    for _ in range(rounds):
        r = _rates(segments, start, rng)
        target = np.exp(np.mean(np.log(r))) * _spread(top) ** (1 / len(r))
        if np.all(np.abs(np.log(r) / np.log(target) - 1) < tolerance):
            break
        sizes, top = _walk(segments, start, np.sqrt(r / target), sizes)
    return twin


def _walk(segments, x, scales=None, sizes=None):
    """x through all; the mean size of what each layer is given, and the top.

    With scales, each layer is multiplied by its own before x passes; and before that
    its bias by as much as its inputs have grown since `sizes`.
    """
    now = []
    for index, (first, *others) in enumerate(segments):
        now.append(float(ops.mean(ops.abs(x))))
        if scales is not None:
            kernel, bias = chain.weights_of(first)
            if bias is not None:
                bias = bias * (now[index] / sizes[index]) * scales[index]
            chain.assign(first, kernel * scales[index], bias)
        x = chain.run([first, *others], x)
    return now, x


def _rates(segments, x, rng):
    """r of each layer: how large its gradient is, beside its weights."""
    import tensorflow as tf

    kernels = [first.kernel.value for first, *_ in segments]
    with tf.GradientTape() as tape:
        tape.watch(kernels)
        for segment in segments:
            x = chain.run(segment, x)
    noise = tf.constant(rng.normal(size=x.shape), x.dtype)
    slopes = tape.gradient(x, kernels, output_gradients=noise)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = [_rms(g) / _rms(w) for g, w in zip(slopes, kernels)]
    for (first, *_), rate in zip(segments, rates):
        if not 0 < rate < np.inf:
            raise BadInput(
                f"{first.name} learns nothing of these images: its weights, or what "
                "comes behind them, are all zero. within_layers brings it to life."
            )
    return np.array(rates)


def _rms(x):
    return np.sqrt(np.mean(np.square(np.asarray(x, "float64"))))


def _spread(top):
    """The mean over channels of the standard deviation over all else."""
    top = ops.convert_to_numpy(top).astype("float64")
    return top.reshape(-1, top.shape[-1]).std(axis=0).mean()

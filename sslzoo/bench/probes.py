"""Features of a folder, and the linear probe on them."""

import pathlib
import tempfile
import time

import numpy as np

from sslzoo import watch
from sslzoo.bench import timing


def features(
    backbone="resnet50",
    width=1.0,
    stem="imagenet",
    image_size=224,
    images=2000,
    batch_size=64,
    quick=False,
    precision="auto",
    photo="",
):
    """Features of a folder of 500x375 JPEGs, and the network alone on ready images."""
    import tensorflow as tf

    from sslzoo import backbones
    from sslzoo.evaluation import embeddings
    from sslzoo.zoo import serving

    model = backbones.build(backbone, width=width, stem=stem)
    contract = {"size": image_size, "crop": 0.875, "interpolation": "bicubic"}
    contract["antialias"] = False
    ready = tf.random.uniform((batch_size, image_size, image_size, 3))
    network, used = serving.quick(model), serving.known_precision(precision)
    forward = tf.function(lambda: network(ready, training=False)["pooled"])

    def alone():
        with serving.computing_in(used):
            return timing.times(lambda: forward().numpy(), 9, skip=2)

    turns = alone()
    with tempfile.TemporaryDirectory() as folder:
        jpeg = timing.photo(photo)
        for i in range(images):
            pathlib.Path(folder, f"{i:05d}.jpg").write_bytes(jpeg)
        start = time.perf_counter()
        embeddings.features(
            *(model, folder, batch_size),
            quick=quick,
            contract=contract,
            precision=precision,
            progress=watch.tell,
        )
        seconds = time.perf_counter() - start
    # Before and behind, since machines are not always as fast.
    bare = batch_size / float(np.median([*turns, *alone()]))
    rate = images / seconds
    return {
        "images_per_second": rate,
        "computed_in": used,
        "bare_images_per_second": bare,
        "part_of_bare": rate / bare,
    }


def linear(rows=50_000, dimensions=2048, classes=10, C=1.0, seed=0):
    """One fit of the linear probe, on made-up features."""
    from sslzoo.evaluation import linear as protocol

    watch.tell(0, 1)
    x, y = made_up_features(rows, dimensions, classes, seed)
    start = time.perf_counter()
    fit = protocol.fit(x, y, C=C)
    return {
        "seconds": time.perf_counter() - start,
        "objective": fit.objective,
        "iterations": fit.iterations,
    }


def made_up_features(n, d, classes, seed=0):
    """Features like those of a ResNet after its last ReLU and pooling.

    Non-negative and correlated, the variances of their 256 hidden directions fall as
    1 / rank^1.2; classes overlap.
    """
    random = np.random.default_rng(seed)
    hidden = min(256, d)
    sizes = np.arange(1, hidden + 1, dtype=np.float32) ** -0.6
    y = random.integers(0, classes, n)
    centres = 0.25 * random.standard_normal((classes, hidden), dtype=np.float32) * sizes
    mixing = random.standard_normal((hidden, d), dtype=np.float32)
    x = random.standard_normal((n, hidden), dtype=np.float32) * sizes + centres[y]
    x = np.maximum(x @ mixing - 1, 0)
    for some in np.array_split(np.arange(n), max(1, n // 4096)):
        x[some] += 0.05 * np.abs(random.standard_normal((len(some), d), np.float32))
    return x, y

"""Features of a folder, and the linear probe on them."""

import itertools
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
    turns=3,
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
            seconds = timing.times(lambda: forward().numpy(), 9, skip=2)
        return batch_size / float(np.median(seconds))

    def of_the_folder(folder):
        start = time.perf_counter()
        embeddings.features(
            *(model, folder, batch_size),
            quick=quick,
            contract=contract,
            precision=precision,
            progress=watch.tell,
        )
        return images / (time.perf_counter() - start)

    bare, rates = [alone()], []
    with tempfile.TemporaryDirectory() as folder:
        jpeg = timing.photo(photo)
        for i in range(images):
            pathlib.Path(folder, f"{i:05d}.jpg").write_bytes(jpeg)
        for _ in range(turns):
            rates.append(of_the_folder(folder))
            bare.append(alone())
    # Each against those before and behind it: machines are not always as fast.
    around = itertools.pairwise(bare)
    parts = [rate / np.mean(two) for rate, two in zip(rates, around)]
    return {
        "images_per_second": float(np.median(rates)),
        "computed_in": used,
        "bare_images_per_second": float(np.median(bare)),
        "part_of_bare": float(np.median(parts)),
        "parts": [float(part) for part in parts],
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

"""No training at all: the rows "random" and "k-means" of the tables, as a run.

    sslzoo train random_in1k --workdir runs/random
    sslzoo train random_in1k backbone=revnet50 k=4 seed=1 --workdir runs/random1
    sslzoo train random_in1k backbone=alexnet start=kmeans_even \\
        data=folder:photos --workdir runs/kmeans

One step that changes nothing; then it is exported, measured and shown as any other.
Names of Revisiting's networks are theirs, with k; of others k / 4 is the width. Linear
on ImageNet a ResNet50 v1 of k = 4 has 2.5 %, a RevNet50 8.1 % (Table 1 of Revisiting).

start=kmeans draws each layer from what it is shown of `data` (Krähenbühl et al.), and
kmeans_even also evens out how fast layers learn: the rows of that name in split-brain's
tables, 17.5 to 24.5 % by conv1 to conv5 of an AlexNet. Both are for backbone=alexnet
and vgg16, here without norms.
"""

import numpy as np

from sslzoo.backbones import data_dependent, revisiting
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.errors import BadInput, UnknownName, nearest
from sslzoo.methods import random
from sslzoo.optim import sgd
from sslzoo.recipe import Recipe, probes
from sslzoo.zoo.input import prepared

SMALL = dict(data="synthetic:4", backbone="tiny", image_size=32, batch_size=4)
STARTS = ("drawn", "kmeans", "kmeans_even")
NORMLESS = {"alexnet": {"norm": "none"}, "vgg16": {"norm": False}}


def recipe(
    data="synthetic:4",
    backbone="resnet50",
    k=4.0,
    image_size=224,
    batch_size=4,
    start="drawn",
    shown=160,
    patches=10_000,
    precision="float32",
    labelled="",
    unseen="",
    seed=0,
):
    """`start`: "drawn" needs no images: noise will do as `data`; "kmeans" and
    "kmeans_even" are made of the first `shown` of its images, by `patches` a layer.
    `seed`: of the weights."""
    if start not in STARTS:
        raise UnknownName(
            f"start={start!r}.{nearest(start, STARTS)} There are: {', '.join(STARTS)}."
        )
    source, example = sources.from_spec(data), random.example(image_size)
    options = {"size": image_size} if backbone == "alexnet" else {}
    if start != "drawn":
        options |= NORMLESS.get(backbone, {})

    def network():
        trunk = revisiting.any_network(backbone, k, image_size, **options)
        if start == "drawn":
            return trunk
        images = _images(source, shown, image_size)
        trunk = data_dependent.within_layers(trunk, images, patches, seed)
        if start == "kmeans":
            return trunk
        return data_dependent.between_layers(trunk, images, seed=seed)

    return Recipe(
        streams=Stream(source, example, batch_size),
        method=lambda: random.Random(network(), example),
        optimizer=lambda: sgd.SGD(0.0),
        steps=1,
        precision=precision,
        probes=probes(labelled, unseen, image_size),
        seed=seed,
    )


def _images(source, count, size):
    if source.count < count:
        raise BadInput(
            f"shown={count} images, and {source.name} has {source.count}. Give more "
            "images, or shown=, as few as 16."
        )
    contract = dict(size=size, crop=0.875, interpolation="bicubic", antialias=False)
    pictures = [source.read(index)["image"] for index in range(count)]
    return np.asarray(prepared(pictures, {**contract, "channels": 3}))

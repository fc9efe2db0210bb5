"""No training at all: the row "random" of every table, as a run.

    sslzoo train random_in1k --workdir runs/random
    sslzoo train random_in1k backbone=revnet50 k=4 seed=1 --workdir runs/random1

One step that changes nothing; then it is exported, measured and shown as any other.
`data` is what that step is shown: noise will do. Names of Revisiting's networks are
theirs, with k; "resnet50" is BYOL's, k / 4 its width. Linear on ImageNet a ResNet50 v1
of k = 4 has 2.5 %, a RevNet50 8.1 % (Table 1 of Revisiting).
"""

from sslzoo.backbones import revisiting
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import random
from sslzoo.optim import sgd
from sslzoo.recipe import Recipe, probes

SMALL = dict(data="synthetic:4", backbone="tiny", image_size=32, batch_size=4)


def recipe(
    data="synthetic:4",
    backbone="resnet50",
    k=4.0,
    image_size=224,
    batch_size=4,
    precision="float32",
    labelled="",
    unseen="",
    seed=0,
):
    """`seed`: of the weights."""
    example = random.example(image_size)

    def network():
        return revisiting.any_network(backbone, k, image_size)

    return Recipe(
        streams=Stream(sources.from_spec(data), example, batch_size),
        method=lambda: random.Random(network(), example),
        optimizer=lambda: sgd.SGD(0.0),
        steps=1,
        precision=precision,
        probes=probes(labelled, unseen, image_size),
        seed=seed,
    )

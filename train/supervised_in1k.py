"""Classification, ImageNet-1k or Places: BYOL's strong baseline, and Revisiting's.

    sslzoo train supervised_in1k --workdir runs/labels
    sslzoo train supervised_in1k strong=false backbone=revnet50 --workdir runs/labels90

BYOL's: RandAugment, 200 epochs, Nesterov, 5 of warm-up and then half a cosine, smoothed
labels; its ResNet-50 has 76.4 % on the validation images (Table 9). Neither its rate
nor its batch nor the strength of RandAugment is recorded: all three here are ours.

Revisiting's, strong=false: the changes of Inception, 90 epochs, a tenth of the rate
after 30, 60 and 80; linear on its features 74.4 % of a RevNet50, 75.8 % of a ResNet50
v2 (Table 2), k not stated. Names of its networks are theirs, with k; "resnet50" is
BYOL's, k / 4 its width. Not run to the end by us.
"""

from sslzoo.backbones import revisiting
from sslzoo.data import labels, sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import supervised
from sslzoo.optim import decay, schedules, sgd
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
)
USED = {knob: ("strong", (True,)) for knob in ("changes", "magnitude", "smoothing")}


def recipe(
    data="tfds:imagenet2012/train",
    per_class=0,
    backbone="resnet50",
    k=4.0,
    strong=True,
    changes=2,
    magnitude=9.0,
    pixels="",
    smoothing=0.1,
    image_size=224,
    batch_size=256,
    epochs=0,
    augment="host",
    precision="float32",
    labelled="",
    unseen="",
    probe_every=10,
    seed=0,
):
    """`per_class`: images of each; 0 is all. `changes`, `magnitude`: of RandAugment.
    `pixels`: what the network makes of them first; "gray" leaves no colours. `epochs`:
    0 is 200, or 90 with strong=false.
    """
    epochs = epochs or (200 if strong else 90)
    source = labels.per_class(sources.from_spec(data), per_class, seed)
    example = supervised.view(image_size, changes if strong else 0, magnitude)
    a_pass = source.count // batch_size
    steps, warmup = epochs * a_pass, min(5, epochs // 4) * a_pass
    rate = 0.1 * batch_size / 256
    if strong:
        rate = schedules.WarmupCosine(rate, steps, warmup)
    else:
        at = [steps * epoch // 90 for epoch in (30, 60, 80)]
        rate = schedules.Drops(rate, at, warmup=warmup)

    first = {"pixels": pixels} if pixels else {}

    def network():
        return revisiting.any_network(backbone, k, image_size, **first)

    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: supervised.Supervised(
            network(),
            example,
            labels.count(source),
            smoothing=smoothing if strong else 0.0,
        ),
        optimizer=lambda: sgd.SGD(
            rate,
            decay=1e-4,
            exclude=(*decay.BIAS_AND_NORM, *revisiting.undecayed(backbone)),
            nesterov=strong,
        ),
        steps=steps,
        precision=precision,
        probes=probes(labelled, unseen, image_size),
        probe_every=probe_every,
        seed=seed,
    )

"""Exemplar, ImageNet-1k or Places: Revisiting's settings, on each of its networks.

    sslzoo train exemplar_in1k --workdir runs/exemplar
    sslzoo train exemplar_in1k backbone=resnet50v1 k=12 --workdir runs/e12

The data is TFDS' imagenet2012 (which you download yourself, see TFDS), or folders:
data=folder:places205/train. The paper reports, of a linear classifier by L-BFGS on the
features: ResNet50 v1 42.8 % at k = 4 and 47.7 % at 12, ResNet50 v2 43.0 % and 46.6 %,
VGG 26.4 % and 29.0 % (Table 1). Its batches are not recorded; its code names 64 images
of 8 copies for eight cores, and the rate goes with the batch. The code's own ways, see
`methods.exemplar`: everyone=false normalize=batch. Not run to the end by us.
"""

from sslzoo.backbones import revisiting
from sslzoo.data import labels, sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import exemplar
from sslzoo.optim import decay, schedules, sgd
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
    copies=2,
    embedding=16,
)


def recipe(
    data="tfds:imagenet2012/train",
    count=0,
    backbone="resnet50v1",
    k=4.0,
    representation=0,
    residual=True,
    image_size=224,
    smallest_crop=0.1,
    pixels="signed",
    copies=8,
    gray=0.66,
    embedding=1000,
    margin=0.5,
    squared=True,
    normalize="none",
    everyone=True,
    batch_size=64,
    epochs=35,
    augment="host",
    precision="float32",
    labelled="",
    unseen="",
    probe_every=5,
    seed=0,
):
    """`count`: the first images alone; 0 is all. `representation`: the size of the
    features, where not by the width. `residual` false leaves a ResNet's shortcuts out.
    `smallest_crop`: the least part of a picture that a copy shows. `pixels`: what the
    network makes of them first; "per_image" standardizes each, also in use.
    """
    source = labels.first(sources.from_spec(data), count)
    example = exemplar.example(image_size, copies, gray, area=(smallest_crop, 1.0))
    steps = epochs * (source.count // batch_size)
    rate = schedules.Drops(
        0.1 * batch_size / 256,
        [steps * 15 // 35, steps * 25 // 35],
        warmup=steps * 5 // 35,
    )
    shape = dict(representation=representation, residual=residual, pixels=pixels)
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: exemplar.Exemplar(
            revisiting.network(backbone, k, image_size, **shape),
            example,
            embedding,
            margin=margin,
            squared=squared,
            normalize=normalize,
            everyone=everyone,
        ),
        optimizer=lambda: sgd.SGD(
            rate,
            decay=1e-4,
            exclude=(*decay.BIAS_AND_NORM, *revisiting.undecayed(backbone)),
        ),
        steps=steps,
        precision=precision,
        probes=probes(labelled, unseen, image_size),
        probe_every=probe_every,
        seed=seed,
    )

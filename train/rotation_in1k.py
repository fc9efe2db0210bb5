"""Rotation, ImageNet-1k or Places: Revisiting's settings, on each of its networks.

    sslzoo train rotation_in1k --workdir runs/rotation
    sslzoo train rotation_in1k backbone=revnet50 k=16 --workdir runs/r16

The data is TFDS' imagenet2012 (which you download yourself, see TFDS), or folders:
data=folder:places205/train. The paper reports, of a linear classifier by L-BFGS on the
features: RevNet50 47.3 % at k = 4 and 53.7 % at 16, ResNet50 v2 43.8 % and 47.6 %, VGG
16.8 % and 22.7 % (Table 1). Its batches are not recorded; its code names 64 images, of
256 turns, for eight cores, and the rate goes with the batch. Not run to the end by us.
"""

from sslzoo.backbones import revisiting
from sslzoo.data import labels, sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import rotation
from sslzoo.optim import decay, schedules, sgd
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
)


def recipe(
    data="tfds:imagenet2012/train",
    count=0,
    backbone="resnet50v2",
    k=4.0,
    representation=0,
    residual=True,
    image_size=224,
    smallest_crop=0.1,
    squeeze=True,
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

    `smallest_crop`: the least part of an image that is shown; `squeeze` false shows
    squares of it as they are.
    """
    source = labels.first(sources.from_spec(data), count)
    ratio = (3 / 4, 4 / 3) if squeeze else None
    example = rotation.example(image_size, (smallest_crop, 1.0), ratio)
    steps = epochs * (source.count // batch_size)
    rate = schedules.Drops(
        0.1 * batch_size / 256,
        [steps * 15 // 35, steps * 25 // 35],
        warmup=steps * 5 // 35,
    )
    shape = dict(representation=representation, residual=residual)
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: rotation.Rotation(
            revisiting.network(backbone, k, image_size, **shape),
            example,
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

"""Relative patches, ImageNet-1k or Places: Revisiting's settings, on its networks.

    sslzoo train relative_patch_in1k --workdir runs/patches
    sslzoo train relative_patch_in1k backbone=resnet50v1 k=8 --workdir runs/p8

The data is TFDS' imagenet2012 (which you download yourself, see TFDS), or folders:
data=folder:places205/train. The paper reports, of a linear classifier by L-BFGS on the
features: ResNet50 v1 46.8 % at k = 4 and 50.5 % at 8, ResNet50 v2 42.2 % and 46.7 %,
VGG 28.5 % and 29.4 % (Table 1). Its batches are not recorded; its code names 128 images
of nine patches for eight cores, and the rate goes with the batch. Not run to the end by
us.
"""

from sslzoo.backbones import revisiting
from sslzoo.data import labels, sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import relative_patch
from sslzoo.optim import decay, schedules, sgd
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    backbone="tiny",
    image_size=24,
    batch_size=4,
    epochs=1,
    embedding=16,
    hidden=32,
)
USED = {knob: ("colours", ("gray",)) for knob in ("gray", "gray_each")}


def recipe(
    data="tfds:imagenet2012/train",
    count=0,
    backbone="resnet50v1",
    k=4.0,
    representation=0,
    residual=True,
    image_size=192,
    gray=0.66,
    gray_each=False,
    colours="gray",
    embedding=1000,
    hidden=4096,
    batch_size=128,
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

    `image_size` is of what is evaluated, three patches each way; in training they lie
    apart, in an image of 255 in place of 192. `gray_each` draws gray for each patch.
    `colours` dropped is Doersch's way to take them away.
    """
    source = labels.first(sources.from_spec(data), count)
    patch = image_size // 3
    cell = patch * 85 // 64
    example = relative_patch.example(patch, cell, gray, gray_each, colours)
    steps = epochs * (source.count // batch_size)
    rate = schedules.Drops(
        0.1 * batch_size / 256,
        [steps * 15 // 35, steps * 25 // 35],
        warmup=steps * 5 // 35,
    )
    shape = dict(representation=representation, residual=residual)
    shape |= dict(stem="patch", pixels="per_image")
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: relative_patch.RelativePatch(
            revisiting.network(backbone, k, patch, **shape),
            example,
            patch,
            embedding,
            hidden,
        ),
        optimizer=lambda: sgd.SGD(
            rate,
            decay=1e-4,
            exclude=(*decay.BIAS_AND_NORM, *revisiting.undecayed(backbone)),
            heavier={"puzzle/*": 5.0},
        ),
        steps=steps,
        precision=precision,
        probes=probes(labelled, unseen, image_size, crop=192 / 224),
        probe_every=probe_every,
        seed=seed,
    )

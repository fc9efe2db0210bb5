"""SimCLR, ResNet-50, ImageNet-1k, as its second code has it.

    sslzoo train simclr_r50_in1k --workdir runs/simclr

LARS with a rate of 0.3 for 256 images, 10 epochs of warm-up, decay 1e-6, temperature
0.1. The authors' network differs from ours where it pads, takes images as they are, and
begins with zeros as the scale of each block's last normalisation; their LARS has the
rate inside of its momentum. They report 69.3 % of a linear classifier after 1000
epochs; after 100, some who ran the public code say about 64.5 %. A batch is
`batch_size` times `accumulate` images, negatives those of `batch_size`. Places365, with
BYOL's as its appendix has it: data=folder:places365/train?images=1803460&classes=365.
Not run to the end by us.
"""

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import simclr
from sslzoo.optim import lars, schedules
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
    hidden=16,
)


def recipe(
    data="tfds:imagenet2012/train",
    backbone="resnet50",
    image_size=224,
    batch_size=4096,
    accumulate=1,
    epochs=1000,
    base_rate=0.3,
    decay=1e-6,
    temperature=0.1,
    hidden=0,
    outputs=128,
    depth=3,
    strength=1.0,
    augment="host",
    precision="float32",
    jit=False,
    labelled="",
    unseen="",
    probe_every=10,
    seed=0,
):
    """`hidden` 0: as wide as the features. `depth`: of the projector; paper: 2."""
    source = sources.from_spec(data)
    images = batch_size * accumulate
    steps = epochs * source.count // images
    warmup = min(10 * source.count // images, steps // 2)
    rate = schedules.WarmupCosine(base_rate * images / 256, steps, warmup)
    example = simclr.example(image_size, strength)
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: simclr.SimCLR(
            backbones.build(backbone), example, temperature, hidden, outputs, depth
        ),
        optimizer=lambda: lars.LARS(rate, decay=decay),
        steps=steps,
        accumulate=accumulate,
        precision=precision,
        jit=jit,
        probes=probes(labelled, unseen, image_size),
        probe_every=probe_every,
        seed=seed,
    )

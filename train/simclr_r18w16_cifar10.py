"""SimCLR, ResNet-18 of base width 16 (128-d), CIFAR-10, a few epochs on a CPU.

    sslzoo train simclr_r18w16_cifar10 --workdir runs/simclr

Images of 32 pixels: a small stem, the authors' colour changes at half strength and no
blur. Other images by data=, test=, image_size=, strength= and blur=, such as
data=npz:FILE.npz#train test=npz:FILE.npz#test image_size=96
strength=1 blur=0.5. Labels are used by the probe alone. All images are kept decoded;
with cache=false each is decoded anew.
"""

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import simclr
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe

SMALL = dict(
    data="synthetic:8", test="synthetic:8", backbone="tiny", batch_size=4, epochs=1
)


def recipe(
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    backbone="resnet18",
    image_size=32,
    batch_size=256,
    epochs=8,
    rate=0.12,
    decay=5e-4,
    temperature=0.1,
    hidden=1024,
    outputs=128,
    depth=3,
    strength=0.5,
    blur=0.0,
    smallest_crop=0.08,
    precision="float32",
    jit=False,
    augment="host",
    cache=True,
    probe_every=0,
    seed=0,
):
    source = sources.from_spec(data, cache)
    steps = epochs * (source.count // batch_size)
    example = simclr.example(image_size, strength, blur, smallest_crop)
    options = {}
    if backbone.startswith("resnet"):
        options = dict(width=0.25)
        if image_size <= 48:
            options |= dict(stem="small", shortcut="identity")
    schedule = schedules.WarmupCosine(rate, steps)
    held_out = sources.from_spec(test, cache)
    crop = 1.0 if image_size <= 64 else 0.875
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: simclr.SimCLR(
            backbones.build(backbone, **options),
            example,
            temperature,
            hidden,
            outputs,
            depth,
        ),
        optimizer=lambda: sgd.SGD(schedule, decay=decay),
        steps=steps,
        precision=precision,
        jit=jit,
        probes={"images": Probe(source, held_out, image_size, crop=crop)},
        probe_every=probe_every,
        seed=seed,
    )

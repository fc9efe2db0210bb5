"""BYOL, ResNet-18 of base width 16 (128-d), Imagenette at 96 pixels, on a CPU.

    sslzoo train byol_r18w16_imagenette --workdir runs/imagenette96

The data is TFDS' imagenette, or files that you have: data=npz:FILE.npz#train
test=npz:FILE.npz#test. Labels are used by the probes alone. Every image is
kept decoded, 150 kB for one of 224 pixels; with cache=false each is decoded anew. The
official small recipe, of a whole ResNet-18 on a GPU, is `byol_r18_imagenette`.
"""

import dataclasses

from sslzoo import backbones
from sslzoo.augment import views
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import byol
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe

SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
    hidden=16,
)


def recipe(
    data="tfds:imagenette/160px-v2/train",
    test="tfds:imagenette/160px-v2/validation",
    backbone="resnet18",
    image_size=96,
    batch_size=256,
    epochs=400,
    rate=0.12,
    decay=5e-4,
    base_tau=0.99,
    hidden=1024,
    blur=0.5,
    precision="float32",
    jit=False,
    augment="host",
    cache=True,
    probe_every=50,
    seed=0,
):
    """The paper's views but for brightness, by a factor, and less `blur` of few pixels.

    For a subset of 3,000 images, 400 epochs are 4,400 steps.
    """
    source = sources.from_spec(data, cache)
    steps = epochs * (source.count // batch_size)
    first, second = (
        dataclasses.replace(view, blur=view.blur * blur, brighten="scale")
        for view in (views.BYOL_T, views.BYOL_T_PRIME)
    )
    example = byol.example(image_size, first, second)
    options = dict(width=0.25) if backbone.startswith("resnet") else {}
    schedule = schedules.WarmupCosine(rate, steps, steps // 20)
    held_out = sources.from_spec(test, cache)
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: byol.BYOL(
            backbones.build(backbone, **options),
            steps,
            example,
            base_tau,
            hidden,
            fresh_target=False,
        ),
        optimizer=lambda: sgd.SGD(schedule, decay=decay),
        steps=steps,
        precision=precision,
        jit=jit,
        probes={"imagenette": Probe(source, held_out, image_size)},
        probe_every=probe_every,
        seed=seed,
    )

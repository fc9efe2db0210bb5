"""BYOL, ResNet-18 of base width 16 (128-d), on the toy world: the first five minutes.

    sslzoo train byol_r18w16_toyworld --workdir runs/first --report

The scenes are made here, by NumPy: no download, no labels in training. Beside the run
its features are tried on labelled scenes, against those of the same net untrained.
Each epoch draws the scenes again; cache=true keeps them, 12 kB each.
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
    count=8,
    labelled=32,
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
    hidden=16,
)


def recipe(
    count=4096,
    labelled=2000,
    backbone="resnet18",
    stem="imagenet",
    image_size=64,
    batch_size=128,
    epochs=50,
    rate=0.12,
    decay=5e-4,
    base_tau=0.95,
    smallest_crop=0.3,
    hidden=1024,
    precision="float32",
    jit=False,
    augment="host",
    cache=False,
    probe_every=10,
    seed=0,
):
    """`count` scenes to train on; as many as `labelled` to try the features on.

    Of BYOL's settings these are changed, for a run of minutes in place of days: larger
    crops, since a small one may miss the thing; colours that turn further, since all
    scenes share a few palettes; brightness by a factor, which clips less; a target that
    starts as a copy and follows faster.
    """
    size = f"size={image_size}"
    source = sources.from_spec(f"toyworld:train?count={count}&{size}", cache)
    known = sources.from_spec(f"toyworld:train?count={labelled}&{size}")
    unseen = sources.from_spec(f"toyworld:test?count={max(1, labelled // 2)}&{size}")
    steps = epochs * (source.count // batch_size)
    first, second = (
        dataclasses.replace(view, brighten="scale", saturation=0.4, hue=0.2, blur=0.1)
        for view in (views.BYOL_T, views.BYOL_T_PRIME)
    )
    example = byol.example(image_size, first, second, smallest_crop)
    options = {}
    if backbone.startswith("resnet"):
        options = dict(width=0.25, stem=stem)
    schedule = schedules.WarmupCosine(rate, steps, steps // 20)
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
        probes={"toyworld": Probe(known, unseen, image_size, crop=1.0)},
        probe_every=probe_every,
        seed=seed,
    )

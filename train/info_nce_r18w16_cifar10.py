"""The plane between BYOL and SimCLR, ResNet-18 of base width 16, on a CPU.

    sslzoo train info_nce_r18w16_cifar10 --workdir runs/byol
    sslzoo train info_nce_r18w16_cifar10 predictor=none target=online beta=1 --workdir R

CIFAR-10 by default; other images by data=, test=, image_size= and blur=, such as
data=npz:FILE.npz#train test=npz:FILE.npz#test image_size=96 blur=0.5, or
data=toyworld:train?size=64 test=toyworld:test?size=64 image_size=64. By default it
is `byol_r18w16_cifar10`, to rounding. docs/plane.md has the knobs of each table of the
paper. All images are kept decoded; with cache=false each is decoded anew. count=10000
takes the first so many of them.
"""

from sslzoo import backbones
from sslzoo.augment import ablations
from sslzoo.data import labels as label_spaces
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import byol, info_nce
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe

SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    backbone="tiny",
    batch_size=4,
    epochs=1,
    hidden=16,
    beta=0.5,
)
USED = info_nce.USED


def recipe(
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    count=0,
    backbone="resnet18",
    image_size=32,
    batch_size=256,
    accumulate=1,
    epochs=8,
    rate=0.12,
    decay=5e-4,
    predictor="mlp",
    target="ema",
    beta=0.0,
    alpha=info_nce.ALPHA,
    norm="l2",
    base_tau=0.95,
    constant_tau=False,
    fresh_target=False,
    hidden=1024,
    outputs=256,
    projector_depth=2,
    predictor_depth=2,
    predictor_rate=1.0,
    projector_rate=1.0,
    ridge=1e-3,
    views="baseline",
    blur=0.0,
    brighten="scale",
    smallest_crop=0.08,
    precision="float32",
    jit=False,
    augment="host",
    cache=True,
    probe_every=0,
    seed=0,
):
    """`rate` is of `batch_size` * `accumulate` images; `views` a row of Table 17."""
    info_nce.check_setting(predictor, beta, alpha, batch_size, outputs)
    source = label_spaces.first(sources.from_spec(data, cache), count)
    steps = epochs * (source.count // (batch_size * accumulate))
    pair = ablations.pair(views, blur, brighten)
    example = byol.example(image_size, *pair, smallest_crop)
    options = {}
    if backbone.startswith("resnet"):
        options = dict(width=0.25)
        if image_size <= 48:
            options |= dict(stem="small", shortcut="identity")
    schedule = schedules.WarmupCosine(rate, steps)
    rates = {"predictor/*": predictor_rate, "projector/*": projector_rate}
    held_out = sources.from_spec(test, cache)
    crop = 1.0 if image_size <= 64 else 0.875
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: info_nce.InfoNCE(
            backbones.build(backbone, **options),
            steps,
            example,
            predictor,
            target,
            beta,
            alpha,
            norm,
            base_tau,
            constant_tau,
            fresh_target,
            hidden,
            outputs,
            projector_depth,
            predictor_depth,
            ridge,
        ),
        optimizer=lambda: sgd.SGD(schedule, decay=decay, rates=rates),
        steps=steps,
        accumulate=accumulate,
        precision=precision,
        jit=jit,
        probes={"images": Probe(source, held_out, image_size, crop=crop)},
        probe_every=probe_every,
        seed=seed,
    )

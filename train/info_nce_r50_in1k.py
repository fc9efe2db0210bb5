"""The plane between BYOL and SimCLR, ResNet-50, ImageNet-1k: the paper's ablations.

    sslzoo train info_nce_r50_in1k --workdir runs/byol
    sslzoo train info_nce_r50_in1k predictor=none target=online beta=1 --workdir runs/s

By default BYOL's of 300 epochs: 72.5 % by the paper. docs/plane.md has the knobs of
each of its tables. The batch-size study keeps 4096 images in a step: batch_size=256
accumulate=16; negatives are then those of 256. The recipe of truly small batches, by
the paper 73.7 %: epochs=1000 batch_size=512 base_rate=0.4 base_tau=0.9995 decay=1.5e-6.
Other images, such as Places365: data=folder:places365/train?images=1803460&classes=365.
Labelled ones are tried by labelled= and unseen=, see `byol_r50_folder`. Not run to the
end by us.
"""

import inspect

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import info_nce
from sslzoo.optim import lars, schedules
from sslzoo.recipe import Recipe, probes

SMALL = dict(
    data="synthetic:8",
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
    hidden=16,
    outputs=8,
    beta=0.5,
)
# What does not part a run from the one whose figures it may stand beside.
FREE = ("predictor", "target", "beta", "augment", "precision", "jit", "seed")
FREE += ("labelled", "unseen", "probe_every")
USED = info_nce.USED


def recipe(
    data="tfds:imagenet2012/train",
    backbone="resnet50",
    image_size=224,
    batch_size=4096,
    accumulate=1,
    epochs=300,
    base_rate=0.3,
    decay=1e-6,
    predictor="mlp",
    target="ema",
    beta=0.0,
    alpha=info_nce.ALPHA,
    norm="l2",
    base_tau=0.99,
    constant_tau=False,
    fresh_target=True,
    hidden=4096,
    outputs=256,
    projector_depth=2,
    predictor_depth=2,
    predictor_rate=1.0,
    projector_rate=1.0,
    ridge=1e-3,
    views="baseline",
    stop_after=0,
    augment="host",
    precision="float32",
    jit=False,
    labelled="",
    unseen="",
    probe_every=10,
    seed=0,
):
    """`predictor_rate`, `projector_rate`: factors of the rate (Tables 21 and 22).
    `views`: a row of Table 17. `stop_after`: steps, to end before.
    """
    knobs = dict(locals())
    info_nce.check_setting(predictor, beta, alpha, batch_size, outputs)
    source = sources.from_spec(data)
    images = batch_size * accumulate
    steps = epochs * source.count // images
    warmup = min(10 * source.count // images, steps // 2)
    rate = schedules.WarmupCosine(base_rate * images / 256, steps, warmup)
    rates = {"predictor/*": predictor_rate, "projector/*": projector_rate}
    example = info_nce.example(image_size, views)
    usual = inspect.signature(recipe).parameters
    repeats = (predictor, target, beta) in info_nce.ROWS and all(
        knobs[k] == usual[k].default for k in usual if k not in FREE
    )
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: info_nce.InfoNCE(
            backbones.build(backbone),
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
        optimizer=lambda: lars.LARS(rate, decay=decay, rates=rates),
        steps=min(steps, stop_after or steps),
        accumulate=accumulate,
        precision=precision,
        jit=jit,
        probes=probes(labelled, unseen, image_size),
        probe_every=probe_every,
        seed=seed,
        setting=info_nce.setting(predictor, target, beta) if repeats else "",
    )

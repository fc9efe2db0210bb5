"""MoCo v2, SimSiam, Barlow Twins or VICReg, ResNet-18 of base width 16, small images.

    sslzoo train two_views_r18w16_cifar10 method=moco --workdir runs/moco

All four see the same views, BYOL's with brightness by a factor, so that they compare
with `info_nce_r18w16_cifar10`; images are chosen as there. Rates are one for all, not
tuned; `outputs` is of the projector, and the width of its hidden layers. `base_tau`
(MoCo's, which stays) and `keys` are for short runs. Labels are used by the probe alone.
"""

from sslzoo import backbones
from sslzoo.augment import ablations
from sslzoo.backbones import layers
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import barlow_twins, byol, moco, simsiam, vicreg
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe

METHODS = ("moco", "simsiam", "barlow_twins", "vicreg")
SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    backbone="tiny",
    batch_size=4,
    epochs=2,
    outputs=16,
    keys=6,
)
USED = {k: ("method", ("moco",)) for k in ("keys", "base_tau", "temperature")}


def recipe(
    method="moco",
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    backbone="resnet18",
    image_size=32,
    batch_size=256,
    epochs=8,
    rate=0.12,
    decay=5e-4,
    outputs=512,
    keys=4096,
    base_tau=0.99,
    temperature=0.2,
    views="baseline",
    blur=0.0,
    smallest_crop=0.08,
    precision="float32",
    jit=False,
    augment="host",
    cache=True,
    probe_every=0,
    seed=0,
):
    layers.known(method, METHODS, "method")
    source = sources.from_spec(data, cache)
    steps = epochs * (source.count // batch_size)
    pair = ablations.pair(views, blur, "scale")
    example = byol.example(image_size, *pair, smallest_crop)
    options = {}
    if backbone.startswith("resnet"):
        options = dict(width=0.25)
        if image_size <= 48:
            options |= dict(stem="small", shortcut="identity")

    def build():
        given = backbones.build(backbone, **options), example
        if method == "moco":
            heads = dict(hidden=outputs, outputs=max(1, outputs // 4))
            return moco.MoCo(*given, keys, temperature, base_tau, **heads)
        if method == "simsiam":
            return simsiam.SimSiam(*given, outputs, max(1, outputs // 4))
        if method == "barlow_twins":
            return barlow_twins.BarlowTwins(*given, outputs=outputs)
        return vicreg.VICReg(*given, outputs=outputs)

    schedule = schedules.WarmupCosine(rate, steps)
    held_out = sources.from_spec(test, cache)
    crop = 1.0 if image_size <= 64 else 0.875
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=build,
        optimizer=lambda: sgd.SGD(schedule, decay=decay),
        steps=steps,
        precision=precision,
        jit=jit,
        probes={"images": Probe(source, held_out, image_size, crop=crop)},
        probe_every=probe_every,
        seed=seed,
    )

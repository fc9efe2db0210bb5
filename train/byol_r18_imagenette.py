"""BYOL, ResNet-18, Imagenette: the official small recipe, for one GPU.

    sslzoo train byol_r18_imagenette --workdir runs/imagenette

Images of 128 pixels, the stem for ImageNet, 1000 epochs, LARS at a rate of 2.0, tau
from 0.996. The official README says about 92.3 % of the online probe, and about 4 hours
on one V100. Not run to the end by us. The data is TFDS' imagenette/160px-v2;
cache=true keeps it decoded in memory, about 1.4 GB, where the processor is slow. The
figure is of August 2020, when basic units had their stride in the second convolution:
style=byol_2020.
"""

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.methods import byol
from sslzoo.optim import lars, schedules
from sslzoo.recipe import Probe, Recipe

SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    classes=2,
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
    hidden=16,
)


def recipe(
    data="tfds:imagenette/160px-v2/train",
    test="tfds:imagenette/160px-v2/validation",
    classes=10,
    backbone="resnet18",
    style="byol",
    image_size=128,
    batch_size=256,
    epochs=1000,
    base_rate=2.0,
    base_tau=0.996,
    decay=1e-6,
    hidden=4096,
    probe_every=50,
    augment="host",
    cache=False,
    precision="float32",
    jit=False,
    seed=0,
):
    source = sources.from_spec(data, cache)
    sources.classified(source, classes)
    steps = epochs * source.count // batch_size
    warmup = min(10 * source.count // batch_size, steps // 2)
    rate = schedules.WarmupCosine(base_rate * batch_size / 256, steps, warmup)
    example = byol.example(image_size)
    options = {"style": style} if backbone.startswith("resnet") else {}
    theirs = "tfds:imagenette/160px-v2/train", "resnet18", 128, 256, 1000
    repeats = (data, backbone, image_size, batch_size, epochs) == theirs
    setting = "ResNet-18, Imagenette at 128 pixels, 1000 epochs"
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: byol.BYOL(
            backbones.build(backbone, **options),
            steps,
            example,
            base_tau,
            hidden,
            classes=classes,
        ),
        optimizer=lambda: lars.LARS(rate, decay=decay),
        steps=steps,
        precision=precision,
        jit=jit,
        probes={
            "imagenette": Probe(source, sources.from_spec(test, cache), image_size)
        },
        probe_every=probe_every,
        seed=seed,
        setting=setting if repeats else "",
    )

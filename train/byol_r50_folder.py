"""BYOL, ResNet-50, a folder of your own pictures, without labels, on one GPU.

    sslzoo check photos/
    sslzoo train byol_r50_folder data=folder:photos --workdir runs/photos
    sslzoo train byol_r50_folder start=byol_r50 base_rate=0.1 --workdir runs/on

`start` is a model by its name, in place of `backbone`, that the run goes on from: the
target begins as the same network, and "untrained" then is that model as it came.
Rates and decay are those of the official preset of 300 epochs, warm-up 10 epochs. Large
pictures are decoded at a half or a quarter where the crop allows, which the official
code does not; large_images=exact is as there. Out of memory: batch_size=64
accumulate=4. Faster on recent GPUs: precision=mixed_bfloat16. Cost and score depend on
your pictures; where some of them have labels, labelled=folder:some/train
unseen=folder:some/test tries the features on those every `probe_every` epochs; several
such sets are named by commas, labelled=folder:a,folder:b unseen=folder:c,folder:d. If
the folder itself has a folder for each class, classes=N trains a linear probe beside
the run. cache=true keeps all pictures in memory, decoded once, those with a short side
of more than twice `image_size` reduced to that: about 0.8 MB each at 224.
"""

import keras

import sslzoo
from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.errors import BadInput
from sslzoo.methods import byol
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
    data="folder:photos",
    classes=0,
    backbone="resnet50",
    start="",
    image_size=224,
    batch_size=256,
    accumulate=1,
    epochs=300,
    base_rate=0.3,
    base_tau=0.99,
    decay=1e-6,
    hidden=4096,
    large_images="fast",
    augment="host",
    cache=False,
    precision="float32",
    jit=False,
    labelled="",
    unseen="",
    probe_every=10,
    seed=0,
):
    if large_images not in ("fast", "exact"):
        raise BadInput(f"large_images={large_images!r}: it is 'fast' or 'exact'.")
    if start:
        loaded(start)  # What cannot be had is told before anything is written.
    tried = probes(labelled, unseen, image_size)
    source = sources.from_spec(data, cache, 2 * image_size)
    sources.classified(source, classes)
    images = batch_size * accumulate
    steps = epochs * source.count // images
    warmup = min(10 * source.count // images, steps // 2)
    rate = schedules.WarmupCosine(base_rate * images / 256, steps, warmup)
    example = byol.example(image_size)
    smallest = image_size if large_images == "fast" else None
    return Recipe(
        streams=Stream(source, example, batch_size, augment, smallest),
        method=lambda: byol.BYOL(
            loaded(start) if start else backbones.build(backbone),
            steps,
            example,
            base_tau,
            hidden,
            classes=classes,
            fresh_target=not start,
        ),
        optimizer=lambda: lars.LARS(rate, decay=decay),
        steps=steps,
        accumulate=accumulate,
        precision=precision,
        jit=jit,
        probes=tried,
        probe_every=probe_every,
        seed=seed,
    )


def loaded(name):
    """The features of a model of the zoo, in the precision of the run."""
    policy = keras.config.dtype_policy().name
    model = sslzoo.load(name, features_only=True, dtype=policy)
    return keras.Model(model.input, model.output, name=model.name)

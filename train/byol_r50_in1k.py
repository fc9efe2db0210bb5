"""BYOL, ResNet-50, ImageNet-1k: the official presets of 40, 100, 300 and 1000 epochs.

    sslzoo train byol_r50_in1k --workdir runs/byol
    sslzoo train byol_r50_in1k epochs=300 batch_size=512 accumulate=8 --workdir runs/b

The data is TFDS' imagenet2012 (which you download yourself, see TFDS), or a folder of
folders: data=folder:imagenet/train. A batch is `batch_size` times `accumulate` images;
the official one is 4096. The paper reports, of a linear classifier on the features,
72.5 % after 300 epochs and 74.3 % after 1000; the official code's online probe 62 %
after 40. Cost there: 8 hours on 512 TPU v3 cores for 1000. Not run to the end by us.
On Places365 its appendix trains for 1000 with the same settings:
data=folder:places365/train?images=1803460&classes=365 classes=365, the latter of its
probe. Other labelled images are tried by labelled= and unseen=, see `byol_r50_folder`.
"""

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.errors import BadInput
from sslzoo.methods import byol
from sslzoo.optim import lars, schedules
from sslzoo.recipe import Recipe, probes

# Rate for 256 images, weight decay, tau at the start: sheet, section 1.1.
PRESETS = {
    40: (0.45, 1e-6, 0.97),
    100: (0.45, 1e-6, 0.99),
    300: (0.3, 1e-6, 0.99),
    1000: (0.2, 1.5e-6, 0.996),
}
SMALL = dict(
    data="synthetic:8",
    classes=2,
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=40,
    stop_after=3,
)


def recipe(
    data="tfds:imagenet2012/train",
    classes=1000,
    backbone="resnet50",
    image_size=224,
    batch_size=4096,
    accumulate=1,
    epochs=1000,
    stop_after=0,
    augment="host",
    precision="float32",
    jit=False,
    labelled="",
    unseen="",
    probe_every=10,
    seed=0,
):
    """`classes` 0: no labels, no online probe. `stop_after`: steps, to end before."""
    if epochs not in PRESETS:
        raise BadInput(f"epochs={epochs}: the presets are those of {list(PRESETS)}.")
    base_rate, decay, base_tau = PRESETS[epochs]
    source = sources.from_spec(data)
    sources.classified(source, classes)
    images = batch_size * accumulate
    steps = epochs * source.count // images
    warmup = min(10 * source.count // images, steps // 2)
    rate = schedules.WarmupCosine(base_rate * images / 256, steps, warmup)
    example = byol.example(image_size)
    theirs = "tfds:imagenet2012/train", "resnet50", 224, 4096, 0
    repeats = (data, backbone, image_size, images, stop_after) == theirs
    return Recipe(
        streams=Stream(source, example, batch_size, augment),
        method=lambda: byol.BYOL(
            backbones.build(backbone), steps, example, base_tau, classes=classes
        ),
        optimizer=lambda: lars.LARS(rate, decay=decay),
        steps=min(steps, stop_after or steps),
        accumulate=accumulate,
        precision=precision,
        jit=jit,
        probes=probes(labelled, unseen, image_size),
        probe_every=probe_every,
        seed=seed,
        setting=f"ResNet-50, ImageNet, {epochs} epochs" if repeats else "",
    )

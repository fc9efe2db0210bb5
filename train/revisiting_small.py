"""Any of Revisiting's tasks, or of its peers, on small images, on a CPU.

    sslzoo train revisiting_small --workdir runs/turns
    sslzoo train revisiting_small task=exemplar backbone=revnet50 --workdir runs/copies
    sslzoo train revisiting_small task=jigsaw image_size=96 \\
        data=npz:imagenette224_jpeg.npz#train test=npz:imagenette224_jpeg.npz#test \\
        --workdir runs/puzzles

Rotation, exemplar, jigsaw or relative patches, or SimCLR, BYOL, labels or nothing at
all (task=random) beside them, on each of Revisiting's networks, narrow: k=1 is a
quarter of a ResNet50's width, an eighth of a VGG19's. The data is TFDS' cifar10, or
files that you have, or the toy world: data=toyworld:train?count=4096&size=96. Patches
are a third of image_size, which must be 72 or more for them (96 for VGG). Labels are
used by the probes alone, and by task=labels, which the others are measured against.
"""

from sslzoo.augment import ablations
from sslzoo.backbones import layers, revisiting
from sslzoo.data import labels as label_spaces
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream
from sslzoo.errors import BadInput
from sslzoo.methods import (
    byol,
    exemplar,
    jigsaw,
    random,
    relative_patch,
    rotation,
    simclr,
    supervised,
)
from sslzoo.optim import decay as decays
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe

TASKS = ("rotation", "exemplar", "jigsaw", "relative_patch", "simclr", "byol")
TASKS += ("labels", "random")
PATCHES = ("jigsaw", "relative_patch")
SMALL = dict(
    data="synthetic:8",
    test="synthetic:8",
    count=0,
    backbone="tiny",
    image_size=32,
    batch_size=4,
    epochs=1,
)
GRAY = 0.66
HEADED = (*PATCHES, "simclr", "byol")  # With a layer before what their heads end in.
USED = {  # By which tasks.
    "smallest_crop": ("task", ("rotation", "exemplar", "simclr", "byol", "labels")),
    "embedding": ("task", ("exemplar", *HEADED)),
    "hidden": ("task", HEADED),
    "copies": ("task", ("exemplar",)),
    "margin": ("task", ("exemplar",)),
    "normalize": ("task", ("exemplar",)),
    "gray": ("task", ("exemplar", *PATCHES)),
    "gray_each": ("task", PATCHES),
    "colours": ("task", ("relative_patch",)),
    "orders": ("task", ("jigsaw",)),
    "subset": ("task", ("jigsaw",)),
    "momentum": ("task", PATCHES),
    "blur": ("task", ("simclr", "byol")),
    "base_tau": ("task", ("byol",)),
    "changes": ("task", ("labels",)),
}


def recipe(
    task="rotation",
    data="tfds:cifar10/train",
    test="tfds:cifar10/test",
    count=10_000,
    per_class=0,
    backbone="resnet50v2",
    k=1.0,
    representation=0,
    residual=True,
    units=0,
    image_size=32,
    smallest_crop=0.3,
    gray=GRAY,
    gray_each=False,
    colours="gray",
    copies=4,
    margin=0.5,
    normalize="none",
    orders=100,
    subset=8,
    blur=0.0,
    base_tau=0.95,
    embedding=128,
    hidden=512,
    momentum=0.9,
    pixels="",
    changes=0,
    batch_size=64,
    epochs=35,
    rate=0.05,
    schedule="drops",
    decay=1e-4,
    precision="float32",
    cache=True,
    probe_every=0,
    seed=0,
):
    """`count`: the first images alone; 0 is all. `per_class`: so many that the probe
    learns from; 0 is all, few is the regime of little data.

    `representation`: the size of the features, where not by the width. `residual` false
    leaves a ResNet's shortcuts out. `units`: of each of the four blocks of a ResNet or
    RevNet, 0 is as in 50 layers. `embedding`, `hidden`: numbers that a head ends in,
    and of the layer before, where it has any. `pixels`: "gray" and the like, of the
    network's first layer; "" leaves it as its task has it, which of patches brings each
    to mean 0 and deviation 1.

    `copies`: of each picture, by exemplar; `margin`, `normalize`: of its loss. `gray`:
    how many copies, or pictures of patches, lose their colours; `gray_each` draws it
    for each patch. `colours`: of the pairs of relative_patch, "gray" or "dropped".
    `orders`: of a puzzle; `subset`: of these in a step. `momentum`: of the norm of what
    answers puzzles: so few steps want less than the paper's 0.997. `blur`: of SimCLR's
    and BYOL's views, as a part of how often they are blurred. `base_tau`: of BYOL's
    target. `changes`: of RandAugment, by labels.

    `schedule`: the paper's "drops", to a tenth after 15 and 25 of 35 parts, or a
    "cosine", which wastes less of a short run.
    """
    layers.known(task, TASKS, "task")
    if colours == "dropped" and (gray != GRAY or gray_each):
        raise BadInput(
            f"gray={gray} and gray_each={gray_each} with colours=dropped: they are of "
            "colours=gray alone. Leave them out."
        )
    source = label_spaces.first(sources.from_spec(data), count)
    if cache:  # Of the first alone.
        source = sources.cached(source)
    held_out = sources.from_spec(test, cache)
    known = label_spaces.per_class(source, per_class, seed)
    area, patch = (smallest_crop, 1.0), image_size // 3
    least = {"tiny": 1, "vgg19bn": 32}.get(backbone, 24)
    if task in PATCHES and patch < least:
        raise BadInput(
            f"image_size={image_size}: patches of {patch} pixels are too small for "
            f"{backbone}. Give {3 * least} or more."
        )
    cell = patch * 85 // 64
    pair = ablations.pair("baseline", blur, "scale")
    examples = {
        "rotation": lambda: rotation.example(image_size, area),
        "exemplar": lambda: exemplar.example(image_size, copies, gray, area=area),
        "jigsaw": lambda: jigsaw.example(patch, cell, gray, gray_each),
        "relative_patch": lambda: relative_patch.example(
            *(patch, cell, gray, gray_each, colours)
        ),
        "simclr": lambda: simclr.example(image_size, 0.5, blur / 2, smallest_crop),
        "byol": lambda: byol.example(image_size, *pair, smallest_crop),
        "labels": lambda: supervised.view(image_size, changes, area=area),
        "random": lambda: random.example(image_size),
    }
    example = examples[task]()
    steps = 1 if task == "random" else epochs * (source.count // batch_size)
    warmup = steps * 5 // 35
    falls = {
        "drops": lambda: schedules.Drops(
            rate, [steps * 15 // 35, steps * 25 // 35], warmup=warmup
        ),
        "cosine": lambda: schedules.WarmupCosine(rate, steps, warmup),
    }
    layers.known(schedule, falls, "schedule")
    shape = dict(representation=representation, residual=residual, units=units)
    if task in PATCHES:
        shape |= dict(image_size=patch, stem="patch", pixels=pixels or "per_image")
    else:
        stem = "small" if image_size < 64 else "imagenet"
        shape |= dict(image_size=image_size, stem=stem, pixels=pixels or "signed")
    head = dict(embedding=embedding, hidden=hidden, momentum=momentum)
    of = {
        "rotation": lambda net: rotation.Rotation(net, example),
        "exemplar": lambda net: exemplar.Exemplar(
            net, example, embedding, margin=margin, normalize=normalize
        ),
        "jigsaw": lambda net: jigsaw.Jigsaw(
            net, example, patch, orders, subset, **head
        ),
        "relative_patch": lambda net: relative_patch.RelativePatch(
            net, example, patch, **head
        ),
        "simclr": lambda net: simclr.SimCLR(
            net, example, hidden=hidden, outputs=embedding
        ),
        "byol": lambda net: byol.BYOL(
            net, steps, example, base_tau, hidden, embedding, fresh_target=False
        ),
        "labels": lambda net: supervised.Supervised(
            net, example, label_spaces.count(source)
        ),
        "random": lambda net: random.Random(net, example),
    }
    # The authors' 224 of 256, but of pictures that small lose too much by it; and, so
    # that a patch is as large a part of a picture as where it was learned, 192 of 224.
    crop = 1.0 if image_size <= 64 else 0.875
    crop = 6 / 7 if task in PATCHES else crop
    return Recipe(
        streams=Stream(source, example, batch_size),
        method=lambda: of[task](revisiting.network(backbone, k, **shape)),
        optimizer=lambda: sgd.SGD(
            falls[schedule](),
            decay=decay,
            exclude=(*decays.BIAS_AND_NORM, *revisiting.undecayed(backbone)),
            heavier={"puzzle/*": 5.0},
        ),
        steps=steps,
        precision=precision,
        probes={"held out": Probe(known, held_out, image_size, crop=crop)},
        probe_every=probe_every,
        seed=seed,
    )

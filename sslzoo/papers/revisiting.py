"""Revisiting's Table 1 and Figures 4 and 5, small: tasks times networks, by block.

Each task trains each of four small networks: on CIFAR-10, on photographs of Imagenette
and on the toy world, the latter two of 96 pixels, so that there are patches to cut.
Linear classifiers and neighbours then tell the classes by each block's map, made about
1000 numbers by maxima over windows; beside it how well a network does its own task on
pictures that it has not seen. And the same network as it begins, and by labels.
"""

from sslzoo.data.labels import first
from sslzoo.evaluation import knn, linear, pretext
from sslzoo.evaluation.blocks import blocks
from sslzoo.evaluation.features import features
from sslzoo.papers.figures import Curves, Points
from sslzoo.papers.study import Cell, Claim, Study

RECIPE = "revisiting_small"
BLOCKS = ("block1", "block2", "block3", "block4", "pooled")
LINEAR = tuple(f"linear {block}" for block in BLOCKS)
NEAR = tuple(f"kNN {block}" for block in BLOCKS)
TASK = "its task"
KNOWN, ASKED = 3000, 5000  # Pictures whose labels are learned from, and guessed.
DIMENSIONS = 1024  # Numbers of each of their maps.
GRID = (1.0, 30.0, 1000.0, 30_000.0)  # Strengths to choose from, on held-out images.

NETWORKS = {  # Small in depth too: one unit in each block.
    "resnet50v1": dict(units=1),
    "resnet50v2": dict(units=1),
    "revnet50": dict(units=1),
    "vgg19bn": {},
}
WHOLE = ("rotation", "exemplar", "simclr", "byol")
PATCHES, RANDOM_PATCHES = ("jigsaw", "relative_patch"), "random, by patches"
ORDERS = 10  # Of a puzzle: by 100 these few steps end where chance does, at ln 100.
# The network that is trained at two widths, and the second: twice k = 1 would be twice
# the hours of all the rest.
NARROWED, NARROW = "resnet50v2", 0.5
# Two thirds of the steps of CIFAR-10's, on half as large batches: of patches, nine of
# each picture, and by VGG, more is hours.
LARGE = dict(count=2000, image_size=96, batch_size=32, epochs="{epochs_of_96}")
IMAGES = {  # Where they are, and how many are learned from.
    "cifar10": dict(
        data="{cifar10}train", test="{cifar10}test", count=3000, image_size=32
    ),
    "imagenette": dict(data="{imagenette}train", test="{imagenette}test", **LARGE),
    "toyworld": dict(
        data="toyworld:train?count=2000&size=96",
        test="toyworld:test?count=1000&size=96",
        **LARGE,
    ),
}
# Table 1: the least width of each task, linear on ImageNet.
PAPER = {
    "resnet50v1": dict(rotation=41.7, exemplar=42.8, relative_patch=46.8, jigsaw=42.2),
    "resnet50v2": dict(rotation=43.8, exemplar=43.0, relative_patch=42.2, jigsaw=38.4),
    "revnet50": dict(rotation=47.3, exemplar=42.4, relative_patch=40.6, jigsaw=40.1),
    "vgg19bn": dict(rotation=16.8, exemplar=26.4, relative_patch=28.5, jigsaw=19.8),
}
RANDOM = {"resnet50v1": 2.5, "resnet50v2": 4.4, "revnet50": 8.1, "vgg19bn": 2.7}


def measure(method, plan, seed):
    """Top-1 by each block, linear and of neighbours; and of its own task."""
    (probe,) = plan.probes.values()
    held_out = first(probe.test, ASKED)
    network = blocks(method, probe.size, BLOCKS, DIMENSIONS)
    known, asked = (
        features(network, of, probe.size, names=BLOCKS, crop=probe.crop)
        for of in (first(probe.train, KNOWN), held_out)
    )
    found = {}
    for block, near, line in zip(BLOCKS, NEAR, LINEAR):
        sets = known[block], known["label"], asked[block], asked["label"]
        found[near] = knn.evaluate(*sets)["top1"]
        found[line] = linear.evaluate(*sets, grid=GRID, standardize=True, seed=seed)[
            "top1"
        ]
    if "accuracy" in method.meters:
        told = pretext.evaluate(method, plan.streams, held_out)
        found[TASK] = told["accuracy"]
    return found


def name(images, network, task, k=1):
    return f"{images}, {network}{f' k={k}' if k != 1 else ''}, {task}"


def cell(images, network, task, k=1, seeds=1):
    knobs = {**IMAGES[images], **NETWORKS[network], "backbone": network, "k": float(k)}
    # Of patches it is the network of jigsaw's before it learned.
    knobs["task"] = "jigsaw" if task == RANDOM_PATCHES else task
    if knobs["task"] == "jigsaw":
        knobs["orders"] = ORDERS
    published = RANDOM[network] if task == "random" else PAPER[network].get(task)
    shown = {"linear pooled": published} if published and k == 1 else {}
    trained = not task.startswith("random")
    return Cell(name(images, network, task, k), RECIPE, knobs, seeds, shown, trained)


def cells():
    """Three seeds of what a claim is of, one of the others."""
    claimed = {cell for claim in CLAIMS for _, cell, _ in claim.parts}
    for images in IMAGES:
        tasks = WHOLE if images == "cifar10" else (*WHOLE, *PATCHES, RANDOM_PATCHES)
        for network, k in (*((each, 1) for each in NETWORKS), (NARROWED, NARROW)):
            for task in ("random", "labels", *tasks):
                seeds = 3 if name(images, network, task, k) in claimed else 1
                yield cell(images, network, task, k, seeds)


def part(sign, network, task, columns=("linear pooled",), k=1, images="cifar10"):
    return sign, name(images, network, task, k), columns


def first_of(network, best, other, images="cifar10"):
    """That a task is above another on a network."""
    parts = (
        part(1, network, best, images=images),
        part(-1, network, other, images=images),
    )
    of = "" if images == "cifar10" else f"{images}, "
    words = f"{of}{network}: {best} above {other}".replace("_", " ")
    return Claim(words, parts)


def favours(network, other):
    """That rotation stands better to exemplar on one network than on the other."""
    gain = (part(1, network, "rotation"), part(-1, network, "exemplar"))
    less = (part(-1, other, "rotation"), part(1, other, "exemplar"))
    words = f"rotation before exemplar: more on {network} than on {other}"
    return Claim(words, (*gain, *less))


def end(network, sign=1):
    """What is gained from the third block to the end, or lost."""
    return (
        part(sign, network, "rotation"),
        part(-sign, network, "rotation", LINEAR[2:3]),
    )


RESIDUAL = tuple(network for network in NETWORKS if network != "vgg19bn")


CLAIMS = (
    Claim(
        f"wider is better: {NARROWED}, rotation",
        (part(1, NARROWED, "rotation"), part(-1, NARROWED, "rotation", k=NARROW)),
    ),
    # Ranks change if both of these hold: it is the best of one, not of the other.
    first_of("revnet50", "rotation", "exemplar"),
    first_of("resnet50v1", "exemplar", "rotation"),
    first_of("revnet50", "rotation", "relative_patch", "imagenette"),
    first_of("resnet50v1", "relative_patch", "rotation", "imagenette"),
    favours("revnet50", "resnet50v1"),
    favours("revnet50", "vgg19bn"),
    *(Claim(f"{net}, rotation: the end above block3", end(net)) for net in RESIDUAL),
    Claim("vgg19bn, rotation: block3 above the end", end("vgg19bn", -1)),
    *(
        Claim(
            f"rotation, from block3 to the end: {net} loses less than vgg19bn",
            (*end(net), *end("vgg19bn", -1)),
        )
        for net in RESIDUAL
    ),
    *(
        Claim(
            f"rotation: revnet50 above {other}",
            (part(1, "revnet50", "rotation"), part(-1, other, "rotation")),
        )
        for other in ("resnet50v1", "resnet50v2", "vgg19bn")
    ),
)


CELLS = tuple(cells())
THERE = {cell.name for cell in CELLS}


def by_blocks(images):
    """Figure 5 of some images: the classes told from each block."""
    panels = {
        network: {
            task: name(images, network, task)
            for task in ("random", "labels", *WHOLE, *PATCHES, RANDOM_PATCHES)
            if name(images, network, task) in THERE
        }
        for network in NETWORKS
    }
    columns = dict(zip(("1", "2", "3", "4", "end"), LINEAR))
    return Curves(f"{images}: classes told from each block.", panels, columns)


def by_task(images, task):
    """A panel of Figure 4: each network, of both widths where there are two."""
    widths = (1, NARROW)
    both = {net: [name(images, net, task, k) for k in widths] for net in NETWORKS}
    return {net: [one for one in names if one in THERE] for net, names in both.items()}


FIGURES = {
    "revisiting_tasks.png": Points(
        "The task on pictures not seen before, and the classes told from the end.",
        {
            f"{images}, {task}": by_task(images, task)
            for task in ("rotation", *PATCHES)  # Which have an answer.
            for images in IMAGES
            if task not in PATCHES or images != "cifar10"
        },
        (TASK, TASK),
        ("classes", "linear pooled"),
    ),
    **{f"revisiting_{images}.png": by_blocks(images) for images in IMAGES},
}

STUDY = Study(
    "revisiting",
    __doc__,
    CELLS,
    CLAIMS,
    (*LINEAR, *NEAR, TASK),
    measure,
    {
        "cifar10": "npz:cifar10_jpeg.npz#",
        "imagenette": "npz:imagenette224_jpeg.npz#",
        "epochs": 10,
        "epochs_of_96": 5,
        "schedule": "cosine",
        "precision": "float32",
    },
    FIGURES,
)

"""BYOL's Figure 3b and Table 17, small: BYOL and SimCLR less some of their changes.

Both are of one plane (`methods.info_nce`), with the same network, images, steps and
views, so that what differs is the loss alone. A linear classifier and neighbours tell
the classes by what the networks end in. The claim is of drops:

    (SimCLR - SimCLR without colours) - (BYOL - BYOL without colours) > 0
"""

from sslzoo.evaluation import knn, linear
from sslzoo.evaluation.features import features
from sslzoo.papers.study import Cell, Claim, Study

RECIPE = "info_nce_r18w16_cifar10"
COLUMNS = ("linear", "kNN")
METHODS = {"BYOL": {}, "SimCLR": dict(predictor="none", target="online", beta=1.0)}
ROWS = {  # Of `augment.ablations`: the paper's of BYOL and of SimCLR, and our seeds.
    "baseline": (72.5, 67.9, 3),
    "no_grayscale": (70.3, 61.9, 1),
    "no_color": (63.4, 45.7, 3),
    "crop_only": (59.4, 40.3, 1),
}


def measure(method, plan, seed):
    """Top-1 of the images that were learned from, labelled, on those held out."""
    (probe,) = plan.probes.values()
    known, asked = (
        features(method.deployable(), of, probe.size, crop=probe.crop)
        for of in (plan.streams.source, probe.test)
    )
    sets = known["pooled"], known["label"], asked["pooled"], asked["label"]
    told = linear.evaluate(*sets, standardize=True, seed=seed)
    return {"linear": told["top1"], "kNN": knn.evaluate(*sets)["top1"]}


def name(method, row):
    return f"{method}, {row.replace('_', ' ')}"


def cells():
    yield Cell("random", RECIPE, {}, 3, trained=False)
    for row, (byol, simclr, seeds) in ROWS.items():
        for method, figure in zip(METHODS, (byol, simclr)):
            knobs = {**METHODS[method], "views": row}
            yield Cell(name(method, row), RECIPE, knobs, seeds, {"linear": figure})


def drop(sign, method, row):
    """What a method loses, as parts of a claim."""
    linear = ("linear",)
    return (
        (sign, name(method, "baseline"), linear),
        (-sign, name(method, row), linear),
    )


CLAIMS = (
    Claim("BYOL loses by the removal of colours", drop(1, "BYOL", "no_color")),
    Claim("SimCLR loses by it", drop(1, "SimCLR", "no_color")),
    Claim(
        "SimCLR loses more than BYOL",
        (*drop(1, "SimCLR", "no_color"), *drop(-1, "BYOL", "no_color")),
    ),
)

STUDY = Study(
    "transformations",
    __doc__,
    tuple(cells()),
    CLAIMS,
    COLUMNS,
    measure,
    {
        "data": "tfds:cifar10/train",
        "test": "tfds:cifar10/test",
        "count": 10_000,
        "epochs": 8,
        "precision": "float32",
    },
)

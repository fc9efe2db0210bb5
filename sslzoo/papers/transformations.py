"""BYOL's Figure 3b and Table 17, small: BYOL and SimCLR without changes of colour.

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
ROWS = {"baseline": (72.5, 67.9), "no_color": (63.4, 45.7)}  # The paper's, of both.
SEEDS = 5


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
    for row, figures in ROWS.items():
        for method, figure in zip(METHODS, figures):
            knobs = {**METHODS[method], "views": row}
            yield Cell(name(method, row), RECIPE, knobs, SEEDS, {"linear": figure})


def drop(sign, method, column):
    """What a method loses without colours, as parts of a claim."""
    return (
        (sign, name(method, "baseline"), (column,)),
        (-sign, name(method, "no_color"), (column,)),
    )


def claims(column):
    byol, simclr = (drop(1, method, column) for method in METHODS)
    less = drop(-1, "BYOL", column)
    yield Claim(f"BYOL loses by the removal of colours, {column}", byol)
    yield Claim(f"SimCLR loses by it, {column}", simclr)
    yield Claim(f"SimCLR loses more than BYOL, {column}", (*simclr, *less))


CLAIMS = tuple(claim for column in COLUMNS for claim in claims(column))

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
        "batch_size": 64,
        "precision": "float32",
    },
)

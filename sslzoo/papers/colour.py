"""Split-brain's Table 2 and three colorizers, small: on CIFAR-10, an AlexNet of 1/4.

Linear classifiers on each layer's map, made about 1000 numbers: what the paper does on
ImageNet with about 9000. Beside them a network as it begins, and one that learned from
labels with the same images and steps.
"""

import keras

from sslzoo.evaluation import linear
from sslzoo.evaluation.features import features
from sslzoo.heads import vectors
from sslzoo.papers.figures import Curves
from sslzoo.papers.study import Cell, Study
from sslzoo.papers.study import above as claim

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "pool5")
TOP = ("conv4", "conv5", "pool5")
DIMENSIONS = 1024
GRID = (1.0, 30.0, 1000.0, 30_000.0)  # Strengths to choose from, on held-out images.
SPLIT, COLOR = "split_brain_alexnet_cifar10", "colorization_alexnet_cifar10"


def measure(method, plan, seed):
    """Top-1 of a linear classifier on each of `LAYERS`."""
    (probe,) = plan.probes.values()
    sets = probe.train, probe.test
    return classified(method.deployable(), *sets, probe.size, probe.crop, seed)


def classified(network, train, test, size, crop, seed):
    """{layer: top-1} of linear classifiers on the maps of a network."""
    image = keras.Input((size, size, 3))
    found = network(image)
    maps = keras.Model(image, {name: found[name] for name in LAYERS})
    known, asked = (
        features(vectors.vectors(maps, DIMENSIONS), of, size, names=LAYERS, crop=crop)
        for of in (train, test)
    )
    return {
        name: linear.evaluate(
            *(known[name], known["label"], asked[name], asked["label"]),
            grid=GRID,
            standardize=True,
            seed=seed,
        )["top1"]
        for name in LAYERS
    }


def split(name, figures="", seeds=1, **knobs):
    """A row of the paper's Table 2; pool5 is read from the curves of its poster."""
    return Cell(name, SPLIT, knobs, seeds, dict(zip(LAYERS, figures.split())))


CELLS = (
    Cell(
        "random",
        SPLIT,
        {},
        3,
        dict(zip(LAYERS, "11.6 17.1 16.9 16.3 14.1 15.2".split())),
        False,
    ),
    Cell(
        "labels",
        "supervised_alexnet_cifar10",
        {"pixels": "centred"},
        1,
        dict(zip(LAYERS, "19.3 36.3 44.2 48.3 50.5 51.0".split())),
    ),
    # Not trained either, but their batch norms have seen the pictures, as those of all
    # that learned have: without, from conv4 on no ReLU holds anything back, and of
    # gray, which is what colorizers see, deep maps are so nearly constant that rounding
    # is measured.
    Cell("random, normed", SPLIT, {"rate": 0.0, "epochs": 1}, 3),
    Cell("random, gray", COLOR, {"target": "bins", "rate": 0.0, "epochs": 1}),
    Cell("labels, gray", "supervised_alexnet_cifar10", {"pixels": "gray"}),
    split("split-brain (cl,cl)", "17.7 29.3 35.4 35.2 32.8 33.0", 5),
    split(
        "split-brain (reg,reg)", "17.4 27.9 33.6 34.2 32.3 32.2", ab="reg", light="reg"
    ),
    split("split-brain (cl,reg)", light="reg"),
    split("L→ab (cl)", "12.5 25.4 32.4 33.1 32.0 32.0", 3, row="L_ab"),
    split("L→ab (reg)", "12.3 23.5 29.6 31.1 30.1 29.6", 3, row="L_ab", ab="reg"),
    split("ab→L (cl)", "11.6 19.2 22.6 21.7 19.2 19.6", 3, row="ab_L"),
    split("ab→L (reg)", "11.5 19.4 23.5 23.9 21.7 21.7", row="ab_L", light="reg"),
    split("Lab→Lab", "12.9 20.1 18.5 15.1 11.5 13.8", 3, row="Lab_Lab"),
    split("Lab(drop50)→Lab", "12.1 20.4 19.7 16.1 12.3 14.7", row="drop50"),
    split("ensembled L→ab", "11.7 23.7 30.9 32.2 31.3 31.5", row="ensemble"),
    split("(L,ab)→(ab,L)", "15.1 22.6 24.4 23.2 21.1 21.1", 5, row="equation4"),
    split("(L,ab,Lab)→(ab,L,Lab)", "15.4 22.9 24.0 22.0 18.9 19.8", 3, row="equation5"),
    # Three times the budget: of the claim that three seeds left open.
    *(
        split(f"{name}, 30 epochs", epochs=30, **knobs)
        for name, knobs in {
            "L→ab (cl)": {"row": "L_ab"},
            "L→ab (reg)": {"row": "L_ab", "ab": "reg"},
        }.items()
    ),
    # With steps as large as those of histograms at first it overshoots.
    Cell(
        "colorizer, Lab regression", COLOR, {"target": "regression_lab", "scale": 0.08}
    ),
    Cell("colorizer, histograms", COLOR, {"target": "histograms"}),
    # The paper's is of Zhang et al., with bins rebalanced and no hypercolumn.
    Cell(
        "colorizer, 313 classes",
        COLOR,
        {"target": "bins"},
        1,
        dict(zip(LAYERS, "13.1 24.8 31.0 32.6 31.8 31.7".split())),
    ),
)


def above(theirs, words, ours="split-brain (cl,cl)"):
    return claim(words, ours, theirs, TOP)


CLAIMS = (
    above("Lab→Lab", "split-brain above the autoencoder"),
    above("L→ab (cl)", "above its half L→ab alone"),
    above("ab→L (cl)", "above its half ab→L alone"),
    above("(L,ab)→(ab,L)", "above equation 4"),
    above("(L,ab,Lab)→(ab,L,Lab)", "above equation 5"),
    above("L→ab (reg)", "L→ab: classes above regression", "L→ab (cl)"),
)

BESIDE = {"random": "random, normed", "labels": "labels"}
FIGURES = {
    "colour_layers.png": Curves(
        "Classes told from each layer, in percent: the mean over the seeds.",
        {
            "split-brain and its halves": {
                **BESIDE,
                "split-brain": "split-brain (cl,cl)",
                "L→ab": "L→ab (cl)",
                "ab→L": "ab→L (cl)",
                "ensembled L→ab": "ensembled L→ab",
            },
            "losses": {
                **BESIDE,
                "(cl,cl)": "split-brain (cl,cl)",
                "(reg,reg)": "split-brain (reg,reg)",
                "(cl,reg)": "split-brain (cl,reg)",
            },
            "other ways to use both halves": {
                **BESIDE,
                "split-brain": "split-brain (cl,cl)",
                "Lab→Lab": "Lab→Lab",
                "Lab(drop50)→Lab": "Lab(drop50)→Lab",
                "equation 4": "(L,ab)→(ab,L)",
                "equation 5": "(L,ab,Lab)→(ab,L,Lab)",
            },
            "colorizers, all of gray": {
                "random": "random, gray",
                "labels": "labels, gray",
                "Lab regression": "colorizer, Lab regression",
                "histograms": "colorizer, histograms",
                "313 classes": "colorizer, 313 classes",
            },
        },
        {layer: layer for layer in LAYERS},
    )
}

STUDY = Study(
    "colour",
    "Split-brain and colorizers, linear classifiers on each layer, CIFAR-10",
    CELLS,
    CLAIMS,
    LAYERS,
    measure,
    {
        "data": "tfds:cifar10/train",
        "test": "tfds:cifar10/test",
        "count": 10_000,
        "epochs": 10,
        "width": 0.25,
    },
    FIGURES,
)

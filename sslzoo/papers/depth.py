"""Split-brain's section 4.2, small: a picture from its depth and back, the toy world.

The paper trains on NYU Depth v2 and measures detection. Here linear classifiers on each
layer's map, made about 1000 numbers, tell which thing a scene shows: of a network that
was shown pictures, by pictures; of one that was shown depth, by HHA. Beside each the
same network as it begins.
"""

import functools

import numpy as np

from sslzoo.data import sources
from sslzoo.papers import colour
from sslzoo.papers.figures import Curves
from sslzoo.papers.study import Cell, Study, above

RECIPE = "split_brain_alexnet_rgbd"
SCENES = "rgbd:toyworld:{}?count={}&size=64"


def measure(method, plan, seed):
    """Top-1 on each of `colour.LAYERS`, of 1,500 labelled scenes and 1,000 unseen."""
    key = "hha" if method.row.sees == "HHA" else "image"
    train, test = (_scenes(part, count, key) for part, count in ASKED)
    size = plan.streams.source.size(0)[0]
    return colour.classified(method.backbone, train, test, size, 1.0, seed)


ASKED = (("train", 1500), ("test", 1000))


@functools.cache
def _scenes(part, count, key):
    """Scenes as what a network is shown of them: their pictures, or their HHA."""
    scenes = sources.from_spec(SCENES.format(part, count))
    shown = np.stack([scenes.read(i, only=(key,))[key] for i in range(count)])
    return sources.Arrays(shown, sources.labelled(scenes), scenes.classes)


CELLS = (
    Cell("random, RGB", RECIPE, {"row": "RGB_HHA"}, 3, trained=False),
    Cell("RGB→HHA", RECIPE, {"row": "RGB_HHA"}, 3),
    Cell("random, HHA", RECIPE, {"row": "HHA_Lab"}, 3, trained=False),
    Cell("HHA→Lab", RECIPE, {"row": "HHA_Lab"}, 3),
)
CLAIMS = (
    above("RGB→HHA above random", "RGB→HHA", "random, RGB", colour.TOP),
    above("HHA→Lab above random", "HHA→Lab", "random, HHA", colour.TOP),
)
FIGURES = {
    "depth_layers.png": Curves(
        "Classes told from each layer, in percent: the mean over the seeds.",
        {
            "a picture": {"random": "random, RGB", "learned": "RGB→HHA"},
            "its depth": {"random": "random, HHA", "learned": "HHA→Lab"},
        },
        {layer: layer for layer in colour.LAYERS},
    )
}
STUDY = Study(
    "depth",
    __doc__,
    CELLS,
    CLAIMS,
    colour.LAYERS,
    measure,
    {"epochs": 20},
    FIGURES,
)

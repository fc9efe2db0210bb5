"""Split-brain's section 4.2, small: a picture from its depth and back.

The paper trains on NYU Depth v2 and measures detection. Here it is the toy world, where
linear classifiers on each layer's map, made about 1000 numbers, tell which thing a
scene shows: of a network that was shown pictures, by pictures; of one that was shown
depth, by HHA. Beside each is the same network as it begins. And both are trained on a
few frames of NYU, which lie there in blocks, each of one place or two. Of each set the
last part is unseen, of NYU whole blocks, and of it every network says what it was
trained to say; the part that it explains of numbers x, of the mean m, is

    R^2 = 1 - sum |said - x|^2 / sum |m - x|^2

over all cells, holes left out: 1 at best, 0 of who knows the mean of the unseen alone.
Of classes what is said is their mean, which is best by squares.
"""

import functools

import numpy as np
from keras import ops

from sslzoo.data import sources
from sslzoo.errors import BadInput
from sslzoo.papers import colour
from sslzoo.papers.figures import Curves
from sslzoo.papers.study import Cell, Claim, Study, above

RECIPE = "split_brain_alexnet_rgbd"
SCENES = "rgbd:toyworld:{}?count={}&size=64"
KNOWN, ASKED = ("train", 1500), ("test", 1000)
SEEN, WINDOWS = 80, 8  # Frames that are learned from; windows of each other one.
TOLD = {"HHA": "R² HHA", "L": "R² L", "ab": "R² ab"}


def measure(method, plan, seed):
    """R^2 of what is said of the unseen; of scenes top-1 by each of `colour.LAYERS`."""
    source = plan.streams.source
    if isinstance(source, sources.Subset):  # Frames, and the others of their file.
        unseen = range(source.count, source.source.count)
        if not unseen:
            raise BadInput(
                f"{source.source.name} has {source.source.count} frames, of which "
                f"{source.count} are learned from: none is left to ask for. Give a "
                "file of more: frames=rgbd:FILE."
            )
        return explained(method, source.source, np.repeat(unseen, WINDOWS))
    key = "hha" if method.row.sees == "HHA" else "image"
    train, test = (_shown(part, count, key) for part, count in (KNOWN, ASKED))
    side = source.size(0)[0]
    return {
        **colour.classified(method.backbone, train, test, side, 1.0, seed),
        **explained(method, _scenes(*ASKED), range(ASKED[1])),
    }


def explained(method, source, indices, batch_size=50):
    """{column: R^2} of all that a method says of a window of each of these pictures."""
    told = {}
    for start in range(0, len(indices), batch_size):
        items = source.batch(indices[start : start + batch_size], ("image", "hha"))
        shown = method.examples(items)
        batch = {key: np.stack([one[key] for one in shown]) for key in items}
        for answer, said in method.answers(batch):
            truth, known = _asked(method, answer, batch, said.shape[1:3])
            pair = method.told(answer, said, temperature=1.0)[known], truth[known]
            told.setdefault(TOLD[answer.target], []).append(pair)
    return {column: _r2(*map(np.concatenate, zip(*of))) for column, of in told.items()}


def _r2(said, truth):
    truth = np.float64(truth)
    away = truth - truth.mean(0)
    return float(1 - np.sum((said - truth) ** 2) / np.sum(away**2))


def _asked(method, answer, batch, cells):
    """What is asked, `[n, *cells, c]`, and of which cells it is known."""
    if answer.target == "HHA":
        hha = ops.convert_to_numpy(method.at_cells(batch["hha"], cells))
        return 255 * hha, hha[..., 2] > 0
    lab = ops.convert_to_numpy(method.colours_of(batch["image"], cells))
    part = lab[..., :1] if answer.target == "L" else lab[..., 1:]
    return part, np.ones(part.shape[:-1], bool)


@functools.cache
def _scenes(part, count):
    return sources.from_spec(SCENES.format(part, count))


@functools.cache
def _shown(part, count, key):
    """Scenes as what a network is shown of them: their pictures, or their HHA."""
    scenes = _scenes(part, count)
    shown = np.stack([scenes.read(i, only=(key,))[key] for i in range(count)])
    return sources.Arrays(shown, sources.labelled(scenes), scenes.classes)


def frames(row):
    """Some of NYU's, in windows of the paper's size, as often as there are few."""
    shape = dict(image_size=180, batch_size=20, epochs=125)
    return {"row": row, "data": "{frames}", "count": SEEN, **shape}


CELLS = (
    Cell("random, RGB", RECIPE, {"row": "RGB_HHA"}, 3, trained=False),
    Cell("RGB→HHA", RECIPE, {"row": "RGB_HHA"}, 3),
    Cell("random, HHA", RECIPE, {"row": "HHA_Lab"}, 3, trained=False),
    Cell("HHA→Lab", RECIPE, {"row": "HHA_Lab"}, 3),
    Cell("RGB→HHA, NYU", RECIPE, frames("RGB_HHA"), 3),
    Cell("HHA→Lab, NYU", RECIPE, frames("HHA_Lab"), 3),
)
CLAIMS = (
    above("RGB→HHA above random", "RGB→HHA", "random, RGB", colour.TOP),
    above("HHA→Lab above random", "HHA→Lab", "random, HHA", colour.TOP),
    Claim("of these frames HHA is told", ((1, "RGB→HHA, NYU", ("R² HHA",)),)),
    Claim("of these frames L is told", ((1, "HHA→Lab, NYU", ("R² L",)),)),
    Claim("of these frames ab is told", ((1, "HHA→Lab, NYU", ("R² ab",)),)),
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
    "A picture from its depth and back, the toy world and frames of NYU",
    CELLS,
    CLAIMS,
    (*colour.LAYERS, *TOLD.values()),
    measure,
    {"epochs": 20, "frames": "rgbd:nyu_depth_sample.npz?every=2"},
    FIGURES,
)

"""Images of a run with those most like them, by its features and by random ones.

A card is one image, and rows of its nearest ones, nearest first:

    {"asked": tile, "rows": {words: [tile with "right": of its class, or None], ...}}
"""

import numpy as np

from sslzoo import runner
from sslzoo.data import rgbd
from sslzoo.data.combined import Subset
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput
from sslzoo.evaluation import features, knn
from sslzoo.show.tiles import SIDE, spread, tile

ASKED = 8  # Images whose neighbours are looked for.
NEIGHBOURS = 6
POOL = 2000  # Images among which they are looked for: a page must not take an hour.


def of_run(method, plan, source, side):
    """By trained features, beside those of the network as it was before training.

    Args:
        source: of the run's images, where the plan has no probe.
        side: to which those are brought.
    """
    if plan.probes:
        name, probe = next(iter(plan.probes.items()))
        asked, pool, size, crop = probe.test, probe.train, probe.size, probe.crop
    else:
        name, size, crop = "", side, None
        asked = pool = Quarantine(source, threshold=1.0)
    among = Subset(pool, spread(pool.count, POOL))
    chosen = among if asked is pool else asked
    chosen = Subset(chosen, spread(chosen.count, ASKED))
    own = chosen.indices if asked is pool else np.full(chosen.count, -1)

    began = runner.untrained(plan)
    models = {"trained": method.deployable(), "random": began.deployable()}
    shown = [rgbd.seen(part, method.sees) for part in (among, chosen)]
    cards = [{"asked": _asked(chosen, i), "rows": {}} for i in range(chosen.count)]
    try:
        for kind, model in models.items():
            words = f"{kind} features"
            train, test = (
                features.features(model, part, size, crop=crop) for part in shown
            )
            truths = test.get("label", [None] * chosen.count)
            found = nearest(train["pooled"], test["pooled"], own)
            for card, truth, row in zip(cards, truths, found):
                card["rows"][words] = [
                    _neighbour(among, j, f"{words}, neighbour {n}", truth)
                    for n, (j, _) in enumerate(row, 1)
                ]
    except BadInput as error:  # Features that are not numbers have no neighbours.
        return {"failed": str(error)}
    return {
        "failed": "",
        "probe": name,
        "among": among.count,
        "of": pool.count,
        "cards": cards,
        "labelled": "label" in train,
        "shown": sum(len(card["rows"]["trained features"]) for card in cards),
        "right": {kind: right(cards, f"{kind} features") for kind in models},
    }


def nearest(train, test, own):
    """For each row of `test` its nearest of `train`: [(row, cosine), ...].

    Args:
        own: of each, the row of `train` that it is itself, and that does not count.
    """
    found = knn.search(train, test, NEIGHBOURS + 1)
    return [
        [(int(j), cosine) for cosine, j in zip(*row) if j != itself][:NEIGHBOURS]
        for *row, itself in zip(*found, own)
    ]


def right(cards, words):
    """How many pictures in the rows of that name are of the class asked for."""
    return sum(bool(each["right"]) for card in cards for each in card["rows"][words])


def named(classes, label):
    """The class in words."""
    return classes[label] if classes else f"class {label}"


def _asked(source, index):
    item = source.read(index, smallest=2 * SIDE)
    words = named(source.classes, item["label"]) if "label" in item else ""
    alt = f"Image {index + 1}{': ' if words else ''}{words}"
    return tile(item["image"], alt, words)


def _neighbour(source, index, alt, truth):
    """The picture, and whether it is of the class `truth`; None without labels."""
    item, same = source.read(index, smallest=2 * SIDE), None
    if truth is not None:
        same = bool(item["label"] == truth)
        words = named(source.classes, item["label"])
        alt += f": {words}, {'right' if same else 'another'} class"
    return {**tile(item["image"], alt), "right": same}

"""What a person can see of split-brain: each way that a row goes, and the truth."""

import numpy as np
from keras import ops

from sslzoo import color
from sslzoo.backbones import layers
from sslzoo.methods import sheets


def sheet(method, batch):
    """Each way: what is given, the picture that the answer makes of it, the truth.

    What is not asked is as it is in the truth; ab alone is shown at L = 50. Who sees
    HHA knows nothing of Lab: what is not asked of it is gray of L = 50, and last stands
    the picture of all that it said.
    """
    batch = {key: ops.convert_to_numpy(value) for key, value in batch.items()}
    images, size = batch["image"], batch["image"].shape[1:3]
    standard = method.lab.standard if method.lab else "skimage"
    lab = np.asarray(color.rgb_to_lab(images, standard))
    plain = np.broadcast_to(np.float32((50, 0, 0)), lab.shape)

    def put(colours, part, values):
        """Lab, of which a part has other values."""
        changed = colours.copy()
        changed[..., layers.PARTS[part]] = values
        return changed

    def drawn(colours):
        return np.asarray(color.lab_to_rgb(colours, standard))

    gray = drawn(put(plain, "L", lab[..., :1]))
    seen = {"Lab": images, "RGB": images, "L": gray, "HHA": batch.get("hha")}
    seen |= {"ab": drawn(put(plain, "ab", lab[..., 1:]))}
    blind = method.row.sees == "HHA"
    rest = every = plain if blind else lab
    pictures, figures = {}, {}
    asked = [(one, answer) for one in method.row.passes for answer in one.asked]
    for (one, _), (answer, said) in zip(asked, method.answers(batch)):
        given, target = method.given(one, answer), answer.target
        way = f"{given} -> {target}, {answer.loss}"
        places = [method.lie(n, side) for n, side in zip(said.shape[1:3], size)]
        told = sheets.between(method.told(answer, said), places, size)
        pictures[given] = seen[given]
        if target == "HHA":
            pictures |= {way: np.clip(told / 255, 0, 1), "truth": seen["HHA"]}
            figures |= _of_depth(told, seen["HHA"])
            continue
        colours, every = put(rest, target, told), put(every, target, told)
        pictures[way] = drawn(colours)
        found = {}
        if "ab" in target and not blind:
            found = {
                "PSNR": sheets.psnr(pictures[way], images),
                "PSNR of gray": sheets.psnr(gray, images),
            }
        if "ab" in target:
            found |= {
                "ab error": sheets.distance(colours[..., 1:], lab[..., 1:]),
                "ab error of gray": sheets.distance(0, lab[..., 1:]),
            }
        if "L" in target:
            found["L error"] = sheets.distance(colours[..., :1], lab[..., :1])
            found["L error of 50"] = sheets.distance(50, lab[..., :1])
        if answer.loss == "cl":
            p = np.asarray(ops.softmax(said))
            certain = sheets.between(sheets.sure(p), places, size)
            pictures[f"sure of {target}"] = certain
            found["bits"] = sheets.entropy(p).mean(axis=(1, 2))
        figures |= {f"{way}: {name}": value for name, value in found.items()}
    if blind:
        pictures["HHA -> Lab"] = drawn(every)
        figures |= {
            "HHA -> Lab: PSNR": sheets.psnr(pictures["HHA -> Lab"], images),
            "HHA -> Lab: PSNR of plain gray": sheets.psnr(drawn(plain), images),
        }
    pictures.setdefault("truth", images)
    return sheets.Sheet(pictures, figures=figures)


def _of_depth(told, hha):
    """The mean |difference| where depth is known, of 255; and that of who knows but
    the mean of each channel, of all the pictures shown.
    """
    known, truth = hha[..., 2] > 0, 255 * np.float64(hha)
    counts = known.sum(axis=(1, 2))
    mean = truth[known].sum(axis=0) / max(counts.sum(), 1)

    def error(found):
        apart = np.abs(found - truth).mean(-1) * known
        return apart.sum(axis=(1, 2)) / np.maximum(counts, 1)

    return {"HHA error": error(told), "HHA error of their mean": error(mean)}

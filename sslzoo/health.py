"""What can be said of a run without labels, from the projections of two views.

z1 and z2 are `[n, d]`, row i of both from the same image; y' = y / |y| below.

    std              mean over columns of std(z') * sqrt(d): 1 spread, 0 collapsed
    effective_rank   exp(-sum p log p), p = singular values of centred z', sum 1
                     (Roy & Vetterli, 2007): directions in use, of at most min(2n-1, d)
    alignment        mean |z1' - z2'|^2, of the two views of an image
    uniformity       log mean_{i<j} exp(-2 |z_i' - z_j'|^2), in one view, mean of both;
                     0 collapsed, lower is more even (Wang & Isola, 2020)
    target_distance  mean |z' - t'|^2, t the target's projection of the same view
    dimensions       d
    finite           1, or 0 if anything was NaN or infinite; the rest is then NaN
"""

import dataclasses
import math

import numpy as np

from sslzoo.errors import BadInput

FIGURES = ("std", "effective_rank", "alignment", "uniformity")

# A run is judged from its third measure on. Untrained ResNets of 4 to 16 blocks with
# BYOL's projector gave, on CIFAR-10, std 0.07 to 0.33 and an effective rank of about
# 100 of 256 in inference mode (0.8 and 190 in training mode): little spread is normal
# at the start, and the first epochs of a healthy run may narrow it.
MEASURES = 3
# A mean distance of 0.07, 4 degrees, between images: below all of those untrained ones.
COLLAPSED_STD = 0.05
# Or a tenth of the widest spread so far, and far from spread.
FALLEN, SPREAD = 0.1, 0.3
# This entropy counts weak directions generously, so so few are very few: the dozen
# classes of the toy world need more.
COLLAPSED_RANK = 4.0
# Or a tenth of the most so far, when that is few as well.
FEW_DIRECTIONS = 16.0
# Rising by that much from one measure to the next is a recovery: let it go on.
RISING = 1.05


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    kind: str  # "nan", "collapse" or "dimensional collapse"
    words: str  # what was seen, and what to do


def measure(z1, z2, target1=None, target2=None):
    """The figures above, as floats; "target_distance" only where targets are given."""
    given = {"z1": z1, "z2": z2, "target1": target1, "target2": target2}
    given = {k: np.asarray(z, np.float64) for k, z in given.items() if z is not None}
    shape = given["z1"].shape
    for name, z in given.items():
        if z.ndim != 2 or len(z) < 2 or z.shape != shape:
            raise BadInput(
                f"{name} has shape {z.shape}, z1 {shape}. Give projections [n, d] of "
                "the same n >= 2 images."
            )
    targets = [(z, t) for z, t in (("z1", "target1"), ("z2", "target2")) if t in given]
    d = float(shape[1])
    if not all(np.isfinite(z).all() for z in given.values()):
        names = (*FIGURES, "target_distance") if targets else FIGURES
        return {**dict.fromkeys(names, math.nan), "dimensions": d, "finite": 0.0}

    given = {name: _unit(z) for name, z in given.items()}
    z1, z2 = given["z1"], given["z2"]
    both = np.concatenate([z1, z2])
    figures = {
        "std": float(np.mean(both.std(axis=0)) * math.sqrt(d)),
        "effective_rank": effective_rank(both),
        "alignment": float(np.mean(np.sum((z1 - z2) ** 2, axis=1))),
        "uniformity": (uniformity(z1) + uniformity(z2)) / 2,
    }
    if targets:
        apart = [np.sum((given[z] - given[t]) ** 2, axis=1) for z, t in targets]
        figures["target_distance"] = float(np.mean(apart))
    return {**figures, "dimensions": d, "finite": 1.0}


def effective_rank(z):
    """exp of the entropy of the singular values of z - mean(z), their sum made 1."""
    centred = z - z.mean(axis=0)
    size = np.abs(z).max()
    sizes = np.linalg.svd(centred, compute_uv=False)
    total = sizes.sum()
    if total <= 1e-12 * size * math.sqrt(z.size):  # Nothing but rounding is left.
        return 0.0
    p = sizes[sizes > 0] / total
    return float(np.exp(-np.sum(p * np.log(p))))


def uniformity(z, chunk=1024):
    """log of the mean over pairs i < j of exp(-2 |z_i - z_j|^2), rows of norm 1."""
    n, total = len(z), 0.0
    for start in range(0, n, chunk):
        part = z[start : start + chunk]
        square = np.maximum(0, 2 - 2 * (part @ z[start:].T))
        # Of the pairs within the chunk each comes twice, and each row meets itself.
        inner = np.exp(-2 * square[:, : len(part)])
        total += (inner.sum() - np.trace(inner)) / 2
        total += np.exp(-2 * square[:, len(part) :]).sum()
    return float(np.log(total / (n * (n - 1) / 2)))


def diagnose(history):
    """What is wrong with a run: a Diagnosis, or None.

    Args:
        history: what `measure` gave, oldest first, equally far apart in the run; the
            first may be from before training.
    """
    if not history:
        return None
    if not history[-1]["finite"]:
        return Diagnosis(
            "nan",
            f"The projections are NaN or infinite at measure {len(history)}. Begin "
            "anew with half the learning rate or a longer warm-up; if it runs in half "
            "precision, try float32.",
        )
    history = [figures for figures in history if figures["finite"]]
    if len(history) < MEASURES:
        return None
    before, last = history[-2], history[-1]

    def sunk(name, level, few):
        most = max(figures[name] for figures in history)
        return all(
            figures[name] < max(level, min(FALLEN * most, few))
            for figures in (before, last)
        ) and not (last[name] > RISING * before[name])

    if sunk("std", COLLAPSED_STD, SPREAD):
        return Diagnosis(
            "collapse",
            f"All images have nearly the same projection: spread {last['std']:.3g} "
            f"of 1, after {history[0]['std']:.3g} at the start. Nothing more will be "
            "learned. Check that the predictor is there and trained, that the target "
            "gets no gradient and moves slowly (tau near 1), and that batch "
            "normalisation sees large enough batches; or lower the learning rate.",
        )
    if last["dimensions"] > FEW_DIRECTIONS and sunk(
        "effective_rank", COLLAPSED_RANK, FEW_DIRECTIONS
    ):
        return Diagnosis(
            "dimensional collapse",
            f"The projections use about {last['effective_rank']:.1f} directions of "
            f"{last['dimensions']:.0f}, after {history[0]['effective_rank']:.1f} at "
            "the start: images differ in little but those. Lower the learning rate or "
            "the weight decay, make the augmentation stronger (colour above all), or "
            "the batch larger.",
        )
    return None


def _unit(z):
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(norms > 0, norms, 1)

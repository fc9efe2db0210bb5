"""The schedules, at values that were published; LARS by hand."""

import keras
import numpy as np

from sslzoo.optim import schedules
from sslzoo.optim.lars import LARS
from sslzoo.verify.checking import same


def learning_rates():
    """The learning rate is the published one: a line up from 0, then half a cosine."""
    published = {  # (peak, steps, warm-up): {step: rate}; batch 4096 and Imagenette.
        (3.2, 312784, 3127): {
            **{0: 0, 1: 0.0010233, 3127: 3.2, 78195: 2.757979},
            **{157955: 1.600008, 312783: 0},
        },
        (4.8, 93835, 3127): {3127: 4.8, 46917: 2.529939},
        (2.0, 36988, 369): {18494: 1.015828},
    }
    for plan, rates in published.items():
        schedule = schedules.WarmupCosine(*plan)
        for step, rate in rates.items():
            what = f"rate {step} of {plan[1]} steps"
            same(schedule(step), rate, what, rtol=2e-5)


def lars_by_hand():
    """LARS takes the steps done by hand in float64; norms and biases are exempt."""
    shapes = {"kernel": (3, 2), "small_kernel": (2,), "zero_kernel": (2,)}
    shapes |= {"bias": (2,), "norm_gamma": (2,), "norm_beta": (2,)}
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    weights["small_kernel"] *= 1e-6  # There an epsilon in the norms would show,
    weights["zero_kernel"] *= 0  # and here a division by nothing.
    variables = [
        keras.Variable(w, dtype="float32", name=name) for name, w in weights.items()
    ]
    momentum = {name: 0.0 for name in shapes}
    lars = LARS(0.0, momentum=0.9, decay=0.1, trust=0.1)
    for turn, rate in enumerate((0.5, 0.2)):  # Other rates: it is not in the momentum.
        scale = {name: 1e-6 if name == "small_kernel" else 1.0 for name in shapes}
        gradients = {n: scale[n] * rng.normal(size=s) for n, s in shapes.items()}
        lars.learning_rate = rate
        lars.apply([np.float32(g) for g in gradients.values()], variables)
        for (name, g), variable in zip(gradients.items(), variables):
            w = weights[name]
            if name.endswith("kernel"):
                g = g + 0.1 * w
                size, slope = np.linalg.norm(w), np.linalg.norm(g)
                g = g * (0.1 * size / slope if size and slope else 1)
            momentum[name] = 0.9 * momentum[name] + g
            weights[name] = w - rate * momentum[name]
            what = f"{name} after step {turn + 1}"
            same(variable, weights[name], what, rtol=1e-4, atol=1e-11)


CHECKS = (
    learning_rates,
    lars_by_hand,
)

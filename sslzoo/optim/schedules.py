"""How the learning rate, or another number of a run, moves with the step."""

import math

import keras
import numpy as np
from keras import ops

from sslzoo.errors import BadInput


@keras.saving.register_keras_serializable("sslzoo")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line over `warmup` steps, then falls to zero by half a cosine.

        rate(k) = peak * k / warmup                                       k < warmup
        rate(k) = peak / 2 * (1 + cos(pi (k - warmup) / (steps - warmup)))

    k counts from 0, so the first step of a warm-up has rate 0; it stays at zero
    after `steps`.
    """

    def __init__(self, peak, steps, warmup=0):
        self.peak, self.steps, self.warmup = float(peak), int(steps), int(warmup)

    def __call__(self, step):
        step = ops.minimum(ops.cast(step, "float32"), float(self.steps))
        rising = step / max(1, self.warmup)
        fallen = (step - self.warmup) / max(1, self.steps - self.warmup)
        falling = 0.5 * (1 + ops.cos(math.pi * fallen))
        return self.peak * ops.where(step < self.warmup, rising, falling)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}


@keras.saving.register_keras_serializable("sslzoo")
class Drops(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that drops at some steps, as Caffe's "multistep".

        rate(k) = rate * min(1, k / warmup) * factor ^ (how many of `at` are <= k)

    k counts from 0, so the first step of a warm-up has rate 0.
    """

    def __init__(self, rate, at, factor=0.1, warmup=0):
        self.rate, self.at, self.factor = float(rate), [*map(int, at)], float(factor)
        self.warmup = int(warmup)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        dropped = step >= np.array(self.at, "float32")
        rate = self.rate * self.factor ** ops.sum(ops.cast(dropped, "float32"))
        return rate * ops.minimum(1.0, step / self.warmup) if self.warmup else rate

    def get_config(self):
        names = ("rate", "at", "factor", "warmup")
        return {name: getattr(self, name) for name in names}


def drops(rate, parts, steps, factor=0.1, warmup=0):
    """`Drops` of a run of so many steps, after parts of it: "0.5,0.75"; "" never."""
    try:
        after = [float(part) for part in parts.split(",") if part]
    except ValueError:
        after = [-1]
    if not all(0 < part < 1 for part in after):
        raise BadInput(
            f"drops={parts}: give parts of the run by commas, between 0 and 1, such as "
            "0.5,0.75."
        )
    return Drops(rate, [math.ceil(part * steps) for part in after], factor, warmup)

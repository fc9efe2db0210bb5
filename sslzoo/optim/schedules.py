"""How the learning rate, or another number of a run, moves with the step."""

import math

import keras
from keras import ops


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

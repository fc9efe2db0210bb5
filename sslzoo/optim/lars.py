"""LARS (You et al., 2017), arXiv:1708.03888, as BYOL's code has it."""

import keras
from keras import ops

from sslzoo.optim import decay as decays
from sslzoo.optim.sgd import SGD


@keras.saving.register_keras_serializable("sslzoo")
class LARS(SGD):
    """Momentum whose step is, in each kernel, a fixed part of the kernel's norm.

        g <- g + decay * w                        not for excluded weights
        g <- g * trust * |w| / |g|                likewise, where neither norm is zero
        m <- momentum * m + g
        w <- w - rate * m

    No epsilon; the norms are of the whole tensor; the rate multiplies after the
    momentum (SimCLR's code puts it before).

    Args:
        exclude: patterns of weight names that skip the first two lines.
    """

    def __init__(
        self,
        learning_rate,
        momentum=0.9,
        decay=0.0,
        trust=1e-3,
        exclude=decays.BIAS_AND_NORM,
        name="lars",
        **options,
    ):
        super().__init__(learning_rate, momentum, decay, exclude, name, **options)
        self.trust = trust

    def direction(self, gradient, variable):
        size = ops.sqrt(ops.sum(ops.square(variable)))
        slope = ops.sqrt(ops.sum(ops.square(gradient)))
        known = ops.logical_and(size > 0, slope > 0)
        ratio = self.trust * size / ops.where(known, slope, 1.0)
        return gradient * ops.where(known, ratio, 1.0)

    def get_config(self):
        return {**super().get_config(), "trust": self.trust}

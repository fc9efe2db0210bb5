"""Random: that nothing is learned."""

import keras
import numpy as np

from sslzoo.methods import random
from sslzoo.verify.checking import true
from sslzoo.verify.small import batch, lived_in, numbers


def left_as_it_is():
    """A step moves no weight, and no average of a normalisation."""
    method = random.Random(lived_in(), None)
    method.compile(keras.optimizers.SGD(1.0))
    before = numbers(method.backbone)
    method.train_step(batch())
    for name, value in numbers(method.backbone).items():
        true(np.array_equal(value, before[name]), f"{name} was moved by a step.")


CHECKS = (left_as_it_is,)

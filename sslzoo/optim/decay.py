"""By patterns of weight names: the papers' coupled L2, and rates of their own."""

import fnmatch
import math

# Biases, and the scale and shift of every normalisation, by their Keras names.
BIAS_AND_NORM = ("*bias", "*gamma", "*beta")


def excluded(path, patterns=BIAS_AND_NORM):
    """Whether the weight named `path` matches one of the patterns."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def factor(path, factors):
    """The product of the factors whose pattern matches the weight named `path`."""
    found = (f for pattern, f in factors.items() if fnmatch.fnmatch(path, pattern))
    return math.prod(found, start=1.0)

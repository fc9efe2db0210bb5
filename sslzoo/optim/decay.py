"""Weight decay by patterns of weight names: the papers' coupled L2."""

import fnmatch

# Biases, and the scale and shift of every normalisation, by their Keras names.
BIAS_AND_NORM = ("*bias", "*gamma", "*beta")


def excluded(path, patterns=BIAS_AND_NORM):
    """Whether the weight named `path` matches one of the patterns."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def factor(path, factors):
    """Of (pattern, factor) that of the first which the weight's name matches, or 1."""
    return next((f for pattern, f in factors if fnmatch.fnmatch(path, pattern)), 1.0)

"""Whether features and their labels are what a protocol can learn from, and be asked.

Of all that a protocol is given: "train", "validation" or "test" is the name in errors.
"""

import numpy as np

from sslzoo.errors import BadInput


def features(x, name, dimensions=None):
    """Raises unless `x` is `[n, d]`, n > 0, with the d of the train features."""
    if len(np.shape(x)) != 2 or not len(x):
        raise BadInput(
            f"The {name} features have shape {np.shape(x)}. Give [n, d] with at least "
            "one row; maps are pooled or flattened first."
        )
    if dimensions not in (None, x.shape[1]):
        raise BadInput(
            f"The train features have {dimensions} columns, the {name} features "
            f"{x.shape[1]}. Both must come from the same model and name."
        )


def labels(y, x, name):
    """The labels as an array, one to each row of the features `x`."""
    y = np.asarray(y)
    if y.shape != (len(x),):
        raise BadInput(
            f"{name} has {len(x)} rows of features but labels of shape {y.shape}. Give "
            f"one label to each row, shape ({len(x)},)."
        )
    return y


def finite(rows, first, name):
    """The rows, of which the first is number `first` of all; NaN is refused."""
    if not np.isfinite(rows).all():
        bad = first + int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise BadInput(
            f"The {name} features hold NaN or infinity, first in row {bad}. A run that "
            "diverged gives such features; evaluate an earlier checkpoint."
        )
    return rows

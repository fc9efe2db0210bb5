"""How features are judged, worked by hand."""

import numpy as np

from sslzoo.evaluation import knn, linear
from sslzoo.verify.checking import same


def neighbours_by_hand():
    """The vote of kNN is the one worked by hand: weighted by cosines, or counted."""
    # Cosines 1, 0.8, 0.8 to the one asked: e^(0.2 / t) is 17.4 at t = 0.07, and so more
    # than the two; at t = 1 it is 1.2; and without a temperature they are counted.
    train = np.array([[2, 0], [4, 3], [4, -3], [-1, 0]], np.float32)
    labels, asked = np.array([0, 1, 1, 2]), np.array([[5, 0]], np.float32)
    for t, expected in ((0.07, 0), (1.0, 1), (None, 1)):
        found = knn.predict(train, labels, asked, k=3, temperature=t)
        same(found, [expected], f"class at temperature {t}")
    share = knn.evaluate(train, labels, np.repeat(asked, 2, 0), [0, 1], k=3)
    same(share["top1"], 0.5, "share of right classes")


def regression_by_hand():
    """Logistic regression finds the minimum worked by hand, weights and objective."""
    # Of x = -1 and 1, with weights -a and a for the second: F = 2 C log(1 + e^(-2a)) +
    # a^2, least where 2 C = a (1 + e^(2a)); so at C = ln 3, a = ln(3) / 2 and p = 3/4.
    x, log3 = np.array([[-1.0], [1.0]]), np.log(3)
    fit = linear.fit(x, np.array([0, 1]), C=log3, tolerance=1e-10)
    same(fit.kernel, [[-log3 / 2, log3 / 2]], "weights", 1e-4)
    same(fit.bias, [0, 0], "bias", atol=1e-5)
    least = 2 * log3 * np.log(4 / 3) + log3**2 / 4
    same(fit.objective, least, "objective", 1e-6)
    same(fit.predict(np.array([[0.1], [-3.0]])), [1, 0], "classes")


CHECKS = (
    neighbours_by_hand,
    regression_by_hand,
)

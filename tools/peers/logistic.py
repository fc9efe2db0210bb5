"""Peer of the linear probe: scikit-learn's LogisticRegression on the same arrays.

    python tools/peers/logistic.py FEATURES.npz C [MAX_ITERATIONS [TOLERANCE]]
    python tools/peers/logistic.py synthetic:50000x2048x10 C ...

FEATURES.npz holds "x" [n, d] and "y" [n]. Prints one line of JSON: seconds, iterations,
and the objective C sum CE + 1/2 |W|^2 that was reached. The synthetic arrays are those
of `sslzoo bench linear`. In our own environment, which has scikit-learn for the tests.
"""

import json
import sys
import time

import numpy as np

from sslzoo.bench.probes import made_up_features


def objective(x, y, kernel, bias, C):
    """C sum CE + 1/2 |W|^2 in float64; kernel `[d, K]`."""
    loss = 0.0
    for start in range(0, len(x), 4096):
        z = x[start : start + 4096].astype(np.float64) @ kernel + bias
        z -= z.max(axis=1, keepdims=True)
        truth = np.take_along_axis(z, y[start : start + 4096, None], axis=1)[:, 0]
        loss += np.sum(np.log(np.exp(z).sum(axis=1)) - truth)
    return float(C * loss + 0.5 * np.sum(np.square(kernel, dtype=np.float64)))


def fit(x, y, C, max_iterations=100, tolerance=1e-4):
    """scikit-learn's fit: {"seconds", "iterations", "objective"}."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=C, solver="lbfgs", max_iter=max_iterations, tol=tolerance
    )
    start = time.perf_counter()
    model.fit(x, y)
    return {
        "seconds": time.perf_counter() - start,
        "iterations": int(model.n_iter_.max()),
        "objective": objective(x, y, model.coef_.T, model.intercept_, C),
    }


def main(data, C, max_iterations=100, tolerance=1e-4):
    if data.startswith("synthetic:"):
        x, y = made_up_features(
            *(int(part) for part in data.partition(":")[2].split("x"))
        )
    else:
        with np.load(data) as arrays:
            x, y = arrays["x"], arrays["y"]
    print(json.dumps(fit(x, y, float(C), int(max_iterations), float(tolerance))))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Peer of the linear probe: scikit-learn's LogisticRegression on the same arrays.

    python tools/peers/logistic.py FEATURES.npz C [MAX_ITERATIONS [TOLERANCE]]
    python tools/peers/logistic.py synthetic:50000x2048x10 C ...

FEATURES.npz holds "x" [n, d] and "y" [n]. Prints one line of JSON: seconds, iterations,
and the objective C sum CE + 1/2 |W|^2 that was reached. `problem` makes the synthetic
arrays; whoever compares must give both sides the same.
"""

import json
import sys
import time

import numpy as np


def problem(n, d, classes, seed=0, raw=False):
    """Features like those of a ResNet after its last ReLU and pooling.

    Non-negative and correlated, the variances of their 256 hidden directions fall as
    1 / rank^1.2; classes overlap. With `raw` the columns differ in size by e^N(0, 1.5).
    """
    random = np.random.default_rng(seed)
    hidden = min(256, d)
    sizes = np.arange(1, hidden + 1, dtype=np.float32) ** -0.6
    y = random.integers(0, classes, n)
    centres = 0.25 * random.standard_normal((classes, hidden), dtype=np.float32) * sizes
    mixing = random.standard_normal((hidden, d), dtype=np.float32)
    x = random.standard_normal((n, hidden), dtype=np.float32) * sizes + centres[y]
    x = np.maximum(x @ mixing - 1, 0)
    for some in np.array_split(np.arange(n), max(1, n // 4096)):
        x[some] += 0.05 * np.abs(random.standard_normal((len(some), d), np.float32))
    if raw:
        x *= np.exp(1.5 * random.standard_normal(d)).astype(np.float32)
    return x, y


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
        x, y = problem(*(int(part) for part in data.partition(":")[2].split("x")))
    else:
        with np.load(data) as arrays:
            x, y = arrays["x"], arrays["y"]
    print(json.dumps(fit(x, y, float(C), int(max_iterations), float(tolerance))))


if __name__ == "__main__":
    main(*sys.argv[1:])

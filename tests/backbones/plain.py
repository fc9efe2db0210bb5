"""Networks in plain NumPy, float64: what tests compare ours with.

Images are `[height, width, channels]`.
"""

import numpy as np


def weights_of(model, seed=0):
    """Draws all weights anew, none of them special, and tells them by their paths."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        noise = random.normal(0, 0.3, weight.shape)
        weight.assign(abs(noise) + 0.5 if "variance" in weight.path else noise)
    return {w.path: np.asarray(w, np.float64) for w in model.weights}


def conv(x, kernel, stride=1, pad=(0, 0), rate=1, bias=0):
    """`pad` zeros before and behind, in both directions."""
    size = (len(kernel) - 1) * rate + 1
    x = np.pad(x, [pad, pad, (0, 0)])
    out = [(n - size) // stride + 1 for n in x.shape[:2]]
    y = np.zeros((*out, kernel.shape[-1])) + bias
    for i, row in enumerate(kernel):
        for j, weight in enumerate(row):
            a, b = i * rate, j * rate
            y += x[a::stride, b::stride][: out[0], : out[1]] @ weight
    return y


def norm(x, weights, name, epsilon):
    gamma, beta, mean, variance = (
        weights[f"{name}_bn/{of}"]
        for of in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def relu(x):
    return np.maximum(x, 0)


def max_pool(x, size=3, stride=2, pad=(0, 0), fill=-np.inf):
    x = np.pad(x, [pad, pad, (0, 0)], constant_values=fill)
    out = [(n - size) // stride + 1 for n in x.shape[:2]]
    windows = [
        x[i::stride, j::stride][: out[0], : out[1]]
        for i in range(size)
        for j in range(size)
    ]
    return np.max(windows, axis=0)

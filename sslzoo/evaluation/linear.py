"""The linear probe: L2-regularised multinomial logistic regression, solved by L-BFGS.

Of features x_i `[d]` with classes y_i, exactly the objective of scikit-learn:

    F(W, b) = C sum_i CE(y_i, x_i W + b) + 1/2 |W|^2,      C = 1 / l2

the bias b is free. Plain L-BFGS needs hundreds of passes over features that are
correlated or of unequal size. So its first guess of the inverse Hessian is that of

    M = C sum_i s_i (x_i - m)(x_i - m)^T + I,   s_i = (1 - sum_k p_ik^2) / (K - 1)

in each class: the Hessian of F with the class part of each image, diag(p_i) -
p_i p_i^T, replaced by its mean over the K - 1 directions that matter. At W = 0 that is
the Hessian itself; it is taken anew from time to time, since s_i says which images are
still in question. A sample of the rows suffices, and the strengths of a grid share it.

The protocol (BYOL, appendix E.2): choose the strength on held-out training data, fit
again on all training data, test once. The paper does not say whether its strengths
weigh against the sum or the mean of the cross entropy; here l2 weighs against the sum.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from sslzoo.errors import BadInput
from sslzoo.evaluation import labelled
from sslzoo.evaluation.rows import Rows

GRID = tuple(np.logspace(5, -6, 45))  # BYOL E.2: 45 strengths in [1e-6, 1e5].

MEMORY = 20  # Pairs of steps and changes of gradient that L-BFGS keeps.
REFRESH = (14, 35, 65, 100, 150, 220, 300)  # Iterations that take M anew.
WIDEST = 4096  # Features beyond which only the diagonal of M is used: M is d x d.


@dataclasses.dataclass(frozen=True)
class Fit:
    """A fitted probe, for features as they were given (not standardized ones)."""

    kernel: np.ndarray  # [d, K]
    bias: np.ndarray  # [K]
    classes: np.ndarray  # [K], the labels
    l2: float
    objective: float  # F, see above; W as penalised, so of standardized features if so
    iterations: int
    passes: int  # over all rows
    converged: bool

    def logits(self, x):
        return np.asarray(x) @ self.kernel + self.bias

    def predict(self, x, chunk=8192):
        """The likeliest class of each row, `[n]`; of equals the smallest."""
        found = []
        for start in range(0, len(x), chunk):
            part = np.asarray(x[start : start + chunk])
            part = labelled.finite(part, start, "given")
            found.append(self.logits(part).argmax(axis=1))
        return self.classes[np.concatenate(found)]


def fit(
    x,
    y,
    l2=None,
    C=None,
    standardize=False,
    tolerance=1e-5,
    max_iterations=500,
    memory=2**31,
):
    """Minimises F.

    Args:
        x: features, `[n, d]`: an array, a memory-mapped file, or whatever gives rows
            when sliced. Computed in float64 if x is, else in float32.
        y: labels, `[n]`, of any sortable kind.
        l2, C: the strength, one of the two; C = 1 / l2.
        standardize: whether x is first made (x - mean) / std, column by column.
        tolerance: stop where F is estimated to be within this part of its minimum.
        memory: bytes of x that may be kept; of a larger x, chunks are read anew in
            each pass.
    """
    strength = _strength(l2, C)
    rows = Rows([(x, y)], memory)
    _check_classes(rows)
    problem = Problem(rows, np.ones(rows.count), standardize)
    return problem.solve(strength, tolerance, max_iterations)[0]


def evaluate(
    train,
    train_labels,
    test,
    test_labels,
    grid=GRID,
    holdout=0.2,
    validation=None,
    standardize=False,
    seed=0,
    tolerance=1e-5,
    max_iterations=500,
    memory=2**31,
):
    """Accuracy on the test of a probe whose strength was chosen without it.

    Args:
        grid: strengths l2 to choose from; with one only, nothing is held out. Of
            strengths that do equally well the largest is taken.
        holdout: the part of each class that is held out, by `seed`; at least one
            image of each class stays.
        validation: (features, labels) to choose on, instead of a part of `train`;
            the last fit is on both.

    Returns:
        {"top1", "l2", "objective", "iterations", "converged"}, and where there was a
        choice "validation_top1". A class that only the test has is counted as missed.
    """
    grid = sorted((_strength(l2, None) for l2 in grid), reverse=True)
    if not grid:
        raise BadInput("The grid of strengths is empty. Give at least one l2.")
    rows = Rows([(train, train_labels)] + ([validation] if validation else []), memory)
    _check_classes(rows)
    labelled.features(test, "test", rows.dimensions)
    test_labels = labelled.labels(test_labels, test, "test")
    found, l2, start = {}, grid[0], None
    if len(grid) > 1:
        if validation:
            held = np.arange(rows.count) >= len(train)
        else:
            held = held_out(rows.labels, holdout, seed)
        l2, start, accuracy = _choose(rows, held, grid, standardize, max_iterations)
        found["validation_top1"] = accuracy
    problem = Problem(rows, np.ones(rows.count), standardize)
    probe, _ = problem.solve(l2, tolerance, max_iterations, start)
    return {
        "top1": float(np.mean(probe.predict(test) == test_labels)),
        "l2": probe.l2,
        "objective": probe.objective,
        "iterations": float(probe.iterations),
        "converged": float(probe.converged),
        **found,
    }


def held_out(labels, part, seed):
    """Which rows to hold out: `part` of each class, rounded, but never all of one."""
    if not 0 < part < 1:
        raise BadInput(f"holdout={part} is no part of the data. Give 0.2 for a fifth.")
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), bool)
    for label in range(labels.max() + 1):
        members = random.permutation(np.flatnonzero(labels == label))
        held[members[: min(round(part * len(members)), len(members) - 1)]] = True
    if not held.any():
        raise BadInput(
            f"holdout={part} of {len(labels)} images holds out none of any class. "
            "Give a larger part, a validation set, or a grid of one strength."
        )
    return held


def _choose(rows, held, grid, standardize, max_iterations):
    """From strong to weak, each fit starting from the last: the best on `held`."""
    problem = Problem(rows, 1.0 - held, standardize)
    start, best = None, (-1.0, None, None)
    for l2 in grid:
        # Accuracy is settled long before the last digits of F.
        probe, start = problem.solve(l2, 1e-4, min(max_iterations, 100), start)
        right = rows.predict(probe.kernel, probe.bias) == rows.labels
        accuracy = float(np.mean(right[held]))
        if accuracy > best[0]:
            best = (accuracy, l2, start)
    accuracy, l2, start = best
    return l2, start, accuracy


class Problem:
    """F for some weights of the rows, its gradient, M, and its minimum.

    Inside, the features are (x - mean) / scale, which changes b, and W only where one
    standardizes; x itself is never copied for it.
    """

    def __init__(self, rows, weights, standardize):
        self.rows, self.weights = rows, weights
        self.mean, std = rows.moments(weights)
        constant = std <= 1e-6 * np.abs(self.mean)  # But for rounding.
        self.scale = np.where(constant | (std == 0), 1, std)
        if not standardize:
            self.scale = np.ones_like(std)
        self.passes, self.gram = 0, None
        self.shape = (rows.dimensions + 1, len(rows.classes))

    def raw(self, theta):
        """Kernel and bias for x as it was given."""
        kernel = theta[:-1] / self.scale[:, None]
        return kernel, theta[-1] - self.mean @ kernel

    def objective(self, theta, C):
        """F and its gradient; theta is `[d + 1, K]`, the bias last."""
        self.passes += 1
        loss, slope, bias, self.spread = self.rows.loss(*self.raw(theta), self.weights)
        slope = (slope - self.mean[:, None] * bias) / self.scale[:, None]
        gradient = C * np.concatenate([slope, bias[None]])
        gradient[:-1] += theta[:-1]
        return C * loss + 0.5 * np.sum(theta[:-1] ** 2), gradient

    def take_gram(self):
        spread = self.spread * self.weights
        whole = self.rows.dimensions <= WIDEST
        self.gram = self.rows.gram(spread, self.mean, self.scale, whole)
        # Never nothing: where all is certain the bias would leap.
        self.mass = max(spread.sum(), 1e-6 * self.weights.sum())

    def inverse(self, C):
        """gradient -> M^-1 gradient."""
        if self.gram.ndim == 1:
            diagonal = np.append(C * self.gram + 1, C * self.mass)[:, None]
            return lambda gradient: gradient / diagonal
        M = C * self.gram
        # The sums are of float32 products: their rounding must not outweigh the I.
        M[np.diag_indices(len(M))] += 1 + 1e-8 * np.trace(M)
        try:
            root = tf.constant(np.linalg.cholesky(M))
        except np.linalg.LinAlgError:
            M[np.diag_indices(len(M))] += 1e-5 * np.trace(M)
            root = tf.constant(np.linalg.cholesky(M))

        def solve(gradient):
            top = tf.linalg.cholesky_solve(root, tf.constant(gradient[:-1])).numpy()
            return np.concatenate([top, gradient[-1:] / (C * self.mass)])

        return solve

    def solve(self, l2, tolerance, max_iterations, start=None):
        """L-BFGS; returns the Fit, and theta for the next start."""
        C, passes = 1 / l2, self.passes
        theta = np.zeros(self.shape) if start is None else start
        value, gradient = self.objective(theta, C)
        if self.gram is None:
            self.take_gram()
        inverse, pairs, sure = self.inverse(C), [], 0
        noise = 10 * np.finfo(self.rows.dtype).eps * max(1, value)
        for iteration in range(max_iterations):
            if iteration in REFRESH:
                self.take_gram()
                inverse = self.inverse(C)
            step = -_two_loops(gradient, pairs, inverse)
            slope = np.vdot(gradient, step)
            # F is about -slope / 2 above its minimum, once the pairs are right.
            sure = sure + 1 if -slope / 2 <= tolerance * value else 0
            if sure == 2 or slope == 0:
                break
            found = self._line_search(theta, value, slope, step, C, noise)
            if found is None:
                sure = 2 if sure or -slope <= 1e3 * noise else 0
                break
            length, new_value, new_gradient = found
            change = new_gradient - gradient
            if np.vdot(step, change) > 0:
                pairs = [*pairs, (length * step, change)][-MEMORY:]
            theta = theta + length * step
            value, gradient = new_value, new_gradient
        else:
            iteration = max_iterations
        fit = Fit(
            *self.raw(theta),
            classes=self.rows.classes,
            l2=float(l2),
            objective=float(value),
            iterations=iteration,
            passes=self.passes - passes,
            converged=bool(sure == 2 or slope == 0),
        )
        return fit, theta

    def _line_search(self, theta, value, slope, step, C, noise):
        """A length that lowers F enough and turns its slope enough (weak Wolfe)."""
        low, high, length = 0.0, None, 1.0
        low_value, low_slope, best = value, slope, None
        for _ in range(15):
            new_value, gradient = self.objective(theta + length * step, C)
            new_slope = np.vdot(gradient, step)
            if not new_value <= value + 1e-4 * length * slope + noise:
                high = length
                width = high - low
                rise = (new_value - low_value) / width - low_slope
                part = -low_slope / (2 * rise) if np.isfinite(rise) else 0.1
                length = low + width * min(max(part, 0.1), 0.5)
                continue
            best = (length, new_value, gradient)
            if new_slope >= 0.9 * slope:
                return best
            low, low_value, low_slope = length, new_value, new_slope
            length = 2 * length if high is None else (low + high) / 2
        return best


def _two_loops(gradient, pairs, inverse):
    """The L-BFGS inverse Hessian times the gradient, starting from M^-1."""
    q, shares = gradient.copy(), []
    for step, change in reversed(pairs):
        share = np.vdot(step, q) / np.vdot(step, change)
        shares.append(share)
        q -= share * change
    if pairs:
        step, change = pairs[-1]
        # Side by side: the inverse is applied column by column.
        q, turned = np.split(inverse(np.hstack([q, change])), 2, axis=1)
        q *= np.vdot(step, change) / np.vdot(change, turned)
    else:
        q = inverse(q)
    for (step, change), share in zip(pairs, reversed(shares)):
        q += step * (share - np.vdot(change, q) / np.vdot(step, change))
    return q


def _strength(l2, C):
    if (l2 is None) == (C is None):
        raise BadInput(
            f"The strength is given by one of l2 and C = 1 / l2, not l2={l2}, C={C}."
        )
    value = float(l2 if C is None else C)
    if not (0 < value < np.inf):
        raise BadInput(
            f"{'l2' if C is None else 'C'}={value} is no strength. Give a positive "
            "number; for almost none, l2=1e-6."
        )
    return value if C is None else 1 / value


def _check_classes(rows):
    if len(rows.classes) < 2:
        raise BadInput(
            f"All {rows.count} labels are {rows.classes[0]!r}: nothing to tell apart. "
            "Give data of at least two classes; is it sorted and cut?"
        )

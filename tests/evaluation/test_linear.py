import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sslzoo.errors import BadInput
from sslzoo.evaluation import linear, rows


def problem(n=300, d=12, classes=4, seed=0, dtype="float64", sizes=0.3):
    """Correlated, non-negative, of unequal sizes: like features after a ReLU."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, 5))
    y = random.integers(0, classes, n)
    hidden = random.normal(size=(n, 5)) + centres[y]
    x = np.maximum(hidden @ random.normal(size=(5, d)) + 1, 0)
    x = (x + 0.1 * random.normal(size=x.shape)) * np.exp(sizes * random.normal(size=d))
    return x.astype(dtype), y


def objective(x, y, kernel, bias, C):
    """F as it is written, in float64."""
    log_p = log_softmax(x.astype("float64") @ kernel + bias, axis=1)
    return -C * log_p[np.arange(len(y)), y].sum() + 0.5 * np.sum(kernel**2)


def reference(x, y, C):
    return LogisticRegression(C=C, tol=1e-8, max_iter=100_000).fit(x, y)


@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_it_finds_the_minimum_that_scikit_learn_finds(C, classes):
    x, y = problem(classes=classes)
    ours = linear.fit(x, y, C=C, tolerance=1e-14)
    # scikit-learn folds two classes into one column of W, another objective.
    if classes > 2:
        theirs = reference(x, y, C)
        np.testing.assert_allclose(ours.kernel, theirs.coef_.T, rtol=1e-3, atol=1e-4)
        probabilities = theirs.predict_proba(x)
        found = np.exp(log_softmax(ours.logits(x), axis=1))
        np.testing.assert_allclose(found, probabilities, atol=1e-4)
        best = objective(x, y, theirs.coef_.T, theirs.intercept_, C)
    else:  # W = (-w / 2, w / 2): |W|^2 / 2 = |w|^2 / 4, so C doubles there.
        theirs = reference(x, y, 2 * C)
        w, b = theirs.coef_.T / 2, theirs.intercept_ / 2
        best = objective(x, y, np.hstack([-w, w]), np.hstack([-b, b]), C)
    assert ours.converged
    assert ours.objective == pytest.approx(best, rel=1e-7)
    assert ours.objective == pytest.approx(objective(x, y, ours.kernel, ours.bias, C))


@pytest.mark.parametrize("standardize", [False, True])
def test_the_gradient_is_that_of_finite_differences(standardize):
    x, y = problem(40, 3)
    weights = np.random.default_rng(0).uniform(0, 2, 40)
    some = linear.Problem(rows.Rows([(x, y)]), weights, standardize)
    theta = np.random.default_rng(1).normal(size=(4, 4))
    _, gradient = some.objective(theta, C=0.7)
    for place in np.ndindex(4, 4):
        step = np.zeros((4, 4))
        step[place] = 1e-5
        rise = (
            some.objective(theta + step, 0.7)[0] - some.objective(theta - step, 0.7)[0]
        )
        assert gradient[place] == pytest.approx(rise / 2e-5, rel=1e-6, abs=1e-7)


def test_the_preconditioner_is_the_hessian_at_zero():
    """So one step of it is Newton's, where classes are equally frequent."""
    x, _ = problem(30, 3)
    y = np.arange(30) % 3
    some = linear.Problem(rows.Rows([(x, y)]), np.ones(30), False)
    zero = np.zeros((4, 3))
    _, gradient = some.objective(zero, 1.0)
    some.take_gram()
    step = some.inverse(1.0)(gradient)
    curved = some.objective(1e-6 * step, 1.0)[1] - gradient
    np.testing.assert_allclose(curved / 1e-6, gradient, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [64, 100])
@pytest.mark.parametrize("standardize", [False, True])
def test_it_does_not_depend_on_the_chunk(size, standardize, monkeypatch):
    x, y = problem()
    whole = linear.fit(x, y, l2=1.0, standardize=standardize, tolerance=1e-12)
    monkeypatch.setattr(rows, "CHUNK", size * 12 * 8)
    parts = linear.fit(x, y, l2=1.0, standardize=standardize, tolerance=1e-12)
    np.testing.assert_allclose(parts.kernel, whole.kernel, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(parts.bias, whole.bias, rtol=1e-6, atol=1e-7)


class OnlySlices:
    """Like a file too large for memory: it tells how much was read at once."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.most = 0

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        part = self.array[rows]
        self.most = max(self.most, len(part))
        return part


def test_features_larger_than_memory_are_read_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 64 * 12 * 4)
    x, y = problem(dtype="float32")
    np.save(tmp_path / "x.npy", x)
    slices = OnlySlices(np.load(tmp_path / "x.npy", mmap_mode="r"))
    here = linear.evaluate(x, y, x, y, grid=[0.1, 10.0])
    there = linear.evaluate(slices, y, x, y, grid=[0.1, 10.0], memory=0)
    assert there == here
    assert slices.most <= 64


def test_one_trace_serves_all_chunks(monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 64 * 13 * 8)
    x, y = problem(d=13)
    before = rows._loss.experimental_get_tracing_count()
    linear.fit(x, y, C=1.0)
    assert rows._loss.experimental_get_tracing_count() <= before + 1


def test_standardizing_is_what_scikit_learn_does_beforehand():
    x, y = problem()
    ours = linear.fit(x, y, C=1.0, standardize=True, tolerance=1e-12)
    scaled = StandardScaler().fit_transform(x)
    theirs = linear.fit(scaled, y, C=1.0, tolerance=1e-12)
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-9)
    np.testing.assert_allclose(
        ours.logits(x), theirs.logits(scaled), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("standardize", [False, True])
def test_constant_and_repeated_columns_do_no_harm(standardize):
    x, y = problem()
    constant = np.full((300, 2), [0.1, 0.0])
    singular = np.hstack([x, x[:, :3], constant])
    found = linear.fit(singular, y, C=1.0, standardize=standardize, tolerance=1e-12)
    assert found.converged
    np.testing.assert_allclose(found.kernel[:3], found.kernel[12:15], atol=1e-5)
    np.testing.assert_allclose(found.kernel[15:], 0, atol=1e-6)


def test_few_images_of_many_features():
    x, y = problem(30, 60)
    found = linear.fit(x, y, C=1.0, tolerance=1e-12)
    theirs = reference(x, y, 1.0)
    best = objective(x, y, theirs.coef_.T, theirs.intercept_, 1.0)
    assert found.objective == pytest.approx(best, rel=1e-5)


def test_a_diagonal_serves_where_the_matrix_would_be_too_large(monkeypatch):
    x, y = problem()
    full = linear.fit(x, y, C=1.0, tolerance=1e-8)
    monkeypatch.setattr(linear, "WIDEST", 11)
    wide = linear.fit(x, y, C=1.0, tolerance=1e-8)
    assert wide.objective == pytest.approx(full.objective, rel=1e-5)
    assert full.passes < wide.passes


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_it_needs_far_fewer_passes_than_plain_lbfgs():
    x, y = problem(1000, 60, 10, dtype="float32", sizes=1.5)
    ours = linear.fit(x, y, C=1.0)
    theirs = LogisticRegression(max_iter=3 * ours.passes).fit(x, y)
    reached = objective(x, y, theirs.coef_.T, theirs.intercept_, 1.0)
    assert ours.objective < reached


def test_the_grid_is_the_paper_s():
    assert len(linear.GRID) == 45
    assert min(linear.GRID) == pytest.approx(1e-6)
    assert max(linear.GRID) == pytest.approx(1e5)


def test_the_strength_is_chosen_on_what_was_held_out():
    """Few images, much noise: little regularisation would learn it by heart."""
    random = np.random.default_rng(0)
    y, truth = random.integers(0, 2, 400), random.integers(0, 2, 1000)
    x, asked = random.normal(size=(400, 300)), random.normal(size=(1000, 300))
    x[:, 0] += 3 * y
    asked[:, 0] += 3 * truth
    found = linear.evaluate(x, y, asked, truth, grid=[1e3, 10.0, 1e-3, 1e-6])
    weak = linear.evaluate(x, y, asked, truth, grid=[1e-6])
    assert 1 < found["l2"] < 1e5
    assert found["top1"] > weak["top1"] + 0.02
    assert "validation_top1" in found and "validation_top1" not in weak


def test_the_protocol_is_three_fits_by_hand():
    x, y = problem()
    asked, truth = problem(seed=1)
    found = linear.evaluate(x, y, asked, truth, grid=[1.0, 1e3], seed=5)
    held = linear.held_out(y, 0.2, seed=5)
    scores = {}
    for l2 in (1.0, 1e3):
        probe = linear.fit(x[~held], y[~held], l2=l2, tolerance=1e-10)
        scores[l2] = np.mean(probe.predict(x[held]) == y[held])
    assert found["l2"] == max(scores, key=scores.get)
    assert found["validation_top1"] == pytest.approx(scores[found["l2"]])
    last = linear.fit(x, y, l2=found["l2"], tolerance=1e-10)
    assert found["objective"] == pytest.approx(last.objective, rel=1e-4)
    assert found["top1"] == pytest.approx(
        np.mean(last.predict(asked) == truth), abs=0.01
    )


def test_a_validation_set_chooses_and_is_learned_too():
    x, y = problem()
    found = linear.evaluate(
        x[:200], y[:200], x, y, grid=[1.0, 1e3], validation=(x[200:], y[200:])
    )
    last = linear.fit(x, y, l2=found["l2"], tolerance=1e-10)
    assert found["objective"] == pytest.approx(last.objective, rel=1e-4)


def test_the_holdout_is_a_part_of_each_class_and_depends_on_its_seed():
    labels = np.repeat([0, 1, 2], [100, 10, 1])
    held = linear.held_out(labels, 0.2, seed=0)
    assert np.bincount(labels[held], minlength=3).tolist() == [20, 2, 0]
    assert (held == linear.held_out(labels, 0.2, seed=0)).all()
    assert (held != linear.held_out(labels, 0.2, seed=1)).any()


def test_a_class_of_one_image_stays_in_training():
    x, y = problem()
    y[0] = 17
    found = linear.evaluate(x, y, x, y, grid=[0.1, 1.0])
    assert found["top1"] > 0.5


def test_a_class_that_only_the_test_has_is_missed():
    x, y = problem()
    assert linear.evaluate(x, y, x, y + 50, grid=[1.0])["top1"] == 0


def test_labels_may_be_words():
    x, y = problem()
    words = np.array(["cat", "dog", "elk", "fox"])[y]
    assert (linear.fit(x, words, C=1.0).predict(x) == words).mean() > 0.6


def bad(dtype="float64"):
    x, y = problem(dtype=dtype)
    x[123, 4] = np.nan
    return x, y


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x, y: linear.fit(x, y), "one of l2 and C"),
        (lambda x, y: linear.fit(x, y, l2=1, C=1), "one of l2 and C"),
        (lambda x, y: linear.fit(x, y, l2=0), "positive"),
        (lambda x, y: linear.fit(x, y * 0, C=1), "tell apart"),
        (lambda x, y: linear.fit(x, y[:-1], C=1), "one label to each row"),
        (lambda x, y: linear.fit(x[:, 0], y, C=1), "pooled or flattened"),
        (lambda x, y: linear.fit(*bad(), C=1), "row 123"),
        (lambda x, y: linear.evaluate(x, y, *bad(), grid=[1]), "row 123"),
        (lambda x, y: linear.evaluate(x, y, x[:, 1:], y), "columns"),
        (
            lambda x, y: linear.evaluate(x, y, x, y, validation=bad(), grid=[1]),
            "validation features hold NaN or infinity, first in row 123",
        ),
        (lambda x, y: linear.evaluate(x, y, x, y, grid=[]), "empty"),
        (lambda x, y: linear.evaluate(x, y, x, y, holdout=1.0), "holdout=1.0"),
        (lambda x, y: linear.evaluate(x[:6], np.arange(6), x, y), "holds out none"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, words):
    with pytest.raises(BadInput, match=words):
        call(*problem())

"""What tests of conversions share: photographs, random weights, a fair comparison."""

import numpy as np
import pytest
import skimage


@pytest.fixture(scope="session")
def photos():
    """Two photographs, `[2, 96, 64, 3]`, RGB in [0, 1]."""
    images = [skimage.data.astronaut()[::5, ::7], skimage.data.coffee()[::4, ::9]]
    return np.stack([image[:96, :64] for image in images]).astype("float32") / 255


@pytest.fixture
def models(tmp_path):
    """A registry, still empty."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture(name="random_like")
def _random_like():
    return random_like()


def random_like():
    """(name, shape) -> numbers that keep a deep network's signal near 1."""
    rng = np.random.default_rng(0)

    def numbers(name, shape):
        if len(shape) > 1 and max(shape) < np.prod(shape):
            fan_in = np.prod(shape) / max(shape[-1], 1)
            return rng.normal(0, (2 / fan_in) ** 0.5, shape).astype("float32")
        if any(word in name for word in ("var", "scale", "gamma")):
            return rng.uniform(0.5, 1.5, shape).astype("float32")
        return rng.normal(0, 0.2, shape).astype("float32")

    return numbers


@pytest.fixture
def same():
    """Raises unless two arrays differ by 1e-4 of the largest number at most."""

    def compare(ours, theirs):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert theirs.std() > 1e-3  # Something is said of the images.
        far = 1e-4 * np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=far)

    return compare

"""Pictures that a shipped model finds alike are of one class more often than by luck.

That is what the first minute promises. Of each picture the five nearest others are
looked at, by cosine; the share of them that are of its class is compared, picture by
picture, with what the same network finds untrained, and with what drawing would find.
"""

import os
import pathlib

import keras
import numpy as np
import pytest

import sslzoo
from sslzoo.data import sources
from tests.runs import slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("SSLZOO_DATA", ROOT.parent / "shared" / "data"))
SHIPPED = (ROOT / "savedmodels").glob("*.*/backbone.weights.h5")
SHIPPED = sorted(weights.parent.name for weights in SHIPPED)
PHOTOGRAPHS = {  # Of the kind that the model learned from.
    "byol_r18w16.cifar10_ep8": "cifar10_jpeg.npz",
    "byol_r18w16.imagenette96_ep200": "imagenette224_jpeg.npz",
}
NEAREST = 5


def alike(model, images, labels):
    """The share of one's own class among the nearest, `[n]`."""
    vectors = model.predict(images, verbose=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -np.inf)
    nearest = np.argpartition(-cosine, NEAREST, axis=1)[:, :NEAREST]
    return np.mean(labels[nearest] == labels[:, None], axis=1)


def check(name, source, indices):
    items = [source.read(i, only=("image", "label")) for i in indices]
    labels = np.array([item["label"] for item in items])
    prepare = sslzoo.load_preprocessor(name)
    images = np.stack([prepare(item["image"]) for item in items])
    found = alike(sslzoo.load(name), images, labels)
    drawn = np.mean(labels[:, None] == labels)
    # Twice is far: each of 500 and more pictures would err by 0.005 by luck alone.
    assert found.mean() > 2 * drawn
    keras.utils.set_random_seed(0)
    gain = found - alike(sslzoo.load(name, pretrained=False), images, labels)
    # Three standard errors: by luck once in 700 times. We saw six and more.
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))


@pytest.mark.parametrize("name", [SHIPPED[0], *map(slow, SHIPPED[1:])])
def test_a_shipped_model_finds_scenes_alike_that_it_has_never_seen(name):
    check(name, sources.from_spec("toyworld:test?count=600&size=64"), range(600))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_and_photographs_like_those_it_learned_from(name):
    file = DATA / PHOTOGRAPHS[name]
    if not file.is_file():
        pytest.skip(f"no {file.name}: SSLZOO_DATA=FOLDER says where it is")
    source = sources.from_spec(f"npz:{file}#test")
    check(name, source, range(0, source.count, source.count // 500))

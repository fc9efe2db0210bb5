"""A server that has the authors' file, and what is to be had of it.

The files are as DeepMind's and Google's, of narrow networks: what they hold is written
by dm-haiku and dill, and by TensorFlow 1, and so is what the models are compared with.
"""

import numpy as np
import pytest
import skimage

from sslzoo.zoo import download, registry
from sslzoo.zoo.load import load
from tests.converters import deepmind
from tests.converters.conftest import random_like
from tests.zoo.authors import FILE, NAME, OPTIONS, card_of
from tests.zoo.serving import serving


@pytest.fixture
def server(authors):
    with serving() as server:
        server.files[FILE] = authors[0]
        server.base = server.url.removesuffix("/model.zip")
        yield server


@pytest.fixture(scope="session")
def authors(tmp_path_factory):
    """(the bytes of the authors' file, Haiku's network of the same weights)."""
    value, theirs = deepmind.published(18, random_like())
    path = deepmind.write(tmp_path_factory.mktemp("authors") / "file.pkl", value)
    return path.read_bytes(), theirs


@pytest.fixture(scope="session")
def photos():
    images = [skimage.data.astronaut()[::5, ::7], skimage.data.coffee()[::4, ::9]]
    return np.stack([image[:96, :64] for image in images]).astype("float32") / 255


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


@pytest.fixture
def entry(models, server):
    """Publishes the card of what the server has; `source` may say otherwise."""

    def publish(name=NAME, built=("resnet18", OPTIONS), **source):
        source = {"converter": "deepmind_byol", "url": server.base + FILE, **source}
        card = card_of(name, built, {k: v for k, v in source.items() if v is not None})
        with registry.publishing(name, models) as draft:
            (draft.path / "card.json").write_text(card.text())
        return card

    return publish


@pytest.fixture
def get(models):
    """Loads it; the server here has no certificate."""

    def load_(name=NAME, **options):
        return load(name, **{"registry": models, "allow_http": True, **options})

    return load_

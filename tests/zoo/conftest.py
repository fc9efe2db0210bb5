import contextlib
import os
import pathlib
import resource
import tempfile

import pytest

from sslzoo.zoo import registry
from sslzoo.zoo.card import Card


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test sees or fills the cache of who runs it."""
    monkeypatch.setenv("SSLZOO_CACHE", str(tmp_path / "cache"))
    for name in ("SSLZOO_OFFLINE", "HF_HUB_OFFLINE", "SSLZOO_ACCEPT_LICENSES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def models(tmp_path):
    """A registry, still empty."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def publish(models):
    """Publishes a small model of given content, and gives its entry."""

    def call(name, content="weights", registry_=models, **values):
        with registry.publishing(name, registry_) as draft:
            fill(draft.path, name, content, **values)
        return draft.entry

    return call


@pytest.fixture(name="fill")
def _fill():
    return fill


def fill(folder, name, content="weights", **values):
    known = dict(
        summary="For tests.",
        origin="by hand",
        backbone={"builder": "tiny"},
        input={"size": 32},
        features=[{"name": "pooled", "channels": 4, "stride": None}],
        licences={"code": "Apache-2.0", "weights": "Apache-2.0", "data": "none"},
    )
    folder = pathlib.Path(folder)
    (folder / "card.json").write_text(Card(name=name, **{**known, **values}).text())
    (folder / "backbone.weights.h5").write_text(content)
    (folder / "saved_model" / "variables").mkdir(parents=True)
    (folder / "saved_model" / "saved_model.pb").write_text(f"graph of {content}")
    (folder / "saved_model" / "variables" / "variables.index").write_text("index")


@pytest.fixture
def full_disk():
    """A block in which nothing more can be written, as on a full disk."""

    @contextlib.contextmanager
    def block():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return block


@pytest.fixture
def read_only():
    """(a folder, a block in which it is read-only): for root, too, as in CI."""

    @contextlib.contextmanager
    def block():
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)

    # Not a tmp_path, into which only its owner may look.
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        folder = pathlib.Path(home) / "folder"
        folder.mkdir()
        yield folder, block

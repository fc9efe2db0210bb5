"""The models that lie in the package are looked at."""

import dataclasses

import keras
import numpy as np
import pytest

from sslzoo import verify
from sslzoo.backbones import tiny
from sslzoo.methods import byol
from sslzoo.verify import zoo
from sslzoo.zoo import export, load, registry


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package that ships one model; the folder of its models."""
    monkeypatch.setattr(registry, "packaged", lambda: [tmp_path / "savedmodels"])
    method = byol.BYOL(tiny.tiny(), 1, byol.example(16), hidden=8, outputs=4)
    method.compile(keras.optimizers.SGD(0.1))
    export.export(method, "byol_tiny.toy", tmp_path / "savedmodels", heads=False)
    return tmp_path / "savedmodels"


def test_a_shipped_model_is_checked(package):
    (check,) = zoo.shipped()
    row = verify.tried(check)
    assert row["passed"] and row["name"] == "byol_tiny.toy"
    (package / "byol_tiny.toy" / "backbone.weights.h5").write_bytes(b"other")
    assert "Checksum mismatch" in verify.tried(check)["failure"]


def test_a_shipped_model_that_answers_otherwise_is_found(package, monkeypatch):
    monkeypatch.setattr(load, "answer", lambda *_: np.zeros(16, np.float32))
    (check,) = zoo.shipped()
    assert "does not answer as its card says" in verify.tried(check)["failure"]


def test_a_card_that_cannot_be_read_is_found(package):
    (package / "byol_tiny.toy" / "card.json").write_text("{")
    (check,) = zoo.shipped()
    assert "is no card" in verify.tried(check)["failure"]


def test_a_model_whose_weights_are_elsewhere_is_not_fetched(package, monkeypatch):
    card = registry.card("byol_tiny.toy", package)
    afar = dataclasses.replace(card, source={"url": "https://example.com/a.zip"})
    monkeypatch.setattr(registry, "card", lambda *_: afar)
    (check,) = zoo.shipped()
    assert verify.tried(check)["passed"]
    (package / "byol_tiny.toy" / "README.md").write_text("Mine.")
    assert "Checksum mismatch" in verify.tried(check)["failure"]

"""`sslzoo.load` with heads, and `sslzoo.load_recipe`."""

import sys
import types

import pytest

import sslzoo
from sslzoo import backbones
from sslzoo.errors import MissingFile, UnknownName


def test_load_is_that_of_the_zoo(zoo):
    assert sslzoo.load("byol_tiny", registry=zoo).output_shape == (None, 16)
    with pytest.raises(TypeError, match="num_clases"):
        sslzoo.load("byol_tiny", registry=zoo, num_clases=3)


def test_with_heads_the_method_itself_is_loaded(zoo, monkeypatch):
    resume = types.SimpleNamespace(load=lambda entry: entry)
    monkeypatch.setitem(sys.modules, "sslzoo.zoo.resume", resume)
    monkeypatch.setattr(sslzoo.zoo, "resume", resume, raising=False)
    entry = sslzoo.load("byol_tiny", heads=True, registry=zoo)
    assert entry.path == zoo / "byol_tiny.toy"


RECIPE = """
def recipe(epochs=1, width=2):
    return epochs, width
"""


def test_a_model_gives_the_recipe_that_made_it(write_model):
    def change(folder):
        (folder / "recipe.py").write_text(RECIPE)

    training = {"recipe": "byol_tiny_toy", "knobs": {"epochs": 7}}
    folder = write_model(
        "byol_tiny.toy", backbones.build("tiny"), change=change, training=training
    )
    assert sslzoo.load_recipe(folder) == (7, 2)
    assert sslzoo.load_recipe(folder, width=5) == (7, 5)
    with pytest.raises(UnknownName, match="Did you mean 'width'"):
        sslzoo.load_recipe(folder, widht=5)
    assert not list(folder.glob("__pycache__"))  # Of which nobody checks the sum.


def test_a_model_without_a_recipe_says_who_made_it(zoo):
    with pytest.raises(MissingFile, match="has no recipe; it was made by: tests"):
        sslzoo.load_recipe("byol_tiny", registry=zoo)

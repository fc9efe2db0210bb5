"""`sslzoo.load` with heads, and `sslzoo.load_recipe`."""

import sys
import types

import keras
import pytest

import sslzoo
from sslzoo import backbones, recipe
from sslzoo.errors import BadInput, MissingFile, UnknownName
from sslzoo.methods import byol
from sslzoo.methods.byol import BYOL
from sslzoo.optim import sgd
from sslzoo.zoo import registry, resume


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


@pytest.mark.parametrize(
    "options",
    [{"pretrained": False}, {"checkpoint": "x.npz"}, {"num_classes": 3, "in_chans": 1}],
)
def test_what_is_of_features_alone_is_refused_with_heads(zoo, options):
    words = f"heads=True .* takes no {', '.join(sorted(options))}: leave .* registry"
    with pytest.raises(BadInput, match=words):
        sslzoo.load("byol_tiny", heads=True, registry=zoo, **options)


def test_what_is_of_training_is_refused_without_heads(zoo):
    with pytest.raises(BadInput, match="rate, steps say how .*say heads=True too"):
        sslzoo.load("byol_tiny", registry=zoo, steps=3, rate=0.1)


@pytest.fixture
def put(models, fill):
    """Publishes a method whose every weight is `value`: features, heads, optimizer."""

    def call(value):
        method = BYOL(backbones.build("tiny"), 4, byol.example(32), hidden=8, outputs=4)
        method.compile(sgd.SGD(0.1), jit_compile=False)
        for variable in method.weights:
            if "seed" not in variable.path:
                variable.assign(keras.ops.full_like(variable, value))
        with registry.publishing("byol_tiny.a", models) as draft:
            fill(draft.path, "byol_tiny.a")
            method.deployable().save_weights(draft.path / "backbone.weights.h5")
            resume.save(method, draft.path)

    return call


def between(monkeypatch, act):
    """Has `act` done once, when the features of a method are read, the heads not."""
    true, once = resume.fill, iter([True])

    def fill(*given):
        true(*given)
        if next(once, False):
            act()

    monkeypatch.setattr(resume, "fill", fill)


def test_features_and_heads_are_of_one_revision(put, models, monkeypatch):
    put(1)
    between(monkeypatch, lambda: put(2))
    method = sslzoo.load("byol_tiny.a", heads=True, registry=models)
    parts = method.backbone, method.projector, method.target_backbone
    assert [part.weights[0].numpy().max() for part in parts] == [2, 2, 2]


def test_a_method_that_is_removed_while_it_is_read_is_said_to_be_gone(
    put, models, monkeypatch
):
    put(1)
    between(monkeypatch, lambda: registry.remove("byol_tiny.a", models))
    with pytest.raises(UnknownName, match="Unknown model 'byol_tiny.a'"):
        sslzoo.load("byol_tiny.a", heads=True, registry=models)


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


def test_a_recipe_and_its_knobs_are_of_one_revision(models, fill, monkeypatch):
    def put(epochs):
        training = {"recipe": "byol_tiny_toy", "knobs": {"epochs": epochs}}
        with registry.publishing("byol_tiny.a", models) as draft:
            fill(draft.path, "byol_tiny.a", training=training)
            text = RECIPE.replace("width=2", f"width={epochs}")
            (draft.path / "recipe.py").write_text(text)

    true, once = recipe.load, iter([True])

    def load(path, **knobs):
        if next(once, False):
            put(7)
        return true(path, **knobs)

    put(5)
    monkeypatch.setattr(recipe, "load", load)
    assert sslzoo.load_recipe("byol_tiny.a", registry=models) == (7, 7)


@pytest.mark.parametrize(
    "name, learned",
    [
        ("cifar10_ep8", "50,000 images of CIFAR-10 (JPEG copies), train"),
        ("imagenette96_ep200", "3,000 images of Imagenette (4,000 of its photographs)"),
    ],
)
def test_a_shipped_recipe_says_what_images_it_lacks(
    name, learned, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    name = f"byol_r18w16.{name}"
    with pytest.raises(MissingFile) as caught:
        sslzoo.load_recipe(name)
    said = str(caught.value)
    assert "asked for by data=npz:" in said and " and test=npz:" in said
    assert f"{name} learned from {learned}" in said
    images = "synthetic:512"
    plan = sslzoo.load_recipe(name, data=images, test="synthetic:8", epochs=1)
    assert plan.steps == 2


def test_a_model_without_a_recipe_says_who_made_it(zoo):
    with pytest.raises(MissingFile, match="has no recipe; it was made by: tests"):
        sslzoo.load_recipe("byol_tiny", registry=zoo)

"""What every recipe owes, hence what every method owes."""

import dataclasses
import pathlib
import re

import keras
import numpy as np
import pytest

import sslzoo
from sslzoo import methods, recipe, runner
from sslzoo.data import sources
from sslzoo.errors import BadInput, MissingFile, UnknownName
from sslzoo.methods import byol
from sslzoo.methods.base import Method

RECIPES = sorted(pathlib.Path(__file__).parents[1].glob("train/*_*.py"))
RECIPES = [path for path in RECIPES if not path.name.startswith("_")]


CACHES = [path.stem for path in RECIPES if "cache" in recipe.knobs_of(path)]

REAL = ("backbone", "width", "image_size", "stored", "hidden", "points", "margin")


def small(path, **more):
    return recipe.load(path, **{**recipe.module(path).SMALL, **more})


METHODS = [file.stem for file in pathlib.Path(methods.__path__[0]).glob("*.py")]


def family(path):
    """The method that the name of a recipe begins with, or the name itself."""
    of = [name for name in METHODS if path.stem.startswith(f"{name}_")]
    return max(of, key=len, default=path.stem)


# The first recipe of each method, by its name; the others are slow.
FIRST = {family(path): path.stem for path in reversed(RECIPES)}
FIRST = {*FIRST.values()}

# Two replicas are tried by the tests of these methods too, or of their losses, and of
# BYOL by that of two workers.
TRIED = {"exemplar_in1k", "jigsaw_in1k", "relative_patch_in1k"}
TRIED |= {"two_views_r18w16_cifar10", "revisiting_small", "info_nce_r18w16_cifar10"}
TRIED |= {"simclr_r18w16_cifar10", "byol_r18_imagenette"}


def first(path):
    marks = () if path.stem in FIRST - TRIED else (pytest.mark.slow,)
    return pytest.param(path, marks=marks, id=path.stem)


def test_each_method_has_a_recipe_that_is_tried_first():
    made = {path: type(small(path).method()).__name__ for path in RECIPES}
    tried = {made[path] for path in RECIPES if path.stem in FIRST}
    for path, name in made.items():
        assert name in tried, (
            f"{path.name} makes {name}, and is slow, as {family(path)} has another "
            "recipe before it. Name it <file of the method>_<network>_<data>.py."
        )


@pytest.mark.parametrize("path", [first(path) for path in RECIPES])
def test_two_replicas_do_the_work_of_one(path, two_replicas):
    """And so it trains at all, on one and on two, to numbers that are finite.

    Sums in another order may turn a ReLU, and so the gradients of one channel in many;
    a gradient that is twice as large, or of half the images, would move all.
    """
    whole = small(path)
    bare = dataclasses.replace(whole, probes={})
    began = runner.untrained(bare)
    trained = [
        runner.pretrain(plan, strategy=strategy)
        for plan, strategy in ((whole, None), (bare, two_replicas))
    ]
    # A rate may be so small that no weight goes far: what counts is how it goes. Moving
    # averages go far with no gradient at all.
    first, *others = (
        [w.numpy() for w in m.trainable_weights] for m in [*trained, began]
    )
    apart, moved = (
        np.sqrt(sum(np.sum(np.square(a - b)) for a, b in zip(first, other)))
        for other in others
    )
    assert apart <= 0.1 * moved and bool(moved) == (path.stem != "random_in1k")
    weights = [method.get_weights() for method in trained]
    for one, two in zip(*weights):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, two, rtol=2e-3, atol=2e-3)
    one, two = (np.concatenate([w.ravel() for w in each]) for each in weights)
    assert np.isclose(one, two, rtol=2e-3, atol=2e-5).mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_real_network_of_each_recipe_takes_a_step(path):
    """Its own backbone, width and size of images, batches of two, of stand-ins."""
    knobs = recipe.module(path).SMALL
    parameters = recipe.knobs_of(path)
    own = {k: parameters[k] for k in REAL if k in knobs}
    method = runner.pretrain(small(path, **own, batch_size=2))
    assert all(np.isfinite(w).all() for w in method.get_weights())


def test_recipes_are_found_by_name_by_path_and_by_neighbour(tmp_path):
    assert recipe.find("byol_r50_in1k").name == "byol_r50_in1k.py"
    copy = tmp_path / "mine.py"
    copy.write_text(recipe.find("byol_r50_folder").read_text())
    assert recipe.find(str(copy)) == copy
    with pytest.raises(UnknownName, match="Did you mean 'byol_r50_in1k'"):
        recipe.find("byol_r50_in2k")
    with pytest.raises(MissingFile, match="No recipe file"):
        recipe.find("train/none.py")
    assert recipe.names() == [path.stem for path in RECIPES]


def test_knobs_take_the_type_of_their_default():
    assert recipe.like("jit", True, "false") is False and recipe.like("n", 3, "4") == 4
    with pytest.raises(
        BadInput, match=r"epochs=many: it takes a int, like its default 3"
    ):
        recipe.like("epochs", 3, "many")


def test_a_mistyped_knob_is_named_with_its_neighbour():
    with pytest.raises(UnknownName, match="no knob 'epoch'. Did you mean 'epochs'?"):
        recipe.load("byol_r50_folder", epoch=3)


def test_a_file_that_is_missing_is_told_with_the_knob_that_asks_for_it(tmp_path):
    knobs = recipe.module(recipe.find("byol_r18w16_imagenette")).SMALL
    with pytest.raises(MissingFile) as caught:
        spec = f"npz:{tmp_path}/imagenette224_jpeg.npz#test"
        recipe.load("byol_r18w16_imagenette", **{**knobs, "test": spec})
    said = str(caught.value)
    assert f"asked for by test={spec} (Imagenette (4,000 of its photographs), t" in said
    assert "data=" not in said and "other images: folder:DIR, npz:FILE#NAME" in said
    with pytest.raises(MissingFile, match="'no/where'. It is asked for by data=folder"):
        recipe.load("byol_r50_folder", data="folder:no/where")


@pytest.mark.parametrize(
    "name", ["split_brain_alexnet_in1k", "colorization_in1k", "colorization_r152_in1k"]
)
def test_the_colour_papers_biases_learn_at_twice_the_rate(name):
    path = recipe.find(name)
    optimizer = small(path).optimizer()
    weights = [keras.Variable([0.0, 0.0], name=part) for part in ("kernel", "bias")]
    optimizer.apply([np.float32([0.5, -2.0])] * 2, weights)
    kernel, bias = map(np.asarray, weights)
    np.testing.assert_allclose(bias, 2 * kernel, rtol=1e-5)
    assert (kernel != 0).all()
    again = small(path, biases=1).optimizer()
    assert again.get_config()["rates"] == {"*bias": 1.0}


@pytest.mark.slow
def test_halves_and_resnets_are_split_on_imagenet_too():
    """A half of row=split alone; two half-width ResNets, whose cells are of 32."""
    path = recipe.find("split_brain_alexnet_in1k")
    whole, half = (
        small(path, **knobs).method() for knobs in ({}, dict(row="L_ab", half=True))
    )
    assert (
        half.backbone.output["fc7"].shape[-1] * 2
        == (whole.backbone.output["fc7"].shape[-1])
    )
    assert (
        half.deployable().output["conv1"].shape[-1] * 2
        == (whole.deployable().output["conv1"].shape[-1])
    )
    with pytest.raises(BadInput, match="row=L_ab or row=ab_L alone"):
        small(path, half=True)
    plan = small(path, backbone="resnet18", image_size=64, width=1 / 8)
    method = runner.pretrain(plan)
    image = np.zeros((1, 64, 64, 3), "float32")
    assert method.stride == 32 and method.backbone(image)["block4"].shape[1:3] == (2, 2)
    with pytest.raises(BadInput, match="there is row=split alone"):
        small(path, backbone="resnet18", row="L_ab")


def test_the_official_presets_are_those_of_the_sheet():
    knobs = recipe.module(recipe.find("byol_r50_in1k")).SMALL
    plan = recipe.load("byol_r50_in1k", **{**knobs, "epochs": 300, "stop_after": 0})
    assert plan.steps == 300 * 8 // 4
    with pytest.raises(BadInput, match="presets are those of"):
        recipe.load("byol_r50_in1k", **{**knobs, "epochs": 200})


@pytest.mark.parametrize(
    "epochs, base_rate, decay, tau",
    [
        (40, 0.45, 1e-6, 0.97),
        (100, 0.45, 1e-6, 0.99),
        (300, 0.3, 1e-6, 0.99),
        (1000, 0.2, 1.5e-6, 0.996),
    ],
)
def test_each_preset_has_its_rate_decay_and_tau(epochs, base_rate, decay, tau):
    """At the end of ten epochs of warm-up the rate is base_rate * 4096 / 256."""
    knobs = recipe.module(recipe.find("byol_r50_in1k")).SMALL
    official = dict(data="synthetic:8192", batch_size=4096, stop_after=0)
    plan = recipe.load("byol_r50_in1k", **{**knobs, **official, "epochs": epochs})
    rate = plan.optimizer().get_config()["learning_rate"]
    rate = keras.optimizers.schedules.deserialize(rate)
    assert float(rate(10 * 2)) == pytest.approx(16 * base_rate)
    assert float(rate(10)) == pytest.approx(8 * base_rate)
    assert plan.optimizer().decay == decay
    assert plan.method().base_tau == tau and plan.steps == 2 * epochs


def test_the_official_small_recipe_is_that_of_its_readme(monkeypatch):
    """Imagenette's 9,469 images in batches of 256: 36,988 steps, 369 of warm-up."""
    source = sources.Synthetic(9469)
    monkeypatch.setattr(sources, "from_spec", lambda *_: source)
    plan = recipe.load("byol_r18_imagenette")
    rate = plan.optimizer().get_config()["learning_rate"]
    rate = keras.optimizers.schedules.deserialize(rate)
    assert plan.steps == 36_988 and plan.optimizer().decay == 1e-6
    assert float(rate(369)) == pytest.approx(2.0)
    assert float(rate(18_494)) == pytest.approx(1.015828, abs=1e-6)
    method = plan.method()
    assert method.base_tau == 0.996 and method.uses == ("label",)
    assert method.backbone.count_params() > 11e6  # Not an eighth of a ResNet-18.
    assert plan.streams.example.size == 128
    (figure,) = (f for f in method.figures if f["setting"] == plan.setting)
    assert (figure["value"], figure["protocol"]) == (0.923, "online probe")


def test_a_run_of_no_steps_is_refused():
    knobs = recipe.module(recipe.find("byol_r50_folder")).SMALL
    with pytest.raises(BadInput, match="has 0 steps"):
        recipe.load("byol_r50_folder", **{**knobs, "epochs": 0})


def test_ones_own_pictures_can_be_probed_on_those_with_labels(tmp_path):
    knobs = recipe.module(recipe.find("byol_r50_folder")).SMALL
    probe = dict(labelled="synthetic:8", unseen="synthetic:6")
    plan = recipe.load("byol_r50_folder", **{**knobs, **probe})
    assert plan.probes["synthetic:8"].test.count == 6 and plan.probe_every == 10
    probe = dict(labelled="synthetic:8,synthetic:9", unseen="synthetic:6,synthetic:7")
    plan = recipe.load("byol_r50_folder", **{**knobs, **probe})
    sets = {name: (p.train.count, p.test.count) for name, p in plan.probes.items()}
    assert sets == {"synthetic:8": (8, 6), "synthetic:9": (9, 7)}
    for unseen in ("", "synthetic:6"):
        with pytest.raises(BadInput, match="wants both"):
            recipe.load("byol_r50_folder", **{**knobs, **probe, "unseen": unseen})
    twice = dict(labelled="synthetic:8,synthetic:8", unseen="synthetic:6,synthetic:7")
    with pytest.raises(BadInput, match="names a set twice"):
        recipe.load("byol_r50_folder", **{**knobs, **twice})


def test_a_run_goes_on_from_a_model_that_is_there(tmp_path):
    """Both networks begin as that model, and what is exported is of its kind."""
    knobs = {
        **recipe.module(recipe.find("byol_r50_folder")).SMALL,
        "data": "synthetic:4",
    }
    model = sslzoo.load("byol_r18w16", features_only=True)
    plan = recipe.load("byol_r50_folder", **knobs, start="byol_r18w16")
    method = plan.method()
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    wanted = model(images)["pooled"]
    for network in (method.backbone, method.target_backbone):
        np.testing.assert_allclose(network(images)["pooled"], wanted, atol=1e-6)
    trained = runner.pretrain(plan)
    found = trained.deployable()(images)["pooled"]
    assert np.abs(found - wanted).max() > 1e-4
    with pytest.raises(UnknownName, match="Did you mean: byol_r18w16"):
        recipe.load("byol_r50_folder", **knobs, start="byol_r18w61")


def test_an_online_probe_wants_labels_of_as_many_classes(tmp_path):
    knobs = recipe.module(recipe.find("byol_r50_folder")).SMALL
    method = recipe.load("byol_r50_folder", **knobs, classes=2).method()
    assert method.uses == ("label",) and method.classifier.output_shape == (None, 2)
    assert recipe.load("byol_r50_folder", **knobs).method().uses == ()
    with pytest.raises(BadInput, match=r"classes=1, but synthetic:8 has 2: even, odd"):
        recipe.load("byol_r50_folder", **knobs, classes=1)
    for i in range(8):
        pixels = np.full((40, 40, 3), 20 * i, "uint8")
        keras.utils.save_img(tmp_path / f"{i}.png", pixels, scale=False)
    knobs = {**knobs, "data": f"folder:{tmp_path}"}
    with pytest.raises(BadInput, match="has no labels, and this needs them"):
        recipe.load("byol_r50_folder", **knobs, classes=2)


@pytest.mark.parametrize("name", CACHES)
def test_images_kept_in_memory_are_the_images(name, monkeypatch):
    kept, anew = (
        small(recipe.find(name), cache=cache).streams.source for cache in (True, False)
    )
    assert type(kept.source) is type(anew)
    monkeypatch.setattr(kept.source, "read", None)  # It has been read, and is no more.
    for index in range(anew.count):
        one, other = (source.read(index)["image"] for source in (kept, anew))
        np.testing.assert_array_equal(one, other)


def test_a_recipe_knows_the_terms_of_its_images():
    """Of others than those that it names, it says nothing."""
    plan = small(recipe.find("byol_r18w16_toyworld"))
    toy = plan.about(["npz:a.npz#x"])
    assert toy["licences"] == {"weights": "Apache-2.0", "data": "Apache-2.0"}
    assert "not for photographs" in " ".join(toy["limits"])
    assert toy["learned_from"] == {"": "toy world, train"} and not toy["setting"]
    assert toy["measured_on"] == {
        "toyworld": "toy world, test",
        "npz:a.npz#x": "npz:a.npz#x",
    }
    # Else one of the two would be lost.
    assert not plan.about(["toyworld:test"])["measured_on"]
    other = small(recipe.find("byol_r18w16_cifar10")).about()
    assert set(other["licences"].values()) == {"not stated"} and not other["limits"]
    assert other["measured_on"] == {"cifar10": "cifar10 (synthetic:8)"}


@pytest.mark.parametrize("knob", [{}, {"rate": 1.0}, {"stride": 0}, {"start": "drawn"}])
def test_split_brain_has_its_figures_by_the_settings_that_are_known(knob, monkeypatch):
    source = sources.Synthetic(80)
    monkeypatch.setattr(sources, "from_spec", lambda spec, *cache: source)
    setting = recipe.load("split_brain_alexnet_in1k", seed=3, jit=True, **knob).setting
    assert setting == ("" if knob else "AlexNet, ImageNet")


@pytest.mark.parametrize(
    "name, knobs", [("byol_r50_in1k", {"epochs": 300}), ("byol_r18_imagenette", {})]
)
def test_only_the_settings_of_the_paper_may_stand_beside_its_figures(
    name, knobs, monkeypatch
):
    source = sources.Synthetic(300 * 4096)
    monkeypatch.setattr(sources, "from_spec", lambda spec, *cache: source)
    plan = recipe.load(name, **knobs)
    assert plan.setting in {figure["setting"] for figure in byol.BYOL.figures}
    assert not recipe.load(name, **knobs, image_size=64).setting
    assert not small(recipe.find(name)).setting


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_a_recipe_takes_from_tfds_is_known_there(path, tmp_path):
    """By name and configuration; nothing is fetched."""
    tfds = pytest.importorskip("tensorflow_datasets")
    specs = " ".join(str(value) for value in recipe.knobs_of(path).values())
    for name in re.findall(r"tfds:([^ +]+)/", specs):
        builder = tfds.builder(name, data_dir=tmp_path)
        config = builder.builder_config
        assert name == "/".join([builder.name, *([config.name] if config else [])])


def test_every_method_with_a_paper_has_figures_of_it():
    methods = [found for found in every(Method) if found.citation]
    assert byol.BYOL in methods
    for method in methods:
        for figure in method.figures:
            words = [figure[k] for k in ("setting", "data", "protocol", "source")]
            assert all(words) and 0 < figure["value"] < 1
        assert method.figures, method


def every(kind):
    return [kind, *(sub for direct in kind.__subclasses__() for sub in every(direct))]

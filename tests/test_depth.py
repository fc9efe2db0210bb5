"""A network of depth, by the commands: nobody shows it photographs by mistake."""

import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import sslzoo
from sslzoo import cli, recipe, runner, workdir
from sslzoo.data import rgbd, sources
from sslzoo.errors import BadInput
from sslzoo.evaluation import features, ladder
from sslzoo.evaluation.probes import Probe
from sslzoo.show import neighbours
from sslzoo.zoo import card as cards

RECIPE, NAME = "split_brain_alexnet_rgbd", "split_brain_alexnet.rgbd_row_hha_lab_ep1"
SCENES = "toyworld:{}?count={}&size=48"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the row HHA_Lab, and the model made of it under the name it is given."""
    folder = tmp_path_factory.mktemp("depth")
    knobs = {**recipe.module(recipe.find(RECIPE)).SMALL, "row": "HHA_Lab"}
    words = [f"{knob}={value}" for knob, value in knobs.items()]
    for line in (
        ["train", RECIPE, *words, "--workdir", str(folder / "run"), "--json"],
        ["export", str(folder / "run"), "--registry", str(folder / "savedmodels")],
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(line)
        assert left.value.code == 0
    return folder


@pytest.fixture
def card(run):
    return cards.parse((run / "savedmodels" / NAME / "card.json").read_text())


@pytest.fixture
def photos(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("RGB", (40, 40), "red").save(tmp_path / "photos" / label / "1.png")
    return tmp_path / "photos"


def test_its_card_says_what_it_sees(card, command, run):
    assert card.input["sees"] == "hha" and "of depth as HHA" in card.summary
    assert any("HHA: of photographs" in limit for limit in card.limits)
    words = ["info", NAME, "--registry", run / "savedmodels"]
    assert "HHA of depth in [0, 1]" in command(*words)[1]


def test_the_lines_of_its_page_feed_it_depth(run, tmp_path, monkeypatch):
    text = (run / "savedmodels" / NAME / "README.md").read_text()
    assert "RGB" not in text.split("## Input")[0] and ".jpg" not in text
    assert "HHA, float32 in [0, 1]" in text and "31000 / max(z, 100)" in text
    np.save(tmp_path / "depth.npy", np.linspace(1, 5, 60 * 80).reshape(60, 80))
    code = re.search(r"## Use\n\n```python\n(.+?)```", text, re.S)[1]
    names = {}
    (tmp_path / "savedmodels").symlink_to(run / "savedmodels")
    monkeypatch.chdir(tmp_path)
    exec(code, names)
    width = names["model"].output_shape[-1]
    assert names["features"].shape == (1, width) and f"[1, {width}]" in code


def test_pictures_are_not_prepared_for_it_but_hha_is(run, photos):
    prepare = sslzoo.load_preprocessor(NAME, run / "savedmodels")
    path = photos / "a" / "1.png"
    for picture in (path, [path], Image.open(path)):
        with pytest.raises(BadInput, match=r"sslzoo\.color\.hha\(depth, camera\)"):
            prepare(picture)
    assert prepare(np.asarray(Image.open(path))).shape == (33, 33, 3)


def test_its_features_are_of_pictures_with_depth_alone(run, command, photos, tmp_path):
    words = ["features", NAME, photos, tmp_path / "a.npz", "--precision", "float32"]
    words += ["--registry", run / "savedmodels"]
    code, _, err = command(*words)
    assert code == 1 and "has no hha, only image, label" in " ".join(err.split())
    assert not (tmp_path / "a.npz").exists()
    words[2] = f"rgbd:{SCENES.format('test', 5)}"
    assert command(*words)[0] == 0
    with np.load(tmp_path / "a.npz") as found:
        vectors = found["vectors"]
    source = sources.from_spec(words[2])
    prepare = sslzoo.load_preprocessor(NAME, run / "savedmodels")
    hha = prepare([source.read(i)["hha"] for i in range(5)])
    expected = sslzoo.load(NAME, registry=run / "savedmodels")(hha)
    np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-5)


def test_it_is_measured_on_depth_and_not_on_photographs(run, command):
    """By kNN, of features of HHA; where there is none it says so."""
    specs = [SCENES.format("train", 30), SCENES.format("test", 20)]
    words = ["evaluate", run / "run", "--protocol", "knn", "--json", "--size", 33]
    code, _, err = command(*words, "--data", specs[0], "--test", specs[1])
    assert code == 1 and "The network sees depth, as HHA" in " ".join(err.split())
    specs = [f"rgbd:{spec}" for spec in specs]
    code, out, err = command(*words, "--data", specs[0], "--test", specs[1])
    assert code == 0, err
    found = json.loads(out)[specs[1]]["knn"]["trained"]["mean"]
    model = sslzoo.load(NAME, features_only=True, registry=run / "savedmodels")
    arrays = []
    for spec in specs:
        source = sources.from_spec(spec)
        hha = np.stack([source.read(i)["hha"] for i in range(source.count)])
        arrays.append(sources.Arrays(hha, source.labels, source.classes))
    told = ladder.evaluate([("it", model, model)], {"": Probe(*arrays, 33)}, ["knn"])
    assert found == told[""]["knn"]["trained"]["mean"]


def test_probes_of_a_run_are_shown_depth_too():
    small = {**recipe.module(recipe.find(RECIPE)).SMALL, "row": "HHA_Lab"}
    plan = recipe.load(RECIPE, **small)
    photos = [sources.from_spec(SCENES.format(of, 8)) for of in ("train", "test")]
    asked = dataclasses.replace(plan, probes={"scenes": Probe(*photos, 33)})
    with pytest.raises(BadInput, match="The network sees depth, as HHA, and toyworld"):
        runner.pretrain(asked)


def test_runs_that_see_one_thing_each_are_no_seeds_of_one(run, command, tmp_path):
    small = recipe.module(recipe.find(RECIPE)).SMALL
    words = [f"{knob}={value}" for knob, value in small.items()]
    path = tmp_path / "other"
    words = ["train", RECIPE, *words, "--workdir", path, "--report", "--json"]
    assert command(*words)[0] == 0
    page = (path / "report.html").read_text()  # Of what is taken of it alone.
    assert "What excites pool5 most" in page and "no features" not in page
    data = ["--data", "rgbd:toyworld:train", "--test", "rgbd:toyworld:test"]
    code, _, err = command("evaluate", run / "run", path, *data)
    assert code == 1 and "Evaluate them apart" in " ".join(err.split())


def test_what_excites_the_model_is_depth_as_it_is_of_the_run(run, command, photos):
    out = ["--top", "conv5", "--out", run / "a.png", "--json"]
    words = ["show", NAME, "--registry", run / "savedmodels", *out]
    code, _, err = command(*words, photos)
    assert code == 1 and "needs hha beside each image" in " ".join(err.split())
    spec = f"rgbd:{SCENES.format('test', 4)}"
    figures = [
        json.loads(command(*each, spec)[1])["figures"]
        for each in (words, ["show", run / "run", *out])
    ]
    assert figures[0] == pytest.approx(figures[1], rel=1e-3)


def test_its_neighbours_are_found_by_depth(run, monkeypatch):
    shown, plain = [], features.features

    def noted(model, source, *args, **options):
        shown.append(source)
        return plain(model, source, *args, **options)

    monkeypatch.setattr(features, "features", noted)
    method, plan = runner.trained(workdir.Workdir(run / "run"))
    found = neighbours.of_run(method, plan, plan.streams.source, 33)
    assert not found["failed"] and found["shown"]
    assert shown and all(isinstance(source, rgbd.Seen) for source in shown)


def test_batches_of_what_is_seen_are_its_items():
    source = sources.from_spec("rgbd:toyworld:train?count=4&size=32")
    seen = rgbd.seen(source, "hha")
    batch = seen.batch(np.array([2, 0]), ("image", "label"))
    for k, index in enumerate((2, 0)):
        np.testing.assert_array_equal(batch["image"][k], source.read(index)["hha"])
        assert batch["label"][k] == source.labels[index]
    assert rgbd.seen(source, "image") is source
    found = features.features(mean, seen, 32, crop=1.0)["pooled"]
    expected = [source.read(i)["hha"].mean((0, 1)) / 255 for i in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def mean(images, training=False):
    return {"pooled": tf.reduce_mean(images, (1, 2))}

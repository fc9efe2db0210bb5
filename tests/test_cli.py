"""The command: what a person types, right and wrong, and what it answers."""

import dataclasses
import datetime
import importlib.util
import json
import os
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from sslzoo import cli, recipe, runner, watch, workdir
from sslzoo.data import labels as label_spaces
from sslzoo.evaluation import knn, ladder
from sslzoo.show import progress
from sslzoo.zoo import artifacts

SMALL = (
    "count=16 labelled=32 backbone=tiny image_size=32 batch_size=4 epochs=1 hidden=16"
)
TRAIN = ["train", "byol_r18w16_toyworld", *SMALL.split(), "hidden=16"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"
    with pytest.raises(SystemExit) as left:
        cli.main([*TRAIN, "--workdir", str(path), "--json"])
    assert left.value.code == 0
    return path


def test_neither_the_package_nor_its_help_imports_tensorflow():
    """That takes seconds: it waits until it is needed."""
    code = (
        "import sys, sslzoo, sslzoo.cli; sslzoo.cli.parser().format_help();"
        "heavy = {'tensorflow', 'keras', 'numpy'} & set(sys.modules); print(heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_python_runs_it_where_no_command_is_on_the_path():
    words = [sys.executable, "-m", "sslzoo", "list", "--help"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("usage: sslzoo list")


def test_a_mistyped_verb_is_named_with_its_neighbour(command):
    code, _, err = command("featurs", "photos/")
    assert code == 2 and "no verb 'featurs'. Did you mean 'features'? There are" in err


def test_with_json_nothing_is_said_beside_it(command, monkeypatch, caplog):
    monkeypatch.setattr(cli.list_, "run", lambda args: watch.say("2 were left out"))
    assert command("list")[0] == 0 and caplog.messages == ["2 were left out"]
    caplog.clear()
    assert command("list", "--json")[0] == 0 and not caplog.messages


@pytest.mark.parametrize("verb", cli.NAMES)
def test_each_verb_has_an_example_in_its_help(command, verb):
    code, out, _ = command(verb, "--help")
    assert code == 0 and f"Example: sslzoo {verb}" in " ".join(out.split())


@pytest.mark.parametrize("verb", cli.NAMES)
def test_the_example_of_a_verb_is_a_line_that_it_takes(verb):
    first, *words = shlex.split(cli.NAMES[verb].EXAMPLE.partition(" > ")[0])
    assert first == "sslzoo" and words[0] == verb
    cli.parser().parse_args(words)


def test_a_run_can_be_trained_evaluated_and_gone_on_with(command, trained):
    result = json.loads((trained / "result.json").read_text())
    assert set(result["probes"]["toyworld"]["trained"]) == {"knn", "linear"}
    code, out, _ = command(*TRAIN, "--workdir", trained, "--json")
    assert code == 0 and json.loads(out) == result  # It had ended: nothing to do.
    words = ["evaluate", trained, "--seeds", 1, "--protocol", "knn", "--json"]
    code, out, _ = command(*words, "--out", trained / "scores.json")
    found = json.loads(out)["toyworld"]["knn"]
    assert (
        code == 0
        and found
        == json.loads((trained / "scores.json").read_text())["toyworld"]["knn"]
    )
    assert found["trained"]["n"] == 1 and found["trained"]["low"] is None
    assert 0 <= found["runs"][0]["trained"]["items"]["low"] <= 1


def test_images_that_a_recipe_decodes_are_counted(command, monkeypatch, tmp_path):
    """When it is trained, and when what it trained is measured."""
    seen = []
    monkeypatch.setattr(progress.Count, "__call__", lambda _, *told: seen.append(told))
    small = recipe.module(recipe.find("byol_r18w16_cifar10")).SMALL
    knobs = [f"{knob}={value}" for knob, value in small.items()]
    words = ["train", "byol_r18w16_cifar10", *knobs, "--workdir", tmp_path / "run"]
    assert command(*words)[0] == 0
    trained = list(seen)
    assert trained and trained[-1][0] == trained[-1][1]
    words = ["evaluate", tmp_path / "run", "--protocol", "knn"]
    assert command(*words)[0] == 0
    assert seen == trained * 2


def test_kept_scores_say_when_where_and_how_they_were_made(command, trained):
    """Without the folders of this machine, which mean nothing on another."""
    words = ["evaluate", trained, "--seeds", 1, "--protocol", "knn", "--json"]
    command(*words, "--out", trained / "scores.json")
    told = json.loads((trained / "scores.json").read_text())["made"]
    assert datetime.date.fromisoformat(told["date"])
    assert f"{os.cpu_count()} cores" in told["machine"]
    assert told["versions"]["keras"] == keras.__version__
    assert told["command"].startswith(f"sslzoo evaluate {trained.name} --seeds 1 ")
    assert told["command"].endswith("--json --out scores.json")
    (run,) = told["runs"].values()
    knobs = [f" {word}" for word in TRAIN[2:]]
    assert all(knob in run["command"] for knob in knobs)
    assert run["ended"] == json.loads((trained / "result.json").read_text())["probes"]
    assert str(trained.parent) not in json.dumps(told)


def test_features_of_a_block_are_measured_as_those_at_the_end(command, trained):
    words = ["evaluate", trained, "--seeds", 1, "--protocol", "knn", "--json"]
    whole, pooled, block = (
        json.loads(command(*words, *more)[1])["toyworld"]["knn"]
        for more in ([], ["--endpoint", "pooled"], ["--endpoint", "block1"])
    )
    assert pooled == whole
    plan = runner.trained(workdir.Workdir(trained))[1]
    (probe,) = plan.probes.values()
    trunk, sets = runner.untrained(plan).backbone, []
    for of in (probe.train, probe.test):
        images = np.stack([of.read(i)["image"] for i in range(of.count)]) / 255
        labels = np.array([of.read(i)["label"] for i in range(of.count)])
        maps = trunk(np.float32(images))["block1"].numpy()
        sets += [maps.reshape(len(labels), -1), labels]
    assert block["random"]["mean"] == pytest.approx(knn.evaluate(*sets)["top1"])
    assert block["trained"]["mean"] != whole["trained"]["mean"]
    code, _, err = command(*words, "--endpoint", "blok1")
    assert code == 1 and "endpoint='blok1'. Did you mean 'block1'?" in err
    code, _, err = command(*words[:2], "--protocol", "finetune", "--endpoint", "block1")
    assert code == 1 and "--endpoint is of --protocol knn and linear" in err


def test_few_labels_are_a_part_of_each_class(command, trained):
    words = ["evaluate", trained, "--seeds", 1, "--protocol", "knn", "--json"]
    code, out, err = command(*words, "--part", 0.5)
    assert code == 0, err
    method, plan = runner.trained(workdir.Workdir(trained))
    (probe,) = plan.probes.values()
    half = dataclasses.replace(probe, train=label_spaces.part(probe.train, 0.5))
    assert half.train.count < probe.train.count
    told = ladder.evaluate(
        [("it", *2 * [method.deployable()])], {"toyworld": half}, ["knn"]
    )
    trained_mean = json.loads(out)["toyworld"]["knn"]["trained"]["mean"]
    assert trained_mean == told["toyworld"]["knn"]["trained"]["mean"]
    code, _, err = command(*words, "--part", 5)
    assert code == 1 and "give 0.1 for a tenth" in err


def test_a_block_is_measured_at_the_size_of_the_images_that_are_asked(
    command, trained, monkeypatch
):
    """Which need not be that of those it learned from: split-brain is asked at 227."""
    method, plan = runner.trained(workdir.Workdir(trained))
    probes = {name: dataclasses.replace(p, size=40) for name, p in plan.probes.items()}
    plan = dataclasses.replace(plan, probes=probes)
    monkeypatch.setattr(runner, "trained", lambda folder: (method, plan))
    words = ["evaluate", trained, "--seeds", 1, "--protocol", "knn", "--json"]
    code, out, err = command(*words, "--endpoint", "block2")
    assert code == 0, err
    assert 0 <= json.loads(out)["toyworld"]["knn"]["trained"]["mean"] <= 1


def test_scores_that_cannot_be_kept_are_shown_all_the_same(command, trained, tmp_path):
    words = ["evaluate", trained, "--seeds", 1, "--protocol", "knn", "--json"]
    code, out, err = command(*words, "--out", tmp_path / "none" / "scores.json")
    assert code == 1 and json.loads(out)["toyworld"]["knn"]
    assert "No such file or directory. The scores are above" in err


@pytest.mark.slow
def test_several_runs_get_an_interval(command, trained, tmp_path):
    words = ["evaluate", trained, trained, trained, "--protocol", "linear", "--json"]
    code, out, _ = command(*words, "--seeds", 1)
    found = json.loads(out)["toyworld"]["linear"]
    assert code == 0 and found["trained"]["n"] == 3
    assert found["difference"]["low"] <= found["difference"]["mean"]


def test_runs_that_differ_in_more_than_their_seed_are_no_seeds(command, tmp_path):
    run = {"recipe": "a", "knobs": {"rate": 0.1, "seed": 0}, "text": "1"}
    others = {
        "rate is 0.1 and 0.2": {"knobs": {"rate": 0.2, "seed": 1}},
        "one is of a, the other of b": {"recipe": "b", "text": "2"},
        "the text of their recipe a is not the same": {"text": "2"},
    }
    alike = {"knobs": {"rate": 0.1, "seed": 1}}, {"recipe": "./a.py"}
    for words, other in others.items():
        assert workdir.unlike(run, {**run, **other}) == words
        for n, told in enumerate((run, {**run, **other})):
            (tmp_path / str(n)).mkdir(exist_ok=True)
            (tmp_path / str(n) / "run.json").write_text(json.dumps(told))
        code, _, err = command("evaluate", tmp_path / "0", tmp_path / "1")
        assert code == 1 and f"differ in more than their seed: {words}." in err
    for other in alike:
        assert not workdir.unlike(run, {**run, **other})


@pytest.mark.parametrize(
    "more, size, crop", [([], 32, 1), (["--size", 24, "--crop", 0.5], 24, 0.5)]
)
def test_other_images_are_asked_as_the_runs_own_were(
    command, trained, monkeypatch, more, size, crop
):
    asked = []
    monkeypatch.setattr(ladder, "evaluate", lambda _, sets, *more: asked.append(sets))
    monkeypatch.setattr(progress, "ladder_table", print)
    spec = "toyworld:{}?count=24&size=40".format
    words = ["evaluate", trained, "--data", spec("train"), "--test", spec("test")]
    assert command(*words, *more)[0] == 0
    (probe,) = asked[0].values()
    assert (probe.size, probe.crop) == (size, crop)


@pytest.mark.parametrize(
    "words, said",
    [
        ("evaluate runs/a --size -5", "--size: -5 was given: it takes a whole number"),
        ("evaluate runs/a --seeds 0", "--seeds: 0 was given: it takes a whole number"),
        ("evaluate runs/a --seeds x", "--seeds: x was given"),
        ("evaluate runs/a --crop 1.5", "--crop: 1.5 was given: it takes a part"),
        ("pack toyworld:test x.npz#x --seed -1", "--seed: -1 was given"),
    ],
)
def test_a_number_that_an_option_does_not_take_is_named(command, words, said):
    code, _, err = command(*words.split())
    assert code == 2 and said in err


def test_the_result_is_a_table_for_a_person(command, trained):
    code, out, err = command(*TRAIN, "--workdir", trained)
    assert code == 0 and "random features" in out and "toyworld" in out
    assert "Computes on 1 CPU: TensorFlow sees no GPU." in err


def test_knobs_may_stand_behind_the_options(command, tmp_path):
    code, _, err = command(*TRAIN[:2], "--workdir", tmp_path, "epoch=1")
    assert code == 1 and "Did you mean 'epochs'?" in err


@pytest.mark.parametrize(
    "words, said",
    [
        ("train byol_r50_inik --workdir w", "Did you mean 'byol_r50_in1k'?"),
        ("train byol_r50_folder epoch=3 --workdir w", "Did you mean 'epochs'?"),
        ("train byol_r50_folder epochs --workdir w", "write knob=value"),
        ("train byol_r50_folder epochs=x --workdir w", "it takes a int"),
        ("train byol_r50_folder data=foldr:x --workdir w", "Did you mean 'folder"),
        ("train byol_r50_folder data=folder:none --workdir w", "none"),
        ("train byol_r50_folder data=synthetic:8 --workdir w", "batch_size=256, but"),
        ("train byol_r50_folder --workdir w --strategy mirored", "'mirrored'"),
        ("train byol_r18w16_toyworld --workdir w --bad-images 5", "give 0 to 1"),
        ("train byol_r50_folder --workdir w --strategy multiworker", "TF_CONFIG"),
        ("evaluate nowhere", "nowhere is not the workdir of a run"),
        ("evaluate nowhere --size 64", "name these too"),
        ("report nowhere", "nowhere is not the workdir of a run"),
        ("report nowhere --features none.npz", "nowhere is not the workdir"),
        ("sheet --folder scenes --count 0", "must be 1 or more"),
        ("sheet --count 9", "add --folder DIR"),
        ("export nowhere", "nowhere is not the workdir of a run"),
        ("check nowhere", "nowhere"),
        ("bench stp", "Did you mean 'step'?"),
        ("bench step backbon=x", "Did you mean 'backbone'?"),
        ("bench input batches=-3", "batches=-3: it begins at 0"),
        ("train byol_r50_folder seed=-1 --workdir w", "seed=-1: a seed is"),
        ("train byol_r18w16_toyworld batch_size=0 --workdir w", "batch_size=0"),
        (
            "train byol_r50_in1k data=synthetic:8 accumulate=0 --workdir w",
            "divides by one of these: accumulate=0",
        ),
        (
            "train byol_r18w16_toyworld precision=float17 --workdir w",
            "precision='float17'. Did you mean 'float32'?",
        ),
    ],
)
def test_a_mistake_is_answered_in_one_line_and_leaves_nothing(
    command, tmp_path, monkeypatch, words, said
):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*words.split())
    assert code == 1 and out == ""
    assert err.startswith("sslzoo: ") and err.count("\n") == 1 and said in err
    assert not list(tmp_path.iterdir())


def test_labels_missing_where_they_are_needed_are_asked_for(command, tmp_path, trained):
    rng = np.random.default_rng(0)
    for i in range(4):
        image = Image.fromarray(rng.integers(0, 255, (40, 40, 3), "uint8"))
        image.save(tmp_path / f"{i}.png")
    spec = f"folder:{tmp_path}"
    words = ["evaluate", trained, "--data", spec, "--test", spec, "--size", 32]
    code, _, err = command(*words)
    assert code == 1 and "has no labels" in err


def test_check_names_the_bad_pictures_and_fails(command, tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    (tmp_path / "notes.txt").write_text("none")
    code, out, _ = command("check", tmp_path, "--json")
    report = json.loads(out)
    assert code == 1 and "bad.jpg" in report["bad"]
    (tmp_path / "bad.jpg").unlink()
    code, out, _ = command("check", tmp_path)
    assert code == 0 and "PNG" in out.upper()


def test_a_run_is_published_and_its_loading_said(command, trained, tmp_path):
    words = ["evaluate", trained, "--seeds", 1, "--protocol", "knn", "--json"]
    scores = tmp_path / "scores.json"
    code, out, _ = command(*words, "--out", scores)
    measured = json.loads(out)["toyworld"]["knn"]["trained"]["mean"]
    words = ["export", trained, "--registry", tmp_path / "models", "--results", scores]
    code, out, err = command(*words)
    assert code == 1 and "Give one, as <method>_<arch>.<tag>" in err  # Its net is tiny.
    words += ["--name", "byol_tiny.toy", "--licence", "weights=MIT", "data=none"]
    code, out, _ = command(*words, "--summary", "A test.", "--json")
    told = json.loads(out)
    assert code == 0 and told["load"] == f'sslzoo.load("{told["path"]}")'
    assert told["differences"]["saved_model"] < 1e-4
    card = json.loads((tmp_path / "models/byol_tiny.toy/card.json").read_text())
    assert card["measured"][0]["trained"]["mean"] == measured
    assert card["measured"][0]["data"] == "toy world, test"
    kept = json.loads((tmp_path / "models/byol_tiny.toy/results.json").read_text())
    assert kept["toy world, test"]["knn"]["trained"]["mean"] == measured
    assert card["training"]["steps"] == 4 and card["training"]["seconds"] >= 0
    assert card["input"]["size"] == 32 and card["input"]["crop"] == 1.0
    assert card["licences"]["weights"] == "MIT" and card["summary"] == "A test."
    recipe = (trained / "recipe.py").read_text()
    assert (tmp_path / "models/byol_tiny.toy/recipe.py").read_text() == recipe
    words[1:2] = [tmp_path]  # Another run than the scores are of.
    words[words.index("byol_tiny.toy")] = "byol_tiny.other"
    (tmp_path / "run.json").write_text((trained / "run.json").read_text())
    (tmp_path / "result.json").write_text((trained / "result.json").read_text())
    (tmp_path / "timing.jsonl").write_text("")
    (tmp_path / "recipe.py").write_text(recipe)
    code, _, err = command(*words)
    assert code == 1 and "and not of" in err and "sslzoo evaluate" in err


def test_a_run_is_published_in_further_forms(command, trained, tmp_path):
    for name in artifacts.NEEDED["onnx"]:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} missing: pip install 'sslzoo[onnx]'")
    words = ["export", trained, "--name", "byol_tiny.toy", "--registry", tmp_path]
    code, out, _ = command(*words, "--format", "keras", "onnx", "--json")
    told = json.loads(out)["differences"]
    card = json.loads((tmp_path / "byol_tiny.toy/card.json").read_text())
    assert code == 0 and card["differences"] == told
    assert told.keys() == {"folded", "saved_model", "keras", "onnx"}
    assert told["keras"] <= 1e-5 and max(told.values()) <= 1e-4


def test_what_is_published_is_told_to_a_person(command, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = command("export", trained, "--name", "byol_tiny.toy")
    assert code == 0 and 'sslzoo.load("byol_tiny.toy")' in out
    assert "savedmodels/byol_tiny.toy: revision 1" in out and "saved_model" in out
    assert "data: Apache-2.0; weights: Apache-2.0" in out  # Of the toy world.
    page = (tmp_path / "savedmodels/byol_tiny.toy/README.md").read_text()
    assert "it is not for photographs" in page and "none published" in page
    assert "images of toy world, train" in page and "Grill et al. 2020" in page
    words = ["export", trained, "--name", "byol_tiny.toy", "--licence", "MIT"]
    code, _, err = command(*words)
    assert code == 1 and "write licence=NAME, like weights=MIT" in err


@pytest.mark.slow
def test_the_page_of_a_run_can_be_written_again(command, trained, tmp_path):
    """Which `train --report` writes too, to the byte."""
    code, out, _ = command(*TRAIN, "--workdir", trained, "--report")
    assert code == 0 and f"Report: {trained / 'report.html'}" in out
    first = (trained / "report.html").read_bytes()
    again = f"{tmp_path / 'again.html'}"
    code, out, _ = command("report", trained, "--out", again, "--json")
    assert code == 0 and json.loads(out) == {"report": again}
    assert (tmp_path / "again.html").read_bytes() == first


def test_a_run_without_a_checkpoint_has_no_page_yet(command, trained, tmp_path):
    for name in ("run.json", "recipe.py"):
        (tmp_path / name).write_text((trained / name).read_text())
    code, _, err = command("report", tmp_path)
    assert code == 1 and "has no checkpoint yet. To train it: sslzoo train" in err


@pytest.mark.slow
def test_a_model_loaded_by_its_name_is_shown_on_the_page_of_its_run(
    command, trained, tmp_path, monkeypatch
):
    """The first minute: export, pictures, features, and neighbours among them."""
    monkeypatch.chdir(tmp_path)
    name, models = "byol_tiny.toyworld", ("--registry", "models")
    for revision in (1, 2):
        words = ["export", trained, "--name", name, *models, "--json"]
        code, out, _ = command(*words)
        assert code == 0 and json.loads(out)["revision"] == revision
    code, out, _ = command("sheet", "--folder", "scenes", "--count", 24)
    assert code == 0 and out == "scenes\n"
    code, _, _ = command("features", name, "scenes", "x.npz", *models)
    assert code == 0
    words = ["report", trained, "--features", "x.npz", "--out", "page.html"]
    assert command(*words)[:2] == (0, "Report: page.html\n")
    for words_of in (["info", name], ["features", name, "scenes", "first.npz"]):
        code, out, _ = command(*words_of, *models, "--revision", 1, "--json")
        assert code == 0 and json.loads(out)["revision"] == 1
    page = (tmp_path / "page.html").read_text()
    assert f"<strong>{name}, revision 2</strong> made 16 numbers" in page
    assert "those of this run, to the bit" in page
    code, _, err = command(*words[:3], "y.npz")
    assert code == 1 and err == "sslzoo: No such file: y.npz.\n"
    (tmp_path / "y.npz").write_text("none")
    code, _, err = command(*words[:3], "y.npz")
    assert code == 1 and "y.npz is no file of features" in err and err.count("\n") == 1


def test_an_error_of_ours_keeps_its_traceback(monkeypatch):
    def broken(path):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("sslzoo.show.sheet.toyworld_sheet", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["sheet"])

"""What the card of an exported method says of it, and beside what."""

import json
import shlex

import keras
import numpy as np
import pytest

import sslzoo
from sslzoo import cli
from sslzoo.errors import BadInput, MissingExtra
from sslzoo.methods import byol
from sslzoo.zoo import artifacts, export
from sslzoo.zoo import run as runs
from tests.zoo.exported.tiny import NAME, RUN, make


def test_the_card_says_what_was_measured_and_how(entry, method):
    told = entry.card
    assert told.backbone == {
        "builder": "tiny",
        "options": {},
        "parameters": method.backbone.count_params(),
    }
    assert told.input["size"] == 32 and told.input["smallest"] == 1
    assert not told.input["fixed"] and told.input["channels"] == 3
    assert told.input["mean"] == pytest.approx([0.485, 0.456, 0.406])
    assert told.features == [
        {"name": "block1", "channels": 8, "stride": 2},
        {"name": "block2", "channels": 16, "stride": 4},
        {"name": "pooled", "channels": 16, "stride": None},
    ]
    assert told.training["steps"] == 40 and told.training["images"] == 80
    assert told.training["seed"] == 3 and told.training["data"] == "f00d"
    assert [row["protocol"] for row in told.measured] == ["knn, quick", "linear, quick"]
    knn = told.measured[0]
    assert knn["trained"] == {"mean": 0.4, "low": None, "high": None}
    assert knn["random"]["mean"] == 0.2 and knn["seeds"] == 1 and knn["paper"] is None
    assert set(told.differences) == {"folded", "saved_model"}
    assert all(far <= 1e-5 for far in told.differences.values())
    assert "BYOL features of tiny, 16 numbers" in told.summary
    assert "grill2020byol" in told.citation and told.created


def test_no_path_of_this_machine_is_published(entry):
    assert entry.card.origin == (
        "sslzoo train byol_tiny_test 'data=npz:some data.npz#train' "
        f"--workdir runs/{NAME}\n"
        f"sslzoo export runs/{NAME} --name {NAME} --licence weights=MIT"
    )
    for name in ("card.json", "README.md"):
        assert "/home" not in (entry.path / name).read_text()
    for value, said in (
        ("npz:/a/b/c.npz#test", "npz:c.npz#test"),
        ("folder:~/photos", "folder:photos"),
        ("/a/mine.py", "mine.py"),
        ("npz:/a/b.npz+folder:/c/d", "npz:b.npz+folder:d"),
        ("tfds:cifar10/train", "tfds:cifar10/train"),
        ("folder:imagenet/train", "folder:imagenet/train"),
        (0.5, 0.5),
    ):
        assert runs.public(value) == said


def test_limits_follow_from_what_is_known(entry):
    said = " ".join(entry.card.limits)
    assert "other sides than 32" in said and "of one run" in said
    assert "licence of the data was not stated" in said and "weights" not in said


LADDER = {
    "npz:/a/test.npz": {
        "knn": {
            "trained": {"mean": 0.4, "low": 0.3, "high": 0.5, "n": 3, "values": []},
            "random": {"mean": 0.2, "low": 0.1, "high": 0.3, "n": 3, "values": []},
            "difference": {},
            "runs": [{"run": "/a/runs/a"}, {"run": "b"}, {"run": "c"}],
        }
    }
}


def test_the_ladders_rows_are_shown_in_place_of_the_quick_ones(tmp_path):
    entry = make().export(NAME, registry=tmp_path, run=RUN, results=LADDER)
    (row,) = entry.card.measured
    assert row["trained"] == {"mean": 0.4, "low": 0.3, "high": 0.5}
    assert row["seeds"] == 3 and row["data"] == "npz:test.npz"
    kept = json.loads((entry.path / "results.json").read_text())
    assert runs.rows(kept) == [{**row, "paper": None}]
    assert "/a" not in (entry.path / "results.json").read_text()
    with pytest.raises(BadInput, match="not what `sslzoo evaluate"):
        make().export(NAME, registry=tmp_path, results={"knn": 0.3})


def test_the_lines_that_make_it_again_are_on_the_card(tmp_path):
    """Of every seed, of what measured them, and of the export: as they can be typed."""
    seeds = [{**RUN, "knobs": {**RUN["knobs"], "seed": n}} for n in range(2)]
    trained = {
        f"runs/s{n}": runs.command(seed, f"runs/s{n}") for n, seed in enumerate(seeds)
    }
    measured = "sslzoo evaluate runs/s0 runs/s1 --seeds 2 --out 'my scores.json'"
    made = {
        "command": measured,
        "runs": {path: {"command": line} for path, line in trained.items()},
    }
    entry = make().export(
        NAME,
        registry=tmp_path,
        run=seeds[1],
        results={**LADDER, "made": made},
        default=True,
        heads=False,
        licences={"weights": "MIT"},
    )
    *first, last = lines = entry.card.origin.splitlines()
    assert first == [*trained.values(), measured]
    assert last == (
        f"sslzoo export runs/s1 --name {NAME} --no-heads --default "
        "--results 'my scores.json' --licence weights=MIT"
    )
    for line in lines:
        cli.parser().parse_args(shlex.split(line)[1:])
    kept = json.loads((entry.path / "results.json").read_text())
    assert kept["made"] == made and runs.rows(kept) == entry.card.measured
    elsewhere = runs.origin(RUN | {"recipe": "another"}, NAME, kept)
    assert elsewhere.splitlines() == [
        runs.command(RUN | {"recipe": "another"}, f"runs/{NAME}"),
        f"sslzoo export runs/{NAME} --name {NAME}",
    ]


def test_runs_that_differ_in_more_than_their_seed_go_on_no_card(tmp_path):
    lines = "sslzoo train a seed=1 --workdir x", "sslzoo train a rate=2 --workdir y"
    made = {"command": "sslzoo evaluate x y"}
    made["runs"] = {path: {"command": line} for path, line in zip("xy", lines)}
    with pytest.raises(BadInput, match="sslzoo train a; sslzoo train a rate=2. A card"):
        runs.named({**LADDER, "made": made}, {})


FIGURE = {
    "setting": "tiny, noise, 1 epoch",
    "data": "npz:test.npz",
    "protocol": "knn",
    "value": 0.7,
    "source": "T. 1",
}


@pytest.mark.parametrize(
    "other", [{}, {"setting": "tiny, 2 epochs"}, {"data": "x"}, {"protocol": "linear"}]
)
def test_a_papers_figure_stands_beside_what_is_of_the_same_and_else_apart(
    tmp_path, monkeypatch, other
):
    figure = {**FIGURE, **other}
    monkeypatch.setattr(byol.BYOL, "figures", (figure,))
    about = {"setting": FIGURE["setting"]}
    entry = make().export(
        NAME, registry=tmp_path, run={**RUN, "about": about}, results=LADDER
    )
    (row,) = entry.card.measured
    beside = None if other else {"value": 0.7, "source": "T. 1"}
    assert row["paper"] == beside and entry.card.paper == [figure] * bool(other)
    text = (entry.path / "README.md").read_text()
    assert ("none published" in text) == bool(other)
    assert ("not to be compared" in text) == bool(other) and "T. 1" in text


def test_a_run_without_a_published_setting_has_no_figure_beside_its_scores(entry):
    assert [row["paper"] for row in entry.card.measured] == [None, None]
    assert [figure["value"] for figure in entry.card.paper][:2] == [0.743, 0.725]


ABOUT = {
    "licences": {"weights": "Apache-2.0", "data": "research use"},
    "limits": ["It is not for large pictures."],
    "learned_from": {"": "CIFAR-10, train"},
    "measured_on": {"cifar10": "CIFAR-10, test"},
    "setting": "",
}


def test_what_is_known_of_the_images_is_on_the_card_and_who_exports_says_more(tmp_path):
    told = make().export(
        NAME,
        registry=tmp_path,
        run={**RUN, "about": ABOUT},
        licences={"data": "none"},
    )
    card = told.card
    assert card.licences == {
        "code": "Apache-2.0",
        "weights": "Apache-2.0",
        "data": "none",
    }
    assert card.limits[0] == "It is not for large pictures."
    assert card.summary.endswith("from 80 images of CIFAR-10, train")
    assert card.training["learned_from"] == "CIFAR-10, train"
    assert {row["data"] for row in card.measured} == {"CIFAR-10, test"}
    assert "Apache License" in (told.path / "LICENSE").read_text()


@pytest.fixture
def onnx():
    """Without its extra, what needs it is skipped."""
    try:
        artifacts.check(["onnx"])
    except MissingExtra as missing:
        pytest.skip(str(missing))


def test_how_exact_each_form_is_is_on_the_card(method, tmp_path, onnx):
    entry = method.export(NAME, registry=tmp_path, formats=("keras", "onnx"))
    told = json.loads((entry.path / "card.json").read_text())["differences"]
    assert told == entry.card.differences == export.told(entry)["differences"]
    assert set(told) == {"folded", "saved_model", "keras", "onnx"}
    assert 0 <= told["keras"] <= 1e-5
    assert all(0 < told[form] <= 1e-4 for form in ("folded", "saved_model", "onnx"))
    page_ = (entry.path / "README.md").read_text()
    for form, far in told.items():
        assert f"{form} | {far:.1e}" in page_
    again = keras.models.load_model(entry.path / "model.keras", compile=False)
    images = np.random.default_rng(1).random((2, 32, 32, 3), "float32")
    expected = sslzoo.load(entry.path)(images)
    np.testing.assert_allclose(again(images)["pooled"], expected, rtol=1e-5, atol=1e-6)
    assert (entry.path / "model.onnx").stat().st_size > 0

"""Studies: what is made, what is not made twice, and what follows from it."""

import dataclasses
import json
import pathlib
import types

import numpy as np
import pytest

from sslzoo import recipe, runner
from sslzoo.errors import BadInput, Interrupted, MissingFile, UnknownName
from sslzoo.papers import colour, study

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
STUDIES = sorted(DOCS.glob("studies/*.json"))
TOY = "revisiting_small"
TINY = recipe.module(recipe.find(TOY)).SMALL


def measure(method, plan, seed):
    """Of the weights alone: more where they have been moved further."""
    weights = [np.abs(w.numpy()).sum() for w in method.backbone.trainable_weights]
    return {"sum": sum(weights), "seed": seed}


def cells():
    return (
        study.Cell("slow", TOY, {**TINY, "rate": 0.001}, 2),
        study.Cell("fast", TOY, {**TINY, "rate": 0.1}, 2, {"sum": "12.5"}),
        study.Cell("none", TOY, TINY, trained=False),
    )


def made(**changes):
    claim = study.above("fast is faster", "fast", "slow", ("sum",))
    whole = dict(name="toy", title="", cells=cells(), claims=(claim,), measure=measure)
    return study.Study(
        **{**whole, "columns": ("sum",), "knobs": {"decay": 1e-4}, **changes}
    )


class Heard(runner.Listener):
    def __init__(self):
        self.words = []

    def said(self, words):
        self.words.append(words)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    heard = Heard()
    found = study.run(made(), folder / "toy.json", folder / "runs", listener=heard)
    return folder, found, heard.words


def test_every_cell_has_its_first_seed_before_any_has_its_second(whole):
    folder, found, words = whole
    begun = [w.partition(": ")[2] for w in words if ", seed " in w]
    first = ["slow, seed 0", "fast, seed 0", "none, seed 0"]
    assert begun == [*first, "slow, seed 1", "fast, seed 1"]
    assert study.read(folder / "toy.json") == found
    assert {name: [*seeds] for name, seeds in found.items()} == {
        "slow": ["0", "1"],
        "fast": ["0", "1"],
        "none": ["0"],
    }
    kept = found["fast"]["1"]
    assert kept["scores"]["seed"] == 1 and kept["knobs"]["rate"] == 0.1
    assert kept["seconds"] >= 0 and kept["date"] and kept["machine"]


def test_the_scores_are_those_of_the_trained_networks(whole):
    _, found, _ = whole
    plan = recipe.load(TOY, **{**TINY, "rate": 0.1, "seed": 1})
    expected = measure(runner.pretrain(plan), plan, 1)
    assert found["fast"]["1"]["scores"] == pytest.approx(expected)
    untrained = recipe.load(TOY, **TINY)
    expected = measure(runner.untrained(untrained), untrained, 0)
    assert found["none"]["0"]["scores"] == pytest.approx(expected)


def test_how_long_it_will_take_is_told_by_what_is_there(whole, tmp_path, monkeypatch):
    """That of the other seed: cells of 60, 140 and 340 seconds, and now one of 100."""
    _, found, words = whole
    told = [w for w in words if w.startswith("About")]
    assert [w.split(" for ")[1] for w in told] == [
        f"the {n} that are left." for n in (4, 3, 2, 1)
    ]
    known = {name: dict(seeds) for name, seeds in found.items()}
    del known["slow"]["1"], known["fast"]["1"]
    for seconds, seeds in zip((60, 140, 340), known.values()):
        seeds["0"] = {**seeds["0"], "seconds": seconds}
    (tmp_path / "toy.json").write_text(json.dumps(known))
    heard, times = Heard(), iter([0, 0, 100, 100, 200])
    clock = types.SimpleNamespace(monotonic=lambda: next(times), process_time=lambda: 0)
    monkeypatch.setattr(study, "time", clock)
    study.run(made(), tmp_path / "toy.json", tmp_path, listener=heard)
    assert [w for w in heard.words if w.startswith("About")] == [
        "About 2 min for the 1 that are left."
    ]


def test_what_is_there_is_not_made_again(whole, tmp_path):
    folder, found, _ = whole
    heard = Heard()
    again = study.run(made(), folder / "toy.json", tmp_path, listener=heard)
    assert again == found and not heard.words and not [*tmp_path.iterdir()]


def test_only_what_was_asked_otherwise_is_made_anew(whole, tmp_path):
    folder, found, _ = whole
    (tmp_path / "toy.json").write_text((folder / "toy.json").read_text())
    _, *others = cells()
    other = study.Cell("slow", TOY, {**TINY, "rate": 0.002}, 1)
    heard = Heard()
    changed = made(cells=(other, *others))
    again = study.run(changed, tmp_path / "toy.json", tmp_path, listener=heard)
    assert [w for w in heard.words if ", seed " in w] == ["4 of 4: slow, seed 0"]
    assert again["fast"] == found["fast"]
    assert again["slow"]["0"]["knobs"]["rate"] == 0.002


def test_rows_that_are_named_are_made_alone(command, tmp_path, monkeypatch):
    monkeypatch.setattr(colour, "STUDY", made(claims=()))
    out = tmp_path / "toy.json"
    words = ["paper", "colour", "--workdir", tmp_path, "--out", out]
    code, _, err = command(*words, "--row", "none", "--row", "fast")
    assert code == 0, err
    assert {name: [*seeds] for name, seeds in study.read(out).items()} == {
        "fast": ["0", "1"],
        "none": ["0"],
    }
    code, _, err = command(*words, "--row", "fsat")
    assert code == 1 and "no row 'fsat'. Did you mean 'fast'?" in err


def test_one_file_is_of_one_setting(whole, tmp_path):
    """Three times the epochs, say: no table may have rows of both."""
    folder, found, _ = whole
    out = tmp_path / "toy.json"
    out.write_text((folder / "toy.json").read_text())
    with pytest.raises(BadInput, match="with decay=0.0001, and you ask for decay"):
        study.run(made(), out, tmp_path, {"decay": "0.5"})
    assert study.read(out) == found


@pytest.mark.parametrize(
    "knobs, words",
    [
        ({"images": "toyworld:x?count"}, "images=synthetic.*Say images=synthetic,"),
        ({"epochs_of_96": 3}, "epochs_of_96=1, and you .*=3. Say epochs_of_96=1,"),
    ],
)
@pytest.mark.parametrize("row", ["none", "other"])
def test_what_a_cell_says_by_a_knob_of_the_study_is_of_one_setting_too(
    tmp_path, row, knobs, words
):
    """Of the row that is there, and of another; by the name that people may say."""
    (*_, none) = cells()
    by_theirs = {"data": "{images}:8", "epochs": "{epochs_of_96}"}
    none = dataclasses.replace(none, knobs={**TINY, **by_theirs})
    theirs = {"images": "synthetic", "epochs": 10, "epochs_of_96": 1}
    both = (none, dataclasses.replace(none, name="other"))
    one = made(cells=both, claims=(), knobs=theirs)
    out = tmp_path / "toy.json"
    found = study.run(one, out, tmp_path, rows=["none"])
    assert study.current(one, found) == found
    with pytest.raises(BadInput, match=f"has 'none' with {words}"):
        study.run(one, out, tmp_path, knobs, rows=[row])
    assert study.read(out) == found


def test_the_rows_of_a_study_that_is_half_measured_are_of_it():
    """Its images are our files; they go on being its rows."""
    found = study.read(DOCS / "studies" / "colour.json")
    assert study.current(colour.STUDY, found) == {
        cell.name: found[cell.name] for cell in colour.CELLS if cell.name in found
    }


def test_words_of_a_recipe_may_be_mended(tmp_path):
    """Hours of runs are not void for a docstring; for a number they are."""
    path = tmp_path / "mine.py"
    first = '"""One."""\n\ndef recipe(a=1):\n    """Two."""\n    return a\n'
    found = []
    for text in (
        first,
        first.replace("One", "A word\nor two"),
        first.replace('    """Two."""\n', "    # Two.\n"),
        first.replace("a=1", "a=2"),
    ):
        path.write_text(text)
        found.append(study.code(path))
    assert found[0] == found[1] == found[2] != found[3]


@pytest.mark.parametrize("changed", ["its knob", "its recipe"])
def test_no_table_has_a_row_that_the_study_would_make_anew(whole, changed):
    _, found, _ = whole
    assert study.current(made(), found) == found
    slow, *others = cells()
    if changed == "its knob":
        slow = dataclasses.replace(slow, knobs={**slow.knobs, "rate": 0.002})
    else:
        seeds = {s: {**kept, "text": "another"} for s, kept in found["slow"].items()}
        found = {**found, "slow": seeds}
    text = study.tables(made(cells=(slow, *others)), found)
    assert "| slow |" not in text and "Not measured yet: 1 of 3 rows." in text
    assert "| fast is faster |  |  | 0 | not measured yet |" in text


def test_what_people_may_say_of_all_rows_is_no_other_study(tmp_path):
    out = tmp_path / "toy.json"
    one = made(cells=cells()[2:], claims=())
    found = study.run(one, out, tmp_path, {"decay": "0.5"})
    assert study.current(one, found) == found


def test_images_that_are_missing_are_told_before_hours_of_other_rows(tmp_path):
    slow, *_, none = cells()
    last = dataclasses.replace(none, name="last", knobs={**TINY, "test": "npz:no#x"})
    theirs = {**made().knobs, "cifar10": "npz:no#"}
    with pytest.raises(MissingFile, match="by cifar10=npz:no#, which you"):
        study.run(
            made(cells=(slow, last), claims=(), knobs=theirs),
            *(tmp_path / "x.json", tmp_path),
        )
    assert not [*tmp_path.iterdir()]


def test_after_its_minutes_no_cell_is_begun(tmp_path):
    heard = Heard()
    found = study.run(
        made(), tmp_path / "toy.json", tmp_path, minutes=-1, listener=heard
    )
    assert found == {} and heard.words == ["5 of 5 are left for next time."]


def test_a_run_that_is_interrupted_goes_on_with_the_study(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise Interrupted("Stopped.")

    with monkeypatch.context() as patch:
        patch.setattr(runner, "pretrain", stop)
        with pytest.raises(Interrupted, match="give its command again"):
            study.run(made(), tmp_path / "toy.json", tmp_path)
    assert not (tmp_path / "toy.json").exists()


def test_a_run_that_diverges_is_told_and_the_study_goes_on(tmp_path):
    cells = (
        study.Cell("wild", TOY, {**TINY, "rate": 1e30}, published={"sum": "1"}),
        study.Cell("none", TOY, TINY, trained=False),
    )
    claim = study.above("wild is faster", "wild", "none", ("sum",))
    one, heard = made(cells=cells, claims=(claim,)), Heard()
    found = study.run(one, tmp_path / "toy.json", tmp_path / "runs", listener=heard)
    assert [*found] == ["wild", "none"]
    assert any("is not a number" in w and "goes on" in w for w in heard.words)
    told = study.tables(one, study.read(tmp_path / "toy.json"))
    assert "| wild | 1, 1 diverged |  | 1 |" in told
    assert "| none | 1 | " in told and "not measured yet" in told
    assert study.run(one, tmp_path / "toy.json", tmp_path / "elsewhere") == found
    assert not (tmp_path / "elsewhere").exists()


def test_a_knob_is_of_all_cells_that_have_it(tmp_path):
    (slow, *_) = cells()
    one = made(cells=(study.Cell("slow", TOY, slow.knobs),))
    out = tmp_path / "toy.json"
    found = study.run(one, out, tmp_path, {"decay": "0.5"})
    assert found["slow"]["0"]["knobs"]["decay"] == 0.5
    with pytest.raises(UnknownName, match="no knob 'deacy'. Did you mean 'decay'"):
        study.run(one, out, tmp_path, {"deacy": "0.5"})


def kept(**scores):
    """A file of a study: {cell: its score with each seed}."""
    return {
        cell: {str(s): {"knobs": {}, "scores": {"sum": v}} for s, v in enumerate(of)}
        for cell, of in scores.items()
    }


@pytest.mark.parametrize(
    "fast, says",
    [
        ([0.30, 0.31, 0.33], "holds"),  # +0.10, +0.09, +0.11
        ([0.10, 0.11, 0.13], "is contradicted"),
        ([0.10, 0.30, 0.25], "not decided"),
        ([0.30, 0.32], "not decided"),  # Both +0.10: of two seeds nothing is said.
        ([0.30], "not decided"),  # One seed has no interval.
    ],
)
def test_a_claim_is_decided_by_the_interval_of_the_paired_difference(fast, says):
    (claim,) = made().claims
    assert study.verdict(claim, kept(slow=[0.2, 0.22, 0.22], fast=fast))["says"] == says


def test_a_claim_of_a_score_that_no_row_has_is_not_measured():
    claim = study.Claim("it is told", ((1, "fast", ("other",)),))
    told = study.verdict(claim, kept(fast=[0.4, 0.6]))
    assert told == {"difference": None, "says": "not measured yet"}


def test_a_claim_of_what_is_not_there_is_not_measured():
    (claim,) = made().claims
    assert study.verdict(claim, kept(slow=[0.2]))["says"] == "not measured yet"


def test_tables_have_what_was_measured_and_what_the_paper_says_apart():
    text = study.tables(made(), kept(slow=[0.2, 0.3], fast=[0.4, 0.6]))
    assert "| row | seeds | sum | paper, sum |" in text
    assert "| slow | 2 | 25.0 |  |" in text and "| fast | 2 | 50.0 | 12.5 |" in text
    assert "none" not in text and "Not measured yet: 1 of 3 rows." in text
    # d = 0.2 and 0.3: t(1) = 12.706, 0.25 +- 12.706 * 0.0707 / sqrt 2.
    assert "| fast is faster | +25.0 | -38.5 to +88.5 | 2 | not decided |" in text


def test_a_table_says_what_its_runs_took(whole):
    _, found, _ = whole
    seconds = {"slow": 1800, "fast": 3600}
    told = {
        name: {s: {**kept, "processor_seconds": seconds.get(name)} for s, kept in of}
        for name, of in ((name, seeds.items()) for name, seeds in found.items())
    }
    del told["none"]["0"]["processor_seconds"]
    text = study.tables(made(), told)
    assert "3.0 processor hours, of 4 runs; of 1 more it was not kept." in text


def test_the_papers_difference_stands_beside_ours_where_it_has_one():
    slow, fast, _ = cells()
    both = dataclasses.replace(slow, published={"sum": "2.25"}), fast
    text = study.tables(made(cells=both), kept(slow=[0.2, 0.3], fast=[0.4, 0.6]))
    assert "| 2 | not decided | +10.2 |" in text and "paper's difference |" in text


@pytest.mark.parametrize("file", STUDIES, ids=lambda path: path.stem)
def test_the_page_of_a_study_has_what_its_file_has(file):
    text = file.with_suffix(".md").read_text()
    made = study.shown(study.load(file.stem), study.read(file))
    assert study.inserted(text, made) == text


def test_the_tables_of_a_page_are_made_anew_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n{}\nold\n{}\nbehind\n".format(*study.MARKS))
    for _ in range(2):
        study.write_page(made(), {}, page)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nbehind\n")
    assert "old" not in text and text.count("| row |") == 1
    page.write_text("nothing")
    with pytest.raises(BadInput, match="no place for tables"):
        study.write_page(made(), {}, page)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": {"0": {}}}', '{"a": 3}'])
def test_a_file_that_is_none_of_a_study_is_refused(tmp_path, text):
    (tmp_path / "toy.json").write_text(text)
    with pytest.raises(BadInput, match="no file of a study"):
        study.read(tmp_path / "toy.json")


@pytest.mark.parametrize("name", study.names())
def test_every_study_has_cells_that_its_recipes_can_make(name):
    found = study.load(name)
    assert found.name == name
    assert len({cell.slug(0) for cell in found.cells}) == len(found.cells)
    for cell in found.cells:
        assert cell.knobs.keys() <= recipe.knobs_of(recipe.find(cell.recipe)).keys()
        assert cell.published.keys() <= {*found.columns}
    for claim in found.claims:
        # Of one part: its score is above zero where it is worth something.
        assert sum(sign for sign, *_ in claim.parts) == 0 or len(claim.parts) == 1
        for _, cell, columns in claim.parts:
            assert found.cell(cell).seeds >= 3
            assert {*columns} <= {*found.columns}


def test_a_mistyped_study_is_named(command, tmp_path):
    code, _, err = command("paper", "color", "--workdir", tmp_path)
    assert code == 1 and "No study 'color'. Did you mean 'colour'?" in err


def test_the_command_makes_a_study_and_its_page(command, tmp_path, monkeypatch):
    (_, _, none) = cells()
    monkeypatch.setattr(colour, "STUDY", made(cells=(none,), claims=()))
    page, out = tmp_path / "page.md", tmp_path / "x" / "toy.json"
    page.write_text("\n".join(study.MARKS))
    words = ["paper", "colour", "--workdir", tmp_path, "--out", out, "--page", page]
    code, said, err = command(*words)
    assert (
        code == 0 and "| none | 1 |" in said and "| none | 1 |" in page.read_text()
    ), err
    assert json.loads(command(*words, "--json")[1]).keys() == {"none"}


def test_a_page_without_a_place_for_tables_is_found_out_at_once(
    command, tmp_path, monkeypatch
):
    monkeypatch.setattr(study, "run", None)  # It is not come to.
    words = ["paper", "colour", "--workdir", tmp_path, "--out", tmp_path / "x.json"]
    code, _, said = command(*words, "--page", tmp_path / "gone.md")
    assert code == 1 and "gone.md" in said and "Name the page" in said
    (tmp_path / "plain.md").write_text("words")
    code, _, said = command(*words, "--page", tmp_path / "plain.md")
    assert code == 1 and "no place for tables" in said
    assert not (tmp_path / "x.json").exists()


def test_the_page_has_what_there_was_when_a_study_was_stopped(
    command, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise Interrupted("Stopped.")

    slow, _, none = cells()
    monkeypatch.setattr(colour, "STUDY", made(cells=(none, slow), claims=()))
    monkeypatch.setattr(runner, "pretrain", stop)
    page, out = tmp_path / "page.md", tmp_path / "toy.json"
    page.write_text("\n".join(study.MARKS))
    words = ["paper", "colour", "--workdir", tmp_path, "--out", out, "--page", page]
    code, _, err = command(*words)
    assert code and "give its command again" in err
    assert "| none | 1 |" in page.read_text() and "1 of 2 rows" in page.read_text()


def test_a_split_brain_has_a_score_for_each_layer():
    small = dict(data="synthetic:40", test="synthetic:20", width=1 / 16)
    plan = recipe.load(colour.SPLIT, **small, batch_size=4, epochs=1, count=0)
    found = colour.measure(runner.untrained(plan), plan, 0)
    assert tuple(found) == colour.LAYERS
    assert all(0 <= score <= 1 for score in found.values())


def test_a_claim_may_be_a_sum_of_several_cells():
    """(a - b) - (c - d), by seed: 0.2, 0.3, 0.25; columns of a part are averaged."""
    scores = {
        "a": [(0.5, 0.7), (0.6, 0.8), (0.5, 0.8)],
        "b": [(0.2, 0.2), (0.2, 0.2), (0.2, 0.2)],
        "c": [(0.5, 0.5), (0.5, 0.5), (0.5, 0.5)],
        "d": [(0.3, 0.3), (0.3, 0.3), (0.3, 0.3)],
    }
    found = {
        name: {str(s): {"scores": {"x": x, "y": y}} for s, (x, y) in enumerate(rows)}
        for name, rows in scores.items()
    }
    signs = {"a": 1, "b": -1, "c": -1, "d": 1}
    parts = tuple((sign, name, ("x", "y")) for name, sign in signs.items())
    told = study.verdict(study.Claim("more", parts), found)
    assert told["says"] == "holds" and told["difference"]["n"] == 3
    assert told["difference"]["mean"] == pytest.approx(0.25)
    assert told["difference"]["low"] == pytest.approx(0.25 - 4.302653 * 0.05 / 3**0.5)
    opposite = tuple((-sign, name, columns) for sign, name, columns in parts)
    told = study.verdict(study.Claim("less", opposite), found)
    assert told["says"] == "is contradicted"


def test_a_knob_of_a_cell_may_name_one_of_the_study():
    cell = study.Cell("x", "byol_r18w16_cifar10", {"data": "{mine}train"})
    asked = study._asked(cell, 1, {"mine": "npz:mine.npz#"})
    assert asked["knobs"]["data"] == "npz:mine.npz#train"

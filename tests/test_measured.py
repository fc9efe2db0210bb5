"""docs/measured.md says what the records beside it say, to each digit that it shows."""

import itertools
import json
import pathlib
import re
import statistics

import pytest

from sslzoo import backbones, recipe
from sslzoo.bench import tasks

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
FILES = DOCS.glob("measured/*.json")
RECORDS = {path.stem: json.loads(path.read_text()) for path in FILES}
RUNS = {name: found for name, found in RECORDS.items() if "made" in found}
RATIOS = {name: found for name, found in RECORDS.items() if "ratio" in found}
COSTS = {name: found for name, found in RECORDS.items() if "bench" in found}
PORTABLE = {name: found for name, found in RECORDS.items() if "differences" in found}
PAGE = (DOCS / "measured.md").read_text()
PROSE = " ".join(PAGE.split())


def rows(column, below=""):
    """The rows of the first table that has this column, as {column: cell}."""
    lines = iter(PAGE[PAGE.index(below) :].splitlines())
    for line in lines:
        if line.startswith("|") and column in cells(line):
            next(lines)
            body = itertools.takewhile(lambda row: row.startswith("|"), lines)
            return [dict(zip(cells(line), cells(row))) for row in body]
    raise AssertionError(f"no table has a column {column!r}")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def shown(value, like):
    """The value with as many digits after its point as the figure `like`."""
    return f"{value:.{len(like.partition('.')[2])}f}"


def percent(value):
    return f"{100 * value:.1f}"


def only(found):
    """The one set of images of a record."""
    (images,) = (name for name in found if name != "made")
    return images


def recipe_of(found):
    (name,) = {run["command"].split()[2] for run in found["made"]["runs"].values()}
    return name


def test_each_record_is_of_one_kind_and_is_spoken_of():
    kinds = RUNS, RATIOS, COSTS, PORTABLE
    assert set().union(*kinds) == RECORDS.keys() and all(kinds)
    assert sum(map(len, kinds)) == len(RECORDS)
    for name in RECORDS:
        assert f"(measured/{name}.json)" in PAGE


def test_each_record_says_when_where_and_by_which_command():
    alone = [*RATIOS.values(), *COSTS.values(), *PORTABLE.values()]
    for found in [*alone, *(found["made"] for found in RUNS.values())]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
        assert found["date"] in PROSE.partition("## ")[0]
        assert "cores" in found["machine"]
        assert re.match(
            r"(sslzoo|python tools/(compare|portable).py) ", found["command"]
        )


@pytest.mark.parametrize("name", RUNS)
def test_the_table_of_runs_has_how_they_ended(name):
    found, images = RUNS[name], only(RUNS[name])
    (row,) = (r for r in rows("kNN-20, random") if f"`{recipe_of(found)}`" in r["run"])
    ended = [run["ended"][images] for run in found["made"]["runs"].values()]
    assert row["seeds"] == str(len(ended))
    for protocol, column in (("knn", "kNN-20"), ("linear", "linear")):
        for of in ("random", "trained"):
            mean = statistics.mean(each[of][protocol] for each in ended)
            assert row[f"{column}, {of}"] == percent(mean), (protocol, of)


def test_the_table_of_runs_has_no_others():
    assert len(rows("kNN-20, random")) == len(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_what_evaluate_gave_is_told_as_it_is_recorded(name):
    """In the sentence that ends with the link to the record."""
    before, _, _ = PROSE.partition(f"(measured/{name}.json)")
    sentence = before.rpartition("by `sslzoo evaluate`")[2]
    found = RUNS[name][only(RUNS[name])]
    for protocol in found:
        assert percent(found[protocol]["trained"]["mean"]) in sentence
    told = set(re.findall(r"\d+\.\d", sentence))
    known = {
        percent(value)
        for protocol in found.values()
        for of in ("trained", "random")
        for key in ("mean", "low", "high")
        if (value := protocol[of][key]) is not None
    }
    assert told <= known


SEVERAL = [name for name, found in RUNS.items() if len(found["made"]["runs"]) > 1]


@pytest.mark.parametrize("name", SEVERAL)
def test_seeds_that_are_told_one_by_one_are_those_of_the_runs(name):
    """'48.5, 53.1, 70.9 by kNN' and the like, of runs of several seeds."""
    images = only(RUNS[name])
    ended = [run["ended"][images] for run in RUNS[name]["made"]["runs"].values()]
    for protocol in ("knn", "linear"):
        seeds = sorted(percent(each["trained"][protocol]) for each in ended)
        assert ", ".join(seeds) in PROSE


def test_every_run_is_well_above_random_features():
    """By eight points at least, each seed by itself; of the toy world, as is said."""
    least = {}
    for name, record in RUNS.items():
        found = record[only(record)].values()
        least[name] = min(min(each["difference"]["values"]) for each in found)
    assert min(least.values()) >= 0.08
    points = re.search(r"each run gains (\d+) points or more", PROSE)
    assert int(points[1]) == int(100 * least["byol_r18w16_toyworld"])


def test_the_toy_world_was_measured_as_its_recipe_stands():
    """The settings of its first five minutes: no knob but the seed."""
    for run in RUNS["byol_r18w16_toyworld"]["made"]["runs"].values():
        _, _, name, *words = run["command"].split()
        knobs = words[: words.index("--workdir")]
        assert all(word.startswith("seed=") for word in knobs)
        epochs = recipe.knobs_of(recipe.find(name))["epochs"]
        (row,) = (r for r in rows("kNN-20, random") if f"`{name}`" in r["run"])
        assert f"{epochs} epochs" in row["run"]


MISSED = {  # Records of what is less than was wanted, and the words that say so.
    "step-bf16": "The bfloat16 step misses its number.",
    "forward": "features of ResNet-50 miss their number by a hair**: 1.0986",
    "forward-torch-slow": "**There two miss theirs**: features and steps beside",
    "supervised-slow": "**There two miss theirs**: features and steps beside",
}


RATIO_ROWS = [
    row
    for title in ("## Speed, as a ratio", "### Convolutions")
    for row in rows("ratio", title)
]


@pytest.mark.parametrize("row", RATIO_ROWS, ids=lambda row: row["record"])
def test_each_ratio_to_a_peer_is_that_of_its_record(row):
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    found = RATIOS[name]
    assert row["ratio"] == shown(found["ratio"], row["ratio"])
    turns = [ours / peer for ours, peer in zip(found["ours"], found["peer"])]
    assert statistics.median(turns) == pytest.approx(found["ratio"])
    if row["wanted"] != "none":
        met = found["ratio"] >= float(row["wanted"])
        assert met or (name in MISSED and MISSED[name] in PROSE)


@pytest.mark.parametrize("row", rows("the file"), ids=lambda row: row["record"])
def test_what_a_conversion_costs_is_that_of_its_record(row):
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    for column, key in (
        ("megabytes", "megabytes"),
        ("seconds", "seconds"),
        ("peak of memory over the file", "peak_over_file"),
    ):
        assert row[column] == shown(COSTS[name][key], row[column])
    assert COSTS[name]["seconds"] < 10 and COSTS[name]["peak_over_file"] < 3


@pytest.mark.parametrize("row", rows("backbones"), ids=lambda row: row["backend"])
def test_how_far_another_backend_is_is_that_of_its_record(row):
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    found = PORTABLE[name]
    far = found["differences"]
    assert set(far) == set(backbones.BUILDERS)
    assert row["backbones"] == str(len(far))
    assert row["backend"] == f"{found['backend']} {found['version']}"
    worst = max(far, key=far.get)
    assert row["largest difference"] == f"{far[worst]:.1e}"
    assert row["of"] == f"`{worst}`"
    assert far[worst] <= float(row["wanted"])


ITSELF = {  # Words of a row: the key of its record, and how its figure is written.
    "`import sslzoo`": ("import_seconds", "{:.2f} s"),
    "--help": ("help_seconds", "{:.2f} s"),
    "500 cards": ("seconds", "{:.2f} s"),
    "conformance": ("seconds", "{:.1f} s"),
    "in a new process": ("seconds", "{:.1f} s"),
    "`import tensorflow` alone": ("tensorflow_seconds", "{:.1f} s"),
    "3 MB": ("peak_over_file", "{:.1f}"),
    "148 MB": ("peak_over_file", "{:.1f}"),
}


@pytest.mark.parametrize("words", ITSELF)
def test_what_the_library_takes_is_that_of_its_record(words):
    """And what was wanted, but for the load, of which the page says so."""
    (row,) = (r for r in rows("here") if words in r["what"])
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    key, form = ITSELF[words]
    assert row["here"] == form.format(COSTS[name][key])
    if "in a new process" in words:
        assert "misses its 5 seconds" in PROSE
    elif row["wanted"] != "none":
        assert COSTS[name][key] < float(row["wanted"].removesuffix(" s"))


def test_what_is_ours_of_a_load_is_less_than_a_second():
    found, before = (
        COSTS["load-plain"],
        PROSE.partition("(measured/load-plain.json))")[0],
    )
    whole, theirs = found["seconds"], found["tensorflow_seconds"]
    told = f"it takes {whole:.1f} s, of which {theirs:.1f} s are TensorFlow's"
    assert told in before and whole - theirs < 1
    assert f"there is {found['peak_over_file']:.1f} times the file" in PROSE


@pytest.mark.parametrize("row", rows("the network alone"), ids=lambda r: r["record"])
def test_features_of_a_folder_are_those_of_their_record(row):
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    found = COSTS[name]
    assert row["computed in"] == found["computed_in"]
    for column, key in (
        ("images a second", "images_per_second"),
        ("the network alone", "bare_images_per_second"),
    ):
        assert row[column] == shown(found[key], row[column])
    assert row["part of it"] == f"{100 * found['part_of_bare']:.0f} %"
    met = found["part_of_bare"] >= 0.9
    assert met if row["computed in"] == "float32" else "second misses" in PROSE


STEP = {  # Words of a row: the key of its record.
    "peak": "mebibytes",
    "seconds": "seconds",
    "kept": "kept_mebibytes",
}


@pytest.mark.parametrize("row", rows("with maps"), ids=lambda row: row[""])
def test_what_a_step_without_maps_takes_is_that_of_its_record(row):
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    what = next(key for words, key in STEP.items() if words in row[""])
    found = COSTS[name]
    for column, kind in (
        ("with maps", "plain"),
        ("without", "saving"),
        ("part", "part_of_plain"),
    ):
        assert row[column] == shown(found[f"{kind}_{what}"], row[column])
    if row["wanted"] != "none":
        assert found[f"part_of_plain_{what}"] <= float(row["wanted"])


COLOURS = {  # Words of a row: the key of its record.
    "to its bins": "milliseconds_per_image",
    "of the step, for": "step_milliseconds_per_image",
    "part of the step": "part_of_step",
    "over the planes": "bins_over_ab",
    "of all places": "dense_mebibytes",
    "of 128 places": "sparse_mebibytes",
    "part of it": "part_of_dense_mebibytes",
}


@pytest.mark.parametrize("row", rows("here", "## What colours cost"), ids=str)
def test_what_colours_cost_is_that_of_its_record(row):
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    (key,) = (key for words, key in COLOURS.items() if words in row["what"])
    figure, _, percents = row["here"].partition(" ")
    found = COSTS[name][key] * (100 if percents else 1)
    assert figure == shown(found, figure)
    if row["wanted"] != "none":
        assert found <= float(row["wanted"].removesuffix(" %"))


def test_a_few_places_have_the_loss_of_all():
    """Within two standard errors of the draws."""
    found = COSTS["hypercolumns"]
    dense, sparse = found["dense_loss"], found["sparse_loss"]
    error = found["sparse_loss_error"]
    assert abs(dense - sparse) < 2 * error
    told = f"all places is {dense:.3f}, that of 128, over twenty draws, {sparse:.3f}"
    assert f"{told} with a standard error of {error:.3f}" in PROSE


def test_a_revnet_of_twice_the_units_keeps_no_more_maps():
    """Asked: within 10 %, where plain backprop about doubles."""
    once, twice = COSTS["memory"], COSTS["memory-doubled"]
    assert (once["units"], twice["units"]) == (1, 2)
    key = "kept_mebibytes"
    assert twice[f"saving_{key}"] == pytest.approx(once[f"saving_{key}"], rel=0.1)
    more = twice[f"plain_{key}"] - once[f"plain_{key}"]
    # Of the units, which double; the rest is of the root.
    assert more > 0.5 * once[f"plain_{key}"]
    said = f"{more:.0f} MiB more for as many units more, so that the other "
    assert said + f"{once[f'plain_{key}'] - more:.0f} are of the root" in PROSE


@pytest.mark.parametrize("row", rows("overhead"), ids=lambda row: row["task"])
def test_what_a_task_costs_is_that_of_its_record(row):
    """At most a tenth more than its operations do for labels."""
    (name,) = re.findall(r"measured/([\w-]+)\.json", row["record"])
    found = COSTS[name]
    assert row["task"] == f"`{found['task']}`" and found["backbone"] == "resnet50v2"
    assert (found["k"], found["image_size"]) == (4, 224)
    assert row["pictures of a batch"] == str(found["batch_size"])
    for column, key in (("seconds", "seconds"), ("of labels", "seconds_of_labels")):
        assert row[column] == shown(found[key], row[column])
    work = found["operations"] / found["operations_of_labels"]
    assert row["operations, over those of labels"] == shown(work, "0.00")
    assert row["overhead"] == f"{round(100 * found['overhead'])} %"
    rates = found["seconds"] / found["seconds_of_labels"] / work
    assert rates - 1 == pytest.approx(found["overhead"], abs=1e-6)
    assert found["overhead"] <= 0.1


def test_each_task_is_measured():
    assert [row["task"] for row in rows("overhead")] == [
        f"`{t}`" for t in tasks.THROUGH
    ]


def test_features_of_the_folded_network_are_as_near_as_was_wanted():
    found = COSTS["exact"]
    assert (found["backbone"], found["computed_in"]) == ("resnet50", "float32")
    assert found["difference"] <= 1e-4 and found["cosine"] > 0.9999
    assert f"Its features are {found['difference']:.1e} of the largest" in PROSE
    told = float(re.search(r"their cosine is above (0\.9+)", PROSE)[1])
    assert found["cosine_in_bfloat16"] > told >= 0.9999


def test_each_ratio_is_shown():
    shown = [re.findall(r"measured/([\w-]+)\.json", r["record"]) for r in RATIO_ROWS]
    assert sorted(shown) == sorted([name] for name in RATIOS)


def test_what_is_said_of_single_turns_and_objectives_is_recorded():
    step = RATIOS["step-bf16"]
    turns = [ours / peer for ours, peer in zip(step["ours"], step["peer"])]
    assert f"turns gave {min(turns):.2f} to {max(turns):.2f}" in PROSE
    ends = RATIOS["linear"]["objectives"]
    ours, peer = (statistics.median(ends[who]) for who in ("ours", "peer"))
    assert f"objective of {ours:.2f}, scikit-learn at {peer:.2f}" in PROSE


@pytest.mark.parametrize("task", ["rotation", "jigsaw"])
def test_what_a_task_was_told_on_its_page_is_recorded(task):
    page = " ".join((DOCS / "pretext.md").read_text().split())
    (found,) = (v for k, v in json.loads((DOCS / f"{task}.json").read_text()).items()
                if k != "made")  # fmt: skip
    own, linear = found["pretext"], found["linear"]
    assert f"{100 * own['trained']['mean']:.1f} %" in page
    trained, before = (f"{100 * linear[k]['mean']:.1f}" for k in ("trained", "random"))
    assert re.search(rf"{trained}( % by the linear probe)? \({before} before\)", page)

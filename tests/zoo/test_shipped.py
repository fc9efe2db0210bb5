"""What savedmodels/ ships is what its cards say, and they are what was measured.

Every check runs on each model of the checkout and on one that is made here, so that it
is tried while none is shipped too; and each fails on a copy that was tampered with.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo import backbones, disk
from sslzoo.data import terms
from sslzoo.errors import SslzooError
from sslzoo.methods import byol
from sslzoo.zoo import artifacts, card, export, load, page, registry, run, sums
from tools import cards

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = cards.models(ROOT / "savedmodels")
LARGEST = 5_000_000  # Bytes of a file that git shall keep.
NAME = "byol_tiny.cifar10_ep1"
SCORES = {"mean": 0.4, "low": 0.35, "high": 0.45, "n": 2, "values": [0.39, 0.41]}
RESULTS = {
    "cifar10": {
        "knn": {
            "trained": SCORES,
            "random": {"mean": 0.2, "low": None, "high": None},
            "runs": [{"run": "/tmp/runs/a"}, {"run": "/tmp/runs/b"}],
        }
    }
}
RUN = {
    "recipe": "byol_tiny_cifar10",
    "recipe_text": "def recipe(): ...\n",
    "knobs": {"data": "npz:/tmp/cifar10_jpeg.npz#train", "epochs": 1},
    "defaults": {"data": "tfds:cifar10/train", "epochs": 1},
    "seed": 0,
    "steps": 1,
    "images": {"": 8},
    "data": {"": "f00d"},
    "versions": {"keras": "3"},
    "about": {
        "licences": {"weights": "Apache-2.0", "data": "research use"},
        "limits": list(terms.KNOWN["npz:cifar10_jpeg.npz"].limits),
        "learned_from": {"": "CIFAR-10 (JPEG copies), train"},
        "measured_on": {"cifar10": "CIFAR-10 (JPEG copies), test"},
    },
}


def publish(place, seed):
    """A model as the shipped ones are published."""
    keras.utils.set_random_seed(seed)
    method = byol.BYOL(
        backbones.build("tiny"), 1, byol.example(32), hidden=16, outputs=8
    )
    method.export(
        NAME, registry=place, run=RUN, results=RESULTS, default=True, heads=False
    )
    cards.write(place)
    return place / NAME


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("made"), seed=0)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same with other weights: what may be mistaken for it."""
    return publish(tmp_path_factory.mktemp("other"), seed=1)


# Each takes the folder of a model, and raises.


def its_page_is_made_of_its_card(folder):
    text = (folder / "README.md").read_text()
    assert text == page.page(cards.card_of(folder)), "run: python tools/cards.py"


def its_card_is_as_it_was_written(folder):
    read = cards.card_of(folder)
    assert read.text() == (folder / "card.json").read_text()
    assert card.parse(read.text()) == read and read.name == folder.name


def its_sums_are_those_of_its_files(folder):
    sums.check(folder)


def its_licences_are_stated_and_there(folder):
    stated = cards.card_of(folder).licences
    for of in ("code", "weights", "data"):
        assert stated.get(of, "not stated") != "not stated", of
    assert (folder / "LICENSE").read_text() == export.licence(stated["weights"])


def its_limits_are_said_in_sentences(folder):
    limits = cards.card_of(folder).limits
    # Of people export says so of any model: of its own images, too, it must be said.
    assert sum("is not for" in sentence for sentence in limits) >= 2
    assert all(sentence.endswith(".") and " " in sentence for sentence in limits)


def its_scores_are_its_results(folder):
    read = cards.card_of(folder)
    results = json.loads((folder / export.RESULTS).read_text())
    assert [{**row, "paper": None} for row in read.measured] == run.rows(results)
    assert all(row["seeds"] and row["random"] for row in read.measured)


def its_papers_figures_have_a_source(folder):
    read = cards.card_of(folder)
    beside = [row["paper"] for row in read.measured if row["paper"]]
    assert beside or read.paper
    assert all(figure["source"] and 0 < figure["value"] < 1 for figure in beside)
    for figure in read.paper:
        assert all(figure[key] for key in ("setting", "data", "protocol", "source"))


def it_says_how_it_was_made(folder):
    read = cards.card_of(folder)
    assert read.origin.startswith("sslzoo train ") and "/tmp" not in read.origin
    assert (folder / "recipe.py").is_file() and read.training["steps"] > 0


def it_is_small_enough_for_git(folder):
    large = [str(p) for p in folder.rglob("*") if p.stat().st_size > LARGEST]
    assert not large


def it_is_features_alone(folder):
    read = cards.card_of(folder)
    assert not read.heads and any("no heads" in words for words in read.limits)
    for name in ("heads.weights.h5", "optimizer.npz", "method.json"):
        assert not (folder / name).exists(), "export it with --no-heads"


def it_answers_as_its_card_says(folder):
    model = sslzoo.load(str(folder), features_only=True)
    expected = model.card.expected
    assert len(expected) == export.EXPECTED
    found = load.answer(model, model.card.input)[: len(expected)]
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def its_features_are_those_of_its_card(folder):
    model = sslzoo.load(str(folder), features_only=True)
    there = {name: output.shape[-1] for name, output in model.output.items()}
    assert there == {each["name"]: each["channels"] for each in model.card.features}
    assert model.count_params() == model.card.backbone["parameters"]


def its_saved_model_differs_by_no_more_than_its_card_says(folder):
    model = sslzoo.load(str(folder), features_only=True)
    served = tf.saved_model.load(str(folder / "saved_model"))
    batches = artifacts.trials(model.card.input)
    expected, found = (
        [{name: np.asarray(value) for name, value in run(b).items()} for b in batches]
        for run in (model, served.features)
    )
    far = artifacts.difference(expected, found)
    stated = model.card.differences["saved_model"]
    # Another processor rounds otherwise, but no more than this.
    assert stated <= artifacts.LIMIT and far <= max(10 * stated, 1e-5)


CHECKS = [
    its_page_is_made_of_its_card,
    its_card_is_as_it_was_written,
    its_sums_are_those_of_its_files,
    its_licences_are_stated_and_there,
    its_limits_are_said_in_sentences,
    its_scores_are_its_results,
    its_papers_figures_have_a_source,
    it_says_how_it_was_made,
    it_is_small_enough_for_git,
    it_is_features_alone,
    it_answers_as_its_card_says,
    its_features_are_those_of_its_card,
    its_saved_model_differs_by_no_more_than_its_card_says,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("folder", [None, *SHIPPED], ids=lambda f: f.name if f else "")
def test_a_model(check, folder, made):
    check(folder or made)


@pytest.mark.parametrize("place", [None, ROOT / "savedmodels"], ids=["made", "shipped"])
def test_the_page_of_all_models_is_made_of_their_cards(place, made):
    place = place or made.parent
    text = (place / "README.md").read_text()
    assert text == cards.contents(place), "run: python tools/cards.py"


@pytest.mark.parametrize("place", [None, ROOT / "savedmodels"], ids=["made", "shipped"])
def test_a_folder_of_models_has_nothing_else_and_each_short_name_means_one(place, made):
    place = place or made.parent
    folders = {p for p in place.iterdir() if p.is_dir() and p.name[0] not in "._"}
    assert folders == set(cards.models(place))
    for folder in folders:
        read = registry.card(cards.card_of(folder).bare, place)
        assert read.default and read.bare == cards.card_of(folder).bare


# Each spoils a copy of `made`; its second argument is `other`.


def said(**changes):
    """What a card says, and its page with it."""

    def tamper(folder, _):
        changed = dataclasses.replace(cards.card_of(folder), **changes)
        (folder / "card.json").write_text(changed.text())
        (folder / "README.md").write_text(page.page(changed))

    return tamper


def written(name, text):
    return lambda folder, _: (folder / name).write_text(text)


def removed(name):
    return lambda folder, _: (folder / name).unlink()


def not_stated(of):
    def tamper(folder, _):
        licences = {**cards.card_of(folder).licences, of: "not stated"}
        said(licences=licences)(folder, _)

    return tamper


def better_scores(folder, _):
    (row,) = cards.card_of(folder).measured
    row["trained"]["mean"] = 0.9
    said(measured=[row])(folder, _)


def another_width(folder, _):
    features = cards.card_of(folder).features
    features[0]["channels"] = 99
    said(features=features)(folder, _)


def laid_out_otherwise(folder, _):
    values = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(values))


def other_weights(folder, other):
    shutil.copy(other / "backbone.weights.h5", folder)


def other_saved_model(folder, other):
    shutil.rmtree(folder / "saved_model")
    shutil.copytree(other / "saved_model", folder / "saved_model")


TAMPERED = [
    (its_page_is_made_of_its_card, written("README.md", "Mine.")),
    (its_card_is_as_it_was_written, laid_out_otherwise),
    (its_card_is_as_it_was_written, said(name="byol_tiny.other")),
    (its_licences_are_stated_and_there, not_stated("data")),
    (its_licences_are_stated_and_there, not_stated("weights")),
    (its_licences_are_stated_and_there, removed("LICENSE")),
    (its_licences_are_stated_and_there, written("LICENSE", "Mine.")),
    (its_limits_are_said_in_sentences, said(limits=[])),
    (its_limits_are_said_in_sentences, said(limits=["it is not for"])),
    (its_scores_are_its_results, better_scores),
    (its_scores_are_its_results, removed("results.json")),
    (its_papers_figures_have_a_source, said(paper=[])),
    (it_says_how_it_was_made, said(origin="by hand")),
    (it_says_how_it_was_made, removed("recipe.py")),
    (it_is_small_enough_for_git, written("more.txt", "." * (LARGEST + 1))),
    (it_is_features_alone, written("heads.weights.h5", "")),
    (it_is_features_alone, said(heads=True)),
    (it_answers_as_its_card_says, said(expected=[0.5] * 8)),
    (it_answers_as_its_card_says, other_weights),
    (its_features_are_those_of_its_card, another_width),
    (its_saved_model_differs_by_no_more_than_its_card_says, other_saved_model),
    (
        its_saved_model_differs_by_no_more_than_its_card_says,
        said(differences={"saved_model": 0.1}),
    ),
]


@pytest.mark.parametrize("check, tamper", TAMPERED)
def test_a_tampered_copy_fails_even_if_its_sums_fit(
    check, tamper, made, other, tmp_path
):
    folder = shutil.copytree(made, tmp_path / made.name)
    tamper(folder, other)
    digests = {path: disk.sha256(folder / path) for path in sums.found(folder)}
    digests.pop(sums.NAME)
    sums.write(folder, digests)
    with pytest.raises((AssertionError, SslzooError, FileNotFoundError)):
        check(folder)


def test_every_check_is_known_to_fail():
    """But for the sums: those are in the next test, where they do not fit."""
    assert {check for check, _ in TAMPERED} == {
        check for check in CHECKS if check is not its_sums_are_those_of_its_files
    }


@pytest.mark.parametrize("name", ["card.json", "backbone.weights.h5", "LICENSE"])
def test_what_was_changed_after_it_was_published_does_not_fit_its_sums(
    made, tmp_path, name
):
    folder = shutil.copytree(made, tmp_path / made.name)
    with open(folder / name, "ab") as file:
        file.write(b" ")
    with pytest.raises(SslzooError, match="Checksum mismatch"):
        its_sums_are_those_of_its_files(folder)
    cards.write(tmp_path)  # Nor does writing the pages anew hide it.
    with pytest.raises(SslzooError, match="Checksum mismatch"):
        its_sums_are_those_of_its_files(folder)


def test_the_pages_are_mended_by_one_command(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / made.name)
    (folder / "README.md").write_text("Mine.")
    assert cards.write(tmp_path) == [folder / "README.md", tmp_path / "README.md"]
    its_page_is_made_of_its_card(folder)
    its_sums_are_those_of_its_files(folder)
    assert cards.write(tmp_path) == []


def test_the_page_of_all_models_tells_what_a_reader_chooses_by(made):
    text = (made.parent / "README.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith(f"| [{NAME}]"))
    assert "BYOL features of tiny, 16 numbers" in row
    assert "| CIFAR-10 (JPEG copies), train | 16 |" in row
    assert "| CIFAR-10 (JPEG copies), test | 40.0 (20.0) | – |" in row
    assert "weights: Apache-2.0; data: research use" in row
    assert cards.card_of(made).origin in text
    assert "empty" not in text and "empty" in page.contents([])


@pytest.mark.skipif(
    not ((ROOT / ".gitignore").exists() and shutil.which("git")), reason="no checkout"
)
def test_git_keeps_every_byte_of_a_model_whatever_ends_lines_have(made, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(made, here / "savedmodels" / made.name)
    for name in (".gitignore", ".gitattributes"):
        shutil.copy(ROOT / name, here)
    settings = "[core]\nautocrlf = true\n[user]\nname = a\nemail = a@example.org\n"
    (tmp_path / "settings").write_text(settings)
    theirs = {"GIT_CONFIG_GLOBAL": tmp_path / "settings", "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words):
        done = subprocess.run(
            ["git", *words],
            cwd=here,
            env={**os.environ, **theirs},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "Ship a model")
    git("clone", "--quiet", here, there)
    sums.check(there / "savedmodels" / made.name)
    # What a person may read is shown when it changes; of the rest, that it did.
    rows = git("show", "--numstat", "--format=").splitlines()
    shown = {pathlib.Path(row.split("\t")[2]).name for row in rows if row[0] != "-"}
    assert shown == {".gitattributes", ".gitignore"} | {
        *("card.json", "config.json", "results.json", "recipe.py"),
        *("LICENSE", "README.md", "SHA256SUMS"),
    }

"""What savedmodels/ ships is what its cards say, and they are what was measured.

Every check runs on each model of the checkout and on one that is made here, so that it
is tried while none is shipped too.
"""

import json
import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

from sslzoo import cli
from sslzoo.zoo import export, page, registry, run, sums
from tests.zoo.shipped import (
    CHECKS,
    NAME,
    ROOT,
    SHIPPED,
    better_throughout,
    its_page_is_made_of_its_card,
    its_results_add_up,
    its_sums_are_those_of_its_files,
    other_results,
    planned,
)
from tools import cards


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("folder", [None, *SHIPPED], ids=lambda f: f.name if f else "")
def test_a_model(check, folder, made):
    check(folder or made)


def its_results_are_the_record(folder):
    """That of docs/measured which the card's last line gives to export."""
    read = cards.card_of(folder)
    words = shlex.split(read.origin.splitlines()[-1])
    file = ROOT / words[words.index("--results") + 1]
    plan, _ = planned(folder / "recipe.py", read.training)
    measured = run.named(json.loads(file.read_text()), plan.about())
    assert file.parent == ROOT / "docs" / "measured"
    assert json.loads((folder / export.RESULTS).read_text()) == measured


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda f: f.name)
def test_what_a_shipped_model_scores_is_what_the_page_of_figures_says(folder, tmp_path):
    its_results_are_the_record(folder)
    copy = shutil.copytree(folder, tmp_path / folder.name)
    other_results(better_throughout)(copy, None)
    its_results_add_up(copy)  # So nothing that lies beside them tells.
    with pytest.raises(AssertionError):
        its_results_are_the_record(copy)


@pytest.mark.parametrize("place", [None, ROOT / "savedmodels"], ids=["made", "shipped"])
def test_the_page_of_all_models_is_made_of_their_cards(place, made):
    place = place or made.parent
    text = (place / "README.md").read_text()
    assert text == cards.contents(place), "run: python tools/cards.py"


def test_the_lines_that_add_a_model_are_not_refused():
    """They are of a bare name that means another here: no --default."""
    text = (ROOT / "savedmodels" / "README.md").read_text(encoding="utf-8")
    lines = text.partition("## To add one")[2].partition("```")[2].partition("```")[0]
    typed = [shlex.split(line) for line in lines.splitlines()]
    known = [words[1:] for words in typed if words[:1] == ["sslzoo"]]
    *_, told = map(cli.parser().parse_args, known)
    of = registry.find("byol_r18w16", registry=ROOT / "savedmodels").card
    assert of.default and told.run is cli.export.run and not told.default


@pytest.mark.parametrize("place", [None, ROOT / "savedmodels"], ids=["made", "shipped"])
def test_a_folder_of_models_has_nothing_else_and_each_short_name_means_one(place, made):
    place = place or made.parent
    folders = {p for p in place.iterdir() if p.is_dir() and p.name[0] not in "._"}
    assert folders == set(cards.models(place))
    for folder in folders:
        read = registry.card(cards.card_of(folder).bare, place)
        assert read.default and read.bare == cards.card_of(folder).bare


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
    assert "| CIFAR-10 (JPEG copies), test | 40.0 (20.5) | – |" in row
    assert "weights: Apache-2.0; data: none published" in row
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

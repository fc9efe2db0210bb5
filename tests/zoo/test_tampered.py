"""Each check of a shipped model fails on a copy that was tampered with."""

import json
import shutil

import pytest

from sslzoo import disk
from sslzoo.errors import SslzooError
from sslzoo.zoo import sums
from tests.zoo.shipped import (
    CHECKS,
    LARGEST,
    it_answers_as_its_card_says,
    it_is_features_alone,
    it_is_small_enough_for_git,
    it_says_how_it_was_made,
    it_says_what_export_says,
    its_card_is_as_it_was_written,
    its_features_are_those_of_its_card,
    its_folded_network_differs_by_no_more_than_its_card_says,
    its_licences_are_stated_and_there,
    its_limits_are_said_in_sentences,
    its_page_is_made_of_its_card,
    its_papers_figures_have_a_source,
    its_results_add_up,
    its_saved_model_differs_by_no_more_than_its_card_says,
    its_scores_are_its_results,
    its_sums_are_those_of_its_files,
    other_results,
    protocols,
    said,
)
from tools import cards

# Each spoils a copy of `made`; its second argument is `other`.


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


def better_by_a_tenth(found):
    for result in protocols(found):
        result["trained"] = {**result["trained"], "mean": 0.5}


def of_other_images(found):
    (data,) = set(found) - {"made"}
    found["ImageNet, validation"] = found.pop(data)


def of_more_runs(found):
    for result in protocols(found):
        result["runs"] *= 2


def trained_with(knobs=None, **changes):
    """Other facts of the training."""

    def tamper(folder, _):
        training = cards.card_of(folder).training
        training = {**training, "knobs": {**training["knobs"], **(knobs or {})}}
        said(training={**training, **changes})(folder, _)

    return tamper


def a_better_paper(folder, _):
    first, *others = cards.card_of(folder).paper
    said(paper=[{**first, "value": 0.9}, *others])(folder, _)


def a_paper_beside_it(folder, _):
    (row,) = cards.card_of(folder).measured
    row["paper"] = {"value": 0.1, "source": "Grill et al. 2020, Table 1"}
    said(measured=[row])(folder, _)


def other_licence(of, words):
    def tamper(folder, _):
        said(licences={**cards.card_of(folder).licences, of: words})(folder, _)

    return tamper


def fewer_limits(folder, _):
    said(limits=cards.card_of(folder).limits[1:])(folder, _)


def another_size(folder, _):
    said(input={**cards.card_of(folder).input, "size": 64})(folder, _)


def another_width(folder, _):
    features = cards.card_of(folder).features
    features[0]["channels"] = 99
    said(features=features)(folder, _)


def another_stride(folder, _):
    features = cards.card_of(folder).features
    features[0]["stride"] = 7
    said(features=features)(folder, _)


def a_seed_untold(folder, _):
    lines = cards.card_of(folder).origin.splitlines()
    said(origin="\n".join(lines[1:]))(folder, _)


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
    (its_results_add_up, other_results(better_by_a_tenth)),
    (its_results_add_up, other_results(of_other_images)),
    (its_results_add_up, other_results(of_more_runs)),
    *(
        (it_says_what_export_says, tamper)
        for tamper in (
            said(summary="The best features that there are."),
            said(origin="sslzoo train byol_tiny_cifar10 epochs=100 --workdir runs/a"),
            said(citation="@article{mine}"),
            said(paper=[]),
            a_better_paper,
            a_paper_beside_it,
            other_licence("data", "CC0-1.0"),
            other_licence("weights", "MIT"),
            said(limits=["It is not for people.", "It is not for anything else."]),
            fewer_limits,
            another_size,
            trained_with(epochs=3),
            trained_with(steps=5),
            trained_with(seed=1),
            trained_with(images=100),
            trained_with(recipe="byol_tiny_imagenet"),
            trained_with(learned_from="ImageNet, train"),
            trained_with(more="words"),
            trained_with({"epochs": 3}),
            trained_with({"batch_size": 2}),
            trained_with({"rate": 0.2}),
            trained_with({"backbone": "resnet18"}),
            trained_with({"data": "npz:imagenette224_jpeg.npz#train"}),
            trained_with({"more": 1}),
        )
    ),
    (it_says_how_it_was_made, said(origin="by hand")),
    (it_says_how_it_was_made, a_seed_untold),
    (it_says_how_it_was_made, trained_with(recipe="byol_tiny_imagenet")),
    (it_says_how_it_was_made, trained_with(data="f00d")),
    (it_says_how_it_was_made, trained_with(seconds=0)),
    (it_says_how_it_was_made, trained_with(versions={})),
    (it_says_how_it_was_made, removed("recipe.py")),
    (it_is_small_enough_for_git, written("more.txt", "." * (LARGEST + 1))),
    (it_is_features_alone, written("heads.weights.h5", "")),
    (it_is_features_alone, said(heads=True)),
    (it_answers_as_its_card_says, said(expected=[0.5] * 8)),
    (it_answers_as_its_card_says, other_weights),
    (its_features_are_those_of_its_card, another_width),
    (its_features_are_those_of_its_card, another_stride),
    (its_saved_model_differs_by_no_more_than_its_card_says, other_saved_model),
    (
        its_saved_model_differs_by_no_more_than_its_card_says,
        said(differences={"saved_model": 0.1}),
    ),
    (
        its_folded_network_differs_by_no_more_than_its_card_says,
        said(differences={"folded": 0.1}),
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

"""Of what its authors publish there is the card alone, made of a table."""

import dataclasses

import pytest

from sslzoo.errors import SslzooError
from sslzoo.zoo import page, registry, sums
from sslzoo.zoo import published as zoo_published
from tests.zoo.shipped import (
    ALL,
    ROOT,
    SHIPPED,
    its_card_is_as_it_was_written,
    its_limits_are_said_in_sentences,
    its_sums_are_those_of_its_files,
)
from tools import cards, published


def of_the_table(place):
    """{name: {file: its text}} of what the table says, and of what lies there."""
    table = {
        each.name: {"card.json": each.text(), "README.md": page.page(each)}
        for each in published.cards()
    }
    there = {
        folder.name: {n: (folder / n).read_text() for n in ("card.json", "README.md")}
        for folder in cards.models(place)
        if cards.card_of(folder).source
    }
    return table, there


def test_the_cards_of_what_authors_publish_are_those_of_the_table():
    table, there = of_the_table(ROOT / "savedmodels")
    assert table == there, "run: python tools/cards.py"


@pytest.mark.parametrize("folder", sorted({*ALL} - {*SHIPPED}), ids=lambda f: f.name)
def test_a_published_model_is_a_card_that_is_whole(folder):
    its_sums_are_those_of_its_files(folder)
    its_card_is_as_it_was_written(folder)
    its_limits_are_said_in_sentences(folder)
    assert {f.name for f in folder.iterdir()} == {"card.json", "README.md", sums.NAME}
    read = cards.card_of(folder)
    assert read.measured == [] and not read.heads  # What authors say is no measurement.
    assert all(figure["source"] for figure in read.published)
    zoo_published.check(read)
    assert read.source["url"].startswith("https://")
    assert any("synthetic files" in sentence for sentence in read.limits)
    unstated = "not stated" in read.licences["weights"]
    assert unstated == any("No licence is stated" in each for each in read.limits)


def test_a_card_of_the_table_that_was_changed_is_found_out_and_mended(tmp_path):
    first, *_ = published.cards()
    assert cards.publish([first], tmp_path) == [tmp_path / first.name / "card.json"]
    assert cards.publish([first], tmp_path) == []
    better = dataclasses.replace(first, summary="The best.")
    (tmp_path / first.name / "card.json").write_text(better.text())
    table, there = of_the_table(tmp_path)
    assert there != {first.name: table[first.name]}
    with pytest.raises(SslzooError, match="Checksum mismatch"):
        its_sums_are_those_of_its_files(tmp_path / first.name)
    cards.publish([first], tmp_path)
    its_sums_are_those_of_its_files(tmp_path / first.name)
    table, there = of_the_table(tmp_path)
    assert there == {first.name: table[first.name]}


def test_the_published_models_are_those_of_the_sheets():
    """Sheets byol, 2.1 and 3; split_brain, 7 and 8; color_proxy, 6 and 7; by hand."""
    known = {each.name: each for each in published.cards()}
    byol = registry.card("byol_r50", ROOT / "savedmodels")
    assert byol == known["byol_r50.in1k_ep1000_deepmind"]
    base = "https://storage.googleapis.com/deepmind-byol/checkpoints"
    assert byol.source == {
        "converter": "deepmind_byol",
        "url": f"{base}/pretrain_res50x1.pkl",
        "size": "about 570 MB",
    }
    assert byol.backbone["builder"] == "resnet50"
    assert byol.licences["weights"] == "CC-BY-NC-4.0"
    view = {"size": 224, "crop": 0.875, "interpolation": "bicubic", "antialias": False}
    assert view.items() <= byol.input.items()
    assert byol.input["mean"] == [0.485, 0.456, 0.406]
    large = known["byol_r200w2.in1k_ep1000_deepmind"]
    assert large.source["url"] == f"{base}/pretrain_res200x2.pkl" and large.default
    assert large.published[0]["value"] == 0.796
    ablations = [n for n in known if n.startswith("byol_r50.in1k_ep300_deepmind_")]
    assert len(ablations) == 12
    crop = known["byol_r50.in1k_ep300_deepmind_crop"]
    assert crop.source["url"] == f"{base}/ablations/res50x1_crop_only.pkl"
    assert crop.published[0]["value"] == 0.594 and not crop.default
    simclr = known["simclrv2_r101w2.in1k_ft10pct_google"]
    assert simclr.published[0]["value"] == 0.758
    assert simclr.source["url"] + simclr.source["files"][0] == (
        "https://storage.googleapis.com/simclr-checkpoints/simclrv2/finetuned_10pct/"
        "r101_2x_sk0/model.ckpt-3754.index"
    )
    rescaled = known["split_brain_alexnet.in1k_rescaled_zhang"]
    assert rescaled.source["url"] == (
        "https://people.eecs.berkeley.edu/~rich.zhang/projects/2017_splitbrain/files/"
        "models/model_splitbrainauto_clcl_rs.caffemodel"
    )
    assert [row["value"] for row in rescaled.published] == [0.63, 0.671, 0.467, 0.36]
    plain = known["split_brain_alexnet.in1k_zhang"]
    assert max(row["value"] for row in plain.published) == 0.354 and plain.default
    assert plain.input["size"] == 227 and int(256 * plain.input["crop"]) == 227
    colour = known["color_proxy_r152.in1k_places205_larsson"]
    assert colour.source["url"] == (
        "https://people.cs.uchicago.edu/~larsson/color-proxy/models/"
        "resnet152.caffemodel.h5"
    )
    assert [row["value"] for row in colour.published] == [0.773, 0.6]
    assert len(known) == 14 + 9 + 6 * 5 + 4 + 2 + 3


@pytest.mark.parametrize(
    "name, millions",
    [
        ("byol_r50", 24),
        ("byol_r200w2", 250),
        ("simclr_r50w2", 94),
        ("simclr_r50w4", 375),
        ("simclrv2_r101", 43),
        ("simclrv2_r101w2", 170),
        ("simclrv2_r152", 58),
        ("supervised_r152w2", 232),
        ("split_brain_alexnet", 56.9),
        ("color_proxy_alexnet", 56.8),
        ("color_proxy_vgg16", 134.3),
        ("color_proxy_r152", 58.3),
    ],
)
def test_published_networks_are_as_large_as_the_papers_say(name, millions):
    """Sheet byol, 5.1: BYOL's and SimCLR's are of one architecture. VGG-16 of 138.36
    has 4.10 in its last layer and 0.001 of colours."""
    read = registry.card(name, ROOT / "savedmodels")
    assert read.backbone["parameters"] / 1e6 == pytest.approx(millions, abs=0.6)

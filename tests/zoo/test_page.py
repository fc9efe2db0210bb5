"""The page of a card: all sections, from the card alone, always the same."""

import dataclasses
import re

from sslzoo.zoo.card import Card, parse
from sslzoo.zoo.page import page

INTERVAL = {"mean": 0.437, "low": 0.431, "high": 0.443}
CARD = Card(
    name="byol_r18w16.cifar10_ep8",
    summary="BYOL on small images.",
    origin="sslzoo train byol_r18w16_cifar10 --workdir runs/cifar",
    backbone={"builder": "resnet18", "parameters": 700000},
    input={
        "size": 32,
        "smallest": 1,
        "fixed": False,
        "channels": 3,
        "crop": 1.0,
        "interpolation": "bicubic",
        "antialias": False,
        "mean": [0.5, 0.25, 0.125],
    },
    features=[
        {"name": "block4", "channels": 128, "stride": 8},
        {"name": "pooled", "channels": 128, "stride": None},
    ],
    licences={"code": "Apache-2.0", "weights": "MIT", "data": "a | b"},
    training={"seed": 0, "knobs": {"rate": 0.1, "data": "npz:x.npz"}, "steps": 5},
    measured=[
        {
            "data": "cifar10",
            "protocol": "knn",
            "seeds": 3,
            "trained": INTERVAL,
            "random": {"mean": 0.3, "low": None, "high": None},
            "paper": {"value": 0.725, "source": "T. 5"},
        }
    ],
    paper=[
        {
            "setting": "ResNet-50, 9 epochs",
            "data": "ImageNet",
            "protocol": "linear",
            "value": 0.7,
            "source": "T. 2",
        }
    ],
    published=[{"data": "in1k", "protocol": "linear", "value": 0.7, "source": "T. 1"}],
    differences={"saved_model": 3.21e-7},
    limits=["Small images.", "One run."],
    citation="@article{x}",
)


def table(text, heading):
    """Rows of the first table under a heading."""
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+) \|$", part, re.M)
    return [re.split(r" (?<!\\)\| ", row) for row in rows]


def test_every_section_of_a_card_is_there():
    headings = re.findall(r"^## (.+)$", page(CARD), re.M)
    assert headings == [
        "Licences",
        "Use",
        "Input",
        "Features",
        "Results",
        "Where it comes from",
        "Files",
        "Limits",
        "Citation",
    ]
    assert page(CARD).splitlines()[2] == "# byol_r18w16.cifar10_ep8"


def test_what_we_measured_and_what_the_paper_says_are_columns_apart():
    rows = table(page(CARD), "Results")
    assert rows[0] == ["images", "protocol", "seeds", "random", "measured", "paper"]
    assert rows[2][:4] == ["cifar10", "knn", "3", "30.0"]
    assert rows[2][4:] == ["43.7 [43.1, 44.3]", "72.5 (T. 5)"]
    assert "| in1k | linear | 70.0 | T. 1 |" in page(CARD)
    unknown = dataclasses.replace(
        CARD, measured=[{**CARD.measured[0], "paper": None, "random": None}]
    )
    assert table(page(unknown), "Results")[2][3:] == [
        *("–", "43.7 [43.1, 44.3]", "none published"),
    ]


def test_figures_of_other_settings_have_a_table_of_their_own():
    text = page(CARD)
    assert "| ResNet-50, 9 epochs | ImageNet | linear | 70.0 | T. 2 |" in text
    before = text.split("| ResNet-50, 9 epochs")[0].splitlines()[-4]
    assert before.endswith("not to be compared with what was:")
    assert "ResNet-50" not in page(dataclasses.replace(CARD, paper=[]))
    unmeasured = page(dataclasses.replace(CARD, measured=[], published=[]))
    assert "Nothing was measured." in unmeasured and "ResNet-50" in unmeasured


def test_each_protocol_is_told_in_words():
    assert "- *knn*: the vote of the 20 nearest" in page(CARD)
    assert "- *linear*" not in page(CARD)


def test_only_who_has_heads_is_told_how_to_go_on():
    assert "heads=True" not in page(CARD)
    going_on = page(dataclasses.replace(CARD, heads=True))
    assert f'method = sslzoo.load("{CARD.name}", heads=True)' in going_on


def test_it_says_how_it_was_made_and_how_it_is_used():
    text = page(CARD)
    assert CARD.origin in text and 'sslzoo.load("byol_r18w16.cifar10_ep8")' in text
    assert "[2, 128]" in text and "700,000 parameters" in text
    assert ["knob `rate`", "0.1"] in table(text, "Where it comes from")
    assert ["`block4`", "128", "8"] in table(text, "Features")
    assert ["`pooled`", "128", "a vector"] in table(text, "Features")
    assert ["saved_model", "3.2e-07"] in table(text, "Files")
    rows = dict(table(text, "Input"))
    assert (
        "any of 1 and more" in rows["size"] and "side all" in rows["seen of a picture"]
    )


def test_the_lines_of_its_use_are_python():
    for code in re.findall(r"```python\n(.+?)```", page(CARD), re.S):
        compile(code, "README.md", "exec")


def test_a_card_of_little_has_a_page_too():
    bare = Card(
        **{
            field: getattr(CARD, field)
            for field in ("name", "summary", "origin", "backbone", "features")
        },
        licences={"code": "Apache-2.0"},
        input={**CARD.input, "fixed": True, "antialias": True},
    )
    text = page(bare)
    assert "Nothing was measured." in text and "32 x 32 pixels only" in text
    assert "bicubic, antialiased" in text
    assert "## Limits" not in text and "## Citation" not in text


def test_the_same_card_gives_the_same_page_whatever_its_revision():
    """The revision is counted when the page has been written."""
    assert page(parse(CARD.text())) == page(CARD)
    assert page(dataclasses.replace(CARD, revision=7)) == page(CARD)
    assert "a \\| b" in page(CARD)

"""Which models there are: by pattern, method, licence; from cards alone."""

import json
import subprocess
import sys

import pytest

from sslzoo.errors import MissingFile
from sslzoo.zoo import card as cards
from sslzoo.zoo import listing
from sslzoo.zoo.load import load

INTERVAL = {"mean": 0.437, "low": 0.431, "high": 0.443}


def card(name, weights="Apache-2.0", parameters=1_000_000, **values):
    return cards.Card(
        name=name,
        summary=f"What {name} is.",
        origin="sslzoo train ...",
        backbone={"builder": f"resnet{len(name)}", "parameters": parameters},
        input={
            "size": 224,
            "smallest": 32,
            "fixed": False,
            "channels": 3,
            "crop": 0.875,
            "interpolation": "bicubic",
            "antialias": False,
        },
        features=[
            {"name": "block4", "channels": 2048, "stride": 32},
            {"name": "pooled", "channels": 2048, "stride": None},
        ],
        licences={"code": "Apache-2.0", "weights": weights, "data": "their terms"},
        **values,
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    for one in (
        card("byol_r18.in1k_ep40", source=fetched()),
        card("byol_r152.in1k_ep300", parameters=60_000_000),
        card("byol_r50.in1k_ep300", default=True, measured=[measured()]),
        card("byol_r50.in1k_ep1000_deepmind", "CC-BY-NC-4.0", source=published()),
        card("split_brain_alexnet.in1k_zhang", "BSD-2-Clause", source=unfetched()),
    ):
        (folder / one.name).mkdir()
        (folder / one.name / "card.json").write_text(one.text())
    return folder


def measured():
    return {
        "data": "cifar10",
        "protocol": "knn",
        "seeds": 3,
        "trained": INTERVAL,
        "random": {**INTERVAL, "mean": 0.329},
        "paper": None,
    }


def published():
    return {"url": "https://host/x.pkl", "sha256": "0", "converter": "deepmind"}


def fetched():
    return {"url": "https://host/x.zip", "sha256": "0" * 64}


def unfetched():
    return {"converter": "caffe"}


def test_names_come_in_natural_order(registry):
    assert listing.list_models(registry=registry) == [
        "byol_r18.in1k_ep40",
        "byol_r50.in1k_ep300",
        "byol_r50.in1k_ep1000_deepmind",
        "byol_r152.in1k_ep300",
        "split_brain_alexnet.in1k_zhang",
    ]


@pytest.mark.parametrize(
    "filters, names",
    [
        ({"filter": "r50"}, ["byol_r50.in1k_ep300", "byol_r50.in1k_ep1000_deepmind"]),
        ({"filter": "*_ep300"}, ["byol_r50.in1k_ep300", "byol_r152.in1k_ep300"]),
        ({"filter": ["r18", "alexnet"]}, ["byol_r18.in1k_ep40", "split_brain_al*"]),
        ({"filter": "r50", "exclude": "deepmind"}, ["byol_r50.in1k_ep300"]),
        ({"method": "split_brain"}, ["split_brain_alexnet.in1k_zhang"]),
        ({"method": "split_*"}, ["split_brain_alexnet.in1k_zhang"]),
        ({"backbone": "r18"}, ["byol_r18.in1k_ep40"]),
        ({"backbone": "resnet18"}, ["byol_r18.in1k_ep40"]),
        ({"license": "CC-BY-NC*"}, ["byol_r50.in1k_ep1000_deepmind"]),
        ({"license": "permissive", "filter": "alexnet"}, ["split_brain_al*"]),
        ({"license": "permissive", "filter": "deepmind"}, []),
        ({"max_params": 1_000_000, "method": "byol", "filter": "ep300"}, ["byol_r50*"]),
        ({"filter": "nothing"}, []),
    ],
)
def test_filters_narrow_them(registry, filters, names):
    found = listing.list_models(registry=registry, **filters)
    assert len(found) == len(names)
    for mine, pattern in zip(found, names):
        assert mine.startswith(pattern.rstrip("*"))


def test_pretrained_are_those_whose_weights_can_be_had(registry):
    found = listing.list_pretrained(registry=registry)
    assert found == [
        "byol_r18.in1k_ep40",
        "byol_r50.in1k_ep300",
        "byol_r152.in1k_ep300",
    ]
    assert listing.is_pretrained("byol_r50", registry=registry)
    for name in ("byol_r50.in1k_ep1000_deepmind", "split_brain_alexnet"):
        assert not listing.is_pretrained(name, registry=registry)


def test_of_what_waits_for_a_converter_load_says_so(registry):
    """Those that are not counted as pretrained are those that cannot be loaded."""
    name = "byol_r50.in1k_ep1000_deepmind"
    with pytest.raises(MissingFile, match="by the converter 'deepmind', which this"):
        load(name, registry=registry, verify=False)


def test_a_model_is_one_with_or_without_its_tag(registry):
    for name in ("byol_r50", "byol_r50.in1k_ep300"):
        assert listing.is_model(name, registry=registry)
    assert not listing.is_model("byol_r5", registry=registry)


def test_methods_and_backbones_are_those_of_the_models(registry):
    assert listing.list_methods(registry) == ["byol", "split_brain"]
    assert listing.list_backbones(registry) == ["alexnet", "r18", "r50", "r152"]


def test_a_table_has_a_row_for_each(registry):
    (row,) = listing.list_models(
        "byol_r50.in1k_ep300", as_table=True, registry=registry
    )
    assert row["features"] == 2048 and row["license"] == "Apache-2.0" and row["default"]


def test_info_tells_what_the_card_knows(registry):
    found = listing.info("byol_r50", registry=registry)
    text = str(found)
    for words in (
        "byol_r50.in1k_ep300, revision 1",
        "1 M parameters",
        "RGB in [0, 1], 224 x 224 usually; 32 or more",
        "cifar10, knn: 43.7 % (random features 32.9 %)",
        "weights: Apache-2.0",
    ):
        assert words in text
    assert found.to_dict() == json.loads(found.card.text())


def test_info_never_shows_a_paper_s_figure_as_measured_here():
    figure = {"value": 0.743, "source": "Table 1"}
    other = {"setting": "a net", "data": "in1k", "protocol": "linear", **figure}
    beside = {**measured(), "paper": figure}
    one = card("byol_r50.x", measured=[measured(), beside], paper=[other])
    text = str(listing.ModelInfo(one))
    assert "knn: 43.7 % (random features 32.9 %)\n" in text
    assert "knn: 43.7 % (random features 32.9 %; the paper 74.3 %)\n" in text
    assert "elsewhere  a net; in1k, linear: 74.3 % (Table 1)" in text


def test_neither_keras_nor_tensorflow_is_needed_to_list(registry):
    code = (
        "import sys, sslzoo\n"
        f"assert len(sslzoo.list_models(registry={str(registry)!r})) == 5\n"
        f"str(sslzoo.info('byol_r50', registry={str(registry)!r}))\n"
        "print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr

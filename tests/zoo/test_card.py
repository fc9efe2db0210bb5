"""What is no card is refused where it is read, in words, before anyone trusts it."""

import json

import pytest

import sslzoo
from sslzoo.errors import BadInput
from sslzoo.zoo import card

INTERVAL = {"mean": 0.4, "low": None, "high": None}
ROW = {"data": "d", "protocol": "knn", "seeds": 1, "trained": INTERVAL}
ROW |= {"random": INTERVAL, "paper": None}
POOLED = {"name": "pooled", "channels": 4, "stride": None}
BAD = [
    ("name", 5, "name is 5, where a text"),
    ("name", "../../evil_x.y", 'name is "../../evil_x.y", where <method>_<arch>.<tag>'),
    ("name", "/byol_tiny.a", "where <method>_<arch>.<tag>"),
    ("name", "", 'name is "", where'),
    ("summary", None, "summary is null, where a text"),
    ("backbone", {}, "backbone is {}, where an object with parameters"),
    ("backbone", {"parameters": "many"}, 'parameters is "many", where a whole number'),
    ("backbone", {"parameters": True}, "backbone.parameters is true"),
    ("backbone", {"parameters": 1, "builder": 3}, "backbone.builder is 3"),
    ("backbone", {"parameters": 1, "options": None}, "backbone.options is null"),
    ("input", {}, "input is {}, where an object with size, smallest, fixed"),
    ("input", [], r"input is \[\]"),
    ("features", [], "where pooled is expected"),
    ("features", None, "features is null, where a list"),
    ("features", ["pooled"], r'features\[0\] is "pooled", where an object with name'),
    ("features", [{"name": "pooled", "channels": 4}], "with name, channels, stride"),
    ("features", [{**POOLED, "stride": 0}], r"features\[0\].stride is 0"),
    ("licences", {}, "licences is {}, where an object with code, weights, data"),
    ("licences", None, "licences is null"),
    ("licences", {"code": 1, "weights": "", "data": ""}, "licences.code is 1"),
    ("revision", 0, "revision is 0"),
    ("default", "no", 'default is "no", where true or false'),
    ("training", {"knobs": None}, "training.knobs is null, where an object"),
    ("training", [1], r"training is \[1\], where an object"),
    ("measured", None, "measured is null, where a list"),
    ("measured", [{}], r"measured\[0\] is {}, where an object with data, protocol"),
    ("measured", [{**ROW, "trained": None}], r"measured\[0\].trained is null"),
    ("measured", [{**ROW, "trained": {"mean": "x"}}], 'trained.mean is "x"'),
    ("measured", [{**ROW, "paper": {}}], "paper is {}, where .* value, source"),
    ("paper", [{"setting": "s"}], r"paper\[0\] is .*, where an object with setting"),
    ("published", [{}], r"published\[0\] is {}"),
    ("differences", [], "differences is \\[\\], where an object"),
    ("differences", {"onnx": "far"}, 'differences.onnx is "far", where a number'),
    ("differences", {"onnx": None}, "differences.onnx is null, where a number"),
    (
        "differences",
        {"\ud800": 1e-6},
        r'is {"\\ud800": 1e-06}, where an object',
    ),
    ("expected", [1, None], r"expected\[1\] is null, where a number"),
    ("limits", "none", 'limits is "none", where a list'),
    ("source", {"converter": 3}, "source.converter is 3"),
    ("summary", "\ud800", r'summary is "\\ud800", where a text'),
    ("backbone", {"parameters": 10**400}, "parameters is 10{79} ..., where a whole"),
    ("expected", [float("nan")], r"expected\[0\] is NaN, where a number"),
    ("summary", "x" * 10_000, None),
    ("limits", ["x" * 10_000], None),
    ("citation", ["x" * 10_000], r'citation is \["x{78} ..., where a text'),
]


@pytest.mark.parametrize("field, value, words", BAD)
def test_a_field_of_another_kind_is_named_with_what_is_expected(
    publish, field, value, words
):
    values = json.loads((publish("byol_tiny.a").path / "card.json").read_text())
    text = json.dumps({**values, field: value})
    if words is None:  # It is unusual, and yet a card.
        assert card.parse(text)
        return
    with pytest.raises(BadInput, match=f"^here/card.json is no card: .*{words}"):
        card.parse(text, "here/card.json")


@pytest.mark.parametrize("builder", [{}, {"builder": None}, {"builder": ""}])
def test_a_card_of_a_converter_says_what_network_it_fills(publish, builder):
    values = json.loads((publish("byol_tiny.a").path / "card.json").read_text())
    values |= {"backbone": {"parameters": 1, **builder}}
    assert card.parse(json.dumps(values))
    values |= {"source": {"converter": "vtab"}}
    with pytest.raises(BadInput, match="is no card: backbone has no builder, where"):
        card.parse(json.dumps(values))


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "3", '"a"', "{", ""])
def test_what_is_no_object_is_no_card(text):
    with pytest.raises(BadInput, match="is not a JSON object"):
        card.parse(text)


def test_a_card_of_the_least_that_it_must_say_is_one(publish):
    told = publish("byol_tiny.a", measured=[ROW], features=[POOLED]).card
    assert card.parse(told.text()) == told


@pytest.mark.parametrize(
    "field, value",
    [
        *[("backbone", {}), ("features", []), ("features", None), ("input", {})],
        *[("licences", {}), ("licences", None), ("measured", None), ("measured", [{}])],
    ],
)
def test_one_that_is_damaged_is_passed_over_by_lists_and_told_by_info(
    publish, models, caplog, field, value
):
    publish("byol_tiny.good")
    path = publish("byol_tiny.bad").path / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    options = dict(max_params=10, license="permissive", backbone="tiny", method="byol")
    for as_table in (False, True):
        (found,) = sslzoo.list_models(registry=models, as_table=as_table, **options)
        assert (found["name"] if as_table else found) == "byol_tiny.good"
    assert f"byol_tiny.bad/card.json is no card: {field}" in caplog.text
    with pytest.raises(BadInput, match=f"is no card: {field}"):
        sslzoo.info("byol_tiny.bad", models)

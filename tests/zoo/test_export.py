"""A method into the registry: what lies there, and that it is what was trained."""

import json
import pathlib
import shlex

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo import backbones, cli, recipe
from sslzoo.augment import views
from sslzoo.errors import BadInput, MissingExtra, MissingFile, UnknownName
from sslzoo.methods import byol, split_brain
from sslzoo.methods.base import Method
from sslzoo.optim import schedules, sgd
from sslzoo.zoo import artifacts, card, export, load, names, page, registry, resume
from sslzoo.zoo import run as runs

NAME = "byol_tiny.test_ep1"
RUN = {
    "recipe": "byol_tiny_test",
    "recipe_text": "def recipe(): ...\n",
    "knobs": {"data": "npz:/home/me/some data.npz#train", "epochs": 1, "rate": 0.1},
    "defaults": {"data": "tfds:cifar10/train", "epochs": 1, "rate": 0.1},
    "seed": 3,
    "steps": 40,
    "images": {"": 80},
    "data": {"": "f00d"},
    "versions": {"keras": "3"},
    "seconds": 12,
    "result": {
        "probes": {
            "cifar10": {
                "random": {"knn": 0.2, "linear": 0.3},
                "trained": {"knn": 0.4, "linear": 0.5},
            }
        }
    },
}


def make(backbone=None, policy="float32", **options):
    keras.config.set_dtype_policy(policy)
    try:
        backbone = backbone or backbones.build("tiny")
        method = byol.BYOL(backbone, 10, byol.example(32), hidden=16, outputs=8)
        method.compile(sgd.SGD(schedules.WarmupCosine(0.1, 10)), jit_compile=False)
    finally:
        keras.config.set_dtype_policy("float32")
    return method


def trained(method, batches=3):
    views = np.random.default_rng(0).random((2, 8 * batches, 32, 32, 3), "float32")
    data = tf.data.Dataset.from_tensor_slices({"view1": views[0], "view2": views[1]})
    method.fit(data.batch(8), shuffle=False, verbose=0)
    return method


@pytest.fixture(scope="module")
def method():
    keras.utils.set_random_seed(0)
    return trained(make())


@pytest.fixture(scope="module")
def entry(method, tmp_path_factory):
    place = tmp_path_factory.mktemp("export") / "models"
    return method.export(NAME, registry=place, run=RUN, licences={"weights": "MIT"})


def test_the_folder_has_all_that_the_contract_names(entry):
    files = {str(f.relative_to(entry.path)) for f in entry.path.rglob("*")}
    assert files >= {
        "card.json",
        "README.md",
        "LICENSE",
        "config.json",
        "backbone.weights.h5",
        "method.json",
        "heads.weights.h5",
        "optimizer.npz",
        "recipe.py",
        "saved_model/saved_model.pb",
    }
    assert (entry.path / "recipe.py").read_text() == RUN["recipe_text"]
    assert card.parse((entry.path / "card.json").read_text()) == entry.card
    assert (entry.path / "README.md").read_text() == page.page(entry.card)
    assert registry.find(NAME, entry.path.parent).path == entry.path


@pytest.mark.slow
def test_a_network_of_reversible_blocks_is_published_and_read_back(tmp_path):
    """Folded within its units; trained without keeping maps; of other channels, too."""
    options = {"width": 1 / 16, "units": [1, 1, 1, 1], "save_memory": True}
    method = trained(make(backbones.build("revnet50", **options)), batches=1)
    entry = method.export("byol_revnet.test", registry=tmp_path / "models", heads=False)
    assert entry.card.backbone["options"] == options
    assert 0 < entry.card.differences["folded"] <= 1e-4
    assert entry.card.differences["saved_model"] <= 1e-4
    images = np.random.default_rng(1).random((2, 32, 32, 3), "float32")
    expected = method.backbone(images, training=False)["pooled"]
    again = sslzoo.load(str(entry.path))(images)
    assert np.abs(again - expected).max() <= 1e-4 * np.abs(expected).max()
    six = sslzoo.load(str(entry.path), in_chans=6)
    twice = six(np.concatenate([images, images], axis=-1))
    assert np.abs(twice - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_weights_are_those_that_were_trained(entry, method):
    config = (entry.path / "config.json").read_text()
    backbone = keras.models.model_from_json(config)
    backbone.load_weights(entry.path / "backbone.weights.h5")
    for ours, theirs in zip(backbone.weights, method.backbone.weights):
        np.testing.assert_array_equal(ours, theirs)
    images = np.random.default_rng(1).random((2, 32, 32, 3), "float32")
    served = tf.saved_model.load(str(entry.path / "saved_model"))(images)
    expected = backbone(images, training=False)["pooled"]
    assert np.abs(served - expected).max() <= 1e-5 * np.abs(expected).max()
    answer = load.answer(backbone, entry.card.input)[: export.EXPECTED]
    np.testing.assert_allclose(entry.card.expected, answer, rtol=1e-6)


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


def test_who_goes_on_finds_the_whole_method(entry, method):
    again = resume.load(registry.find(NAME, entry.path.parent))
    for ours, theirs in zip(again.weights, method.weights):
        np.testing.assert_array_equal(ours, theirs)
    assert int(again.optimizer.iterations) == 3


def test_a_newcomer_goes_on_with_what_was_exported_on_other_images(entry):
    """By the public function alone: another schedule, other views, other pictures."""
    example = byol.example(32, second=views.Changes(blur=0.0))
    again = sslzoo.load(
        NAME,
        heads=True,
        registry=entry.path.parent,
        steps=20,
        rate=0.05,
        example=example,
    )
    assert again.example is example and int(again.optimizer.iterations) == 0
    parts = again.backbone, again.predictor, again.target_backbone
    before = [part.get_weights() for part in parts]
    pictures = np.random.default_rng(5).integers(0, 256, (24, 48, 40, 3), "uint8")
    data = tf.data.Dataset.from_tensor_slices(pictures).batch(8)
    for epoch in (1, 2):
        loss = again.fit(data, verbose=0).history["loss"][-1]
        assert np.isfinite(loss) and int(again.optimizer.iterations) == 3 * epoch
    assert 0 < float(again.optimizer.learning_rate) <= 0.05
    for part, old in zip(parts, before):
        new = part.get_weights()
        assert any(np.abs(a - b).max() > 0 for a, b in zip(old, new)), part.name
        assert all(np.isfinite(weight).all() for weight in new)


def test_features_alone_take_less_room_and_say_so(tmp_path, entry):
    alone = make().export(NAME, registry=tmp_path, heads=False)
    assert export.told(alone)["bytes"] < export.told(entry)["bytes"]
    assert "It has no heads" in " ".join(alone.card.limits)
    with pytest.raises(MissingFile, match="without heads") as error:
        resume.load(alone)
    assert "`sslzoo export RUN` makes, without --no-heads" in str(error.value)
    assert "`python3 tools/start.py demo` trains one" in str(error.value)
    # And it is so: the heads are kept where nobody says otherwise, as by the demo.
    assert not cli.parser().parse_args(["export", "RUN"]).no_heads
    demo = (pathlib.Path(__file__).parents[2] / "tools" / "start.py").read_text()
    assert "export {RUN} --name {MODEL}" in demo and "--no-heads" not in demo


def test_limits_follow_from_what_is_known(entry):
    said = " ".join(entry.card.limits)
    assert "other sides than 32" in said and "of one run" in said
    assert "licence of the data was not stated" in said and "weights" not in said


def test_the_licence_of_the_weights_is_in_the_folder(entry, tmp_path):
    assert "weights in this folder: MIT" in (entry.path / "LICENSE").read_text()
    ours = sslzoo.export(make(), NAME, tmp_path, licences={"weights": "Apache-2.0"})
    text = (ours.path / "LICENSE").read_text()
    assert "Apache License" in text and "TERMS AND CONDITIONS" in text
    with pytest.raises(UnknownName, match="Did you mean 'weights'"):
        export.export(make(), "byol_tiny.b", tmp_path, licences={"weight": "MIT"})


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_what_was_trained_in_half_precision_is_published_in_full(tmp_path, policy):
    method = trained(make(policy=policy))
    entry = method.export(NAME, registry=tmp_path)
    config = (entry.path / "config.json").read_text()
    assert policy not in config and '"float32"' in config
    served = tf.saved_model.load(str(entry.path / "saved_model"))
    assert {v.dtype for v in served.variables} == {tf.float32}
    kinds = {node.op for node in graph_nodes(served)}
    assert "Conv2D" in kinds
    types = {node.attr["T"].type for node in graph_nodes(served) if node.op == "Conv2D"}
    assert types == {tf.float32.as_datatype_enum}


def graph_nodes(served):
    graph = served.signatures["features"].graph.as_graph_def()
    return [*graph.node, *(n for f in graph.library.function for n in f.node_def)]


def test_no_replica_is_needed_by_what_two_have_trained(tmp_path, two_replicas):
    with two_replicas.scope():
        method = make()
    trained(method)
    entry = method.export(NAME, registry=tmp_path)
    served = tf.saved_model.load(str(entry.path / "saved_model"))
    for node in graph_nodes(served):
        assert not any(w in node.op for w in ("Collective", "Nccl", "CrossReplica"))
    again = resume.load(entry)
    for ours, theirs in zip(again.weights, method.weights):
        np.testing.assert_array_equal(ours, theirs)


def test_a_method_without_a_run_is_published_too(tmp_path):
    entry = make().export("byol_tiny.mine", registry=tmp_path, size=48, crop=1.0)
    assert entry.card.input["size"] == 48 and entry.card.input["crop"] == 1.0
    assert "Nothing was measured" in " ".join(entry.card.limits)
    assert entry.card.training["versions"]["sslzoo"] == sslzoo.__version__
    assert not (entry.path / "recipe.py").exists()


def test_the_models_that_are_exported_may_be_other_than_the_backbone(tmp_path):
    """As where a paper evaluates the mean over patches: `deployable()` says."""

    class Halves(Method):
        def deployable(self):
            images = keras.Input((None, None, 3), name="images")
            whole = self.backbone(images)
            flipped = self.backbone(images[:, :, ::-1])
            pooled = (whole["pooled"] + flipped["pooled"]) / 2
            return keras.Model(images, {**whole, "pooled": pooled}, name="halves")

    globals()["Halves"] = Halves
    method = Halves(backbones.build("tiny"), byol.example(32), name="halves")
    entry = method.export("halves_tiny.test", registry=tmp_path)
    again = resume.load(entry)
    for ours, theirs in zip(again.weights, method.weights):
        np.testing.assert_array_equal(ours, theirs)
    images = np.random.default_rng(0).random((2, 20, 20, 3), "float32")
    served = tf.saved_model.load(str(entry.path / "saved_model"))
    expected = method.deployable()(images, training=False)["pooled"]
    np.testing.assert_allclose(served(images), expected, rtol=1e-4, atol=1e-6)


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


def test_what_is_not_itself_again_is_not_published(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "LIMIT", 1e-12)
    with pytest.raises(BadInput, match="Nothing was published"):
        trained(make()).export(NAME, registry=tmp_path)
    assert not (tmp_path / NAME).exists()


def test_a_bare_network_is_no_method(tmp_path):
    with pytest.raises(BadInput, match="like BYOL, not a Functional"):
        sslzoo.export(backbones.build("tiny"), NAME, tmp_path)


def test_a_size_that_nobody_says_is_asked_for(tmp_path):
    method = make()
    method.example = lambda item, seed: item
    with pytest.raises(BadInput, match="size=224"):
        method.export(NAME, registry=tmp_path)


def valid(side=None):
    """A network that needs 11 pixels a side at least; or has just one side."""
    images = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(4, 5, name="conv")(images)
    x = keras.layers.MaxPooling2D(3, 2)(x)
    x = keras.layers.Conv2D(4, 3, name="conv2")(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, {"conv2": x, "pooled": pooled})


def test_the_smallest_side_is_found():
    contract = export.input_of(valid(), 64)
    assert contract["smallest"] == 11 and not contract["fixed"]
    assert "mean" not in contract
    assert valid()(np.zeros((1, 11, 11, 3)))["conv2"].shape[1] == 1


def test_a_network_of_one_size_says_so(tmp_path):
    contract = export.input_of(valid(16))
    assert (contract["size"], contract["smallest"], contract["fixed"]) == (16, 16, True)
    entry = make(valid(16)).export(NAME, registry=tmp_path)
    assert entry.card.input["fixed"]


def test_a_name_is_made_of_the_recipe_and_its_epochs():
    knobs = {"epochs": 8, "backbone": "resnet18"}
    run = {
        "recipe": "split_brain_alexnet_in1k",
        "knobs": knobs,
        "defaults": dict(knobs),
    }
    assert runs.name_for(run) == "split_brain_alexnet.in1k_ep8"
    assert runs.name_for({**run, "recipe": "/a/byol_r50_x.py"}) == "byol_r50.x_ep8"
    other = {**run, "knobs": {**knobs, "backbone": "tiny"}}
    for wrong in (other, {**run, "recipe": "mine"}, {**run, "knobs": {}}):
        with pytest.raises(BadInput, match="--name"):
            runs.name_for(wrong)


@pytest.mark.parametrize(
    "knobs, words",
    [
        ({}, ""),
        ({"row": "HHA_Lab"}, "row_hha_lab_"),
        ({"row": "L_ab", "ab": "reg"}, "row_l_ab_ab_reg_"),
        ({"light": "reg"}, "light_reg_"),
        ({"literal": True}, "literal_true_"),
        # Numbers, lists and paths; which images; how it is computed.
        ({"mix": 0.2, "drops": "0.5,0.8", "seed": 3}, ""),
        ({"data": "toyworld", "tree": "a.json"}, ""),
        ({"precision": "mixed_bfloat16", "jit": True, "cache": False}, ""),
    ],
)
def test_what_was_chosen_otherwise_is_in_the_name(knobs, words):
    defaults = recipe.knobs_of("split_brain_alexnet_cifar10")
    defaults |= {"drops": "0.667,0.833", "tree": ""}
    run = {"recipe": "split_brain_alexnet_cifar10", "defaults": defaults}
    found = runs.name_for({**run, "knobs": {**defaults, **knobs}})
    assert found == f"split_brain_alexnet.cifar10_{words}ep10"
    names.check(found)


def test_rows_of_a_paper_have_names_of_their_own():
    defaults = recipe.knobs_of("split_brain_alexnet_cifar10")
    run = {"recipe": "split_brain_alexnet_cifar10", "defaults": defaults}
    found = {
        runs.name_for({**run, "knobs": {**defaults, "row": row}})
        for row in split_brain.ROWS
    }
    assert len(found) == len(split_brain.ROWS)


def test_what_is_said_of_an_entry_is_how_it_is_loaded(entry, monkeypatch):
    said = export.told(entry)
    assert said["load"] == f'sslzoo.load("{entry.path}")' and said["bytes"] > 50_000
    assert json.dumps(said)
    monkeypatch.chdir(entry.path.parents[1])
    here = registry.find(NAME, "models")
    assert export.told(here)["load"] == f'sslzoo.load("./models/{NAME}")'

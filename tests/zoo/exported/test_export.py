"""A method into the registry: what lies there, and that it is what was trained."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import sslzoo
from sslzoo import backbones, cli
from sslzoo.augment import views
from sslzoo.errors import BadInput, MissingFile, UnknownName
from sslzoo.methods import byol
from sslzoo.methods.base import Method
from sslzoo.zoo import artifacts, card, export, load, page, registry, resume
from tests.zoo.exported.tiny import NAME, RUN, make, trained


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
    demo = (pathlib.Path(__file__).parents[3] / "tools" / "start.py").read_text()
    assert "export {RUN} --name {MODEL}" in demo and "--no-heads" not in demo


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


@pytest.mark.slow
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


def test_what_is_said_of_an_entry_is_how_it_is_loaded(entry, monkeypatch):
    said = export.told(entry)
    assert said["load"] == f'sslzoo.load("{entry.path}")' and said["bytes"] > 50_000
    assert json.dumps(said)
    monkeypatch.chdir(entry.path.parents[1])
    here = registry.find(NAME, "models")
    assert export.told(here)["load"] == f'sslzoo.load("./models/{NAME}")'

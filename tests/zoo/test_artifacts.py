"""What is written is run by those who will run it: every client is the real one."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import sysconfig

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones
from sslzoo.backbones import fold, nine
from sslzoo.errors import BadInput, MissingExtra, UnknownName
from sslzoo.methods import split_brain
from sslzoo.zoo import artifacts, export

CONTRACT = {"size": 32, "smallest": 1, "fixed": False, "channels": 3}
IMAGES = np.random.default_rng(0).random((3, 40, 33, 3)).astype("float32")


def shaken(model):
    """As if trained: no scale is one, no mean zero, no variance one."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if not weight.path.endswith("kernel"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return shaken(backbones.build("resnet18", width=0.125, stem="small"))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("forms")
    differences = artifacts.write(model, path, CONTRACT, ("keras",))
    # Asked for: 1e-4 folded. Found: about 1e-6, which float32 rounds off.
    assert set(differences) == {"folded", "saved_model", "keras"}
    assert 0 < differences["folded"] < 1e-5 and differences["saved_model"] < 1e-5
    assert differences["keras"] == 0
    return path


@pytest.fixture(scope="module")
def expected(model):
    return artifacts.features(model, IMAGES)


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def needs(extra, *modules):
    """Looks for them without importing: Keras 2 does not belong into this process."""
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: pip install 'sslzoo[{extra}]'")


def in_process(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def test_tensorflow_loads_and_calls_it(folder, expected):
    served = tf.saved_model.load(str(folder / "saved_model"))
    for found in (
        served(IMAGES),
        served(IMAGES, training=True),
        served(IMAGES, True),
        served.serve(IMAGES),
        served.signatures["serve"](images=IMAGES)["pooled"],
        served.signatures["serving_default"](images=IMAGES)["pooled"],
    ):
        assert found.dtype == tf.float32
        assert_close(found, expected["pooled"])
    for named in (
        served.features(IMAGES),
        served.signatures["features"](images=IMAGES),
    ):
        assert set(named) == set(expected)
        for name, value in named.items():
            assert_close(value, expected[name])


def test_any_batch_and_size_are_served(folder, model):
    served = tf.saved_model.load(str(folder / "saved_model"))
    for shape in ((1, 1, 1, 3), (2, 5, 70, 3), (7, 32, 32, 3)):
        images = np.random.default_rng(1).random(shape).astype("float32")
        assert_close(served(images), artifacts.features(model, images)["pooled"])


def test_of_no_images_there_are_no_features(folder, expected):
    served = tf.saved_model.load(str(folder / "saved_model"))
    none = IMAGES[:0]
    for run in (served.features, served.signatures["features"]):
        for name, found in run(images=none).items():
            assert found.shape == (0, *expected[name].shape[1:])
    layer = keras.layers.TFSMLayer(folder / "saved_model")
    for found in (served(none), served.serve(none), layer(none)):
        assert found.shape == (0, *expected["pooled"].shape[1:])


@pytest.mark.parametrize("shape", [(32, 32, 3), (32, 32), (1, 2, 32, 32, 3)])
def test_what_is_no_batch_of_images_is_refused(folder, shape):
    """A signature takes any shape, and a convolution would end the process."""
    served = tf.saved_model.load(str(folder / "saved_model"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected shape"):
        served.signatures["serving_default"](images=tf.zeros(shape))


def test_it_says_what_the_hub_asks_of_it(folder, model):
    served = tf.saved_model.load(str(folder / "saved_model"))
    trained = {id(v) for v in served.trainable_variables}
    assert trained <= {id(v) for v in served.variables} and trained
    kernels = sum(v.path.endswith("kernel") for v in model.weights)
    assert len(served.variables) == 2 * kernels  # Each with the bias that was folded.
    assert list(served.regularization_losses) == []


def test_there_is_neither_keras_nor_another_replica_nor_a_norm_in_it(folder):
    served = tf.saved_model.load(str(folder / "saved_model"))
    graph = served.signatures["features"].graph.as_graph_def()
    functions = [f.node_def for f in graph.library.function]
    kinds = {node.op for nodes in (graph.node, *functions) for node in nodes}
    said = " ".join(sorted(kinds))
    for word in ("Collective", "Nccl", "CrossReplica", "BatchNorm", "PyFunc", "Rsqrt"):
        assert word not in said
    assert b"keras_metadata" not in (folder / "saved_model/saved_model.pb").read_bytes()


@pytest.mark.parametrize("endpoint", ["serve", "serving_default", "features"])
def test_keras_3_has_it_as_a_layer(folder, expected, endpoint):
    layer = keras.layers.TFSMLayer(folder / "saved_model", call_endpoint=endpoint)
    images = keras.Input((None, None, 3))
    found = keras.Model(images, layer(images)).predict(IMAGES, verbose=0)
    if endpoint == "serve":  # The default: a tensor.
        return assert_close(found, expected["pooled"])
    assert_close(found["pooled"], expected["pooled"])
    assert set(found) == (set(expected) if endpoint == "features" else {"pooled"})


@pytest.mark.slow
def test_tensorflow_hub_loads_it_and_its_layer_learns_under_keras_2(
    folder, expected, tmp_path
):
    """`hub.KerasLayer` is of Keras 2; a process of its own has that as tf.keras."""
    needs("test", "tensorflow_hub", "tf_keras")
    np.savez(tmp_path / "data.npz", images=IMAGES, pooled=expected["pooled"])
    code = """
import sys
import numpy as np, tensorflow as tf, tensorflow_hub as hub
data = np.load(sys.argv[2])
images, pooled = data["images"], data["pooled"]
far = lambda found: np.abs(found - pooled).max() / np.abs(pooled).max()
assert far(hub.load(sys.argv[1])(images).numpy()) < 1e-5
for trainable in (False, True):
    layer = hub.KerasLayer(sys.argv[1], trainable=trainable)
    model = tf.keras.Sequential([tf.keras.Input((None, None, 3)), layer])
    assert far(model.predict(images, verbose=0)) < 1e-5
    assert far(layer(images, training=True).numpy()) < 1e-5
    model.add(tf.keras.layers.Dense(2))
    model.compile(tf.keras.optimizers.SGD(0.01), "mse")
    before = [w.numpy() for w in layer.weights]
    model.fit(images, np.ones((3, 2)), verbose=0)
    moved = [np.abs(b - w.numpy()).max() > 0 for b, w in zip(before, layer.weights)]
    assert all(moved) if trainable else not any(moved), moved
print(tf.keras.layers.Dense.__module__)
"""
    where = folder / "saved_model", tmp_path / "data.npz"
    (name,) = in_process(code, *where, TF_USE_LEGACY_KERAS="1")
    assert name.startswith("tf_keras")


@pytest.mark.slow
def test_the_command_of_tensorflow_runs_it(folder, expected, tmp_path):
    command = pathlib.Path(sysconfig.get_path("scripts")) / "saved_model_cli"
    np.save(tmp_path / "images.npy", IMAGES)
    words = ["run", "--dir", folder / "saved_model", "--outdir", tmp_path]
    words += ["--tag_set", "serve", "--signature_def", "serving_default"]
    words += ["--inputs", f"images={tmp_path / 'images.npy'}"]
    done = subprocess.run(
        [str(word) for word in (command, *words)],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_close(np.load(tmp_path / "pooled.npy"), expected["pooled"])


def test_the_keras_file_is_read_in_safe_mode_in_another_process(folder):
    code = """
import sys, keras
import sslzoo.backbones  # Keras then knows its layers.
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
print(model.get_layer("root_bn").name)
"""
    assert in_process(code, folder / "model.keras") == ["root_bn"]  # Not folded.


def test_onnxruntime_runs_it(model, expected, tmp_path):
    needs("onnx", *artifacts.NEEDED["onnx"])
    differences = artifacts.write(model, tmp_path, CONTRACT, ("onnx",))
    assert differences["onnx"] < 1e-5
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [i.name for i in session.get_inputs()] == ["images"]
    names = [output.name for output in session.get_outputs()]
    assert set(names) == set(expected)
    for name, value in zip(names, session.run(None, {"images": IMAGES})):
        assert_close(value, expected[name])


def test_what_is_not_installed_is_asked_for_before_anything_is_done(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(MissingExtra, match=r"tf2onnx.*pip install 'sslzoo\[onnx\]'"):
        artifacts.check(["onnx"])
    with pytest.raises(UnknownName, match="Did you mean 'onnx'"):
        artifacts.check(["onxx"])


def test_a_network_of_one_size_is_served_at_that_size(tmp_path):
    images = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(images)
    pooled = keras.layers.Dense(5)(keras.layers.Flatten()(x))
    model = keras.Model(images, {"conv": x, "pooled": pooled})
    contract = {"size": 16, "smallest": 16, "fixed": True, "channels": 3}
    artifacts.write(model, tmp_path, contract)
    served = tf.saved_model.load(str(tmp_path / "saved_model"))
    assert served(np.zeros((2, 16, 16, 3), "float32")).shape == (2, 5)
    with pytest.raises(Exception, match="16"):
        served(np.zeros((2, 17, 17, 3), "float32"))


def test_what_is_not_folded_is_held_to_more(model, tmp_path, monkeypatch):
    """As far away as a folded form may be, and a Keras file may not."""
    true = keras.models.load_model

    def load_model(*given, **options):
        again = true(*given, **options)
        return lambda batch, training: {
            name: value * (1 + 5e-5) for name, value in again(batch).items()
        }

    monkeypatch.setattr(keras.models, "load_model", load_model)
    with pytest.raises(BadInput, match="'keras'.*by 5.0e-05 .*where 1e-05 is allowed"):
        artifacts.write(model, tmp_path, CONTRACT, ("keras",))


def test_what_is_served_is_held_to_the_folded_network(model, tmp_path, monkeypatch):
    """Writing it changes no number: the tolerance is for folding alone."""
    true = artifacts._served

    def served(path):
        run = true(path)
        return lambda batch: {n: v * (1 + 5e-5) for n, v in run(batch).items()}

    monkeypatch.setattr(artifacts, "_served", served)
    with pytest.raises(BadInput, match="'saved_model'.*where 1e-05 is allowed"):
        artifacts.write(model, tmp_path, CONTRACT)


def split_brain_model():
    halves = backbones.build("alexnet", form="split", geometry="small", width=1 / 48)
    example = split_brain.example(17, 17)
    method = split_brain.SplitBrain(halves, example, stride=8)
    return shaken(method.deployable())


def of_patches():
    short = dict(width=1 / 32, units=(1, 1, 1, 1))
    trunk = backbones.build("resnet50v2", stem="patch", **short)
    return nine.nine(shaken(trunk), patch=16)


KINDS = {
    "split-brain": split_brain_model,
    "alexnet": lambda: shaken(backbones.build("alexnet", width=1 / 16)),
    "patches": of_patches,
    "vgg16": lambda: shaken(backbones.build("vgg16", width=1 / 32)),
    "vgg19bn": lambda: shaken(backbones.build("vgg19bn", width=1 / 32, image_size=32)),
    "revnet50": lambda: shaken(
        backbones.build("revnet50", width=1 / 16, units=(1, 1, 1, 1))
    ),
}


LATER = ("vgg16", "vgg19bn", "alexnet", "revnet50")


def each(kind):
    return pytest.param(kind, marks=[pytest.mark.slow] * (kind in LATER))


@pytest.mark.parametrize("kind", [each(kind) for kind in KINDS])
def test_each_kind_of_model_is_served_with_its_numbers(kind, tmp_path):
    model = KINDS[kind]()
    contract = export.input_of(model, model.input_shape[1] or 64)
    artifacts.write(model, tmp_path, contract)
    served = tf.saved_model.load(str(tmp_path / "saved_model"))
    images = artifacts.trials(contract)[1]
    found, expected = served.features(images), artifacts.features(model, images)
    assert set(found) == set(expected)
    for name, value in expected.items():
        far = np.abs(found[name].numpy() - value).max() / np.abs(value).max()
        assert far <= 1e-4, name  # Asked where it is folded.
    assert np.ptp(expected["pooled"]) > 0


@pytest.mark.slow
def test_a_whole_resnet50_of_trained_numbers_is_served_as_it_is(tmp_path):
    """Asked: 1e-5 of the scale as it is served, 1e-4 where it is folded."""
    keras.utils.set_random_seed(0)
    model = shaken(backbones.build("resnet50"))
    contract = export.input_of(model, 224)
    differences = artifacts.write(model, tmp_path, contract)
    assert 0 < differences["folded"] <= 1e-4
    light = fold.folded(model)
    served = tf.saved_model.load(str(tmp_path / "saved_model"))
    images = np.random.default_rng(0).random((2, 224, 224, 3)).astype("float32")
    found = {name: value.numpy() for name, value in served.features(images).items()}
    expected = artifacts.features(light, images)
    assert artifacts.difference([expected], [found]) <= 1e-5


def test_a_form_that_gives_other_features_is_refused(tmp_path):
    """As a layer does that draws at random also when it infers."""

    @keras.saving.register_keras_serializable("test")
    class Noise(keras.layers.Layer):
        def get_config(self):
            return {**super().get_config(), "name": self.name}

        def call(self, x):
            return x + tf.random.uniform(tf.shape(x))

    images = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(Noise()(images))
    with pytest.raises(BadInput, match="'folded'.*gives other features.*at random"):
        artifacts.write(keras.Model(images, {"pooled": pooled}), tmp_path, CONTRACT)


def test_a_difference_is_told_in_parts_of_the_largest_feature():
    ours = {"a": np.array([[1.0, -4.0]]), "b": np.zeros(2)}
    weak = {"a": np.array([[1e-9, 0.0]]), "b": np.zeros(2)}  # Of a dark image.

    def far(**changed):
        return artifacts.difference([ours, weak], [{**ours, **changed}, weak])

    assert far() == 0 and far(a=np.array([[1.0, -3.0]])) == 0.25
    assert artifacts.difference([ours, weak], [ours, {**weak, "a": ours["a"]}]) == 1
    assert (
        artifacts.difference([ours, weak], [ours, {**weak, "a": 0 * ours["a"]}]) < 1e-9
    )
    assert far(b=np.ones(2)) > 1e30
    for wrong in (far(a=np.array([[np.nan, 0]])), far(b=np.array([np.nan, 0]))):
        assert not wrong <= artifacts.LIMIT

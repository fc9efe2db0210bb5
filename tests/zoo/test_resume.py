"""A method written down and read back: it is the same, and goes on to the bit."""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import backbones
from sslzoo.augment import views
from sslzoo.backbones.tiny import tiny
from sslzoo.errors import BadInput, MissingFile
from sslzoo.methods import byol
from sslzoo.methods.base import Method
from sslzoo.methods.byol import BYOL
from sslzoo.optim import schedules, sgd
from sslzoo.optim.lars import LARS
from sslzoo.zoo import resume

IMAGES = np.random.default_rng(0).integers(0, 255, (64, 40, 40, 3), "uint8")


def make(backbone=None, optimizer=None, accumulate=1, steps=10, **settings):
    example = byol.example(32, second=views.Changes(blur=0.0))
    settings = {"hidden": 16, "outputs": 8, **settings}
    method = BYOL(backbone or tiny(), steps, example, **settings)
    optimizer = optimizer or LARS(schedules.WarmupCosine(0.2, steps, 2))
    method.compile(optimizer, accumulate, jit_compile=False)
    return method


def batches(first, last):
    """Batches of views, of which a run has shown those before `first`."""
    views = np.random.default_rng(1).random((2, 48, 32, 32, 3)).astype("float32")
    data = {"view1": views[0], "view2": views[1], "label": np.arange(48) % 2}
    data = tf.data.Dataset.from_tensor_slices(data).batch(8)
    return data.skip(first).take(last - first)


def kept(method, folder):
    """What an export keeps of it."""
    folder.mkdir(exist_ok=True)
    method.deployable().save_weights(folder / "backbone.weights.h5")
    resume.save(method, folder)
    return folder


def assert_same(one, two, parts=("variables", "optimizer")):
    pairs = [(one.variables, two.variables)]
    if "optimizer" in parts:
        pairs.append((one.optimizer.variables, two.optimizer.variables))
    for first, second in pairs:
        assert len(first) == len(second) > 0
        for a, b in zip(first, second):
            np.testing.assert_array_equal(a, b, err_msg=a.path)


RUNS = {
    "a recipe's": ("float32", {}),
    "with two batches a step": ("float32", dict(accumulate=2)),
    "with a probe, Keras' optimizer": (
        "float32",
        dict(classes=2, optimizer=lambda: keras.optimizers.Adam(1e-3)),
    ),
    "in bfloat16": ("mixed_bfloat16", {}),
    "in float16": ("mixed_float16", dict(optimizer=lambda: sgd.SGD(0.1, decay=1e-3))),
}


# What another of these has too, float16 or the recipe itself.
SLOW = ("with two batches a step", "in bfloat16", "in float16", "a recipe's")


@pytest.mark.parametrize(
    "policy, settings",
    [
        pytest.param(*run, id=name, marks=[pytest.mark.slow] * (name in SLOW))
        for name, run in RUNS.items()
    ],
)
def test_to_go_on_is_not_to_have_been_interrupted(tmp_path, policy, settings):
    """To the bit, on this machine: three batches, written, read, three more."""
    keras.config.set_dtype_policy(policy)
    try:
        optimizer = settings.get("optimizer", lambda: None)()
        method = make(**{**settings, "optimizer": optimizer})
    finally:
        keras.config.set_dtype_policy("float32")
    method.fit(batches(0, 3), shuffle=False, verbose=0)
    folder = kept(method, tmp_path / "model")
    method.fit(batches(3, 6), shuffle=False, verbose=0)

    keras.utils.set_random_seed(77)  # Nothing may depend on what is drawn on reading.
    again = resume.load(folder)
    assert keras.config.dtype_policy().name == "float32"
    again.fit(batches(3, 6), shuffle=False, verbose=0)
    again.reset_metrics()
    method.reset_metrics()
    assert int(again.optimizer.iterations) == int(method.optimizer.iterations) > 1
    assert_same(method, again)


@pytest.mark.slow
def test_a_newcomer_goes_on_with_pictures_of_their_own(tmp_path):
    """`fit` maps plain images through the example that the method was made with."""
    method = make(steps=100)
    method.fit(batches(0, 2), verbose=0)
    again = resume.load(kept(method, tmp_path / "model"))
    item, seed = {"image": IMAGES[0]}, tf.constant([3, 4], tf.int64)
    ours, theirs = again.example(item, seed), method.example(item, seed)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
    pictures = tf.data.Dataset.from_tensor_slices(IMAGES[:16]).batch(8)
    before = again.backbone.get_weights()
    again.fit(pictures, verbose=0)
    assert int(again.optimizer.iterations) == 4
    assert any(abs(a - b).max() for a, b in zip(before, again.backbone.get_weights()))


def test_the_weights_of_the_features_are_written_once(tmp_path):
    """The heads' file holds projector, predictor and target, and no backbone."""
    import h5py

    method = make()
    folder = kept(method, tmp_path / "model")
    with h5py.File(folder / "heads.weights.h5") as file:
        heads = sum(array.size for array in file.values())
    target = method.target_backbone.count_params()
    perceptrons = (method.projector, method.predictor, method.target_projector)
    assert heads == target + sum(each.count_params() for each in perceptrons)


def test_what_a_method_was_made_with_is_its_config():
    """Positions, names and defaults alike, with no line in the method's file."""
    backbone = backbones.build("resnet18", width=0.125, stem="small")
    method = BYOL(backbone, 7, byol.example(32), base_tau=0.5, hidden=16)
    config = method.get_config()
    assert config["steps"] == 7 and config["base_tau"] == 0.5
    assert config["outputs"] == 256 and config["fresh_target"] is True
    text = json.dumps(config)
    again = BYOL.from_config(json.loads(text))
    assert json.dumps(again.get_config()) == text
    assert [v.path for v in again.variables] == [v.path for v in method.variables]


class Own(Method):
    """A newcomer's, in a file of their own."""

    def __init__(self, backbone, example, words="a", sizes=(1, 2), scale=None):
        super().__init__(backbone, example, name="own")
        self.head = keras.layers.Dense(3)  # Keras names it, and counts: "dense_7".
        self.head.build((None, 16))


@pytest.mark.parametrize(
    "given", [{}, dict(words="b", sizes=(3,), scale=np.float32(2))]
)
def test_a_newcomers_method_needs_no_line_for_it(tmp_path, given):
    method = Own(tiny(), views.evaluation_view(16), **given)
    again = resume.load(kept(method, tmp_path / "model"))
    assert type(again) is Own and again.made_with["words"] == given.get("words", "a")
    assert list(again.made_with["sizes"]) == list(given.get("sizes", (1, 2)))
    assert getattr(again, "optimizer", None) is None
    assert_same(method, again, parts=("variables",))


def test_an_example_that_is_a_function_is_asked_for_when_it_is_needed(tmp_path):
    def example(item, seed):
        return {"view1": tf.image.resize(item["image"], (8, 8)) / 255}

    class Seen(Own):
        def train_step(self, batch):
            return {"size": tf.shape(batch["view1"])[1]}

    globals()["Seen"] = Seen  # As a file of theirs that is imported has it.
    Seen.__qualname__ = "Seen"
    method = Seen(tiny(), example)
    method.compile(keras.optimizers.SGD(0.1))
    folder = kept(method, tmp_path / "model")
    pictures = tf.data.Dataset.from_tensor_slices(IMAGES[:8]).batch(4)
    with pytest.raises(BadInput, match="load it with example="):
        resume.load(folder).fit(pictures, verbose=0)
    again = resume.load(folder, example=example)
    assert again.fit(pictures, verbose=0).history["size"] == [8]


def test_what_cannot_be_written_down_is_named():
    method = Own(tiny(), views.evaluation_view(16), scale=lambda x: x)
    with pytest.raises(BadInput, match="made with scale=<function"):
        method.get_config()


def test_a_method_that_is_not_known_here_is_named(tmp_path):
    folder = kept(make(), tmp_path / "model")
    told = json.loads((folder / "method.json").read_text())
    (folder / "method.json").write_text(json.dumps({**told, "module": "mine"}))
    with pytest.raises(BadInput, match="BYOL of mine, which is not known here. Import"):
        resume.load(folder)
    (folder / "method.json").write_text(json.dumps({**told, "class_name": "Views"}))
    with pytest.raises(BadInput, match="Views of sslzoo.methods.byol"):
        resume.load(folder)
    newer = {**told, "module": "sslzoo.methods.newer"}
    (folder / "method.json").write_text(json.dumps(newer))
    with pytest.raises(BadInput, match="needs sslzoo.methods.newer"):
        resume.load(folder)


def test_other_weights_than_it_has_are_refused(tmp_path):
    folder = kept(make(), tmp_path / "model")
    kept(make(hidden=24), tmp_path / "other")
    for name in ("heads.weights.h5", "optimizer.npz"):
        text = (folder / name).read_bytes()
        (folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
        with pytest.raises(BadInput, match=f"{name} has other weights"):
            resume.load(folder)
        (folder / name).write_bytes(text)
    (folder / "method.json").unlink()
    with pytest.raises(MissingFile, match="without heads"):
        resume.load(folder)


def test_nothing_of_a_foreign_package_is_imported(tmp_path):
    folder = kept(make(), tmp_path / "model")
    told = json.loads((folder / "method.json").read_text())
    told["optimizer"]["module"] = "this"
    (folder / "method.json").write_text(json.dumps(told))
    import sys

    resume.load(folder)  # Keras knows the optimizer by its registered name.
    assert "this" not in sys.modules


# The schedule of those who go on.


def test_a_schedule_that_has_not_ended_goes_on(tmp_path):
    method = make(steps=10)
    method.fit(batches(0, 4), verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        again = resume.load(kept(method, tmp_path / "model"))
    assert float(again.optimizer.learning_rate) == float(method.optimizer.learning_rate)


def test_one_that_has_ended_begins_anew_and_says_so(tmp_path):
    """Else `fit` would go on with a rate of zero, and learn nothing in silence."""
    method = make(steps=4)
    method.fit(batches(0, 4), verbose=0)
    assert float(method.optimizer.learning_rate) == 0
    folder = kept(method, tmp_path / "model")
    with pytest.warns(UserWarning, match="a new one of 4 steps begins"):
        again = resume.load(folder)
    assert int(again.optimizer.iterations) == 0 and float(again.tau()) == pytest.approx(
        method.base_tau
    )
    again.fit(batches(0, 2), verbose=0)
    assert float(again.optimizer.learning_rate) > 0


def test_one_of_float16_ends_a_few_steps_early(tmp_path):
    """Steps that were not taken, for a gradient was not finite, are not counted."""
    inner = sgd.SGD(schedules.WarmupCosine(0.1, 100))
    method = make(optimizer=keras.optimizers.LossScaleOptimizer(inner), steps=100)
    for taken, words in ((97, None), (99, "a new one of 100 steps begins")):
        inner._iterations.assign(taken)
        folder = kept(method, tmp_path / str(taken))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            again = resume.load(folder)
        assert bool(words) == any(words in str(w.message) for w in told if words)
        assert int(again.optimizer.iterations) == (0 if words else taken)


def test_a_new_schedule_has_the_steps_and_the_rate_that_are_asked_for(tmp_path):
    method = make(steps=10)
    method.fit(batches(0, 4), verbose=0)
    folder = kept(method, tmp_path / "model")
    again = resume.load(folder, steps=40, rate=0.6)
    plan = again.optimizer.get_config()["learning_rate"]["config"]
    assert plan == {"peak": 0.6, "steps": 40, "warmup": 8} and again.steps == 40
    assert int(again.optimizer.iterations) == 0
    assert all(not np.any(v) for v in again.optimizer.velocities)
    assert_same(method, again, parts=("variables",))
    plan = resume.load(folder, steps=40).optimizer.get_config()["learning_rate"]
    assert plan["config"]["peak"] == 0.2


def test_a_constant_rate_has_no_end(tmp_path):
    method = make(optimizer=sgd.SGD(0.05), steps=2)
    method.fit(batches(0, 4), verbose=0)
    folder = kept(method, tmp_path / "model")
    assert float(resume.load(folder).optimizer.learning_rate) == pytest.approx(0.05)
    again = resume.load(folder, steps=5, rate=0.5)
    assert float(again.optimizer.learning_rate) == 0.5 and again.steps == 5


def test_a_schedule_that_is_not_ours_can_only_go_on(tmp_path):
    cosine = keras.optimizers.schedules.CosineDecay(0.1, 10)
    method = make(optimizer=keras.optimizers.SGD(cosine))
    folder = kept(method, tmp_path / "model")
    assert float(resume.load(folder).optimizer.learning_rate) == pytest.approx(0.1)
    with pytest.raises(BadInput, match="CosineDecay, is not known here"):
        resume.load(folder, steps=3)


def test_a_rate_without_steps_is_asked_about(tmp_path):
    with pytest.raises(BadInput, match="say steps="):
        resume.load(kept(make(), tmp_path / "model"), rate=0.1)

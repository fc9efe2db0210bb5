"""`sslzoo verify`: all is well here, and each check can fail."""

import dataclasses
import json
import os
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from sslzoo import cli, verify
from sslzoo.augment import crops, ops
from sslzoo.backbones import fold, layers, tiny
from sslzoo.data import pipeline
from sslzoo.evaluation import knn, linear
from sslzoo.losses import regression
from sslzoo.methods import base, byol, momentum
from sslzoo.optim import decay, lars, schedules, sgd
from sslzoo.zoo import export, load, store
from sslzoo.zoo import input as inputs


def test_all_is_well_here_and_it_takes_less_than_a_minute():
    parts = []
    result = verify.run(lambda done, of: parts.append((done, of)))
    assert [row["failure"] for row in result["checks"] if row["failure"]] == []
    assert result["passed"] and result["seconds"] < 60
    assert parts[-1] == (len(result["checks"]),) * 2
    assert result["versions"]["keras"] == keras.__version__


def test_each_check_says_in_a_sentence_what_it_checks():
    words = [check.__doc__.partition("\n")[0] for check in verify.CHECKS]
    assert all(line.endswith(".") and line[0].isupper() for line in words)
    assert len(set(words)) == len(words)


def test_what_the_user_has_set_does_not_count_and_is_given_back(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with verify.exact():
            assert verify.tried(verify.both_directions)["failure"] == ""
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert json.loads(os.environ["TF_CONFIG"]) == cluster
    finally:
        keras.config.set_dtype_policy("float32")


# Saboteurs: the mistakes that are known to have been made, and a few more.


def halved(p, y):
    return 0.5 * COSINE(p, y)


def in_half_precision(p, y):
    return COSINE(tf.cast(p, tf.bfloat16), tf.cast(y, tf.bfloat16))


def counted_from_one(self, step):
    return SCHEDULE(self, step + 1)


def linear_tau(self):
    done = float(self.optimizer.iterations) / self.steps
    return self.base_tau + (1 - self.base_tau) * done


def softened(self, gradient, variable):
    size, slope = (tf.norm(x) for x in (variable, gradient))
    return gradient * self.trust * size / (slope + 1e-6)


def rate_inside_the_momentum(self, gradient, variable, rate):
    index = self._get_variable_index(variable)
    velocity, gradient = self.velocities[index], tf.cast(gradient, tf.float32)
    if not self.excluded[index]:
        gradient = self.direction(gradient + self.decay * variable, variable)
    step = tf.cast(rate, tf.float32) * gradient
    self.assign(velocity, self.momentum * velocity + step)
    self.assign_sub(variable, velocity)


def target_infers(self, images, training=True):
    return TARGET_OF(self, images, training=False)


def target_infers_in_the_step(self, batch):
    return self.report(
        loss=sum(
            byol.cosine_distance(
                self.predict_from(self.pooled(batch[seen])),
                self.target_of(batch[other], training=False),
            )
            for seen, other in (("view1", "view2"), ("view2", "view1"))
        )
    )


def frozen_layers(model, fresh=False):
    twin = FROZEN_COPY(model, fresh)
    twin.trainable = False
    return twin


def not_frozen(model, fresh=False):
    twin = FROZEN_COPY(model, fresh)
    for weight in twin.weights:
        weight.trainable = "moving" not in weight.path
    return twin


def moved_the_other_way(twin, model, tau, when=None):
    MOVE(twin, model, 1 - tau, when)


def not_stopped(self, images, training=True):
    pooled = self.target_backbone(images, training=training)["pooled"]
    return self.target_projector(pooled, training=training)


def probe_teaches(self, pooled1, batch, training=True):
    return tf.reduce_mean(self.classifier(pooled1)), {}


def views_in_one_batch(self, batch):
    both = tf.concat([batch["view1"], batch["view2"]], 0)
    self.predict_from(self.pooled(both))


def added_not_averaged(self, gradients, weights):
    return ADD_UP(self, [2 * g for g in gradients], weights)


def half_a_prediction(self, pooled, training=True):
    return tf.cast(PREDICT_FROM(self, pooled, training), tf.bfloat16)


def each_replica_by_itself(self, inputs, training=None, mask=None):
    return self._fused(tf, inputs, bool(training))


def in_order(n, count, seed):
    return n % count


def with_replacement(n, count, seed):
    draws = np.random.default_rng(0).integers(0, count, n.shape)
    return tf.constant(draws)


def from_the_start(*args, step=0, **options):
    return BATCHES(*args, **options)


def one_aside(size, height, width):
    return CENTRE(size, height, width) + np.array([0, 1, 0, 0])


def antialiased(extent, size, interpolation, antialias):
    return TAPS(extent, size, interpolation, True)


def only_counted(*args, temperature=None, **options):
    return NEAREST(*args, **options, temperature=None)


def twice_as_weak(x, y, C, **options):
    return FIT(x, y, C=2 * C, **options)


def without_the_mean(norm):
    a, b = LINE(norm)
    return a, 0 * b


def nothing_filled(backbone, path):
    pass


COSINE, SCHEDULE = regression.cosine_distance, schedules.WarmupCosine.__call__
TARGET_OF, PREDICT_FROM = byol.BYOL.target_of, byol.BYOL.predict_from
FROZEN_COPY, MOVE, ADD_UP = momentum.frozen_copy, momentum.move, base.Method._add_up
BATCHES, CENTRE, TAPS = pipeline.training_batches, crops.centre_window, inputs.taps
NEAREST, FIT, LINE = knn.predict, linear.fit, fold._line
BATCH_NORM = layers.BatchNorm.__init__

SABOTEURS = [
    (verify.loss_values, regression, "cosine_distance", halved),
    (verify.learning_rates, schedules.WarmupCosine, "__call__", counted_from_one),
    (verify.taus, byol.BYOL, "tau", linear_tau),
    (verify.lars_by_hand, lars.LARS, "direction", softened),
    (verify.lars_by_hand, sgd.SGD, "update_step", rate_inside_the_momentum),
    (verify.lars_by_hand, decay, "excluded", lambda path, patterns: False),
    (verify.lars_by_hand, decay, "excluded", lambda path, p: path.endswith("bias")),
    (verify.both_directions, byol, "cosine_distance", halved),
    (verify.both_directions, byol.BYOL, "train_step", target_infers_in_the_step),
    (verify.target_in_training_mode, byol.BYOL, "target_of", target_infers),
    (verify.target_in_training_mode, momentum, "frozen_copy", frozen_layers),
    (verify.target_outside_the_optimizer, momentum, "frozen_copy", not_frozen),
    (verify.target_outside_the_optimizer, momentum, "move", moved_the_other_way),
    (verify.stopped_gradients, byol.BYOL, "target_of", not_stopped),
    (verify.stopped_gradients, byol.BYOL, "probe", probe_teaches),
    (verify.two_passes, byol.BYOL, "train_step", views_in_one_batch),
    (verify.two_passes, BATCH_NORM, "__defaults__", (0.99, 1e-5)),
    (verify.accumulation, base.Method, "_add_up", added_not_averaged),
    (verify.full_precision_loss, regression, "cosine_distance", in_half_precision),
    (verify.full_precision_loss, byol.BYOL, "predict_from", half_a_prediction),
    (verify.fused_batch_norm, BATCH_NORM, "__defaults__", (0.9, 1e-3)),
    (verify.fused_batch_norm, BATCH_NORM, "__defaults__", (0.99, 1e-5)),
    (verify.order_of_images, pipeline, "shuffled", in_order),
    (verify.order_of_images, pipeline, "shuffled", with_replacement),
    (verify.any_position_at_once, pipeline, "training_batches", from_the_start),
    (verify.views_of_fixed_seeds, ops, "blur", lambda image, *_: image),
    (verify.views_of_fixed_seeds, ops, "solarize", lambda image, *_: image),
    (verify.evaluation_view, crops, "centre_window", one_aside),
    (verify.evaluation_view, inputs, "taps", antialiased),
    (verify.neighbours_by_hand, knn, "predict", only_counted),
    (verify.regression_by_hand, linear, "fit", twice_as_weak),
    (verify.folding, fold, "_line", without_the_mean),
    (verify.round_trip, load, "fill", nothing_filled),
]


def named(value):
    return getattr(value, "__name__", "value").strip("<>")


@pytest.mark.parametrize("check, place, name, mistake", SABOTEURS, ids=named)
def test_a_mistake_is_found(monkeypatch, check, place, name, mistake):
    monkeypatch.setattr(place, name, mistake)
    row = verify.tried(check)
    assert not row["passed"] and "did not come to an end" not in row["failure"]


def test_every_check_has_a_saboteur():
    elsewhere = {verify.two_replicas_as_one}
    assert {row[0] for row in SABOTEURS} | elsewhere == set(verify.CHECKS)


def test_batch_norm_of_each_replica_by_itself_is_found(monkeypatch, two_replicas):
    verify.as_one(two_replicas)
    monkeypatch.setattr(layers.BatchNorm, "call", each_replica_by_itself)
    with pytest.raises(verify.Failed, match="of two replicas: expected"):
        verify.as_one(two_replicas)


def test_what_the_other_process_says_is_told(monkeypatch):
    done = types.SimpleNamespace(returncode=1, stdout="a: expected 1, got 2.\n")
    monkeypatch.setattr(verify.subprocess, "run", lambda *_, **__: done)
    assert verify.tried(verify.two_replicas_as_one)["failure"] == done.stdout.strip()


def test_a_check_that_breaks_down_is_a_failure_and_the_others_go_on(monkeypatch):
    def broken():
        """One is broken."""
        raise ZeroDivisionError("here")

    monkeypatch.setattr(verify, "CHECKS", (broken, verify.loss_values))
    monkeypatch.setattr(verify, "shipped", list)
    result = verify.run()
    assert [row["passed"] for row in result["checks"]] == [False, True]
    assert "ZeroDivisionError: here" in result["checks"][0]["failure"]


@pytest.mark.parametrize("found", [[1.0, np.nan], [1.0, 2.1], [1.0], [[1.0], [2.0]]])
def test_numbers_that_are_not_the_same_are_told(found):
    verify.same([1.0, 2.0], [1.0, 2.0], "numbers")
    with pytest.raises(verify.Failed, match="numbers: expected .*, got"):
        verify.same(found, [1.0, 2.0], "numbers")


# The models that lie in the package.


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package that ships one model; the folder of its models."""
    monkeypatch.setattr(verify, "__file__", str(tmp_path / "sslzoo" / "verify.py"))
    method = byol.BYOL(tiny.tiny(), 1, byol.example(16), hidden=8, outputs=4)
    method.compile(keras.optimizers.SGD(0.1))
    export.export(method, "byol_tiny.toy", tmp_path / "savedmodels", heads=False)
    return tmp_path / "savedmodels"


def test_a_shipped_model_is_checked(package):
    (check,) = verify.shipped()
    row = verify.tried(check)
    assert row["passed"] and row["name"] == "byol_tiny.toy"
    (package / "byol_tiny.toy" / "backbone.weights.h5").write_bytes(b"other")
    assert "Checksum mismatch" in verify.tried(check)["failure"]


def test_a_shipped_model_that_answers_otherwise_is_found(package, monkeypatch):
    monkeypatch.setattr(load, "answer", lambda *_: np.zeros(16, np.float32))
    (check,) = verify.shipped()
    assert "does not answer as its card says" in verify.tried(check)["failure"]


def test_a_card_that_cannot_be_read_is_found(package):
    (package / "byol_tiny.toy" / "card.json").write_text("{")
    (check,) = verify.shipped()
    assert "is no card" in verify.tried(check)["failure"]


def test_a_model_whose_weights_are_elsewhere_is_not_fetched(package, monkeypatch):
    card = verify.registry.card("byol_tiny.toy", package)
    afar = dataclasses.replace(card, source={"url": "https://example.com/a.zip"})
    monkeypatch.setattr(verify.registry, "card", lambda *_: afar)
    (check,) = verify.shipped()
    assert verify.tried(check)["passed"]


# The command.


def run(capsys, *words):
    """Exit code, and what went to standard output and error."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    said = capsys.readouterr()
    return left.value.code, said.out, said.err


@pytest.fixture
def two_checks(monkeypatch):
    monkeypatch.setattr(verify, "CHECKS", (verify.loss_values, verify.taus))
    monkeypatch.setattr(verify, "shipped", list)


def test_the_command_says_in_words_what_was_checked(capsys, two_checks):
    code, out, err = run(capsys, "verify")
    assert code == 0 and err == ""
    assert "2 - 2 cos" in out and "2 of 2 checks passed" in out and "keras" in out
    code, out, _ = run(capsys, "verify", "--json")
    assert code == 0 and json.loads(out)["passed"]


def test_the_command_fails_with_what_to_report(capsys, two_checks, monkeypatch):
    monkeypatch.setattr(byol.BYOL, "tau", linear_tau)
    code, out, _ = run(capsys, "verify")
    said = " ".join(out.split())
    assert code == 1 and "1 of 2 checks passed" in said and "expected 0.99" in said
    assert "sslzoo verify --json" in said
    code, out, _ = run(capsys, "verify", "--json")
    rows = json.loads(out)["checks"]
    assert code == 1 and [row["passed"] for row in rows] == [True, False]
    assert rows[1]["name"] == "taus" and rows[1]["failure"].startswith("tau 78196 of")


@pytest.mark.parametrize("out", ["models", "models.zip"])
def test_models_are_bundled(capsys, package, tmp_path, out):
    words = ["bundle", "byol_tiny", "--registry", package, "--out", tmp_path / out]
    code, said, _ = run(capsys, *words, "--json")
    told = json.loads(said)
    assert code == 0 and told["models"] == ["byol_tiny"] and told["bytes"] > 1000
    assert told["out"] == str(tmp_path / out)
    if out == "models":
        assert store.all_names(tmp_path / out) == ["byol_tiny.toy"]
    code, said, _ = run(capsys, *words)
    assert code == 0 and str(tmp_path / out) in said and "SSLZOO_CACHE" in said


def test_a_bundle_of_what_is_not_there_is_refused(capsys, package, tmp_path):
    words = ["bundle", "byol_tny", "--registry", package, "--out", tmp_path / "out"]
    code, said, err = run(capsys, *words)
    assert code == 1 and said == "" and "byol_tiny" in err
    assert not (tmp_path / "out").exists()

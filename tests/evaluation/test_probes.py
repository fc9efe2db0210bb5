import keras
import numpy as np
import tensorflow as tf

from sslzoo.backbones.tiny import tiny
from sslzoo.data import sources
from sslzoo.evaluation.probes import Probe, Probes
from sslzoo.methods import byol


def test_fit_without_labels_tells_of_any_number_of_labelled_sets():
    """In its history, when asked for and at the last epoch, as the method is then."""
    images = np.random.default_rng(0).integers(0, 255, (8, 40, 40, 3), "uint8")
    images = tf.data.Dataset.from_tensor_slices(images).batch(4)
    method = byol.BYOL(tiny(), steps=10, example=byol.example(32), hidden=16)
    method.compile(keras.optimizers.SGD(0.1))
    toy = [
        sources.from_spec(f"toyworld:{part}?count=64&size=32")
        for part in ("train", "test")
    ]
    noise = sources.Synthetic(40), sources.Synthetic(20)
    probes = Probes({"toy": Probe(*toy, 32, crop=1.0), "noise": Probe(*noise, 32)}, 2)
    before = probes.scores(method)
    found = method.fit(images, epochs=3, callbacks=[probes], verbose=0).history
    assert {"loss", "tau", "toy/knn", "toy/linear", "noise/knn", "noise/linear"} == {
        *found
    }
    assert len(found["loss"]) == 3 and len(found["toy/knn"]) == 2
    after = probes.scores(method)
    assert after != before
    for name, scores in after.items():
        for protocol, top1 in scores.items():
            assert found[f"{name}/{protocol}"][-1] == top1


def test_a_trial_is_due_every_so_many_epochs_and_at_the_last():
    due = [Probes({}, every=3).due(n, last=n == 7) for n in range(1, 8)]
    assert due == [False, False, True, False, False, True, True]
    assert [Probes({}, every=0).due(n, last=n == 2) for n in (1, 2)] == [False, True]

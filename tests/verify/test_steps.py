"""Two devices that do not train as one are found, also in another process."""

import types

import pytest
import tensorflow as tf

from sslzoo import verify
from sslzoo.backbones import layers
from sslzoo.verify import checking, steps


def each_replica_by_itself(self, inputs, training=None, mask=None):
    return self._fused(tf, inputs, bool(training))


@pytest.mark.slow
def test_batch_norm_of_each_replica_by_itself_is_found(monkeypatch, two_replicas):
    steps.as_one(two_replicas)
    monkeypatch.setattr(layers.BatchNorm, "call", each_replica_by_itself)
    with pytest.raises(checking.Failed, match="of two replicas: expected"):
        steps.as_one(two_replicas)


def test_what_the_other_process_says_is_told(monkeypatch):
    done = types.SimpleNamespace(returncode=1, stdout="a: expected 1, got 2.\n")
    monkeypatch.setattr(steps.subprocess, "run", lambda *_, **__: done)
    assert verify.tried(steps.two_replicas_as_one)["failure"] == done.stdout.strip()

"""Heads that answer for every cell."""

import keras
import numpy as np

from sslzoo.heads import maps


def test_untrained_they_say_nothing_of_any_cell():
    cells = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype("float32")
    for head in (maps.answers(6, 5, "a"), maps.branch(6, 5, "b", hidden=4)):
        found = np.asarray(head(cells))
        assert found.shape == (2, 3, 4, 5) and not found.any()


def test_a_branch_is_fc6_to_fc8_of_the_paper_and_keeps_the_map():
    """512 channels each; fc6 of 6 x 6, its taps two cells apart."""
    with keras.StatelessScope():
        branch = maps.branch(256, 313, "ab")
        kernels = [w.shape for w in branch.trainable_weights if "kernel" in w.path]
        rate = branch.get_layer("fc6").dilation_rate
    assert kernels == [(6, 6, 256, 512), (1, 1, 512, 512), (1, 1, 512, 313)]
    assert rate == (2, 2) and branch.compute_output_shape((1, 12, 12, 256))[1] == 12


def test_answers_are_in_float32_whatever_the_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        heads = maps.answers(6, 5, "a"), maps.branch(6, 5, "b", hidden=4)
        assert {head(np.ones((1, 2, 2, 6))).dtype.name for head in heads} == {"float32"}
    finally:
        keras.config.set_dtype_policy(before)

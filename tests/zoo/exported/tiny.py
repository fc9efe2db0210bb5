"""A tiny BYOL, and the run that it is said to be of."""

import keras
import numpy as np
import tensorflow as tf

from sslzoo import backbones
from sslzoo.methods import byol
from sslzoo.optim import schedules, sgd

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

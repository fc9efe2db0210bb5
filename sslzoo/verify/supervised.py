"""Classification: its loss and accuracy, at values worked by hand."""

import numpy as np
import tensorflow as tf

from sslzoo.methods.supervised import Supervised
from sslzoo.verify.checking import same
from sslzoo.verify.small import mean_colour, single


def softmax_by_hand():
    """Of classes the loss is -log of the softmax, and its mean over the images."""
    backbone = mean_colour()
    backbone.get_layer("features").set_weights([np.eye(3, 6), np.zeros(6)])
    method = Supervised(backbone, None, 3)
    method.classifier.set_weights([10 * np.eye(6, 3), np.zeros(3)])
    colours = np.array([(1, 0, 0), (0, 1, 0), (0.2, 0.1, 0.4)])
    images = np.broadcast_to(colours[:, None, None], (3, 4, 4, 3))
    labels = np.array([0, 2, 2])
    p = np.exp(10 * colours)
    p /= p.sum(axis=1, keepdims=True)
    batch = {"image": single(images), "label": tf.constant(labels), "n": tf.range(3)}
    found = method.test_step(batch)
    same(found["loss"], -np.log(p[range(3), labels]).mean(), "loss")
    same(found["accuracy"], 2 / 3, "accuracy")


CHECKS = (softmax_by_hand,)

"""MoCo: its queue."""

import numpy as np

from sslzoo.methods import moco
from sslzoo.optim.sgd import SGD
from sslzoo.verify.checking import same
from sslzoo.verify.info_nce import unit
from sslzoo.verify.small import batch, mean_colour, settled


def queue_of_keys():
    """The queue has the latest keys, of length 1, in their order."""
    method, seen = moco.MoCo(mean_colour(), None, 12, hidden=16, outputs=8), batch()
    method.compile(SGD(0.1))
    settled(method, np.random.default_rng(0))
    queue = np.asarray(method.queue)
    for step in (1, 2):
        queue = np.concatenate([queue, unit(method.key(seen["view2"]))])[-12:]
        method.train_step(seen)
        same(method.queue, queue, f"queue after step {step}", 1e-3, 1e-5)


CHECKS = (queue_of_keys,)

"""Published weights, as small files: their names, their cards, what is left of them."""

import numpy as np

from sslzoo import backbones
from sslzoo.zoo import export
from sslzoo.zoo.card import Card
from tests.converters import deepmind

NAME = "byol_r18w4.in1k_deepmind"
FILE = "/checkpoints/pretrain_res18.pkl"
OPTIONS = {"width": deepmind.WIDTH}


def card_of(name, built, source):
    backbone = backbones.build(built[0], **built[1])
    contract = export.input_of(backbone, 64)
    return Card(
        name=name,
        summary="For tests.",
        origin="Its authors, with the paper",
        backbone={
            "builder": built[0],
            "options": built[1],
            "parameters": backbone.count_params(),
        },
        input=contract,
        features=export.features_of(backbone, 64),
        licences={"code": "Apache-2.0", "weights": "CC-BY-NC-4.0", "data": "theirs"},
        default=True,
        published=[
            {"data": "in1k", "protocol": "linear", "value": 0.744, "source": "README"}
        ],
        source=source,
    )


def left(own_cache):
    """Files of the cache, but for locks and indexes."""
    return sorted(
        path.relative_to(own_cache).parts[0]
        for path in own_cache.rglob("*")
        if path.is_file() and path.suffix != ".lock" and ".index" not in str(path)
    )


def same(ours, theirs):
    theirs = np.asarray(theirs)
    assert theirs.std() > 1e-3
    far = 1e-4 * np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=far)

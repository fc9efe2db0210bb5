"""A wider field of view, "+FoV" (Larsson et al., 2017), arXiv:1703.04044, section 4.1.

    conv8_1 = relu(conv(pool8)),   pool8 = max pool 2x2 of the last map;  so conv9_1

Two blocks that see more of the image. Behind a stride of 32 the first adds 160 pixels,
as the paper says of each; the second, by arithmetic, 320. Both join the hypercolumn.
"""

import keras

from sslzoo.backbones import layers
from sslzoo.errors import BadInput


def with_fov(backbone, channels=1024):
    """The backbone, its weights shared, with "conv8_1" and "conv9_1" as features too.

    "pooled" stays what it was. New weights are drawn as the authors' code draws those
    that a file lacks: a truncated normal of variance 2 / fan in. There is no
    normalisation.

    Args:
        channels: of each of the two.
    """
    maps = {k: x for k, x in backbone.output.items() if len(x.shape) == 4}
    if not maps:
        raise BadInput(f"{backbone.name} has no map [n, h, w, c] to look further from.")
    x = [*maps.values()][-1]
    for number in (8, 9):
        name = f"conv{number}_1"
        x = layers.max_pool(x, size=2, name=f"pool{number}")
        x = layers.conv(x, channels, 3, name=name, kernel="he_normal", bias=True)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
        maps[name] = x
    rest = {k: x for k, x in backbone.output.items() if k not in maps}
    return keras.Model(backbone.input, {**maps, **rest}, name=f"{backbone.name}_fov")

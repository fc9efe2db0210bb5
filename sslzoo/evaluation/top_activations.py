"""What excites a channel most (Larsson et al., 2017), arXiv:1703.04044, Fig. 2 and 5.

Of each image the place where the channel is largest; of all images those where that is
most; of these the window that the place sees. A network that was trained with batch
normalisation and is shown larger images wants `backbones.bias_padding` first: else it
is the borders that excite it.
"""

import numpy as np
import tensorflow as tf

from sslzoo.backbones import fields
from sslzoo.errors import BadInput
from sslzoo.evaluation.features import features
from sslzoo.zoo.load import known_feature


def evaluate(model, source, size, name, channels=None, k=9, crop=None, batch_size=64):
    """The `k` images and windows that excite each channel most.

    Args:
        model: functional, from RGB in [0, 1] to a dict of features.
        size, crop: of the images shown, as `features` has them. Windows are in the
            pixels of what is shown.
        name: of a feature that is a map, `[n, h, w, c]`.
        channels: numbers of them; all without.

    Returns:
        {channel: [{"image", "value", "window": (top, left, height, width)}, ...]}, the
        most excited first; a window may reach beyond the image.
    """
    feature = model.output[known_feature(name, model.output)]
    if len(feature.shape) != 4:
        raise BadInput(f"{name} is no map [n, h, w, c]: it has no places to show.")
    count = feature.shape[-1]
    channels = range(count) if channels is None else channels
    for channel in channels:
        if not 0 <= channel < count:
            raise BadInput(f"{name} has channels 0 to {count - 1}, not {channel}.")
    width = []

    def largest(images, training=False):
        x = model(images, training=False)[name]
        width.append(x.shape[2])
        x = tf.reshape(x, (tf.shape(x)[0], -1, count))
        where = tf.cast(tf.argmax(x, axis=1), tf.float32)
        return {"value": tf.reduce_max(x, axis=1), "where": where}

    names = ("value", "where")
    found = features(largest, source, size, batch_size, None, names, crop)
    first, stride, side = fields.field_of_view(model, name, size)
    result = {}
    for channel in channels:
        values = found["value"][:, channel]
        best = np.argsort(-values, kind="stable")[:k]
        cells = found["where"][best, channel].astype(int)
        corners = np.stack(np.divmod(cells, width[0]), axis=-1) * stride + first
        result[channel] = [
            {
                "image": int(i),
                "value": float(values[i]),
                "window": (*map(int, c), side, side),
            }
            for i, c in zip(best, corners)
        ]
    return result

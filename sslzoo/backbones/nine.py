"""A network of patches as a network of images: the mean over nine of them.

What Revisiting evaluates of jigsaw and of relative patches: nine patches of an image,
in its colours, each through the network, and every feature their mean

    F(image) = 1/9 sum_k f(patch k)

The patches lie as far apart as the image allows, in three rows of three: side by side
in one of three patches each way, which is what the authors show; over one another in a
smaller, with gaps in a larger one. No smaller image than one patch is taken.
"""

import keras
from keras import ops

from sslzoo.errors import BadInput

CROP = 6 / 7  # 192 of 224: a patch is as large a part as where it was learned.


def nine(trunk, patch):
    """RGB in [0, 1] -> the features of `trunk`, each the mean over nine patches.

    The layers are those of `trunk`, not copies: what it learns, this has learned.

    Args:
        patch: the side of what `trunk` takes.
    """
    only = trunk.input_shape[1]
    if only not in (None, patch):
        raise BadInput(
            f"patch={patch}, but {trunk.name} takes images of {only} pixels alone."
        )
    images = keras.Input((None, None, trunk.input_shape[-1]), name="nine_images")
    patches = Nine(patch, name="nine")(images)
    found = {
        name: MeanOfNine(name=f"nine_{name}")(value)
        for name, value in trunk.call(patches).items()
    }
    model = keras.Model(images, found, name=trunk.name)
    model.shown_at = {"size": 3 * patch, "crop": CROP}
    if hasattr(trunk, "made_by"):
        model.made_by = trunk.made_by
    return model


@keras.saving.register_keras_serializable("sslzoo")
class Nine(keras.layers.Layer):
    """`[n, h, w, c]` -> `[9 n, patch, patch, c]`: of each image nine, row by row.

    Their corners lie at floor(i (h - patch) / 2) and floor(j (w - patch) / 2).
    """

    def __init__(self, patch, **options):
        super().__init__(autocast=False, **options)
        self.patch = patch

    def call(self, images):
        self._check(images.shape)
        sides = ops.shape(images)[1:3]
        tops, lefts = (
            [(side - self.patch) * i // 2 for i in range(3)] for side in sides
        )
        patches = [
            images[:, top : top + self.patch, left : left + self.patch]
            for top in tops
            for left in lefts
        ]
        shape = (-1, self.patch, self.patch, images.shape[-1])
        return ops.reshape(ops.stack(patches, axis=1), shape)

    def compute_output_shape(self, shape):
        self._check(shape)
        n = None if shape[0] is None else 9 * shape[0]
        return n, self.patch, self.patch, shape[-1]

    def _check(self, shape):
        if any(side is not None and side < self.patch for side in shape[1:3]):
            raise BadInput(
                f"Images of {shape[1]} x {shape[2]}: patches of {self.patch} are cut "
                "of them. Give larger ones."
            )

    def get_config(self):
        return {**super().get_config(), "patch": self.patch}


@keras.saving.register_keras_serializable("sslzoo")
class MeanOfNine(keras.layers.Layer):
    """`[9 n, ...]` -> `[n, ...]`."""

    def call(self, x):
        return ops.mean(ops.reshape(x, (-1, 9, *x.shape[1:])), axis=1)

    def compute_output_shape(self, shape):
        return (None if shape[0] is None else shape[0] // 9, *shape[1:])

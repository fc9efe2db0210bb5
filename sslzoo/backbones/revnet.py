"""RevNet (Gomez et al., 2017), arXiv:1707.04585, as Revisiting's code builds it.

Half of the channels goes through a unit unchanged, and the halves swap places:

    y1 = x2,   y2 = x1 + F(x2);        back:   x2 = y1,   x1 = y2 - F(y1)

    F = BN - ReLU - conv1x1 - BN - ReLU - conv3x3 - BN - ReLU - conv1x1

Two such units are one of the original paper. A unit keeps the size of the map and the
number of channels; between two blocks a mean pool halves the one, and zeros on both
sides double the other, so that both halves carry something (sheet, section 1.3).
After the last unit come BN, ReLU and the mean; "(-)" leaves that ReLU out.

What comes out of a block gives back all that was in it. So training can do without the
maps in between: `save_memory`, of `ReversibleBlock`.
"""

import keras
from keras import ops

from sslzoo.backbones import layers, resnet_v2

PIECE = 4  # Images that go through the root at once, where memory is to be saved.


def revnet(
    width=1.0,
    units=(3, 4, 6, 3),
    last_relu=True,
    stem="imagenet",
    representation=None,
    save_memory=False,
    pixels="signed",
    channels=3,
    name=None,
):
    """RGB in [0, 1] -> {"after_root", "block1" .. "block4", "pooled"}.

    Features of the blocks are taken before the pool and the zeros.

    Args:
        width: Revisiting's k is 4 * width.
        units: of the four blocks; those of a RevNet50, which has three layers in each,
            the root, and a layer on top.
        last_relu: False makes the paper's "(-)".
        stem: "imagenet"; "small", one 3x3 and no pool, for images of 32 to 64 pixels;
            or "patch", without strides in the root and before block 4, for its patches.
        representation: the size of "pooled", where it shall not follow the width: of
            one more convolution, 1x1, with BN before and after it (section 1.6).
        save_memory: train with the maps of one unit in memory, at the price of one
            more forward pass: see `ReversibleBlock`.
        pixels: what the network is shown, of `layers.PIXELS`.
        channels: of the images.
    """
    layers.known_units(units)
    layers.known_representation(representation)
    inner = layers.channels_of(32, width)  # 8k: of the convolutions within F.
    images = keras.Input((None, None, channels), name="images")
    x = root(layers.pixels(images, pixels), 8 * inner, stem, save_memory)
    features = {"after_root": x}
    for block, count in enumerate(units, start=1):
        if block > 1:
            x = transition(x, resnet_v2.strides(stem)[block - 1], f"block{block}")
            inner *= 2
        parts = [unit(inner, f"block{block}_{index}") for index in range(count)]
        x = ReversibleBlock(parts, save_memory, name=f"block{block}")(x)
        features[f"block{block}"] = x
    if representation is not None:
        x = resnet_v2.norm_relu(x, "representation")
        x = resnet_v2.conv(x, representation, 1, 1, "representation_conv")
    features["pooled"] = resnet_v2.pooled(x, last_relu)
    return keras.Model(images, features, name=name or "revnet50")


def root(x, filters, stem, save_memory):
    """A convolution and a pool, with nothing between; in one layer, but for "small"."""
    if stem not in ("imagenet", "patch"):
        return resnet_v2.root(x, filters, stem)
    stride = 2 if stem == "imagenet" else 1
    options = dict(use_bias=False, save_memory=save_memory, name="root_conv")
    return Root(filters, 7, stride, **options)(x)


def unit(inner, name):
    """F, on half of the 8 * inner channels of its block."""
    dtype = keras.config.dtype_policy().variable_dtype
    half = keras.Input((None, None, 4 * inner), name="half", dtype=dtype)
    h = resnet_v2.norm_relu(half, f"{name}_pre")
    return keras.Model(half, resnet_v2.body(h, 4 * inner, inner, 1, name), name=name)


def transition(x, stride, name):
    """Half the size, where the block has a stride, and twice the channels."""
    if stride > 1:
        x = keras.layers.AveragePooling2D(
            stride, stride, padding="same", name=f"{name}_pool"
        )(x)
    return ZeroChannels(x.shape[-1] // 2, name=f"{name}_zeros")(x)


@keras.saving.register_keras_serializable("sslzoo")
class ZeroChannels(keras.layers.Layer):
    """`[..., c]` -> `[..., c + 2 count]`: so many channels of zeros on each side."""

    def __init__(self, count, **options):
        super().__init__(**options)
        self.count = count

    def call(self, x):
        return ops.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[self.count] * 2])

    def compute_output_shape(self, shape):
        return (*shape[:-1], shape[-1] + 2 * self.count)

    def get_config(self):
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable("sslzoo")
class Root(keras.layers.Conv2D):
    """A convolution, zeros around it, and a max pool of 3x3 and stride 2.

    The map between the two is the largest of the network, in a RevNet50 of 224 pixels
    larger than all outputs of blocks together. With `save_memory`, training under
    TensorFlow makes it of `PIECE` images at a time, in the backward pass once more;
    the weights' gradient is the sum over the pieces. Batches want to be multiples of
    that, else it is image by image. One that was given a bias, as `channels.to_gray`
    does behind unlike means, keeps the map.
    """

    def __init__(self, *args, save_memory=False, **options):
        super().__init__(*args, **options)
        self.save_memory = save_memory
        self.supports_jit = not save_memory

    def call(self, images, training=False):
        saves = self.save_memory and not self.use_bias
        if training and saves and keras.config.backend() == "tensorflow":
            return self._in_pieces(images)
        return self._whole(images, self.kernel)

    def _whole(self, images, kernel):
        x = _zeros_around(images, self.kernel_size[0] // 2)
        x = ops.conv(x, kernel, self.strides, "valid")
        if self.use_bias:
            x = x + ops.cast(self.bias, x.dtype)
        return ops.max_pool(_zeros_around(x, 1), 3, 2)

    def _in_pieces(self, images):
        import tensorflow as tf

        def pieces(x):
            size = tf.where(tf.shape(x)[0] % PIECE == 0, PIECE, 1)
            return tf.reshape(x, tf.concat([[-1, size], tf.shape(x)[1:]], 0))

        @tf.custom_gradient
        def run(images, kernel):
            def backward(dy):
                def add(total, piece):
                    some, d = piece
                    with tf.GradientTape() as tape:
                        tape.watch(kernel)
                        y = self._whole(some, kernel)
                    return total + tf.cast(tape.gradient(y, kernel, d), total.dtype)

                dw = tf.foldl(
                    add,
                    (pieces(images), pieces(dy)),
                    tf.zeros(kernel.shape, self.variable_dtype),
                    parallel_iterations=1,
                )
                # Hardly anybody wants that of the images; graphs then leave it out.
                with tf.GradientTape() as tape:
                    tape.watch(images)
                    y = self._whole(images, kernel)
                return tape.gradient(y, images, dy), tf.cast(dw, kernel.dtype)

            fixed = tf.stop_gradient(kernel)
            y = tf.map_fn(
                lambda some: self._whole(some, fixed),
                pieces(tf.stop_gradient(images)),
                parallel_iterations=1,
                fn_output_signature=images.dtype,
            )
            y = tf.reshape(y, tf.concat([[-1], tf.shape(y)[2:]], 0))
            return tf.ensure_shape(y, self.compute_output_shape(images.shape)), backward

        return run(images, tf.convert_to_tensor(self.kernel.value))

    def compute_output_shape(self, shape):
        n, *sides, _ = shape
        stride = self.strides[0]
        halved = (side and ((side - 1) // stride) // 2 + 1 for side in sides)
        return (n, *halved, self.filters)

    def get_config(self):
        return {**super().get_config(), "save_memory": self.save_memory}


def _zeros_around(x, count):
    return ops.pad(x, [[0, 0], [count, count], [count, count], [0, 0]])


@keras.saving.register_keras_serializable("sslzoo")
class ReversibleBlock(keras.layers.Layer):
    """The units of a block, one after the other: `[..., c]` -> `[..., c]`.

    With `save_memory`, training under TensorFlow keeps of a block only what comes out.
    The backward pass goes from the last unit to the first: it computes F(y1) once more,
    with it the unit's input, and the gradients,

        dx1 = dy2,   dx2 = dy1 + (dF/dx2)^T dy2,   dw = (dF/dw)^T dy2.

    One unit begins when the one behind it is done, else TensorFlow would compute all of
    them at once and nothing were saved. Weights and running averages of the second time
    are those that the first began with; averages move once, in the forward pass.

    The halves are added up in the type of the weights: float32 under mixed_bfloat16,
    for what a sum in bfloat16 has rounded away cannot be subtracted from it again.
    F itself is computed in bfloat16, twice from the same numbers but for the rounding
    of a float32 sum.

    Args:
        units: F of each, models that keep the shape of c / 2 channels.
        save_memory: whether training does so. XLA has an order of its own, so Keras
            is told not to use it then.
    """

    def __init__(self, units, save_memory=False, **options):
        super().__init__(**options)
        self.units = list(units)
        self.save_memory = save_memory
        self.supports_jit = not save_memory

    def call(self, x, training=False):
        x1, x2 = self._halves(x)
        saves = self.save_memory and keras.config.backend() == "tensorflow"
        if training and saves:
            x1, x2 = self._run_without_memory(x1, x2)
        else:
            for F in self.units:
                x1, x2 = x2, x1 + ops.cast(F(x2, training=training), x1.dtype)
        return ops.cast(ops.concatenate([x1, x2], axis=-1), self.compute_dtype)

    def invert(self, y):
        """The input of which the block, when it infers, has made `y`."""
        y1, y2 = self._halves(y)
        for F in reversed(self.units):
            y1, y2 = y2 - ops.cast(F(y1, training=False), y2.dtype), y1
        return ops.cast(ops.concatenate([y1, y2], axis=-1), self.compute_dtype)

    def _halves(self, x):
        return ops.split(ops.cast(x, self.variable_dtype), 2, axis=-1)

    def _run_without_memory(self, x1, x2):
        import tensorflow as tf

        def now(variables):
            return [tf.convert_to_tensor(variable.value) for variable in variables]

        learned = [now(F.trainable_variables) for F in self.units]
        others = [now(F.non_trainable_variables) for F in self.units]
        moved = []  # What the forward pass has changed, and to what.
        # A channel of zeros, as a transition makes it, lies on the edge of the first
        # ReLU. On the way back it comes out as 1e-17, half of it beyond the edge.
        alive = tf.reduce_any(tf.not_equal(x2, 0), [0, 1, 2], keepdims=True)
        alive = tf.cast(alive, x2.dtype)

        @tf.custom_gradient
        def run(x1, x2, learned):
            def backward(d1, d2):
                x1, x2, gradients = y1, y2, []
                for F, w, before in reversed([*zip(self.units, learned, others)]):
                    with tf.control_dependencies([d1, d2, *tf.nest.flatten(gradients)]):
                        x1, x2 = tf.identity(x1), tf.identity(x2)
                    if F is self.units[0]:
                        x1 *= alive
                    with tf.GradientTape(watch_accessed_variables=False) as tape:
                        tape.watch((x1, w))
                        out, _ = F.stateless_call(w, before, x1, training=True)
                        out = tf.cast(out, x2.dtype)
                    none = tf.UnconnectedGradients.ZERO
                    through, dw = tape.gradient(out, (x1, w), d2, none)
                    x1, x2 = x2 - out, x1
                    d1, d2 = d2, d1 + through
                    gradients.insert(0, dw)
                return d1, d2, gradients

            # Without stop_gradient an eager tape would remember what is in between.
            held = tf.nest.map_structure(tf.stop_gradient, (x1, x2, learned))
            y1, y2, fixed = held
            for F, w, before in zip(self.units, fixed, others):
                out, after = F.stateless_call(w, before, y2, training=True)
                y1, y2 = y2, y1 + tf.cast(out, y1.dtype)
                changes = zip(F.non_trainable_variables, before, after)
                moved.extend((v, new) for v, old, new in changes if new is not old)
            return (y1, y2), backward

        y = run(x1, x2, learned)
        for variable, value in moved:
            variable.assign(value)
        return y

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        write = keras.saving.serialize_keras_object
        units = [write(F) for F in self.units]
        config = {"units": units, "save_memory": self.save_memory}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        read = keras.saving.deserialize_keras_object
        return cls(**{**config, "units": [read(F) for F in config["units"]]})

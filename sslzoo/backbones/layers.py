"""Layers that backbones and heads share, in Keras alone: any backend runs them."""

import contextlib
import contextvars
import math
import numbers

import keras
from keras import ops

from sslzoo import color
from sslzoo.errors import BadInput, UnknownName, nearest


@keras.saving.register_keras_serializable("sslzoo")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation over the global batch, however many replicas share it.

        y = gamma * (x - mean) / sqrt(var + epsilon) + beta
        moving <- momentum * moving + (1 - momentum) * (mean, var)

    var is the biased variance of the batch, also in the moving average. The
    defaults are those of BYOL's code and torchvision: momentum 0.9, epsilon 1e-5.
    Without parameters, as both colour papers have it: center=False, scale=False.

    To synchronize is a matter of the run, not of the model: Keras refuses it on any
    backend but TensorFlow, also when a saved model is read there. So it is decided
    here, anew each time, and never written into a config.

    Where one replica sees the whole batch, TensorFlow's fused kernel does the work
    of Keras' separate moments in one pass. Where several do, the mean is known to all
    before deviations from it are squared: Keras' own E[x^2] - E[x]^2 loses the digits
    of a variance that is small beside the mean, and two replicas part from one.
    """

    def __init__(self, momentum=0.9, epsilon=1e-5, **options):
        synchronized = keras.config.backend() == "tensorflow"
        super().__init__(
            momentum=momentum, epsilon=epsilon, synchronized=synchronized, **options
        )

    def get_config(self):
        config = super().get_config()
        del config["synchronized"]
        return config

    def call(self, inputs, training=None, mask=None):
        if keras.config.backend() == "tensorflow" and self._fits_the_kernel(inputs):
            import tensorflow as tf

            training = bool(training) and self.trainable
            if not training or tf.distribute.get_strategy().num_replicas_in_sync == 1:
                return self._fused(tf, inputs, training)
        return super().call(inputs, training=training, mask=mask)

    def _moments(self, inputs, mask):
        context = _among_replicas()
        if mask is not None or not context:
            return super()._moments(inputs, mask)
        import tensorflow as tf

        def over_all(share):
            return context.all_reduce(tf.distribute.ReduceOp.SUM, share)

        axes, channels = self._reduction_axes, inputs.shape[self.axis]
        count = tf.cast(tf.size(inputs) // channels, inputs.dtype)
        sums = over_all(tf.concat([tf.reduce_sum(inputs, axes), [count]], 0))
        mean, count = sums[:-1] / sums[-1], sums[-1]
        shape = [1] * inputs.ndim
        shape[self.axis] = channels
        squares = tf.square(inputs - tf.reshape(mean, shape))
        return mean, over_all(tf.reduce_sum(squares, axes)) / count

    def _fits_the_kernel(self, inputs):
        """The kernel takes channels-last images or vectors, statistics in float32."""
        return (
            self.axis in (-1, inputs.ndim - 1)
            and inputs.ndim in (2, 4)
            and keras.backend.standardize_dtype(inputs.dtype) != "float64"
            and self.variable_dtype == "float32"
        )

    def _fused(self, tf, inputs, training):
        images = inputs if inputs.ndim == 4 else inputs[:, None, None, :]
        images = tf.cast(images, self.compute_dtype)
        known = self.moving_mean.value
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=images,
            scale=self.gamma.value if self.scale else tf.ones_like(known),
            offset=self.beta.value if self.center else tf.zeros_like(known),
            mean=known,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            # The kernel hands out the unbiased variance; the papers keep the biased.
            shape = tf.shape(images)
            count = tf.cast(shape[0] * shape[1] * shape[2], variance.dtype)
            variance *= (count - 1) / count
            for moving, now in (
                (self.moving_mean, mean),
                (self.moving_variance, variance),
            ):
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs if inputs.ndim == 4 else outputs[:, 0, 0, :]


def _among_replicas():
    """The context of one replica among several, or None."""
    if keras.config.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context and context.num_replicas_in_sync > 1 else None


DRAWN_BY = contextvars.ContextVar("drawn_by", default=None)


@contextlib.contextmanager
def drawn_by(draw):
    """A block in which dropout is decided by `draw(name, shape)`, uniform in [0, 1).

    So what a step drops may be a function of its examples alone: the same after a
    resume, and however many replicas share the batch.
    """
    token = DRAWN_BY.set(draw)
    try:
        yield
    finally:
        DRAWN_BY.reset(token)


@keras.saving.register_keras_serializable("sslzoo")
class Dropout(keras.layers.Dropout):
    """In training zero with probability `rate`, else x / (1 - rate).

    Keras' own, but in a block of `drawn_by`, where it has no state.
    """

    def call(self, inputs, training=False):
        draw = DRAWN_BY.get()
        if draw is None or not training or not self.rate:
            return super().call(inputs, training=training)
        kept = draw(self.name, inputs.shape) >= self.rate
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))


@keras.saving.register_keras_serializable("sslzoo")
class Standardize(keras.layers.Layer):
    """(x - mean) / std per channel: RGB in [0, 1] to what a network was trained on."""

    def __init__(self, mean, std, **options):
        super().__init__(**options)
        self.mean, self.std = tuple(mean), tuple(std)

    def call(self, images):
        mean = ops.convert_to_tensor(self.mean, dtype=self.compute_dtype)
        std = ops.convert_to_tensor(self.std, dtype=self.compute_dtype)
        return (images - mean) / std

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "std": self.std}


@keras.saving.register_keras_serializable("sslzoo")
class PerImage(keras.layers.Layer):
    """Each image by its own mean and deviation, over all its pixels and channels.

        (x - mean) / max(std, 1 / sqrt(h w c))

    so that an image of one colour becomes zeros. Half precision comes behind it.
    """

    def __init__(self, **options):
        super().__init__(autocast=False, **options)

    def call(self, images):
        images = ops.cast(images, "float32")
        count = math.prod(ops.shape(images)[1:])
        x = images - ops.mean(images, axis=(1, 2, 3), keepdims=True)
        std = ops.sqrt(ops.mean(ops.square(x), axis=(1, 2, 3), keepdims=True))
        least = ops.rsqrt(ops.cast(count, "float32"))
        return ops.cast(x / ops.maximum(std, least), self.compute_dtype)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config()  # Keras would leave the name out.


@keras.saving.register_keras_serializable("sslzoo")
class Gray(keras.layers.Layer):
    """The plain mean of the channels, `[..., 1]`; no luma."""

    def call(self, images):
        return ops.mean(images, axis=-1, keepdims=True)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 1)


@keras.saving.register_keras_serializable("sslzoo")
class Flipped(keras.layers.Layer):
    """The channels in the other order: RGB to BGR."""

    def call(self, images):
        return ops.flip(images, axis=-1)

    def compute_output_shape(self, shape):
        return shape


PARTS = {"Lab": slice(0, 3), "L": slice(0, 1), "ab": slice(1, 3)}


@keras.saving.register_keras_serializable("sslzoo")
class Lab(keras.layers.Layer):
    """RGB in [0, 1] to L - 50, a and b, or to a part of these.

    L then lies within 50 of zero, a and b within about 110: nothing is scaled, as in
    split-brain's code. Half precision comes behind it, not before: it would round RGB
    to less than 8 bits.

    Args:
        part: "Lab", "L" or "ab".
        standard: whose constants, of `color.STANDARDS`.
    """

    def __init__(self, part="Lab", standard="skimage", **options):
        super().__init__(autocast=False, **options)
        known(part, PARTS, "part")
        known(standard, color.STANDARDS, "standard")
        self.part, self.standard = part, standard

    def call(self, images):
        lab = color.rgb_to_lab(images, self.standard)
        centre = ops.convert_to_tensor((50.0, 0.0, 0.0), lab.dtype)
        return ops.cast((lab - centre)[..., PARTS[self.part]], self.compute_dtype)

    def compute_output_shape(self, shape):
        return (*shape[:-1], len(self.part))

    def get_config(self):
        return {**super().get_config(), "part": self.part, "standard": self.standard}


@keras.saving.register_keras_serializable("sslzoo")
class Channels(keras.layers.Layer):
    """Of the channels those from `start` on, before `stop`."""

    def __init__(self, start, stop, **options):
        super().__init__(**options)
        self.start, self.stop = start, stop

    def call(self, inputs):
        return inputs[..., self.start : self.stop]

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.stop - self.start)

    def get_config(self):
        return {**super().get_config(), "start": self.start, "stop": self.stop}


@keras.saving.register_keras_serializable("sslzoo")
class LRN(keras.layers.Layer):
    """Local response normalisation: each channel over those around it, at one place.

        y_i = x_i / (bias + alpha * sum_{|j - i| <= depth_radius} x_j^2) ^ beta

    The defaults are AlexNet's as Caffe has them, 5 channels and an alpha of 1e-4 that
    is divided by 5; Krizhevsky's paper has bias = 2, alpha = 1e-4.
    """

    def __init__(self, depth_radius=2, alpha=2e-5, beta=0.75, bias=1.0, **options):
        super().__init__(**options)
        self.depth_radius = depth_radius
        self.alpha, self.beta, self.bias = alpha, beta, bias

    def call(self, inputs):
        radius, channels = self.depth_radius, inputs.shape[-1]
        edges = [(0, 0)] * (len(inputs.shape) - 1) + [(radius, radius)]
        squares = ops.pad(ops.square(inputs), edges)
        total = sum(squares[..., i : i + channels] for i in range(2 * radius + 1))
        return inputs / ops.power(self.bias + self.alpha * total, self.beta)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        names = ("depth_radius", "alpha", "beta", "bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PIXELS = {  # What networks were trained on: (x - mean) / std.
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # -1 to 1
    "unit": None,  # 0 to 1, as they come
    "bytes": ((0, 0, 0), (1 / 255,) * 3),  # 0 to 255
    # B, G, R of 0 to 255, their means taken away.
    "caffe": ((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3),
    "gray": ((114.451 / 255,), (1.0,)),  # the mean of R, G and B, of Larsson
    # R, G, B of 0 to 255 around Fast R-CNN's means.
    "centred": (
        tuple(v / 255 for v in (122.7717, 115.9465, 102.9801)),
        (1 / 255,) * 3,
    ),
}
LAB = {  # Of `Lab` its part, and whose constants.
    "lab": ("Lab", "skimage"),
    "l": ("L", "skimage"),
    "ab": ("ab", "skimage"),
    "lab_caffe": ("Lab", "caffe"),  # what split-brain's published weights were shown
}


# Of RGB these make images of so many channels, all others three.
MADE = {"gray": 1, **{kind: len(part) for kind, (part, _) in LAB.items()}}
OWN = "per_image"  # by the mean and deviation of each image: see `PerImage`


def pixels(images, kind):
    """RGB in [0, 1] to what a network was trained on: of `PIXELS` or `LAB`, or `OWN`.

    Of colours alone something is known: images of other channels stay as they are.
    """
    known(kind, (*PIXELS, *LAB, OWN), "pixels")
    if kind == OWN:
        return PerImage(name="per_image")(images)
    if kind in LAB:
        colours = images.shape[-1] == 3
        return Lab(*LAB[kind], name="lab")(images) if colours else images
    if kind == "gray" and images.shape[-1] == 3:
        images = Gray(name="gray")(images)
    if kind == "caffe" and images.shape[-1] == 3:
        images = Flipped(name="bgr")(images)
    if PIXELS[kind] is None or images.shape[-1] != len(PIXELS[kind][0]):
        return images
    return Standardize(*PIXELS[kind], name="standardize")(images)


# Of a 1x1 convolution with a stride, of fewer channels than this, oneDNN writes beside
# its memory for the kernel's gradient: wrong numbers, now and then a crash (its issue
# 6035; 8 with AVX2, by which we found it). TensorFlow on CPUs uses it.
ONEDNN_WIDTH = 16


def conv(
    x, filters, size, stride=1, *, name, kernel, padding="same", bias=False, **options
):
    """A convolution.

    Args:
        kernel: an initializer, or a function that gives one for a fan in.
        padding: "same", as TensorFlow pads: of a stride of two one side more than the
            other; "symmetric", as Caffe and torch do, the two alike; or "valid".
        options: of Keras' Conv2D, such as `groups` and `dilation_rate`.
    """
    if isinstance(kernel, keras.initializers.Initializer):
        kernel = kernel.clone()  # One object draws the same numbers each time.
    elif callable(kernel):
        kernel = kernel(size * size * x.shape[-1] // options.get("groups", 1))
    if padding == "symmetric":
        # Without a stride the two are one, and the one is a layer less.
        reach = (size - 1) * options.get("dilation_rate", 1)
        padding = "same" if stride == 1 and reach % 2 == 0 else "valid"
        if padding == "valid" and size > 1:
            sides = (reach // 2, reach - reach // 2)
            x = keras.layers.ZeroPadding2D((sides, sides), name=f"{name}_pad")(x)
    plain = options.get("groups", 1) == 1
    if size == 1 < stride and x.shape[-1] // options.get("groups", 1) < ONEDNN_WIDTH:
        x = keras.layers.MaxPooling2D(1, stride, name=f"{name}_places")(x)
        stride = 1
    return (keras.layers.Conv2D if plain else GroupedConv2D)(
        filters,
        size,
        strides=stride,
        padding=padding,
        use_bias=bias,
        kernel_initializer=kernel,
        name=name,
        **options,
    )(x)


@keras.saving.register_keras_serializable("sslzoo")
class GroupedConv2D(keras.layers.Conv2D):
    """Conv2D of groups, made of one plain convolution for each of them.

    Keras leaves its own to XLA under TensorFlow: on a CPU several times slower, and
    nothing that ONNX knows.
    """

    def convolution_op(self, inputs, kernel):
        plain = super().convolution_op
        pairs = zip(*(ops.split(x, self.groups, axis=-1) for x in (inputs, kernel)))
        return ops.concatenate([plain(x, k) for x, k in pairs], axis=-1)


def max_pool(x, padding="same", *, name, size=3, stride=2):
    """The largest of each window; "symmetric" pads zeros on both sides alike.

    A number pads as Caffe: so many zeros on both sides, and behind as many more as the
    last window wants, for it rounds their number up.

    Behind a ReLU a zero never wins over what is there, as torch's minus infinity; of
    signed values it does, and Revisiting's code has it so.
    """
    if not isinstance(padding, str):
        # Of stride - 1 more, floor((n + stride - 1 - size) / stride) is the ceiling. No
        # window lies in the padding alone while padding + stride <= size.
        behind = padding + stride - 1
        if behind:
            sides = (padding, behind)
            x = keras.layers.ZeroPadding2D((sides, sides), name=f"{name}_pad")(x)
        padding = "valid"
    if padding == "symmetric":
        x = keras.layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return keras.layers.MaxPooling2D(size, stride, padding=padding, name=name)(x)


# Caffe's "xavier" looks at what comes in alone, unlike Glorot's.
XAVIER = keras.initializers.VarianceScaling(1, "fan_in", "uniform")


def haiku_kernel(fan_in):
    """Truncated normal of std 1/sqrt(fan in) *before* truncation, as Haiku draws it.

    Keras' `lecun_normal` divides by 0.8796 to undo the truncation; Haiku does not.
    """
    return keras.initializers.TruncatedNormal(stddev=fan_in**-0.5)


def known(value, choices, name):
    """Raises unless `value` is one of `choices`."""
    if value not in choices:
        raise UnknownName(
            f"{name}={value!r}.{nearest(str(value), choices)} "
            f"There are: {', '.join(map(str, choices))}."
        )


def known_units(units):
    """Raises unless they are how many units each of four blocks has."""
    counts = isinstance(units, (list, tuple)) and len(units) == 4
    if not counts or not all(type(n) is int and n > 0 for n in units):
        raise BadInput(f"units={units!r}: give four whole numbers, such as 3, 4, 6, 3.")


def known_representation(size, multiple=1):
    """Raises unless it is None, or a number of channels that is a multiple."""
    whole = isinstance(size, numbers.Integral) and not isinstance(size, bool)
    if size is not None and not (whole and size > 0 and size % multiple == 0):
        raise BadInput(
            f"representation={size!r}: give a "
            + (f"multiple of {multiple}." if multiple > 1 else "whole number above 0.")
        )


def channels_of(number, width):
    """`number` of channels times `width`: a whole number, 1 or more."""
    real = isinstance(width, numbers.Real) and not isinstance(width, bool)
    if not real or not 0 < width < math.inf:
        raise BadInput(f"width={width!r}: give a number above 0, such as 1 or 0.25.")
    if (found := round(number * width)) < 1:
        raise BadInput(f"width={width}: it leaves no channel of {number}.")
    return found

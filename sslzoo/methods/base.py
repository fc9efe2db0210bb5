"""What every method shares: a backbone, an honest step, the meters of a run."""

import inspect
import math
import os

import keras
import numpy as np
import tensorflow as tf

import sslzoo
from sslzoo import distribute
from sslzoo.backbones import layers
from sslzoo.errors import BadInput
from sslzoo.methods import plain
from sslzoo.methods.sheets import Sheet


class Method(keras.Model):
    """A way to pretrain `backbone`. Subclasses write `train_step` and `test_step`.

    `meters` names the scalars a subclass passes to `report`; `uses`, what its
    examples see of an item beside the image: ("label",) for a method with a probe;
    `sees`, what of an item goes into the backbone.

    Args:
        example: what the network is shown of an item, `(item, seed) -> dict`.
            Plain images given to `fit` or `evaluate` go through it; and what the
            pipeline left of it for the device is done in `shown`.
    """

    meters = ("loss",)
    uses = ()
    sees = "image"
    citation = ""  # BibTeX, for the cards of what it trains
    figures = ()  # What its authors report, for those cards: of {"setting" (network,
    #   images and length of training), "data", "protocol", "value", "source"}

    def __init_subclass__(cls, **options):
        """Lets Keras find the class when it reads a file that `save` has written."""
        super().__init_subclass__(**options)
        keras.saving.register_keras_serializable(cls.__module__)(cls)

    def __new__(cls, *args, **options):
        """Notes what the constructor is given: that, and weights, is the method."""
        method = super().__new__(cls, *args, **options)
        given = inspect.signature(cls.__init__).bind(method, *args, **options)
        given.apply_defaults()
        vars(method)["made_with"] = dict([*given.arguments.items()][1:])
        return method

    def __init__(self, backbone, example, name):
        super().__init__(name=name)
        output = getattr(backbone, "output", None)
        if not isinstance(output, dict) or "pooled" not in output:
            raise BadInput(
                f"{name} needs a backbone whose output is a dict with 'pooled'. "
                "sslzoo.backbones.build(NAME) makes one, and "
                "sslzoo.backbones.wrap(model) of a Keras model that you have."
            )
        _check_gradients(backbone)
        self.backbone = backbone
        self.example = example
        self.accumulate, self._summed = 1, ()
        self._meters = {meter: keras.metrics.Mean(name=meter) for meter in self.meters}
        self.built = True  # Parts are built as they are made; fit must not guess.

    def call(self, images, training=False):
        return self.backbone(images, training=training)

    def train_step(self, batch):
        raise NotImplementedError(f"{type(self).__name__} has no train_step(batch).")

    def test_step(self, batch):
        raise NotImplementedError(f"{type(self).__name__} has no test_step(batch).")

    def deployable(self):
        """The model that is exported: what the paper evaluates."""
        return self.backbone

    def get_config(self):
        """What it was made with, as Keras stores it.

        An example that is a plain function has no config; in its place stands None.
        """
        config = {}
        for name, value in self.made_with.items():
            if callable(value) and not hasattr(value, "get_config"):
                if name != "example":
                    raise BadInput(
                        f"{type(self).__name__} was made with {name}={value!r}, which "
                        "cannot be written down. Give its class a get_config() and a "
                        "from_config(), as sslzoo.augment.views.Views has them."
                    )
                value = None
            config[name] = keras.saving.serialize_keras_object(value)
        return config

    @classmethod
    def from_config(cls, config):
        """A method made with the same, its weights drawn anew."""
        read = keras.saving.deserialize_keras_object
        return cls(**{name: read(value) for name, value in config.items()})

    def export(self, name, **options):
        """Publishes what was trained: `sslzoo.export(method, name, **options)`.

        Keras' own export, of a model to a file, is `method.deployable().export(path)`.
        """
        # By the front door: no method knows what lies behind it.
        return sslzoo.export(self, name, **options)

    def look(self, batch):
        """What `health` measures of a batch, or None: see `health.measure`."""
        return None

    def sheet(self, batch):
        """What a person can see of it: here, what it is shown of each image.

        A method that answers in pictures shows these instead.

        Args:
            batch: {"image": `[n, size, size, 3]`, RGB in [0, 1]; and what it `uses`}.

        Returns:
            A `methods.sheets.Sheet`.
        """
        pictures = {"image": batch["image"]}
        for made in self.examples(batch):
            for name, value in sorted(made.items()):
                if np.ndim(value) not in (3, 4) or np.shape(value)[-1] != 3:
                    continue
                parts = np.asarray(value).reshape(-1, *np.shape(value)[-3:])
                for k, part in enumerate(parts, 1):
                    words = f"{name} shown" if np.ndim(value) == 3 else f"{name} {k}"
                    pictures.setdefault(words, []).append(part)
        if len(pictures) == 1:
            raise BadInput(
                f"{type(self).__name__} has nothing to show: no part of its examples "
                "is a picture. --filters and --top LAYER show its network."
            )
        return Sheet({name: np.stack(each) for name, each in pictures.items()})

    def examples(self, batch):
        """What it is shown of each image of a batch as `sheet` takes it: dicts."""
        if self.example is None:
            raise BadInput(
                f"This {type(self).__name__} has nothing to show: it has no pictures "
                "of its own, and its file could not say what it is shown of an image. "
                "--filters and --top LAYER show its network."
            )
        names = {"image", *self.uses} & {*batch}
        made = []
        for i in range(len(batch["image"])):
            item = {name: tf.convert_to_tensor(batch[name][i]) for name in names}
            made.append(self.example(item, tf.constant([0, i], tf.int64)))
        return made

    def shown(self, batch):
        """The batch as the network sees it: here ends what the pipeline began."""
        if "unfinished" not in batch:
            return batch
        rest = dict(batch["unfinished"])
        kept = {key: batch[key] for key in batch if key != "unfinished"}
        seed = rest.pop("seed")
        return {**self.example.finish(rest, seed), **kept}

    def compile(self, optimizer, accumulate=1, **options):
        """Keras' compile, for a method that has its own loss.

        Args:
            accumulate: batches that make one optimizer step. Their gradients are
                averaged, as if they were one batch, but for batch normalisation,
                which sees each by itself.
        """
        super().compile(optimizer=optimizer, **options)
        self.optimizer.build(self.trainable_variables)
        self.accumulate = accumulate
        for variable in self._summed:  # Of a compile before this one.
            self._untrack_variable(variable)
        self._summed = ()
        if accumulate > 1:
            self._sums = [
                keras.Variable(tf.zeros(w.shape), trainable=False, name=f"sum_{i}")
                for i, w in enumerate(self.trainable_variables)
            ]
            self._gathered = keras.Variable(
                0, dtype="int64", trainable=False, name="gathered"
            )
            self._summed = (*self._sums, self._gathered)

    def get_compile_config(self):
        """What `compile` was given, for a file of `save`; the loss is the class's."""
        if not self.compiled:
            return None
        return {
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "accumulate": self.accumulate,
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        self.compile(**{**config, "optimizer": optimizer})

    def minimize(self, tape, loss):
        """One optimizer step on `loss`, the mean over this replica's examples.

        The optimizer sums gradients over replicas, so the backward pass starts
        from 1 / replicas, times the loss scale when training in float16; and from
        1 / accumulate, where several batches make one step. What layers added
        (`self.losses`: penalties of weights, and, of a layer that a step calls more
        than once, what its last call added) is minimized with it.

        Returns:
            Whether a step was taken: None where each batch takes one, else a
            boolean tensor. In float16 none is where a gradient is not finite; the
            loss scale is halved instead.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        seed = self.optimizer.scale_loss(
            tf.ones_like(loss) / (replicas * self.accumulate)
        )
        weights = self.trainable_variables
        with tf.GradientTape() as of_weights:
            added = self.losses  # Penalties of weights are computed as they are read.
        targets = [loss, *added]
        seeds = [tf.cast(seed, target.dtype) for target in targets]
        gradients = _gradients(tape, targets, weights, seeds)
        if added:
            penalties = _gradients(of_weights, added, weights, seeds[1:])
            gradients = [_sum(*pair) for pair in zip(gradients, penalties)]
        before = tf.identity(self.optimizer.iterations)
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        if self.accumulate > 1:
            self._add_up(gradients, weights)
        else:
            if scaled and replicas > 1:
                gradients = _finite_together(gradients)
            self.optimizer.apply_gradients(zip(gradients, weights))
            if not scaled and not self.optimizer.gradient_accumulation_steps:
                return None
        return tf.not_equal(self.optimizer.iterations, before)

    def _add_up(self, gradients, weights):
        """Adds to the sums; every `accumulate` times the optimizer takes them."""
        context = tf.distribute.get_replica_context()
        known = [i for i, gradient in enumerate(gradients) if gradient is not None]
        gradients = context.all_reduce(
            tf.distribute.ReduceOp.SUM, [gradients[i] for i in known]
        )
        last = tf.equal((self._gathered + 1) % self.accumulate, 0)

        def apply():
            # The optimizer sums over the replicas once more.
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            sums = [None] * len(weights)  # A weight without a gradient is not decayed.
            for i in known:
                sums[i] = self._sums[i] / replicas
            self.optimizer.apply(sums, weights)

        def step():
            if tf.distribute.in_cross_replica_context():
                extended = tf.distribute.get_strategy().extended
                extended.call_for_each_replica(apply)
            else:
                apply()
            for total in self._sums:
                total.assign(tf.zeros_like(total))

        def together(strategy, gradients):
            # Across replicas, because a step inside tf.cond could not leave them.
            for i, gradient in zip(known, gradients):
                strategy.extended.update(
                    self._sums[i].value, lambda v, g: v.assign_add(g), args=(gradient,)
                )
            self._gathered.assign_add(1)
            tf.cond(last, step, lambda: None)

        tf.__internal__.distribute.interim.maybe_merge_call(
            together, tf.distribute.get_strategy(), gradients
        )

    def report(self, **values):
        """Adds the values of this step to the meters; returns their means so far."""
        for meter, value in values.items():
            # Else the turn that finds no more data counts, too, as a value of zero.
            with tf.control_dependencies([tf.convert_to_tensor(value)]):
                self._meters[meter].update_state(value)
        results = {meter: self._meters[meter].result() for meter in self.meters}
        if distribute.workers() > 1:
            # Keras concatenates the logs of workers, which scalars do not allow.
            results = {meter: tf.reshape(r, [1]) for meter, r in results.items()}
        return results

    def fit(self, x=None, *args, **options):
        """Keras' fit; plain images are mapped through the example.

        Args:
            x: batches as `train_step` reads them; or plain images, RGB, uint8 or
                floats in [0, 1]: an array, with labels as `y`; or a `tf.data.Dataset`
                of single ones or of batches, alone or with labels.
            args, options: Keras'. `validation_data` is what `x` may be, or `(x, y)`.
                Single images of a dataset want `batch_size`.
        """
        given = plain.named(keras.Model.fit, x, *args, **options)
        with plain.in_words():
            return super().fit(**plain.for_fit(self, given))

    def evaluate(self, x=None, *args, **options):
        """Keras' evaluate: what `test_step` reports of images, given as to `fit`."""
        given = plain.named(keras.Model.evaluate, x, *args, **options)
        with plain.in_words():
            return super().evaluate(**plain.for_evaluate(self, given))

    def _maybe_symbolic_build(self, *args, **options):
        """Nothing: a method is built by its constructor, its optimizer by compile.

        Keras would run a step symbolically, and fails under several workers.
        """


def _gradients(tape, targets, weights, seeds):
    return tape.gradient(targets, [w.value for w in weights], output_gradients=seeds)


def _sum(one, other):
    """Of two gradients, each of which there may be none."""
    return one if other is None else other if one is None else one + other


def _finite_together(gradients):
    """The same; but on no replica all finite where on one of them they are not.

    Keras asks the first replica alone whether a step of a scaled loss can be taken.
    """
    known = [i for i, gradient in enumerate(gradients) if gradient is not None]
    finite = [tf.reduce_all(tf.math.is_finite(gradients[i])) for i in known]
    bad = tf.cast(~tf.reduce_all(finite), tf.float32)
    context = tf.distribute.get_replica_context()
    bad = context.all_reduce(tf.distribute.ReduceOp.SUM, bad) > 0
    first = gradients[known[0]]
    poisoned = tf.where(bad, tf.constant(math.nan, first.dtype), first)
    return [poisoned if g is first else g for g in gradients]


def _check_gradients(backbone):
    """Raises where TensorFlow would compute a wrong gradient: `layers.ONEDNN_WIDTH`."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "1":  # As sslzoo sets it on x86.
        return
    for layer in backbone._flatten_layers(include_self=False):
        if (
            isinstance(layer, keras.layers.Conv2D)
            and {*layer.kernel_size} == {1}
            and {*layer.strides} != {1}
            and layer.kernel.shape[2] < layers.ONEDNN_WIDTH
            and not tf.config.list_logical_devices("GPU")
        ):
            raise BadInput(
                f"{layer.name} of {backbone.name} is a 1x1 convolution with a stride "
                f"that sees {layer.kernel.shape[2]} channels. On a CPU TensorFlow "
                "computes a wrong gradient of it (issue 6035 of oneDNN). Put keras."
                f"layers.MaxPooling2D(1, {max(layer.strides)}) before it in place of "
                "its stride, or set TF_ENABLE_ONEDNN_OPTS=0 before Python starts."
            )

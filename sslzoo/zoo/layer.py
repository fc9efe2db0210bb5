"""`sslzoo.FeatureLayer`: a model of the zoo as one layer of yours."""

import keras

from sslzoo import backbones  # noqa: F401, whose layers Keras then knows.
from sslzoo.zoo import model  # No names of it: it may be what has just asked for keras.
from sslzoo.zoo.load import load

BEYOND = (
    "sslzoo.FeatureLayer takes RGB in [0, 1], and is given more: as it seems, 0 to "
    "255. Divide by 255; or for bytes, of which Keras makes such numbers, begin the "
    "model with keras.Input((None, None, 3), dtype='uint8')."
)


@keras.saving.register_keras_serializable("sslzoo")
class FeatureLayer(keras.layers.Layer):
    """RGB images in [0, 1] -> features, frozen or trained with the rest.

        keras.Sequential([sslzoo.FeatureLayer("byol_r18w16"), keras.layers.Dense(10)])

    Frozen, it only infers: its batch norms keep their statistics even in `fit`. It is
    saved with your model, network and weights, and read back without the registry by
    `keras.models.load_model`, where sslzoo is imported.

    It refuses images that cannot be RGB in [0, 1], and scales bytes. Within another
    model, whose `fit` and `predict` run a graph, numbers from 0 to 255 end it with an
    error of TensorFlow that says so; where XLA compiles the graph, as Keras has it do
    on GPUs, nobody can look: there, call your model on one batch first. Bytes reach it
    as bytes in a model that begins with `keras.Input((None, None, 3), dtype="uint8")`.

    Args:
        handle: a name, a folder or an address, as `load` takes it.
        endpoint: the name of a feature; without, "pooled", `[n, d]`.
        trainable: whether its weights are trained too.
        network: Keras' own, when it reads a saved model: what the handle stood for.
        registry, revision, cache_dir, offline, allow_http, accept_license: as `load`
            takes them; they are of no use any more when the layer is read back.
        options: a layer's; with `dtype`, or under a policy, of mixed precision, so is
            the network.
    """

    def __init__(
        self,
        handle,
        endpoint=None,
        trainable=False,
        network=None,
        *,
        registry=None,
        revision=None,
        cache_dir=None,
        offline=None,
        allow_http=False,
        accept_license=False,
        **options,
    ):
        super().__init__(trainable=trainable, **options)
        self.handle, self.endpoint = str(handle), endpoint
        if network is None:
            policy = self.dtype_policy.name
            dtype = None if policy == "float32" else policy
            network = load(
                handle,
                features_only=True,
                out_indices=[endpoint or "pooled"],
                dtype=dtype,
                registry=registry,
                revision=revision,
                cache_dir=cache_dir,
                offline=offline,
                allow_http=allow_http,
                accept_license=accept_license,
            )
            (feature,) = network.output.values()
            network = keras.Model(network.input, feature, name=network.name)
        else:
            network = keras.saving.deserialize_keras_object(network)
        network.trainable = trainable
        self.network = network

    def __call__(self, images, *args, **options):
        shape = self.network.input_shape
        return model.answer(super().__call__, shape, images, *args, **options)

    def call(self, images, training=None):
        if keras.backend.backend() == "tensorflow":
            _look_within(images)
        return self.network(images, training=bool(training) and self.trainable)

    def compute_output_shape(self, shape):
        return self.network.compute_output_shape(shape)

    def get_config(self):
        return {
            **super().get_config(),
            "handle": self.handle,
            "endpoint": self.endpoint,
            "network": keras.saving.serialize_keras_object(self.network),
        }


def _look_within(images):
    """Has a graph of TensorFlow look at the pixels that it will be given."""
    import tensorflow as tf

    if tf.is_symbolic_tensor(images):
        most = tf.reduce_max(images[: model.OF_A_BATCH])
        tf.debugging.assert_less_equal(most, tf.cast(2, most.dtype), BEYOND)

"""Adam (Kingma & Ba, 2015) with the papers' weight decay: coupled, as Caffe has it."""

import keras

from sslzoo.optim import decay as decays


@keras.saving.register_keras_serializable("sslzoo")
class Adam(keras.optimizers.Adam):
    """Keras' Adam of the gradient g + decay * w; excluded weights have none.

    Not Keras' `weight_decay`, which goes past the moments.

    Args:
        exclude: patterns of weight names.
        options: of Keras' Adam.
    """

    def __init__(
        self,
        learning_rate,
        decay=0.0,
        exclude=decays.BIAS_AND_NORM,
        name="adam",
        **options,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.decay, self.exclude = decay, tuple(exclude)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        # By name, and here: update_step is handed TensorFlow's variables, without path.
        self.excluded = [decays.excluded(v.path, self.exclude) for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        if not self.excluded[self._get_variable_index(variable)]:
            gradient = gradient + self.decay * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        own = {"decay": self.decay, "exclude": list(self.exclude)}
        return {**super().get_config(), **own}

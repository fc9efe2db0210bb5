"""Adam (Kingma & Ba, 2015) with the papers' weight decay: coupled, as Caffe has it."""

import keras

from sslzoo.optim import decay as decays


@keras.saving.register_keras_serializable("sslzoo")
class Adam(keras.optimizers.Adam):
    """Keras' Adam of the gradient g + decay * w; excluded weights have none.

    Not Keras' `weight_decay`, which goes past the moments.

    Args:
        exclude: patterns of weight names.
        rates: {pattern of weight names: factor of the rate}, such as {"*bias": 2.0},
            Caffe's lr_mult; the others have 1.
        options: of Keras' Adam.
    """

    def __init__(
        self,
        learning_rate,
        decay=0.0,
        exclude=decays.BIAS_AND_NORM,
        name="adam",
        rates=None,
        **options,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.decay, self.exclude = decay, tuple(exclude)
        self.rates = dict(rates or {})

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        # By name, and here: update_step is handed TensorFlow's variables, without path.
        self.excluded = [decays.excluded(v.path, self.exclude) for v in variables]
        self.factors = [decays.factor(v.path, self.rates) for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        if not self.excluded[index]:
            gradient = gradient + self.decay * variable
        rate = learning_rate * self.factors[index]
        super().update_step(gradient, variable, rate)

    def get_config(self):
        own = {"decay": self.decay, "exclude": list(self.exclude)}
        return {**super().get_config(), **own, "rates": self.rates}

"""Momentum with the papers' weight decay: coupled, and not on every weight."""

import keras
from keras import ops

from sslzoo.optim import decay as decays


@keras.saving.register_keras_serializable("sslzoo")
class SGD(keras.optimizers.Optimizer):
    """Heavy-ball momentum, the rate applied last.

        g <- g + f * decay * w        not for excluded weights
        m <- momentum * m + g
        w <- w - rate * m            Nesterov: w - rate * (momentum * m + g)

    Args:
        exclude: patterns of weight names that skip the first line.
        heavier: {pattern of weight names: f}, such as {"puzzle/*": 5.0}; else f is 1.
        rates: {pattern of weight names: factor of the rate}, such as {"predictor/*":
            10.0}; the others have 1.
    """

    def __init__(
        self,
        learning_rate,
        momentum=0.9,
        decay=0.0,
        exclude=decays.BIAS_AND_NORM,
        name="sgd",
        heavier=None,
        nesterov=False,
        rates=None,
        **options,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.momentum, self.decay, self.exclude = momentum, decay, tuple(exclude)
        self.heavier, self.nesterov = dict(heavier or {}), nesterov
        self.rates = dict(rates or {})

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")
        # By name, and here: update_step is handed TensorFlow's variables, without path.
        self.excluded = [decays.excluded(v.path, self.exclude) for v in variables]
        self.decays = [
            self.decay * decays.factor(v.path, self.heavier) for v in variables
        ]
        self.factors = [decays.factor(v.path, self.rates) for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        velocity = self.velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        if not self.excluded[index]:
            gradient = self.direction(
                gradient + self.decays[index] * variable, variable
            )
        self.assign(velocity, self.momentum * velocity + gradient)
        step = self.momentum * velocity + gradient if self.nesterov else velocity
        rate = ops.cast(learning_rate * self.factors[index], variable.dtype)
        self.assign_sub(variable, rate * step)

    def direction(self, gradient, variable):
        """What the momentum takes up of the decayed gradient: all of it."""
        return gradient

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "decay": self.decay,
            "exclude": list(self.exclude),
            "heavier": self.heavier,
            "nesterov": self.nesterov,
            "rates": self.rates,
        }

import keras
import numpy as np

from sslzoo.optim.lars import LARS
from sslzoo.optim.sgd import SGD


def two_weights():
    kernel = keras.Variable([[3.0, 4.0]], name="kernel")
    bias = keras.Variable([3.0], name="bias")
    return kernel, bias


def test_two_steps_by_hand():
    kernel, bias = two_weights()
    lars = LARS(0.5, momentum=0.9, decay=0.1, trust=0.1)

    # g + decay * w = (-3, 4), of norm 5 like w: times trust, m = (-0.3, 0.4).
    # The bias is excluded: no decay, no trust, m = g.
    lars.apply([np.float32([[-3.3, 3.6]]), np.float32([2.0])], [kernel, bias])
    np.testing.assert_allclose(kernel, [[3.15, 3.8]], rtol=1e-6)
    np.testing.assert_allclose(bias, [2.0], rtol=1e-6)

    # The gradient undoes the decay, a norm of zero: only momentum is left.
    lars.apply([-0.1 * np.asarray(kernel), np.float32([0.0])], [kernel, bias])
    np.testing.assert_allclose(kernel, [[3.285, 3.62]], rtol=1e-5)
    np.testing.assert_allclose(bias, [1.1], rtol=1e-6)


def test_the_rate_multiplies_after_the_momentum():
    """With the rate inside the buffer, as SimCLR has it, the second step were 0.19."""
    bias = keras.Variable([0.0], name="bias")
    lars = LARS(0.1, momentum=0.9)
    lars.apply([np.float32([1.0])], [bias])
    lars.learning_rate = 0.2
    lars.apply([np.float32([1.0])], [bias])
    np.testing.assert_allclose(bias, [-0.1 - 0.2 * 1.9], rtol=1e-6)


def test_no_epsilon_softens_the_ratio():
    kernel = keras.Variable([[1e-6]], name="kernel")
    LARS(1.0, momentum=0.0, trust=0.1).apply([np.float32([[1e-6]])], [kernel])
    np.testing.assert_allclose(kernel, [[0.9e-6]], rtol=1e-5)


def test_a_weight_of_zero_takes_its_gradient_as_it_is():
    kernel = keras.Variable([[0.0]], name="kernel")
    LARS(1.0, momentum=0.0, trust=0.1).apply([np.float32([[2.0]])], [kernel])
    np.testing.assert_allclose(kernel, [[-2.0]])


def test_the_scale_and_shift_of_a_norm_are_excluded_and_a_classifier_is_not():
    names = ("a_bn/gamma", "a_bn/beta", "dense/bias", "classifier/logits/kernel")
    weights = [keras.Variable([1.0], name=name.replace("/", "_")) for name in names]
    lars = LARS(1.0, decay=0.1)
    lars.build(weights)
    assert lars.excluded == [True, True, True, False]


def test_it_reads_back_from_its_config():
    lars = LARS(0.5, momentum=0.8, decay=0.1, trust=0.01, exclude=("*bias",))
    again = keras.optimizers.deserialize(keras.optimizers.serialize(lars))
    assert isinstance(again, LARS) and again.get_config() == lars.get_config()


def test_sgd_is_coupled_momentum_by_hand():
    kernel, bias = two_weights()
    sgd = SGD(0.5, momentum=0.9, decay=0.1)
    for _ in range(2):
        sgd.apply([np.float32([[1.0, 0.0]]), np.float32([1.0])], [kernel, bias])
    # m = 1.3, 0.4 -> w = 2.35, 3.8 -> m = 0.9 * 1.3 + 1.235, 0.9 * 0.4 + 0.38
    np.testing.assert_allclose(
        kernel, [[2.35 - 0.5 * 2.405, 3.8 - 0.5 * 0.74]], rtol=1e-6
    )
    np.testing.assert_allclose(bias, [2.5 - 0.5 * 1.9], rtol=1e-6)


def test_a_rate_of_its_own_is_a_factor_of_the_rate():
    """Of each pattern that matches, after the momentum; and it is written down."""
    names = ("a_kernel", "b_kernel", "b_bias")
    weights = [keras.Variable([1.0, 2.0], name=name) for name in names]
    sgd = SGD(0.1, rates={"b*": 3.0, "*bias": 2.0})
    sgd = SGD.from_config(sgd.get_config())
    for _ in range(2):
        sgd.apply([np.float32([1.0, -1.0])] * 3, weights)
    for factor, weight in zip((1, 3, 6), weights):
        step = factor * 0.1 * (1 + 1.9)
        np.testing.assert_allclose(weight, [1 - step, 2 + step], rtol=1e-5)


def test_under_lars_a_factor_of_the_gradient_would_do_nothing():
    """And a rate of its own does: hence it is one of the optimizer."""
    steps = []
    for factor, rates in ((1, {}), (10, {}), (1, {"*kernel": 10.0})):
        kernel = keras.Variable([[3.0, 4.0]], name="kernel")
        lars = LARS(0.5, trust=0.1, rates=rates)
        lars.apply([factor * np.float32([[-3.0, 4.0]])], [kernel])
        steps.append(np.asarray(kernel) - [[3.0, 4.0]])
    np.testing.assert_allclose(steps[1], steps[0], rtol=1e-5)
    np.testing.assert_allclose(steps[2], 10 * steps[0], rtol=1e-5)

"""Adam with coupled decay: by hand, and against torch's."""

import keras
import numpy as np
import pytest

from sslzoo.optim.adam import Adam


def test_its_steps_are_those_of_torch():
    """Whose `weight_decay` of Adam, unlike AdamW, is added to the gradient."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start = rng.normal(size=(4, 3)).astype("float32")
    ours, bias = (
        keras.Variable(start, name="kernel"),
        keras.Variable(start, name="bias"),
    )
    theirs, other = (torch.tensor(start, requires_grad=True) for _ in range(2))
    adam = Adam(0.01, decay=0.5, epsilon=1e-8)
    torchs = torch.optim.Adam(
        [{"params": [theirs], "weight_decay": 0.5}, {"params": [other]}], lr=0.01
    )
    for _ in range(5):
        gradient = rng.normal(size=(4, 3)).astype("float32")
        adam.apply([gradient, gradient], [ours, bias])
        theirs.grad, other.grad = torch.tensor(gradient), torch.tensor(gradient)
        torchs.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(bias, other.detach().numpy(), atol=1e-5)
    assert np.abs(np.asarray(ours) - np.asarray(bias)).max() > 1e-3


def test_biases_may_learn_at_twice_the_rate():
    """Of a gradient that stays g each step is rate g / (|g| + epsilon), by the rate."""
    weights = [keras.Variable([1.0, 2.0], name=name) for name in ("kernel", "bias")]
    adam = Adam(0.01, epsilon=1e-8, rates={"*bias": 2.0})
    for _ in range(3):
        adam.apply([np.array([0.3, -4.0], "float32")] * 2, weights)
    for weight, rate in zip(weights, (0.01, 0.02)):
        np.testing.assert_allclose(weight, [1 - 3 * rate, 2 + 3 * rate], rtol=1e-5)


def test_it_can_be_written_down():
    adam = Adam(0.01, decay=0.1, exclude=("*x",), beta_2=0.99, rates={"*y": 2.0})
    again = keras.optimizers.deserialize(keras.optimizers.serialize(adam))
    assert (again.decay, again.exclude, again.beta_2) == (0.1, ("*x",), 0.99)
    assert again.rates == {"*y": 2.0}

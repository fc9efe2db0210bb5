"""Heavy-ball momentum against torch's, and decay that is not the same for all."""

import keras
import numpy as np
import pytest

from sslzoo.optim.sgd import SGD


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_are_those_of_torch(nesterov):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=4), rng.normal(size=(5, 4))
    ours = keras.Variable(start, dtype="float32", name="kernel")
    theirs = torch.nn.Parameter(torch.tensor(start))
    sgd = SGD(0.1, momentum=0.9, decay=0.01, nesterov=nesterov)
    other = torch.optim.SGD(
        [theirs], 0.1, momentum=0.9, weight_decay=0.01, nesterov=nesterov
    )
    for gradient in gradients:
        sgd.apply([np.float32(gradient)], [ours])
        theirs.grad = torch.tensor(gradient)
        other.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5)


def test_some_weights_decay_more_and_some_not():
    """Five times for a head, none for a root; biases have none, whatever they match."""
    names = ("conv/kernel", "puzzle/hidden/kernel", "root/kernel", "puzzle/hidden/bias")
    model = {name: keras.Variable([1.0], name=name.split("/")[-1]) for name in names}
    for name, variable in model.items():
        variable._path = name
    heavier = {"puzzle/*": 5.0, "root/*": 0.0}
    sgd = SGD(1.0, momentum=0.0, decay=0.01, heavier=heavier)
    sgd.apply([np.float32([0.0])] * 4, [*model.values()])
    found = [1 - float(np.asarray(v)[0]) for v in model.values()]
    np.testing.assert_allclose(found, [0.01, 0.05, 0, 0], atol=1e-6)
    twin = keras.optimizers.deserialize(keras.optimizers.serialize(sgd))
    assert twin.get_config() == sgd.get_config()

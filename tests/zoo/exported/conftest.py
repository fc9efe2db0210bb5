"""What was exported once, for all that look at it."""

import keras
import pytest

from tests.zoo.exported.tiny import NAME, RUN, make, trained


@pytest.fixture(scope="session")
def method():
    keras.utils.set_random_seed(0)
    return trained(make())


@pytest.fixture(scope="session")
def entry(method, tmp_path_factory):
    place = tmp_path_factory.mktemp("export") / "models"
    return method.export(NAME, registry=place, run=RUN, licences={"weights": "MIT"})

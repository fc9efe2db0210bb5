"""A model of which the zoo has the card, and the user has the authors' file."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.converters import torch_resnet
from sslzoo.errors import BadInput, MissingFile
from sslzoo.zoo.load import load

REFERENCES = pathlib.Path(__file__).parents[1] / "references"
FILE = REFERENCES / "torch_resnet18.pth"
OPTIONS = {"width": 1 / 32, "style": "torch"}


@pytest.fixture(scope="module")
def registry(write_model, tmp_path_factory):
    network = backbones.build("resnet18", **OPTIONS)
    torch_resnet.convert(FILE, network)
    registry = tmp_path_factory.mktemp("theirs")

    def change(folder):
        (folder / "backbone.weights.h5").unlink()
        card = json.loads((folder / "card.json").read_text())
        card["backbone"] = {"builder": "resnet18", "options": OPTIONS, "parameters": 1}
        card["source"] = {"converter": "torch_resnet"}
        (folder / "card.json").write_text(json.dumps(card))

    write_model("supervised_r18.torch", network, registry, change, default=True)
    return registry


def test_the_file_of_the_authors_makes_the_model(registry):
    stored = np.load(REFERENCES / "torch_resnet18.npz")
    model = load("supervised_r18", checkpoint=FILE, registry=registry)
    found = model(stored["images"].astype("float32") / 255)
    np.testing.assert_allclose(found, stored["avgpool"][:, 0, 0], atol=1e-4)


def test_what_went_where_is_said_in_a_line_and_kept_with_the_model(registry, caplog):
    model = load("supervised_r18", checkpoint=FILE, registry=registry)
    (said,) = caplog.messages
    assert said.startswith(f"supervised_r18.torch was made of {FILE}: 100 arrays are")
    assert "left out: 2 of fc.*, 20 of *num_batches_tracked" in said
    assert "`conversion`" in said and "\n" not in said
    assert "\nroot_conv/kernel <- conv1.weight\n" in model.conversion
    assert "\nleft out, of fc.*: fc.bias\n" in model.conversion


def test_it_is_said_to_a_person_unless_all_shall_be_quiet(registry):
    code = (
        "import logging, sys; from sslzoo import watch\n"
        "from sslzoo.zoo.load import load"
        "\nask = lambda: load('supervised_r18', checkpoint=sys.argv[1], "
        "registry=sys.argv[2])"
        "\nask(); print('once', file=sys.stderr)"
        "\nwith watch.quiet(): ask()"
        "\nlogging.getLogger('sslzoo').setLevel('ERROR'); ask()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, FILE, registry],
        capture_output=True,
        text=True,
        check=True,
    )
    before, _, after = done.stderr.partition("once\n")
    assert before.count("supervised_r18.torch was made of") == 1
    assert "was made of" not in after and not done.stdout


def test_another_file_is_refused(registry, tmp_path):
    for name, words in (("torch_resnet50.pth", "ResNet-50"), ("torch.pth", "several")):
        with pytest.raises(BadInput, match=words):
            load("supervised_r18", checkpoint=REFERENCES / name, registry=registry)
    with pytest.raises(MissingFile, match="none.pth"):
        load("supervised_r18", checkpoint=tmp_path / "none.pth", registry=registry)

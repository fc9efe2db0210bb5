"""Against torchvision and timm: their blocks, files, and what they said of pictures."""

import pathlib
import re

import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.converters import torch_resnet
from sslzoo.converters.readers import torch_zip
from sslzoo.errors import BadInput

save_file = pytest.importorskip("safetensors.numpy").save_file
REFERENCES = pathlib.Path(__file__).parents[1] / "references"
STAGES = {  # ours: torchvision's
    "after_root": "maxpool",
    "block1": "layer1",
    "block2": "layer2",
    "block3": "layer3",
    "block4": "layer4",
}


def network(depth=18, width=1 / 32, **options):
    return backbones.build(f"resnet{depth}", width=width, style="torch", **options)


def state(depth=18):
    read = torch_zip.read(REFERENCES / f"torch_resnet{depth}.pth")
    return {name: np.asarray(array) for name, array in read.items()}


def check(ours, depth, same, whose="torch", pool="avgpool"):
    stored = np.load(REFERENCES / f"{whose}_resnet{depth}.npz")
    found = ours(stored["images"].astype("float32") / 255)
    for name, theirs in STAGES.items():
        same(found[name], stored[theirs])
    same(found["pooled"], stored[pool].reshape(found["pooled"].shape))


@pytest.mark.parametrize("depth", [18, 50])
def test_every_stage_is_that_of_torchvision(depth, same):
    ours = network(depth)
    torch_resnet.convert(REFERENCES / f"torch_resnet{depth}.pth", ours)
    check(ours, depth, same)


@pytest.mark.parametrize("depth", [18, 50])
def test_every_stage_is_that_of_timm(depth, same):
    ours = network(depth)
    torch_resnet.convert(REFERENCES / f"timm_resnet{depth}.safetensors", ours)
    check(ours, depth, same, "timm", "global_pool")


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.net."])
def test_safetensors_and_names_below_a_prefix_are_read(prefix, tmp_path, same):
    arrays = {f"{prefix}{name}": array for name, array in state().items()}
    arrays["head.weight" if prefix else "fc.weight"] = np.ones((3, 3), "f4")
    save_file(arrays, tmp_path / "a.safetensors")
    ours = network()
    torch_resnet.convert(tmp_path / "a.safetensors", ours)
    check(ours, 18, same)


def test_of_two_networks_in_a_file_one_is_said(tmp_path, same):
    right = {f"encoder_q.{name}": array for name, array in state().items()}
    wrong = {
        f"encoder_k.{name}": np.asarray(array + 1) for name, array in state().items()
    }
    save_file(right | wrong, tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match="'encoder_q.'.*prefix="):
        torch_resnet.convert(tmp_path / "a.safetensors", network())
    ours = network()
    torch_resnet.convert(tmp_path / "a.safetensors", ours, prefix="encoder_q.")
    check(ours, 18, same)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: network(34), "ResNet-18.*is ResNet-34"),
        (lambda: network(50), "ResNet-18.*is ResNet-50"),
        (lambda: network(width=1 / 16), "width 0.03125.*width 0.0625"),
        (lambda: network(channels=1), "takes 3 channels.*takes 1 channels"),
        (lambda: network(shortcut="projection"), "block1_0_shortcut_conv.*not|without"),
    ],
)
def test_another_network_is_refused(make, words):
    with pytest.raises(BadInput) as error:
        torch_resnet.convert(REFERENCES / "torch_resnet18.pth", make())
    assert re.search(words, str(error.value), re.S)


def test_what_has_no_place_is_refused_by_name(tmp_path):
    """As of a ResNet-D of timm, or one with attention."""
    arrays = state() | {"layer1.0.se.fc1.weight": np.ones((2, 2, 1, 1), "f4")}
    save_file(arrays, tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match="1 arrays without a place:\n *layer1.0.se.fc1"):
        torch_resnet.convert(tmp_path / "a.safetensors", network())
    arrays = {n: a for n, a in state().items() if n != "layer4.1.bn2.running_mean"}
    save_file(arrays, tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match="1 weights without an array"):
        torch_resnet.convert(tmp_path / "a.safetensors", network())


def test_what_is_no_resnet_is_refused(tmp_path):
    for arrays in ({"a": np.ones(2, "f4")}, {"conv1.0.weight": np.ones(2, "f4")}):
        save_file(arrays, tmp_path / "a.safetensors")
        with pytest.raises(BadInput, match="or none.*Is it a ResNet"):
            torch_resnet.convert(tmp_path / "a.safetensors", network())
    save_file({"conv1.weight": np.ones(2, "f4")}, tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match="no kernel's"):
        torch_resnet.convert(tmp_path / "a.safetensors", network())


def test_keys_that_are_no_texts_are_left(monkeypatch, same):
    """As of what was saved beside the weights."""
    content = {"state_dict": {**state(), 0: np.ones(2, "f4"), None: 1}}
    monkeypatch.setattr(torch_zip, "read", lambda path: content)
    ours = network()
    report = torch_resnet.convert("a.pth", ours)
    check(ours, 18, same)
    assert {"0", "None"} <= {*report.left["what is no weight"]}

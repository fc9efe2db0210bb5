"""Models in folders, made by hand: of text, for the registry; whole, for loading."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile

import keras
import numpy as np
import pytest

from sslzoo import backbones
from sslzoo.zoo import card as cards
from sslzoo.zoo import load as loading
from sslzoo.zoo import registry
from tests.zoo import shipped


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test sees or fills the cache of who runs it."""
    monkeypatch.setenv("SSLZOO_CACHE", str(tmp_path / "cache"))
    for name in ("SSLZOO_OFFLINE", "HF_HUB_OFFLINE", "SSLZOO_ACCEPT_LICENSES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def models(tmp_path):
    """A registry, still empty."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def publish(models):
    """Publishes a small model of given content, and gives its entry."""

    def call(name, content="weights", registry_=models, **values):
        with registry.publishing(name, registry_) as draft:
            fill(draft.path, name, content, **values)
        return draft.entry

    return call


@pytest.fixture(name="fill")
def _fill():
    return fill


def fill(folder, name, content="weights", **values):
    known = dict(
        summary="For tests.",
        origin="by hand",
        backbone={"builder": "tiny", "parameters": 1},
        input={
            "size": 32,
            "smallest": 8,
            "fixed": False,
            "channels": 3,
            "crop": 1.0,
            "interpolation": "bicubic",
            "antialias": False,
        },
        features=[{"name": "pooled", "channels": 4, "stride": None}],
        licences={"code": "Apache-2.0", "weights": "Apache-2.0", "data": "none"},
    )
    folder = pathlib.Path(folder)
    (folder / "card.json").write_text(
        cards.Card(name=name, **{**known, **values}).text()
    )
    (folder / "backbone.weights.h5").write_text(content)
    (folder / "saved_model" / "variables").mkdir(parents=True)
    (folder / "saved_model" / "saved_model.pb").write_text(f"graph of {content}")
    (folder / "saved_model" / "variables" / "variables.index").write_text("index")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for this machine, signed by itself."""
    if not shutil.which("openssl"):
        pytest.skip("the openssl command, which makes certificates, is not installed")
    path = tmp_path_factory.mktemp("certificate") / "ours.pem"
    subject = ["-subj", "/CN=sslzoo", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command = ["openssl", "req", "-x509", *kind, *subject, "-keyout", path]
    made = subprocess.run([*command, "-out", "-"], capture_output=True, check=True)
    with open(path, "ab") as file:
        file.write(made.stdout)
    return path


@pytest.fixture
def full_disk():
    """A block in which nothing more can be written, as on a full disk."""

    @contextlib.contextmanager
    def block():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return block


@pytest.fixture
def read_only():
    """(a folder, a block in which it is read-only): for root, too, as in CI."""

    @contextlib.contextmanager
    def block():
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)

    # Not a tmp_path, into which only its owner may look.
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        folder = pathlib.Path(home) / "folder"
        folder.mkdir()
        yield folder, block


@pytest.fixture(scope="session")
def write_model(tmp_path_factory):
    """(name, backbone, registry, **card) -> the folder of a model, weights and all.

    `change(folder)` may spoil it before its sums are written.
    """

    def write(name, backbone, registry=None, change=None, **values):
        folder = (registry or tmp_path_factory.mktemp("registry")) / name
        folder.mkdir()
        (folder / "config.json").write_text(backbone.to_json())
        backbone.save_weights(folder / "backbone.weights.h5")
        (folder / "card.json").write_text(card_of(name, backbone, **values).text())
        if change:
            change(folder)
        write_sums(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def zoo(write_model, tmp_path_factory):
    """A registry of three: a tiny network, a small ResNet, and one of one size."""
    registry = tmp_path_factory.mktemp("zoo")
    keras.utils.set_random_seed(1)
    write_model("byol_tiny.toy", alive(backbones.build("tiny")), registry, default=True)
    small = backbones.build("resnet18", width=0.25, stem="small")
    write_model("byol_r18w16.toy", alive(small), registry, default=True)
    only = {"size": 24, "smallest": 24, "fixed": True}
    write_model("split_brain_fc.toy", alive(fully_connected()), registry, input=only)
    return registry


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A model as the shipped ones are published."""
    return shipped.publish(tmp_path_factory.mktemp("made"), seed=0)


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """The same with other weights: what may be mistaken for it."""
    return shipped.publish(tmp_path_factory.mktemp("other"), seed=1)


def alive(backbone):
    """Weights as after training: no vector of zeros or ones is left."""
    random = np.random.default_rng(2)
    for weight in backbone.weights:
        if len(weight.shape) == 1:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return backbone


def fully_connected():
    """A network of one size, whose representation is no mean over places."""
    images = keras.Input((24, 24, 3), name="images")
    x = keras.layers.Conv2D(4, 3, strides=2, name="conv1")(images)
    fc = keras.layers.Dense(10, name="fc")(keras.layers.Flatten()(x))
    return keras.Model(images, {"conv1": x, "pooled": fc}, name="fc")


def card_of(name, backbone, input=None, **values):
    contract = {"size": 32, "smallest": 8, "fixed": False, "channels": 3, "crop": 0.875}
    contract |= {"interpolation": "bicubic", "antialias": False, **(input or {})}
    maps = backbones.feature_info(backbone, contract["size"])
    pooled = {"name": "pooled", "channels": backbone.output["pooled"].shape[-1]}
    card = cards.Card(
        name=name,
        summary=f"A test of {name}.",
        origin="tests",
        backbone={"builder": backbone.name, "parameters": backbone.count_params()},
        input=contract,
        features=[*maps, {**pooled, "stride": None}],
        licences={"code": "Apache-2.0", "weights": "Apache-2.0", "data": "none"},
        expected=loading.answer(backbone, contract)[:8].tolist(),
    )
    return dataclasses.replace(card, **values)


def write_sums(folder):
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(folder.iterdir())
        if file.name != "SHA256SUMS"
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))

"""What a user is told, row by row of the table of errors: never a random start."""

import functools
import http.server
import logging
import sys
import threading

import numpy as np
import pytest

import sslzoo
from sslzoo import backbones
from sslzoo.errors import (
    BadInput,
    CannotFetch,
    MissingExtra,
    MissingFile,
    SslzooError,
    UnknownName,
)
from sslzoo.evaluation import embeddings
from sslzoo.methods import byol
from sslzoo.zoo import cache, export, licences
from sslzoo.zoo.load import load

IMAGES = np.zeros((2, 32, 32, 3), np.uint8)
WAYS = {  # From a handle to a network.
    "load": sslzoo.load,
    "FeatureLayer": sslzoo.FeatureLayer,
    "features": lambda handle, **where: sslzoo.features(handle, IMAGES, **where),
}


def test_an_unknown_name_is_answered_by_near_ones_and_ways_on(zoo):
    with pytest.raises(UnknownName) as caught:
        load("byol_tyni", registry=zoo)
    said = str(caught.value)
    assert said.startswith("Unknown model 'byol_tyni'. Did you mean: byol_tiny")
    assert "`sslzoo.list_models('byol*')`" in said
    assert "To load a directory pass './byol_tyni'." in said


@pytest.mark.parametrize("name", ["simclr_tiny", "simclr_tiny.toy", "SimCLR_tiny"])
def test_weights_of_another_method_are_not_taken_for_those_asked_for(zoo, name):
    with pytest.raises(UnknownName) as caught:
        load(name, registry=zoo)
    said = str(caught.value)
    assert said.startswith(f"Unknown model '{name}'. There is tiny of other methods")
    assert "do not stand for those of simclr: byol_tiny.toy." in said
    with pytest.raises(UnknownName, match="Did you mean: byol_tiny"):
        load("BYOL_tiny", registry=zoo)


def test_a_bad_tag_is_answered_by_those_there_are(zoo):
    with pytest.raises(UnknownName, match="'byol_tiny' has no tag 'toi'.*has: toy"):
        load("byol_tiny.toi", registry=zoo)


def test_what_looks_like_a_path_is_answered_by_both_readings(zoo):
    with pytest.raises(BadInput) as caught:
        load("runs/byol_tiny", registry=zoo)
    said = str(caught.value)
    assert "'./runs/byol_tiny'" in said and "'byol_tiny'" in said


def without(*names):
    def change(folder):
        for name in names:
            (folder / name).unlink()

    return change


def test_a_model_without_weights_is_no_random_start(write_model):
    lacking = without("backbone.weights.h5")
    folder = write_model("byol_tiny.toy", backbones.build("tiny"), change=lacking)
    with pytest.raises(MissingFile) as caught:
        load(folder)
    said = str(caught.value)
    assert "No pretrained weights exist for byol_tiny.toy" in said
    assert "pretrained=False for random ones" in said
    assert "Tags of byol_tiny that have some there: none." in said
    assert "sslzoo.list_pretrained('byol_tiny*')" in said
    write_model("byol_tiny.other", backbones.build("tiny"), folder.parent)
    with pytest.raises(MissingFile, match="that have some there: other. Give"):
        load("byol_tiny.toy", registry=folder.parent)
    assert load(folder, pretrained=False).output_shape == (None, 16)


def test_weights_of_another_network_are_named(write_model):
    def change(folder):
        other = backbones.build("resnet18", width=0.125, stem="small")
        other.save_weights(folder / "backbone.weights.h5")

    folder = write_model("byol_tiny.toy", backbones.build("tiny"), change=change)
    with pytest.raises(BadInput, match="has 105 arrays, and tiny has 12; so it is"):
        load(folder)


def test_every_missing_file_of_a_folder_is_named(write_model):
    folder = write_model("byol_tiny.toy", backbones.build("tiny"))
    without("config.json", "backbone.weights.h5")(folder)
    for verify in (True, False):
        words = "backbone.weights.h5, config.json|config.json, backbone.weights.h5"
        with pytest.raises(SslzooError, match=f"not a whole model: ({words}) missing"):
            load(folder, verify=verify)


def test_an_optional_dependency_is_named_with_its_line(zoo, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sslzoo\[parquet\]'"):
        embeddings.read(tmp_path / "x.parquet")


def test_a_changed_file_is_named_with_both_sums(write_model):
    folder = write_model("byol_tiny.toy", backbones.build("tiny"))
    weights = folder / "backbone.weights.h5"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(BadInput) as caught:
        load(folder)
    said = str(caught.value)
    assert f"Checksum mismatch for {weights} (expected " in said and "got" in said
    assert "verify=False only if you trust it" in said


def test_offline_says_what_to_do_on_another_machine(write_model, monkeypatch):
    source = {"url": "https://host.invalid/x.zip", "sha256": "0" * 64}
    folder = write_model("byol_tiny.far", backbones.build("tiny"), source=source)
    monkeypatch.setenv("SSLZOO_OFFLINE", "1")
    with pytest.raises(MissingFile) as caught:
        load("byol_tiny", registry=folder.parent)
    said = str(caught.value)
    assert said.startswith("SSLZOO_OFFLINE=1 and 'byol_tiny.far' is not in ")
    assert "`sslzoo bundle byol_tiny.far --out dir`" in said and "SSLZOO_CACHE" in said


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_where_a_model_is_looked_for_is_said_in_every_way(write_model, tmp_path, way):
    folder = write_model("byol_tiny.toy", backbones.build("tiny"))
    cache.bundle("byol_tiny", tmp_path / "carried", registry=folder.parent)
    assert way("byol_tiny", cache_dir=tmp_path / "carried", revision=1) is not None
    found = sslzoo.info("byol_tiny.toy", cache_dir=tmp_path / "carried")
    assert found.card.summary == "A test of byol_tiny.toy."
    with pytest.raises(UnknownName, match="no revision 2"):
        way("byol_tiny", registry=folder.parent, revision=2)
    address = f"https://host.invalid/x.zip#sha256={'0' * 64}"
    with pytest.raises(MissingFile, match="offline=True and .* is not in .*there"):
        way(address, offline=True, cache_dir=tmp_path / "there")


@pytest.fixture
def refusing():
    """Address of a server that answers by the number that it is asked for."""

    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(int(self.path[1:]))

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_gated_model_is_told_from_one_that_is_not_there(refusing, way):
    advice = {
        401: "is not for everyone .*account or for consent. Fetch it by hand",
        403: "is not for everyone .*account or for consent. Fetch it by hand",
        404: "is not there .*a slip in the address",
    }
    for code, words in advice.items():
        with pytest.raises(CannotFetch, match=words):
            way(f"{refusing}/{code}#sha256={'0' * 64}", allow_http=True)


@pytest.fixture
def noncommercial(tmp_path):
    """The folder of a model whose weights forbid commerce; nobody was told yet."""
    licences._warn.cache_clear()
    method = byol.BYOL(backbones.build("tiny"), 4, byol.example(32), hidden=8)
    entry = export.export(
        method,
        "byol_tiny.nc",
        registry=tmp_path / "nc",
        licences={
            "weights": "CC-BY-NC-3.0",
            "notice": "https://host.invalid/licence",
        },
    )
    return entry.path


@pytest.mark.parametrize(
    "way",
    [*WAYS.values(), functools.partial(sslzoo.load, heads=True)],
    ids=[*WAYS, "heads"],
)
def test_a_licence_without_commerce_is_told_once_and_can_be_silenced(
    noncommercial, caplog, way
):
    caplog.set_level(logging.WARNING, "sslzoo")
    way(str(noncommercial), accept_license=True)
    assert not caplog.records
    way(str(noncommercial))
    way(str(noncommercial))
    (record,) = caplog.records
    assert "CC-BY-NC-3.0 (https://host.invalid/licence)" in record.getMessage()


def test_a_card_of_a_newer_schema_asks_for_a_newer_sslzoo(write_model):
    def change(folder):
        text = (folder / "card.json").read_text()
        text = text.replace('"schema": 1', '"schema": 2')
        (folder / "card.json").write_text(text)

    folder = write_model("byol_tiny.toy", backbones.build("tiny"), change=change)
    with pytest.raises(BadInput, match="schema 2.*pip install --upgrade sslzoo"):
        load(folder)

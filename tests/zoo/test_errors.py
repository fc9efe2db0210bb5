"""What a user is told, row by row of the table of errors: never a random start."""

import logging
import sys

import pytest

from sslzoo import backbones
from sslzoo.errors import BadInput, MissingExtra, MissingFile, SslzooError, UnknownName
from sslzoo.evaluation import embeddings
from sslzoo.zoo.load import load


def test_an_unknown_name_is_answered_by_near_ones_and_ways_on(zoo):
    with pytest.raises(UnknownName) as caught:
        load("byol_tyni", registry=zoo)
    said = str(caught.value)
    assert said.startswith("Unknown model 'byol_tyni'. Did you mean: byol_tiny")
    assert "`sslzoo.list_models('byol*')`" in said
    assert "To load a directory pass './byol_tyni'." in said


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
    assert "sslzoo.list_pretrained('byol_tiny*')" in said
    assert load(folder, pretrained=False).output_shape == (None, 16)


def test_weights_of_another_network_are_named(write_model):
    def change(folder):
        other = backbones.build("resnet18", width=0.125, stem="small")
        other.save_weights(folder / "backbone.weights.h5")

    folder = write_model("byol_tiny.toy", backbones.build("tiny"), change=change)
    with pytest.raises(BadInput, match="has 105 arrays, the model 12"):
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


def test_a_licence_without_commerce_is_told_once_and_can_be_silenced(
    write_model, caplog
):
    licences = {"code": "Apache-2.0", "weights": "CC-BY-NC-3.0", "data": "none"}
    licences["notice"] = "https://host.invalid/licence"
    folder = write_model("byol_tiny.nc", backbones.build("tiny"), licences=licences)
    caplog.set_level(logging.WARNING, "sslzoo")
    load(folder, accept_license=True)
    assert not caplog.records
    load(folder)
    load(folder)
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

"""`sslzoo list | info | features | bundle`, as a person and as a script has them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sslzoo.evaluation import embeddings
from sslzoo.zoo import store


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(3):
        image = np.random.default_rng(i).integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(image).save(tmp_path / "photos" / f"{i}.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"none")
    return tmp_path / "photos"


def test_list_gives_a_table_or_json(command, zoo):
    code, out, _ = command("list", "--registry", zoo)
    assert code == 0 and "byol_tiny.toy" in out and "split_brain_fc.toy" in out
    code, out, _ = command("list", "byol", "--registry", zoo, "--json")
    names = [row["name"] for row in json.loads(out)]
    assert code == 0 and names == ["byol_r18w16.toy", "byol_tiny.toy"]
    words = ["--method", "byol", "--backbone", "tiny", "--license", "permissive"]
    code, out, _ = command("list", *words, "--registry", zoo, "--json")
    assert [row["name"] for row in json.loads(out)] == ["byol_tiny.toy"]


def test_a_filter_may_stand_behind_the_options_but_only_one(command, zoo):
    code, out, _ = command("list", "--registry", zoo, "--json", "byol")
    assert (code, out) == command("list", "byol", "--registry", zoo, "--json")[:2]
    for words in (["byol", "r18"], ["--nothing"]):
        code, _, err = command("list", "--registry", zoo, *words)
        assert code == 2 and f"unrecognized arguments: {words[-1]}" in err


@pytest.mark.parametrize(
    "words, near",
    [
        (["byol_tyni"], "Did you mean 'byol_tiny'?"),
        (["--method", "byo"], "Did you mean 'byol'? There are: byol, split_brain."),
        (["--backbone", "r18w61"], "Did you mean 'r18w16'?"),
        (["--license", "permisive"], "Did you mean 'permissive'?"),
        (["split", "--method", "byol"], "sslzoo list --help"),  # Each is there.
    ],
)
def test_an_empty_list_says_which_filter_nothing_passes(command, zoo, words, near):
    code, out, _ = command("list", *words, "--registry", zoo)
    assert code == 0 and near in " ".join(out.split())
    assert json.loads(command("list", *words, "--registry", zoo, "--json")[1]) == []


def test_info_gives_a_text_or_the_card(command, zoo):
    code, out, _ = command("info", "byol_tiny", "--registry", zoo)
    assert code == 0 and "byol_tiny.toy, revision 1" in out and "block2" in out
    code, out, _ = command("info", "byol_tiny", "--registry", zoo, "--json")
    assert json.loads(out)["name"] == "byol_tiny.toy"


def test_list_and_info_import_no_tensorflow(zoo):
    code = (
        "import sys, sslzoo.cli\n"
        "for words in (['list'], ['info', 'byol_tiny']):\n"
        "    try:\n"
        f"        sslzoo.cli.main([*words, '--registry', {str(zoo)!r}])\n"
        "    except SystemExit as left:\n"
        "        assert not left.code\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_features_of_a_folder_go_to_a_file(command, zoo, photos, tmp_path):
    words = ["features", "byol_tiny", photos, tmp_path / "x.npz", "--registry", zoo]
    code, out, _ = command(*words)
    assert code == 0
    assert out.startswith("3 images, 16 numbers each, of byol_tiny.toy, revision 1, po")
    found = embeddings.read(tmp_path / "x.npz")
    assert found.vectors.shape == (3, 16) and list(found.skipped) == ["broken.png"]
    code, _, err = command(*words)
    assert code == 1 and "x.npz is there already" in err
    words = [*words[:3], tmp_path / "y.npz", *words[4:], "--endpoint", "block1", "--l2"]
    code, out, _ = command(*words, "--json")
    result = json.loads(out)
    assert code == 0 and result["images"] == 3 and result["dimensions"] == 8
    assert result["endpoint"] == "block1" and result["l2"] and result["skipped"]


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_features_are_added_to_a_file_but_never_those_of_another_model(
    command, zoo, photos, tmp_path, kind
):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    out, more = tmp_path / f"x.{kind}", tmp_path / "more"
    (more / "new").mkdir(parents=True)
    shutil.copy(photos / "0.png", more / "new" / "z.png")
    tail = ["--registry", zoo]
    assert command("features", "byol_tiny", photos, out, *tail)[0] == 0
    code, said, _ = command("features", "byol_tiny", more, out, "--append", *tail)
    assert code == 0 and said.startswith("1 images")
    assert embeddings.read(out).files == ["0.png", "1.png", "2.png", "new/z.png"]
    before = out.read_bytes()
    words = ["byol_tiny", more, out, "--append", "--endpoint", "block1", *tail]
    code, said, err = command("features", *words)
    assert code == 1 and said == "" and "Features of two spaces" in err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "words, said",
    [
        ("info byol_tyni", "Unknown model 'byol_tyni'"),
        ("features byol_tiny nowhere x.npz", "nowhere"),
        ("features byol_tiny {photos} x.csv", ".npz or .parquet"),
        ("features byol_tiny {photos} x.npz --endpoint blok1", "'block1'"),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    command, zoo, photos, tmp_path, monkeypatch, words, said
):
    monkeypatch.chdir(tmp_path)
    words = words.format(photos=photos).split()
    code, out, err = command(*words, "--registry", zoo)
    assert code == 1 and out == "" and said in err
    assert err.startswith("sslzoo: ") and not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("out", ["models", "models.zip"])
def test_models_are_bundled(command, zoo, tmp_path, out):
    words = ["bundle", "byol_tiny", "--registry", zoo, "--out", tmp_path / out]
    code, said, _ = command(*words, "--json")
    told = json.loads(said)
    assert code == 0 and told["models"] == ["byol_tiny"] and told["bytes"] > 1000
    assert told["out"] == str(tmp_path / out)
    if out == "models":
        assert store.all_names(tmp_path / out) == ["byol_tiny.toy"]
    code, said, _ = command(*words)
    assert code == 0 and str(tmp_path / out) in said and "SSLZOO_CACHE" in said


def test_a_bundle_of_what_is_not_there_is_refused(command, zoo, tmp_path):
    words = ["bundle", "byol_tny", "--registry", zoo, "--out", tmp_path / "out"]
    code, said, err = command(*words)
    assert code == 1 and said == "" and "byol_tiny" in err
    assert not (tmp_path / "out").exists()

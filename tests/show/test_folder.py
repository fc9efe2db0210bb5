"""The section of the page on a file of features, and what cannot be shown."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from sslzoo import backbones
from sslzoo.data import sources
from sslzoo.errors import BadInput, MissingFile
from sslzoo.evaluation import embeddings
from sslzoo.show import folder, report
from sslzoo.workdir import Workdir
from sslzoo.zoo.card import Card

CONTRACT = {"size": 16, "crop": 0.875, "interpolation": "bicubic", "antialias": False}
COLOURS = {"blue": (20, 40, 200), "green": (30, 190, 60), "red": (220, 30, 20)}


class Method:
    uses = ()

    def __init__(self, backbone):
        self.backbone = backbone

    def deployable(self):
        return self.backbone


@pytest.fixture(scope="module")
def model():
    """As `load` gives it: with a card."""
    made = backbones.build("tiny", width=4)
    made.card = Card("byol_tiny.toy", "", "", {}, CONTRACT, [], {}, revision=3)
    return made


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Seven pictures of each of three colours, in a folder each."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(7):
            pixels = np.full((20, 30, 3), colour) + rng.integers(0, 8, (20, 30, 3))
            image = Image.fromarray(pixels.astype("uint8"))
            image.save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def file(model, photos):
    """Features whose directions are the colours, so that each class is by itself."""
    made = embeddings.features(model, "photos")
    source = sources.Folder("photos")
    colours = [source.read(i)["image"].mean((0, 1)) for i in range(source.count)]
    dataclasses.replace(made, vectors=np.float32(colours)).save("x.npz")
    return "x.npz"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(report.curves, "draw", lambda *_: [])
    (tmp_path / "run").mkdir()
    about = {"recipe": "byol_tiny_toy", "knobs": {}, "seed": 0, "steps": 1}
    (tmp_path / "run" / "run.json").write_text(json.dumps(about))
    return Workdir(tmp_path / "run")


def altered(path, **changes):
    dataclasses.replace(embeddings.read(path), **changes).save("y.npz")
    return "y.npz"


def told(path, **changes):
    """The same file, of which the provenance says something else."""
    return altered(path, provenance={**embeddings.read(path).provenance, **changes})


def test_neighbours_are_the_nearest_by_cosine_and_never_the_picture_itself(file):
    found, said = embeddings.read(file), folder.of_file(file)
    unit = found.vectors.astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    assert len(said["cards"]) == 8 and said["shown"] == 48
    for card in said["cards"]:
        asked = found.files.index(card["asked"]["alt"])
        (row,) = card["rows"].values()
        order = [i for i in np.argsort(-cosines[asked], kind="stable") if i != asked]
        assert [tile["alt"] for tile in row] == [
            f"Neighbour {n} of {found.files[asked]}: {found.files[j]}, right class"
            for n, j in enumerate(order[:6], 1)
        ]
        assert [tile["caption"] for tile in row] == [
            f"{cosines[asked, j]:.2f}" for j in order[:6]
        ]


def test_the_pictures_asked_for_are_evenly_spread(file):
    asked = [card["asked"]["alt"] for card in folder.of_file(file)["cards"]]
    files = embeddings.read(file).files
    assert [files.index(name) for name in asked] == [0, 2, 5, 8, 11, 14, 17, 20]


def test_hits_stand_beside_those_of_chance(file):
    """Six of the other twenty pictures are of the class asked for, six are shown."""
    said = folder.of_file(file)
    assert said["right"] == 48 and said["chance"] == pytest.approx(48 * 6 / 20)
    equal = folder.of_file(altered(file, vectors=np.ones((21, 4), "float32")))
    assert equal["right"] == 3 * 6  # All get the first, blue; three of eight are blue.


def tiles(said):
    return [t for card in said["cards"] for row in card["rows"].values() for t in row]


def test_the_page_says_what_made_the_features(file, run):
    text = report.write(run, features=file).read_text()
    for words in (
        "<strong>byol_tiny.toy, revision 3</strong> made 3 numbers of each of the\n21 ",
        "<code>photos</code>", "<code>x.npz</code>", "16 × 16 pixels, bicubic",
        "the middle 87.5 %", embeddings.read(file).provenance["weights"][:12],
        "<strong>48 of 48</strong>, where chance would give\n14.",
    ):  # fmt: skip
        assert words in text
    assert "those of this run" not in text  # Of which no network was given.
    assert text.count("data:image/png") == 8 + 48 and text.count("tile yes") == 48


def test_features_have_a_page_of_their_own_where_there_is_no_run(file, command):
    code, said, _ = command("report", "--features", file, "--json")
    page = pathlib.Path(file).with_suffix(".html")
    assert code == 0 and json.loads(said) == {"report": str(page)}
    text = page.read_text()
    assert "<title>byol_tiny.toy, revision 3: features of a folder</title>" in text
    assert "<strong>48 of 48</strong>" in text and "run" not in text.split("<body>")[1]
    assert text.count("data:image/png") == 8 + 48
    code, _, err = command("report")
    assert code == 1 and "Give a RUN, or --features FILE." in err


def test_a_page_without_features_has_no_such_section(run):
    assert "Loaded by its name" not in report.write(run).read_text()


def test_the_page_knows_the_network_of_its_run(file, model):
    assert folder.of_file(file, Method(model))["own"] is True
    other = Method(backbones.build("tiny", width=8))
    assert folder.of_file(file, other)["own"] is False


def test_pictures_without_classes_get_no_verdict(file, run):
    path = altered(file, labels=None, classes=None)
    text = report.write(run, features=path).read_text()
    assert "There are no labels" in text and "tile yes" not in text
    assert {tile["right"] for tile in tiles(folder.of_file(path))} == {None}


def test_few_pictures_have_few_neighbours(model, photos):
    embeddings.features(model, "photos/red", out="x.npz")
    for i in range(2, 7):
        (photos / "red" / f"{i}.png").unlink()
    found = embeddings.read("x.npz")
    path = altered("x.npz", files=found.files[:2], vectors=found.vectors[:2])
    said = folder.of_file(path)
    assert len(said["cards"]) == 2 and said["shown"] == 2


def test_what_was_added_from_another_folder_is_shown_too(model, photos):
    """Even as .parquet, and in its own classes."""
    pytest.importorskip("pyarrow")
    (photos / "green").rename(photos.parent / "green")
    for i in range(7):
        (photos.parent / "green" / f"{i}.png").rename(photos.parent / f"green/g{i}.png")
    out = "x.parquet"
    embeddings.features(model, "photos/red", out=out)
    embeddings.features(model, "green", out=out, append=True)
    said = folder.of_file(out)
    assert said["folder"] == "photos/red, green" and said["count"] == 14
    shown = {tile["alt"].rpartition(" ")[2] for tile in tiles(said)}
    assert any(name.startswith("g") for name in shown)


def test_a_picture_that_is_gone_is_named(file, photos):
    (photos / "red" / "6.png").unlink()
    with pytest.raises(MissingFile, match=r"are not in photos, such as 'red/6.png'"):
        folder.of_file(file)


def test_a_picture_that_is_not_shown_may_be_gone(file, photos):
    shown = {t["alt"].split(": ")[1].split(",")[0] for t in tiles(folder.of_file(file))}
    shown |= {card["asked"]["alt"] for card in folder.of_file(file)["cards"]}
    for name in set(embeddings.read(file).files) - shown:
        (photos / name).unlink()
    assert folder.of_file(file)["shown"] == 48


def test_a_name_leads_to_no_picture_outside_the_folder(file, photos):
    Image.new("RGB", (9, 9)).save(photos.parent / "secret.png")
    names = ["../secret.png", *embeddings.read(file).files[1:]]
    with pytest.raises(MissingFile, match=r"such as '\.\./secret.png'"):
        folder.of_file(altered(file, files=names))


def test_a_picture_that_broke_since_is_named(file, photos):
    (photos / "red" / "6.png").write_bytes(b"none")
    with pytest.raises(BadInput, match=r"red/6\.png"):
        folder.of_file(file)


@pytest.mark.parametrize(
    "source, words",
    [
        ("folder:photoz", "Did you mean 'photos'.*sslzoo features byol_tiny.toy"),
        ("folder:none", "No image below 'none'.*sslzoo features"),
        ("files", "those of 'files', which is no folder"),
        ("npz:x.npz#test", "is no folder to read them from"),
    ],
)
def test_pictures_that_cannot_be_found_are_an_error(file, source, words, photos):
    (photos.parent / "none").mkdir()
    with pytest.raises((BadInput, MissingFile), match=words):
        folder.of_file(told(file, source=source))


@pytest.mark.parametrize("count", [0, 1])
def test_a_picture_alone_has_no_neighbours(file, count):
    found = embeddings.read(file)
    few = dict(files=found.files[:count], vectors=found.vectors[:count], labels=None)
    with pytest.raises(BadInput, match=f"is of {count} picture, and neighbours are"):
        folder.of_file(altered(file, **few))


def test_features_that_are_not_numbers_are_an_error(file):
    vectors = np.full((21, 3), np.nan, "float32")
    with pytest.raises(BadInput, match=r"y\.npz: .*NaN"):
        folder.of_file(altered(file, vectors=vectors))


def test_what_cannot_be_shown_leaves_the_page_as_it_was(file, run, photos):
    before = report.write(run).read_text()
    (photos / "red" / "6.png").unlink()
    with pytest.raises(MissingFile):
        report.write(run, features=file)
    with pytest.raises(MissingFile, match=r"No such file: none\.npz"):
        report.write(run, features="none.npz")
    assert (run.path / "report.html").read_text() == before
    assert len(list(run.path.iterdir())) == 2

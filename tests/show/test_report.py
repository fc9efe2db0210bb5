import base64
import csv
import dataclasses
import html.parser
import io
import json

import keras
import numpy as np
import pytest
from PIL import Image

from sslzoo import backbones
from sslzoo.data import pipeline, sources
from sslzoo.errors import BadInput, MissingFile
from sslzoo.methods.sheets import Sheet
from sslzoo.optim import schedules, sgd
from sslzoo.recipe import Probe, Recipe
from sslzoo.show import neighbours, report, tiles
from sslzoo.workdir import Workdir

VOID = {"meta", "img", "br"}
NUMBERED = {f"Image {i}" for i in range(1, 9)}
HEALTH = {"alignment": 0.4, "uniformity": -2.0, "dimensions": 32.0, "finite": 1.0}


class Page(html.parser.HTMLParser):
    """What a browser finds: pictures, words, and whether all that opens closes."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open, self.images, self.words, self.tags = [], [], [], []
        self.feed(self.source)
        assert not self.open
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def cells(self):
        """The rows of all tables, as words."""
        rows = self.source.split("<tr>")[1:]
        return [
            [cell.split(">", 1)[1].split("<")[0] for cell in row.split("<td")[1:]]
            for row in rows
        ]

    def pictures(self, start):
        return [image for image in self.images if image["alt"].startswith(start)]


def pixels(image):
    data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def history(epochs=3, spread=0.7, rank=20.0):
    def row(epoch):
        health = {"std": spread, "effective_rank": rank, **HEALTH}
        row = {"epoch": epoch, "step": 10 * epoch, "health": health}
        if epoch:
            row.update(loss=4.0 - epoch, tau=0.99)
        if epoch in (0, 3):
            part = epoch / 3
            scores = {"knn": 0.31 + 0.285 * part, "linear": 0.4 - 0.02 * part}
            row["probes"] = {"colours": scores}
        return row

    return [row(epoch) for epoch in range(epochs + 1)]


def make_workdir(path, rows=(), ended=False):
    folder = Workdir(path)
    run = {
        "recipe": "byol_tiny_colours",
        "knobs": {"data": "toy:7", "epochs": 3, "rate": 0.1},
        "defaults": {"data": "toy:7", "epochs": 100, "rate": 0.1},
        "seed": 5,
        "steps": 30,
        "images": {"": 21},
        "versions": {"sslzoo": "1.2.3", "keras": "3.99"},
    }
    folder.path.mkdir()
    (folder.path / "run.json").write_text(json.dumps(run))
    (folder.path / "recipe.py").write_text('"""BYOL on colours.\n\nMore."""\n')
    if rows:
        folder.write_history(rows)
    for row in rows:
        timing = {"seconds": 30.0, "images_per_second": 700.0} if row["epoch"] else {}
        folder.add_timing({"epoch": row["epoch"], **timing})
    if ended:
        folder.write_result({"probes": {}})
    return folder


def colours(count, each):
    """Red, green and blue pictures of many shades, `each` of a class in a row."""
    labels = np.arange(count) // each % 3
    shades = 80 + np.arange(count, dtype=np.uint8) * 5
    images = np.zeros((count, 12, 12, 3), np.uint8)
    images[np.arange(count), :, :, labels] = shades[:, None, None]
    return images, labels


class Method:
    """Of which only the backbone is asked for."""

    uses, sees = (), "image"

    def __init__(self, backbone):
        self.backbone = backbone

    def compile(self, optimizer, accumulate, jit_compile):
        pass

    def deployable(self):
        return self.backbone


def seeing(scale):
    """The mean colour of an image, times `scale`."""
    images = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    return keras.Model(images, {"pooled": keras.layers.Rescaling(scale)(pooled)})


def example(item, seed):
    image = item["image"] if item["image"].dtype == "float32" else item["image"] / 255
    return {"view1": image, "view2": 1 - image}


def make_plan(labelled=True, random=lambda: seeing(0.0)):
    train, labels = colours(21, 7)
    test, truth = colours(8, 1)
    classes = ("red", "green", "blue")
    learn = sources.Arrays(train, labels, classes)
    own = learn if labelled else sources.Arrays(train)
    probes = {"colours": Probe(learn, sources.Arrays(test, truth, classes), 12, 1.0)}
    return Recipe(
        streams=pipeline.Stream(own, example, batch_size=16),
        method=lambda: Method(random()),
        optimizer=lambda: sgd.SGD(schedules.Drops(0.1, (2, 20, 40))),
        steps=30,
        probes=probes if labelled else {},
        seed=5,
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A run that has ended; its network sees colours, before it saw nothing."""
    folder = make_workdir(tmp_path_factory.mktemp("full") / "run", history(), True)
    path = report.write(folder, method=Method(seeing(1.0)), plan=make_plan())
    assert path == folder.path / "report.html"
    return Page(path)


@pytest.fixture
def undrawn(monkeypatch):
    """Without curves, which take long."""
    monkeypatch.setattr(report.curves, "draw", lambda *_: [])


def test_the_page_needs_nothing_but_itself(full):
    assert not {"script", "link", "iframe"} & {tag for tag, _ in full.tags}
    for tag, attributes in full.tags:
        assert not {"href", "srcset", "onload", "onclick"} & set(attributes), tag
    assert all(i["src"].startswith("data:image/png;base64,") for i in full.images)
    for word in ("http:", "https:", "url(", "@import", 'src="//'):
        assert word not in full.source


def test_every_picture_is_said_in_words_too(full):
    assert len(full.images) > 8 * (3 + 1 + 12)
    assert all(image["alt"] for image in full.images)


def test_random_features_stand_beside_trained_ones(full):
    assert ["colours", "kNN", "31.0", "59.5", "+28.5"] in full.cells()
    assert ["colours", "linear", "40.0", "38.0", "-2.0"] in full.cells()


def test_the_page_says_what_the_run_was(full):
    for words in (
        "byol_tiny_colours", "BYOL on colours.", "epochs=3", "30 of 30", "1 min",
        "700 images/s", "sslzoo 1.2.3, keras 3.99",
    ):  # fmt: skip
        assert words in full.text
    assert "rate=0.1" not in full.text  # It is as the recipe has it.
    assert "not ended" not in full.text
    assert "sslzoo train byol_tiny_colours epochs=3 --workdir" in full.text


def test_curves_are_said_from_where_to_where_they_go(full):
    alts = {image["alt"] for image in full.images}
    assert "Loss over epochs. 3 at epoch 1, 1 at epoch 3." in alts
    assert "Spread over epochs. 0.7 at epoch 0, 0.7 at epoch 3." in alts
    assert (
        "Probes over epochs. colours, kNN: 31 at epoch 0, 59.5 at epoch 3; "
        "colours, linear: 40 at epoch 0, 38 at epoch 3."
    ) in alts


def test_drops_of_the_rate_are_dashed_lines_as_far_as_the_run_went(monkeypatch):
    """Of steps 2, 20 and 40 those of a run of 30, with a step an epoch."""
    drawn = []
    monkeypatch.setattr(report.curves, "_drawn", lambda *told: drawn.append(told[2]))
    rows = history()
    drops = report._drops(make_plan(), rows)
    assert drops == [2, 20] and report._drops(None, rows) == []
    (first, *_) = report.curves.draw(rows, drops)
    assert drawn[0] == drops and first["hint"].endswith("Dashed: the rate drops.")
    assert "Dashed" not in report.curves.draw(rows)[0]["hint"]


def test_the_first_images_of_the_run_stand_beside_their_views(full):
    train, _ = colours(21, 7)
    order = pipeline.shuffled(np.arange(8), 21, 5).numpy()
    originals = [image for image in full.images if "as it is" in image["alt"]]
    assert len(originals) == 8
    for index, original in zip(order, originals):
        assert original["alt"] == f"Image {index} as it is"
        np.testing.assert_array_equal(pixels(original), train[index])
        (one,) = full.pictures(f"view1 of image {index}")
        (two,) = full.pictures(f"view2 of image {index}")
        np.testing.assert_array_equal(pixels(one), train[index])
        np.testing.assert_array_equal(pixels(two), 255 - train[index])


def test_neighbours_are_those_of_the_features(full):
    """Colours tell the classes; equal features have the first images, all red."""
    assert "48 of 48 by trained features, 18 of 48 by random ones" in full.text
    assert len(full.pictures("trained features, neighbour")) == 48
    random = full.pictures("random features, neighbour")
    truth = ["red", "green", "blue"]
    for i, image in enumerate(random):
        right = "right" if truth[i // 6 % 3] == "red" else "another"
        assert image["alt"].endswith(f": red, {right} class")
    framed = [a for t, a in full.tags if t == "div" and a.get("class") == "tile yes"]
    assert len(framed) == 48 + 18


def test_random_features_are_of_the_precision_of_the_run():
    met = []

    def random():
        met.append(keras.config.dtype_policy().name)
        return seeing(0.0)

    plan = dataclasses.replace(make_plan(random=random), precision="mixed_bfloat16")
    neighbours.of_run(Method(seeing(1.0)), plan, plan.streams.source, 12)
    assert met == ["mixed_bfloat16"]


def test_images_without_labels_have_neighbours_but_no_verdict(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history()[1:3])
    method = Method(backbones.build("tiny"))
    page = Page(
        report.write(
            folder,
            method=method,
            plan=make_plan(False, lambda: backbones.build("tiny")),
        )
    )
    assert "There are no labels" in page.text
    assert "No probe has been tried" in page.text
    assert "right class" not in page.source
    asked = [image for image in page.images if image["alt"] in NUMBERED]
    near = page.pictures("trained features, neighbour")
    assert len(asked) == 8 and len(near) == 48
    for i, image in enumerate(asked):  # None is its own neighbour.
        assert image["src"] not in {n["src"] for n in near[6 * i : 6 * i + 6]}


class Says(Method):
    """And what it says of an image is the image."""

    example = type("Example", (), {"size": 12})

    def sheet(self, batch):
        return Sheet({"said": batch["image"]}, figures={"light": [0.25, 0.75] * 3})


def test_what_a_method_says_is_on_its_page(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history())
    method = Says(backbones.build("tiny"))
    page = Page(report.write(folder, method=method, plan=make_plan()))
    (said,) = page.pictures("What it says. Means: light 0.50")
    assert pixels(said).shape[0] > 6 * 128
    assert len(page.pictures("First filters. Means: kernels")) == 1
    assert len(page.pictures("What excites block2 most")) == 1


def test_what_cannot_be_drawn_does_not_cost_the_page(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history())
    page = Page(report.write(folder, method=Says(seeing(1.0)), plan=make_plan()))
    assert page.pictures("What it says")
    assert "It could not be drawn." in page.text and "no convolution" in page.text


def test_a_method_that_shows_but_its_views_is_not_shown_twice(full):
    assert "What it says" not in full.text


def test_a_run_on_its_way_says_where_it_stands(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history(2))
    page = Page(report.write(folder, tmp_path / "page.html"))
    assert "This run has not ended." in page.text
    assert "step 20 of 30" in page.text
    assert ["colours", "kNN", "31.0", "not yet", "–"] in page.cells()
    assert "What the network is shown" not in page.text


def test_a_run_that_measured_nothing_has_a_page(tmp_path):
    page = Page(report.write(make_workdir(tmp_path / "run")))
    assert "It has measured nothing yet." in page.text


def test_images_in_quarantine_are_named_and_are_only_words(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history())
    with open(folder.quarantine, "w", newline="") as file:
        rows = [("folder:x", i, f"<b>{i}.jpg", "cut, short") for i in range(53)]
        csv.writer(file).writerows([("source", "index", "file", "reason"), *rows])
    page = Page(report.write(folder))
    assert "53 images were replaced" in page.text and "And 3 more." in page.text
    assert "<b>7.jpg cut, short" in page.text and "<b>" not in page.source


def test_a_collapse_is_told_at_the_top(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history(3, spread=0.001), True)
    page = Page(report.write(folder))
    assert "Something is wrong: collapse." in page.text


def test_features_that_are_not_numbers_do_not_cost_the_page(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history(), True)
    method = Method(seeing(float("nan")))
    page = Page(report.write(folder, method=method, plan=make_plan()))
    assert "They could not be found." in page.text and "NaN" in page.text
    assert "59.5" in page.text


def test_a_large_source_is_looked_at_here_and_there():
    spread = tiles.spread(1_000_000, 2000)
    assert len(spread) == 2000 and spread[0] == 0 and spread[-1] == 999_999
    assert tiles.spread(3, 8).tolist() == [0, 1, 2]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(MissingFile, match="no run.json"):
        report.write(Workdir(tmp_path))


def test_a_place_that_cannot_be_written_is_named(tmp_path, undrawn):
    folder = make_workdir(tmp_path / "run", history())
    with pytest.raises(BadInput, match=r"nowhere.*another path"):
        report.write(folder, tmp_path / "nowhere" / "page.html")

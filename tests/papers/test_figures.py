"""Pictures of what a study found: the figures are those of its file, and no others."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from sslzoo.papers import figures, study
from tests.papers.test_study import kept, made

LAYERS = figures.Curves(
    "Both, by layers.",
    {"first": {"slow": "slow", "fast": "fast"}, "second": {"none": "none"}},
    {"1": "sum", "2": "more"},
)
AGAINST = figures.Points(
    "One beside the other.",
    {"all": {"first": ["slow", "fast"], "second": ["none"]}},
    ("its task", "sum"),
    ("classes", "more"),
)
FOUND = {
    "slow": {
        "0": {"scores": {"sum": 0.2, "more": 0.4}},
        "1": {"scores": {"sum": 0.4, "more": 0.5}},
    },
    "fast": {"0": {"scores": {"sum": 0.1, "more": 0.3}}},
    "none": {"0": {"scores": {"sum": 0.6}}},  # Which lacks a column.
}


def axes():
    return Figure().add_subplot()


def test_a_line_is_the_mean_of_the_seeds_and_each_seed_is_a_dot():
    known, on = LAYERS.known(FOUND), axes()
    assert {*known} == {"first"}
    LAYERS.panel(on, known["first"], dict(slow="red", fast="blue"))
    slow, first, second, fast = (line.get_ydata() for line in on.lines)
    np.testing.assert_allclose(slow, [30, 45])
    np.testing.assert_allclose([first, second], [[20, 40], [40, 50]])
    np.testing.assert_allclose(fast, [10, 30])
    assert on.get_legend_handles_labels()[1] == ["slow", "fast"]
    assert [tick.get_text() for tick in on.get_xticklabels()] == ["1", "2"]


def test_a_dot_is_a_seed_of_a_cell_that_has_both_scores():
    known, on = AGAINST.known(FOUND), axes()
    AGAINST.panel(on, known["all"], dict(first="red"))
    (dots,) = on.lines
    np.testing.assert_allclose(
        dots.get_xydata(), [[20, 40], [40, 50], [10, 30]], rtol=1e-6
    )
    assert "its task" in on.get_xlabel() and "classes" in on.get_ylabel()


def test_what_is_drawn_is_a_picture_and_nothing_is_none():
    for figure in (LAYERS, AGAINST):
        with Image.open(io.BytesIO(figures.draw(figure, FOUND))) as picture:
            assert picture.format == "PNG" and min(picture.size) > 200
        assert figures.draw(figure, {"none": FOUND["none"]}) is None


def test_a_line_keeps_its_colour_when_others_come(monkeypatch):
    seen = []
    panel = figures.Curves.panel

    def noted(self, axes, lines, hues):
        seen.append(hues)
        panel(self, axes, lines, hues)

    monkeypatch.setattr(figures.Curves, "panel", noted)
    for found in (FOUND, {"fast": FOUND["fast"]}):
        figures.draw(LAYERS, found)
    assert seen[0]["fast"] == seen[1]["fast"] != seen[0]["slow"]


def test_the_page_has_the_pictures_of_what_was_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("\n".join(study.MARKS))
    one = figures.Curves("Sums.", {"all": {"slow": "slow"}}, {"1": "sum"})
    ours = made(figures={"toy_sums.png": one})
    study.write_page(ours, {}, page)
    assert "png" not in page.read_text()
    assert not (tmp_path / "toy_sums.png").exists()
    for _ in range(2):
        study.write_page(ours, kept(slow=[0.2, 0.3], fast=[0.4, 0.6]), page)
    assert page.read_text().count("![Sums.](toy_sums.png)") == 1
    assert (tmp_path / "toy_sums.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("name", study.names())
def test_the_figures_of_a_study_are_of_its_cells_and_columns(name):
    ours = study.load(name)
    cells = {cell.name for cell in ours.cells}
    for file, figure in ours.figures.items():
        assert file.startswith(f"{name}_") and file.endswith(".png")
        assert {*figure.asked()} <= {*ours.columns}
        for lines in figure.panels.values():
            assert len(lines) <= len({*figure.hues})  # No two are of one colour.
            for of in lines.values():
                assert {of} <= cells if isinstance(of, str) else {*of} <= cells

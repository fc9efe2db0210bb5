"""What a study found, as a picture: over the layers, or a score beside another."""

import dataclasses
import io
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from sslzoo.show.curves import plain

WIDTH, HEIGHT, ACROSS = 5.0, 2.9, 2  # Of a panel, in inches; panels in a row.
# Okabe and Ito's, but for yellow.
HUES = "#0072b2 #d55e00 #009e73 #cc79a7 #56b4e9 #e69f00".split()


class Panels:
    """What is drawn: `panels` {title: {line: the name of a cell, or of several}}."""

    def known(self, found):
        """{title: {line: [seeds, columns]}} of what was measured, in percent."""
        titles, columns = {}, self.asked()
        for title, lines in self.panels.items():
            for line, cells in lines.items():
                cells = [cells] if isinstance(cells, str) else cells
                seeds = [
                    one["scores"] for c in cells for one in found.get(c, {}).values()
                ]
                rows = [[s[c] for c in columns] for s in seeds if {*columns} <= {*s}]
                if rows:
                    titles.setdefault(title, {})[line] = 100 * np.array(rows)
        return titles


@dataclasses.dataclass(frozen=True)
class Curves(Panels):
    """The mean over the seeds along `columns`, a line for each cell, each seed a dot.

    Args:
        words: what it shows.
        columns: {what the axis says: column}
    """

    words: str
    panels: dict
    columns: dict
    one_scale: ClassVar[bool] = True
    # A purple last: nine lines are told apart.
    hues: ClassVar[list[str]] = ["#000000", "#999999", *HUES, "#54278f"]

    def asked(self):
        return [*self.columns.values()]

    def panel(self, axes, lines, hues):
        at = np.arange(len(self.columns))
        for line, seeds in lines.items():
            axes.plot(at, seeds.mean(0), color=hues[line], label=line)
            if len(seeds) > 1:
                axes.plot(at, seeds.T, ".", color=hues[line], markersize=4)
        axes.set_xticks(at, self.columns)
        axes.set_ylabel("%")


@dataclasses.dataclass(frozen=True)
class Points(Panels):
    """A score over another, a dot for each seed of each cell.

    Args:
        words: what it shows.
        x, y: (what the axis says, column)
    """

    words: str
    panels: dict
    x: tuple[str, str]
    y: tuple[str, str]
    one_scale: ClassVar[bool] = False
    hues: ClassVar[list[str]] = HUES

    def asked(self):
        return [self.x[1], self.y[1]]

    def panel(self, axes, groups, hues):
        for group, dots in groups.items():
            axes.plot(*dots.T, "o", color=hues[group], markersize=5, label=group)
        axes.set_xlabel(f"{self.x[0]}, %")
        axes.set_ylabel(f"{self.y[0]}, %")


def draw(figure, found):
    """The bytes of a PNG, or None of what is not measured yet."""
    titles = figure.known(found)
    if not titles:
        return None
    across = min(len(titles), ACROSS)
    down = -(-len(titles) // across)
    picture = Figure((WIDTH * across, HEIGHT * down), dpi=110, layout="constrained")
    axes = None
    for place, (title, known) in enumerate(titles.items(), start=1):
        beside = axes if figure.one_scale else None
        axes = picture.add_subplot(down, across, place, sharey=beside)
        # By the place that it has when all are there, so that none changes its own.
        names = figure.panels[title]
        figure.panel(axes, known, dict(zip(names, 3 * figure.hues)))
        plain(axes)
        axes.set_title(title, fontsize=10)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    file = io.BytesIO()
    picture.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()

"""Curves over the epochs of a run, as pictures that a page can hold."""

import io

from matplotlib.figure import Figure

from sslzoo.show.progress import PROTOCOLS
from sslzoo.show.tiles import inline

PANELS = {  # What is known of a curve: title, and how to read it.
    "loss": ("Loss", "What is minimised. Low alone does not mean good."),
    "tau": ("Tau", "How much of itself the target keeps at a step; 1 stands still."),
    "probe": ("Online probe", "Part of the labels told right beside the run."),
    "std": ("Spread", "Of the projections: 1 is spread out, 0 is collapsed."),
    "effective_rank": ("Effective rank", "Directions that the projections use."),
    "alignment": (
        "Alignment",
        "Squared distance of an image's two views: low is near.",
    ),
    "uniformity": ("Uniformity", "0 is collapsed; lower is more evenly spread."),
    "target_distance": (
        "Target distance",
        "Squared, of network and target, same view.",
    ),
}
# Okabe and Ito's colours, which the colour-blind can tell apart too.
HUES = {
    False: ("#0072b2", "#d55e00", "#009e73", "#cc79a7"),
    True: ("#56b4e9", "#e69f00", "#2fc79c", "#e59cc5"),
}


def draw(history, drops=()):
    """A figure for each of probes, meters and health: [{title, hint, alt, ...}].

    Args:
        drops: epochs at which the rate drops: a dashed line each.
    """
    curves, probes = [], {}
    for row in history:
        for name, scores in (row.get("probes") or {}).items():
            for protocol, share in scores.items():
                line = f"{name}, {PROTOCOLS.get(protocol, protocol)}"
                probes.setdefault(line, []).append((row["epoch"], 100 * share))
    if probes:
        hint = "Labelled images told right, in %. Epoch 0 is the untrained network."
        curves.append(_curve("Probes", hint, probes, drops))
    meters = {}
    for row in history:
        measured = dict(row.get("health") or {})
        measured = {
            k: measured[k] for k in measured if k not in ("dimensions", "finite")
        }
        for name, value in {**row, **measured}.items():
            if isinstance(value, (int, float)) and name not in ("epoch", "step"):
                meters.setdefault(name, []).append((row["epoch"], value))
    for name in sorted(meters, key=[*PANELS, *meters].index):
        title, hint = PANELS.get(name, (name, ""))
        curves.append(_curve(title, hint, {"": meters[name]}, drops))
    return curves


def _curve(title, hint, lines, drops):
    """Lines {name: [(epoch, value)]} drawn for paper and for a dark screen."""
    if drops:
        hint = f"{hint} Dashed: the rate drops.".strip()
    alt = [
        f"{name}: {points[0][1]:.4g} at epoch {points[0][0]}, "
        f"{points[-1][1]:.4g} at epoch {points[-1][0]}".removeprefix(": ")
        for name, points in lines.items()
    ]
    drawn = {
        screen: _drawn(title, lines, drops, screen == "dark")
        for screen in ("light", "dark")
    }
    return dict(
        title=title, hint=hint, alt=f"{title} over epochs. {'; '.join(alt)}.", **drawn
    )


def plain(axes, ink="#333338", pale="#d8d8d8"):
    """Axes without a frame, with a grid that is hardly seen."""
    axes.tick_params(colors=ink)
    axes.grid(color=pale, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(pale)


def _drawn(title, lines, drops, dark):
    ink, pale = ("#d5d5d8", "#55555c") if dark else ("#333338", "#d8d8d8")
    figure = Figure(figsize=(4.2, 2.5), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    for (name, points), hue in zip(lines.items(), 9 * HUES[dark]):
        # Few points are seen one by one, many as a line.
        style = dict(marker="o", markersize=3.5) if len(points) <= 30 else {}
        axes.plot(*zip(*points), color=hue, linewidth=1.8, label=name, **style)
    for epoch in drops:
        axes.axvline(epoch, color=ink, linewidth=0.8, linestyle="--")
    axes.set_xlabel("epoch", color=ink)
    axes.set_ylabel("%" if title == "Probes" else title.lower(), color=ink)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.ticklabel_format(useOffset=False)
    plain(axes, ink, pale)
    if len(lines) > 1 or "" not in lines:
        axes.legend(frameon=False, labelcolor=ink, fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", transparent=True)
    return inline(file)

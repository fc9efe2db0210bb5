"""One page about a run, report.html, or about features, with all that it shows inside.

Nothing is fetched and no script runs: it can be mailed, opened from a disk, printed.

    random features beside trained ones    each probe, in per cent
    curves                                 meters, health and probes over the epochs
    what the network is shown              images, and the views made of them
    what it says                           its answers, its filters, what excites it
    nearest neighbours                     by trained features, and by random ones
    features of a folder                   which model made them, what it finds alike
"""

import ast
import csv
import dataclasses
import io
import pathlib

import jinja2
import keras
import numpy as np

from sslzoo import checkpoints, health
from sslzoo.data import pipeline
from sslzoo.data.combined import Subset
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput
from sslzoo.evaluation import snapshots
from sslzoo.methods.base import Method
from sslzoo.show import curves, folder, neighbours, pictures
from sslzoo.show.progress import PROTOCOLS, duration
from sslzoo.show.tiles import SIDE, inline, spread, tile

SHOWN = 8  # Images beside their views.
SAID = 6  # Images of which the network says something.
LOOKED_AT = 200  # Images among which those are that excite a layer most.
LISTED = 50  # Images in quarantine that are named.


def write(workdir, path=None, method=None, plan=None, features=None):
    """Writes the page of the run in `workdir`, ended or not, and returns its path.

    Args:
        path: of the page; report.html in the workdir.
        method: trained. Its neighbours are shown beside those of the network as it
            was before training, which is built again: Keras' random seed is set.
        plan: the recipe, for what shows images. Without it there are none.
        features: a file that `sslzoo features` wrote, for a section about it.
    """
    path = pathlib.Path(path or workdir.path / "report.html")
    run, text = workdir.run(), _kept(workdir, "recipe.py")
    made = folder.of_file(features, method) if features else None
    history = workdir.history() if _kept(workdir, "history.jsonl") else []
    timing = workdir.timing() if _kept(workdir, "timing.jsonl") else []
    views, near, said = None, None, []
    if plan:
        stream = plan.first
        side, views = _views(stream, plan.seed, getattr(method, "uses", ()))
    if plan and method:
        near = neighbours.of_run(method, plan, stream.source, side)
        said = _said(method, plan, stream.source)
    defaults = run.get("defaults", {})
    measured = [row["health"] for row in history if row.get("health")]
    bad = list(csv.DictReader(io.StringIO(_kept(workdir, "quarantine.csv"))))
    page = _template("report").render(
        run=run,
        about=_first_line(text),
        text=text,
        knobs={k: v for k, v in run["knobs"].items() if defaults.get(k) != v},
        ended=workdir.ended,
        last=history[-1] if history else None,
        facts=_facts(run, history, timing),
        diagnosis=health.diagnose(measured),
        scores=_scores(history),
        curves=curves.draw(history, _drops(plan, history)),
        views=views,
        near=near,
        said=said,
        made=made,
        bad=bad,
        listed=LISTED,
        command=workdir.command(run),
    )
    return _written(path, page)


def write_features(file, path=None):
    """Writes the page of a file of `sslzoo features`, where there is no run.

    Args:
        path: of the page; beside the file, as .html.
    """
    path = pathlib.Path(path or pathlib.Path(file).with_suffix(".html"))
    return _written(path, _template("features").render(made=folder.of_file(file)))


def _written(path, page):
    try:
        checkpoints.write_text(path, page)
    except OSError as error:
        raise BadInput(
            f"Cannot write the report to {path}: {error.strerror}. Give another path."
        ) from error
    return path


def _template(name):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    return environment.get_template(f"{name}.html.j2")


def _kept(workdir, name):
    file = workdir.path / name
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _first_line(text):
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _facts(run, history, timing):
    """What of the run is a number or a few words: name -> words."""
    facts = {"Seed": run["seed"]}
    if history:
        facts["Steps"] = f"{history[-1]['step']} of {run['steps']}"
        facts["Epochs"] = f"{history[-1]['epoch']:.4g}"
    facts["Images"] = ", ".join(
        f"{task} {count:,}".strip() for task, count in run.get("images", {}).items()
    )
    timed = {row["epoch"]: row for row in timing if "seconds" in row}.values()
    if timed:
        facts["Time"] = duration(sum(row["seconds"] for row in timed))
        speed = np.median([row["images_per_second"] for row in timed])
        facts["Speed"] = f"{speed:,.0f} images/s"
    versions = run.get("versions", {}).items()
    facts["Versions"] = ", ".join(f"{name} {number}" for name, number in versions)
    return {name: words for name, words in facts.items() if words != ""}


def _drops(plan, history):
    """The epochs, so far, at which the rate of a run drops."""
    if not (plan and history):
        return []
    steps = {
        step
        for one in keras.tree.flatten(plan.optimizer())
        for step in snapshots.drops_of(one)
    }
    done = history[-1]["step"]
    return [s / plan.steps_per_epoch for s in sorted(steps) if s < done]


def _scores(history):
    """[(probe, protocol, share by random features, by trained ones)], None: not yet."""
    told = [row for row in history if row.get("probes")]
    first = told[0]["probes"] if told and told[0]["epoch"] == 0 else {}
    last = told[-1]["probes"] if told and told[-1]["epoch"] > 0 else {}
    return [
        (name, PROTOCOLS.get(protocol, protocol), old.get(protocol), new.get(protocol))
        for name in {**first, **last}
        for old, new in [(first.get(name, {}), last.get(name, {}))]
        for protocol in {**old, **new}
    ]


def _views(stream, seed, uses):
    """The side of a view, and the first examples of the run: [[tile, ...], ...]."""
    source = Quarantine(stream.source, threshold=1.0)
    count = min(SHOWN, stream.batch_size)
    # The n-th example depends on the seed and n alone, not on the size of the batch.
    few = dataclasses.replace(stream, source=source, batch_size=count, augment="host")
    batch = next(iter(pipeline.training_batches(few, uses, seed)))
    indices = pipeline.shuffled(batch["n"], source.count, seed).numpy()
    pictures = {
        name: value.numpy()
        for name, value in sorted(batch.items())
        if value.shape.rank in (4, 5) and value.shape[-1] == 3
    }
    rows = []
    for i, index in enumerate(indices.tolist()):
        image = source.read(index, smallest=2 * SIDE, only=("image",))["image"]
        row = [tile(image, f"Image {index} as it is", "image")]
        for name, value in pictures.items():
            parts = value[i] if value.ndim == 5 else value[i : i + 1]
            row += [tile(part, f"{name} of image {index}", name) for part in parts]
        rows.append(row)
    sides = [value.shape[-2] for value in pictures.values()]
    return sides[0] if sides else None, rows


def _said(method, plan, source):
    """The pages of `show.pictures`: [{"title", "hint", "src", "alt"}]; none of others.

    Of pictures that the run did not learn from, where it has such.
    """
    if getattr(type(method), "sheet", Method.sheet) is Method.sheet:
        return []  # It has no answers to be seen; its views are on the page already.
    source = next((probe.test for probe in plan.probes.values()), source)
    few = Subset(source, spread(source.count, LOOKED_AT))
    pages = {
        "What it says": lambda: pictures.answers(method, source, SAID),
        "First filters": lambda: pictures.kernels(method.backbone, method.sees),
    }
    served = method.deployable()
    maps = [k for k, v in method.backbone.output.items() if len(v.shape) == 4]
    last = [name for name in maps if name in served.output][-1:]
    if last:
        pages[f"What excites {last[0]} most"] = lambda: pictures.excited(
            served, few, last[0], pictures.side(method), sees=method.sees
        )
    rows = []
    for title, draw in pages.items():
        try:
            page = draw()
        except BadInput as error:
            rows.append({"title": title, "failed": str(error)})
            continue
        file = io.BytesIO()
        page.picture().save(file, format="png", optimize=True)
        figures = (f"{name} {value:.2f}" for name, value in page.figures.items())
        words = ", ".join(figure.removesuffix(".00") for figure in figures)
        rows.append({"title": title, "words": words, "src": inline(file), "failed": ""})
    return rows

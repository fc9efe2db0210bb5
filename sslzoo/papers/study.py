"""A study: runs that are compared, made by one command that goes on where it was left.

A cell is a row of a table: a recipe with knobs. Each of its seeds is trained and its
features are measured; what was found is kept in one file at once, so that a study may
take many sittings. Every cell has its first seed before any has its second. A run that
diverges has no score, which its row tells, and the study goes on.

A claim is of two cells or more, trained with the same seeds:

    d_s = the sum of sign * score of a part, of seed s

It holds where Student's interval of the mean of d is above zero, is contradicted where
it is below, and else, or of fewer than three seeds, is not decided.
"""

import ast
import dataclasses
import datetime
import gc
import hashlib
import importlib
import json
import pathlib
import re
import time
from collections.abc import Callable

import keras
import numpy as np

from sslzoo import checkpoints, recipe, runner, workdir
from sslzoo.errors import (
    BadInput,
    Diverged,
    Interrupted,
    MissingFile,
    UnknownName,
    nearest,
)
from sslzoo.evaluation import statistics
from sslzoo.papers import figures

MACHINERY = ("__init__", "study", "figures")
ENOUGH = 3  # Seeds that decide a claim.
MARKS = "<!-- begin of the tables -->", "<!-- end of the tables -->"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A row.

    Args:
        name: as the paper has it.
        knobs: "{x}" in one that is text stands for what is said of the study's knob x.
        seeds: how many; a claim wants 3.
        published: {column: figure} of the paper, as it prints them.
        trained: False measures the network as it begins.
    """

    name: str
    recipe: str
    knobs: dict = dataclasses.field(default_factory=dict)
    seeds: int = 1
    published: dict = dataclasses.field(default_factory=dict)
    trained: bool = True

    def slug(self, seed):
        """The same as a name of a folder."""
        plain = re.sub(r"[^a-z0-9]+", "_", self.name.lower().replace("→", " to "))
        return f"{plain.strip('_')}_s{seed}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """That a sum of scores is above zero.

    Args:
        parts: (sign, name of a cell, columns whose mean is taken) of each; see `above`.
    """

    words: str
    parts: tuple[tuple[int, str, tuple[str, ...]], ...]


def above(words, ours, theirs, columns):
    """That the cell `ours` is above the cell `theirs`, in the mean of some columns."""
    return Claim(words, ((1, ours, columns), (-1, theirs, columns)))


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared.

    Args:
        measure: (method, plan, seed) -> {column: score}, of the features.
        columns: of the tables, in order.
        knobs: what people may say of all cells: {knob: default}, such as the images.
        figures: of `figures.Curves` or `figures.Points`, by the names of their files.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]
    claims: tuple[Claim, ...]
    columns: tuple[str, ...]
    measure: Callable
    knobs: dict = dataclasses.field(default_factory=dict)
    figures: dict = dataclasses.field(default_factory=dict)

    def cell(self, name):
        return next(cell for cell in self.cells if cell.name == name)


def names():
    """Of all studies: files beside this one that have a `STUDY`."""
    files = pathlib.Path(__file__).parent.glob("*.py")
    return sorted(f.stem for f in files if f.stem not in MACHINERY)


def load(name):
    if name not in names():
        raise UnknownName(
            f"No study {name!r}.{nearest(name, names())} "
            f"There are: {', '.join(names())}."
        )
    return importlib.import_module(f"sslzoo.papers.{name}").STUDY


def run(
    study,
    out,
    workdirs,
    knobs=None,
    minutes=None,
    listener=None,
    after=lambda: None,
    rows=(),
):
    """Trains and measures what is not in the file `out` yet.

    Args:
        workdirs: a folder, for the runs.
        knobs: for those of `study.knobs`, in place of the defaults. One file is of one
            setting of these.
        minutes: no cell is begun after so many; None: all are.
        listener: of the runs, see `runner.Listener`.
        after: called when a row is in the file.
        rows: names of cells, which alone are made; without, all.

    Returns:
        What `read` gives.
    """
    for knob in knobs or {}:
        if knob not in study.knobs:
            raise UnknownName(
                f"The study {study.name} has no knob {knob!r}."
                f"{nearest(knob, study.knobs)} It has: {', '.join(study.knobs)}."
            )
    known = [cell.name for cell in study.cells]
    for name in rows:
        if name not in known:
            raise UnknownName(
                f"The study {study.name} has no row {name!r}.{nearest(name, known)} "
                f"It has: {'; '.join(known)}."
            )
    common = {**study.knobs, **(knobs or {})}
    listener, start = listener or runner.Listener(), time.monotonic()
    found = read(out)
    cells = [cell for cell in study.cells if not rows or cell.name in rows]
    turns = range(max(cell.seeds for cell in cells))
    wanted = [(c, seed) for seed in turns for c in cells if seed < c.seeds]
    asked = [(cell, seed, _asked(cell, seed, common)) for cell, seed in wanted]
    _check_one_setting(study, found, common, out)
    left = [todo for todo in asked if not _is_there(found, *todo)]
    _check_images(study, left)
    for done, (cell, seed, what) in enumerate(left):
        if done:
            listener.said(_how_long(found, asked, left[done:]))
        if minutes is not None and time.monotonic() - start > 60 * minutes:
            listener.said(f"{len(left) - done} of {len(asked)} are left for next time.")
            break
        place = len(asked) - len(left) + done + 1
        listener.said(f"{place} of {len(asked)}: {cell.name}, seed {seed}")
        began, used = time.monotonic(), time.process_time()
        try:
            got = {"scores": _scores(study, cell, seed, what, workdirs, listener)}
        except Diverged as error:
            listener.said(f"{error} The study goes on: its row says that it diverged.")
            got = {"scores": {}, "diverged": True}
        found.setdefault(cell.name, {})[str(seed)] = {
            **what,
            **got,
            "seconds": round(time.monotonic() - began),  # Of the last sitting alone.
            "processor_seconds": round(time.process_time() - used),
            "date": datetime.date.today().isoformat(),
            "machine": workdir.machine(),
            "versions": workdir.versions(),
        }
        _keep(out, found)
        after()
        keras.utils.clear_session()
        gc.collect()
    return found


def read(path):
    """{cell: {seed: {"scores": {column: score}, ...}}} of a study's file, or {}."""
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for seeds in found.values():
            for one in seeds.values():
                one["scores"], one["knobs"]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} is no file of a study ({error!r}). Remove it to begin anew, or "
            "give another --out."
        ) from None
    return found


def _asked(cell, seed, common):
    """What decides a cell's score, as the file keeps it."""
    path = recipe.find(cell.recipe)
    takes = recipe.knobs_of(path)
    shared = {knob: value for knob, value in common.items() if knob in takes}
    own = {
        knob: value.format(**common) if isinstance(value, str) else value
        for knob, value in cell.knobs.items()
    }
    knobs = recipe.knobs_of(path, **{**shared, **own, "seed": seed})
    return {"recipe": cell.recipe, "knobs": knobs, "text": code(path)}


def code(path):
    """SHA-256 of what a recipe does: of its lines but for docstrings and comments."""
    text = path.read_text(encoding="utf-8")
    lines = dict(enumerate(text.splitlines(), 1))
    for node in ast.walk(ast.parse(text)):
        kinds = ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            for number in range(node.body[0].lineno, node.body[0].end_lineno + 1):
                del lines[number]
    kept = (line for line in lines.values() if line.strip() and line.strip()[0] != "#")
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _is_there(found, cell, seed, what):
    kept = found.get(cell.name, {}).get(str(seed))
    return kept is not None and all(kept.get(key) == what[key] for key in what)


def current(study, found):
    """What of `found` is of the study as it is now: of its rows' knobs and recipes.

    Not compared is what people may say of all rows, of which a file has one setting.
    """
    return {
        cell.name: {s: kept for s, kept in seeds.items() if _is_of(study, cell, kept)}
        for cell in study.cells
        if (seeds := found.get(cell.name))
    }


def _is_of(study, cell, kept):
    now = _asked(cell, 0, {**study.knobs, **_said(study, cell, kept["knobs"])})
    knobs = {k: v for k, v in now.pop("knobs").items() if k != "seed"}
    same = all(kept.get(key, value) == value for key, value in now.items())
    return same and all(kept["knobs"].get(k, v) == v for k, v in knobs.items())


def _said(study, cell, knobs):
    """{knob of the study: what was said of it}, as far as a row's knobs tell."""
    said = {k: knobs[k] for k in study.knobs if k in knobs and k not in cell.knobs}
    for knob, text in cell.knobs.items():
        if isinstance(text, str) and knob in knobs:
            # "{cifar10}train" and what stands there: the other way round.
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.*)", re.escape(text))
            if told := re.fullmatch(pattern, str(knobs[knob])):
                said |= told.groupdict()
    return said


def _check_one_setting(study, found, common, out):
    """Raises where the file has rows of other knobs of the study: no table of both."""
    shown = current(study, found)
    for cell in study.cells:
        asked = _said(study, cell, _asked(cell, 0, common)["knobs"])
        for kept in shown.get(cell.name, {}).values():
            for knob, one in _said(study, cell, kept["knobs"]).items():
                if one != asked[knob]:
                    raise BadInput(
                        f"{out} has {cell.name!r} with {knob}={one}, and you ask for "
                        f"{knob}={asked[knob]}. Say {knob}={one}, or give another "
                        "file: --out FILE.json."
                    )


def _check_images(study, left):
    """Raises at once where images of a row are not there, not after hours."""
    plans = {}
    for cell, _, what in left:
        knobs = what["knobs"]
        images = [v for v in knobs.values() if isinstance(v, str) and ":" in v]
        plans.setdefault((cell.recipe, *images, knobs.get("count")), knobs)
    for (name, *_), knobs in plans.items():
        try:
            recipe.load(name, **knobs)
        except MissingFile as error:
            ways = [f"{k}={v}" for k, v in study.knobs.items() if ":" in str(v)]
            raise MissingFile(
                f"{error} The study {study.name} says where its images are by "
                f"{' '.join(ways)}, which you may say otherwise."
            ) from None


def _how_long(found, asked, left):
    """What is left, if a row takes as long as its other seeds, or as all do."""
    there = {}
    for cell, seed, what in asked:
        if _is_there(found, cell, seed, what):
            seconds = found[cell.name][str(seed)]["seconds"]
            there.setdefault(cell.name, []).append(seconds)
    typical = np.mean([np.mean(of) for of in there.values()])
    seconds = sum(np.mean(there.get(cell.name, typical)) for cell, _, _ in left)
    return f"About {seconds / 60:.0f} min for the {len(left)} that are left."


def _scores(study, cell, seed, what, workdirs, listener):
    plan = recipe.load(cell.recipe, **what["knobs"])
    if cell.trained:
        run = dataclasses.replace(plan, probes={})  # The study has its own measure.
        folder = workdir.Workdir(pathlib.Path(workdirs) / cell.slug(seed))
        folder.open(*workdir.identity(cell.recipe, what["knobs"], run))
        try:
            method = runner.pretrain(run, folder, listener=listener)
        except Interrupted as stopped:
            raise Interrupted(
                f"{stopped} The study goes on there too: give its command again."
            ) from None
    else:
        method = runner.untrained(plan)
    listener.said("measuring its features")
    return {name: float(v) for name, v in study.measure(method, plan, seed).items()}


def _keep(path, found):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    checkpoints.write_text(path, json.dumps(found, indent=1) + "\n")


def scores(found, cell, column):
    """{seed: score} of a cell, where it has one."""
    seeds = {s: one["scores"] for s, one in found.get(cell, {}).items()}
    return {s: each[column] for s, each in seeds.items() if column in each}


def verdict(claim, found):
    """{"difference": interval or None, "says": "holds", ...} of a claim."""
    of = [
        {*scores(found, name, column)}
        for _, name, columns in claim.parts
        for column in columns
    ]
    seeds = sorted(set.intersection(*of), key=int)
    if not seeds:
        return {"difference": None, "says": "not measured yet"}
    apart = statistics.interval(
        [
            sum(
                sign * np.mean([found[name][s]["scores"][c] for c in columns])
                for sign, name, columns in claim.parts
            )
            for s in seeds
        ]
    )
    says = "not decided"
    if len(seeds) >= ENOUGH:  # Not as soon as it says what one would like to hear.
        says = "holds" if apart["low"] > 0 else says
        says = "is contradicted" if apart["high"] < 0 else says
    return {"difference": apart, "says": says}


def tables(study, found):
    """The tables of a study, as Markdown."""
    found = current(study, found)
    return "\n".join([*_table(study, found), "", *_claims(study, found)])


def write_page(study, found, path):
    """Makes a page's tables anew, between its marks, and the pictures beside it."""
    path, found = pathlib.Path(path), current(study, found)
    made = inserted(path.read_text(encoding="utf-8"), shown(study, found))
    for name, figure in study.figures.items():
        if drawn := figures.draw(figure, found):
            checkpoints.write_bytes(path.with_name(name), drawn)
    checkpoints.write_text(path, made)


def shown(study, found):
    """What stands between the marks of a study's page: its tables, then pictures."""
    found = current(study, found)
    pictures = [
        f"![{figure.words}]({name})\n\n{figure.words}"
        for name, figure in study.figures.items()
        if figure.known(found)
    ]
    return "\n\n".join([tables(study, found), *pictures])


def inserted(text, made):
    """The page `text` with `made` between its marks."""
    begin, end = (text.find(mark) for mark in MARKS)
    if begin < 0 or end < begin:
        raise BadInput(
            f"The page has no place for tables: a line {MARKS[0]}, and one "
            f"{MARKS[1]} below it."
        )
    return f"{text[:begin]}{MARKS[0]}\n\n{made}\n\n{text[end:]}"


def _table(study, found):
    """Measured here and, in columns of their own, published; in percent."""
    published = [
        column
        for column in study.columns
        if any(column in cell.published for cell in study.cells)
    ]
    head = ["row", "seeds", *study.columns, *(f"paper, {c}" for c in published)]
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    there = [cell for cell in study.cells if found.get(cell.name)]
    for cell in there:
        seeds = found[cell.name]
        measured = [
            f"{100 * np.mean([*known.values()]):.1f}" if known else ""
            for known in (scores(found, cell.name, c) for c in study.columns)
        ]
        paper = [str(cell.published.get(column, "")) for column in published]
        lines.append(_row([cell.name, _seeds(seeds), *measured, *paper]))
    if left := len(study.cells) - len(there):
        lines += ["", f"Not measured yet: {left} of {len(study.cells)} rows."]
    return [*lines, *_hours(found)]


def _seeds(seeds):
    """How many, and how many of them diverged."""
    diverged = sum("diverged" in one for one in seeds.values())
    return str(len(seeds)) + (f", {diverged} diverged" if diverged else "")


def _hours(found):
    """What the runs took of processors, of those of which it was kept."""
    runs = [one for seeds in found.values() for one in seeds.values()]
    known = [one["processor_seconds"] for one in runs if "processor_seconds" in one]
    if not known:
        return []
    words = f"{sum(known) / 3600:.1f} processor hours, of {len(known)} runs"
    others = len(runs) - len(known)
    return ["", words + (f"; of {others} more it was not kept." if others else ".")]


def _claims(study, found):
    head = ["claim", "difference", "95 %", "seeds", ""]
    papers = [_paper(study, claim) for claim in study.claims]
    if any(papers):
        head.append("paper's difference")
    lines = [_row(head), _row(["---"] * len(head))]
    for claim, paper in zip(study.claims, papers):
        told = verdict(claim, found)
        apart = told["difference"]
        figures = ["", "", "0"]
        if apart:
            between = (
                ""
                if apart["low"] is None
                else "{:+.1f} to {:+.1f}".format(
                    100 * apart["low"], 100 * apart["high"]
                )
            )
            figures = [f"{100 * apart['mean']:+.1f}", between, str(apart["n"])]
        row = [claim.words, *figures, told["says"], paper]
        lines.append(_row(row[: len(head)]))
    return lines


def _paper(study, claim):
    """What its figures make of the claim, where the paper has them all."""
    known = [
        (sign, study.cell(name).published, columns)
        for sign, name, columns in claim.parts
    ]
    if not all(column in of for _, of, columns in known for column in columns):
        return ""
    of = sum(s * np.mean([float(of[c]) for c in columns]) for s, of, columns in known)
    return f"{of:+.1f}"


def _row(cells):
    return f"| {' | '.join(cells)} |"

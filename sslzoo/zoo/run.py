"""What a card says of the run that made its model: its command, its scores.

A `run` is what `zoo.export.export` takes by that name.
"""

import pathlib
import re
import shlex

import keras

from sslzoo import __version__
from sslzoo.errors import BadInput
from sslzoo.zoo.names import WORDS

# Which images, and how it is computed: the card says it.
NOT_NAMED = {"data", "test", "labelled", "unseen"}
NOT_NAMED |= {"augment", "cache", "jit", "large_images", "precision"}


def name_for(run):
    """A name for the model of a run: byol_r18w16.cifar10_ep8.

    What was chosen by a word, or by yes and no, and is not as the recipe has it, is in
    the name too, split_brain_alexnet.cifar10_row_drop50_ep10: by rates and other
    numbers a run is made better, by these it is made another.

    Args:
        run: as `export` takes it; its recipe is called <method>_<arch>_<data>.
    """
    knobs, stem = run["knobs"], pathlib.PurePath(run["recipe"]).stem
    bare, _, data = stem.rpartition("_")
    named = "_" in bare and knobs.get("backbone") == run.get("defaults", {}).get(
        "backbone"
    )
    if not named or "epochs" not in knobs:
        raise BadInput(
            f"No name can be made of the recipe {run['recipe']} with these knobs. Give "
            "one, as <method>_<arch>.<tag>: --name byol_r18w16.mine."
        )
    return f"{bare}.{'_'.join([data, *_chosen(run)])}_ep{knobs['epochs']}"


def _chosen(run):
    """The words of a name that say which knobs have another word than their own."""
    for knob, value in run["knobs"].items():
        other = value != run.get("defaults", {}).get(knob, value)
        words = f"{knob}_{value}".lower()
        if other and isinstance(value, (str, bool)) and knob not in NOT_NAMED:
            if WORDS.fullmatch(words):  # No path, and no list.
                yield words


def public(value):
    """A knob without the folders of this machine: they are of no use elsewhere."""
    if not isinstance(value, str):
        return value
    return re.sub(r"(^|[:+])[~/][^#?+]*/", r"\1", value)


def command(run, workdir):
    """The line that trains it."""
    knobs = [
        shlex.quote(f"{knob}={public(value)}")
        for knob, value in run["knobs"].items()
        if run.get("defaults", {}).get(knob) != value
    ]
    words = ["sslzoo train", shlex.quote(public(run["recipe"])), *knobs]
    return " ".join([*words, "--workdir", shlex.quote(workdir)])


def origin(run, name, results=None, heads=True, default=False, licences=None):
    """The lines that make a model again: they train, measure and export it.

    Args:
        results: as `named` gives them. What they say of how they were made are the
            lines of every seed, and of their measurement.
        heads, default, licences: as `export` was given them.
    """
    if not run:
        return f"sslzoo.export(method, {name!r}), from Python"
    made = (results or {}).get("made", {})
    trained = {path: told["command"] for path, told in made.get("runs", {}).items()}
    ours = [path for path, line in trained.items() if line == command(run, path)]
    if not ours:  # Measured elsewhere, or by the run alone.
        trained, made = {f"runs/{name}": command(run, f"runs/{name}")}, {}
    (path, *_) = ours or trained
    lines = [*trained.values(), *([made["command"]] if made else [])]
    words = ["sslzoo", "export", path, "--name", name]
    words += [] if heads else ["--no-heads"]
    words += ["--default"] if default else []
    if made:
        _, _, file = made["command"].partition(" --out ")
        words += ["--results", *shlex.split(file)[:1]]
    if licences:
        words += ["--licence", *(f"{of}={what}" for of, what in licences.items())]
    return "\n".join([*lines, shlex.join(words)])


def training(run):
    if not run:
        return {"versions": {"sslzoo": __version__, "keras": keras.__version__}}

    def single(of):  # A run of one task has no name for it.
        return of[""] if list(of) == [""] else of

    told = {
        "recipe": public(run["recipe"]),
        "knobs": {knob: public(value) for knob, value in run["knobs"].items()},
        "seed": run["seed"],
        "steps": run["steps"],
        "epochs": run["knobs"].get("epochs"),
        "images": single(run["images"]),
        "learned_from": _learned_from(run),
        "data": single(run["data"]),
        "versions": run["versions"],
        "seconds": run.get("seconds"),
    }
    return {key: value for key, value in told.items() if value is not None}


def _learned_from(run):
    names = run.get("about", {}).get("learned_from", {}).values()
    return ", ".join(public(name) for name in names if name) or None


def summary(method, backbone, run):
    width = backbone.output["pooled"].shape[-1]
    words = f"{type(method).__name__} features of {backbone.name}, {width} numbers"
    words += ", of depth as HHA" if method.sees == "hha" else ""
    if not run:
        return words
    images = sum(run["images"].values())
    words += f", learned in {run['steps']:,} steps from {images:,} images"
    names = _learned_from(run)
    return f"{words} of {names}" if names else words


def named(results, about):
    """What `evaluate` found, with names and paths that mean something elsewhere.

    Its "made" says when, where and by which commands that was.
    """
    if results is None:
        return None
    images = about.get("measured_on", {})
    try:
        told = {"made": results["made"]} if "made" in results else {}
        _seeds_of_one(told)
        return told | {
            public(images.get(data, data)): {
                protocol: {
                    **found,
                    "runs": [
                        {**each, "run": pathlib.PurePath(each["run"]).name}
                        for each in found["runs"]
                    ],
                }
                for protocol, found in protocols.items()
            }
            for data, protocols in results.items()
            if data != "made"
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise _no_results(error) from None


def _seeds_of_one(told):
    """Raises where the runs that were measured differ in more than their seed.

    Args:
        told: {"made": ...}, where it is known of the results how they were made.
    """
    lines = [one["command"] for one in told.get("made", {}).get("runs", {}).values()]
    words = [shlex.split(line.partition(" --workdir ")[0]) for line in lines]
    runs = {tuple(w for w in of if not w.startswith("seed=")) for of in words}
    if len(runs) > 1:
        raise BadInput(
            "These results are of runs that differ in more than their seed: "
            f"{'; '.join(sorted(map(' '.join, runs)))}. A card tells of seeds of one "
            "run: evaluate them apart."
        )


def rows(results):
    """The measured rows of a card, of what lies beside it as results.json."""
    try:
        return [
            _row(
                data,
                protocol,
                len(found["runs"]),
                _interval(found["trained"]),
                _interval(found["random"]),
            )
            for data, protocols in results.items()
            if data != "made"
            for protocol, found in protocols.items()
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise _no_results(error) from None


def _no_results(error):
    return BadInput(
        "These results are not what `sslzoo evaluate RUN --out FILE` writes: "
        f"{error!r}."
    )


def quick(run):
    """The rows of the run's own probes at its end, where nothing else was measured."""
    found, images = [], run.get("about", {}).get("measured_on", {})
    for data, scores in run.get("result", {}).get("probes", {}).items():
        for protocol, mean in scores["trained"].items():
            random = scores["random"].get(protocol)
            random = None if random is None else _interval({"mean": random})
            trained, name = _interval({"mean": mean}), public(images.get(data, data))
            found.append(_row(name, f"{protocol}, quick", 1, trained, random))
    return found


def _row(data, protocol, seeds, trained, random):
    return {
        "data": data,
        "protocol": protocol,
        "seeds": seeds,
        "trained": trained,
        "random": random,
        "paper": None,
    }


def _interval(found):
    return {"mean": found["mean"], "low": found.get("low"), "high": found.get("high")}


def beside(measured, figures, setting):
    """Puts a figure into the row that it may be compared with; gives the others.

    It may, where setting, images and protocol are the same, and nowhere else.
    """
    others = []
    for figure in figures:
        of = figure["data"], figure["protocol"]
        alike = [
            row
            for row in measured
            if figure["setting"] == setting and (row["data"], row["protocol"]) == of
        ]
        for row in alike:
            row["paper"] = {key: figure[key] for key in ("value", "source")}
        if not alike:
            others.append(dict(figure))
    return others

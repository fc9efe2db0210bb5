"""What a file of train/ returns, and how one is found and read."""

import contextlib
import dataclasses
import hashlib
import inspect
import pathlib
import re
import sys
import types
from collections.abc import Callable

from sslzoo.data import sources, terms
from sslzoo.data.pipeline import Stream
from sslzoo.errors import BadInput, MissingFile, UnknownName, nearest
from sslzoo.evaluation.probes import Probe
from sslzoo.zoo import registry as registries

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SEEDS = 2**32  # NumPy takes no others.


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One training run, fully decided.

    `method` and `optimizer` are calls still to be made: their variables belong
    inside the scope of the distribution strategy. A method of several tasks has a
    stream per task, {task: stream}.

    Args:
        steps: of the optimizer; each takes `accumulate` batches.
        probes: name -> Probe, tried every `probe_every` epochs and at the end.
        precision: Keras' policy: "float32", "mixed_bfloat16" or "mixed_float16".
        seed: of weights, order and augmentation.
        setting: of its method's `figures`, the one that it repeats, if any: then its
            scores may stand beside what was published.
    """

    streams: Stream | dict[str, Stream]
    method: Callable  # () -> Method
    optimizer: Callable  # () -> keras.optimizers.Optimizer
    steps: int
    accumulate: int = 1
    precision: str = "float32"
    jit: bool = False
    probes: dict[str, Probe] = dataclasses.field(default_factory=dict)
    probe_every: int = 0
    seed: int = 0
    setting: str = ""

    def __post_init__(self):
        if self.steps < 1:
            raise BadInput(
                f"This recipe has {self.steps} steps: more epochs, more images or a "
                "smaller batch_size make at least one."
            )
        if self.accumulate < 1:
            raise BadInput(
                f"accumulate={self.accumulate}: a step takes 1 batch or more."
            )
        if self.precision not in PRECISIONS:
            raise UnknownName(
                f"precision={self.precision!r}.{nearest(self.precision, PRECISIONS)} "
                f"There are: {', '.join(PRECISIONS)}."
            )
        _check_seed(self.seed)

    @property
    def by_task(self):
        """{task: stream}, of one task {"": stream}."""
        return self.streams if isinstance(self.streams, dict) else {"": self.streams}

    @property
    def first(self):
        """The stream by which epochs and images are counted."""
        return next(iter(self.by_task.values()))

    def with_streams(self, change):
        """It with `change(stream)` in place of each stream."""
        changed = {task: change(stream) for task, stream in self.by_task.items()}
        if not isinstance(self.streams, dict):
            (changed,) = changed.values()
        return dataclasses.replace(self, streams=changed)

    @property
    def steps_per_epoch(self):
        """Optimizer steps after which the first stream has shown all it has."""
        return max(1, self.first.steps_per_epoch // self.accumulate)

    def about(self, tried=()):
        """What a card says of its images, as `zoo.export` takes it.

        Args:
            tried: data specs of images, beside its probes, that it was measured on.
        """
        shown = {task: stream.source.name for task, stream in self.by_task.items()}
        known = {terms.of(name) for name in shown.values()}
        of = known.pop() if len(known) == 1 else terms.Terms()
        tests = {key: key for key in tried}
        tests |= {key: probe.test.name for key, probe in self.probes.items()}
        told = {key: _words(key, name) for key, name in tests.items()}
        return {
            "licences": {"weights": of.weights, "data": of.licence},
            "limits": list(of.limits),
            "learned_from": {k: terms.words(name) or name for k, name in shown.items()},
            # Two sets that would have one name keep their own.
            "measured_on": told if len(set(told.values())) == len(told) else {},
            "setting": self.setting,
        }


def _check_seed(seed):
    if not 0 <= seed < SEEDS:
        raise BadInput(f"seed={seed}: a seed is a number from 0 to {SEEDS - 1}.")


def _words(key, name):
    """What to call the images `name` that a recipe calls `key`."""
    return terms.words(name) or (key if name in ("", key) else f"{key} ({name})")


def probes(labelled, unseen, size, crop=0.875):
    """Probes of two knobs: data specs to learn from, and as many to tell, by commas."""
    known, told = sources.specs(labelled), sources.specs(unseen)
    if len(known) != len(told):
        raise BadInput(
            "A probe wants both: labelled=SPEC to learn, unseen=SPEC to tell; several "
            f"probes, as many of both, by commas. These are {len(known)} and "
            f"{len(told)}."
        )
    if len({*known}) < len(known):
        raise BadInput(
            f"labelled={labelled} names a set twice. Each probe is called by the set "
            "that it learns from: name each once."
        )
    return {
        spec: Probe(sources.from_spec(spec), sources.from_spec(other), size, crop)
        for spec, other in zip(known, told)
    }


def load(name, **knobs):
    """Calls `recipe(**knobs)` of the recipe `name`, each in the type of its default."""
    path = find(name)
    file = module(path)
    build, used = file.recipe, getattr(file, "USED", {})
    parameters = inspect.signature(build).parameters
    for knob in knobs:
        if knob not in parameters:
            raise UnknownName(
                f"{path.stem} has no knob {knob!r}.{nearest(knob, parameters)} "
                f"It has: {', '.join(parameters)}."
            )
    values = {
        knob: like(knob, parameters[knob].default, value)
        for knob, value in knobs.items()
    }
    defaults = {name: one.default for name, one in parameters.items()}
    _check_used(used, defaults, {**defaults, **values})
    _check_seed(values.get("seed", 0))  # Before it chooses images by it.
    try:
        with beside(path):
            return build(**values)
    except MissingFile as error:
        raise MissingFile(f"{error}{_asked({**defaults, **values}, error)}") from None
    except ZeroDivisionError:
        none = [f"{k}={v}" for k, v in values.items() if v == 0 and defaults[k] != 0]
        if not none:
            raise
        raise BadInput(
            f"{path.stem} divides by one of these: {', '.join(none)}. Give 1 or more."
        ) from None


@contextlib.contextmanager
def beside(path):
    """A block in which the recipe `path` can import the files that lie beside it.

    What is installed comes first: no file beside a recipe stands in for that.
    """
    folder = str(pathlib.Path(path).parent.resolve())
    added = folder not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{path} imports {error.name!r}, which is neither installed nor a file "
            "beside the recipe that `sslzoo train` was given. Put it there, or install "
            "it."
        ) from error
    finally:
        if added:
            sys.path.remove(folder)


def _check_used(used, defaults, knobs):
    """Raises where a knob is said that what another says leaves without use.

    Args:
        used: a recipe's `USED`, {knob: (another, values of it that use the knob)}.
    """
    for knob, (other, values) in used.items():
        if knobs[knob] != defaults[knob] and knobs[other] not in values:
            ways = " or ".join(f"{other}={value}" for value in values)
            raise BadInput(
                f"{knob}={knobs[knob]} with {other}={knobs[other]}: it is of {ways} "
                "alone. Leave it out."
            )


def _asked(knobs, error):
    """Which knobs name the file that the error says is missing, and what it is."""
    asked = {
        knob: spec
        for knob, spec in knobs.items()
        if isinstance(spec, str) and any(repr(p) in str(error) for p in _paths(spec))
    }
    if not asked:
        return ""
    named = [
        f"{knob}={spec}" + (f" ({terms.words(spec)})" if terms.words(spec) else "")
        for knob, spec in asked.items()
    ]
    return (
        f" It is asked for by {' and '.join(named)}. Give the path of yours there, or "
        "other images: folder:DIR, npz:FILE#NAME, tfds:NAME/SPLIT."
    )


def _paths(spec):
    """The files and folders that a data spec names."""
    parts = spec.split("+")
    return [re.split("[#?]", part.partition(":")[2])[0] for part in parts]


def knobs_of(name, **knobs):
    """Every knob of the recipe with the value that `load` would give it."""
    parameters = inspect.signature(module(find(name)).recipe).parameters
    return {
        knob: like(knob, parameter.default, knobs.get(knob, parameter.default))
        for knob, parameter in parameters.items()
    }


def find(name):
    """The file of a recipe: an explicit path, or its name in one of `folders()`."""
    path = pathlib.Path(name)
    if path.suffix == ".py" or path.parent != pathlib.Path("."):
        if path.is_file():
            return path
        raise MissingFile(f"No recipe file {name}. {_offer(path.stem)}")
    for folder in folders():
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    raise UnknownName(f"No recipe {name!r}.{nearest(name, names())} {_offer()}")


def folders():
    """Where recipes lie: here, beside the source, in the installed package."""
    package = pathlib.Path(__file__).parent
    places = [pathlib.Path("train"), package.parent / "train", package / "train"]
    return [place for place in places if place.is_dir()]


def names():
    return sorted({f.stem for place in folders() for f in place.glob("[!_]*_*.py")})


def _offer(near=""):
    hint = nearest(near, names()).strip() if near else ""
    return f"{hint} There are: {', '.join(names())}.".strip()


def of_model(name, registry=None, **knobs):
    """The recipe that made the model `name`, with its knobs but for those given.

        plan = sslzoo.load_recipe("byol_r18w16", epochs=100)

    Args:
        registry: the folder to look in, in place of the usual ones.
    """
    where = dict(registry=registry, weights=False)
    return registries.whole(name, lambda entry: _of(entry, knobs), **where)


def _of(entry, knobs):
    path = entry.path / "recipe.py"
    if not path.is_file():
        raise MissingFile(
            f"{entry.card.name} has no recipe; it was made by: {entry.card.origin}"
        )
    training = entry.card.training
    try:
        return load(path, **{**training.get("knobs", {}), **knobs})
    except MissingFile as error:
        images = training.get("images")
        count = f"{images:,} images of " if isinstance(images, int) else ""
        raise MissingFile(
            f"{error} {entry.card.name} learned from {count}"
            f"{training.get('learned_from', 'what its card does not say')}, and comes "
            "without them; sslzoo.load_recipe(NAME, knob=...) takes these knobs."
        ) from None


def module(path):
    """The file `path` as Python has it: `recipe`, and `SMALL`, its knobs for tests.

    No bytecode is read or left beside it: of a model's files only the text is checked.
    """
    path = pathlib.Path(path)
    # Of its text alone, so that a method which it defines is found again by the copy of
    # the recipe that is kept beside its weights: see `zoo.resume`.
    digest = hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()
    file = types.ModuleType(f"recipe_{digest[:16]}")
    file.__file__ = str(path)
    sys.modules[file.__name__] = file
    with beside(path):
        exec(compile(path.read_bytes(), path, "exec"), vars(file))
    return file


def like(knob, default, value):
    """`value`, perhaps typed on a command line, in the type of `default`."""
    try:
        if isinstance(default, bool) and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        return type(default)(value)
    except (ValueError, KeyError):
        raise BadInput(
            f"{knob}={value}: it takes a {type(default).__name__}, "
            f"like its default {default!r}."
        ) from None

"""A method kept whole beside its features, for those who go on training it.

method.json        what it was made with, its optimizer, the policy of its numbers
heads.weights.h5   every variable that is not the deployable model's: projector,
                   predictor, target ...
optimizer.npz      those of the optimizer
"""

import importlib
import json
import math
import pathlib
import re
import sys
import warnings

import h5py
import keras
import numpy as np

from sslzoo.errors import BadInput, MissingFile
from sslzoo.methods.base import Method
from sslzoo.zoo.load import fill


def save(method, folder):
    """Writes the three files; the weights of `method.deployable()` are not in them.

    Args:
        method: compiled, or without an optimizer to be gone on with.
    """
    folder = pathlib.Path(folder)
    compiled = bool(getattr(method, "optimizer", None))
    told = {
        "module": type(method).__module__,
        "class_name": type(method).__name__,
        "config": method.get_config(),
        "precision": method.dtype_policy.name,
    }
    if compiled:
        told |= {
            "optimizer": keras.optimizers.serialize(method.optimizer),
            "accumulate": method.accumulate,
            "jit_compile": method.jit_compile,
            "steps": int(np.asarray(method.optimizer.iterations)),
        }
        # As variables, of which it makes arrays one at a time.
        np.savez(folder / "optimizer.npz", **dict(_named(method.optimizer.variables)))
    with h5py.File(folder / "heads.weights.h5", "w") as file:
        for name, variable in _named(_heads(method)):
            file[name] = np.asarray(variable)
    text = json.dumps(told, indent=1) + "\n"
    (folder / "method.json").write_text(text, encoding="utf-8")


def load(entry, steps=None, rate=None, example=None):
    """The method of a model's folder, as it was when it was exported.

    It is compiled; `fit` on a dataset of images goes on with it. Where the schedule of
    its learning rate has come to its end, it begins a new one of the same length, and
    says so.

    Args:
        entry: of the registry; or the path of a model's folder.
        steps: begins anew: a schedule of so many steps, from the weights that are
            there and with nothing in the optimizer.
        rate: the peak of the new schedule; without, that of the old.
        example: what the network is shown, in place of what it was shown before.
    """
    folder = pathlib.Path(getattr(entry, "path", entry))
    if not (folder / "method.json").exists():
        raise MissingFile(
            f"{folder} has no method.json: it was published without heads, for "
            "features alone. sslzoo.load(name) gives them, and `sslzoo show` draws "
            "what needs no heads: --filters, --top LAYER. A model that has its heads "
            "is what `sslzoo export RUN` makes, without --no-heads, of a run of yours; "
            "`python3 tools/start.py demo` trains one, and makes it."
        )
    told = json.loads((folder / "method.json").read_text(encoding="utf-8"))
    _import_ours(told, folder)
    begin_anew = _plan(told, steps, rate, folder.name)
    method = _built(told)
    if example is not None:
        method.example = example
    fill(method.deployable(), folder / "backbone.weights.h5")
    with h5py.File(folder / "heads.weights.h5") as file:
        _put(_heads(method), file, folder / "heads.weights.h5")
    if "optimizer" in told and not begin_anew:
        with np.load(folder / "optimizer.npz", allow_pickle=False) as file:
            _put(method.optimizer.variables, file, folder / "optimizer.npz")
    return method


def _built(told):
    """The method as it was before its first step; its numbers as they were."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(told["precision"])
    try:
        method = _class(told).from_config(told["config"])
        if "optimizer" in told:
            method.compile(
                keras.optimizers.deserialize(told["optimizer"]),
                told["accumulate"],
                jit_compile=told["jit_compile"],
            )
    finally:
        keras.config.set_dtype_policy(before)
    return method


def _heads(method):
    """The variables that are neither the deployable model's nor a meter's."""
    others = [*method.deployable().variables, *method.metrics_variables]
    others = {id(variable) for variable in others}
    return [v for v in method.variables if id(v) not in others]


def _named(variables):
    """Each with a name that keeps their order; a path alone may come twice.

    Without the numbers that Keras puts behind names that it made up: the next process
    counts anew.
    """
    paths = [re.sub(r"_\d+(?=/|$)", "", v.path).replace("/", ".") for v in variables]
    return [(f"{i:05d}.{path}", v) for i, (path, v) in enumerate(zip(paths, variables))]


def _put(variables, arrays, path):
    named = dict(_named(variables))
    wrong = [*(set(named) ^ set(arrays))]
    wrong += [
        name
        for name, variable in named.items()
        if name in arrays and arrays[name].shape != tuple(variable.shape)
    ]
    if wrong:
        raise BadInput(
            f"{path} has other weights than this version of sslzoo builds: "
            f"{', '.join(sorted(wrong)[:3])} ... Its card says which version made it."
        )
    for name, variable in named.items():
        variable.assign(arrays[name][...])


def _import_ours(told, folder):
    """Keras and we know a class when its file has been imported; ours may be.

    A class may be of the recipe too, as `recipe.module` calls it. That is of whoever
    made the model: to load features or heads runs nothing of it.
    """
    if isinstance(told, dict):
        module = told.get("module")
        recipe = isinstance(module, str) and re.fullmatch("recipe_[0-9a-f]{16}", module)
        if recipe and module not in sys.modules:
            raise BadInput(
                f"It needs {told.get('class_name')}, which is defined in the recipe of "
                f"{folder.name}, and to load a model runs nothing of its files. "
                "sslzoo.load_recipe(name) runs its recipe.py: if you trust that, call "
                "it, then load this again."
            )
        if isinstance(module, str) and re.fullmatch(r"sslzoo(\.\w+)+", module):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError:
                raise BadInput(
                    f"It needs {module}, which this sslzoo does not have: "
                    "pip install --upgrade sslzoo."
                ) from None
        told = list(told.values())
    if isinstance(told, list):
        for value in told:
            _import_ours(value, folder)


def _class(told):
    module, name = told["module"], told["class_name"]
    found = getattr(sys.modules.get(module), name, None)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise BadInput(
            f"Its method is {name} of {module}, which is not known here. Import the "
            "file that defines it, then load it again."
        )
    return found


def _plan(told, steps, rate, name):
    """Writes a new schedule into `told` where one is asked for, or due; whether it did.

    Due, because one that has ended would let `fit` go on and learn nothing. In float16
    it ends a few steps early: those that were not taken are not counted.
    """
    if rate is not None and steps is None:
        raise BadInput(f"rate={rate} is of a new schedule: say steps=... too.")
    if "optimizer" not in told:
        if steps is None:
            return False
        raise BadInput(
            f"{name} was exported without an optimizer, and steps={steps} plans "
            "nothing: load it without, and compile it with an optimizer of your own."
        )
    optimizer = told["optimizer"]["config"]
    steps_taken = told["steps"]
    while "inner_optimizer" in optimizer:  # Of half precision: it scales the loss.
        optimizer = optimizer["inner_optimizer"]["config"]
        steps_taken = round(1.02 * told["steps"])
    schedule = optimizer["learning_rate"]
    plan = schedule["config"] if isinstance(schedule, dict) else {}
    if steps is None:
        if steps_taken < plan.get("steps", math.inf):
            return False
        steps = plan["steps"]
        warnings.warn(
            f"The schedule of {name} has come to its end, at step {told['steps']}: a "
            f"new one of {steps} steps begins. steps=... and rate=... change it.",
            stacklevel=3,
        )
    if "peak" in plan and "steps" in plan:
        if "warmup" in plan:
            plan["warmup"] = round(plan["warmup"] * steps / plan["steps"])
        plan |= {"steps": steps, "peak": plan["peak"] if rate is None else rate}
    elif plan:
        raise BadInput(
            f"The schedule of {name}, {schedule['class_name']}, is not known here: "
            "load it without steps=..., and compile it with an optimizer of your own."
        )
    elif rate is not None:
        optimizer["learning_rate"] = rate
    if "steps" in told["config"]:  # The method's own schedules, tau's for one.
        told["config"]["steps"] = steps
    return True

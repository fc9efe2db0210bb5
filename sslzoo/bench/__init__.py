"""Speed of the parts, on this machine: `sslzoo bench views | step | features ...`.

A figure is the median over several turns, and depends on the machine and on what else
it does. What compares is a ratio to another program in the same minutes: the programs
of tools/peers/, and tools/compare.py which runs them in turn with these.
"""

import datetime
import inspect
import json
import pathlib

from sslzoo import recipe, workdir
from sslzoo.bench import colours, memory, models, pictures, probes, steps, tasks
from sslzoo.errors import UnknownName, nearest

BENCHES = {
    "views": pictures.views,
    "input": pictures.input,
    "step": steps.step,
    "supervised": steps.supervised,
    "task": tasks.task,
    "forward": steps.forward,
    "memory": memory.memory,
    "hypercolumns": memory.hypercolumns,
    "cifar": pictures.cifar,
    "color": colours.color,
    "features": probes.features,
    "linear": probes.linear,
    "load": models.load,
    "convert": models.convert,
    "scenes": pictures.scenes,
    "startup": models.startup,
    "listing": models.listing,
    "verify": models.verify,
}


def run(what, **knobs):
    """One of `BENCHES` by its name; its arguments are the knobs."""
    if what not in BENCHES:
        raise UnknownName(
            f"No bench {what!r}.{nearest(what, BENCHES)} "
            f"There are: {', '.join(BENCHES)}."
        )
    parameters = inspect.signature(BENCHES[what]).parameters
    for knob in knobs:
        if knob not in parameters:
            raise UnknownName(
                f"bench {what} has no knob {knob!r}.{nearest(knob, parameters)} "
                f"It has: {', '.join(parameters)}."
            )
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    values = {k: recipe.like(k, defaults[k], v) for k, v in knobs.items()}
    return {"bench": what, **defaults, **values, **BENCHES[what](**values)}


def record(result, words, path):
    """Writes a result as docs/measured has them: with the day, and the machine.

    Args:
        words: of the command, behind `sslzoo bench`.
    """
    path = pathlib.Path(path)
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": workdir.machine(),
        "command": f"sslzoo bench {' '.join(words)} --out {path.name}",
    }
    path.write_text(json.dumps({**about, **result}, indent=1) + "\n")


def show(result):
    """Prints a result, the knobs first."""
    for key, value in result.items():
        if isinstance(value, dict):
            print(f"{key:>28}")
            show(value)
            continue
        print(
            f"{key:>28}  {value:.4g}"
            if isinstance(value, float)
            else f"{key:>28}  {value}"
        )

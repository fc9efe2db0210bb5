"""How well a method does its own task on images that it has not seen.

What Revisiting's Figure 4 sets beside the worth of the features: the part of turns,
puzzles or places that is told right, where chance has 1/4, 1/100 and 1/8; of exemplar
the part of copies whose nearest is of the same image.
"""

import dataclasses

from sslzoo.data import pipeline
from sslzoo.errors import BadInput
from sslzoo.evaluation import ladder


def evaluate(method, stream, source, seed=0):
    """{meter: its mean}, of what `method.test_step` reports: "loss", "accuracy" ...

    Args:
        method: compiled, under no other strategy than this process has by itself.
        stream: as it was trained by.
        source: the images that it has not seen, each of which is shown once, but for
            the last that fill no batch.
        seed: of what is drawn.
    """
    if isinstance(stream, dict):
        raise BadInput(
            f"{type(method).__name__} has streams of several tasks, "
            f"{', '.join(stream)}: give that of one."
        )
    size = min(stream.batch_size, source.count)
    held_out = dataclasses.replace(stream, source=source, batch_size=size)
    batches = pipeline.training_batches(held_out, method.uses, seed)
    found = method.evaluate(
        batches, steps=held_out.steps_per_epoch, verbose=0, return_dict=True
    )
    return {name: float(value) for name, value in found.items()}


def compare(runs, probes, say=lambda words: None):
    """The accuracy of runs beside that of their beginning, as `ladder.evaluate` has it.

    Args:
        runs: (name, trained method, untrained method, stream) of each.
        probes: name -> a dataclass with `test`, the images that are asked.
    """
    results = {}
    for name, probe in probes.items():
        rows = []
        for run, *methods, stream in runs:
            if "accuracy" not in methods[0].meters:
                raise BadInput(
                    f"{run}: {type(methods[0]).__name__} reports "
                    f"{', '.join(methods[0].meters)}, where an accuracy is wanted. "
                    "Rotation, exemplar, jigsaw and relative patches have one."
                )
            say(f"{run}: its own task on {name}")
            trained, random = (
                {"top1": evaluate(method, stream, probe.test)["accuracy"]}
                for method in methods
            )
            rows.append({"run": run, "trained": trained, "random": random})
        results[name] = {"pretext": ladder.summary(rows)}
    return results

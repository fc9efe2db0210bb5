"""How well a method does its own task on images that it has not seen.

What Revisiting's Figure 4 sets beside the worth of the features: the part of turns,
puzzles or places that is told right, where chance has 1/4, 1/100 and 1/8; of exemplar
the part of copies whose nearest is of the same image.
"""

import dataclasses

from sslzoo.data import pipeline
from sslzoo.errors import BadInput


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

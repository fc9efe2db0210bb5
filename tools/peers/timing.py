"""Options of the programs beside, and the line of JSON that each of them prints."""

import argparse
import json
import statistics
import time


def parser(doc, batch, turns):
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--turns", type=int, default=turns)
    return parser


def report(run, images, turns, warm=1, **told):
    """Prints the median rate of `turns` calls of `run`, of `images` images each.

    Args:
        warm: calls before those, which count for nothing.
        told: what else is printed.
    """
    seconds = []
    for _ in range(warm + turns):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    rate = images / statistics.median(seconds[warm:])
    print(json.dumps({"images_per_second": rate, **told}))

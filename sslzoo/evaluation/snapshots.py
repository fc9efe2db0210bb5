"""A downstream score over the time of pretraining, with the drops of its rate.

Larsson et al. (2017), arXiv:1703.04044, Figure 4: features are of use long before the
loss has settled, and when the rate drops they gain as abruptly as the loss does.

A run keeps in its history what its probes said: before any step, every `probe_every`
epochs, and where else `sslzoo train --probe-at 0.2,0.5` asked for it. These are the
snapshots; within an epoch their loss is the mean over it so far. What another rate
would have given is another run, such as drops="". `sslzoo report RUN` draws it.
"""

import itertools

from sslzoo.errors import BadInput


def rate_of(optimizer):
    """step -> learning rate, of an optimizer that nothing else uses."""

    def rate(step):
        optimizer.iterations.assign(step)
        return float(optimizer.learning_rate)

    return rate


def drops_of(optimizer):
    """The steps from which on its rate is lower, where it drops and does not fall."""
    rate = optimizer.get_config()["learning_rate"]
    schedule = rate["config"] if isinstance(rate, dict) else {}
    return [*schedule.get("at", schedule.get("boundaries", ()))]


def points(history, rate, probe, score="linear"):
    """The snapshots of a run in order: [{"epoch", "step", "rate", "loss", "score"}].

    Args:
        history: the rows of a run's history.jsonl; the first is before any step.
        rate: step -> learning rate: a schedule, or `rate_of` its optimizer.
        probe, score: of its probes which, and which of its figures: "knn" or "linear".
    """
    rows = [row for row in history if probe in row.get("probes", {})]
    if not rows:
        tried = sorted({name for row in history for name in row.get("probes", {})})
        raise BadInput(
            f"This run was not tried on {probe!r}; it was on: {', '.join(tried)}. Runs "
            "keep snapshots with probe_every=1 or --probe-at."
            if tried
            else "This run was tried on nothing: give it probes, and probe_every=1 or "
            "--probe-at 0.2,0.5."
        )
    return [
        {
            "epoch": row["epoch"],
            "step": row["step"],
            "rate": float(rate(max(row["step"] - 1, 0))),
            "loss": row.get("loss"),
            "score": row["probes"][probe][score],
        }
        for row in rows
    ]


def evaluate(history, rate, probe, score="linear"):
    """What the time of pretraining gave, and what each drop of its rate did.

    Returns:
        {"random", "last", "best", "points", "drops": [...]}: for each drop its "step",
        the first known at the lower rate, and the gain in "score" and in "loss" from
        the snapshot before to the one behind.
    """
    found = points(history, rate, probe, score)
    drops = []
    for before, behind in itertools.pairwise(found):
        if behind["rate"] < before["rate"]:
            known = None not in (before["loss"], behind["loss"])
            loss = behind["loss"] - before["loss"] if known else None
            gain = behind["score"] - before["score"]
            drops.append({"step": behind["step"], "score": gain, "loss": loss})
    scores = [point["score"] for point in found]
    ends = {"random": scores[0], "last": scores[-1], "best": max(scores)}
    return {**ends, "points": found, "drops": drops}

"""Publish a trained run as a model: features to be loaded by its name."""

import json
import os

from sslzoo.errors import BadInput
from sslzoo.verbs import common

EXAMPLE = "sslzoo export runs/first --name byol_r18w16.toyworld_ep40"


def arguments(verb):
    verb.add_argument("workdir", metavar="RUN", help="the workdir of a run that ended")
    verb.add_argument(
        "--name", help="<method>_<arch>.<tag> (made of recipe, choices and epochs)"
    )
    verb.add_argument(
        "--registry", default="savedmodels", metavar="DIR", help="(savedmodels)"
    )
    verb.add_argument("--summary", default="", metavar="LINE", help="of its card")
    verb.add_argument(
        "--licence",
        "--license",
        nargs="+",
        default=[],
        metavar="OF=NAME",
        help="of code, weights, data: weights=Apache-2.0; notice=URL",
    )
    verb.add_argument(
        "--results", metavar="FILE", help="of sslzoo evaluate RUN --out FILE"
    )
    verb.add_argument(
        "--format",
        nargs="+",
        default=(),
        choices=("keras", "onnx"),
        help="to write beside the SavedModel",
    )
    verb.add_argument(
        "--no-heads", action="store_true", help="only features; much smaller"
    )
    verb.add_argument(
        "--default", action="store_true", help="the name without its tag means this one"
    )


def run(args):
    from sslzoo import runner, workdir
    from sslzoo.show import progress
    from sslzoo.zoo import export as exports
    from sslzoo.zoo import run as runs

    licences = dict(
        common.pair(word, "licence=NAME", "weights=MIT") for word in args.licence
    )
    folder = workdir.Workdir(args.workdir)
    run = {**folder.run(), "result": folder.result()}
    run["recipe_text"] = folder.text()
    took = {row["epoch"]: row.get("seconds", 0) for row in folder.timing()}
    run["seconds"] = round(sum(took.values()))  # A resumed epoch is told twice.
    name = args.name or runs.name_for(run)
    results = read_results(args.results, args.workdir) if args.results else None
    method, plan = runner.trained(folder)
    run["about"] = plan.about(set(results or ()) - {"made"})
    probe = next(iter(plan.probes.values()), None)
    entry = exports.export(
        method,
        name,
        args.registry,
        args.summary,
        licences,
        run,
        results,
        args.default,
        args.format,
        not args.no_heads,
        **({"size": probe.size, "crop": probe.crop} if probe else {}),
    )
    common.show(args, exports.told(entry), progress.export_lines)


def read_results(file, run):
    """What `evaluate --out` wrote, if it measured this run."""
    try:
        with open(file, encoding="utf-8") as text:
            results = json.load(text)
        found = [found for data, found in results.items() if data != "made"]
        rows = [row for protocols in found for row in protocols.values()]
        measured = {each["run"] for row in rows for each in row["runs"]}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadInput(
            f"{file} is not what `sslzoo evaluate RUN --out FILE` writes: {error!r}."
        ) from None
    if os.path.realpath(run) not in map(os.path.realpath, measured):
        raise BadInput(
            f"{file} tells of {', '.join(sorted(measured))}, and not of {run}. "
            f"sslzoo evaluate {run} --out FILE measures it."
        )
    return results

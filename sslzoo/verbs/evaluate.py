"""Measure the features of runs on labelled images; or how they do their own task."""

import dataclasses
import json

from sslzoo.errors import BadInput
from sslzoo.verbs import common

EXAMPLE = "sslzoo evaluate runs/a runs/b runs/c --protocol knn --json"


def arguments(verb):
    verb.add_argument("runs", nargs="+", metavar="RUN", help="workdirs: seeds of a run")
    verb.add_argument(
        "--protocol",
        action="append",
        choices=("knn", "linear", "finetune", "pretext"),
        help="(the first two); finetune: its last layers learn the labels too; "
        "pretext: the task that the run was trained by",
    )
    verb.add_argument(
        "--depths",
        metavar="LAYERS",
        help="that finetune begins at, by commas: none,fc6,conv4,all (none,all)",
    )
    verb.add_argument(
        "--endpoint",
        metavar="NAME",
        help="a block whose features knn and linear are given, such as block3",
    )
    verb.add_argument("--epochs", type=int, help="of finetune, at most (100)")
    verb.add_argument(
        "--rgb",
        action="store_true",
        help="finetune networks of gray on colours, their first layer made one of RGB",
    )
    verb.add_argument("--data", metavar="SPEC", help="labelled images to learn from")
    verb.add_argument("--test", metavar="SPEC", help="labelled images to be told")
    verb.add_argument(
        "--part",
        type=float,
        metavar="P",
        help="learn from this part of each class alone: 0.05 is few labels",
    )
    verb.add_argument(
        "--size",
        type=common.at_least(1),
        help="side of the images of --data (of the run's own probes, or its images)",
    )
    verb.add_argument(
        "--crop",
        type=common.part,
        metavar="PART",
        help="of their short side that is seen (of the run's own probes, or 0.875, or "
        "6/7 of patches)",
    )
    verb.add_argument(
        "--seeds",
        type=common.at_least(1),
        default=3,
        metavar="N",
        help="hold-outs of linear (3)",
    )
    verb.add_argument("--out", metavar="FILE", help="write the result as JSON too")


def run(args):
    from sslzoo import recipe, runner, watch, workdir
    from sslzoo.backbones import channels
    from sslzoo.data import labels, sources
    from sslzoo.evaluation import blocks, ladder, pretext, tuned_layers
    from sslzoo.show import progress
    from sslzoo.zoo import export as exports

    if (args.size or args.crop) and not args.data:
        raise BadInput("--size and --crop are of the images of --data: name these too.")
    asked = args.protocol or ladder.PROTOCOLS
    if "finetune" not in asked and (args.depths or args.epochs or args.rgb):
        raise BadInput(
            "--depths, --epochs and --rgb are of --protocol finetune: ask for it."
        )
    if args.endpoint and not {*asked} <= {*ladder.PROTOCOLS}:
        raise BadInput("--endpoint is of --protocol knn and linear: ask for these.")
    if args.epochs is not None and args.epochs < 1:
        raise BadInput(f"--epochs {args.epochs} learns nothing. Give 1 or more.")
    known = seeds_of_one(args.runs)
    tasks, probes = [], {}
    for path in args.runs:
        with common.decoding(args) as count, watch.by(count):
            method, plan = runner.trained(workdir.Workdir(path))
        untrained = runner.untrained(plan)
        tasks.append((path, method, untrained, plan.streams))
        probes = probes or plan.probes
    if args.data:
        if not args.test:
            raise BadInput(
                "--data names images to learn from: --test must name others."
            )
        sets = sources.from_spec(args.data), sources.from_spec(args.test)
        # As the run's own were tried: the same images then have the same scores.
        own = next(iter(probes.values()), None)
        # Without any, as a card says of what is exported.
        usual = exports.shown(tasks[0][1])
        usual["size"] = usual["size"] or known["knobs"].get("image_size", 224)
        size, crop = (own.size, own.crop) if own else (usual["size"], usual["crop"])
        probe = recipe.Probe(*sets, args.size or size, args.crop or crop)
        probes = {args.test: probe}
    if not probes:
        raise BadInput(
            "These runs have no labelled images of their own. Name some: "
            "--data folder:labelled/train --test folder:labelled/test."
        )

    if args.part is not None:
        probes = {
            name: dataclasses.replace(probe, train=labels.part(probe.train, args.part))
            for name, probe in probes.items()
        }

    sees = tasks[0][1].sees  # As all of them do: they are seeds of one run.
    seen = {name: probe.seen(sees) for name, probe in probes.items()}

    def measured(method):
        if not args.endpoint:
            return method.deployable()
        return blocks.one(method, next(iter(probes.values())).size, args.endpoint)

    runs = [(path, *map(measured, both)) for path, *both, _ in tasks]
    tuned = runs
    if args.rgb:
        tuned = [(path, *map(channels.to_rgb, both)) for path, *both in runs]
    say = (lambda words: None) if args.json else progress.say
    results = {name: {} for name in probes}
    features = [protocol for protocol in asked if protocol in ladder.PROTOCOLS]
    if features:
        results = ladder.evaluate(runs, seen, features, args.seeds, say)
    more = []
    if "finetune" in asked:
        depths = (args.depths or "none,all").split(",")
        epochs = args.epochs or 100
        more.append(tuned_layers.compare(tuned, seen, depths, epochs, say))
    if "pretext" in asked:
        more.append(pretext.compare(tasks, probes, say))
    for found in more:
        for name, scores in found.items():
            results[name] |= scores
    common.show(args, results, progress.ladder_table)
    if args.out:  # Last: what took long is seen even if it cannot be kept there.
        from sslzoo import checkpoints
        from sslzoo.zoo import files

        kept = {**results, "made": made(args)}
        with files.writing(args.out, "The scores are above; give another --out."):
            checkpoints.write_text(args.out, json.dumps(kept, indent=1) + "\n")


def seeds_of_one(paths):
    """What the first run is, if the others are the same but for their seeds."""
    from sslzoo import workdir

    first, *others = (workdir.Workdir(path).run() for path in paths)
    for path, other in zip(paths[1:], others):
        if apart := workdir.unlike(first, other):
            raise BadInput(
                f"{paths[0]} and {path} differ in more than their seed: {apart}. A "
                "mean over them says nothing. Evaluate them apart."
            )
    return first


def made(args):
    """How scores came about: of the runs too, and how these said that they ended."""
    from sslzoo import workdir
    from sslzoo.zoo import run as runs

    told = {}
    for path in args.runs:
        folder, name = workdir.Workdir(path), runs.public(path)
        one = told[name] = {"command": runs.command(folder.run(), name)}
        if folder.ended:
            one["ended"] = folder.result().get("probes", {})
    words = [runs.public(word) for word in args.words]
    return {**workdir.made(words), "runs": told}

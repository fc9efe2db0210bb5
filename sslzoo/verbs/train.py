"""Pretrain what a recipe describes, or go on where such a run was left."""

import contextlib

from sslzoo.errors import BadInput
from sslzoo.verbs import common

EXAMPLE = "sslzoo train byol_r18w16_toyworld epochs=3 --workdir runs/toy"


def arguments(verb):
    verb.add_argument("recipe", help="the name of a recipe, or a file")
    verb.add_argument("knobs", nargs="*", metavar="knob=value", help="of the recipe")
    verb.add_argument("--workdir", required=True, help="where the run is kept")
    verb.add_argument(
        "--strategy",
        default="auto",
        help="auto, one, mirrored, multiworker or tpu (never run by the authors)",
    )
    verb.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=300,
        metavar="S",
        help="between checkpoints, beside one after each epoch (300)",
    )
    verb.add_argument(
        "--on-collapse",
        choices=("warn", "stop"),
        default="warn",
        help="what to do when all images get the same output (warn)",
    )
    verb.add_argument(
        "--bad-images",
        type=float,
        default=0.01,
        metavar="PART",
        help="of unreadable images above which the run stops (0.01)",
    )
    verb.add_argument(
        "--probe-at",
        metavar="EPOCHS",
        help="try its probes then too, parts of an epoch by commas: 0.1,0.2,0.5",
    )
    verb.add_argument("--report", action="store_true", help="write report.html too")


def run(args):
    from sslzoo import distribute, recipe, runner, watch, workdir
    from sslzoo.show import progress, report

    knobs = common.read_knobs(args.knobs)
    if not 0 <= args.bad_images <= 1:
        raise BadInput(f"--bad-images {args.bad_images:g} is no part: give 0 to 1.")
    strategy = distribute.strategy(args.strategy)
    with common.decoding(args) as count, watch.by(count):
        plan = recipe.load(args.recipe, **knobs)
    folder = workdir.Workdir(args.workdir, options_of(args))
    if distribute.is_chief(strategy):
        folder.open(*workdir.identity(args.recipe, knobs, plan))
    with contextlib.closing(progress.Bar(quiet=args.json)) as bar:
        if distribute.is_chief(strategy):
            bar.said(f"Computes on {distribute.where(strategy)}.")
        method = runner.pretrain(
            plan,
            folder,
            strategy,
            bar,
            checkpoint_seconds=args.checkpoint_seconds,
            on_collapse=args.on_collapse,
            bad_images=args.bad_images,
            probe_at=epochs_of(args.probe_at or ""),
        )
    if not distribute.is_chief(strategy):
        return
    result = folder.result()
    if args.report:
        result["report"] = str(report.write(folder, method=method, plan=plan))
    common.show(args, result, progress.result_table)
    if args.report and not args.json:
        common.report_line(result)


def epochs_of(words):
    """Numbers, of "0.1,0.5"."""
    try:
        return [float(word) for word in words.split(",") if word]
    except ValueError:
        raise BadInput(
            f"--probe-at {words}: give epochs by commas, such as 0.1,0.5."
        ) from None


def options_of(args):
    """The options of `train` that were given, as words."""
    given = {
        "--strategy": args.strategy != "auto" and args.strategy,
        "--checkpoint-seconds": args.checkpoint_seconds != 300
        and f"{args.checkpoint_seconds:g}",
        "--on-collapse": args.on_collapse != "warn" and args.on_collapse,
        "--bad-images": args.bad_images != 0.01 and f"{args.bad_images:g}",
        "--probe-at": args.probe_at,
    }
    words = [word for pair in given.items() if pair[1] for word in pair]
    return words + ["--report"] * args.report

"""The `sslzoo` command: one function per verb, whose first line is its help."""

import argparse
import contextlib
import json
import os
import sys

from sslzoo import __version__
from sslzoo.errors import BadInput, Interrupted, SslzooError


def train(args):
    """Pretrain what a recipe describes, or go on where such a run was left."""
    from sslzoo import distribute, recipe, runner, watch, workdir
    from sslzoo.show import progress, report

    knobs = read_knobs(args.knobs)
    if not 0 <= args.bad_images <= 1:
        raise BadInput(f"--bad-images {args.bad_images:g} is no part: give 0 to 1.")
    strategy = distribute.strategy(args.strategy)
    with decoding(args) as count, watch.by(count):
        plan = recipe.load(args.recipe, **knobs)
    folder = workdir.Workdir(args.workdir, options_of(args))
    if distribute.is_chief(strategy):
        folder.open(*workdir.identity(args.recipe, knobs, plan))
    with contextlib.closing(progress.Bar(quiet=args.json)) as bar:
        method = runner.pretrain(
            plan,
            folder,
            strategy,
            bar,
            checkpoint_seconds=args.checkpoint_seconds,
            on_collapse=args.on_collapse,
            bad_images=args.bad_images,
        )
    if not distribute.is_chief(strategy):
        return
    result = folder.result()
    if args.report:
        result["report"] = str(report.write(folder, method=method, plan=plan))
    show(args, result, progress.result_table)
    if args.report and not args.json:
        report_line(result)


def decoding(args):
    """A bar for the images that a recipe decodes before anything else."""
    from sslzoo.show import progress

    return contextlib.closing(progress.Count("images decoded", quiet=args.json))


def options_of(args):
    """The options of `train` that were given, as words."""
    given = {
        "--strategy": args.strategy != "auto" and args.strategy,
        "--checkpoint-seconds": args.checkpoint_seconds != 300
        and f"{args.checkpoint_seconds:g}",
        "--on-collapse": args.on_collapse != "warn" and args.on_collapse,
        "--bad-images": args.bad_images != 0.01 and f"{args.bad_images:g}",
    }
    words = [word for pair in given.items() if pair[1] for word in pair]
    return words + ["--report"] * args.report


def evaluate(args):
    """Measure the features of runs on labelled images: kNN and linear protocols."""
    from sslzoo import recipe, runner, watch, workdir
    from sslzoo.data import sources
    from sslzoo.evaluation import ladder
    from sslzoo.show import progress

    if args.size and not args.data:
        raise BadInput("--size is of the images of --data: name these too.")
    runs, probes, size = [], {}, args.size
    for path in args.runs:
        folder = workdir.Workdir(path)
        with decoding(args) as count, watch.by(count):
            method, plan = runner.trained(folder)
        size = size or folder.run()["knobs"].get("image_size", 224)
        untrained = runner.untrained(plan)
        runs.append((path, method.deployable(), untrained.deployable()))
        probes = probes or plan.probes
    if args.data:
        if not args.test:
            raise BadInput(
                "--data names images to learn from: --test must name others."
            )
        sets = sources.from_spec(args.data), sources.from_spec(args.test)
        probes = {args.test: recipe.Probe(*sets, size)}
    if not probes:
        raise BadInput(
            "These runs have no labelled images of their own. Name some: "
            "--data folder:labelled/train --test folder:labelled/test."
        )
    results = ladder.evaluate(
        runs,
        probes,
        args.protocol or ladder.PROTOCOLS,
        args.seeds,
        say=(lambda words: None) if args.json else progress.say,
    )
    show(args, results, progress.ladder_table)
    if args.out:  # Last: what took long is seen even if it cannot be kept there.
        from sslzoo import checkpoints
        from sslzoo.zoo import files

        kept = {**results, "made": made(args)}
        with files.writing(args.out, "The scores are above; give another --out."):
            checkpoints.write_text(args.out, json.dumps(kept, indent=1) + "\n")


def made(args):
    """How scores came about: of the runs too, and how these said that they ended."""
    from sslzoo import workdir
    from sslzoo.zoo import run as runs

    told = {}
    for path in args.runs:
        folder, name = workdir.Workdir(path), os.path.basename(os.path.abspath(path))
        one = told[runs.public(path)] = {"command": runs.command(folder.run(), name)}
        if (folder.path / "result.json").exists():
            one["ended"] = folder.result().get("probes", {})
    words = [runs.public(word) for word in args.words]
    return {**workdir.made(words), "runs": told}


def report(args):
    """Write the page of a run again: report.html, also with features of a folder."""
    from sslzoo import runner, workdir
    from sslzoo.show import report as reports

    folder = workdir.Workdir(args.workdir)
    method, plan = runner.trained(folder)
    path = reports.write(folder, args.out, method, plan, args.features)
    show(args, {"report": str(path)}, report_line)


def export(args):
    """Publish a trained run as a model: features to be loaded by its name."""
    from sslzoo import runner, workdir
    from sslzoo.show import progress
    from sslzoo.zoo import export as exports
    from sslzoo.zoo import run as runs

    licences = dict(pair(word, "licence=NAME", "weights=MIT") for word in args.licence)
    folder = workdir.Workdir(args.workdir)
    run = {**folder.run(), "result": folder.result()}
    run["recipe_text"] = (folder.path / "recipe.py").read_text()
    took = {row["epoch"]: row.get("seconds", 0) for row in folder.timing()}
    run["seconds"] = round(sum(took.values()))  # A resumed epoch is told twice.
    name = args.name or runs.name_for(run)
    results = read_results(args.results, args.workdir) if args.results else None
    method, plan = runner.trained(folder)
    run["about"] = plan.about(results or ())
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
    show(args, exports.told(entry), progress.export_lines)


def check(args):
    """Read every image of a folder and name those that cannot be read."""
    from sslzoo.data import check as checking
    from sslzoo.data import sources
    from sslzoo.show import progress

    kind = ":" in args.folder and not os.path.exists(args.folder)
    source = sources.from_spec(args.folder if kind else f"folder:{args.folder}")
    with contextlib.closing(progress.Count("images read", quiet=args.json)) as count:
        report = checking.scan(source, progress=count)
    show(args, report.as_dict(), lambda _: checking.show(report))
    return 1 if report.bad else 0


def pack(args):
    """Put images, as JPEGs with their labels, into one file for npz:FILE#SPLIT."""
    from sslzoo.data import pack as packing
    from sslzoo.data import sources
    from sslzoo.show import progress
    from sslzoo.zoo import files

    path, _, split = args.out.rpartition("#")
    if not path:
        raise BadInput(f"{args.out!r} names no images: write {args.out}#train.")
    source = sources.from_spec(args.data)
    with (
        contextlib.closing(progress.Count("images packed", quiet=args.json)) as count,
        files.writing(path, "Give another file."),
    ):
        images = packing.pack(
            *(source, path, split, args.size, args.each, args.quality, args.seed),
            progress=count,
        )
    result = {
        "images": images,
        "bytes": os.path.getsize(path),
        "spec": f"npz:{args.out}",
    }
    show(args, result, progress.packed_line)


def paper(args):
    """Make a study of a paper: train its rows, measure them, draw its tables."""
    from sslzoo import watch
    from sslzoo.papers import study as studies
    from sslzoo.show import progress
    from sslzoo.zoo import files

    found = studies.load(args.study)
    out = args.out or os.path.join("docs", "studies", f"{found.name}.json")
    with (
        contextlib.closing(progress.Bar(quiet=args.json)) as bar,
        decoding(args) as count,
        watch.by(count),
    ):
        told = studies.run(
            found, out, args.workdir, read_knobs(args.knobs), args.minutes, bar
        )
    if args.page:
        with files.writing(args.page, "Name the page that has the study's tables."):
            studies.write_page(found, told, args.page)
    show(args, told, lambda told: print(studies.tables(found, told)))


def list_(args):
    """List the models that there are, by name, method, backbone or licence."""
    from sslzoo.show import models
    from sslzoo.zoo import listing

    names = ("filter", "method", "backbone", "license", "registry")
    wanted = {name: getattr(args, name) for name in names}
    rows = listing.list_models(**wanted, as_table=True)
    why = "" if rows else listing.unknown(**wanted)
    show(args, rows, lambda rows: models.models_table(rows, why=why))


def info(args):
    """Tell what is known of a model: its input, features, scores and licences."""
    from sslzoo.show import models
    from sslzoo.zoo import listing

    found = listing.info(args.name, args.registry)
    show(args, found.to_dict(), lambda _: models.card(found))


def features(args):
    """Write the features of a folder of pictures to a .npz or .parquet file."""
    from sslzoo.evaluation import embeddings
    from sslzoo.show import models, progress

    with contextlib.closing(progress.Count("images", quiet=args.json)) as count:
        made = embeddings.features(
            args.name,
            args.folder,
            batch_size=args.batch_size,
            endpoint=args.endpoint,
            l2=args.l2,
            out=args.out,
            append=args.append,
            quick=args.quick,
            precision=args.precision,
            progress=count,
            registry=args.registry,
        )
    result = {"images": len(made.files), "dimensions": made.vectors.shape[1]}
    result |= {"out": args.out, "skipped": made.skipped, **made.provenance}
    show(args, result, models.written)


def show_(args):
    """Draw what a model or a run says of images, its filters, or what excites it."""
    from sslzoo.show import models, pictures

    images = pictures.images_of(args.images) if args.images else None
    page = pictures.of(
        args.name, images, args.filters, args.top, args.count, args.registry
    )
    result = {"out": str(page.write(args.out)), "figures": page.figures}
    show(args, result, models.pictured)


def bundle(args):
    """Put models, whole, into a folder or file for a machine without network."""
    from sslzoo.show import models
    from sslzoo.zoo import cache, files

    out = cache.bundle(args.names, args.out, registry=args.registry)
    result = {"models": args.names, "out": str(out), "folder": out.is_dir()}
    result["bytes"] = files.size(out) if out.is_dir() else out.stat().st_size
    show(args, result, models.bundled)


def verify(args):
    """Check that what is installed here computes what the papers say."""
    from sslzoo import verify as conformance
    from sslzoo.show import checks, progress

    with contextlib.closing(progress.Count("checks", quiet=args.json)) as count:
        result = conformance.run(count)
    show(args, result, checks.checks_table)
    return 0 if result["passed"] else 1


def bench(args):
    """Measure the speed of a part: input, views, a step, features, the linear probe."""
    from sslzoo import bench as benches
    from sslzoo import watch
    from sslzoo.show import progress
    from sslzoo.zoo import files

    with contextlib.closing(progress.Count("parts", quiet=args.json)) as count:
        with watch.by(count):
            result = benches.run(args.what, **read_knobs(args.knobs))
    show(args, result, benches.show)
    if args.out:
        with files.writing(args.out, "The result is above; give another --out."):
            benches.record(result, [args.what, *args.knobs], args.out)


def sheet(args):
    """Draw a contact sheet of the toy world, or make a folder of its pictures."""
    from sslzoo.show import sheet as sheets

    if args.folder:
        count = {} if args.count is None else {"count": args.count}
        print(sheets.toyworld_folder(args.folder, **count))
    elif args.count is not None:
        raise BadInput("--count is of the pictures in a folder: add --folder DIR.")
    else:
        print(sheets.toyworld_sheet(args.out))


def show(args, result, draw):
    """The result for a script, or for a person."""
    if args.json:
        print(json.dumps(result))
    else:
        draw(result)


def report_line(result):
    print(f"Report: {result['report']}")


def read_results(file, run):
    """What `evaluate --out` wrote, if it measured this run."""
    try:
        with open(file) as text:
            results = json.load(text)
        results.pop("made", None)
        rows = [row for found in results.values() for row in found.values()]
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


def _is_knob(word):
    return "=" in word and not word.startswith("-")


def read_knobs(words):
    return dict(pair(word, "knob=value", "epochs=10") for word in words)


def pair(word, form, like):
    if "=" not in word:
        what = form.partition("=")[0]
        raise BadInput(f"{word!r} is no {what}: write {form}, like {like}.")
    return word.split("=", 1)


def _import_quietly():
    """Imports TensorFlow without the lines that it prints before it can be told not to.

    They come from below Python, so it is the file descriptor that is turned away.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras  # noqa: F401
        import tensorflow

        # It warns of every model that is traced beside another; here many are.
        tensorflow.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def parser():
    top = argparse.ArgumentParser(
        prog="sslzoo",
        description="Self-supervised models for images: train them, measure them.",
        epilog="Each verb has an example: sslzoo VERB --help. Exit codes: 0, all is "
        "well; 1, what was asked cannot be done, or a check failed; 2, the line is not "
        "understood; 130, interrupted.",
    )
    top.add_argument("--version", action="version", version=f"sslzoo {__version__}")
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(
        run,
        example,
        json_words="print the result as JSON, for scripts",
        tensorflow=True,
    ):
        one = verbs.add_parser(
            run.__name__.rstrip("_"),
            help=run.__doc__,
            description=run.__doc__,
            epilog=f"Example: {example}",
        )
        one.set_defaults(run=run, json=False, tensorflow=tensorflow)
        if json_words:
            one.add_argument("--json", action="store_true", help=json_words)
        return one

    one = verb(train, "sslzoo train byol_r18w16_toyworld epochs=3 --workdir runs/toy")
    one.add_argument("recipe", help="the name of a recipe, or a file")
    one.add_argument("knobs", nargs="*", metavar="knob=value", help="of the recipe")
    one.add_argument("--workdir", required=True, help="where the run is kept")
    one.add_argument(
        "--strategy",
        default="auto",
        help="auto, one, mirrored, multiworker or tpu (never run by the authors)",
    )
    one.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=300,
        metavar="S",
        help="between checkpoints, beside one after each epoch (300)",
    )
    one.add_argument(
        "--on-collapse",
        choices=("warn", "stop"),
        default="warn",
        help="what to do when all images get the same output (warn)",
    )
    one.add_argument(
        "--bad-images",
        type=float,
        default=0.01,
        metavar="PART",
        help="of unreadable images above which the run stops (0.01)",
    )
    one.add_argument("--report", action="store_true", help="write report.html too")

    one = verb(evaluate, "sslzoo evaluate runs/a runs/b runs/c --protocol knn --json")
    one.add_argument("runs", nargs="+", metavar="RUN", help="workdirs: seeds of a run")
    one.add_argument(
        "--protocol", action="append", choices=("knn", "linear"), help="(both)"
    )
    one.add_argument("--data", metavar="SPEC", help="labelled images to learn from")
    one.add_argument("--test", metavar="SPEC", help="labelled images to be told")
    one.add_argument("--size", type=int, help="side of the images (the recipe's)")
    one.add_argument("--seeds", type=int, default=3, help="hold-outs of linear (3)")
    one.add_argument("--out", metavar="FILE", help="write the result as JSON too")

    one = verb(report, "sslzoo report runs/first --features runs/first/features.npz")
    one.add_argument("workdir", metavar="RUN", help="the workdir of a run")
    one.add_argument(
        "--features",
        metavar="FILE",
        help="of sslzoo features: shows the model, and neighbours among the pictures",
    )
    one.add_argument("--out", metavar="FILE", help="the page (RUN/report.html)")

    one = verb(export, "sslzoo export runs/first --name byol_r18w16.toyworld_ep40")
    one.add_argument("workdir", metavar="RUN", help="the workdir of a run that ended")
    one.add_argument("--name", help="<method>_<arch>.<tag> (made of recipe and epochs)")
    one.add_argument(
        "--registry", default="savedmodels", metavar="DIR", help="(savedmodels)"
    )
    one.add_argument("--summary", default="", metavar="LINE", help="of its card")
    one.add_argument(
        "--licence",
        nargs="+",
        default=[],
        metavar="OF=NAME",
        help="of code, weights, data: weights=Apache-2.0; notice=URL",
    )
    one.add_argument(
        "--results", metavar="FILE", help="of sslzoo evaluate RUN --out FILE"
    )
    one.add_argument(
        "--format",
        nargs="+",
        default=(),
        choices=("keras", "onnx"),
        help="to write beside the SavedModel",
    )
    one.add_argument(
        "--no-heads", action="store_true", help="only features; much smaller"
    )
    one.add_argument(
        "--default", action="store_true", help="the name without its tag means this one"
    )

    one = verb(check, "sslzoo check photos/")
    one.add_argument("folder", help="of images, or a data spec like npz:FILE#train")

    one = verb(pack, "sslzoo pack folder:photos/train photos.npz#train --size 224")
    one.add_argument("data", metavar="SPEC", help="of images, like tfds:cifar10/train")
    one.add_argument(
        "out",
        metavar="FILE.npz#SPLIT",
        help="file, made or added to; name of the images",
    )
    one.add_argument("--size", type=int, help="side of squares to make of them")
    one.add_argument("--each", type=int, metavar="N", help="images of each class (all)")
    one.add_argument("--quality", type=int, default=90, help="of the JPEGs (90)")
    one.add_argument("--seed", type=int, default=0, help="of choice and order (0)")

    one = verb(paper, "sslzoo paper colour --minutes 60 --workdir runs/colour")
    one.add_argument("study", help="its name")
    one.add_argument("knobs", nargs="*", metavar="knob=value", help="of all its runs")
    one.add_argument("--workdir", required=True, metavar="DIR", help="for its runs")
    one.add_argument("--out", metavar="FILE", help="(docs/studies/STUDY.json)")
    one.add_argument("--page", metavar="FILE.md", help="whose tables are made anew")
    one.add_argument(
        "--minutes", type=float, metavar="M", help="begin no row after so many"
    )

    registry = dict(
        metavar="DIR", help="models to look in (./savedmodels, cache, ours)"
    )

    one = verb(list_, "sslzoo list 'byol_*' --license permissive", tensorflow=False)
    one.add_argument("filter", nargs="?", default="", help="a part of names, or *")
    one.add_argument("--method", help="such as byol")
    one.add_argument("--backbone", help="such as r50")
    one.add_argument("--license", help="of SPDX, such as 'CC-BY*'; or permissive")
    one.add_argument("--registry", **registry)

    one = verb(info, "sslzoo info byol_r18w16", tensorflow=False)
    one.add_argument("name", help="of a model, or ./FOLDER")
    one.add_argument("--registry", **registry)

    one = verb(features, "sslzoo features byol_r18w16 photos/ photos.npz")
    one.add_argument("name", help="of a model, or ./FOLDER")
    one.add_argument("folder", help="of pictures, or a data spec like npz:FILE#train")
    one.add_argument("out", help="a .npz or .parquet file")
    one.add_argument("--endpoint", metavar="NAME", help="of another feature (pooled)")
    one.add_argument("--l2", action="store_true", help="vectors of length 1")
    one.add_argument("--append", action="store_true", help="add to the file")
    one.add_argument(
        "--quick", action="store_true", help="decode large JPEGs at reduced size"
    )
    one.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16 where the processor has units for it",
    )
    one.add_argument("--batch-size", type=int, default=64, metavar="N", help="(64)")
    one.add_argument("--registry", **registry)

    one = verb(show_, "sslzoo show runs/color photos/ --out sheet.png")
    one.add_argument("name", help="of a model with heads, or the workdir of a run")
    one.add_argument("images", nargs="?", help="a folder, or a spec: toyworld:test")
    one.add_argument("--out", required=True, metavar="FILE", help="the picture")
    one.add_argument("--count", type=int, default=8, metavar="N", help="of images (8)")
    what = one.add_mutually_exclusive_group()
    what.add_argument(
        "--filters", action="store_true", help="the first layer's; needs no images"
    )
    what.add_argument("--top", metavar="LAYER", help="the windows that excite it most")
    one.add_argument("--registry", **registry)

    one = verb(bundle, "sslzoo bundle byol_r18w16 --out models.zip", tensorflow=False)
    one.add_argument("names", nargs="+", metavar="NAME", help="of a model, or ./FOLDER")
    one.add_argument(
        "--out",
        required=True,
        metavar="DIR|FILE",
        help="a folder, a .zip or a .tar; there, SSLZOO_CACHE names the folder",
    )
    one.add_argument("--registry", **registry)

    verb(verify, "sslzoo verify --json > report.json")

    one = verb(bench, "sslzoo bench step backbone=resnet50 batch_size=16")
    one.add_argument("what", help="views, step, features, input, linear ...")
    one.add_argument("knobs", nargs="*", metavar="knob=value")
    one.add_argument("--out", metavar="FILE", help="also kept here, as JSON")

    one = verb(
        sheet,
        "sslzoo sheet --folder toyworld --count 200",
        json_words=None,
        tensorflow=False,
    )
    where = one.add_mutually_exclusive_group()
    where.add_argument(
        "--out", default="toyworld.png", metavar="FILE", help="the sheet (toyworld.png)"
    )
    where.add_argument(
        "--folder", metavar="DIR", help="of PNG files instead, one folder a class"
    )
    one.add_argument("--count", type=int, metavar="N", help="pictures in DIR (200)")
    return top


def main(argv=None):
    top = parser()
    args, rest = top.parse_known_args(argv)
    args.words = sys.argv[1:] if argv is None else argv
    # Knobs may stand before and after the options, which argparse does not allow.
    if rest and not (hasattr(args, "knobs") and all(_is_knob(word) for word in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.knobs += rest
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if args.tensorflow:
            _import_quietly()
        code = args.run(args)
    except Interrupted as error:
        print(f"sslzoo: {error}", file=sys.stderr)
        code = 130
    except SslzooError as error:  # Meant for the user: its words, no traceback.
        print(f"sslzoo: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("sslzoo: stopped.", file=sys.stderr)
        code = 130
    sys.exit(code or 0)


if __name__ == "__main__":
    main()

"""Write the page of a run again, also with features of a folder; or of these alone."""

from sslzoo.verbs import common

EXAMPLE = "sslzoo report runs/first --features runs/first/features.npz"


def arguments(verb):
    verb.add_argument(
        "workdir",
        metavar="RUN",
        nargs="?",
        help="the workdir of a run; none where only features are to be shown",
    )
    verb.add_argument(
        "--features",
        metavar="FILE",
        help="of sslzoo features: shows the model, and neighbours among the pictures",
    )
    verb.add_argument(
        "--out",
        metavar="FILE",
        help="the page (RUN/report.html, or beside the features)",
    )


def run(args):
    from sslzoo import runner, workdir
    from sslzoo.errors import BadInput
    from sslzoo.show import report as reports

    if args.workdir is not None:
        folder = workdir.Workdir(args.workdir)
        method, plan = runner.trained(folder)
        path = reports.write(folder, args.out, method, plan, args.features)
    elif args.features:
        path = reports.write_features(args.features, args.out)
    else:
        raise BadInput("What is the page to be about? Give a RUN, or --features FILE.")
    common.show(args, {"report": str(path)}, common.report_line)

"""Write the page of a run again: report.html, also with features of a folder."""

from sslzoo.verbs import common

EXAMPLE = "sslzoo report runs/first --features runs/first/features.npz"


def arguments(verb):
    verb.add_argument("workdir", metavar="RUN", help="the workdir of a run")
    verb.add_argument(
        "--features",
        metavar="FILE",
        help="of sslzoo features: shows the model, and neighbours among the pictures",
    )
    verb.add_argument("--out", metavar="FILE", help="the page (RUN/report.html)")


def run(args):
    from sslzoo import runner, workdir
    from sslzoo.show import report as reports

    folder = workdir.Workdir(args.workdir)
    method, plan = runner.trained(folder)
    path = reports.write(folder, args.out, method, plan, args.features)
    common.show(args, {"report": str(path)}, common.report_line)

"""Make a study of a paper: train its rows, measure them, draw its tables."""

import contextlib
import os

from sslzoo.verbs import common

ADVICE = "Name the page that has the study's tables."
EXAMPLE = "sslzoo paper colour --minutes 60 --workdir runs/colour"


def arguments(verb):
    verb.add_argument("study", help="its name")
    verb.add_argument("knobs", nargs="*", metavar="knob=value", help="of all its runs")
    verb.add_argument("--workdir", required=True, metavar="DIR", help="for its runs")
    verb.add_argument("--out", metavar="FILE", help="(docs/studies/STUDY.json)")
    verb.add_argument("--page", metavar="FILE.md", help="whose tables are made anew")
    verb.add_argument(
        "--row",
        action="append",
        metavar="NAME",
        help="this row alone; may be given more than once",
    )
    verb.add_argument(
        "--minutes", type=float, metavar="M", help="begin no row after so many"
    )


def run(args):
    from sslzoo import watch
    from sslzoo.papers import study as studies
    from sslzoo.show import progress
    from sslzoo.zoo import files

    found = studies.load(args.study)
    out = args.out or os.path.join("docs", "studies", f"{found.name}.json")

    def page():
        if args.page:
            with files.writing(args.page, ADVICE):
                studies.write_page(found, studies.read(out), args.page)

    page()  # One that is not there is not to be found out after hours.
    with (
        contextlib.closing(progress.Bar(quiet=args.json)) as bar,
        common.decoding(args) as count,
        watch.by(count),
    ):
        knobs = common.read_knobs(args.knobs)
        told = studies.run(
            *(found, out, args.workdir, knobs, args.minutes, bar, page),
            rows=args.row or (),
        )
    common.show(args, told, lambda told: print(studies.tables(found, told)))

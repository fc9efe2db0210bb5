"""Read every image of a folder and name those that cannot be read."""

import contextlib
import os

from sslzoo.verbs import common

EXAMPLE = "sslzoo check photos/"


def arguments(verb):
    verb.add_argument("folder", help="of images, or a data spec like npz:FILE#train")


def run(args):
    from sslzoo.data import check as checking
    from sslzoo.data import sources
    from sslzoo.show import progress

    kind = ":" in args.folder and not os.path.exists(args.folder)
    source = sources.from_spec(args.folder if kind else f"folder:{args.folder}")
    with contextlib.closing(progress.Count("images read", quiet=args.json)) as count:
        report = checking.scan(source, progress=count)
    common.show(args, report.as_dict(), lambda _: checking.show(report))
    return 1 if report.bad else 0

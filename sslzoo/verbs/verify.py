"""Check that what is installed here computes what the papers say."""

import contextlib

from sslzoo.verbs import common

EXAMPLE = "sslzoo verify --json > report.json"


def arguments(verb):
    pass


def run(args):
    from sslzoo import verify as conformance
    from sslzoo.show import checks, progress

    with contextlib.closing(progress.Count("checks", quiet=args.json)) as count:
        result = conformance.run(count)
    common.show(args, result, checks.checks_table)
    return 0 if result["passed"] else 1

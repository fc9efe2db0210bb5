"""Measure the speed of a part: input, views, a step, features, the linear probe."""

import contextlib
import re

from sslzoo.errors import BadInput
from sslzoo.verbs import common

EXAMPLE = "sslzoo bench step backbone=resnet50 batch_size=16"


def arguments(verb):
    verb.add_argument("what", help="views, step, features, input, linear ...")
    verb.add_argument("knobs", nargs="*", metavar="knob=value")
    verb.add_argument("--out", metavar="FILE", help="also kept here, as JSON")


def run(args):
    from sslzoo import bench as benches
    from sslzoo import watch
    from sslzoo.show import progress
    from sslzoo.zoo import files

    knobs = common.read_knobs(args.knobs)
    for knob, value in knobs.items():
        if re.fullmatch(r"-\d+", value):
            raise BadInput(f"{knob}={value}: it begins at 0. Give 1 or more.")
    with contextlib.closing(progress.Count("parts", quiet=args.json)) as count:
        with watch.by(count):
            result = benches.run(args.what, **knobs)
    common.show(args, result, benches.show)
    if args.out:
        with files.writing(args.out, "The result is above; give another --out."):
            benches.record(result, [args.what, *args.knobs], args.out)

"""The `sslzoo` command. Each verb is a file of `verbs/`, whose first line is its help.

Such a file has an EXAMPLE, `arguments(verb)`, which adds its options, and `run(args)`,
whose result is the exit code. It imports what is slow to import where it needs it. LATE
names an argument that may also stand behind the options; TENSORFLOW = False spares the
import, JSON = False the option --json.
"""

import argparse
import os
import sys

from sslzoo import __version__, watch
from sslzoo.errors import Interrupted, SslzooError, nearest
from sslzoo.verbs import (
    bench,
    bundle,
    check,
    evaluate,
    export,
    features,
    info,
    pack,
    paper,
    report,
    sheet,
    show,
    train,
    verify,
)
from sslzoo.verbs import list as list_

VERBS = (
    *(train, evaluate, report, export, check, pack, paper, list_, info, features),
    *(show, bundle, verify, bench, sheet),
)
NAMES = {verb.__name__.rpartition(".")[2]: verb for verb in VERBS}


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

    for name, verb in NAMES.items():
        one = verbs.add_parser(
            name,
            help=verb.__doc__,
            description=verb.__doc__,
            epilog=f"Example: {verb.EXAMPLE}",
        )
        tensorflow = getattr(verb, "TENSORFLOW", True)
        late = getattr(verb, "LATE", "")
        one.set_defaults(run=verb.run, json=False, tensorflow=tensorflow, late=late)
        if getattr(verb, "JSON", True):
            words = "print the result as JSON, for scripts"
            one.add_argument("--json", action="store_true", help=words)
        verb.arguments(one)
    return top


def _take_late(args, words):
    """Takes words behind the options, which argparse does not; whether it could."""
    if hasattr(args, "knobs"):
        args.knobs += words
        return all("=" in word and not word.startswith("-") for word in words)
    if not words:
        return True
    if not args.late or getattr(args, args.late) or len(words) > 1:
        return False
    setattr(args, args.late, words[0])
    return not words[0].startswith("-")


def main(argv=None):
    top, words = parser(), sys.argv[1:] if argv is None else argv
    if words and not words[0].startswith("-") and words[0] not in NAMES:
        near = nearest(words[0], NAMES)
        top.error(f"no verb {words[0]!r}.{near} There are: {', '.join(NAMES)}.")
    args, rest = top.parse_known_args(words)
    args.words = words
    if not _take_late(args, rest):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if args.tensorflow:
            _import_quietly()
        with watch.quiet(args.json):
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

"""What the verbs share."""

import argparse
import contextlib
import json

from sslzoo.errors import BadInput

REGISTRY = dict(metavar="DIR", help="models to look in (./savedmodels, cache, ours)")
REVISION = dict(type=int, metavar="N", help="of the model, not the newest")


def at_least(least):
    """The type of an option that is a whole number, `least` or more."""

    def number(word):
        try:
            value = int(word)
        except ValueError:
            value = None
        if value is None or value < least:
            raise argparse.ArgumentTypeError(
                f"{word} was given: it takes a whole number, {least} or more"
            )
        return value

    return number


def part(word):
    """The type of an option that is a part of something, such as 0.875."""
    try:
        value = float(word)
    except ValueError:
        value = 0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(
            f"{word} was given: it takes a part, more than 0 and at most 1"
        )
    return value


def decoding(args):
    """A bar for the images that a recipe decodes before anything else."""
    from sslzoo.show import progress

    return contextlib.closing(progress.Count("images decoded", quiet=args.json))


def show(args, result, draw):
    """The result for a script, or for a person."""
    if args.json:
        print(json.dumps(result))
    else:
        draw(result)


def report_line(result):
    print(f"Report: {result['report']}")


def read_knobs(words):
    return dict(pair(word, "knob=value", "epochs=10") for word in words)


def pair(word, form, like):
    if "=" not in word:
        what = form.partition("=")[0]
        raise BadInput(f"{word!r} is no {what}: write {form}, like {like}.")
    return word.split("=", 1)

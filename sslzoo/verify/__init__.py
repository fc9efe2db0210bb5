"""Conformance: that what is installed here computes what the papers say.

    sslzoo verify

or in Python, `from sslzoo import verify; verify.run()`.

A method that is subtly wrong still trains. So each mistake that is known to have been
made somewhere has a check here, that compares with a value worked by hand, written out
in NumPy, or published. Each is a function without arguments; the first line of its
docstring is what is said to the user, and it raises `Failed` if that is not so.

A check lies in the file of its subject, and in the `CHECKS` at its end; the files are
found by their names. A method has a file of its own: to add one, write
verify/<method>.py. That each check can fail is tried, too: it has a row (check, place,
name, mistake) in the `SABOTEURS` of its file, or in tests/verify/.
"""

import importlib
import pathlib
import time

import keras
import tensorflow as tf

from sslzoo import workdir
from sslzoo.errors import BadInput, SslzooError
from sslzoo.verify import zoo
from sslzoo.verify.checking import exact

MACHINERY = ("__init__", "checking", "small")


def names():
    """Of all subjects: files beside this one that have `CHECKS`."""
    files = pathlib.Path(__file__).parent.glob("*.py")
    return sorted(f.stem for f in files if f.stem not in MACHINERY)


SUBJECTS = tuple(importlib.import_module(f"{__name__}.{name}") for name in names())
CHECKS = tuple(check for subject in SUBJECTS for check in subject.CHECKS)


def run(progress=lambda done, of: None):
    """Runs all checks, on the device that training would use.

    Args:
        progress: called as progress(done, of) after each check.

    Returns:
        {"passed", "seconds", "versions", "checks": [{"name", "words", "passed",
        "failure", "seconds"}, ...]}; "failure" is "" where there is none.
    """
    if keras.config.backend() != "tensorflow":
        raise BadInput(
            "What is verified here trains, which needs TensorFlow, and Keras runs on "
            f"{keras.config.backend()}: set KERAS_BACKEND=tensorflow."
        )
    checks, rows = [*CHECKS, *zoo.shipped()], []
    with exact():
        for check in checks:
            rows.append(tried(check))
            progress(len(rows), len(checks))
    return {
        "passed": all(row["passed"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows), 2),
        "versions": {
            **workdir.versions(),
            "devices": [device.name for device in tf.config.list_logical_devices()],
        },
        "checks": rows,
    }


def tried(check):
    start, failure = time.monotonic(), ""
    try:
        check()
    except SslzooError as error:
        failure = str(error)
    except Exception as error:  # Whatever it is, the others are still to be tried.
        failure = f"It did not come to an end. {type(error).__name__}: {error}"
    return {
        "name": check.__name__,
        "words": check.__doc__.partition("\n")[0],
        "passed": not failure,
        "failure": failure,
        "seconds": round(time.monotonic() - start, 2),
    }

"""What is told while work is done: to who watches, and to the person who asked for it.

How far long work is, is drawn by a command, or by nobody. It may lie below code that
has no argument for it, such as a recipe, which decodes all its images before it begins:

    with watch.by(bar):  # called as bar(done, of)
        plan = recipe.load("byol_r18w16_cifar10")

What a person should know who did not ask, such as what was left out of a file, is said
in a line by the logger "sslzoo", as a warning: Python shows others to nobody. It is
silent where that logger's level says so, and in a block of `quiet`, as of a command
with --json.
"""

import contextlib
import contextvars

WATCHER = contextvars.ContextVar("watcher", default=lambda done, of: None)


QUIET = contextvars.ContextVar("quiet", default=False)


def tell(done, of):
    WATCHER.get()(done, of)


@contextlib.contextmanager
def by(watcher):
    """A block in which `watcher` is told; of one in another, the inner."""
    token = WATCHER.set(watcher)
    try:
        yield
    finally:
        WATCHER.reset(token)


def say(words):
    import logging  # Which a command that says nothing does without.

    if not QUIET.get():
        logging.getLogger("sslzoo").warning("%s", words)


@contextlib.contextmanager
def quiet(really=True):
    """A block in which nothing is said."""
    token = QUIET.set(really or QUIET.get())
    try:
        yield
    finally:
        QUIET.reset(token)

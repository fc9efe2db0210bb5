"""How far long work is, for whoever watches: a bar of the command, or nobody.

What takes long may lie below code that has no argument for it, such as a recipe, which
decodes all its images before the run begins:

    with watch.by(bar):  # called as bar(done, of)
        plan = recipe.load("byol_r18w16_cifar10")
"""

import contextlib
import contextvars

WATCHER = contextvars.ContextVar("watcher", default=lambda done, of: None)


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

"""Of the folders of models: their size, their locks, words for when one is full."""

import contextlib
import os

from sslzoo.errors import CannotWrite, SslzooError

CACHE_ADVICE = "Make room, or name another place: SSLZOO_CACHE=DIR or cache_dir=DIR."


def size(folder):
    """Bytes of the files in `folder`."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # Removed just now.
                total += os.lstat(os.path.join(path, name)).st_size
    return total


def lock(path, **options):
    """Holds the lock that is the file `path`: a context manager.

    The system lets go of it when the process that holds it dies.
    """
    import filelock  # Readers do without, and it is slow to import.

    path.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(path).acquire(poll_interval=0.01, **options)


@contextlib.contextmanager
def writing(folder, advice):
    """Says in words that `folder` cannot be written to.

    Args:
        advice: what to do then, a sentence.
    """
    try:
        yield
    except SslzooError:
        raise
    except OSError as error:
        raise CannotWrite(
            f"Cannot write to {folder}: {error.strerror or error}. {advice}"
        ) from error

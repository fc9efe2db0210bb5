"""Files that are on the disk when we say so, and words for when they cannot be."""

import contextlib
import hashlib
import os

from sslzoo.errors import CannotWrite, SslzooError

CACHE_ADVICE = "Make room, or name another place: SSLZOO_CACHE=DIR or cache_dir=DIR."


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path):
    """Returns when the file or folder `path` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder):
    """Returns when `folder`, with all that is in it, is on the disk."""
    for path, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(os.path.join(path, name))
        sync(path)


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

"""What can go wrong for a user. Every kind is also what Python would raise."""

import difflib


class SslzooError(Exception):
    """Any error whose message is meant for the user; the command shows only that."""


class UnknownName(SslzooError, ValueError):
    """A name (of a knob, a backbone, a kind of data) that we do not have."""


class BadInput(SslzooError, ValueError):
    """A file, a folder or a value that does not hold what it should."""


class MissingFile(SslzooError, FileNotFoundError):
    """A file or folder that is not there."""


class CannotWrite(SslzooError, OSError):
    """A place that cannot be written to: read-only, full, or in use."""


class CannotFetch(SslzooError, ConnectionError):
    """A file that could not be had over the network, or must not be."""


class MissingExtra(SslzooError, ImportError):
    """An optional dependency that is not installed; the message has the line."""


class RunStopped(SslzooError, RuntimeError):
    """A run that cannot or must not go on: collapse, bad data, a full disk."""


class Diverged(RunStopped):
    """A run whose loss or weights are not numbers any more."""


class Interrupted(RunStopped):
    """A run that was asked to stop, and did, with all that it had done kept."""


def nearest(name, known):
    """The words " Did you mean ...?", or none where no known name is near."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""

"""A file from an address: whole, checked, and only once, however bad the connection.

<target>.part         what has come so far; goes on where it was cut off
<target>.part.json    of what it is a part: the address, and the server's mark of it
<target>.lock         held by the one process that fetches
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from sslzoo import __version__, disk
from sslzoo.errors import BadInput, CannotFetch, CannotWrite, MissingFile, SslzooError
from sslzoo.zoo import cache, files

CHUNK = 1 << 18
LONGEST = 30  # Seconds between two attempts.
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class _Passing(Exception):
    """A failure that may be gone when it is tried again."""


def fetch(
    url,
    target,
    sha256=None,
    size=None,
    progress=True,
    allow_http=False,
    timeout=30,
    attempts=5,
    pause=1,
    offline=None,
):
    """Fetches `url` into the file `target`, if it is not there already.

    Args:
        sha256, size: what the file must have; one that has not is not left there.
        progress: whether to show a bar, where standard error is a terminal.
        allow_http: whether it may come by plain http, which anyone on the way can
            change. Only a sha256 makes that safe.
        timeout: seconds without a byte after which the connection is given up.
        attempts: how often in a row it may fail without one more byte.
        pause: seconds before the next attempt; twice as many after each.

    Returns:
        `target`, a pathlib.Path.
    """
    target = pathlib.Path(target)
    _check_address(url, allow_http)
    with (
        files.writing(target.parent, files.CACHE_ADVICE),
        files.lock(_beside(target, ".lock")),
    ):
        # Another process may have fetched it while we waited.
        if target.is_file() and not _wrong(target, sha256, size):
            return target
        if why := cache.why_offline(offline):
            raise MissingFile(f"{why} and {target} is not there, from {url}.")
        with _bar(target.name, progress) as show:
            part = _Part(url, target, sha256, size, allow_http, timeout, show)
            part.complete(attempts, pause)
            if part.joined and part.wrong():
                part.forget()  # Perhaps of two different files. Once more, in one.
                part.complete(attempts, pause)
        if words := part.wrong():
            part.forget()
            raise BadInput(
                f"Checksum mismatch for {url} ({words}). The file was removed; retry, "
                "or tell those who publish it."
            )
        disk.sync(part.path)
        os.replace(part.path, target)
        disk.sync(target.parent)
        part.forget()
    return target


class _Part:
    """What has come so far of the file that is at `url`."""

    def __init__(self, url, target, sha256, size, allow_http, timeout, show):
        self.url, self.sha256, self.size = url, sha256, size
        self.timeout, self.show = timeout, show
        self.path, self.notes = _beside(target, ".part"), _beside(target, ".part.json")
        self.opener = urllib.request.build_opener(_Redirects(allow_http))
        self.joined = False  # Whether it came in several pieces.

    def have(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def wrong(self):
        return _wrong(self.path, self.sha256, self.size)

    def forget(self):
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)
        self.joined = False

    def complete(self, attempts, pause):
        """Lets it grow until it is whole, through what passes."""
        failures, most = 0, self.have()
        while True:
            try:
                return self._grow()
            except _Passing as error:
                if self.sha256 and self.have() and not self.wrong():
                    return None  # All there, whatever the server says of its length.
                failures = 1 if self.have() > most else failures + 1
                most = max(most, self.have())
                if failures >= attempts:
                    raise CannotFetch(
                        f"Cannot fetch {self.url}: {error}, {attempts} times in a row. "
                        f"What has come ({self.have()} bytes) is kept: the same "
                        "command goes on from there. For machines without network "
                        "there is `sslzoo bundle`."
                    ) from None
                time.sleep(min(LONGEST, pause * 2 ** (failures - 1)))

    def _grow(self):
        """Asks for what is missing, once."""
        have, mark = self.have(), self._mark()
        headers = {"User-Agent": f"sslzoo/{__version__}", "Accept-Encoding": "identity"}
        if have and (mark or self.sha256):  # Else two files could be joined unseen.
            headers["Range"] = f"bytes={have}-"
            headers.update({"If-Range": mark} if mark else {})
        request = urllib.request.Request(self.url, headers=headers)
        try:
            with self.opener.open(request, timeout=self.timeout) as response:
                self._take(response, have)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, have)
        except SslzooError:
            raise
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise CannotFetch(
                    f"Cannot trust {self.url}: {reason}. If your network has a "
                    "certificate of its own, SSL_CERT_FILE=FILE names it."
                ) from None
            if isinstance(reason, TimeoutError):
                reason = f"no byte for {self.timeout} seconds"
            raise _Passing(str(reason) or type(reason).__name__) from None

    def _take(self, response, have):
        """Writes what a response has to where it belongs."""
        if response.status == 206:
            if _range(response)[0] != have:
                self.forget()
                raise _Passing("the server sent another part than it was asked for")
            self.joined = True
        else:  # The whole, from its start: it was asked for, or it has changed.
            have, self.joined = 0, False
            self._set_mark(response.headers)
        length = response.headers.get("Content-Length", "")
        end = have + int(length) if length.isdecimal() else self.size
        with self._writing():
            file = open(self.path, "ab" if have else "wb", buffering=0)
        with file:
            while chunk := response.read1(CHUNK):
                have += len(chunk)
                with self._writing():
                    while chunk:
                        chunk = chunk[file.write(chunk) :]
                self.show(have, end)
                if self.size is not None and have > self.size:
                    self.forget()
                    raise CannotFetch(
                        f"{self.url} has more than the {self.size} bytes expected."
                    )
        if end is not None and have < end:
            raise _Passing(f"the connection ended after {have} of {end} bytes")

    @contextlib.contextmanager
    def _writing(self):
        """Around what may fail because of our disk, and not of the network."""
        try:
            with files.writing(self.path.parent, files.CACHE_ADVICE):
                yield
        except CannotWrite:
            self.forget()  # It would only keep a full disk full.
            raise

    def _refused(self, error, have):
        status = f"{error.code} {error.reason}"
        if error.code in _AGAIN:
            raise _Passing(status)
        if error.code == 416 and have:  # There is nothing more from here on.
            if _range(error)[1] != have:
                self.forget()
                raise _Passing(status)
            self.joined = True
        elif error.code in (401, 403, 407):
            raise CannotFetch(
                f"{self.url} is not for everyone ({status}): its owner asks for an "
                "account or for consent. Fetch it by hand and pass the file's path."
            )
        elif error.code in (404, 410):
            raise CannotFetch(
                f"{self.url} is not there ({status}). Look for a slip in the address; "
                "a newer sslzoo may know where it is now: pip install -U sslzoo."
            )
        else:
            raise CannotFetch(f"Cannot fetch {self.url}: {status}.")

    def _mark(self):
        """What the server called the file of which this is a part, if it did."""
        with contextlib.suppress(OSError, ValueError):
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
            if notes["url"] == self.url:
                return notes["mark"]
        return None

    def _set_mark(self, headers):
        mark = headers.get("ETag") or headers.get("Last-Modified")
        if mark and mark.startswith("W/"):  # Only nearly the same is not enough.
            mark = None
        with self._writing():
            told = json.dumps({"url": self.url, "mark": mark})
            self.notes.write_text(told, encoding="utf-8")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows, but never from https to plain http."""

    def __init__(self, allow_http):
        self.allow_http = allow_http

    def redirect_request(self, request, file, code, words, headers, url):
        _check_address(url, self.allow_http)
        return super().redirect_request(request, file, code, words, headers, url)


def _check_address(url, allow_http):
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme == "http" and not allow_http:
        raise CannotFetch(
            f"{url} comes by plain http, which anyone on the way can change. Give "
            "https://; or if there is nothing else, have it fetched once by "
            "sslzoo.load(NAME, allow_http=True)."
        )
    if scheme not in ("https", "http"):
        raise CannotFetch(f"{url} is no https:// address.")


def _range(response):
    """(first byte, bytes in all) of what is sent; None for what is not said."""
    words = response.headers.get("Content-Range", "")
    first = re.match(r"bytes (\d+)-", words)
    total = re.search(r"/(\d+)$", words)
    return first and int(first.group(1)), total and int(total.group(1))


def _wrong(path, sha256, size):
    """How the file at `path` is not as expected; "" if it is."""
    got = path.stat().st_size
    if size is not None and got != size:
        return f"expected {size} bytes, got {got}"
    if sha256 is not None and (digest := disk.sha256(path)) != sha256:
        return f"expected {sha256}, got {digest}, {got} bytes"
    return ""


def _beside(target, ending):
    return target.with_name(target.name + ending)


@contextlib.contextmanager
def _bar(name, wanted):
    """A function (bytes done, bytes in all or None) that shows how far it is."""
    if not wanted or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import console, progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console.Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

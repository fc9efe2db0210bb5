"""Models in one file, .zip or .tar: the same bytes for the same models, every time."""

import contextlib
import errno
import gzip
import lzma
import os
import pathlib
import secrets
import shutil
import stat
import tarfile
import zipfile
import zlib

from sslzoo import disk
from sslzoo.errors import BadInput
from sslzoo.zoo import sums

KINDS = (".zip", ".tar")
DAMAGED = (FileExistsError, NotADirectoryError)  # Names that exclude each other.
DAMAGED += (tarfile.TarError, zipfile.BadZipFile, EOFError)
DAMAGED += (gzip.BadGzipFile, lzma.LZMAError, zlib.error)  # Of what others packed.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # The first moment that a .zip can tell.


def pack(models, out):
    """Writes the archive `out`, at once or not at all.

    Args:
        models: {name: its folder}.
    """
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    before = {name: sums.identity(folder) for name, folder in models.items()}
    try:
        with _writer(draft, out.suffix) as add:
            for name, folder in sorted(models.items()):
                for path in sorted([*sums.read(folder), sums.NAME]):
                    add(pathlib.Path(folder) / path, f"{name}/{path}")
        for name, folder in models.items():
            if sums.identity(folder) != before[name]:
                raise BadInput(f"{name} was replaced while it was packed. Try again.")
        disk.sync(draft)
        os.replace(draft, out)
        disk.sync(out.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _writer(path, kind):
    """A function (file, its name inside) that adds a file, stored as it is."""
    if kind == ".zip":
        with zipfile.ZipFile(path, "w") as archive:

            def add(file, name):
                member = zipfile.ZipInfo(name, _LONG_AGO)
                member.external_attr = (stat.S_IFREG | 0o644) << 16
                member.file_size = os.path.getsize(file)
                with open(file, "rb") as source, archive.open(member, "w") as target:
                    shutil.copyfileobj(source, target)

            yield add
    else:
        with tarfile.open(path, "w") as archive:

            def add(file, name):
                member = tarfile.TarInfo(name)
                member.size = os.path.getsize(file)
                with open(file, "rb") as source:
                    archive.addfile(member, source)

            yield add


def unpack(path, folder, origin):
    """Unpacks an archive into the empty `folder`.

    Only plain files that stay in it: a link, a device or a path that leads out is an
    error, and nobody should trust the rest.

    Args:
        origin: what to call the archive in an error.
    """
    try:
        for name, plain, open_member in _members(path, origin):
            if not plain or sums.leaves(name):
                raise BadInput(
                    f"{origin} has {name!r}, which "
                    f"{'leaves the folder' if plain else 'is a link or a device'}. "
                    "Do not use it: models are plain files."
                )
            target = pathlib.Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_member() as source, open(target, "xb") as file:
                shutil.copyfileobj(source, file)
    except DAMAGED as error:
        raise BadInput(f"{origin} is damaged: {error}.") from None
    except RuntimeError as error:  # So zipfile says it, NotImplementedError among them.
        raise BadInput(
            f"{origin} is packed in a way that is not read here: {error}. Unpack it by "
            "what packed it, and give the folder; or pack it with no password, by "
            "deflate."
        ) from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise BadInput(
            f"{origin} has {_short(name)}, a name too long for this disk. Models have "
            "short names: it is damaged, or no model."
        ) from None


def _short(name):
    return repr(name if len(name) < 80 else f"{name[:80]} ...")


def _members(path, origin):
    """(name, whether it is a plain file, how to open it) of each, but folders."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for one in archive.infolist():
                kind = stat.S_IFMT(one.external_attr >> 16)
                if not one.is_dir():
                    # What made it on a system without such kinds says 0.
                    plain = kind in (0, stat.S_IFREG)
                    yield one.filename, plain, lambda one=one: archive.open(one)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            for one in archive:
                if not one.isdir():
                    plain = one.isreg() and not one.issparse()
                    yield one.name, plain, lambda one=one: archive.extractfile(one)
    else:
        raise BadInput(
            f"{origin} is no archive: neither .zip nor .tar. Of models of sslzoo "
            "`sslzoo bundle NAME --out NAME.zip` makes one."
        )

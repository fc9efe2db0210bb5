"""What a folder of images holds, before a run finds out: `sslzoo check DIR`."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import os
import statistics
import threading

import numpy as np

from sslzoo.data import decode
from sslzoo.data.base import file_of, labelled, where
from sslzoo.data.sources import Folder
from sslzoo.errors import BadInput

TINY = 32  # pixels, of the short side
EXTENSIONS = {  # What names promise, where Pillow calls the format otherwise.
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".pgm": "PPM",
}


@dataclasses.dataclass
class Report:
    """What was found. Names are file names, or the item's number where it has none."""

    name: str
    count: int  # images there are
    read: int = 0  # of them read
    complete: bool = True  # False: it was interrupted
    bad: dict[str, str] = dataclasses.field(default_factory=dict)  # name: reason
    formats: dict[str, int] = dataclasses.field(default_factory=dict)
    misnamed: dict[str, str] = dataclasses.field(default_factory=dict)  # name: format
    sizes: dict[str, tuple] = dataclasses.field(
        default_factory=dict
    )  # min, median, max
    tiny: list[str] = dataclasses.field(default_factory=list)
    grayscale: int = 0
    cmyk: int = 0
    alpha: int = 0
    turned: int = 0  # that EXIF turns or mirrors
    duplicates: list[list[str]] = dataclasses.field(default_factory=list)  # same bytes
    classes: dict[str, int] | None = None  # how many images each has
    skipped: list[str] = dataclasses.field(default_factory=list)  # no images

    def as_dict(self):
        return dataclasses.asdict(self)


def scan(source, workers=None, progress=None):
    """Reads all images of a source, or of a folder by its path.

    An interruption (ctrl-C) ends it early; the report then holds what was found so
    far, and `complete` is False.

    Args:
        progress: called as progress(done, count) now and then.
    """
    if isinstance(source, (str, os.PathLike)):
        source = Folder(source)
    skipped = list(getattr(source, "others", ()))
    report = Report(source.name, source.count, skipped=skipped)
    found = [None] * source.count
    stop = threading.Event()

    def look(start):
        here = range(start, min(start + 16, source.count))
        for index in here:
            if stop.is_set():
                break
            found[index] = _look(source, index)
        return len(here)

    pool = concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count())
    try:
        done = 0
        parts = [pool.submit(look, start) for start in range(0, source.count, 16)]
        for part in concurrent.futures.as_completed(parts):
            done += part.result()
            if progress:
                progress(done, source.count)
    except KeyboardInterrupt:
        report.complete = False
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    _summarize(report, source, [item for item in found if item is not None])
    return report


def _look(source, index):
    """All that the report needs of one image."""
    seen = {"index": index, "name": file_of(source, index) or str(index)}
    try:
        data = source.encoded(index) if hasattr(source, "encoded") else None
        if isinstance(data, bytes):
            seen["hash"] = hashlib.sha256(data).digest()
            seen["head"] = decode.header(data)
            pixels, _ = decode.read(data)
            decode.examine(data)
        else:
            pixels = source.read(index, only=("image",))["image"]
            seen["hash"] = hashlib.sha256(np.ascontiguousarray(pixels)).digest()
        seen["size"] = pixels.shape[:2]
    except (BadInput, OSError) as error:
        seen["bad"] = str(error).removeprefix(f"{where(source, index)}: ")
    return seen


def _summarize(report, source, found):
    report.read = len(found)
    report.bad = {item["name"]: item["bad"] for item in found if "bad" in item}
    good = [item for item in found if "bad" not in item]
    for item in good:
        if "head" in item:
            _describe(report, item["name"], item["head"])
    report.formats = dict(collections.Counter(report.formats).most_common())
    if good:
        heights, widths = zip(*(item["size"] for item in good))
        shorts = [min(item["size"]) for item in good]
        for key, values in zip(
            ("height", "width", "short side"), (heights, widths, shorts)
        ):
            middle = statistics.median(values)
            report.sizes[key] = (min(values), middle, max(values))
    report.tiny = [item["name"] for item in good if min(item["size"]) < TINY]
    same = collections.defaultdict(list)
    for item in good:
        same[item["hash"]].append(item["name"])
    report.duplicates = [names for names in same.values() if len(names) > 1]
    if "label" in source.fields:
        labels = collections.Counter(int(label) for label in labelled(source))
        names = source.classes or [str(k) for k in range(max(labels) + 1)]
        report.classes = {name: labels[k] for k, name in enumerate(names)}


def _describe(report, name, head):
    report.formats[head.format] = report.formats.get(head.format, 0) + 1
    report.grayscale += head.mode in ("1", "L", "LA", "I", "F") or "I;" in head.mode
    report.cmyk += head.mode == "CMYK"
    report.alpha += head.alpha
    report.turned += head.orientation != 1
    kind = os.path.splitext(name)[1].lower()
    promised = EXTENSIONS.get(kind, kind[1:].upper())
    if kind and head.format not in (promised, "MPO"):
        report.misnamed[name] = head.format


def show(report, console=None):
    """Prints the report as tables."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console()
    table = Table("what", "how many", "which", title=escape(report.name))

    def row(what, count, names=()):
        which = ", ".join(str(name) for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        table.add_row(what, str(count), escape(which + more))

    row("images", report.count)
    if not report.complete:
        row("read before it was interrupted", report.read)
    row("bad", len(report.bad), [f"{n}: {why}" for n, why in report.bad.items()])
    for kind, count in report.formats.items():
        row(kind, count)
    row("named as another format", len(report.misnamed), list(report.misnamed))
    for what in ("grayscale", "cmyk", "alpha", "turned"):
        row(what, getattr(report, what))
    row(f"tiny (below {TINY})", len(report.tiny), report.tiny)
    copies = sum(len(names) - 1 for names in report.duplicates)
    row("copies of another", copies, [" = ".join(n) for n in report.duplicates])
    row("skipped, no images", len(report.skipped), report.skipped)
    console.print(table)

    sizes = Table("pixels", "smallest", "median", "largest")
    for key, values in report.sizes.items():
        sizes.add_row(key, *(f"{value:g}" for value in values))
    console.print(sizes)
    if report.classes is not None:
        classes = Table("class", "images")
        for name, count in report.classes.items():
            classes.add_row(escape(name), str(count))
        console.print(classes)

import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from sslzoo.data import check, sources
from sslzoo.errors import BadInput, MissingFile


def picture(seed=0, height=40, width=50):
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture
def photos(tmp_path):
    """Ten images of two classes, three of them bad, and what is no image."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    picture(0).save(tmp_path / "cat" / "0.jpg")
    picture(1).save(tmp_path / "cat" / "1.png")
    picture(2).convert("L").save(tmp_path / "cat" / "gray.png")
    picture(3).convert("CMYK").save(tmp_path / "cat" / "cmyk.jpg")
    picture(4, 100, 200).convert("RGBA").save(tmp_path / "dog" / "alpha.png")
    picture(5, 300, 400).save(tmp_path / "dog" / "turned.jpg", exif=exif)
    picture(6, 8, 90).save(tmp_path / "dog" / "tiny.png")
    (tmp_path / "dog" / "copy.jpg").write_bytes(
        (tmp_path / "cat" / "1.png").read_bytes()
    )
    data = (tmp_path / "dog" / "turned.jpg").read_bytes()
    (tmp_path / "dog" / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "dog" / "empty.jpg").write_bytes(b"")
    (tmp_path / "dog" / "text.jpg").write_text("<html>not found</html>")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_bad_images_are_found_with_reasons(photos):
    bad = check.scan(photos).bad
    assert sorted(bad) == ["dog/cut.jpg", "dog/empty.jpg", "dog/text.jpg"]
    assert "truncated" in bad["dog/cut.jpg"]
    assert bad["dog/empty.jpg"] == "it is empty (0 bytes)"
    assert "<html>" in bad["dog/text.jpg"]


def test_a_jpeg_with_an_end_but_not_all_data_is_found(photos):
    """Also where no more than a row of blocks is missing: `read` gives that."""
    data = (photos / "dog" / "turned.jpg").read_bytes()
    for name, part in {"most": 0.3, "few": 0.9995}.items():
        kept = data[: int(part * len(data))] + data[-2:]
        (photos / "dog" / f"{name}.jpg").write_bytes(kept)
    bad = check.scan(photos).bad
    assert "data end before" in bad["dog/most.jpg"]
    assert "data end before" in bad["dog/few.jpg"]


def test_everything_else_is_counted(photos):
    report = check.scan(str(photos), workers=3)
    assert report.count == report.read == 11 and report.complete
    assert report.formats == {"PNG": 5, "JPEG": 3}
    assert report.misnamed == {"dog/copy.jpg": "PNG"}
    assert (report.grayscale, report.cmyk, report.alpha, report.turned) == (1, 1, 1, 1)
    assert report.tiny == ["dog/tiny.png"]
    assert report.duplicates == [["cat/1.png", "dog/copy.jpg"]]
    assert report.classes == {"cat": 4, "dog": 7}
    assert report.skipped == ["notes.txt"]
    # Heights 40 (five of them), 100, 400 (turned) and 8.
    assert report.sizes["height"] == (8, 40, 400)
    assert report.sizes["width"] == (50, 50, 300)
    assert report.sizes["short side"] == (8, 40, 300)


def test_the_report_is_json(photos):
    report = check.scan(photos)
    assert json.loads(json.dumps(report.as_dict()))["bad"] == report.bad


def test_the_report_is_printed(photos):
    file = io.StringIO()
    check.show(check.scan(photos), Console(file=file, width=160))
    shown = file.getvalue()
    for words in ("dog/cut.jpg: truncated", "cat/1.png = dog/copy.jpg", "notes.txt"):
        assert words in shown


def test_progress_reaches_the_end(photos):
    seen = []
    check.scan(photos, progress=lambda *n: seen.append(n))
    assert seen[-1] == (11, 11)


def test_an_interruption_keeps_what_was_found(tmp_path):
    for index in range(200):
        picture(index, 9, 9).save(tmp_path / f"{index:03}.png")

    def interrupt(done, count):
        raise KeyboardInterrupt

    report = check.scan(tmp_path, workers=1, progress=interrupt)
    assert not report.complete
    assert 16 <= report.read < 200 and report.count == 200
    file = io.StringIO()
    check.show(report, Console(file=file, width=100))
    assert "interrupted" in file.getvalue()


def test_a_source_is_checked_as_a_folder_is():
    images = np.zeros((3, 40, 40, 3), np.uint8)
    images[1] = 9
    report = check.scan(sources.Arrays(images, [0, 1, 1], name="mine"))
    assert report.duplicates == [["0", "2"]] and report.classes == {"0": 1, "1": 2}
    assert report.sizes["height"] == (40, 40, 40) and not report.bad


def test_a_folder_without_images_or_missing_is_an_error(tmp_path):
    with pytest.raises(BadInput, match="It is empty"):
        check.scan(tmp_path)
    with pytest.raises(MissingFile):
        check.scan(tmp_path / "absent")

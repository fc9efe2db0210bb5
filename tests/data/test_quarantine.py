import csv
import errno
import itertools
import os
import threading

import numpy as np
import pytest
from PIL import Image

from sslzoo.data import sources
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput, RunStopped


class Damaged(sources.Synthetic):
    """Noise, but for some items."""

    def __init__(self, count, bad=()):
        super().__init__(count)
        self.broken = set(bad)

    def file(self, index):
        return f"{index}.jpg"

    def _image(self, index, window, smallest):
        if index in self.broken:
            raise BadInput(f"{self.name}, item {index} ({index}.jpg): it is\nbroken")
        return super()._image(index, window, smallest)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def same(one, two):
    return np.array_equal(one["image"], two["image"]) and one["label"] == two["label"]


def test_good_items_are_untouched(tmp_path):
    source = Damaged(50, [3])
    quarantine = Quarantine(source, tmp_path / "quarantine.csv", threshold=0.1)
    for index in set(range(50)) - {3}:
        assert same(quarantine.read(index), source.read(index))
    assert not (tmp_path / "quarantine.csv").exists() and not quarantine.bad


def test_a_bad_item_is_another_item_with_its_own_label():
    source = Damaged(50, [3])
    item = Quarantine(source, threshold=0.1).read(3)
    others = [i for i in range(50) if i != 3 and same(source.read(i), item)]
    assert len(others) == 1


def test_what_replaces_an_item_depends_on_nothing_read_before():
    source = Damaged(50, range(0, 50, 7))
    orders = [range(50), range(49, -1, -1), np.random.default_rng(0).permutation(50)]
    runs = []
    for order in orders:
        quarantine = Quarantine(source, threshold=0.5)
        items = {index: quarantine.read(index) for index in order}
        runs.append([items[index] for index in range(50)])
    for items in runs[1:]:
        assert all(same(one, two) for one, two in zip(runs[0], items))


def test_neighbours_are_replaced_by_different_items():
    """Else runs of bad files (a broken disk) would show one image again and again."""
    quarantine = Quarantine(Damaged(1000))
    first = {quarantine.replacement(index, 1) for index in range(100)}
    assert len(first) > 85


@pytest.mark.parametrize("count", [1, 2, 3, 4, 12, 30, 97])
def test_every_other_item_is_tried_once(count):
    quarantine = Quarantine(Damaged(count))
    for index in range(count):
        tried = [quarantine.replacement(index, k) for k in range(1, count)]
        assert sorted(tried) == [i for i in range(count) if i != index]


def test_bad_items_are_named_once(tmp_path):
    path = tmp_path / "quarantine.csv"
    quarantine = Quarantine(Damaged(100, [3, 40]), path, threshold=0.05)
    for index in (3, 40, 3, 3, 40):
        quarantine.read(index)
    assert rows(path) == [
        ["source", "index", "file", "reason"],
        ["synthetic:100", "3", "3.jpg", "it is broken"],
        ["synthetic:100", "40", "40.jpg", "it is broken"],
    ]


def test_two_tasks_that_share_a_source_and_a_file_name_an_item_once(tmp_path):
    path = tmp_path / "quarantine.csv"
    tasks = [Quarantine(Damaged(100, [3]), path) for _ in range(2)]
    for quarantine in tasks:
        quarantine.read(3)
        assert list(quarantine.bad) == [3]
    assert len(rows(path)) == 2


def test_threads_write_each_row_whole_and_once(tmp_path):
    path, bad = tmp_path / "quarantine.csv", range(0, 300, 3)
    quarantine = Quarantine(Damaged(300, bad), path, threshold=0.5)

    def work():
        for index in range(300):
            quarantine.read(index)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, *found = rows(path)
    assert sorted(int(row[1]) for row in found) == list(bad)
    assert all(len(row) == 4 for row in found)


def test_a_resumed_run_goes_on_counting(tmp_path):
    path = tmp_path / "quarantine.csv"
    Quarantine(Damaged(100, [3, 40]), path, threshold=0.02).read(3)
    resumed = Quarantine(Damaged(100, [3, 40, 60]), path, threshold=0.02)
    assert list(resumed.bad) == [3]
    resumed.read(3)
    resumed.read(40)
    assert len(rows(path)) == 3
    with pytest.raises(RunStopped, match="3 of 100 images are bad"):
        resumed.read(60)


def test_a_run_stopped_once_does_not_start_again_unless_mended(tmp_path):
    path = tmp_path / "quarantine.csv"
    quarantine = Quarantine(Damaged(100, [3, 40]), path)
    quarantine.read(3)
    with pytest.raises(RunStopped):
        quarantine.read(40)
    with pytest.raises(RunStopped):
        Quarantine(Damaged(100), path)
    Quarantine(Damaged(100), path, threshold=0.02)
    path.unlink()
    Quarantine(Damaged(100), path)


def test_half_a_row_of_a_killed_run_is_dropped(tmp_path):
    path = tmp_path / "quarantine.csv"
    path.write_text("source,index,file,reason\nsynthetic:100,3,3.jpg,bad\nsynth")
    quarantine = Quarantine(Damaged(100, [3, 40]), path, threshold=0.05)
    quarantine.read(40)
    assert [row[1] for row in rows(path)] == ["index", "3", "40"]
    assert rows(path)[2][0] == "synthetic:100"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_list_that_cannot_be_written_stops_the_run_and_loses_no_row(
    tmp_path, disk, code
):
    for at in itertools.count():
        path = tmp_path / f"{at}.csv"
        Quarantine(Damaged(100, [3]), path).read(3)
        before = path.read_text()
        quarantine = Quarantine(Damaged(100, [3, 40]), path, threshold=0.05)
        with disk.failing(code, at) as failed:
            if at < 2:
                with pytest.raises(RunStopped, match=f"{at}.csv: .*Make room"):
                    quarantine.read(40)
                assert os.strerror(code) in str(quarantine.stopped)
            else:
                quarantine.read(40)
        if not failed:
            break
        assert path.read_text() == before
        again = Quarantine(Damaged(100, [3, 40]), path, threshold=0.05)
        again.read(40)
        assert [row[1] for row in rows(path)] == ["index", "3", "40"]
    assert at == 2  # To open it, and to write.


def test_half_a_row_of_a_full_disk_is_noticed_and_mended(tmp_path, disk, monkeypatch):
    path, write = tmp_path / "quarantine.csv", os.write
    quarantine = Quarantine(Damaged(100, [3]), path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[:30]))
        with pytest.raises(RunStopped, match="No space left"):
            quarantine.read(3)
    half = path.read_text()
    assert len(half) == 30
    for at in range(3):  # To open the new file, to write it, to put it in place.
        with disk.failing(errno.ENOSPC, at):
            with pytest.raises(RunStopped, match="No space left"):
                Quarantine(Damaged(100, [3]), path)
        assert path.read_text() == half
    Quarantine(Damaged(100, [3]), path).read(3)
    assert [row[1] for row in rows(path)] == ["index", "3"]


def test_rows_of_other_sources_and_of_other_files_do_not_count(tmp_path):
    path = tmp_path / "quarantine.csv"
    path.write_text(
        "source,index,file,reason\nelse,1,1.jpg,bad\nsynthetic:100,2,gone.jpg,bad\n"
    )
    assert not Quarantine(Damaged(100), path).bad
    assert len(rows(path)) == 3


def test_another_file_is_not_overwritten(tmp_path):
    (tmp_path / "notes.csv").write_text("my,own,table\n")
    with pytest.raises(BadInput, match="no list of bad images"):
        Quarantine(Damaged(100), tmp_path / "notes.csv")


@pytest.mark.parametrize(
    "count, threshold, allowed",
    [(1000, 0.01, 10), (1000, 0.0159, 15), (10, 0.01, 1), (2, 0.5, 1), (100, 0, 0)],
)
def test_more_than_the_threshold_stops_the_run(count, threshold, allowed):
    """One bad image alone is never too many, unless none is allowed."""
    quarantine = Quarantine(Damaged(count, range(allowed + 1)), threshold=threshold)
    for index in range(allowed):
        source = Damaged(count, range(allowed))
        Quarantine(source, threshold=threshold).read(index)
    with pytest.raises(RunStopped):
        for index in range(allowed + 1):
            quarantine.read(index)
    assert isinstance(quarantine.stopped, RunStopped)
    with pytest.raises(RunStopped):  # Other workers stop too.
        quarantine.read(count - 1)


def test_the_error_names_the_first_ten_and_the_list(tmp_path):
    path = tmp_path / "quarantine.csv"
    quarantine = Quarantine(Damaged(1000, range(15)), path, threshold=0.012)
    with pytest.raises(RunStopped) as stop:
        for index in range(15):
            quarantine.read(index)
    message = str(stop.value)
    assert "13 of 1000" in message and "1.2% allowed" in message
    assert str(path) in message and "and 3 more" in message
    assert message.count(".jpg") == 10 and "item 0 (0.jpg): it is" in message


@pytest.mark.parametrize("threshold", [0, 0.01, 1])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_source_without_one_good_item_stops(count, threshold):
    with pytest.raises(RunStopped):
        Quarantine(Damaged(count, range(count)), threshold=threshold).read(0)


def test_files_that_are_cut_or_gone_are_replaced(tmp_path):
    for index in range(6):
        noise = np.random.default_rng(index).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{index}.jpg")
    source = sources.Folder(tmp_path)
    cut = (tmp_path / "2.jpg").read_bytes()[:-100]
    (tmp_path / "2.jpg").write_bytes(cut)
    (tmp_path / "4.jpg").unlink()
    quarantine = Quarantine(source, tmp_path / "quarantine.csv", threshold=0.5)
    for index in range(6):
        assert quarantine.read(index)["image"].shape == (20, 20, 3)
        assert quarantine.size(index) == (20, 20)
    (_, *found) = rows(tmp_path / "quarantine.csv")
    assert [row[2] for row in found] == ["2.jpg", "4.jpg"]
    assert "truncated" in found[0][3] and "No such file" in found[1][3]

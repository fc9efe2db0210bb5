import dataclasses
import logging

import pytest
import tensorflow as tf

from sslzoo.data import sources
from sslzoo.errors import BadInput, RunStopped
from sslzoo.evaluation import ladder
from sslzoo.recipe import Probe


class Damaged(sources.Synthetic):
    """Noise, of which the items `bad` cannot be read."""

    def __init__(self, count, bad=()):
        super().__init__(count)
        self.damaged = set(bad)

    def file(self, index):
        return f"{index}.jpg"

    def _image(self, index, window, smallest):
        if index in self.damaged:
            raise BadInput(f"{self.name}, item {index} ({index}.jpg): it is broken")
        return super()._image(index, window, smallest)


def colours(images, training=False):
    return {"pooled": tf.reshape(images[:, ::8, ::8], [-1, 48])}


def probe(bad=(), bad_of_test=()):
    return Probe(Damaged(200, bad), Damaged(100, bad_of_test), 32)


def said(caplog):
    return [one.getMessage() for one in caplog.records if one.name == "sslzoo"]


def without(count, bad):
    return sources.Subset(
        sources.Synthetic(count), [i for i in range(count) if i not in bad]
    )


def test_bad_images_are_left_out_as_if_they_were_not_there(caplog):
    with caplog.at_level(logging.WARNING, "sslzoo"):
        found = ladder.quick(colours, probe([3, 40], [7]))
    left = Probe(without(200, [3, 40]), without(100, [7]), 32)
    assert found == ladder.quick(colours, left)
    first, second = said(caplog)
    assert "2 of 200 images of synthetic:200 cannot be read" in first
    assert "3.jpg, 40.jpg" in first and "1 of 100" in second


def test_they_are_named_once_and_the_same_are_left_out_when_a_run_goes_on(
    tmp_path, caplog
):
    """Whatever else is in the list: the run's other sources write there too."""
    path = tmp_path / "quarantine.csv"
    guarded = ladder.guarded(probe([3]), path)
    with caplog.at_level(logging.WARNING, "sslzoo"):
        found = [ladder.quick(colours, guarded) for _ in range(2)]
    assert len(said(caplog)) == 1 and found[0] == found[1]
    (row,) = path.read_text().splitlines()[1:]
    assert row == "synthetic:200,3,3.jpg,it is broken"
    path.write_text(path.read_text() + "synthetic:200,4,4.jpg,its corner is broken\n")
    again = ladder.guarded(probe([3]), path)
    assert ladder.quick(colours, again) == found[0]


def test_many_bad_images_are_an_error_that_names_them():
    with pytest.raises(RunStopped, match="3 of 200 images are bad(.|\n)*3.jpg"):
        ladder.quick(colours, probe([3, 40, 50]))
    allowed = ladder.guarded(probe([3, 40, 50]), threshold=0.02)
    assert set(ladder.quick(colours, allowed)) == {"knn", "linear"}


def test_cached_images_of_one_size_are_left_out_too():
    bad = probe([0, 40], [7])
    sets = {key: sources.cached(getattr(bad, key)) for key in ("train", "test")}
    cached = dataclasses.replace(bad, **sets)
    assert cached.train.uniform
    assert ladder.quick(colours, cached) == ladder.quick(colours, bad)


def test_all_protocols_leave_them_out():
    runs = [("run", colours, colours)]
    left = Probe(without(200, [3]), Damaged(100), 32)
    one, other = (
        ladder.evaluate(runs, {"noise": each}, seeds=1) for each in (probe([3]), left)
    )
    for protocol in ladder.PROTOCOLS:
        of_one, of_other = (
            found["noise"][protocol]["runs"][0]["trained"]["top1"]
            for found in (one, other)
        )
        assert of_one == of_other

import io
import re
import types

import numpy as np
import pytest

from sslzoo.show import progress

ROW = {
    "epoch": 2, "step": 20, "loss": 1.23456, "tau": 0.99,
    "health": {"std": 0.71, "effective_rank": 43.04, "alignment": 0.31,
               "uniformity": -2.1, "dimensions": 256.0, "finite": 1.0},
    "probes": {"shapes": {"knn": 0.451, "linear": 0.5225}},
}  # fmt: skip
TIMING = {"epoch": 2, "seconds": 3.0, "images_per_second": 2140.4}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Loss:
    """A tensor that notes how often it is waited for."""

    reads = 0

    def __array__(self, dtype=None, copy=None):
        self.reads += 1
        return np.array(2.5, "float32")


def plan(accumulate=1, steps=40, per_epoch=10, batch_size=64):
    return types.SimpleNamespace(
        first=types.SimpleNamespace(batch_size=batch_size),
        accumulate=accumulate,
        steps=steps,
        steps_per_epoch=per_epoch,
    )


def run(bar, clock, loss, batches, seconds, start=0):
    for batch in range(start + 1, start + batches + 1):
        clock.now += seconds
        bar.stepped(batch, {"loss": loss})


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def started(file, batches=40, at=0, **options):
    clock = Clock()
    bar = progress.Bar(file=file, clock=clock, **options)
    bar.began(plan(), at, batches)
    return bar, clock


def test_a_bar_reads_the_figures_at_most_twice_a_second(terminal):
    bar, clock = started(terminal, 1000)
    loss = Loss()
    run(bar, clock, loss, 200, 0.1)
    bar.close()
    assert 20 <= loss.reads <= 40


def test_a_log_gets_a_line_every_half_minute_and_no_bar():
    file, loss = io.StringIO(), Loss()
    bar, clock = started(file, 1000)
    before = file.getvalue()
    run(bar, clock, loss, 100, 1.0)
    lines = file.getvalue()[len(before) :].splitlines()
    assert len(lines) == loss.reads == 3
    assert all("loss 2.5" in line for line in lines)
    assert "\x1b" not in file.getvalue()


def test_quiet_says_nothing_and_waits_for_nothing(terminal):
    for file in (terminal, io.StringIO()):
        loss = Loss()
        bar, clock = started(file, quiet=True)
        run(bar, clock, loss, 40, 60.0)
        bar.ended_epoch(ROW, TIMING)
        bar.said("Look here.")
        assert file.getvalue() == "" and loss.reads == 0


def test_an_epoch_is_one_line_with_all_that_was_measured():
    file = io.StringIO()
    bar, _ = started(file)
    before = file.getvalue()
    bar.ended_epoch(ROW, TIMING)
    (line,) = file.getvalue()[len(before) :].splitlines()
    assert line == (
        "epoch 2  loss 1.235  spread 0.71  rank 43.0  alignment 0.31  "
        "uniformity -2.10  shapes kNN 45.1 %, linear 52.2 %  2140 images/s"
    )


def test_images_that_could_not_be_read_are_told_at_each_epoch_and_at_the_end():
    words = progress.epoch_line(ROW, {**TIMING, "bad_images": 3})
    assert words.endswith("linear 52.2 %  3 unreadable  2140 images/s")
    for bad in (0, 3):
        file = io.StringIO()
        progress.result_table({"probes": {}, "bad_images": bad}, file)
        assert ("could not be read: 3" in file.getvalue()) == bool(bad)


def test_the_untrained_network_is_called_so():
    row = {"epoch": 0, "step": 0, "probes": {"shapes": {"knn": 0.25, "linear": 0.5}}}
    words = progress.epoch_line(row, {"epoch": 0})
    assert words == "untrained  shapes kNN 25.0 %, linear 50.0 %"


def test_speed_and_time_left_are_those_of_the_clock():
    file = io.StringIO()
    bar, clock = started(file, 241)
    # Two batches of 64 images a second; the first, which compiles, is not counted.
    clock.now += 100
    bar.stepped(1, {"loss": Loss()})
    bar.looked = clock.now
    run(bar, clock, Loss(), 60, 0.5, start=1)
    line = file.getvalue().splitlines()[-1]
    assert "step 61/241" in line and "128 images/s" in line
    assert "1 min left" in line  # 180 batches, 90 seconds.


def test_a_step_of_several_batches_counts_once():
    bar = progress.Bar(file=io.StringIO(), clock=Clock())
    bar.began(plan(accumulate=4), 0, 160)
    assert bar.place(0) == "epoch 1/4  step 0/40"
    assert bar.place(79) == "epoch 2/4  step 19/40"
    assert bar.place(160) == "epoch 4/4  step 40/40"


def test_the_bar_gives_the_terminal_back_after_the_last_epoch(terminal):
    bar, clock = started(terminal, 20)
    assert bar.bar is not None
    run(bar, clock, Loss(), 20, 1.0)
    assert "\x1b[?25l" in terminal.getvalue()  # The cursor is hidden,
    assert "\x1b[?25h" not in terminal.getvalue()
    bar.ended_epoch(ROW, TIMING)
    assert bar.bar is None
    assert "\x1b[?25h" in terminal.getvalue()  # and there again.


def test_what_is_said_comes_out_as_it_is():
    file = io.StringIO()
    bar, _ = started(file)
    words = "Checkpoint [red]step-3[/red] is damaged: " + "long " * 60
    bar.said(words)
    assert words in file.getvalue()


def test_a_loss_of_several_workers_is_read_like_one():
    assert progress.number(np.array([2.5])) == progress.number(np.array(2.5)) == 2.5


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3700, "1 h 1 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_are_short(seconds, words):
    assert progress.duration(seconds) == words


def test_the_table_of_a_result_has_both_scores_and_what_was_gained():
    file = io.StringIO()
    probes = {"shapes": {"random": {"knn": 0.25}, "trained": {"knn": 0.455}}}
    progress.result_table({"probes": probes}, file)
    for words in ("shapes", "kNN", "25.0 %", "45.5 %", "+20.5"):
        assert words in file.getvalue()


def test_a_result_without_probes_says_so():
    file = io.StringIO()
    progress.result_table({"probes": {}}, file)
    assert "no probes" in file.getvalue()


def test_a_ladder_shows_mean_and_interval_of_runs_in_percent():
    file = io.StringIO()
    of_three = {"mean": 0.437, "low": 0.431, "high": 0.443}
    of_one = {"mean": 0.329, "low": None, "high": None}
    row = {"trained": of_three, "random": of_one, "difference": of_three}
    runs = 3 * [{"run": "a", "trained": {"top1": 0.4}, "random": {"top1": 0.3}}]
    progress.ladder_table({"cifar10": {"knn": {**row, "runs": runs}}}, file)
    said = file.getvalue()
    assert "43.7 [43.1, 44.3]" in said and "32.9" in said and "Runs: 3" in said


def test_a_ladder_tells_how_far_the_deepest_fine_tuning_moved_each_layer():
    one = {"mean": 0.5, "low": None, "high": None}

    def found(r):
        shift = {"conv1": {"median": r, "low": r - 0.1, "high": 1.0}}
        shift["dead"] = dict.fromkeys(("median", "low", "high"), np.nan)
        rows = [{"run": "a", "trained": {"shift": shift}, "random": {"shift": shift}}]
        return {"trained": one, "random": one, "difference": one, "runs": rows}

    file = io.StringIO()
    told = {
        "knn": found(0.0),
        "fine-tuned: fc6": found(0.9),
        "fine-tuned: all": found(0.4),
    }
    told["knn"]["runs"][0]["trained"] = {}
    progress.ladder_table({"pets": told}, file)
    said = file.getvalue()
    assert "pets, fine-tuned: all: how features" in said
    assert said.count("0.40 [0.30, 1.00]") == 2 and "0.90 [" not in said
    assert "dead" in said and "–" in said


def test_a_count_is_drawn_twice_a_second_and_at_its_end(terminal):
    clock = Clock()
    count = progress.Count("images read", file=terminal, clock=clock)
    assert terminal.getvalue() == ""  # Work may need no bar.
    for done in range(1, 101):
        clock.now += 0.1
        count(done, 100)
    drawn = {int(n) for n in re.findall(r"(\d+)/100 images read", terminal.getvalue())}
    assert {1, 100} <= drawn and 15 <= len(drawn) <= 25
    count.close()


def test_a_count_says_nothing_to_a_log_nor_when_asked_not_to(terminal):
    log = io.StringIO()
    for count in (
        progress.Count("images read", file=log),
        progress.Count("images read", quiet=True, file=terminal),
    ):
        count(1, 2)
        count.close()
    assert log.getvalue() == terminal.getvalue() == ""

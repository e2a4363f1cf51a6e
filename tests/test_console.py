"""Progress as people see it: plain lines in a pipe, bars on a terminal."""

import io

import numpy as np
import pytest
from rich import progress as live
from rich.console import Console

from langevin_qtm import console
from langevin_qtm.progress import Progress


def test_plain_lines_are_rare(monkeypatch):
    clock = iter(np.arange(0.0, 100.0, 1.0))
    monkeypatch.setattr(console, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    report = console.Lines(Console(file=stream, width=100))
    report(Progress("prepare"))
    for done in range(11):
        report(Progress("measure", done, 20.0, "going well"))
    assert stream.getvalue().splitlines() == [
        "prepare",
        "measure: 0%, going well",
        "measure: 25%, 1/s, 0:00:15 left, going well",
        "measure: 50%, 1/s, 0:00:10 left, going well",
    ]


@pytest.mark.parametrize("total", [None, 0.0, float("inf"), float("nan")])
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_progress_without_a_total(total, terminal):
    stream = io.StringIO()
    with console.reporting(Console(file=stream, force_terminal=terminal, width=100)) as report:
        report(Progress("measure", 0.0, total))
        report(Progress("measure", 3.0, total, "still going"))
    assert "measure" in stream.getvalue()
    assert "left" not in stream.getvalue()


def test_live_bar_knows_rate_and_time_left(monkeypatch):
    clock = iter(np.arange(0.0, 1000.0, 10.0))
    monkeypatch.setattr(console, "monotonic", lambda: float(next(clock)))
    display = live.Progress(auto_refresh=False)
    bars = console.Bars(display)
    bars(Progress("prepare"))
    bars(Progress("measure", 0.0, 100.0))
    bars(Progress("measure", 20.0, 100.0, "error 3 %"))
    prepare, measure = display.tasks
    assert (prepare.description, prepare.finished) == ("prepare", True)
    assert (measure.description, measure.percentage) == ("measure", 20.0)
    assert measure.fields == {"pace": "2/s, 0:00:40 left", "message": "error 3 %"}


def test_far_ends_are_told_in_days():
    stage = console.Stage("measure", began=0.0, done=0.0)
    assert stage.pace(Progress("measure", 1.0, 1e6), 1.0) == "1/s, 11.6 days left"


def test_quiet_console_reports_nothing(capsys):
    with console.reporting(console.make_console(quiet=True)) as report:
        report(Progress("measure"))
    assert capsys.readouterr().out == ""

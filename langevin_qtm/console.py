"""What the command line shows: a live bar on a terminal, plain lines when piped, nothing when quiet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from rich import progress as live
from rich.console import Console

from langevin_qtm.progress import Progress

PIPE_WIDTH = 100
LINE_INTERVAL = 5.0  # seconds between plain lines of one stage
DAY = 86400.0


def make_console(quiet: bool = False) -> Console:
    """Console on standard output that prints text as it is; a fixed width when piped."""
    console = Console(quiet=quiet, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


@contextmanager
def reporting(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Receiver of `Progress` that suits the console."""
    if console.quiet:
        yield lambda _: None
    elif console.is_terminal:
        texts = [
            live.TextColumn(f"{{task.{text}}}", markup=False)
            for text in ("description", "fields[pace]", "fields[message]")
        ]
        columns = (texts[0], live.BarColumn(bar_width=24), live.TaskProgressColumn(), *texts[1:])
        with live.Progress(*columns, console=console) as display:
            bars = Bars(display)
            yield bars
            bars.close()
    else:
        yield Lines(console)


@dataclass(frozen=True)
class Stage:
    """A stage of the computation, and where it stood when first heard of."""

    name: str
    began: float
    done: float

    def pace(self, progress: Progress, now: float) -> str:
        """Rate since then and time left; empty until something was done."""
        advanced, seconds = progress.done - self.done, now - self.began
        if advanced <= 0 or seconds <= 0:
            return ""
        rate, total = advanced / seconds, _total(progress)
        left = f", {_duration(max(0.0, total - progress.done) / rate)} left" if total else ""
        return f"{rate:.3g}/s{left}"


def _total(progress: Progress) -> float | None:
    """Work in all, None while it cannot be told."""
    return progress.total if progress.total and math.isfinite(progress.total) else None


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))) if seconds < DAY else f"{seconds / DAY:.3g} days"


class Bars:
    """One live bar for each stage."""

    def __init__(self, display: live.Progress):
        self.display = display
        self.stage: Stage | None = None
        self.task = live.TaskID(0)

    def __call__(self, progress: Progress) -> None:
        now = monotonic()
        if self.stage is None or progress.stage != self.stage.name:
            self.close()
            self.stage = Stage(progress.stage, now, progress.done)
            self.task = self.display.add_task(progress.stage, total=None, pace="", message="")
        self.display.update(
            self.task,
            completed=progress.done,
            total=_total(progress),
            pace=self.stage.pace(progress, now),
            message=progress.message,
        )

    def close(self) -> None:
        """Mark the stage as done."""
        if self.stage is not None:
            self.display.update(self.task, completed=1.0, total=1.0, pace="")


class Lines:
    """A plain line for each new stage, then one every few seconds."""

    def __init__(self, console: Console):
        self.console = console
        self.stage: Stage | None = None
        self.printed = 0.0

    def __call__(self, progress: Progress) -> None:
        now = monotonic()
        if self.stage is None or progress.stage != self.stage.name:
            self.stage = Stage(progress.stage, now, progress.done)
        elif now - self.printed < LINE_INTERVAL:
            return
        self.printed = now
        total = _total(progress)
        share = f"{progress.done / total:.0%}" if total else ""
        details = ", ".join(filter(None, (share, self.stage.pace(progress, now), progress.message)))
        self.console.print(f"{progress.stage}: {details}" if details else progress.stage, soft_wrap=True)

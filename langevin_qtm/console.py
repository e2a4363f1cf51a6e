"""What the command line shows: a live bar on a terminal, plain lines when piped, nothing when quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich import progress as bars
from rich.console import Console
from rich.text import Text

from langevin_qtm.sampling.progress import Progress

PIPE_WIDTH = 100
LINE_INTERVAL = 5.0  # seconds between plain lines of one stage


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
        columns = (
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=24),
            bars.TaskProgressColumn(),
            RateColumn(),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[message]}", markup=False),
        )
        with bars.Progress(*columns, console=console) as display:
            yield Bars(display)
    else:
        yield Lines(console)


class RateColumn(bars.ProgressColumn):
    """Work per second, in the unit of the stage."""

    def render(self, task: bars.Task) -> Text:
        """The rate, once it is known."""
        return Text(f"{task.speed:.3g}/s" if task.speed else "")


class Bars:
    """One live bar for each stage."""

    def __init__(self, display: bars.Progress):
        self.display = display
        self.stage: str | None = None
        self.task = bars.TaskID(0)

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self.stage:
            self.close()
            self.stage = progress.stage
            self.task = self.display.add_task(progress.stage, message="")
        self.display.update(
            self.task, completed=progress.done, total=progress.total, message=progress.message
        )

    def close(self) -> None:
        """Mark the stage as done."""
        if self.stage is not None:
            self.display.update(self.task, completed=1.0, total=1.0)


class Lines:
    """A plain line for each new stage, then one every few seconds."""

    def __init__(self, console: Console):
        self.console = console
        self.stage: str | None = None
        self.began = self.printed = 0.0
        self.first = 0.0

    def __call__(self, progress: Progress) -> None:
        now = monotonic()
        if progress.stage != self.stage:
            self.stage, self.began, self.first = progress.stage, now, progress.done
        elif now - self.printed < LINE_INTERVAL:
            return
        self.printed = now
        self.console.print(self._line(progress, now - self.began), soft_wrap=True)

    def _line(self, progress: Progress, seconds: float) -> str:
        """Stage, share done, rate, time left, remark."""
        parts = []
        if progress.total:
            parts.append(f"{progress.done / progress.total:.0%}")
        advanced = progress.done - self.first
        if advanced > 0 and seconds > 0:
            rate = advanced / seconds
            parts.append(f"{rate:.3g}/s")
            if progress.total:
                parts.append(f"{max(0.0, progress.total - progress.done) / rate:.0f} s left")
        if progress.message:
            parts.append(progress.message)
        return f"{progress.stage}: {', '.join(parts)}" if parts else progress.stage

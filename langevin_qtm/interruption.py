"""Ctrl-C and SIGTERM: at once, or, while a run can keep its state, at its next opportunity."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128  # plus the signal: the exit status of shells


class Interrupted(KeyboardInterrupt):
    """The user, or the scheduler of a cluster, wants the program to end.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int):
        self.number = number
        super().__init__(signal.Signals(number).name)


def exit_status(error: KeyboardInterrupt) -> int:
    """Of an interrupted program: 130 after Ctrl-C, 143 after SIGTERM."""
    return STATUS + getattr(error, "number", signal.SIGINT)


class Interruption:
    """Signals to end: raised as `Interrupted`, or noted while deferred; a second one is never deferred."""

    def __init__(self) -> None:
        self.is_deferred = False
        self.asked: int | None = None

    def raise_if_asked(self) -> None:
        """Raise what was deferred."""
        if self.asked is not None:
            raise Interrupted(self.asked)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handler of signals."""
        if self.is_deferred and self.asked is None:
            self.asked = number
        else:
            raise Interrupted(number)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Catch both signals, except those that are ignored, as in background jobs of a shell."""
    interruption, before = Interruption(), {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:
                    before[number] = signal.signal(number, interruption.handle)
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

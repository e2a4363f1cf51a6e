"""Where independent pieces of work run: the one seam through which sweeps and ensembles go.

A sweep maps over its points, an ensemble over blocks of its trajectories. What comes of a task depends on the
task and on what all share, never on the engine, on the order, or on what runs beside it: every engine gives
the same numbers bit for bit, and a task that was lost may run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from langevin_qtm.interruption import Interruption
from langevin_qtm.progress import Report


@dataclass(frozen=True)
class Link:
    """How a task speaks with who waits for it.

    Attributes
    ----------
    report : callable
        Receives the `Progress` within the task.
    interruption : Interruption
        Tells the task to end.
    """

    report: Report = lambda _: None
    interruption: Interruption = field(default_factory=Interruption)


Task = TypeVar("Task")
Shared = TypeVar("Shared")
Result = TypeVar("Result")
Function = Callable[[Task, Shared, Link], Result]


@dataclass(frozen=True)
class Lost:
    """A task without result, since every process that ran it died.

    Attributes
    ----------
    sentence : str
        What happened.
    """

    sentence: str


class Engine(Protocol):
    """What runs tasks.

    Attributes
    ----------
    slots : int
        Tasks that it runs at a time.
    round_seconds : float
        How long a task should take where work can be cut anywhere: long beside what it costs to hand it out.
    """

    @property
    def slots(self) -> int: ...

    @property
    def round_seconds(self) -> float: ...

    def map_tasks(
        self, function: Function[Task, Shared, Result], tasks: Iterable[Task], shared: Shared, link: Link
    ) -> Iterator[tuple[int, Result | Lost]]:
        """Apply a function to every task.

        Parameters
        ----------
        function : callable
            Of a task, of what all tasks share, and of a link to who waits.
        tasks : iterable
            Drawn as they can be run, so that there may be any number of them.
        shared
            Handed to every task unchanged.
        link : Link
            To who waits for all.

        Yields
        ------
        place, result
            Place of the task in the iterable and what came of it, in the order in which tasks end.
        """
        ...


@dataclass(frozen=True)
class Threads:
    """Tasks in this process, in their order: one after another, or by threads that share them.

    Kernels release the interpreter lock. Tasks that write files need a single slot, since netCDF is not safe
    in threads.
    """

    slots: int = 1
    round_seconds: float = 1.0

    def map_tasks(
        self, function: Function[Task, Shared, Result], tasks: Iterable[Task], shared: Shared, link: Link
    ) -> Iterator[tuple[int, Result | Lost]]:
        """As in `Engine`."""
        if self.slots == 1:
            for place, task in enumerate(tasks):
                yield place, function(task, shared, link)
        else:
            with ThreadPoolExecutor(self.slots) as pool:
                yield from enumerate(pool.map(lambda task: function(task, shared, link), tasks))


HERE = Threads()  # one task after another: the reference

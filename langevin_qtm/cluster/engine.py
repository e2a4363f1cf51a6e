"""The engine on a cluster: hands out tasks, a few ahead for each worker, and takes what comes of them.

A task whose worker dies runs again on another; after the fourth death it is `Lost`. What has not been handed
out waits here, so that the load on the scheduler does not grow with the number of tasks.
"""

from __future__ import annotations

import queue
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from time import monotonic
from typing import Any
from uuid import uuid4

from distributed import Client, Future, KilledWorker

from langevin_qtm.cluster.worker import Answer, answer, ask_to_end, kept
from langevin_qtm.data.provenance import software
from langevin_qtm.progress import Progress
from langevin_qtm.tasks import Function, Link, Lost, Result, Shared, Task

AHEAD = 2  # tasks handed out for each one that can run
LOOK = 1.0  # seconds between looks at how many workers there are
PATIENCE = 20.0  # seconds that tasks have to keep their state when they are told to end
STATUS_WITHOUT_RESULT = ("cancelled", "lost")
LOST = "The scheduler was lost; what is finished is kept: give the same command to go on."


class Cluster:
    """Tasks on the workers of a scheduler, as many at a time as there are workers.

    Parameters
    ----------
    client : distributed.Client
    """

    round_seconds = 5.0

    def __init__(self, client: Client):
        self.client = client
        self._slots, self._looked = 0, -LOOK

    def __str__(self) -> str:
        count = len(self.client.nthreads())
        return (
            f"{count} worker{'s'[: count != 1]} of the scheduler at {self.client.scheduler_info()['address']}"
        )

    @property
    def slots(self) -> int:
        """Workers there are, at least one."""
        if monotonic() - self._looked >= LOOK:
            with _reached():
                self._slots, self._looked = len(self.client.nthreads()), monotonic()
        return max(1, self._slots)

    def map_tasks(
        self, function: Function[Task, Shared, Result], tasks: Iterable[Task], shared: Shared, link: Link
    ) -> Iterator[tuple[int, Result | Lost]]:
        """As in `Engine`.

        Raises
        ------
        InputError
            When a worker cannot give the numbers of this process.
        ConnectionError
            When the scheduler is lost.
        """
        session = _Session(self.client, function, shared, link)
        waiting = enumerate(tasks)
        try:
            while True:
                room = AHEAD * self.slots - len(session.places)
                for place, task in islice(waiting, max(0, room)):
                    session.submit(place, task)
                if not session.places:
                    break
                yield from session.ended()
        finally:
            with suppress(ConnectionError):
                session.close()


@contextmanager
def _reached() -> Iterator[None]:
    """Calls of the scheduler; errors of tasks do not come this way."""
    try:
        yield
    except (OSError, RuntimeError):
        raise ConnectionError(LOST) from None


class _Session:
    """The tasks of one call of `map_tasks` that are under way."""

    def __init__(self, client: Client, function: Function[Any, Any, Any], shared: Any, link: Link):
        self.client, self.function, self.link = client, function, link
        self.name = f"langevin_qtm-{uuid4().hex}"
        self.places: dict[Future, int] = {}
        self.events: queue.SimpleQueue[Future | Progress] = queue.SimpleQueue()
        self.software = software()
        self.shared = client.submit(kept, shared, pure=False)
        client.subscribe_topic(self.name, self._hear)

    def _hear(self, event: tuple[float, tuple[Any, ...]]) -> None:
        self.events.put(Progress(*event[1]))

    def submit(self, place: int, task: Any) -> None:
        """Hand out one task."""
        with _reached():
            future = self.client.submit(
                answer, self.function, task, self.shared, self.name, self.software, pure=False
            )
        self.places[future] = place
        future.add_done_callback(self.events.put)

    def ended(self) -> Iterator[tuple[int, Any]]:
        """Wait a little, tell the progress, and take what has ended."""
        done = self._next_events(LOOK)
        whole = [future for future in done if future.status == "finished"]
        with _reached():
            answers = self.client.gather(whole)
        for future, found in zip(whole, answers, strict=True):
            yield self.places.pop(future), self._opened(found)
        for future in done:
            if future in self.places and future.status == "pending":
                future.add_done_callback(self.events.put)  # its worker died with the result: it runs again
            elif future in self.places:
                yield self.places.pop(future), self._without_result(future)

    def _next_events(self, seconds: float) -> list[Future]:
        """Tasks that ended since the last call; waits for one that long."""
        done: list[Future] = []
        with suppress(queue.Empty):
            event = self.events.get(timeout=seconds)
            while True:
                if isinstance(event, Progress):
                    self.link.report(event)
                elif event in self.places:
                    done.append(event)
                event = self.events.get_nowait()
        return done

    def _opened(self, found: Answer) -> Any:
        for category, message in found.warnings:
            warnings.warn(message, category, stacklevel=2)
        return found.result

    def _without_result(self, future: Future) -> Lost:
        if future.status in STATUS_WITHOUT_RESULT:
            raise ConnectionError(LOST)
        with _reached():
            error = future.exception()
        if isinstance(error, KilledWorker):
            return Lost(
                f"The worker died {error.allowed_failures + 1} times at this task; see that it has memory."
            )
        raise error

    def close(self) -> None:
        """Leave nothing behind; what still runs is told to keep its state, and has a little time to do so."""
        try:
            if self.places and self.client.status == "running":
                with _reached():
                    self.client.run(ask_to_end, self.name, on_error="ignore")
                end = monotonic() + PATIENCE
                while self.places and monotonic() < end:
                    for future in self._next_events(LOOK):
                        del self.places[future]
        finally:
            if self.client.status == "running":
                with _reached():
                    self.client.unsubscribe_topic(self.name)
                    self.client.cancel([*self.places, self.shared])

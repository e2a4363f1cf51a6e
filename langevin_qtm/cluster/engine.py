"""The engine on a cluster: hands out tasks, and takes what comes of them.

Short tasks go out in bundles, a bundle ahead for each worker; long ones singly to workers that are idle, so
that none waits behind another. The scheduler is told which worker, or it would pile tasks up where the things
are that they share. What has not been handed out waits here, so that its load does not grow with the number
of tasks. A task whose worker dies runs again on another; after four deaths it is `Lost`.
"""

from __future__ import annotations

import queue
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from math import inf
from time import monotonic
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from distributed import Client, Future, KilledWorker

from langevin_qtm.cluster.worker import Answer, answer, ask_to_end, kept
from langevin_qtm.data.provenance import software
from langevin_qtm.progress import Progress
from langevin_qtm.tasks import Function, Link, Lost, Result, Shared, Task

SHORT = 0.25  # seconds of a bundle of tasks, long beside what it costs to hand it out
PACE = 100.0  # bundles a second that a scheduler and this process manage with ease
MOST = 64  # tasks in a bundle
NOWHERE = ""  # while there is no worker yet
SWAY = 0.2  # weight of the latest bundle in the time of a task
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
        self._workers: list[str] = []
        self._looked = -LOOK

    def __str__(self) -> str:
        count = len(self.workers)
        return (
            f"{count} worker{'s'[: count != 1]} of the scheduler at {self.client.scheduler_info()['address']}"
        )

    @property
    def slots(self) -> int:
        """Workers there are, at least one."""
        return max(1, len(self.workers))

    @property
    def workers(self) -> list[str]:
        """Addresses of the workers there are, looked up now and then."""
        if monotonic() - self._looked >= LOOK:
            with _reached():
                self._workers, self._looked = list(self.client.nthreads()), monotonic()
        return self._workers

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
            while session.hand_out(waiting, self.workers):
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
    """The tasks of one call of `map_tasks` that are under way, in bundles; each with its place."""

    def __init__(self, client: Client, function: Function[Any, Any, Any], shared: Any, link: Link):
        self.client, self.function, self.link = client, function, link
        self.name = f"langevin_qtm-{uuid4().hex}"
        self.bundles: dict[Future, list[tuple[int, Any]]] = {}
        self.homes: WeakKeyDictionary[Future, str] = WeakKeyDictionary()  # the worker that each was meant for
        self.returned: deque[tuple[int, Any]] = deque()  # that a bundle had no time for
        self.suspects: deque[tuple[int, Any]] = deque()  # of a bundle whose workers died: one by one
        self.seconds = inf  # that a task takes, of late
        self.events: queue.SimpleQueue[Future | Progress] = queue.SimpleQueue()
        self.software = software()
        self.shared = client.submit(kept, shared, pure=False)
        client.subscribe_topic(self.name, self._hear)

    def _hear(self, event: tuple[float, tuple[Any, ...]]) -> None:
        self.events.put(Progress(*event[1]))

    def hand_out(self, waiting: Iterator[tuple[int, Any]], workers: list[str]) -> bool:
        """As much as these workers can use; whether anything is under way."""
        length = max(SHORT, len(workers) / PACE)
        is_short = self.seconds < length
        size = min(MOST, int(length / max(self.seconds, 1e-6))) if is_short else 1
        load = dict.fromkeys(workers or [NOWHERE], 0)
        for future in self.bundles:
            load[self.homes[future]] = load.get(self.homes[future], 0) + 1
        while len(self.bundles) < max(1, len(workers)) * (1 + is_short):
            bundle = [self.suspects.popleft()] if self.suspects else list(islice(self._next(waiting), size))
            if not bundle:
                break
            home = min(workers or [NOWHERE], key=load.__getitem__)
            load[home] += 1
            self._submit(bundle, length, home)
        return bool(self.bundles)

    def _next(self, waiting: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        while self.returned:
            yield self.returned.popleft()
        yield from waiting

    def _submit(self, bundle: list[tuple[int, Any]], seconds: float, home: str) -> None:
        tasks = [task for _, task in bundle]
        with _reached():
            future = self.client.submit(
                answer,
                self.function,
                tasks,
                self.shared,
                seconds,
                self.name,
                self.software,
                pure=False,
                workers=[home] if home else None,
                allow_other_workers=bool(home),
            )
        self.bundles[future], self.homes[future] = bundle, home
        future.add_done_callback(self.events.put)

    def ended(self) -> Iterator[tuple[int, Any]]:
        """Wait a little, tell the progress, and take what has ended."""
        done = self._next_events(LOOK)
        whole = [future for future in done if future.status == "finished"]
        with _reached():
            answers = self.client.gather(whole)
        for future, found in zip(whole, answers, strict=True):
            yield from self._opened(self.bundles.pop(future), found)
        for future in done:
            if future in self.bundles and future.status == "pending":
                future.add_done_callback(self.events.put)  # its worker died with the result: it runs again
            elif future in self.bundles:
                yield from self._without_result(self.bundles.pop(future), future)

    def _next_events(self, seconds: float) -> list[Future]:
        """Tasks that ended since the last call; waits for one that long."""
        done: list[Future] = []
        with suppress(queue.Empty):
            event = self.events.get(timeout=seconds)
            while True:
                if isinstance(event, Progress):
                    self.link.report(event)
                elif event in self.bundles:
                    done.append(event)
                event = self.events.get_nowait()
        return done

    def _opened(self, bundle: list[tuple[int, Any]], found: Answer) -> Iterator[tuple[int, Any]]:
        """Results of the tasks that a worker had time for."""
        for category, message in found.warnings:
            warnings.warn(message, category, stacklevel=2)
        count = len(found.results)
        self.returned.extend(bundle[count:])
        if count:
            own = found.seconds / count
            self.seconds = own if self.seconds == inf else self.seconds + SWAY * (own - self.seconds)
        for (place, _), result in zip(bundle[:count], found.results, strict=True):
            yield place, result

    def _without_result(self, bundle: list[tuple[int, Any]], future: Future) -> Iterator[tuple[int, Lost]]:
        """What to do with a bundle that failed."""
        if future.status in STATUS_WITHOUT_RESULT:
            raise ConnectionError(LOST)
        with _reached():
            error = future.exception()
        if not isinstance(error, KilledWorker):
            raise error
        if len(bundle) > 1:
            self.suspects.extend(bundle)
            return
        deaths = error.allowed_failures + 1
        yield bundle[0][0], Lost(f"The worker died {deaths} times at this task; see that it has memory.")

    def close(self) -> None:
        """Leave nothing behind; what still runs is told to keep its state, and has a little time to do so."""
        try:
            if self.bundles and self.client.status == "running":
                with _reached():
                    self.client.run(ask_to_end, self.name, on_error="ignore")
                end = monotonic() + PATIENCE
                while self.bundles and monotonic() < end:
                    for future in self._next_events(LOOK):
                        del self.bundles[future]
        finally:
            if self.client.status == "running":
                with _reached():
                    self.client.unsubscribe_topic(self.name)
                    self.client.cancel([*self.bundles, self.shared])

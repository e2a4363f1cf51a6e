"""What runs on a worker: a task, told from and to the process that asked for it."""

from __future__ import annotations

import signal
import warnings
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from time import monotonic
from typing import Any

import dask
from distributed import get_worker
from threadpoolctl import threadpool_limits

from langevin_qtm.data.provenance import software, software_difference
from langevin_qtm.errors import InputError
from langevin_qtm.interruption import Interruption
from langevin_qtm.progress import Progress
from langevin_qtm.tasks import Function, Link

OWN_FILES = {"scheduler": "synchronous"}  # or xarray asks the scheduler for a lock at every touch of a file
TELLING = 1.0  # seconds between two words of the progress within a task
_asked: defaultdict[str, Interruption] = defaultdict(Interruption)  # by session


@dataclass(frozen=True)
class Answer:
    """What a worker sends back of a bundle of tasks.

    Attributes
    ----------
    results : list
        What the function returned of the first tasks; those after have not begun.
    seconds : float
        Time that they took.
    warnings : tuple of (type, str)
        What it warned of.
    """

    results: list[Any]
    seconds: float
    warnings: tuple[tuple[type[Warning], str], ...]


def kept(shared: Any) -> Any:
    """What all tasks of a session share: itself a task, so that it is not lost with a worker."""
    return shared


def answer(
    function: Function[Any, Any, Any],
    bundle: list[Any],
    shared: Any,
    seconds: float,
    session: str,
    own: Mapping[str, Any],
) -> Answer:
    """Run a bundle of tasks, one after another, until so many seconds have passed.

    Raises
    ------
    InputError
        When this worker cannot give the numbers of the process that asks.
    """
    _require_single_thread()
    require_same_software(own)
    results: list[Any] = []
    interruption, began = _asked[session], monotonic()
    link = Link(Teller(session), interruption)
    with warnings.catch_warnings(record=True) as heard, threadpool_limits(1), dask.config.set(OWN_FILES):
        warnings.simplefilter("always")
        with suppress(KeyboardInterrupt):  # told to end
            while len(results) < len(bundle) and (not results or monotonic() - began < seconds):
                interruption.is_deferred = False
                interruption.raise_if_asked()
                results.append(function(bundle[len(results)], shared, link))
    said = tuple(dict.fromkeys((each.category, str(each.message)) for each in heard))
    return Answer(results, monotonic() - began, said)


def ask_to_end(session: str) -> None:
    """Tell what runs here to keep its state and end, and what comes after not to begin."""
    _asked[session].asked = signal.SIGTERM


class Teller:
    """Tells the progress within a task to all who listen to the session, not too often."""

    def __init__(self, session: str):
        self.session, self.told = session, monotonic()

    def __call__(self, progress: Progress) -> None:
        if monotonic() - self.told >= TELLING:
            self.told = monotonic()
            get_worker().log_event(self.session, astuple(progress))


def _require_single_thread() -> None:
    worker = get_worker()
    if worker.state.nthreads != 1:
        raise InputError(
            f"The worker {worker.address} runs {worker.state.nthreads} tasks at a time, which netCDF does "
            "not allow; start workers with `--nthreads 1`."
        )


def require_same_software(own: Mapping[str, Any]) -> None:
    """Refuse to compute what would differ from the numbers of the process that asks.

    Raises
    ------
    InputError
    """
    difference = software_difference(software(), own)
    if difference is not None:
        name, theirs, here = difference
        kinds = {"sources": "sources of langevin_qtm", "processor": "a processor of type"}
        raise InputError(
            f"The worker {get_worker().address} has {kinds.get(name, name)} {theirs}, but here it is {here}; "
            "start workers from the same environment and on the same type of processor, so that numbers do "
            "not depend on the place."
        )

"""Functions that workers run in tests, of a task, of what is shared, and of a link."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path

import numba
from distributed import get_worker
from threadpoolctl import threadpool_info
from xarray.backends.locks import get_dask_scheduler

from langevin_qtm.errors import AccuracyWarning, InputError
from langevin_qtm.progress import Progress


def scaled(task, shared, _link):
    return task * shared


def refusing(task, _shared, _link):
    if task == 3:
        raise InputError("three is not allowed")
    return task


def warning(task, _shared, _link):
    warnings.warn(f"task {task} is off", AccuracyWarning, stacklevel=1)
    warnings.warn(f"task {task} is off", AccuracyWarning, stacklevel=1)
    return task


def telling(task, _shared, link):
    for done in range(4):
        time.sleep(0.4)
        link.report(Progress("count", done, 4, f"of {task}"))
    return task


def surroundings(_task, _shared, _link):
    """What decides how many cores a task takes."""
    return {
        "tasks": get_worker().state.nthreads,
        "blas": max((each["num_threads"] for each in threadpool_info()), default=1),
        "numba": numba.config.NUMBA_NUM_THREADS,
        "openmp": os.environ.get("OMP_NUM_THREADS"),
        "hears interrupts": signal.getsignal(signal.SIGINT) != signal.SIG_IGN,
    }


def patient(task, shared, link):
    """Runs until it is told to end; notes that it began, and that it heard."""
    folder = Path(shared)
    (folder / f"{task}.began").touch()
    link.interruption.is_deferred = True
    while link.interruption.asked is None:
        time.sleep(0.01)
    (folder / f"{task}.heard").touch()
    link.interruption.raise_if_asked()


def deadly(task, shared, _link):
    """Kills its worker; at every attempt for the last task, at the first otherwise."""
    mark = Path(shared) / str(task)
    if task == 2 or not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def lonely(task, _shared, _link):
    """Stops the scheduler for good."""
    get_worker().loop.add_callback(get_worker().scheduler.terminate)
    time.sleep(60)
    return task


def slower(task, shared, _link):
    """Tasks from `shared` on take longer than a bundle may."""
    time.sleep(0.1 if task >= shared else 0.0)
    return task


def lock_of_files(_task, _shared, _link):
    """Whose locks xarray takes here."""
    return get_dask_scheduler()

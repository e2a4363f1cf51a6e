"""Where workers come from: started on this machine for the time of a command, or those of a scheduler."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dask
from distributed import Client, LocalCluster, Worker, WorkerPlugin

from langevin_qtm.cluster.engine import Cluster
from langevin_qtm.errors import InputError

CONNECT_SECONDS = 20.0
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
OWN_CONFIG = {
    "distributed.admin.large-graph-warning-threshold": "1GB",  # a plan of steps is some megabytes
}


class DeafToInterrupts(WorkerPlugin):
    """Ctrl-C reaches all processes of a terminal; workers leave it to the one that started them."""

    def setup(self, worker: Worker) -> None:
        """Ignore it."""
        del worker
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def local_workers(count: int) -> Iterator[Cluster]:
    """Engine of so many new processes on this machine, which end with it, however it ends.

    Parameters
    ----------
    count : int
    """
    with (
        _environment(ONE_THREAD),
        dask.config.set(OWN_CONFIG),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(DeafToInterrupts())
        yield Cluster(client)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes started meanwhile have before they import anything; nothing of it stays."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def joined(scheduler: str) -> Iterator[Cluster]:
    """Engine of the workers of an existing scheduler; they stay when it is left.

    Parameters
    ----------
    scheduler : str
        Address, such as `tcp://10.0.0.1:8786`, or the path of the scheduler's file.

    Raises
    ------
    InputError
        When there is no scheduler.
    """
    file = scheduler if "://" not in scheduler and Path(scheduler).is_file() else None
    try:
        client = Client(
            None if file else scheduler,
            scheduler_file=file,
            timeout=CONNECT_SECONDS,
            set_as_default=False,
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"No scheduler answers at `{scheduler}` ({str(error).splitlines()[0]}); give the address that "
            "`dask scheduler` printed, or the path of its file."
        ) from None
    with client, dask.config.set(OWN_CONFIG):
        yield Cluster(client)

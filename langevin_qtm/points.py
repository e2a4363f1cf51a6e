"""Points of a sweep: each solved by itself, wherever that is, and kept as a file in one folder.

Files are named by the hash of the configuration, and complete or absent: what is there is not computed again,
so that a sweep can be killed, resumed and extended. A point that fails leaves its sentence beside.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from threadpoolctl import threadpool_limits

from langevin_qtm.combining import Outcome, averages_of
from langevin_qtm.data.files import (
    check_folder,
    new_mark,
    open_dataset,
    remove_all_leftovers,
    save,
    save_text,
)
from langevin_qtm.data.locks import exclusive
from langevin_qtm.data.provenance import provenance
from langevin_qtm.data.runfile import PeriodicSteadyStateSettings, Run, SecondOrderSettings, TransientSettings
from langevin_qtm.data.sweep import Point
from langevin_qtm.errors import FAILURES, InputError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.floating_point import within_range
from langevin_qtm.progress import Progress, Report
from langevin_qtm.resuming import Checkpoint, for_point
from langevin_qtm.tasks import Engine, Link

PATIENCE = 60.0  # seconds until a shared file system shows a new file everywhere


@dataclass(frozen=True)
class Desk:
    """What all points of a sweep share.

    Attributes
    ----------
    folder : Path, optional
        Where points are kept, absolute.
    command : tuple of str
    interval : float, optional
        Seconds between states of a point.
    engine : Engine, optional
        For the trajectories of one point; by default what `simulate` takes.
    retry : bool
        Whether points that failed before are tried again.
    mark : str
        Name of a file in the folder, by which whoever solves a point knows that it is the same folder.
    """

    folder: Path | None
    command: tuple[str, ...]
    interval: float | None
    engine: Engine | None
    retry: bool
    mark: str


def solve(
    run: Run, report: Report, keeper: Checkpoint | None = None, engine: Engine | None = None
) -> xr.Dataset:
    """Dataset by the method that the run file chose; only `simulate` has a state to keep, and tasks.

    Raises
    ------
    NumericalRangeError
        Where an operation overflows or has no value, rather than go on with infinities.
    """
    with within_range(), threadpool_limits(1):  # small matrices, and the same bits everywhere
        return _solved(run, report, keeper, engine)


def _solved(run: Run, report: Report, keeper: Checkpoint | None, engine: Engine | None) -> xr.Dataset:
    settings = run.solver
    if isinstance(settings, PeriodicSteadyStateSettings):
        report(Progress("periodic steady state"))
        return periodic_steady_state(run.machine, settings.tolerance, settings.phases)
    if isinstance(settings, SecondOrderSettings):
        report(Progress("second order"))
        return second_order(run.machine, settings.tolerance)
    if isinstance(settings, TransientSettings):
        from langevin_qtm.transients.transient import transient

        return transient(
            run.machine,
            settings.resolved_times(),
            settings.start,
            settings.start_time,
            lambda done, total: report(Progress("transient", done, total)),
        )
    from langevin_qtm.sampling.simulate import simulate

    return simulate(run.machine, settings, report, keeper, engine)


@contextmanager
def marked(folder: Path | None) -> Iterator[tuple[Path | None, str]]:
    """The folder of the points, absolute and free of what killed processes left, with a mark in it."""
    if folder is None:
        yield None, ""
        return
    check_folder(folder)
    folder = folder.resolve()
    with exclusive(folder):
        remove_all_leftovers(folder)
        mark = new_mark(folder)
        try:
            yield folder, mark.name
            remove_all_leftovers(folder)  # of workers that died
        finally:
            mark.unlink(missing_ok=True)


def solve_point(point: Point, desk: Desk, link: Link) -> Outcome:
    """Solve one point, and leave its file."""
    began, folder, keeper = time.perf_counter(), desk.folder, None
    if folder is not None:
        _require_same_folder(folder, desk.mark)
        if desk.interval is not None and point.run.solver.method == "simulate":
            keeper = for_point(point.run, _path(folder, point), link.interruption, desk.interval)
    try:
        dataset = solve(point.run, link.report, keeper, desk.engine)
    except FAILURES as error:
        if folder is not None:
            record = {"point_sha256": point.sha256, "error": type(error).__name__, "sentence": str(error)}
            save_text(json.dumps(record, indent=1), _failure_path(folder, point))
        return Outcome(None, str(error))
    dataset.attrs |= provenance(point.run, desk.command, time.perf_counter() - began)
    dataset.attrs["point_sha256"] = point.sha256
    if folder is not None:
        is_classic = isinstance(point.run.solver, PeriodicSteadyStateSettings)  # a fast method
        save(dataset, _path(folder, point), is_classic=is_classic)
        _failure_path(folder, point).unlink(missing_ok=True)
    if keeper is not None:
        keeper.remove()
    return Outcome(averages_of(dataset))


def _require_same_folder(folder: Path, mark: str) -> None:
    """Refuse to leave files where nobody looks for them; shared folders may show new files late."""
    end = time.monotonic() + PATIENCE
    while not (folder / mark).exists():
        if time.monotonic() > end:
            raise InputError(
                f"Folder `{folder}` is not the same on {socket.gethostname()}; give an output on a file "
                "system that all workers share."
            )
        time.sleep(0.5)


def has_file(point: Point, folder: Path) -> bool:
    """Whether an earlier run of the point left something."""
    return _path(folder, point).is_file() or _failure_path(folder, point).is_file()


def stored_point(point: Point, desk: Desk, _link: Link) -> Outcome | None:
    """Outcome of an earlier run of the point; None if there is none that can be used."""
    assert desk.folder is not None
    path, failure = _path(desk.folder, point), _failure_path(desk.folder, point)
    try:
        if path.is_file():
            dataset = open_dataset(path)
            if dataset.attrs.get("point_sha256") == point.sha256:
                return Outcome(averages_of(dataset), is_stored=True)
        if failure.is_file() and not desk.retry:
            record = json.loads(failure.read_text(encoding="utf-8"))
            if record["point_sha256"] == point.sha256:
                return Outcome(None, str(record["sentence"]), is_stored=True)
    except (InputError, ValueError, KeyError, TypeError):
        pass  # damaged: computed again, and replaced
    return None


def _path(folder: Path, point: Point) -> Path:
    return folder / f"{point.sha256[:16]}.nc"


def _failure_path(folder: Path, point: Point) -> Path:
    return folder / f"{point.sha256[:16]}.failed.json"

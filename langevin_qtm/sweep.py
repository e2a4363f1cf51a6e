"""Running: one run, or every point of a sweep into one dataset.

Points of slow methods are files, named by the hash of their configuration and complete or absent: what is
there is not computed again, so that a sweep can be killed, resumed and extended. Points that fail leave their
sentence beside; they are NaN in the combined dataset. `second_order` takes microseconds a point and no files.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from langevin_qtm.combining import Outcome, averages_of, combined_dataset
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
from langevin_qtm.data.sweep import Point, Sweep
from langevin_qtm.errors import FAILURES, InputError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.floating_point import within_range
from langevin_qtm.interruption import Interruption
from langevin_qtm.progress import Progress, Report
from langevin_qtm.resuming import Checkpoint, for_point
from langevin_qtm.second_order_sweep import second_order_sweep
from langevin_qtm.tasks import Engine, Link, Lost, Threads

PATIENCE = 60.0  # seconds until a shared file system shows a new file everywhere
HERE = Threads()


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


def run_sweep(
    sweep: Sweep,
    folder: str | Path | None = None,
    progress: Report | None = None,
    *,
    retry: bool = False,
    command: Sequence[str] | None = None,
    interval: float | None = None,
    engine: Engine = HERE,
    interruption: Interruption | None = None,
) -> xr.Dataset:
    """Run every point of a sweep, and combine.

    Parameters
    ----------
    sweep : Sweep
        From `load_sweep`.
    folder : str or Path, optional
        Where points are kept as files; those already there are not computed again. `second_order` keeps none.
    progress : callable, optional
        Receives `Progress` after every point, and within long ones.
    retry : bool
        Whether points that failed before are tried again.
    command : sequence of str, optional
        Command line for the history of the datasets, by default that of the process.
    interval : float, optional
        Seconds between writing the state of a point of `simulate` beside its file, from which it goes on
        where it was stopped. By default no state is written.
    engine : Engine
        Where points are solved, by default one after another in this process. Numbers do not depend on it.
    interruption : Interruption, optional
        Tells points to keep their state and end.

    Returns
    -------
    xarray.Dataset
        Averages of the schema with the dims of the sweep first; over these alone `failed` (0 or 1), `failure`
        (the sentence), `point_seed` where there are seeds, and the numbers that a single dataset has as
        attributes. Failed points are NaN.

    Raises
    ------
    InputError
        When the folder cannot be used or another process has it, or the method knows no protocols and the
        first point has one.
    OSError
        When a point cannot be written.
    """
    link = Link(progress or (lambda _: None), interruption or Interruption())
    command = tuple(sys.argv if command is None else command)
    _refuse_protocols(sweep)
    began = time.perf_counter()
    if isinstance(sweep.solver, SecondOrderSettings):
        dataset = second_order_sweep(sweep, link.report)
    else:
        own = None if engine is HERE else HERE  # workers have one thread each
        with _marked(None if folder is None else Path(folder)) as (path, mark):
            desk = Desk(path, command, interval, own, mark)
            dataset = combined_dataset(sweep, _outcomes(sweep, desk, engine, link, retry))
    dataset.attrs["sweep_dims"] = " ".join(sweep.dims)
    dataset.attrs |= provenance(sweep, command, time.perf_counter() - began)
    return dataset


@contextmanager
def _marked(folder: Path | None) -> Iterator[tuple[Path | None, str]]:
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
        finally:
            mark.unlink(missing_ok=True)


def _refuse_protocols(sweep: Sweep) -> None:
    """What no point can have is an error of the file, not of its points."""
    settings = sweep.solver
    if isinstance(settings, TransientSettings) or getattr(settings, "duration", None) is not None:
        return
    sweep.first.machine.require_bare_period(settings.method)


def failures(dataset: xr.Dataset) -> list[str]:
    """A line for each failed point of a combined dataset: where, and why."""
    failed = [tuple(index) for index in np.argwhere(dataset["failed"].values)]
    return [f"{place_of(dataset, index)}: {dataset['failure'].values[index]}" for index in failed]


def place_of(dataset: xr.Dataset, index: tuple[int, ...]) -> str:
    """Where a point is, in words."""
    dims = dataset["failed"].dims
    values = [dataset[dim].values[i] for dim, i in zip(dims, index, strict=True)]
    return ", ".join(f"{dim} = {_shown(value)}" for dim, value in zip(dims, values, strict=True))


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# ------------------------------------------------------------------------------------------ slow methods


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
    mark : str
        Name of a file in the folder, by which whoever solves a point knows that it is the same folder.
    """

    folder: Path | None
    command: tuple[str, ...]
    interval: float | None
    engine: Engine | None
    mark: str


def _outcomes(sweep: Sweep, desk: Desk, engine: Engine, link: Link, retry: bool) -> list[Outcome]:
    """Outcome of every point in the order of the file."""
    found: dict[tuple[int, ...], Outcome] = {}
    todo: list[Point] = []
    counts: Counter[str] = Counter()

    def add(point: Point, outcome: Outcome) -> None:
        found[point.index] = outcome
        counts["kept" if outcome.is_stored else "computed"] += 1
        counts["failed"] += bool(outcome.failure)

    def tell(remark: str = "") -> None:
        message = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        link.report(Progress("points", len(found), sweep.size, "; ".join(filter(None, (message, remark)))))

    def tell_within(progress: Progress) -> None:
        if progress.total and isfinite(progress.total):
            tell(f"{progress.stage} {min(1.0, progress.done / progress.total):.0%}")

    for point in sweep.points():
        kept = None if desk.folder is None else _stored(point, desk.folder, retry)
        if kept is None:
            todo.append(point)
        else:
            add(point, kept)
    tell()
    within = Link(tell_within, link.interruption)
    for place, outcome in engine.map_tasks(solve_point, todo, desk, within):
        add(todo[place], Outcome(None, outcome.sentence) if isinstance(outcome, Lost) else outcome)
        tell()
    return [found[index] for index in np.ndindex(*sweep.shape)]


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


def _stored(point: Point, folder: Path, retry: bool) -> Outcome | None:
    """Outcome of an earlier run of the point; None if there is none that can be used."""
    path, failure = _path(folder, point), _failure_path(folder, point)
    try:
        if path.is_file():
            dataset = open_dataset(path)
            if dataset.attrs.get("point_sha256") == point.sha256:
                return Outcome(averages_of(dataset), is_stored=True)
        if failure.is_file() and not retry:
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

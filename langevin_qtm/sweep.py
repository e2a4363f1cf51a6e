"""Every point of a sweep into one dataset.

Points of slow methods are files (`points`), computed by an engine; those that fail are NaN in the combined
dataset. `second_order` takes microseconds a point and no files.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path

import numpy as np
import xarray as xr

from langevin_qtm.combining import Outcome, combined_dataset
from langevin_qtm.data.provenance import provenance
from langevin_qtm.data.runfile import SecondOrderSettings, TransientSettings
from langevin_qtm.data.sweep import Point, Sweep
from langevin_qtm.interruption import Interruption
from langevin_qtm.points import Desk, has_file, marked, solve_point, stored_point
from langevin_qtm.progress import Progress, Report
from langevin_qtm.second_order_sweep import second_order_sweep
from langevin_qtm.tasks import HERE, Engine, Link, Lost, Threads


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
        own = None if isinstance(engine, Threads) else HERE  # workers have one thread each
        with marked(None if folder is None else Path(folder)) as (path, mark):
            desk = Desk(path, command, interval, own, retry, mark)
            dataset = combined_dataset(sweep, _outcomes(sweep, desk, engine, link))
    dataset.attrs["sweep_dims"] = " ".join(sweep.dims)
    dataset.attrs |= provenance(sweep, command, time.perf_counter() - began)
    return dataset


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


def _outcomes(sweep: Sweep, desk: Desk, engine: Engine, link: Link) -> list[Outcome]:
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

    for point, kept in _stored(sweep, desk, engine, link):
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


def _stored(sweep: Sweep, desk: Desk, engine: Engine, link: Link) -> Iterator[tuple[Point, Outcome | None]]:
    """Every point, and what an earlier run left of it."""
    points = list(sweep.points())
    there = [] if desk.folder is None else [point for point in points if has_file(point, desk.folder)]
    found: dict[tuple[int, ...], Outcome | None] = {}
    silent = Link(interruption=link.interruption)
    for place, outcome in engine.map_tasks(stored_point, there, desk, silent):
        found[there[place].index] = None if isinstance(outcome, Lost) else outcome
        link.report(Progress("stored points", len(found), len(there)))
    for point in points:
        yield point, found.get(point.index)

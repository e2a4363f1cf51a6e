"""Validation of sweeps: every point held against its exact values, one limit for all numbers together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from langevin_qtm.combining import COMBINED
from langevin_qtm.data.sweep import Point, sweep_of
from langevin_qtm.errors import InputError, NotConvergedError, UnstableMachineError
from langevin_qtm.interruption import Interruption
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.progress import Progress, Report
from langevin_qtm.schema import PERIOD_AVERAGES
from langevin_qtm.second_order_sweep import second_order_sweep
from langevin_qtm.sweep import place_of
from langevin_qtm.tasks import HERE, Engine, Link, Lost
from langevin_qtm.validation import FALSE_ALARM, validate


@dataclass(frozen=True)
class Verdict:
    """How one point of a sweep compares with its exact values.

    Attributes
    ----------
    place : str
        Where the point is.
    count : int
        Numbers compared.
    z : float
        Largest deviation, in standard errors or in units of the error bounds.
    label : str
        The number that is so far off.
    freedom : int, optional
        Trajectories less one; None where errors are bounds.
    """

    place: str
    count: int
    z: float
    label: str
    freedom: int | None = None

    def limit(self, total: int) -> float:
        """Largest deviation that agrees when so many numbers are compared in all."""
        return 1.0 if self.freedom is None else float(-stdtrit(self.freedom, FALSE_ALARM / (2 * total)))


@dataclass(frozen=True)
class SweepValidation:
    """Outcome of `validate_sweep`; the limit is shared among all numbers of all points.

    Attributes
    ----------
    verdicts : tuple of Verdict
        Of each point that could be compared.
    skipped : tuple of str
        Points without reference, and why.
    """

    verdicts: tuple[Verdict, ...]
    skipped: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Numbers compared at all points."""
        return sum(verdict.count for verdict in self.verdicts)

    @property
    def agrees(self) -> bool:
        """Whether every point agrees."""
        return not self.disagreeing

    @property
    def disagreeing(self) -> list[str]:
        """A line for each point that disagrees: where, and by how much."""
        return [self._line(each) for each in self.verdicts if each.z > each.limit(self.count)]

    def _line(self, verdict: Verdict) -> str:
        unit = "times the error bound" if verdict.freedom is None else "standard errors"
        limit = verdict.limit(self.count)
        return f"{verdict.place}: {verdict.label} off by {verdict.z:.2f} {unit}, limit {limit:.2f}"

    def __str__(self) -> str:
        worst = self._line(max(self.verdicts, key=lambda each: each.z / each.limit(self.count)))
        rest = f" {len(self.skipped)} points have no exact values." if self.skipped else ""
        if self.agrees:
            return f"Agrees: {self.count} numbers at {len(self.verdicts)} points; farthest at {worst}.{rest}"
        beyond = f"{len(self.disagreeing)} of {len(self.verdicts)} points"
        return f"Disagrees: {beyond} ({self.count} numbers); farthest at {worst}.{rest}"


def validate_sweep(
    dataset: xr.Dataset,
    progress: Report | None = None,
    engine: Engine = HERE,
    interruption: Interruption | None = None,
) -> SweepValidation:
    """Hold every point of a combined dataset against its exact values.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `run_sweep`, or read by `open_dataset`.
    progress : callable, optional
        Receives `Progress` after every point.
    engine : Engine
        Where exact values are computed, by default in this process.
    interruption : Interruption, optional

    Returns
    -------
    SweepValidation
        Failed points are left out.

    Raises
    ------
    InputError
        When the dataset is not that of a sweep, or no point can be compared.
    """
    sweep, report = sweep_of(dataset), progress or (lambda _: None)
    if sweep is None:
        raise InputError("The dataset is not that of a sweep; use `validate`.")
    whole = [point for point in sweep.points() if not dataset["failed"].values[point.index]]
    if not whole:
        raise InputError("All points of the sweep failed, so that nothing can be compared; see `failure`.")
    if dataset.attrs["method"] == "second_order":
        return SweepValidation(
            tuple(_second_order_verdicts(dataset, second_order_sweep(sweep, report), whole))
        )
    outcomes: dict[int, Verdict | str] = {}
    report(Progress("exact values", 0, len(whole)))
    link = Link(interruption=interruption or Interruption())
    for done, (place, outcome) in enumerate(engine.map_tasks(_verdict, whole, dataset, link), start=1):
        outcomes[place] = outcome.sentence if isinstance(outcome, Lost) else outcome
        report(Progress("exact values", done, len(whole)))
    found = [outcomes[place] for place in range(len(whole))]
    skipped = [
        f"{place_of(dataset, point.index)}: {outcome}"
        for point, outcome in zip(whole, found, strict=True)
        if isinstance(outcome, str)
    ]
    if len(skipped) == len(whole):
        raise InputError(f"No point could be compared, such as {skipped[0]}")
    return SweepValidation(tuple(each for each in found if isinstance(each, Verdict)), tuple(skipped))


def _verdict(point: Point, dataset: xr.Dataset, _link: Link) -> Verdict | str:
    """One point against the exact values of its machine; why not, where it has none."""
    try:
        validation = validate(_point_of(dataset, point))
    except (UnstableMachineError, NotConvergedError) as error:
        return str(error)
    worst, count = validation.worst, validation.compared or len(validation.judged)
    freedom = (
        round(float(_point_of(dataset, point).attrs["trajectories"])) - 1 if validation.is_sampled else None
    )
    return Verdict(place_of(dataset, point.index), count, abs(worst.z), worst.label, freedom)


def _second_order_verdicts(dataset: xr.Dataset, again: xr.Dataset, points: list[Point]) -> Iterator[Verdict]:
    """Every point against the formulas, solved again."""
    names = [name for name in PERIOD_AVERAGES if {name, f"{name}_error"} <= dataset.keys() & again.keys()]
    if not names:
        raise InputError("The dataset has no average with an error that could be compared; run it again.")
    shape = dataset["failed"].shape
    deviations, counts = np.zeros((len(names), *shape)), np.zeros(shape, dtype=int)
    for row, name in enumerate(names):
        value, reference = (_by_point(each, name, shape, again) for each in (dataset, again))
        errors = [_by_point(each, f"{name}_error", shape, again) for each in (dataset, again)]
        difference = np.abs(value - reference)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(difference == 0, 0.0, difference / (errors[0] + errors[1]))
        z = np.where(np.isnan(value) & np.isnan(reference), 0.0, np.where(np.isnan(z), np.inf, z))
        deviations[row] = z.max(axis=-1, initial=0.0)
        counts += np.isfinite(reference).sum(axis=-1)
    worst = deviations.argmax(axis=0)
    for point in points:
        row, place = worst[point.index], place_of(dataset, point.index)
        yield Verdict(place, int(counts[point.index]), float(deviations[row][point.index]), names[row])


def _by_point(dataset: xr.Dataset, name: str, shape: tuple[int, ...], like: xr.Dataset) -> FloatArray:
    """Values of one variable, the dims of the sweep first, all others in one."""
    return dataset[name].transpose(*like[name].dims).values.reshape(*shape, -1)


def _point_of(dataset: xr.Dataset, point: Point) -> xr.Dataset:
    """The dataset of one point, with its attributes."""
    chosen = dataset.isel(dict(zip(dataset["failed"].dims, point.index, strict=True)))
    own = [name for name in chosen.data_vars if not chosen[name].dims and name not in COMBINED]
    attrs = {str(name): chosen[name].item() for name in own}
    coords = {str(name): value.item() for name, value in chosen.coords.items() if not value.dims}
    chosen = chosen.drop_vars([*own, *coords])
    settings = point.run.solver.model_dump()
    own_settings = {name: settings[name] for name in coords if name in settings}
    attrs |= {n: json.dumps(value) if isinstance(value, dict) else value for n, value in own_settings.items()}
    chosen.attrs = chosen.attrs | attrs | {"machine": point.run.machine.model_dump_json()}
    del chosen.attrs["sweep_dims"]
    if "trajectories" in chosen.attrs:
        chosen.attrs["trajectories"] = round(float(chosen.attrs["trajectories"]))
    return chosen

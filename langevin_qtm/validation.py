"""Validation: a dataset held against the exact periodic steady state of its machine.

Sampled averages are judged by z = (value - exact) / error, with the standard error, the error of the exact
value and the bias allowance of the run in quadrature: its `step_error` plus `noise_fit_error`, relative to
the largest number of the kind. Powers and heat currents are one kind, since the small ones are differences of
the large ones; entropy production inherits their error over the temperatures. Ensembles over time are held
against `transient` at each of their times; the table shows the farthest one. The limit on the largest |z| is
the two-sided Student quantile at `FALSE_ALARM` shared evenly among all numbers (Bonferroni), so a correct
dataset is refused with a probability of at most `FALSE_ALARM`. Ratios to the square of a power are judged
where the power is `RESOLVED` standard errors from zero: closer, their distribution is far from normal.
Integrated averages are recomputed, and must agree within the sum of their error bounds; second order is held
against second order, since at finite coupling it differs from the exact values by right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text
from scipy.special import stdtrit
from threadpoolctl import threadpool_limits

from langevin_qtm.data.contents import start_of
from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import FAILURES, InputError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.second_order import second_order
from langevin_qtm.floating_point import within_range
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.report import (
    ERROR_TITLES,
    averages,
    companion,
    elements,
    error_number,
    is_over_time,
    number,
    numbers_table,
)
from langevin_qtm.schema import OVER_TIME, PERIOD_AVERAGES, SCHEMA
from langevin_qtm.transients.transient import transient

FALSE_ALARM = 1e-3
ROUNDING = 1e-12
RESOLVED = 5.0  # standard errors
CURRENTS = ("local_power", "power", "heat_current")
SQUARES = {"tur_ratio": "local_power", "tur_ratio_cnumber": "local_power", "power_tur_ratio": "power"}
SUPPLIES = {
    "efficiency": "heat_current",
    "conversion_efficiency": "local_power",
}  # ratios to the positive ones


@dataclass(frozen=True)
class Row:
    """One number of a dataset beside its references.

    Attributes
    ----------
    name, label : str
        Variable, and variable with its element: `local_power[A]`.
    value, se : float
        Value, and its standard error or error bound.
    exact, second_order : float
        References; NaN where they do not define the number.
    z : float
        Deviation in standard errors, or in units of the error bounds; NaN if not judged.
    """

    name: str
    label: str
    value: float
    se: float
    exact: float
    second_order: float
    z: float


@dataclass(frozen=True)
class Validation:
    """Outcome of `validate`.

    Attributes
    ----------
    rows : tuple of Row
    threshold : float
        Largest |z| that still agrees.
    is_sampled : bool
        Whether errors are standard errors, else error bounds.
    compared : int, optional
        Numbers compared, where rows show only the farthest of many.
    """

    rows: tuple[Row, ...]
    threshold: float
    is_sampled: bool
    compared: int | None = None

    @property
    def judged(self) -> tuple[Row, ...]:
        """Rows with a deviation."""
        return tuple(row for row in self.rows if not math.isnan(row.z))

    @property
    def worst(self) -> Row:
        """Row with the largest deviation."""
        return max(self.judged, key=lambda row: abs(row.z))

    @property
    def agrees(self) -> bool:
        """Whether no deviation exceeds the threshold."""
        return abs(self.worst.z) <= self.threshold

    def __str__(self) -> str:
        worst, count = self.worst, self.compared or len(self.judged)
        unit = "standard errors" if self.is_sampled else "times the error bound"
        reach = f"{abs(worst.z):.2f} {unit} in {worst.label}, limit {self.threshold:.2f}"
        if self.agrees:
            return f"Agrees: of {count} numbers the farthest is off by {reach}."
        beyond = sum(abs(row.z) > self.threshold for row in self.judged)
        return f"Disagrees: {beyond} of {count} numbers beyond the limit (*), the farthest by {reach}."

    def table(self) -> Table:
        """Each observable, its error, the exact and the second-order value, and the deviation."""
        error, deviation = ("_se", "z") if self.is_sampled else ("_error", "dev./error")
        table = numbers_table("value", ERROR_TITLES[error], "exact", "second order", deviation)
        for row in self.rows:
            if math.isnan(row.value) and math.isnan(row.exact):
                continue
            off = abs(row.z) > self.threshold
            table.add_row(
                Text(row.label),
                number(row.value, row.se),
                error_number(row.se),
                number(row.exact, row.se),
                number(row.second_order, row.se),
                "-  " if math.isnan(row.z) else f"{row.z:+.2f}{' *' if off else '  '}",
                style="bold red" if off else None,
            )
        return table


def validate(dataset: xr.Dataset) -> Validation:
    """Hold every period average of a dataset against the exact value.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `simulate`, `periodic_steady_state` or `second_order`, or read by `open_dataset`.

    Returns
    -------
    Validation
        Numbers without reference (a velocity variance that diverges with the band) are listed, not judged.

    Raises
    ------
    InputError
        When the dataset lacks its machine, its method, or averages with errors.
    UnstableMachineError, NotConvergedError
        When the reference does not exist, or is not reached.
    """
    if dataset.attrs.get("method") == "transient":
        raise InputError(
            "The dataset holds exact moments over time, against which sampled ones are validated; "
            "its own check is `energy_residual`."
        )
    machine, is_sampled = stored_machine(dataset), companion(dataset) == "_se"
    if is_over_time(dataset):
        return _validate_over_time(dataset, machine)
    is_second_order = dataset.attrs["method"] == "second_order"
    exact = _reference(periodic_steady_state, machine, is_needed=not is_second_order)
    perturbative = _reference(second_order, machine, is_needed=is_second_order)
    judge = perturbative if is_second_order else exact
    rows = tuple(_rows(dataset, exact, perturbative, judge, is_sampled))
    count = sum(not math.isnan(row.z) for row in rows)
    if count == 0:
        raise InputError(
            "The dataset has no period average with an error that could be compared; run it again."
        )
    if not is_sampled:
        return Validation(rows, 1.0, is_sampled)
    return Validation(rows, _limit(dataset, count), is_sampled)


def _limit(dataset: xr.Dataset, count: int) -> float:
    """Largest |z| that so many correct numbers exceed with probability `FALSE_ALARM`."""
    freedom = int(dataset.attrs.get("trajectories", 0)) - 1
    if freedom < 1:
        raise InputError("The dataset's attribute `trajectories` must be an integer >= 2; run it again.")
    return float(-stdtrit(freedom, FALSE_ALARM / (2 * count)))


def _validate_over_time(dataset: xr.Dataset, machine: Machine) -> Validation:
    """Every average at every time against the exact moments; one row for each element, at its farthest."""
    start, times = start_of(dataset), dataset["time"].values
    if start["kind"] == "continued":
        raise InputError(
            "The dataset continues another; only ensembles with a start of their own are compared."
        )
    with within_range():
        exact = transient(machine, times, start, float(dataset.attrs["start_time"]))
    rows, count = [], 0
    for name in (*PERIOD_AVERAGES, *OVER_TIME):
        if name not in dataset or f"{name}_se" not in dataset:
            continue
        dims = (*SCHEMA[name].dims, "time")
        ordered = exact.assign({name: exact[name].transpose(*dims)})
        values, errors = (dataset[n].transpose(*dims).values for n in (name, f"{name}_se"))
        allowance = _bias(dataset) * _scale(name, values, ordered)
        z = _deviations(dataset[name], values, errors, ordered, True, allowance)
        for label, index in elements(dataset, name):
            own = z[index]
            if np.all(np.isnan(own)):
                continue
            place = int(np.nanargmax(np.abs(own)))
            value, error, truth = (float(a[index][place]) for a in (values, errors, ordered[name].values))
            label = f"{label} at t = {times[place]:.4g}"
            rows.append(Row(name, label, value, error, truth, math.nan, float(own[place])))
            count += int(np.isfinite(own).sum())
    if not rows:
        raise InputError("The dataset has no average over time with an error; run it again.")
    return Validation(tuple(rows), _limit(dataset, max(count, 1)), True, count)


def _reference(
    solver: Callable[[Machine], xr.Dataset], machine: Machine, is_needed: bool
) -> xr.Dataset | None:
    """Dataset of a solver; None when this machine has none and it is only for the table."""
    try:
        with within_range(), threadpool_limits(1):  # as in runs: the same bits
            return solver(machine)
    except FAILURES:
        if is_needed:
            raise
        return None


def _rows(
    dataset: xr.Dataset,
    exact: xr.Dataset | None,
    perturbative: xr.Dataset | None,
    judge: xr.Dataset | None,
    is_sampled: bool,
) -> Iterator[Row]:
    bias = _bias(dataset)
    for name, values, errors in averages(dataset):
        columns = [_column(reference, name, values) for reference in (exact, perturbative)]
        allowance = bias * _scale(name, values, judge)
        z = _deviations(dataset[name], values, errors, judge, is_sampled, allowance)
        if is_sampled and not _has_divisor(name, dataset, judge):
            z = np.full_like(z, np.nan)
        elif is_sampled and name in SQUARES:
            z = np.where(_is_resolved(SQUARES[name], dataset, judge), z, np.nan)
        for label, index in elements(dataset, name):
            numbers = [float(array[index]) for array in (values, errors, *columns, z)]
            yield Row(name, label, *numbers)


def _has_divisor(name: str, dataset: xr.Dataset, judge: xr.Dataset | None) -> bool:
    """Whether something that an efficiency is relative to is resolved."""
    if name not in SUPPLIES:
        return True
    supply = SUPPLIES[name]
    if supply not in dataset:
        return False
    return bool(np.any(_is_resolved(supply, dataset, judge) & (dataset[supply].values > 0)))


def _is_resolved(name: str, dataset: xr.Dataset, judge: xr.Dataset | None) -> NDArray[np.bool_]:
    """Whether numbers are so far from zero, as sampled and in truth, that reciprocals have errors."""
    if name not in dataset or f"{name}_se" not in dataset:
        return np.zeros((), dtype=bool)
    sampled = np.abs(dataset[name].values)
    smallest = np.fmin(sampled, np.abs(_column(judge, name, sampled)))
    return smallest > RESOLVED * dataset[f"{name}_se"].values


def _scale(name: str, like: FloatArray, judge: xr.Dataset | None) -> float:
    """Number that the bias of a run is relative to."""

    def largest(*names: str) -> float:
        columns = [
            np.abs(_column(judge, each, like)) for each in names if judge is not None and each in judge
        ]
        return float(np.nan_to_num(np.concatenate([np.ravel(x) for x in columns] or [np.zeros(1)])).max())

    if judge is not None and name == "entropy_production":
        temperatures = stored_machine(judge).temperatures
        return largest(*CURRENTS) / float(temperatures.min()) if temperatures.min() > 0 else 0.0
    return largest(*CURRENTS) if name in CURRENTS else largest(name)


def _size(name: str, reference: FloatArray, judge: xr.Dataset | None) -> float:
    """Number that rounding is relative to; <x v> of one oscillator vanishes in every steady state."""
    if name == "position_velocity_covariance":
        squares = [_column(judge, each, reference) for each in ("position_covariance", "velocity_covariance")]
        return float(np.sqrt(np.prod([np.nan_to_num(np.abs(each)).max(initial=0.0) for each in squares])))
    return float(np.nan_to_num(np.abs(reference)).max(initial=0.0))


def _bias(dataset: xr.Dataset) -> float:
    """Bias that the run allows itself, relative to the largest number of a kind."""
    return sum(float(dataset.attrs.get(name, 0.0)) for name in ("step_error", "noise_fit_error"))


def _column(reference: xr.Dataset | None, name: str, like: FloatArray) -> FloatArray:
    """Values of a reference, NaN where it has none."""
    if reference is None or name not in reference:
        return np.full(np.shape(like), np.nan)
    return reference[name].values


def _deviations(
    variable: xr.DataArray,
    values: FloatArray,
    errors: FloatArray,
    judge: xr.Dataset | None,
    is_sampled: bool,
    allowance: float,
) -> FloatArray:
    """Deviations of one variable; NaN where it is not judged, infinite where a number is plainly wrong."""
    name = str(variable.name)
    reference = _column(judge, name, values)
    if "uv_sensitive" in variable.attrs:
        return np.full(np.shape(values), np.nan)
    bound = np.nan_to_num(_column(judge, f"{name}_error", values))
    slack = bound + ROUNDING * _size(name, reference, judge)
    difference = values - reference
    with np.errstate(divide="ignore", invalid="ignore"):
        allowed = np.hypot(errors, np.hypot(bound, allowance)) if is_sampled else errors + slack
        z = np.where(difference == 0, 0.0, difference / allowed)
    certain = is_sampled & (errors == 0)
    z = np.where(certain, np.where(np.abs(difference) <= slack, np.nan, np.copysign(np.inf, difference)), z)
    lost = np.isnan(values) & np.isfinite(reference) & ("undefined" not in variable.attrs)
    return np.where(lost, np.inf, z)

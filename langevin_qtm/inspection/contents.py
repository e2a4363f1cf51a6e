"""What a dataset holds, and which setting stores what it lacks."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import xarray as xr

from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.report import is_over_time

STORED_BY = {
    "position": "`solver.recording.trajectories`, at least 1",
    "velocity": "`solver.recording.trajectories`, at least 1",
    "noise": "`solver.recording.trajectories`, at least 1, in a run without `solver.duration`",
    "instantaneous_power": "`solver.recording.trajectories`, at least 1, in a run without `solver.duration`",
    "window_work": "`solver.recording.work_periods`, the drive periods in a window",
    "trajectory_work": "`solver.recording.work`, in a run with `solver.duration`",
    "noise_spectrum_target": "`solver.method` = 'simulate', without `solver.duration`",
    "local_power_phase": "a `solver.method` other than 'second_order', without `solver.duration`",
}


def kind_of(dataset: xr.Dataset) -> str:
    """ "sweep", "over time" or "steady".

    Raises
    ------
    InputError
        For a dataset that is not one of this package's solvers.
    """
    if "machine" not in dataset.attrs or "method" not in dataset.attrs:
        raise InputError(
            "The dataset was not written by a solver of langevin_qtm: it has no attributes `machine` and "
            "`method`; give the output of `langevin-qtm run`."
        )
    if "sweep_dims" in dataset.attrs:
        return "sweep"
    stored_machine(dataset)  # refuses what is none
    return "over time" if is_over_time(dataset) else "steady"


def require(dataset: xr.Dataset, *names: str) -> None:
    """Refuse a dataset that lacks a variable.

    Raises
    ------
    InputError
        Naming the variable, and the setting that stores it.
    """
    if kind_of(dataset) == "sweep":
        raise InputError(
            "The dataset holds all points of a sweep; look at one of them: its file in the folder of points, "
            "or a run of its own with `--set`."
        )
    for name in names:
        if name not in dataset or not dataset[name].size:
            setting = STORED_BY.get(name, "the method of the run file")
            raise InputError(f"The dataset has no `{name}`; it is stored by {setting}. Set it and run again.")


def require_pair(dataset: xr.Dataset) -> None:
    """Refuse a dataset of fewer than two oscillators."""
    if dataset.sizes["oscillator"] < 2:
        raise InputError("The dataset has one oscillator; locking needs two.")


def trajectory_of(dataset: xr.Dataset, number: int) -> xr.Dataset:
    """One stored trajectory.

    Raises
    ------
    InputError
        When nothing is stored, or not so many.
    """
    require(dataset, "position")
    stored = dataset.sizes["trajectory"]
    if not -stored <= number < stored:
        raise InputError(
            f"`trajectory` = {number} is not stored: there are {stored}, 0 to {stored - 1}; raise "
            "`solver.recording.trajectories` for more."
        )
    return dataset.isel(trajectory=number)


def step_of(dataset: xr.Dataset) -> float:
    """Time between samples of the stored trajectories."""
    times = dataset["time"].values
    return float((times[-1] - times[0]) / (len(times) - 1))


def require_bokeh() -> None:
    """Refuse to write a page without the library for it."""
    if find_spec("bokeh") is None:
        raise InputError("A page to browse needs Bokeh; install it with `pip install 'langevin_qtm[html]'`.")


def is_driven(dataset: xr.Dataset) -> bool:
    """Whether any coupling depends on time."""
    return bool(stored_machine(dataset).driven_reservoirs)


def errors_of(dataset: xr.Dataset, name: str) -> xr.DataArray | None:
    """Standard errors of a variable, or None."""
    return dataset.get(f"{name}_se")


def is_finite(variable: xr.DataArray | None) -> bool:
    """Whether there is a variable with a finite number in it."""
    return variable is not None and bool(np.isfinite(variable).any())

"""One dataset of all points of a sweep: averages stacked, attributes that differ as variables, failures.

Points that failed are NaN. What single datasets have as attributes becomes a variable over the dims of the
sweep where it is a number or differs from point to point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from langevin_qtm.data.axes import STATUS
from langevin_qtm.data.sweep import Sweep
from langevin_qtm.schema import OVER_TIME, PERIOD_AVERAGES, PHASE_RESOLVED, SCHEMA_VERSION, UNCERTAINTY

COMBINED = [n + suffix for n in PERIOD_AVERAGES | PHASE_RESOLVED | OVER_TIME for suffix in ("", *UNCERTAINTY)]
UNITS = dict.fromkeys(("relaxation_time", "time_step", "start_time", "duration", "look_ahead"), "omega_A^-1")
UNITS |= {"noise_band": "omega_A", "wall_seconds": "s"}
# Attributes of points that are the same for all, or belong to a point alone.
NOT_COMBINED = {"schema_version", "machine", "seed", "title", "source", "history", "created", "cpu_name"}
NOT_COMBINED |= {"config_json", "config_sha256", "point_sha256"}


@dataclass(frozen=True)
class Outcome:
    """What came of a point.

    Attributes
    ----------
    dataset : xarray.Dataset, optional
        Its averages; None if it failed.
    failure : str
        Why it failed, else empty.
    is_stored : bool
        Whether it was there before.
    """

    dataset: xr.Dataset | None
    failure: str = ""
    is_stored: bool = False


def averages_of(dataset: xr.Dataset) -> xr.Dataset:
    """What goes into the combined dataset."""
    chosen = dataset[[name for name in COMBINED if name in dataset]]
    return chosen.drop_vars([name for name in chosen.coords if name not in chosen.dims])


def combined_dataset(sweep: Sweep, outcomes: list[Outcome]) -> xr.Dataset:
    """One dataset of all points, NaN where a point failed."""
    datasets = [outcome.dataset for outcome in outcomes]
    whole = [dataset for dataset in datasets if dataset is not None]
    combined = xr.Dataset(coords=sweep.coordinates())
    combined.attrs = {"Conventions": "CF-1.11", "schema_version": SCHEMA_VERSION}
    combined.attrs["machine"] = sweep.first.machine.model_dump_json()
    combined.attrs["method"] = sweep.solver.method
    if whole:
        names = [str(name) for name in whole[0].data_vars if all(name in dataset for dataset in whole)]
        for name in names:
            if len({dataset[name].shape for dataset in whole}) == 1:
                combined[name] = _stacked(sweep, name, datasets, whole)
        for dim in combined.dims:
            if dim in whole[0].coords:
                combined = combined.assign_coords({dim: whole[0].coords[dim].variable})
        combined = _with_attributes_of_points(sweep, combined, datasets, whole)
    return with_status(sweep, combined, [outcome.failure for outcome in outcomes])


def _stacked(
    sweep: Sweep, name: str, datasets: list[xr.Dataset | None], whole: list[xr.Dataset]
) -> xr.DataArray:
    """One variable of all points."""
    like = whole[0][name]
    missing = np.full(like.shape, np.nan)
    values = np.stack([missing if dataset is None else dataset[name].values for dataset in datasets])
    each = [dataset[name].attrs for dataset in whole]
    attrs = {key: value for key, value in each[0].items() if isinstance(value, str)}
    attrs = {key: value for key, value in attrs.items() if all(own.get(key) == value for own in each)}
    for key in ("undefined", "uv_sensitive"):
        reasons = sorted({str(own[key]) for own in each if key in own})
        if reasons:
            attrs[key] = "; ".join(reasons)
    return xr.DataArray(
        values.reshape(*sweep.shape, *like.shape), dims=(*sweep.dims, *map(str, like.dims)), attrs=attrs
    )


def _with_attributes_of_points(
    sweep: Sweep, combined: xr.Dataset, datasets: list[xr.Dataset | None], whole: list[xr.Dataset]
) -> xr.Dataset:
    """Attributes of points: numbers, and texts that differ, become variables; other texts stay attributes."""
    for name, value in whole[0].attrs.items():
        if name in NOT_COMBINED or name.endswith("_version") or name in combined.variables:
            continue
        values = [None if dataset is None else dataset.attrs.get(name) for dataset in datasets]
        long_name = {"long_name": STATUS.get(name, name.replace("_", " "))}
        if isinstance(value, str):
            texts = ["" if text is None else str(text) for text in values]
            if {text for text in texts if text} == {value}:
                combined.attrs[name] = value
            else:
                array = np.array(texts, dtype=object).reshape(sweep.shape)
                combined[name] = xr.DataArray(array, dims=sweep.dims, attrs=long_name)
        elif np.ndim(value) == 0:
            numbers = [np.nan if number is None else float(number) for number in values]
            combined[name] = xr.DataArray(
                np.array(numbers).reshape(sweep.shape),
                dims=sweep.dims,
                attrs={"units": UNITS.get(name, "1"), **long_name},
            )
    return combined


def with_status(sweep: Sweep, combined: xr.Dataset, sentences: list[str]) -> xr.Dataset:
    """The dataset with what became of each point, and its seed."""
    status: dict[str, np.ndarray] = {
        "failed": np.array([bool(sentence) for sentence in sentences], dtype=np.int8),
        "failure": np.array(sentences, dtype=object),
    }
    if hasattr(sweep.solver, "seed"):
        status["point_seed"] = np.array([getattr(point.run.solver, "seed", 0) for point in sweep.points()])
    for name, values in status.items():
        attrs = {"units": "1", "long_name": STATUS[name]}
        combined[name] = xr.DataArray(values.reshape(sweep.shape), dims=sweep.dims, attrs=attrs)
    return combined

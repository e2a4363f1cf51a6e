"""Whether a dataset read from a file is what its schema says, so that everything behind may rely on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from langevin_qtm.errors import InputError, shown, shown_key
from langevin_qtm.schema import OVER_TIME, PERIOD_AVERAGES, SCHEMA, TRAJECTORIES, UNCERTAINTY, WORKS

TEXTS = ("method", "machine", "config_json", "start", "sweep_dims", "title")
TABLES = ("machine", "config_json")
NUMBERS = (
    "trajectories",
    "step_error",
    "noise_fit_error",
    "start_time",
    "noise_band",
    "time_step",
    "max_multiplier",
    "relaxation_time",
    "wall_seconds",
    "harmonics",
)
NAMED = {"oscillator": "frequencies", "oscillator_prime": "frequencies", "reservoir": "reservoirs"}
AVERAGES = {*PERIOD_AVERAGES, *OVER_TIME}
SHARED = {*AVERAGES, *TRAJECTORIES, *WORKS}


def check_contents(dataset: xr.Dataset, path: object) -> None:
    """Refuse a dataset whose variables or attributes are not those of the schema.

    Parameters
    ----------
    dataset : xarray.Dataset
        As read; what is not of the schema may be there, and nothing need be.
    path : object
        Where it comes from, for the sentence.

    Raises
    ------
    InputError
        For an attribute of another type, and for a variable of the schema with other dims, without numbers,
        or whose oscillators and reservoirs are not those of the machine.
    """
    for complaint in (*_attributes(dataset), *_variables(dataset), *_names(dataset)):
        raise InputError(f"`{path}` is damaged: {complaint}; write it again.")


def _attributes(dataset: xr.Dataset) -> Iterator[str]:
    attrs = dataset.attrs
    for name in TEXTS:
        if name in attrs and not isinstance(attrs[name], str):
            yield f"its attribute `{name}` = {shown(attrs[name])} is not a text"
    for name in TABLES:
        if isinstance(attrs.get(name), str) and not isinstance(_table(attrs[name]), dict):
            yield f"its attribute `{name}` = {shown(attrs[name])} is not a table in JSON"
    for name in NUMBERS:
        if name in attrs and not isinstance(attrs[name], int | float | np.number):
            yield f"its attribute `{name}` = {shown(attrs[name])} is not a number"


def _table(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _variables(dataset: xr.Dataset) -> Iterator[str]:
    around = {*str(dataset.attrs.get("sweep_dims", "")).split(), "time"}
    shared = None
    if "position_covariance" in dataset:
        shared = set(dataset.variables["position_covariance"].dims) & around
    for name, variable in ((str(key), dataset.variables[key]) for key in dataset.data_vars):
        suffix = next((suffix for suffix in UNCERTAINTY if name.endswith(suffix)), "")
        base = name.removesuffix(suffix)
        if base not in SCHEMA or (base not in SHARED and "machine" not in dataset.attrs):
            continue
        if variable.dtype.kind not in "fiu":
            yield f"its variable `{name}` holds no numbers"
        missing, more = set(SCHEMA[base].dims) - set(variable.dims), set(variable.dims) - {*SCHEMA[base].dims}
        is_average = base in AVERAGES and shared is not None
        is_own = "machine" in dataset.attrs  # tables of analyses have axes of their own
        if missing or (is_own and more - around) or (is_average and more != shared):
            yield f"its variable `{name}` has the dims {shown(variable.dims)}"
        parent = base.removesuffix("_phase")
        if parent not in dataset or (suffix and base not in dataset):
            yield f"it has a variable `{name}`, but not the one that it belongs to"
        if suffix and base in dataset and set(dataset.variables[base].dims) != set(variable.dims):
            yield f"its variables `{base}` and `{name}` have different dims"
    for dim in (name for name in ("time", "phase", "frequency") if name in dataset.dims):
        if dim not in dataset.coords or dataset[dim].dtype.kind not in "fiu":
            yield f"its dim `{dim}` has no numbers"


def _names(dataset: xr.Dataset) -> Iterator[str]:
    machine = _table(str(dataset.attrs.get("machine", "")))
    for dim, key in NAMED.items():
        table = machine.get(key) if isinstance(machine, dict) else None
        if dim not in dataset.dims or not isinstance(table, dict | list):
            continue
        names = [str(each.get("name")) if isinstance(each, dict) else str(each) for each in table]
        found = [str(each) for each in dataset[dim].values] if dim in dataset.coords else []
        if found != names:
            yield f"its dim `{dim}` is {shown_key(str(found))} and not {shown_key(str(names))}"


def start_of(dataset: xr.Dataset) -> Any:
    """The start of a run over time, as a table.

    Raises
    ------
    InputError
        When the attribute is missing or no table.
    """
    require_attributes(dataset, "start", "start_time")
    start = _table(str(dataset.attrs["start"]))
    if not isinstance(start, dict) or "kind" not in start:
        raise InputError(
            f"The dataset's attribute `start` = {shown(dataset.attrs['start'])} is not a table in JSON with "
            "`kind`; write it again."
        )
    return start


def require_attributes(dataset: xr.Dataset, *names: str) -> None:
    """Refuse a dataset that lacks an attribute.

    Raises
    ------
    InputError
        Naming the first one that is missing.
    """
    for name in names:
        if name not in dataset.attrs:
            raise InputError(f"The dataset has no attribute `{name}`; write it again.")

"""Numbers and tables for people: every period average with its error, and what a dataset says of itself."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import xarray as xr
from rich import box
from rich.table import Table
from rich.text import Text

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.schema import OVER_TIME, PERIOD_AVERAGES, SCHEMA

COMPANIONS = {"simulate": "_se", "periodic_steady_state": "_error", "second_order": "_error"}
ERROR_TITLES = {"_se": "std. error", "_error": "error"}
SYMMETRIC = {"position_covariance", "velocity_covariance"}
HIDDEN_ATTRIBUTES = {"Conventions", "config_json", "machine"}
MAX_DECIMALS = 6
SHOWN_TIMES = 5


def companion(dataset: xr.Dataset) -> str:
    """Suffix of the error that belongs to each average: `_se` if sampled, `_error` if integrated.

    Raises
    ------
    InputError
        When the dataset's method is not one that yields period averages, or it holds a whole sweep.
    """
    if "sweep_dims" in dataset.attrs:
        raise InputError("The dataset holds all points of a sweep; use `validate_sweep`.")
    method = dataset.attrs.get("method")
    if method not in COMPANIONS:
        raise InputError(
            f"The dataset's method {method!r} is not known; it must be one of {list(COMPANIONS)}."
        )
    return COMPANIONS[method]


def averages(dataset: xr.Dataset) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """Name, values and errors of every period average that has an error, in the order of the schema."""
    suffix = companion(dataset)
    for name, variable in PERIOD_AVERAGES.items():
        if name in dataset and name + suffix in dataset:
            values = dataset[name].transpose(*variable.dims).values
            yield name, values, dataset[name + suffix].transpose(*variable.dims).values


def elements(dataset: xr.Dataset, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Label, such as `local_power[A]`, and index of each number; a symmetric pair only once."""
    dims = SCHEMA[name].dims
    for index in np.ndindex(*(dataset.sizes[dim] for dim in dims)):
        if name in SYMMETRIC and index[0] > index[1]:
            continue
        labels = ",".join(str(dataset[dim].values[i]) for dim, i in zip(dims, index, strict=True))
        yield (f"{name}[{labels}]" if dims else name), index


def number(value: float, resolution: float) -> str:
    """The value to two digits of its error, such as -5.7512e-04 for an error of 3.1e-07."""
    if math.isnan(value):
        return "-"
    if not math.isfinite(value):
        return str(value)
    decimals = MAX_DECIMALS
    if value == 0:
        decimals = 1
    elif 0 < resolution < math.inf:
        decimals = math.floor(math.log10(abs(value))) - math.floor(math.log10(resolution)) + 1
    return f"{value:.{min(max(decimals, 1), MAX_DECIMALS)}e}"


def error_number(error: float) -> str:
    """An error to two digits."""
    return "-" if math.isnan(error) else f"{error:.1e}"


def numbers_table(*columns: str) -> Table:
    """Empty table with a left column of labels and right-justified numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("observable", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def is_over_time(dataset: xr.Dataset) -> bool:
    """Whether averages are functions of time."""
    return "position_covariance" in dataset and "time" in dataset["position_covariance"].dims


def over_time_table(dataset: xr.Dataset) -> Table:
    """Every observable at a few times, the first and the last among them."""
    places = np.unique(np.linspace(0, dataset.sizes["time"] - 1, SHOWN_TIMES).round().astype(int))
    table = numbers_table(*(f"t = {dataset['time'].values[place]:.4g}" for place in places))
    for name in (*PERIOD_AVERAGES, *OVER_TIME):
        if name not in dataset:
            continue
        for label, index in elements(dataset, name):
            values = dataset[name].transpose(*SCHEMA[name].dims, "time").values[index]
            if np.any(np.isfinite(values)):
                table.add_row(Text(label), *(number(float(values[place]), 0.0) for place in places))
    return table


def averages_table(dataset: xr.Dataset) -> Table:
    """Every defined period average with its error; a few times where averages are functions of time."""
    if is_over_time(dataset):
        return over_time_table(dataset)
    table = numbers_table("value", ERROR_TITLES[companion(dataset)])
    for name, values, errors in averages(dataset):
        for label, index in elements(dataset, name):
            value, error = float(values[index]), float(errors[index])
            if not math.isnan(value):
                table.add_row(Text(label), number(value, error), error_number(error))
    return table


def ranges_table(dataset: xr.Dataset) -> Table:
    """Smallest and largest value of every average of a sweep, and the largest error."""
    table = numbers_table("points", "smallest", "largest", "largest error")
    axes = [dim for dim in (*dataset["failed"].dims, "time") if dim in dataset.dims]
    for name in (*PERIOD_AVERAGES, *OVER_TIME):
        if name not in dataset:
            continue
        own = [dim for dim in axes if dim in dataset[name].dims]
        error = next((name + end for end in ERROR_TITLES if name + end in dataset), None)
        values = dataset[name].transpose(*SCHEMA[name].dims, *own).values
        errors = None if error is None else dataset[error].transpose(*SCHEMA[name].dims, *own).values
        for label, index in elements(dataset, name):
            found = values[index][np.isfinite(values[index])]
            largest = math.nan if errors is None else np.nanmax(np.append(errors[index], -math.inf))
            if found.size:
                numbers = (number(float(edge), 0.0) for edge in (found.min(), found.max()))
                table.add_row(Text(label), str(found.size), *numbers, error_number(float(largest)))
    return table


def attributes_table(dataset: xr.Dataset) -> Table:
    """Sizes of the dims and global attributes, one a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("dims", Text(", ".join(f"{dim} {size}" for dim, size in dataset.sizes.items())))
    if "failed" in dataset:
        table.add_row("failed points", Text(f"{int(dataset['failed'].sum())} of {dataset['failed'].size}"))
    for name, value in dataset.attrs.items():
        if name not in HIDDEN_ATTRIBUTES:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            table.add_row(Text(str(name)), Text(text))
    return table

"""All averages of a dataset as a table."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import kind_of
from langevin_qtm.report import ERROR_TITLES, elements
from langevin_qtm.schema import OVER_TIME, PERIOD_AVERAGES, SCHEMA

COLUMNS = ("value", "error", "unit", "name")


def summary(dataset: xr.Dataset) -> pd.DataFrame:
    """Every average that is defined, indexed by label such as `local_power[A]`.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of one run; over time, its last time is shown.

    Returns
    -------
    pandas.DataFrame
        Columns `value`, `error` (standard error or error estimate), `unit`, `name`.
    """
    kind = kind_of(dataset)
    if kind == "sweep":
        raise InputError("The dataset holds all points of a sweep; select one, or use `langevin-qtm info`.")
    shown = dataset.isel(time=-1) if kind == "over time" else dataset
    rows = {}
    for name in (*PERIOD_AVERAGES, *OVER_TIME):
        if name not in shown:
            continue
        error = next((name + end for end in ERROR_TITLES if name + end in shown), None)
        variable = shown[name].transpose(*SCHEMA[name].dims)
        for label, index in elements(shown, name):
            value = float(variable.values[index])
            if value == value:  # defined
                spread = (
                    float("nan")
                    if error is None
                    else float(shown[error].transpose(*variable.dims).values[index])
                )
                rows[label] = (value, spread, variable.attrs["units"], variable.attrs["long_name"])
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS))

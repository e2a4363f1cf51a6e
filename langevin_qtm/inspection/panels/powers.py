"""Local powers and heat over the drive period."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import is_finite, require
from langevin_qtm.inspection.labels import GRAY, LIGHT, PHASE, axis_label, color_of, make_room, styled, symbol
from langevin_qtm.inspection.reference import exact_steady
from langevin_qtm.physics.conventions import FloatArray

FOLDED_BINS = 16
SAMPLE_POINTS = 16
AT_REST = 1e-6  # of the largest error: smaller ones are rounding
MIDDLE = (0.16, 0.84)


def draw_folded_power(axes: Axes, dataset: xr.Dataset, **style) -> Axes:
    """Local powers of the ensemble over the drive period, mean ± standard error, on the exact curve.

    Parameters
    ----------
    axes : Axes
    dataset : xarray.Dataset
    **style
        For the points.
    """
    require(dataset, "local_power_phase")
    exact = exact_steady(dataset)
    thin = max(1, dataset.sizes["phase"] // SAMPLE_POINTS)
    sampled = dataset.isel(phase=slice(None, None, thin))
    for name in dataset["oscillator"].values:
        color = color_of(dataset, "oscillator", str(name))
        points = sampled["local_power_phase"].sel(oscillator=name)
        if exact is not None and is_finite(exact["local_power_phase"]):
            axes.plot(*closed(exact["local_power_phase"].sel(oscillator=name)), color=color)
        if "local_power_phase_se" in dataset:
            error = sampled["local_power_phase_se"].sel(oscillator=name)
            marks: dict[str, Any] = {
                "fmt": "o",
                "color": color,
                "mfc": "w",
                "mew": 0.9,
                "label": symbol("local_power", str(name)),
            }
            axes.errorbar(points["phase"], points, error, **styled(style, **marks))
        axes.axhline(float(dataset["local_power"].sel(oscillator=name)), color=color, ls="--", lw=0.8)
    _finish(axes, axis_label(dataset["local_power"], "local power $P_l$"))
    _legend(axes, exact, "sampled" if "local_power_phase_se" in dataset else "")
    return axes


def draw_power_deviation(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Sampled minus exact local powers over the drive period, in standard errors."""
    require(dataset, "local_power_phase", "local_power_phase_se")
    exact = exact_steady(dataset)
    if exact is None or not is_finite(exact["local_power_phase"]):
        raise InputError("The machine has no exact power over the drive period to compare with.")
    axes.axhspan(-2, 2, color=LIGHT, lw=0, zorder=0)
    axes.axhline(0.0, color="k", lw=0.5)
    there = dataset["local_power_phase"].copy()
    for name in dataset["oscillator"].values:
        curve = closed(exact["local_power_phase"].sel(oscillator=name))
        there.loc[{"oscillator": name}] = np.interp(dataset["phase"], *curve)
    error = dataset["local_power_phase_se"]
    scores = (dataset["local_power_phase"] - there) / error.where(
        error > AT_REST * error.max()
    )  # none where the drive rests
    for name in dataset["oscillator"].values:
        color = color_of(dataset, "oscillator", str(name))
        own = scores.sel(oscillator=name)
        axes.plot(
            own["phase"], own, "o-", ms=2.5, lw=0.5, color=color, label=symbol("local_power", str(name))
        )
    reach = max(3.5, 1.2 * float(np.abs(scores).max()))
    axes.set(xlim=(0, 1), ylim=(-reach, reach), xlabel=PHASE, ylabel="deviation\n[std. errors]")
    return axes


def folded(dataset: xr.Dataset, bins: int = FOLDED_BINS) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Instantaneous powers of the stored trajectories, folded on the drive period.

    Returns
    -------
    phase : (bin,) array
        Middles.
    mean, error : (bin, oscillator) arrays
        Over all samples; the error from the scatter of averages of single periods.
    """
    require(dataset, "instantaneous_power")
    period = stored_machine(dataset).period
    turns = dataset["time"].values / period
    whole = int(np.floor(len(turns) / np.count_nonzero(turns < 1 - 1e-9)))
    place = np.minimum(((turns + 1e-9) % 1 * bins).astype(int), bins - 1)
    number = np.floor(turns + 1e-9).astype(int)
    values = dataset["instantaneous_power"].transpose("trajectory", "time", "oscillator").values.astype(float)
    each = []
    for turn in range(whole):
        inside = [values[:, (number == turn) & (place == b)].mean(axis=1) for b in range(bins)]
        each.append(np.stack(inside, axis=1))  # (trajectory, bin, oscillator)
    averages = np.concatenate(each)
    error = averages.std(axis=0, ddof=1) / np.sqrt(len(averages))
    return (np.arange(bins) + 0.5) / bins, averages.mean(axis=0), error


def draw_folded_trajectories(axes: Axes, dataset: xr.Dataset, name: str) -> Axes:
    """Instantaneous power of the stored trajectories over the drive period: scatter and means."""
    phase, mean, error = folded(dataset)
    place = [str(n) for n in dataset["oscillator"].values].index(name)
    color, exact = color_of(dataset, "oscillator", name), exact_steady(dataset)
    turns = dataset["time"].values / stored_machine(dataset).period
    bins = np.minimum(((turns + 1e-9) % 1 * len(phase)).astype(int), len(phase) - 1)
    values = dataset["instantaneous_power"].sel(oscillator=name).transpose("trajectory", "time").values
    low, high = np.array([np.quantile(values[:, bins == b], MIDDLE) for b in range(len(phase))]).T
    axes.fill_between(phase, low, high, color=color, alpha=0.2, lw=0, step="mid", label="68 % of values")
    if exact is not None and is_finite(exact["local_power_phase"]):
        axes.plot(*closed(exact["local_power_phase"].sel(oscillator=name)), "k", label="exact mean")
    marks: dict[str, Any] = {"fmt": "o", "color": color, "mfc": "w", "mew": 0.9, "elinewidth": 0.7}
    text = f"mean of {dataset.sizes['trajectory']} trajectories"
    axes.errorbar(phase, mean[:, place], error[:, place], label=text, **marks)
    _finish(axes, "instantaneous " + axis_label(dataset["local_power"], symbol("instantaneous_power", name)))
    axes.legend(loc="upper center", ncols=2)
    return axes


def closed(curve: xr.DataArray) -> tuple[FloatArray, FloatArray]:
    """Phase and values of a periodic curve, its first point repeated at the end."""
    return np.append(curve["phase"], 1.0), np.append(curve, curve[0])


def _finish(axes: Axes, label: str) -> None:
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=(0.0, 1.0), xlabel=PHASE, ylabel=label)
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    make_room(axes, above=0.22)


def _legend(axes: Axes, exact: xr.Dataset | None, sampled: str) -> None:
    handles, labels = axes.get_legend_handles_labels()
    labels = [f"{label} {sampled}".strip() for label in labels]
    if exact is not None:
        handles, labels = [*handles, Line2D([], [], color=GRAY)], [*labels, "exact"]
    handles, labels = [*handles, Line2D([], [], color=GRAY, ls="--", lw=0.8)], [*labels, "period average"]
    axes.legend(handles, labels, loc="upper center", ncols=2)

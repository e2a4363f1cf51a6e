"""Work in windows of drive periods: how it is distributed, and how its mean settles."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from langevin_qtm.data.files import stored_machine
from langevin_qtm.inspection.contents import require
from langevin_qtm.inspection.labels import GRAY, color_of, make_room, styled
from langevin_qtm.inspection.reference import exact_steady
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.work_statistics import joined_windows, work_statistics

BINS = 41
REACH = 5.0  # standard deviations shown


def draw_work_distribution(
    axes: Axes,
    dataset: xr.Dataset,
    periods: int | None = None,
    oscillator: str | None = None,
    is_exact: bool = False,
    **style,
) -> Axes:
    """Histogram of the work through the couplings of one oscillator in n drive periods, all trajectories.

    Parameters
    ----------
    axes : Axes
    dataset : xarray.Dataset
        With `window_work`.
    periods : int, optional
        n, a multiple of what was recorded; by default that.
    oscillator : str, optional
        By default all, one above the other.
    is_exact : bool
        Compare with the exact c-number variance of n periods (`work_cumulants`, up to a minute) instead of
        its limit D n 𝒯 for many periods.
    **style
        For the histogram.

    Notes
    -----
    `window_work` leaves out what is faster than a step: its mean is added to the work, and its variance taken
    off that of the exact curve.
    """
    require(dataset, "window_work")
    count = int(dataset["window_work"].attrs["periods"]) if periods is None else periods
    works, duration = joined_windows(dataset, count), count * stored_machine(dataset).period
    cumulants = work_statistics(dataset, count) if is_exact else None
    names = [str(name) for name in dataset["oscillator"].values]
    exact = exact_steady(dataset)
    for place, name in enumerate(names):
        if oscillator not in (None, name):
            continue
        color = color_of(dataset, "oscillator", name)
        own = works[..., place].ravel() + unresolved(dataset, "short_time_power", place) * duration
        center, sigma = float(own.mean()), float(own.std())
        edges = center + sigma * np.linspace(-REACH, REACH, BINS + 1)
        counts, _ = np.histogram(own, edges)
        density = counts / (len(own) * np.diff(edges))
        options: dict[str, Any] = {
            "color": color,
            "fill": True,
            "alpha": 0.3,
            "label": f"$W_{{{name}}}$ sampled",
        }
        axes.stairs(density, edges, **styled(style, **options))
        law = _exact_law(cumulants, exact, name, duration)
        if law is not None:
            mean, variance = law
            variance -= unresolved(dataset, "short_time_part", place) * duration
            fine = np.linspace(edges[0], edges[-1], 401)
            gauss = np.exp(-0.5 * (fine - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
            axes.plot(fine, gauss, color=color)
            axes.axvline(mean, color=color, ls="--", lw=0.8)
    axes.axvline(0.0, color="k", lw=0.5)
    plural = "period" if count == 1 else "periods"
    axes.set(xlabel=rf"work in {count} drive {plural} $W_l\ [\omega_A]$", ylabel=r"density $[\omega_A^{-1}]$")
    make_room(axes, above=0.35)
    axes.set_ylim(bottom=0.0)
    if exact is not None or is_exact:
        spread = "exact variance" if is_exact else r"variance $D_l n\mathcal{T}$"
        axes.plot([], [], color=GRAY, label=f"Gauss: exact mean, {spread}")
    axes.legend(loc="upper left", ncols=2, frameon=True, facecolor="w", edgecolor="none", framealpha=1.0)
    return axes


def unresolved(dataset: xr.Dataset, kind: str, place: int) -> float:
    """Part of the mean power, or of D, that is faster than a step and not in `window_work`; exact."""
    return float(np.asarray(dataset["window_work"].attrs[kind])[place])


def _exact_law(
    cumulants: xr.Dataset | None, exact: xr.Dataset | None, name: str, duration: float
) -> tuple[float, float] | None:
    """Exact mean and c-number variance of the work in a time; the variance in the limit of long times."""
    if cumulants is not None:
        own = cumulants.sel(channel=name)
        return float(own["mean_exact"]), float(own["variance_exact"])
    if exact is None:
        return None
    power, spread = (float(exact[key].sel(oscillator=name)) for key in ("local_power", "fluctuation_cnumber"))
    return power * duration, spread * duration


def draw_work_paths(axes: Axes, dataset: xr.Dataset, most: int = 12) -> Axes:
    """Cumulative work along some trajectories, with the exact mean and the c-number spread √(D t)."""
    require(dataset, "window_work")
    works = dataset["window_work"].transpose("sample", "window", "oscillator")
    duration = int(works.attrs["periods"]) * stored_machine(dataset).period
    time = duration * np.arange(works.sizes["window"] + 1)
    exact = exact_steady(dataset)
    for place, name in enumerate(dataset["oscillator"].values):
        color = color_of(dataset, "oscillator", str(name))
        missed = unresolved(dataset, "short_time_power", place) * duration
        paths = np.cumsum(works.sel(oscillator=name).values[:most] + missed, axis=1)
        paths = np.concatenate([np.zeros((len(paths), 1)), paths], axis=1)
        axes.plot(time, paths.T, color=color, lw=0.4, alpha=0.5)
        axes.plot([], [], color=color, lw=0.8, label=f"$W_{{{name}}}$, {len(paths)} trajectories")
        if exact is not None:
            power, spread = (
                float(exact[k].sel(oscillator=name)) for k in ("local_power", "fluctuation_cnumber")
            )
            mean, sigma = power * time, np.sqrt(spread * time)
            axes.plot(time, mean, color=color, lw=1.4)
            axes.fill_between(time, mean - sigma, mean + sigma, color=color, alpha=0.25, lw=0)
    axes.axhline(0.0, color="k", lw=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set(
        xlim=(0, time[-1]),
        xlabel=r"time $t\ [\omega_A^{-1}]$",
        ylabel=r"cumulative work $W_l(t)\ [\omega_A]$",
    )
    axes.legend(loc="upper left")
    return axes


def running_power(dataset: xr.Dataset, oscillator: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean power of all trajectories from the first window on, and its standard error.

    Returns
    -------
    time, mean, error : (window,) arrays
    """
    require(dataset, "window_work")
    works = dataset["window_work"].sel(oscillator=oscillator).transpose("sample", "window").values
    duration = int(dataset["window_work"].attrs["periods"]) * stored_machine(dataset).period
    time = duration * np.arange(1, works.shape[1] + 1)
    place = [str(name) for name in dataset["oscillator"].values].index(oscillator)
    missed = unresolved(dataset, "short_time_power", place)
    paths = np.cumsum(works, axis=1) / time + missed
    return time, paths.mean(axis=0), paths.std(axis=0, ddof=1) / np.sqrt(len(paths))

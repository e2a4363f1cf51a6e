"""Trajectories over time, and in phase space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from langevin_qtm.data.files import stored_machine
from langevin_qtm.inspection.contents import kind_of, require, trajectory_of
from langevin_qtm.inspection.decimation import thinned
from langevin_qtm.inspection.labels import (
    GRAY,
    TIME,
    axis_label,
    color_of,
    make_room,
    shade_periods,
    styled,
    symbol,
)
from langevin_qtm.inspection.reference import exact_curve, exact_steady
from langevin_qtm.physics.conventions import FloatArray

MOST_POINTS = 8000  # of one line; longer records are thinned to their extremes
BINS = (24, 80)  # of densities on each axis, at least and at most
IN_A_BIN = 6  # samples, about
REACH = 3.6  # standard deviations that densities show
GRAYS = LinearSegmentedColormap.from_list("grays", ["1.0", "0.35"])


def draw_trajectory(
    axes: Axes, dataset: xr.Dataset, number: int = 0, variable: str = "position", **style
) -> Axes:
    """One stored trajectory over time, with lines at the exact ±1σ of positions.

    Parameters
    ----------
    axes : Axes
    dataset : xarray.Dataset
    number : int
        Which trajectory.
    variable : str
        `position`, `velocity`, `noise` or `instantaneous_power`.
    **style
        For the lines.
    """
    require(dataset, variable)
    values = trajectory_of(dataset, number)[variable]
    dim = str(values.dims[-1])
    for name in values[dim].values:
        color = color_of(dataset, dim, str(name))
        time, shown = thinned(values["time"].values, values.sel({dim: name}).values, MOST_POINTS)
        axes.plot(time, shown, **styled(style, color=color, label=symbol(variable, str(name)), lw=1.0))
        if variable == "position":
            deviation = exact_deviation(dataset, str(name))
            if deviation is not None:
                mean, sigma = deviation
                for sign in (-1, 1):
                    axes.plot(values["time"], mean + sign * sigma, ":", color=color, lw=0.8)
    _finish_time_axis(axes, dataset, axis_label(dataset[variable]))
    handles, labels = axes.get_legend_handles_labels()
    if any(line.get_linestyle() == ":" for line in axes.lines):
        handles, labels = (
            [*handles, Line2D([], [], color=GRAY, ls=":", lw=0.8)],
            [*labels, r"exact $\pm1\sigma$"],
        )
    make_room(axes, above=0.18)
    axes.legend(handles, labels, loc="upper right", ncols=len(labels))
    return axes


def draw_ensemble(
    axes: Axes, dataset: xr.Dataset, oscillator: str, numbers: Sequence[int] | None = None
) -> Axes:
    """Chosen trajectories of one position, their ensemble mean, and the exact mean ±1σ.

    The mean is that of the whole ensemble where the dataset has it, else of all stored trajectories.
    """
    require(dataset, "position")
    color = color_of(dataset, "oscillator", oscillator)
    position, time = dataset["position"].sel(oscillator=oscillator), dataset["time"].values
    chosen = list(range(min(4, dataset.sizes["trajectory"]))) if numbers is None else list(numbers)
    deviation = exact_deviation(dataset, oscillator)
    handles: list[Artist] = []
    labels: list[str] = []
    if deviation is not None:
        mean, sigma = deviation
        axes.fill_between(time, mean - sigma, mean + sigma, color=color, alpha=0.15, lw=0)
        handles, labels = [Patch(color=color, alpha=0.15, lw=0)], [r"exact mean $\pm1\sigma$"]
    for place, number in enumerate(chosen):
        values = trajectory_of(dataset, number)["position"].sel(oscillator=oscillator).values
        line = axes.plot(*thinned(time, values, MOST_POINTS), color=color, lw=1.1 if not place else 0.6)[0]
        line.set(alpha=1.0 if not place else 0.45)
        if not place:
            handles, labels = [*handles, line], [*labels, f"trajectory {number}, others faint"]
    whole = "position_mean" in dataset
    average = dataset["position_mean"].sel(oscillator=oscillator) if whole else position.mean("trajectory")
    handles += axes.plot(*thinned(time, average.values, MOST_POINTS), "k", lw=0.9)
    labels += [f"mean of {'all' if whole else dataset.sizes['trajectory']} trajectories"]
    unit = axis_label(dataset["position"], symbol("position", oscillator))
    _finish_time_axis(axes, dataset, "position " + unit)
    make_room(axes, above=0.2)
    axes.legend(handles, labels, loc="upper right", ncols=3)
    return axes


def exact_deviation(dataset: xr.Dataset, oscillator: str) -> tuple[FloatArray, FloatArray] | None:
    """Exact mean and standard deviation of a position at the times of the dataset, (time,) each."""
    here = {"oscillator": oscillator, "oscillator_prime": oscillator}
    time = dataset["time"].values
    if kind_of(dataset) == "steady":
        exact = exact_steady(dataset)
        if exact is None:
            return None
        turns = np.append(exact["phase"].values, 1.0)
        variance = exact["position_covariance_phase"].sel(here).values
        period = stored_machine(dataset).period
        return np.zeros(len(time)), np.sqrt(
            np.interp(time / period % 1, turns, np.append(variance, variance[0]))
        )
    exact = exact_curve(dataset)
    if exact is None:
        return None
    mean = exact["position_mean"].sel(oscillator=oscillator)
    sigma = np.sqrt(exact["position_covariance"].sel(here))
    return np.interp(time, mean["time"], mean), np.interp(time, sigma["time"], sigma)


def draw_phase_portrait(
    axes: Axes, dataset: xr.Dataset, oscillator: str | None = None, number: int = 0
) -> Axes:
    """Density of position and velocity of one oscillator, a piece of one trajectory, ellipses at 1σ and 2σ.

    The ellipses are exact where velocities have a variance; with a strictly Ohmic reservoir it grows with the
    band of the noise, and they are those of the sampled ensemble.
    """
    require(dataset, "position", "velocity")
    name = str(dataset["oscillator"].values[0]) if oscillator is None else oscillator
    own = dataset.sel(oscillator=name)
    position, velocity = own["position"].values, own["velocity"].values
    draw_density(axes, position, velocity)
    color = color_of(dataset, "oscillator", name)
    covariance, kind = _phase_space_covariance(dataset, name)
    if covariance is not None:
        draw_ellipses(axes, covariance, kind)
    turn = 2 * np.pi / float(stored_machine(dataset).frequencies[name])
    piece = dataset["time"].values < dataset["time"].values[0] + 2 * turn
    line = axes.plot(position[number][piece], velocity[number][piece], color=color, lw=0.7)[0]
    line.set_label("two turns")
    axes.set_xlabel(axis_label(dataset["position"], "position " + symbol("position", name)))
    axes.set_ylabel(axis_label(dataset["velocity"], "velocity " + symbol("velocity", name)))
    _square(axes, position, velocity)
    make_room(axes, above=0.12)
    axes.legend(loc="upper center", ncols=3)
    return axes


def _phase_space_covariance(dataset: xr.Dataset, name: str) -> tuple[FloatArray | None, str]:
    """Covariance of (x, v) of one oscillator, and whether it is exact."""
    here = {"oscillator": name, "oscillator_prime": name}
    names = ("position_covariance", "position_velocity_covariance", "velocity_covariance")
    exact = exact_steady(dataset)
    for source, kind in ((exact, "exact"), (dataset, "ensemble")):
        if source is None or any(variable not in source for variable in names):
            continue
        xx, xv, vv = (source[variable].sel(here) for variable in names)
        if xx.ndim == 0 and np.isfinite(xv) and np.isfinite(vv):
            return np.array([[xx, xv], [xv, vv]], dtype=float), kind
    return None, ""


def draw_density(axes: Axes, x: FloatArray, y: FloatArray) -> None:
    """Density of samples of two variables in gray."""
    reach = [REACH * float(np.std(values)) for values in (x, y)]
    bins = int(np.clip(np.sqrt(np.size(x) / IN_A_BIN), *BINS))
    counts, *edges = np.histogram2d(
        np.ravel(x), np.ravel(y), bins, [(-reach[0], reach[0]), (-reach[1], reach[1])], density=True
    )
    axes.pcolormesh(*edges, np.ma.masked_equal(counts.T, 0.0), cmap=GRAYS, rasterized=True, zorder=0)


def draw_ellipses(axes: Axes, covariance: FloatArray, kind: str = "exact") -> None:
    """Ellipses at one and two standard deviations."""
    for sigmas, style in ((1, "-"), (2, "--")):
        axes.plot(
            *covariance_ellipse(covariance, sigmas), "k", ls=style, lw=0.9, label=rf"{kind} ${sigmas}\sigma$"
        )


def covariance_ellipse(covariance: FloatArray, sigmas: float) -> FloatArray:
    """Points of zᵀ C⁻¹ z = sigmas², dims (coordinate, point)."""
    angles = np.linspace(0, 2 * np.pi, 201)
    return sigmas * np.linalg.cholesky(covariance) @ np.array([np.cos(angles), np.sin(angles)])


def _square(axes: Axes, x: FloatArray, y: FloatArray) -> None:
    """Symmetric limits."""
    for values, limits in ((x, axes.set_xlim), (y, axes.set_ylim)):
        reach = REACH * float(np.std(values))
        limits(-reach, reach)


def _finish_time_axis(axes: Axes, dataset: xr.Dataset, label: str) -> None:
    start, stop = (float(dataset["time"].values[place]) for place in (0, -1))
    if kind_of(dataset) == "steady":
        shade_periods(axes, stored_machine(dataset).period, start, stop)
    axes.set(xlim=(start, stop), xlabel=TIME, ylabel=label)

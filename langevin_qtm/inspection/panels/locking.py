"""Antiphase locking of two oscillators: where they are, how correlated, and at which phase."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from langevin_qtm.data.files import stored_machine
from langevin_qtm.inspection.contents import kind_of, require, require_pair, step_of, trajectory_of
from langevin_qtm.inspection.labels import GRAY, TIME, axis_label, make_room, styled, symbol
from langevin_qtm.inspection.panels.trajectories import draw_density, draw_ellipses
from langevin_qtm.inspection.phases import phase_density, phase_difference
from langevin_qtm.inspection.reference import exact_spectrum, exact_steady, position_correlation
from langevin_qtm.inspection.windowed import pearson_band, windowed_pearson
from langevin_qtm.physics.conventions import FloatArray

PHASE_BINS = 24
WINDOW_PERIODS = 2.0
MOST_OTHERS = 8  # faint trajectories
REACH = 3.6  # standard deviations shown


def draw_plane(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Density of all stored samples in the plane of the first two positions, and exact ellipses."""
    require(dataset, "position")
    require_pair(dataset)
    first, second = (str(name) for name in dataset["oscillator"].values[:2])
    x, y = pair_of(dataset)
    draw_density(axes, x, y)
    exact = exact_steady(dataset)
    if exact is not None:
        draw_ellipses(axes, exact["position_covariance"].values[:2, :2])
    reach = REACH * max(float(np.std(x)), float(np.std(y)))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_xlabel(axis_label(dataset["position"], symbol("position", first)))
    axes.set_ylabel(axis_label(dataset["position"], symbol("position", second)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right")
    _state_pearson(axes, dataset, exact)
    return axes


def _state_pearson(axes: Axes, dataset: xr.Dataset, exact: xr.Dataset | None) -> None:
    """Sampled and exact coefficient as text."""
    lines, decimals = [], 4
    if "pearson_se" in dataset and dataset["pearson"].ndim == 0:
        error = float(dataset["pearson_se"])
        decimals = min(6, max(2, 1 - int(np.floor(np.log10(error))))) if error > 0 else 4
        lines.append(rf"$C = {float(dataset['pearson']):.{decimals}f} \pm {error:.{decimals}f}$")
    if exact is not None:
        lines.append(rf"exact ${float(exact['pearson']):.{decimals}f}$")
    box = {"facecolor": "w", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(0.04, 0.04, "\n".join(lines), transform=axes.transAxes, fontsize=8, bbox=box)


def pair_of(dataset: xr.Dataset) -> tuple[FloatArray, FloatArray]:
    """First two positions about their ensemble means, (trajectory, time) each."""
    position = dataset["position"].transpose("trajectory", "time", "oscillator").astype(float)
    if "position_mean" in dataset:
        position = position - dataset["position_mean"]
    values = position.transpose("trajectory", "time", "oscillator").values
    return values[..., 0], values[..., 1]


def draw_windowed_pearson(
    axes: Axes, dataset: xr.Dataset, window: float | None = None, number: int = 0, **style
) -> Axes:
    """Pearson coefficient in a window that moves along one trajectory, with an exact 95 % band.

    Parameters
    ----------
    axes : Axes
    dataset : xarray.Dataset
    window : float, optional
        Length in time; by default two drive periods, or a tenth of the record.
    number : int
        Which trajectory.
    **style
        For the line.
    """
    require(dataset, "position")
    require_pair(dataset)
    trajectory_of(dataset, number)
    step, time = step_of(dataset), dataset["time"].values
    machine = stored_machine(dataset)
    if window is None:
        window = WINDOW_PERIODS * machine.period
        if kind_of(dataset) != "steady" or window > 0.5 * (time[-1] - time[0]):
            window = 0.1 * (time[-1] - time[0])
    samples = round(window / step)
    x, y = pair_of(dataset)
    values = windowed_pearson(x[number], y[number], samples)
    middle = time[: len(values)] + 0.5 * (samples - 1) * step
    exact = position_correlation(dataset, step, samples)
    if exact is not None:
        band = pearson_band(exact[:, :2, :2], samples)
        axes.axhspan(band.lower, band.upper, color="0.92", lw=0, label="exact: 95 % of windows", zorder=0.5)
        axes.axhline(band.center, color="k", lw=0.8, ls="--", label=f"exact $C = {band.center:.3f}$")
    others = [other for other in range(min(len(x), MOST_OTHERS)) if other != number]
    for other in others:
        axes.plot(middle, windowed_pearson(x[other], y[other], samples), color="C3", lw=0.5, alpha=0.35)
    text = f"trajectory {number}{', others faint' if others else ''}"
    axes.plot(middle, values, **styled(style, color="C3", lw=1.1, label=text))
    axes.set(xlim=(time[0], time[-1]), ylim=(-1.04, 1.5), yticks=np.linspace(-1, 1, 5), xlabel=TIME)
    length = (
        f"{samples * step / machine.period:.3g} periods" if kind_of(dataset) == "steady" else f"{window:.3g}"
    )
    axes.set_ylabel(f"Pearson coefficient $C(t)$\nin windows of {length}")
    axes.legend(loc="upper right", ncols=3)
    return axes


def draw_phase_difference(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Distribution of the phase difference of the analytic signals, all stored trajectories, on the exact."""
    require(dataset, "position")
    require_pair(dataset)
    x, y = pair_of(dataset)
    edges = np.linspace(-np.pi, np.pi, PHASE_BINS + 1)
    each = [np.histogram(turn, edges, density=True)[0] for turn in phase_difference(x, y)]
    middle, density = 0.5 * (edges[1:] + edges[:-1]), np.mean(each, axis=0)
    axes.stairs(density, edges / np.pi, color="0.8", fill=True)
    if len(each) > 1:
        error = np.std(each, axis=0, ddof=1) / np.sqrt(len(each))
        axes.errorbar(middle / np.pi, density, error, fmt="o", ms=2.5, color=GRAY, label="sampled")
    spectrum = exact_spectrum(dataset)
    if spectrum is not None:
        lowest = np.pi / float(dataset["time"].values[-1] - dataset["time"].values[0])
        fine = np.linspace(-np.pi, np.pi, 401)
        axes.plot(fine / np.pi, phase_density(fine, spectrum.coherence(lowest)[0, 1]), "k", label="exact")
    first, second = (str(name) for name in dataset["oscillator"].values[:2])
    axes.set(xlim=(-1, 1), xlabel=rf"phase difference $(\varphi_{{{first}}} - \varphi_{{{second}}})/\pi$")
    axes.set_ylabel("density [1/rad]")
    make_room(axes, above=0.12)
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="upper center")
    return axes

"""Isothermal work-to-work converter in the time domain: sampled trajectories on exact curves.

    python analysis/fig_work_converter.py work_converter.nc [-o analysis/figures]

Dataset: `langevin-qtm run runs/work_converter.toml -o work_converter.nc`. Exact values are recomputed for
the machine that the dataset stores. Writes `fig_work_converter.pdf` and `.png`.

What to see: (a) the two oscillators are detuned and still swing at one frequency, in antiphase; (b) that is
the tilt of the covariance ellipses; (c) power goes in at B and most of it comes out at A, and the sampled
powers scatter about the exact curves by their standard errors; (d) the noise that is generated has the
quantum power spectrum over six decades, to a few millionths.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from paths import FIGURES, STYLE
from saving import save

from langevin_qtm import open_dataset, periodic_steady_state
from langevin_qtm.data.files import stored_machine

NAME = "fig_work_converter"
WIDTH, HEIGHT = 7.0, 5.3  # inches
TRAJECTORY, SHOWN_PERIODS = 0, 4  # panel (a)
POWER_POINTS = 16  # over a period, panel (c)
SPECTRUM_POINTS = 20  # over the band, panel (d)
EXACT_PHASES = 8  # exact phases for each sampled one
OSCILLATOR_COLORS = ("C0", "C1")
RESERVOIR_COLORS = ("C2", "C3")
GRAY = "0.4"
PDF_DPI = 450  # of what is rasterized there


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    parser = argparse.ArgumentParser(description="Figure of the isothermal work-to-work converter.")
    parser.add_argument("dataset", type=Path, help="dataset of runs/work_converter.toml")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    dataset = open_dataset(arguments.dataset)
    with mpl.rc_context(fname=STYLE):
        figure = draw(dataset, exact_values(dataset))
        save(figure, arguments.output, NAME, PDF_DPI)
        plt.close(figure)


def exact_values(dataset: xr.Dataset) -> xr.Dataset:
    """Exact periodic steady state of the dataset's machine, at its phases and some between them."""
    return periodic_steady_state(stored_machine(dataset), phases=EXACT_PHASES * dataset.sizes["phase"])


def draw(dataset: xr.Dataset, exact: xr.Dataset) -> Figure:
    """The four panels.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of `simulate`, for two oscillators and two reservoirs, with stored trajectories.
    exact : xarray.Dataset
        Of `exact_values`.
    """
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    rows = figure.add_gridspec(2, 1, height_ratios=(1.0, 1.2))
    top = rows[0].subgridspec(1, 2, width_ratios=(1.75, 1.0))
    bottom = rows[1].subgridspec(2, 2, height_ratios=(3.0, 1.0))
    trajectory, plane = figure.add_subplot(top[0]), figure.add_subplot(top[1])
    power, spectrum = figure.add_subplot(bottom[0, 0]), figure.add_subplot(bottom[0, 1])
    power_deviation = figure.add_subplot(bottom[1, 0], sharex=power)
    spectrum_deviation = figure.add_subplot(bottom[1, 1], sharex=spectrum)
    draw_trajectory(trajectory, dataset)
    draw_plane(plane, dataset, exact)
    draw_powers(power, power_deviation, dataset, exact)
    draw_spectra(spectrum, spectrum_deviation, dataset)
    for letter, axes in zip("abcd", (trajectory, plane, power, spectrum), strict=True):
        axes.set_title(rf"$\mathbf{{({letter})}}$", loc="left", pad=4)
    return figure


def draw_trajectory(axes: Axes, dataset: xr.Dataset) -> None:
    """Both positions along one trajectory, over a few drive periods."""
    period = stored_machine(dataset).period
    end = SHOWN_PERIODS * period
    shown = dataset["position"].isel(trajectory=TRAJECTORY).sel(time=slice(0.0, end))
    for name, color in zip(dataset["oscillator"].values, OSCILLATOR_COLORS, strict=True):
        axes.plot(shown["time"], shown.sel(oscillator=name), color=color, label=f"$x_{{{name}}}$")
    for start in period * np.arange(1, SHOWN_PERIODS, 2):
        axes.axvspan(start, start + period, color="0.93", zorder=0, lw=0)
    axes.set(xlim=(0.0, end), xlabel=r"time $t\ [\omega_A^{-1}]$")
    axes.set_ylabel(r"position $x_l\ [\omega_A^{-1/2}]$")
    _make_room(axes, above=0.22)
    axes.legend(loc="upper left", ncols=2)
    level = axes.get_xaxis_transform()
    arrow = {"arrowstyle": "<->", "color": GRAY, "lw": 0.7, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
    axes.annotate("", (period, 0.88), (2 * period, 0.88), level, level, arrowprops=arrow)
    text = {"transform": level, "ha": "center", "va": "bottom", "fontsize": 8, "color": GRAY}
    axes.text(1.5 * period, 0.89, r"$2\pi/\Omega$", **text)


def draw_plane(axes: Axes, dataset: xr.Dataset, exact: xr.Dataset) -> None:
    """All stored samples in the plane of positions, and the exact covariance ellipses."""
    samples = dataset["position"].stack(sample=("trajectory", "time"))
    first, second = dataset["oscillator"].values
    dots = {"ms": 1.6, "mew": 0, "color": "0.5", "alpha": 0.5, "rasterized": True}
    axes.plot(samples.sel(oscillator=first), samples.sel(oscillator=second), ".", **dots)
    for sigmas, style in ((1, "-"), (2, "--")):
        ellipse = covariance_ellipse(exact["position_covariance"].values, sigmas)
        axes.plot(*ellipse, "k", ls=style, label=rf"exact ${sigmas}\sigma$")
    reach = 1.05 * float(np.abs(samples).max())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_xlabel(rf"$x_{{{first}}}\ [\omega_A^{{-1/2}}]$")
    axes.set_ylabel(rf"$x_{{{second}}}\ [\omega_A^{{-1/2}}]$")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    axes.legend(loc="upper right")
    sampled = rf"Pearson $C = {dataset['pearson']:.3f} \pm {dataset['pearson_se']:.3f}$"
    text = f"{sampled}\nexact ${exact['pearson']:.3f}$"
    box = {"facecolor": "w", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(0.04, 0.04, text, transform=axes.transAxes, fontsize=8, linespacing=1.3, bbox=box)


def covariance_ellipse(covariance: np.ndarray, sigmas: float) -> np.ndarray:
    """Points of the ellipse zᵀ C⁻¹ z = sigmas², dims (coordinate, point)."""
    angles = np.linspace(0, 2 * np.pi, 201)
    return sigmas * np.linalg.cholesky(covariance) @ np.array([np.cos(angles), np.sin(angles)])


def draw_powers(axes: Axes, deviation: Axes, dataset: xr.Dataset, exact: xr.Dataset) -> None:
    """Local powers over the drive period, and below what they differ from the exact curve."""
    thin = max(1, dataset.sizes["phase"] // POWER_POINTS)
    sampled = dataset.isel(phase=slice(None, None, thin))
    for name, color in zip(dataset["oscillator"].values, OSCILLATOR_COLORS, strict=True):
        curve = exact["local_power_phase"].sel(oscillator=name)
        points = sampled["local_power_phase"].sel(oscillator=name)
        errors = sampled["local_power_phase_se"].sel(oscillator=name)
        there = curve.sel(phase=points["phase"], method="nearest").values
        markers = {"fmt": "o", "color": color, "mfc": "w", "mew": 0.9, "elinewidth": 0.9}
        axes.plot(np.append(curve["phase"], 1.0), np.append(curve, curve[0]), color=color)
        axes.errorbar(points["phase"], points, errors, label=f"$P_{{{name}}}$ sampled", **markers)
        axes.axhline(dataset["local_power"].sel(oscillator=name), color=color, ls="--", lw=0.8)
        deviation.errorbar(points["phase"], points - there, errors, ms=2.5, **markers)
    for both in (axes, deviation):
        both.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=(0.0, 1.0), ylabel=r"local power $P_l\ [10^{-3}\,\omega_A^2]$")
    _tick_unit(axes, 1e-3)
    _make_room(axes, above=0.2)
    handles, labels = axes.get_legend_handles_labels()
    handles += [Line2D([], [], color=GRAY), Line2D([], [], color=GRAY, ls="--", lw=0.8)]
    axes.legend(handles, [*labels, "exact", "period average"], loc="upper center", ncols=2)
    axes.tick_params(labelbottom=False)
    deviation.set(xlabel=r"drive phase $\Omega t/2\pi$", ylabel="deviation\n" r"$[10^{-6}\,\omega_A^2]$")
    _center(deviation)
    _tick_unit(deviation, 1e-6)


def draw_spectra(axes: Axes, deviation: Axes, dataset: xr.Dataset) -> None:
    """Noise power spectra, target and generated, and below their relative deviation."""
    thin = max(1, dataset.sizes["frequency"] // SPECTRUM_POINTS)
    markers = {"ls": "", "marker": "o", "mfc": "w", "mew": 0.9}
    for name, color, style in zip(dataset["reservoir"].values, RESERVOIR_COLORS, ("-", "--"), strict=True):
        target = dataset["noise_spectrum_target"].sel(reservoir=name)
        generated = dataset["noise_spectrum_filter"].sel(reservoir=name)
        axes.loglog(target["frequency"], target, color=color)
        axes.loglog(generated["frequency"][::thin], generated[::thin], color=color, **markers)
        deviation.semilogx(target["frequency"], generated / target - 1, color=color, ls=style)
        start = (float(target["frequency"][0]), float(target[0]))
        axes.annotate(f"{name} reservoir", start, (0, 5), textcoords="offset points", color=color, fontsize=8)
    axes.set_ylabel(r"noise spectrum $S_\nu\ [\omega_A^2]$")
    handles = [Line2D([], [], color=GRAY), Line2D([], [], color=GRAY, **markers)]
    labels = [r"target $J_\nu\coth(\omega/2T_\nu)$", "generated"]
    axes.legend(handles, labels, loc="upper left")
    axes.tick_params(labelbottom=False)
    deviation.axhline(0.0, color="k", lw=0.5, zorder=0)
    deviation.set(xlabel=r"frequency $\omega\ [\omega_A]$", ylabel="deviation\n" r"$[10^{-6}\,S_\nu]$")
    _center(deviation)
    _tick_unit(deviation, 1e-6)


def _make_room(axes: Axes, above: float) -> None:
    """Leave a share of the height free above the data."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + above * (high - low))


def _center(axes: Axes) -> None:
    """Zero in the middle, three ticks."""
    reach = max(np.abs(axes.get_ylim()))
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(2, symmetric=True))


def _tick_unit(axes: Axes, unit: float) -> None:
    """Label the vertical ticks in multiples of a unit; the data stay as they are."""
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value / unit:.3g}".replace("-", "\N{MINUS SIGN}"))
    )


if __name__ == "__main__":
    main()

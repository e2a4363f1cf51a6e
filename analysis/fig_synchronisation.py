"""Frequency locking in antiphase: Pearson coefficient C of the two positions.

    python analysis/fig_synchronisation.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/synchronisation/<file>.toml -o <file>.nc`; exact ones that are not given are
computed in seconds, sampled ones are drawn if given or kept in `analysis/data`. Writes
`fig_synchronisation.pdf` and `.png`.

What to see: (a) C vanishes for weak coupling to the common reservoir and goes towards -1 for strong coupling,
the more so the lower the temperature. (b) At strong coupling locking sets in where T falls below the
frequencies. (c) Whatever the detuning. Curves: zeroth order in the driven coupling; circles: sampled, driven
at γ_1 = 0.01. (d) Sampled against the exact steady state of the same machines.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from published import CIRCLE, GAMMA, STATIC, Datasets, Script, draw_deviations, letter, make_figure

WIDTH, HEIGHT = 7.0, 4.8  # inches
DETUNED = 0.6  # w_B of panels (a) and (b)
STRONGEST = 100.0
TEMPERATURE = r"temperature $T\ [\omega_A]$"
PEARSON = "Pearson coefficient $C$"
QUICK = {
    "coupling": {
        "sweep.reservoir.static.spectral_density.gamma": {
            "start": 1e-4,
            "stop": 100.0,
            "num": 13,
            "scale": "log",
        }
    },
    "temperature": {"sweep.temperature.num": 13},
}


def draw(datasets: Datasets) -> Figure:
    """C along coupling, along temperature, for other detunings, and deviations."""
    figure, grid = plt.subplots(2, 2, figsize=(WIDTH, HEIGHT))
    points = datasets.get("points")
    coupling, temperature = datasets["coupling"]["pearson"], datasets["temperature"]["pearson"]
    coldest_first = coupling.sel(frequency_B=DETUNED)
    draw_family(grid[0, 0], coldest_first, STATIC, "temperature", "T", points)
    draw_family(grid[0, 1], temperature.sel(frequency_B=DETUNED), "temperature", STATIC, r"\gamma_2", points)
    draw_detunings(grid[1, 0], coupling)
    draw_deviations(grid[1, 1], SCRIPT, datasets)
    grid[0, 0].set(xlabel=GAMMA, ylabel=PEARSON)
    grid[0, 1].set(xlabel=TEMPERATURE, ylabel=PEARSON)
    letter(*grid.flat)
    return figure


def draw_family(
    axes: Axes, values: xr.DataArray, along: str, family: str, symbol: str, points: xr.Dataset | None
) -> None:
    """One curve for each value of the family, and the sampled points that lie on it."""
    colors = mpl.colormaps["viridis"](np.linspace(0.0, 0.88, values.sizes[family]))
    for value, color in zip(values[family].values, colors, strict=True):
        curve = values.sel({family: value})
        axes.semilogx(curve[along], curve, color=color, label=rf"${symbol} = {value:g}\,\omega_A$")
        if points is not None:
            draw_points(axes, points, along, family, value, color)
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=values[along].values[[0, -1]], ylim=(-1.0, 0.04))
    axes.legend(loc="lower left" if along == STATIC else "lower right")


def draw_points(axes: Axes, points: xr.Dataset, along: str, family: str, value: float, color) -> None:
    """Sampled Pearson coefficients at one value of the family."""
    names = {"temperature": "static_temperature"}
    here = points.isel(point=np.isclose(points[names.get(family, family)].values, value))
    error = here["pearson_se"].values
    axes.errorbar(
        here[names.get(along, along)].values, here["pearson"].values, error, color=color, mfc="w", **CIRCLE
    )


def draw_detunings(axes: Axes, values: xr.DataArray) -> None:
    """C along coupling for all w_B at three temperatures."""
    colors = ("C0", "C1", "C2")
    for frequency, style in zip(values["frequency_B"].values, (":", "-", "--"), strict=True):
        for temperature, color in zip((0.01, 0.1, 1.0), colors, strict=True):
            curve = values.sel(frequency_B=frequency, temperature=temperature)
            axes.semilogx(curve[STATIC], curve, color=color, ls=style)
        axes.plot([], [], color="0.4", ls=style, label=rf"$\omega_B = {frequency:g}\,\omega_A$")
    for temperature, color in zip((0.01, 0.1, 1.0), colors, strict=True):
        axes.plot([], [], color=color, label=rf"$T = {temperature:g}\,\omega_A$")
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=values[STATIC].values[[0, -1]], ylim=(-1.0, 0.04), xlabel=GAMMA, ylabel=PEARSON)
    axes.legend(loc="lower left")


def numbers(datasets: Datasets) -> list[str]:
    """C at the ends of the curves, by temperature."""
    curves = datasets["coupling"]["pearson"].sel(frequency_B=DETUNED)
    return [
        f"T = {temperature:g}: C = "
        + ", ".join(
            f"{float(curve.sel({STATIC: gamma}, method='nearest')):.2g} at γ_2 = {gamma:g}"
            for gamma in (1e-4, 0.01, 1.0, 100.0)
        )
        + "."
        for temperature, curve in zip(
            curves["temperature"].values, curves.transpose("temperature", ...), strict=True
        )
    ]


COMPARED = {"pearson": "$C$", "local_power": "$P_A$"}
SCRIPT = Script("synchronisation", ("coupling", "temperature"), ("points",), COMPARED, draw, numbers, QUICK)


if __name__ == "__main__":
    make_figure(SCRIPT)

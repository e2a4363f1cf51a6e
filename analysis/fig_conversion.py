"""Conversion efficiency -P_A/P_B of the isothermal converter over drive frequency, weak to strong coupling.

    python analysis/fig_conversion.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/conversion/<file>.toml -o <file>.nc`. Exact ones that are not given are
computed (half a minute; `--quick`: coarser). Sampled ones are drawn if given or kept in `analysis/data`.
Writes `fig_conversion.pdf` and `.png`.

What to see: (a) at γ_2 = 100 most of the work put in at B comes out at A, below the frequencies of the
oscillators and again above the cut-off; at γ_2 = 0.01 only a slow drive converts. Shades: w_B from 0.3 to
0.9. Dots: exact, at finite γ_1; circles: sampled, filled where γ_1 is 1e-3 or less. (b) At γ_2 = 0.01 the
power that is extracted is hundreds of times smaller. (c) At other temperatures strong coupling wins, too. (d)
Sampled against exact.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from published import (
    CIRCLE,
    GRAY,
    OMEGA,
    STATIC,
    Datasets,
    Script,
    draw_deviations,
    each,
    letter,
    make_figure,
)

WIDTH, HEIGHT = 7.0, 4.6  # inches
CHOSEN = {"frequency_B": 0.6, "temperature": 0.1}
COLORS = {100.0: "C1", 1.0: "C2", 0.01: "C0"}
WEAK_DRIVE = 1e-3  # largest γ_1 of filled circles
AXIS = {"start": 0.01, "stop": 1000.0, "scale": "log"}
GAMMA_1 = 0.01  # of curves.toml
SLOW_BELOW = 6.0  # between the frequencies of the oscillators and the cut-off
QUICK = {
    "curves": {"sweep.drive.frequency": AXIS | {"num": 26}},
    "exact": {"sweep.drive.frequency": AXIS | {"num": 6}},
}


def draw(datasets: Datasets) -> Figure:
    """Efficiency, extracted power, other temperatures, deviations."""
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    rows = figure.add_gridspec(2, 1, height_ratios=(1.5, 1.0))
    cells = [rows[0], *rows[1].subgridspec(1, 3)]
    efficiency, power, others, scores = (figure.add_subplot(cell) for cell in cells)
    draw_efficiency(efficiency, datasets)
    draw_power(power, datasets["curves"].sel(CHOSEN))
    draw_temperatures(others, ratio(datasets["curves"]).sel(frequency_B=CHOSEN["frequency_B"]))
    draw_deviations(scores, SCRIPT, datasets)
    letter(efficiency, power, others, scores)
    return figure


def draw_efficiency(axes: Axes, datasets: Datasets) -> None:
    """-P_A/P_B: second order with its range over w_B, exact and sampled at finite γ_1."""
    values = ratio(datasets["curves"]).sel(temperature=CHOSEN["temperature"])
    for gamma, color in COLORS.items():
        one = values.sel({STATIC: gamma})
        x, low, high = envelope(one, "drive_frequency")
        axes.fill_between(x, low, high, color=color, alpha=0.15, lw=0)
        chosen = one.sel(frequency_B=CHOSEN["frequency_B"])
        axes.plot(x, chosen, color=color, label=rf"$\gamma_2 = {gamma:g}\,\omega_A$")
    draw_exact(axes, datasets["exact"])
    if "points" in datasets:
        draw_points(axes, datasets["points"])
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xscale="log", xlim=(0.01, 1000.0), ylim=(-0.15, 1.05), xlabel=OMEGA)
    axes.set_ylabel(r"conversion efficiency $-P_A/P_B$")
    lines = axes.get_legend_handles_labels()
    extra = {"exact, $\\gamma_1 = 10^{-4}\\,\\omega_A$": "-", "exact, $\\gamma_1 = 10^{-2}\\,\\omega_A$": ":"}
    handles = [Line2D([], [], color=GRAY, marker=".", lw=0.6, ls=style) for style in extra.values()]
    handles += [Line2D([], [], color=GRAY, marker="o", mfc=fill, ls="") for fill in ("w", GRAY)]
    sampled = ["sampled", r"sampled, $\gamma_1 \leq 10^{-3}\,\omega_A$"]
    labels = [*lines[1], *extra, *sampled]
    axes.legend([*lines[0], *handles], labels, loc="center", bbox_to_anchor=(0.52, 0.62))


def draw_exact(axes: Axes, dataset: xr.Dataset) -> None:
    """Exact efficiencies at finite γ_1."""
    values = ratio(dataset)
    for gamma in dataset[STATIC].values:
        for driven, style in zip(dataset["driven_gamma"].values, ("-", ":"), strict=False):
            curve = values.sel({STATIC: gamma, "driven_gamma": driven})
            axes.plot(curve["drive_frequency"], curve, ".", color=COLORS[gamma], ls=style, lw=0.6, ms=3)


def draw_points(axes: Axes, points: xr.Dataset) -> None:
    """Sampled efficiencies, filled where the drive is weak."""
    for one in each(points):
        color = COLORS[float(one[STATIC])]
        fill = color if float(one["driven_gamma"]) <= WEAK_DRIVE else "w"
        y, error = float(one["conversion_efficiency"]), float(one["conversion_efficiency_se"])
        axes.errorbar(float(one["drive_frequency"]), y, error, color=color, mfc=fill, **CIRCLE)


def draw_power(axes: Axes, curves: xr.Dataset) -> None:
    """Extracted power of second order."""
    power = -curves["local_power"].sel(oscillator="A") / GAMMA_1
    for gamma, color in COLORS.items():
        one = power.sel({STATIC: gamma})
        axes.loglog(one["drive_frequency"], one.where(one > 0), color=color)
    axes.set(xlim=(0.01, 1000.0), xlabel=OMEGA, ylabel=r"power $-P_A/\gamma_1\ [\omega_A]$")


def draw_temperatures(axes: Axes, values: xr.DataArray) -> None:
    """-P_A/P_B of second order at all temperatures, for the weakest and the strongest coupling."""
    for temperature, style in zip(values["temperature"].values, ("--", "-", ":"), strict=True):
        for gamma in (0.01, 100.0):
            one = values.sel({STATIC: gamma, "temperature": temperature})
            axes.semilogx(one["drive_frequency"], one, color=COLORS[gamma], ls=style)
        axes.plot([], [], color=GRAY, ls=style, label=rf"${temperature:g}$")
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=(0.01, 1000.0), ylim=(-0.15, 1.05), xlabel=OMEGA, ylabel="$-P_A/P_B$")
    axes.legend(loc="center", bbox_to_anchor=(0.53, 0.64), title=r"$T/\omega_A$", handlelength=1.4)


def envelope(values: xr.DataArray, along: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Abscissa, lowest and highest over all dims but one."""
    others = [dim for dim in values.dims if dim != along]
    return values[along].values, values.min(others).values, values.max(others).values


def ratio(dataset: xr.Dataset) -> xr.DataArray:
    """-P_A/P_B, whatever its sign."""
    power = dataset["local_power"]
    return -power.sel(oscillator="A", drop=True) / power.sel(oscillator="B", drop=True)


def numbers(datasets: Datasets) -> list[str]:
    """Largest efficiencies by static coupling, and the extracted power they come with."""
    chosen = datasets["curves"].sel(CHOSEN)
    efficiency, power = ratio(chosen), -chosen["local_power"].sel(oscillator="A") / GAMMA_1
    lines = []
    for gamma in COLORS:
        one = efficiency.sel({STATIC: gamma})
        for low, high, where in ((None, SLOW_BELOW, "slow"), (SLOW_BELOW, None, "fast")):
            part = one.sel(drive_frequency=slice(low, high))
            best = part.isel(drive_frequency=int(part.argmax("drive_frequency")))
            omega = float(best["drive_frequency"])
            extracted = float(power.sel({STATIC: gamma, "drive_frequency": omega}))
            lines.append(
                f"γ_2 = {gamma:g}: largest -P_A/P_B of {where} drives {float(best):.2f} at Ω = {omega:.3g}, "
                f"where -P_A/γ_1 = {extracted:.2g}."
            )
    return lines


COMPARED = {"local_power": "$P_A$", "conversion_efficiency": "$-P_A/P_B$"}
SCRIPT = Script("conversion", ("curves", "exact"), ("points",), COMPARED, draw, numbers, QUICK)


if __name__ == "__main__":
    make_figure(SCRIPT)

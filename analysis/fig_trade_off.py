"""Efficiency, power and constancy of heat engines: the trade-off of Pietzonka and Seifert.

    python analysis/fig_trade_off.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/trade_off/<file>.toml -o <file>.nc`. Curves that are not given are computed
in half a minute; sampled points are drawn if given or kept in `analysis/data`. Writes `fig_trade_off.pdf` and
`.png`.

What to see: (a) |P| η T_2/[(η_C - η) D_P] stays below 1/2 for all couplings and both weights r of the drive
of B. (b) Efficiency, (c) power, (d) fluctuation per power. Lines: second order; pale: T_2 = 0.3; circles:
sampled at finite strength d, filled for r = 1. (e) The ratio of Koyuk and Seifert passes far below 2 on the
flanks of the resonances, for the total power as well. (f) Sampled against exact.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from published import CIRCLE, GRAY, OMEGA, Datasets, Script, draw_deviations, each, letter, make_figure

from langevin_qtm import koyuk_seifert_ratio, power_tradeoff
from langevin_qtm.data.sweep import from_tables

WIDTH, HEIGHT = 7.0, 4.9  # inches
GAMMA, COLD = "cold_gamma", "cold_temperature"
COLORS = {100.0: "C1", 1.0: "C2", 0.01: "C0"}
HOT, LINE = 1.0, 1.29  # T_1; w_1, at which weighted drives have weight 1
CHOSEN, OTHER = 0.1, 0.3  # T_2
EXPONENTS = (0, 1)
STYLES = {0: "-", 1: "--"}
BOUND = 0.5
SHOWN = (0.1, 0.8)  # Ω
QUICK = {"curves": {"sweep.drive.frequency": {"start": 0.02, "stop": 1.22, "num": 61}}}


def with_weights(datasets: Datasets) -> dict[str, xr.Dataset]:
    """The datasets, and the ratios of Koyuk and Seifert with what they are made of, over (r, γ_2, T_2, Ω)."""
    curves = datasets["curves"]
    omega = curves["drive_frequency"].values
    pinned = {"drive.frequency": float(omega[0])}
    found = []
    for run in from_tables(json.loads(curves.attrs["config_json"]), pinned).runs:
        cold = run.machine.reservoirs[1]
        for r in EXPONENTS:
            one = koyuk_seifert_ratio(run.machine, omega, weights={"B": r}, reference=LINE)
            place = {"r": r, GAMMA: cold.spectral_density.gamma, COLD: cold.temperature}
            found.append(one.assign_coords(place))
    stacked = xr.concat(found, "point", coords="different", compat="equals", join="exact")
    return {**datasets, "weighted": stacked.set_index(point=["r", GAMMA, COLD]).unstack("point")}


def draw(datasets: Datasets) -> Figure:
    """Trade-off, its three parts, Koyuk-Seifert ratios, deviations."""
    figure, grid = plt.subplots(2, 3, figsize=(WIDTH, HEIGHT))
    *parts, periodic, scores = grid.flat
    for axes, (value, error) in zip(parts, QUANTITIES, strict=True):
        draw_curves(axes, value(datasets["weighted"]))
        if "points" in datasets:
            draw_points(axes, datasets["points"], value, error)
    parts[0].axhline(BOUND, color="k", lw=0.8)
    parts[0].set(ylim=(0.0, 0.6), ylabel=r"$|P|\,\eta\,T_2/[(\eta_C - \eta)\,D_P]$")
    parts[1].set(ylim=(0.0, 1.0), ylabel=r"efficiency $\eta\,/\,\eta_C$")
    parts[2].set(yscale="log", ylim=(1e-3, 5.0), ylabel=r"power $-P/d\ [\omega_A^{-2}]$")
    parts[3].set(yscale="log", ylim=(0.1, 20.0), ylabel=r"fluctuation $D_P/|P|\ [\omega_A]$")
    draw_periodic(periodic, datasets["weighted"])
    draw_deviations(scores, SCRIPT, datasets)
    draw_legend(figure)
    letter(*grid.flat)
    return figure


def tradeoff(one: xr.Dataset) -> xr.DataArray:
    """|P| η T_2/[(η_C - η) D_P] of engines."""
    cold = one[COLD] if COLD in one.coords else CHOSEN
    return power_tradeoff(
        one["power"], one["efficiency"], one["power_fluctuation_quantum"], hot=HOT, cold=cold
    )


def tradeoff_error(one: xr.Dataset) -> xr.DataArray:
    """Of a sampled one: it is the reciprocal uncertainty ratio."""
    return one["power_tur_ratio_se"] / one["power_tur_ratio"] ** 2


def relative_efficiency(one: xr.Dataset) -> xr.DataArray:
    """η/η_C."""
    return one["efficiency"] / (1 - (one[COLD] if COLD in one.coords else CHOSEN) / HOT)


def relative_efficiency_error(one: xr.Dataset) -> xr.DataArray:
    """Of a sampled one."""
    return one["efficiency_se"] / (1 - CHOSEN / HOT)


def output(one: xr.Dataset) -> xr.DataArray:
    """-P/d of engines."""
    return (-one["power"]).where(one["power"] < 0) / one.coords.get("hot_strength", 1.0)


def output_error(one: xr.Dataset) -> xr.DataArray:
    """Of a sampled one."""
    return one["power_se"] / one["hot_strength"]


def spread(one: xr.Dataset) -> xr.DataArray:
    """D_P/|P| of engines."""
    return one["power_fluctuation_quantum"] / (-one["power"]).where(one["power"] < 0)


def spread_error(one: xr.Dataset) -> xr.DataArray:
    """Of a sampled one."""
    relative = (one[f"{name}_se"] / one[name] for name in ("power_fluctuation_quantum", "power"))
    return spread(one) * np.hypot(*relative)


QUANTITIES = (
    (tradeoff, tradeoff_error),
    (relative_efficiency, relative_efficiency_error),
    (output, output_error),
    (spread, spread_error),
)


def draw_curves(axes: Axes, values: xr.DataArray) -> None:
    """Curves of second order for all couplings and weights; at the other temperature in gray."""
    for gamma, color in COLORS.items():
        for r, style in STYLES.items():
            one = values.sel({GAMMA: gamma, "r": r})
            axes.plot(one["drive_frequency"], one.sel({COLD: CHOSEN}), color=color, ls=style)
        other = values.sel({GAMMA: gamma, "r": 0, COLD: OTHER})
        axes.plot(other["drive_frequency"], other, color=color, lw=0.6, alpha=0.45, zorder=1)
    axes.set(xlim=SHOWN, xlabel=OMEGA)


def draw_points(axes: Axes, points: xr.Dataset, value: Callable, error: Callable) -> None:
    """Sampled engines, filled where the drive is weighted."""
    for one in each(points):
        color = COLORS[float(one[GAMMA])]
        fill = color if float(one["hot_B_amplitude"]) != 1.0 else "w"
        x = float(one["drive_frequency"])
        axes.errorbar(x, float(value(one)), float(error(one)), color=color, mfc=fill, **CIRCLE)


def draw_periodic(axes: Axes, weighted: xr.Dataset) -> None:
    """Koyuk-Seifert ratio of P_A and of the total power where the machine is an engine, r = 0."""
    chosen = weighted.sel({COLD: CHOSEN, "r": 0})
    for gamma in (100.0, 0.01):
        one = chosen.sel({GAMMA: gamma})
        omega, color = one["drive_frequency"], COLORS[gamma]
        axes.semilogy(omega, one["power_koyuk_seifert_ratio"], color=color)
        for oscillator, style in (("A", "--"), ("B", ":")):
            axes.semilogy(omega, one["koyuk_seifert_ratio"].sel(oscillator=oscillator), color=color, ls=style)
    for label, style in (("$P$", "-"), ("$P_A$", "--"), ("$P_B$", ":")):
        axes.plot([], [], color=GRAY, ls=style, label=label)
    axes.axhspan(1e-9, 2.0, color="0.92", zorder=0, lw=0)
    axes.set(xlim=SHOWN, ylim=(1e-3, 1e6), xlabel=OMEGA)
    axes.set_ylabel(r"$\dot S D/(O - \Omega\,\partial_\Omega O)^2$")
    axes.legend(loc="upper center", ncols=3)


def draw_legend(figure: Figure) -> None:
    """What colors, lines and markers mean."""
    handles = {rf"$\gamma_2 = {gamma:g}$": Line2D([], [], color=color) for gamma, color in COLORS.items()}
    handles |= {f"$r = {r}$": Line2D([], [], color=GRAY, ls=style) for r, style in STYLES.items()}
    handles[f"$T_2 = {OTHER}$"] = Line2D([], [], color=GRAY, lw=0.6, alpha=0.6)
    handles["sampled"] = Line2D([], [], color=GRAY, marker="o", mfc="w", ls="")
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=len(handles))


def numbers(datasets: Datasets) -> list[str]:
    """Largest trade-offs, and smallest ratios of local powers."""
    weighted, lines = datasets["weighted"], []
    values = tradeoff(weighted)
    for gamma in COLORS:
        for r in EXPONENTS:
            one = values.sel({GAMMA: gamma, "r": r, COLD: CHOSEN})
            best = weighted.sel({GAMMA: gamma, "r": r, COLD: CHOSEN}).isel(
                drive_frequency=int(one.argmax("drive_frequency"))
            )
            lines.append(
                f"γ_2 = {gamma:g}, r = {r}: largest trade-off {float(one.max()):.3f} at Ω = "
                f"{float(best['drive_frequency']):.3g}, where -P/d = {-float(best['power']):.2g} and "
                f"η/η_C = {float(relative_efficiency(best)):.2f}."
            )
    lines.append(f"Largest trade-off of all curves {float(values.max()):.4f}; the bound is {BOUND}.")
    runs = weighted["power"] < 0
    for gamma in (100.0, 0.01):
        for r in EXPONENTS:
            chosen = {GAMMA: gamma, "r": r, COLD: CHOSEN}
            one, on = weighted.sel(chosen), runs.sel(chosen)
            local = one["koyuk_seifert_ratio"].where(on).min("drive_frequency").values
            total = float(one["power_koyuk_seifert_ratio"].where(on).min())
            lines.append(
                f"Engines, γ_2 = {gamma:g}, r = {r}: smallest Koyuk-Seifert ratio {local[0]:.2g} (P_A), "
                f"{local[1]:.2g} (P_B), {total:.2g} (P)."
            )
    return lines


SCRIPT = Script(
    name="trade_off",
    exact=("curves",),
    sampled=("points",),
    compared={
        "power": "$P$",
        "efficiency": r"$\eta$",
        "power_fluctuation_quantum": "$D_P$",
        "power_tur_ratio": "$Q_P$",
    },
    draw=draw,
    numbers=numbers,
    quick=QUICK,
    derive=with_weights,
)


if __name__ == "__main__":
    make_figure(SCRIPT)

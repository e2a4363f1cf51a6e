"""Isothermal converter against the bound of periodic drives: Ṡ D/(P_A - Ω ∂P_A/∂Ω)² over (Ω, T).

    python analysis/fig_periodic_bounds.py [datasets] [--quick] [-o analysis/figures]

Machines and axes are those of runs/periodic_bounds/maps.toml; the ratios are computed from them (a minute;
`--quick`: coarser). Writes `fig_periodic_bounds.pdf` and `.png`.

What to see: outside the hatching the ratio is below 2; within the line power is extracted at A. (a–d) r = 0:
both hold only at strong coupling. (e–h) r = 1, the drive of B weighted by Ω/w_c: only with memory (w_c = 12).
(i) The smallest ratio among drives that extract power, over temperature. (j) The ratio of the total power.
"""

from __future__ import annotations

import json

import matplotlib as mpl
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from published import STATIC, Datasets, Script, letter, make_figure

from langevin_qtm import koyuk_seifert_ratio
from langevin_qtm.data.sweep import from_tables

WIDTH, HEIGHT = 7.0, 6.2  # inches
CUTOFF = "driven_cutoff"
COLUMNS = ((100.0, 12.0), (100.0, 1000.0), (0.01, 12.0), (0.01, 1000.0))  # γ_2, w_c
EXPONENTS = (0, 1)
AXES = ("r", STATIC, CUTOFF, "temperature")
BOUND = 2.0
NORM = LogNorm(1e-2, BOUND)
HATCH = "////"
STYLES = {0: "-", 1: "--"}
QUICK = {
    "maps": {
        "sweep.temperature.num": 7,
        "sweep.drive.frequency": {"start": 0.01, "stop": 1000.0, "num": 21, "scale": "log"},
    }
}


def with_ratios(datasets: Datasets) -> dict[str, xr.Dataset]:
    """The datasets, and all ratios over (r, γ_2, w_c, T, Ω)."""
    maps = datasets["maps"]
    omega = maps["drive_frequency"].values
    pinned = {"drive.frequency": float(omega[0])}
    found = []
    for run in from_tables(json.loads(maps.attrs["config_json"]), pinned).runs:
        driven, static = run.machine.reservoirs
        for r in EXPONENTS:
            cutoff = driven.spectral_density.cutoff
            one = koyuk_seifert_ratio(run.machine, omega, weights={"B": r}, reference=cutoff)
            place = (r, static.spectral_density.gamma, cutoff, static.temperature)
            found.append(one.assign_coords(dict(zip(AXES, place, strict=True))))
    stacked = xr.concat(found, "point", coords="different", compat="equals", join="exact")
    return {**datasets, "ratios": stacked.set_index(point=list(AXES)).unstack("point")}


def draw(datasets: Datasets) -> Figure:
    """Maps for both weights, smallest ratios."""
    ratios = datasets["ratios"]
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    rows = figure.add_gridspec(2, 1, height_ratios=(2.0, 1.0))
    grid = rows[0].subgridspec(2, len(COLUMNS)).subplots(sharex=True, sharey=True)
    for cells, r in zip(grid, EXPONENTS, strict=True):
        for axes, (gamma, cutoff) in zip(cells, COLUMNS, strict=True):
            mesh = draw_map(axes, ratios.sel({"r": r, STATIC: gamma, CUTOFF: cutoff, "oscillator": "A"}))
        cells[0].set_ylabel(rf"$r = {r}$" + "\n" + r"temperature $T\ [\omega_A]$")
    for axes, (gamma, cutoff) in zip(grid[0], COLUMNS, strict=True):
        axes.set_title(rf"$\gamma_2 = {gamma:g},\ \omega_c = {cutoff:g}$", fontsize=8, loc="right", pad=4)
    for axes in grid[1]:
        axes.set_xlabel(r"$\Omega\ [\omega_A]$")
    bar = figure.colorbar(mesh, ax=list(grid.flat), pad=0.01, aspect=28, extend="min")
    bar.set_label(r"$\dot S D_A/(P_A - \Omega\,\partial_\Omega P_A)^2$ (hatched: $\geq 2$; line: $P_A = 0$)")
    local, total = rows[1].subgridspec(1, 2).subplots(sharex=True)
    draw_smallest(local, smallest(ratios))
    draw_smallest(total, ratios["power_koyuk_seifert_ratio"].min("drive_frequency"))
    local.set_ylabel("smallest ratio, $P_A < 0$")
    total.set_ylabel(r"smallest ratio of $P_A + P_B$")
    total.legend(loc="lower right", ncols=2, fontsize=7, title=r"$\gamma_2,\ \omega_c,\ r$")
    letter(*grid.flat)
    for name, axes in zip("ij", (local, total), strict=True):
        axes.set_title(rf"$\mathbf{{({name})}}$", loc="left", pad=4)
    return figure


def draw_map(axes: Axes, one: xr.Dataset) -> QuadMesh:
    """Ratio over drive frequency and temperature, hatched where not below the bound; line: P_A = 0."""
    ratio, power = (
        one[name].transpose("temperature", "drive_frequency")
        for name in ("koyuk_seifert_ratio", "local_power")
    )
    x, y = one["drive_frequency"].values, one["temperature"].values
    within = ratio < BOUND
    mesh = axes.pcolormesh(
        x, y, ratio.where(within), norm=NORM, cmap="viridis", shading="nearest", rasterized=True
    )
    if not within.all():
        with mpl.rc_context({"hatch.linewidth": 0.3}):
            axes.contourf(x, y, ~within.values, [0.5, 1.5], colors="none", hatches=[HATCH])
    if (power < 0).any():
        axes.contour(x, y, power.values < 0, [0.5], colors="C1", linewidths=1.0)
    axes.set(xscale="log", yscale="log", xlim=x[[0, -1]], ylim=y[[0, -1]])
    axes.set_xticks((1e-2, 1e0, 1e2))
    return mesh


def smallest(ratios: xr.Dataset) -> xr.DataArray:
    """Smallest ratio of P_A over drives that extract it; NaN where none does."""
    a = ratios.sel(oscillator="A")
    return a["koyuk_seifert_ratio"].where(a["local_power"] < 0).min("drive_frequency")


def draw_smallest(axes: Axes, values: xr.DataArray) -> None:
    """Smallest ratio over temperature, for all machines and weights."""
    for (gamma, cutoff), color in zip(COLUMNS, ("C0", "C5", "C1", "C4"), strict=True):
        for r in EXPONENTS:
            one = values.sel({STATIC: gamma, CUTOFF: cutoff, "r": r})
            label = rf"${gamma:g},\ {cutoff:g},\ {r}$"
            axes.loglog(one["temperature"], one, color=color, ls=STYLES[r], label=label)
    axes.axhspan(1e-9, BOUND, color="0.92", zorder=0, lw=0)
    axes.set(xlim=values["temperature"].values[[0, -1]], ylim=(1e-4, 1e3), xlabel=r"$T\ [\omega_A]$")


def numbers(datasets: Datasets) -> list[str]:
    """Where power is extracted and precise, a sentence for each machine and weight."""
    ratios, lines = datasets["ratios"], []
    a = ratios.sel(oscillator="A")
    for r in EXPONENTS:
        for gamma, cutoff in COLUMNS:
            one = a.sel({"r": r, STATIC: gamma, CUTOFF: cutoff})
            good = (one["koyuk_seifert_ratio"] < BOUND) & (one["local_power"] < 0)
            where = f"r = {r}, γ_2 = {gamma:g}, w_c = {cutoff:g}"
            if not good.any():
                lines.append(f"{where}: nowhere extracted with a ratio below 2.")
                continue
            warmest = float(one["temperature"].where(good.any("drive_frequency")).max())
            lowest = float(one["koyuk_seifert_ratio"].where(good).min())
            share = 100 * float(good.mean())
            most = -float(one["local_power"].where(good).min())
            lines.append(
                f"{where}: extracted with a ratio below 2 on {share:.1f} % of the map, up to T = "
                f"{warmest:.2g}; smallest {lowest:.2g}; largest -P_A there {most:.1g} γ_1."
            )
    lost = (ratios["koyuk_seifert_ratio_error"] / ratios["koyuk_seifert_ratio"]).median()
    lines.append(f"Median relative error of the ratios: {float(lost):.0e}.")
    return lines


SCRIPT = Script(
    name="periodic_bounds",
    exact=("maps",),
    sampled=(),
    compared={},
    draw=draw,
    numbers=numbers,
    quick=QUICK,
    derive=with_ratios,
)


if __name__ == "__main__":
    make_figure(SCRIPT)

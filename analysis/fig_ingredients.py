"""Three ingredients of an extracted and precise local power: 2 x 2 x 2 maps of P_A and Q over (Ω, T).

    python analysis/fig_ingredients.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/ingredients/<file>.toml -o <file>.nc`; maps that are not given are computed
in seconds, sampled points are drawn if given or kept in `analysis/data`. Writes `fig_ingredients.pdf` and
`.png`.

What to see: outside the hatching power is extracted (odd rows), or its uncertainty ratio is below 2 (even
rows). Neither happens without a phase between the drives. With one, two regions are both: fast drives, if all
three ingredients are there, and slow drives of cold machines, where memory does not matter and strong
coupling multiplies the power by hundreds. With the drive of B weighted by Ω/w_c memory matters at slow
drives, too. Maps are of second order, the limit γ_1 -> 0; bottom: sampled and exact numbers at the marked
points.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure
from published import CIRCLE, STATIC, Datasets, Script, draw_deviations, each, make_figure, of_first

WIDTH, MAPS, NUMBERS = 7.0, 8.1, 1.3  # inches: maps, and below them the sampled numbers
PHASE, CUTOFF = "driven_B_phase", "driven_cutoff"
COLUMNS = ((100.0, 12.0), (100.0, 1000.0), (0.01, 12.0), (0.01, 1000.0))  # γ_2, w_c
CLASSICAL = 2.0
SMALL, LARGE = 1e-5, 1e3
POWER_NORM = SymLogNorm(SMALL, 0.5, -LARGE, LARGE)
RATIO_NORM = LogNorm(1e-4, CLASSICAL)
HATCH = "////"
QUICK = {
    "maps": {
        "sweep.drive.frequency": {"start": 0.01, "stop": 10000.0, "num": 13, "scale": "log"},
        "sweep.temperature.num": 7,
    }
}


def draw(datasets: Datasets) -> Figure:
    """Eight maps for each phase, those for weighted drives, and the numbers at the marked points."""
    points = datasets.get("points")
    figure = plt.figure(figsize=(WIDTH, MAPS if points is None else MAPS + NUMBERS))
    rows = figure.add_gridspec(
        1 if points is None else 2, 1, height_ratios=(MAPS, NUMBERS)[: 1 if points is None else 2]
    )
    grid = rows[0].subgridspec(6, len(COLUMNS)).subplots(sharex=True, sharey=True)
    for pair, (label, maps, phase) in zip(grid.reshape(3, 2, -1), families(datasets), strict=True):
        for cells, column in zip(pair.T, COLUMNS, strict=True):
            where = dict(zip((STATIC, CUTOFF), column, strict=True))
            one = maps.sel({**where, "oscillator": "A"})
            meshes = draw_power(cells[0], one), draw_ratio(cells[1], one)
            for axes in cells:
                mark(axes, points, {**where, PHASE: phase})
        for axes, symbol in zip(pair[:, 0], ("P_A", "Q_{P_A}"), strict=True):
            axes.set_ylabel(rf"${symbol}$, {label}" + "\n" + r"$T\ [\omega_A]$")
    for axes, (gamma, cutoff) in zip(grid[0], COLUMNS, strict=True):
        axes.set_title(rf"$\gamma_2 = {gamma:g},\ \omega_c = {cutoff:g}$", pad=4)
    for axes in grid[-1]:
        axes.set_xlabel(r"$\Omega\ [\omega_A]$")
    add_bars(figure, grid, meshes)
    if points is not None:
        cells = rows[1].subgridspec(1, 2, wspace=0.2).subplots()
        draw_powers(cells[0], points)
        draw_deviations(cells[1], SCRIPT, datasets)
    return figure


def families(datasets: Datasets) -> list[tuple[str, xr.Dataset, float | None]]:
    """Label, maps and phase (none where no point belongs) of each pair of rows."""
    maps, weighted = datasets["maps"], datasets["weighted"]
    pairs = weighted.set_index(weighted=[CUTOFF, "drive_frequency"]).unstack("weighted")
    quarter, zero = maps[PHASE].values.max(), 0.0
    return [
        (r"$\phi = \pi/2$", maps.sel({PHASE: quarter}), quarter),
        (r"weighted", pairs, None),
        (r"$\phi = 0$", maps.sel({PHASE: zero}), zero),
    ]


def draw_power(axes: Axes, one: xr.Dataset) -> QuadMesh:
    """Local power over γ_1; hatched where it is not extracted."""
    return draw_map(axes, one["local_power"], one["local_power"] > 0, norm=POWER_NORM, cmap="PuOr_r")


def draw_ratio(axes: Axes, one: xr.Dataset) -> QuadMesh:
    """Uncertainty ratio; hatched where it is not below the classical bound."""
    imprecise = one["tur_ratio"] >= CLASSICAL
    return draw_map(axes, one["tur_ratio"].where(~imprecise), imprecise, norm=RATIO_NORM, cmap="viridis")


def draw_map(axes: Axes, values: xr.DataArray, hatched: xr.DataArray, **style) -> QuadMesh:
    """Map over drive frequency and temperature, hatched where told."""
    values, hatched = (each.transpose("temperature", "drive_frequency") for each in (values, hatched))
    x, y = values["drive_frequency"].values, values["temperature"].values
    mesh = axes.pcolormesh(x, y, values.values, shading="nearest", rasterized=True, **style)
    if hatched.any():
        with mpl.rc_context({"hatch.linewidth": 0.3}):
            axes.contourf(x, y, hatched.values.astype(float), [0.5, 1.5], colors="none", hatches=[HATCH])
    axes.set(xscale="log", yscale="log", xlim=x[[0, -1]], ylim=y[[0, -1]])
    axes.set_xticks((1e-2, 1e0, 1e2, 1e4))
    return mesh


def mark(axes: Axes, points: xr.Dataset | None, where: dict[str, float | None]) -> None:
    """Numbers of the sampled points on their map."""
    if points is None or None in where.values():
        return
    for index, one in enumerate(each(points), start=1):
        if all(np.isclose(float(one[key]), value) for key, value in where.items()):
            at = float(one["drive_frequency"]), float(one["static_temperature"])
            axes.plot(*at, "o", color="k", ms=2.2, mfc="w", mew=0.7)
            label = {"textcoords": "offset points", "fontsize": 7, "ha": "center"}
            box = {"facecolor": "w", "edgecolor": "none", "alpha": 0.75, "pad": 0.4}
            axes.annotate(f"{index}", at, (0, 4), bbox=box, **label)


def add_bars(figure: Figure, grid: np.ndarray, meshes: tuple[QuadMesh, QuadMesh]) -> None:
    """Color bars of power and ratio."""
    power = figure.colorbar(meshes[0], ax=list(grid[:3].flat), pad=0.01, aspect=28, extend="both")
    power.set_label(r"local power $P_A/\gamma_1\ [\omega_A]$ (hatched: $P_A > 0$)")
    ticks = [10.0**k for k in (-5, -3, -1, 1, 3)]
    power.set_ticks([-t for t in reversed(ticks)] + [0.0, *ticks])
    ratio = figure.colorbar(meshes[1], ax=list(grid[3:].flat), pad=0.01, aspect=28, extend="min")
    ratio.set_label(r"uncertainty ratio $Q_{P_A}$ (hatched: $Q_{P_A} \geq 2$)")


def draw_powers(axes: Axes, points: xr.Dataset) -> None:
    """Sampled and second-order P_A relative to the exact one, one point after the other."""
    points, number = of_first(points), np.arange(1, points.sizes["point"] + 1)
    scale = 1 / points["exact_local_power"].values
    second, sampled = (points[key].values * scale for key in ("second_order_local_power", "local_power"))
    error = np.abs(points["local_power_se"].values * scale)
    axes.axhline(1.0, color="k", lw=0.5, zorder=0)
    axes.plot(number, second, "x", color="C0", ms=4, label="second order")
    axes.errorbar(number, sampled, error, color="C1", mfc="w", label="sampled", **CIRCLE)
    axes.set(xlabel="point", ylabel="$P_A$ / exact", ylim=(0.6, 1.6), xticks=number)
    axes.tick_params(axis="x", top=False)
    axes.legend(loc="upper left", ncols=2)


def numbers(datasets: Datasets) -> list[str]:
    """Share of each map where power is extracted, precise, and both."""
    lines = []
    for label, maps, _ in families(datasets):
        for gamma, cutoff in COLUMNS:
            one = maps.sel({STATIC: gamma, CUTOFF: cutoff, "oscillator": "A"})
            extracted, precise = one["local_power"] < 0, one["tur_ratio"] < CLASSICAL
            shares = [f"{float(each.mean()):.0%}" for each in (extracted, precise, extracted & precise)]
            largest = float((-one["local_power"]).where(extracted & precise, 0.0).max())
            lines.append(
                f"{NAMES[label]}, γ_2 = {gamma:g}, w_c = {cutoff:g}: extracted on {shares[0]} of the map, "
                f"precise on {shares[1]}, both on {shares[2]}, there up to -P_A/γ_1 = {largest:.2g}."
            )
    return lines


COMPARED = {"local_power": "$P_A$", "tur_ratio": "$Q_{P_A}$"}
NAMES = {r"$\phi = \pi/2$": "Phase π/2", "weighted": "Phase π/2, weighted", r"$\phi = 0$": "Phase 0"}
SCRIPT = Script("ingredients", ("maps", "weighted"), ("points",), COMPARED, draw, numbers, QUICK)


if __name__ == "__main__":
    make_figure(SCRIPT)

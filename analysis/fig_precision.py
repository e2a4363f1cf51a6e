"""Precision against synchronisation: uncertainty ratio Q of the local power P_A and Pearson coefficient C.

    python analysis/fig_precision.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/precision/<file>.toml -o <file>.nc`; exact ones that are not given are
computed in seconds, sampled ones are drawn if given or kept in `analysis/data`. Writes `fig_precision.pdf`
and `.png`.

What to see: the static coupling grows along each curve, from C = 0 leftwards. (a) Fast drive: once power is
extracted (Q diverges where P_A changes sign), the stronger the anti-synchronization, the more precise, but Q
stays above 2. (b) Slow drive: Q passes below 2 (shade) at |C| of a few percent and goes on falling. Gray:
other w_B and T. Dots: exact, at finite γ_1; circles: sampled. (c) Along γ_2 (dashed: power is consumed); a
drive far faster than the cut-off is precise as well. (d) Sampled against exact.
"""

from __future__ import annotations

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from published import (
    CIRCLE,
    GAMMA,
    GRAY,
    STATIC,
    Datasets,
    Script,
    draw_deviations,
    each,
    letter,
    make_figure,
)

WIDTH, HEIGHT = 7.0, 4.8  # inches
FASTEST, FAST, SLOW = 10000.0, 200.0, 0.3  # drive frequencies
CHOSEN = {"frequency_B": 0.6, "temperature": 0.1}
VARIANTS = [{**CHOSEN, "frequency_B": 0.3}, {**CHOSEN, "frequency_B": 0.9}]
VARIANTS += [{**CHOSEN, "temperature": 0.05}, {**CHOSEN, "temperature": 0.2}]
VARIANT_STYLES = (":", "--", "-.", (0, (6, 2)))
CLASSICAL = 2.0
LIMITS = {FAST: (0.02, 1e6), SLOW: (5e-3, 1e3)}  # of Q
SAMPLED = {SLOW: "points", FAST: "points_fast"}
EXACT_COLORS = {0.01: "C2", 1e-3: "C1", 1e-4: "C2"}  # by γ_1
RATIO = r"uncertainty ratio $Q_{P_A}$"
LOG = {"start": 1e-4, "stop": 100.0, "scale": "log"}
STATIC_AXIS = "sweep.reservoir.static.spectral_density.gamma"
QUICK = {
    "curves": {STATIC_AXIS: LOG | {"num": 25}},
    "exact": {STATIC_AXIS: LOG | {"start": 0.01, "num": 5}},
}


def draw(datasets: Datasets) -> Figure:
    """Q against C for a fast and a slow drive, both along γ_2, deviations."""
    figure, grid = plt.subplots(2, 2, figsize=(WIDTH, HEIGHT))
    for axes, omega in zip(grid[0], (FAST, SLOW), strict=True):
        draw_plane(axes, datasets, omega)
    draw_couplings(grid[1, 0], datasets["curves"].sel(CHOSEN))
    draw_deviations(grid[1, 1], SCRIPT, datasets)
    letter(*grid.flat)
    return figure


def draw_plane(axes: Axes, datasets: Datasets, omega: float) -> None:
    """Q against C along γ_2 at one drive frequency: second order, exact, sampled."""
    curves = datasets["curves"].sel(oscillator="A", drive_frequency=omega)
    for variant, style in zip(VARIANTS, VARIANT_STYLES, strict=True):
        other = curves.sel(variant)
        changed = next(key for key in CHOSEN if variant[key] != CHOSEN[key])
        symbol = {"frequency_B": r"\omega_B", "temperature": "T"}[changed]
        label = rf"${symbol} = {variant[changed]:g}\,\omega_A$"
        axes.semilogy(other["pearson"], other["tur_ratio"], color="0.6", ls=style, lw=0.8, label=label)
    one = curves.sel(CHOSEN)
    axes.plot(one["pearson"], one["tur_ratio"], "C0", label=r"$\gamma_1 \to 0$")
    exact = datasets["exact"].sel(oscillator="A")
    for index in range(exact.sizes["drive"]):
        if exact["drive_frequency"].values[index] == omega:
            draw_exact(axes, exact.isel(drive=index))
    if SAMPLED[omega] in datasets:
        draw_points(axes, datasets[SAMPLED[omega]])
    axes.axhspan(1e-9, CLASSICAL, color="0.92", zorder=0, lw=0)
    axes.set(xlim=(-0.75, 0.02), ylim=LIMITS[omega], xlabel="Pearson coefficient $C$", ylabel=RATIO)
    axes.text(0.03, 0.96, rf"$\Omega = {omega:g}\,\omega_A$", transform=axes.transAxes, va="top")
    place = {"loc": "upper left", "bbox_to_anchor": (0.0, 0.9)} if omega == SLOW else {"loc": (0.3, 0.03)}
    axes.legend(ncols=1 if omega == SLOW else 2, fontsize=7, **place)


def draw_exact(axes: Axes, exact: xr.Dataset) -> None:
    """Exact Q against C at one γ_1."""
    gamma = float(exact["driven_gamma"])
    label = rf"$\gamma_1 = {gamma:g}\,\omega_A$"
    axes.plot(
        exact["pearson"], exact["tur_ratio"], ".-", color=EXACT_COLORS[gamma], lw=0.6, ms=3, label=label
    )


def draw_points(axes: Axes, points: xr.Dataset) -> None:
    """Sampled Q against sampled C."""
    for one in each(points):
        x, y = float(one["pearson"]), float(one["tur_ratio"])
        errors = float(one["tur_ratio_se"]), float(one["pearson_se"])
        color = EXACT_COLORS[float(one["driven_gamma"])]
        axes.errorbar(x, y, *errors, color=color, mfc="w", **CIRCLE)


def draw_couplings(axes: Axes, curves: xr.Dataset) -> None:
    """Q along γ_2 for all drive frequencies, dashed where P_A is not extracted; -C to the right."""
    a = curves.sel(oscillator="A")
    for omega, color in ((FASTEST, "C3"), (FAST, "C1"), (SLOW, "C0")):
        one = a.sel(drive_frequency=omega)
        extracted = one["local_power"] < 0
        axes.loglog(one[STATIC], one["tur_ratio"].where(~extracted), color=color, ls="--")
        label = rf"$Q_{{P_A}}$, $\Omega = {omega:g}\,\omega_A$"
        axes.loglog(one[STATIC], one["tur_ratio"].where(extracted), color=color, label=label)
    pearson = a.isel(drive_frequency=0)["pearson"]
    right = axes.twinx()
    right.plot(pearson[STATIC], -pearson, color=GRAY, lw=0.8)
    right.set(ylim=(0.0, 0.65), ylabel="$-C$ (gray)")
    axes.axhspan(1e-9, CLASSICAL, color="0.92", zorder=0, lw=0)
    axes.set(xlim=curves[STATIC].values[[0, -1]], ylim=(5e-3, 1e11), xlabel=GAMMA, ylabel=RATIO)
    axes.legend(loc="upper left", ncols=2)


def numbers(datasets: Datasets) -> list[str]:
    """Pearson coefficient and uncertainty ratio along γ_2, and where the latter passes 2."""
    lines = []
    for omega in (FASTEST, FAST, SLOW):
        one = datasets["curves"].sel(CHOSEN).sel(oscillator="A", drive_frequency=omega)
        extracted = one["local_power"] < 0
        for gamma in (0.01, 1.0, 100.0):
            at = one.sel({STATIC: gamma}, method="nearest")
            lines.append(
                f"Ω = {omega:g}, γ_2 = {gamma:g}: C = {float(at['pearson']):.3g}, "
                f"Q = {float(at['tur_ratio']):.3g}, P_A {'<' if at['local_power'] < 0 else '>'} 0."
            )
        precise = one.where(extracted & (one["tur_ratio"] < CLASSICAL)).dropna(STATIC, subset=["tur_ratio"])
        if precise.sizes[STATIC]:
            first = precise.isel({STATIC: 0})
            lines.append(
                f"Ω = {omega:g}: extracted with Q < 2 from γ_2 = {float(first[STATIC]):.2g} on, "
                f"where C = {float(first['pearson']):.2g}."
            )
    return lines


COMPARED = {"local_power": "$P_A$", "pearson": "$C$", "tur_ratio": "$Q_{P_A}$"}
SCRIPT = Script("precision", ("curves", "exact"), tuple(SAMPLED.values()), COMPARED, draw, numbers, QUICK)


if __name__ == "__main__":
    make_figure(SCRIPT)

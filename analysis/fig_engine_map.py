"""Power of a heat engine at strong static coupling, γ_2 = 100: joint and independent oscillators.

    python analysis/fig_engine_map.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/engine_map/<file>.toml -o <file>.nc`. Exact ones and maps that are not
given are computed (a minute; `--quick`: coarser). Sampled ones are drawn if given or kept in `analysis/data`.
Writes `fig_engine_map.pdf` and `.png`.

What to see: (a) the joint machine is an engine (color) along w_1 = Ω + w, w the antiphase mode; (b) two
independent ones take in work everywhere (gray). (c) Along the dotted line of (a): second order, exact and
sampled at finite strength d of the hot reservoir. (d) Largest output for other phases, temperatures and
line widths; crosses: no engine. (e) Sampled against exact.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from engine_optima import optima, output_of
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from published import CIRCLE, RUNS, Datasets, Script, draw_deviations, each, letter, make_figure

from langevin_qtm import load_sweep, run_sweep

WIDTH, HEIGHT = 7.0, 7.2  # inches
WIRINGS = {"joint": "C0", "independent": "C1"}
STRENGTHS = {1e-5: "C5", 1e-4: "C2", 1e-3: "C3"}
OUTPUT = r"output power $-P/d\ [\omega_A^{-2}]$"
OMEGA, LINE = r"drive frequency $\Omega\ [\omega_A]$", r"line frequency $\omega_1\ [\omega_A]$"
CUT = 1.29  # w_1 of cut.toml
MODE = np.sqrt((1.0 + 0.6**2) / 2)  # antiphase mode at γ_2 -> ∞
LINEAR = 1e-3  # |P/d| below which panel (c) is linear
BASE = {"hot_B_phase": np.pi, "hot_temperature": 1.0, "cold_temperature": 0.1, "hot_gamma": 0.05}
SYMBOLS = {"hot_temperature": "T_1", "cold_temperature": "T_2", "hot_gamma": r"\gamma_1"}
FINE_CUT = {"solver": {"method": "second_order"}, "sweep.drive.frequency.num": 181}
FINE_CUT |= {"sweep.reservoir.hot.spectral_density.strength": [1.0]}
LINE_AXIS, DRIVE_AXIS = "sweep.reservoir.hot.spectral_density.frequency", "sweep.drive.frequency"
QUICK = {
    "map": {f"{LINE_AXIS}.num": 21, f"{DRIVE_AXIS}.num": 16},
    "choices": {f"{LINE_AXIS}.num": 14, f"{DRIVE_AXIS}.num": 12},
    "cut": {f"{DRIVE_AXIS}.num": 4},
}


def derive(datasets: Datasets) -> Datasets:
    """With the largest output of each choice, and second order along the cut, finely."""
    path = RUNS / "engine_map" / "cut.toml"
    lines = {
        f"cut_{wiring}": run_sweep(load_sweep(path, {**FINE_CUT, "medium.wiring": wiring})).isel(
            hot_strength=0
        )
        for wiring in WIRINGS
    }
    return {**datasets, **lines, "best_choices": optima(datasets["choices"])}


def draw(datasets: Datasets) -> Figure:
    """Two maps, a cut, other choices, deviations."""
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    rows = figure.add_gridspec(3, 1, height_ratios=(1.15, 0.95, 1.1))
    top = rows[0].subgridspec(1, 2)
    joint = figure.add_subplot(top[0])
    independent = figure.add_subplot(top[1], sharex=joint, sharey=joint)
    cut = figure.add_subplot(rows[1])
    choices, scores = (
        figure.add_subplot(cell) for cell in rows[2].subgridspec(1, 2, width_ratios=(1.5, 1.0))
    )
    draw_maps(figure, {"joint": joint, "independent": independent}, datasets["map"])
    draw_cut(cut, datasets)
    draw_choices(choices, datasets["best_choices"])
    if "points" in datasets:
        mark_points(joint, independent, datasets["points"])
    draw_deviations(scores, SCRIPT, datasets)
    letter(joint, independent, cut, choices, scores)
    return figure


def draw_maps(figure: Figure, panels: Mapping[str, Axes], dataset: xr.Dataset) -> None:
    """-P/d in color where it is an engine, P/d in gray elsewhere."""
    output = output_of(dataset)
    engine, waste = Normalize(0.0, float(output.max())), LogNorm(1e-6, 1.0)
    for wiring, axes in panels.items():
        one = output.sel(wiring=wiring).transpose("hot_frequency", "drive_frequency")
        mesh = one["drive_frequency"], one["hot_frequency"]
        style = {"shading": "nearest", "rasterized": True}
        gray = axes.pcolormesh(*mesh, (-one).where(one <= 0), norm=waste, cmap="Greys", **style)
        color = axes.pcolormesh(*mesh, one.where(one > 0), norm=engine, cmap="viridis_r", **style)
        if one.max() > 0:
            axes.contour(*mesh, one, [0.0], colors="k", linewidths=0.8)
        axes.set(xlabel=OMEGA, title=f"{wiring}, $\\gamma_2 = 100\\,\\omega_A$")
    drive = output["drive_frequency"].values
    panels["joint"].axhline(CUT, color="k", ls=":", lw=0.8)
    panels["joint"].plot(drive, drive + MODE, color="w", ls="--", lw=0.6)
    panels["joint"].text(
        0.03, 0.95, r"dashed: $\omega_1 = \Omega + \bar\omega$", transform=panels["joint"].transAxes, va="top"
    )
    limits = [output[name].values[[0, -1]] for name in ("drive_frequency", "hot_frequency")]
    panels["joint"].set(ylabel=LINE, xlim=limits[0], ylim=limits[1])
    both = list(panels.values())
    figure.colorbar(color, ax=both, location="right", pad=0.01, label=r"engine: $-P/d\ [\omega_A^{-2}]$")
    figure.colorbar(gray, ax=both, location="right", pad=0.02, label=r"dissipates: $P/d\ [\omega_A^{-2}]$")


def mark_points(joint: Axes, independent: Axes, points: xr.Dataset) -> None:
    """Where on the maps there are sampled points."""
    for one in each(points):
        axes = joint if one["wiring"].item() == "joint" else independent
        axes.plot(one["drive_frequency"], one["hot_frequency"], "o", ms=3.0, mec="k", mew=0.6, mfc="w")


def draw_cut(axes: Axes, datasets: Datasets) -> None:
    """Output along Ω: second order, exact and sampled."""
    for wiring, color in WIRINGS.items():
        line = output_of(datasets[f"cut_{wiring}"])
        axes.plot(line["drive_frequency"], line, color=color)
    exact = output_of(datasets["cut"])
    for strength, color in STRENGTHS.items():
        axes.plot(exact["drive_frequency"], exact.sel(hot_strength=strength), ".-", color=color, lw=0.6, ms=3)
    if "points" in datasets:
        for one in each(datasets["points"]):
            if float(one["hot_frequency"]) == CUT:
                draw_point(axes, one, "drive_frequency")
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set_yscale("symlog", linthresh=LINEAR)
    axes.set(xlim=exact["drive_frequency"].values[[0, -1]], ylim=(-0.1, 4.0), xlabel=OMEGA, ylabel=OUTPUT)
    axes.set_yticks([-0.1, -0.01, -0.001, 0, 0.001, 0.01, 0.1, 1])
    axes.legend(handles=handles(), loc="upper right", fontsize=7)


def handles() -> list[Line2D]:
    """Legend of lines and points."""
    lines = [Line2D([], [], color=color, label=f"{wiring}, $d\\to0$") for wiring, color in WIRINGS.items()]
    for strength, color in STRENGTHS.items():
        label = f"exact, $d = 10^{{{np.log10(strength):.0f}}}\\,\\omega_A^4$"
        lines.append(Line2D([], [], color=color, marker=".", lw=0.6, label=label))
    marks = {"joint": "o", "independent": "s"}
    style = {"color": "0.4", "mfc": "w", "ls": ""}
    points = [Line2D([], [], marker=marks[one], label=f"sampled, {one}", **style) for one in WIRINGS]
    return [*lines, *points]


def draw_point(axes: Axes, one: xr.Dataset, along: str) -> None:
    """Sampled output with its standard error, colored by d."""
    strength = float(one["hot_strength"])
    fmt = "o" if one["wiring"].item() == "joint" else "s"
    style = {**CIRCLE, "fmt": fmt, "color": STRENGTHS[strength], "mfc": "w"}
    axes.errorbar(float(one[along]), float(output_of(one)), float(one["power_se"]) / strength, **style)


def draw_choices(axes: Axes, best: xr.Dataset) -> None:
    """Largest output of every choice, joint and independent."""
    places = np.arange(best.sizes["choice"])
    height = 0.38
    for shift, (wiring, color) in zip((-1, 1), WIRINGS.items(), strict=True):
        output = best["output"].sel(wiring=wiring).values
        at = places + shift * height / 2
        axes.barh(at, np.where(output > 0, output, np.nan), height, color=color, label=wiring)
        axes.plot(np.full(len(at), 1.5e-3)[output <= 0], at[output <= 0], "x", color=color, ms=4)
    axes.set_yticks(places, [label(best.isel(choice=i)) for i in places])
    axes.tick_params(axis="y", length=0)
    axes.set(xscale="log", xlim=(1e-3, 100.0), ylim=(places[-1] + 0.6, -0.6))
    axes.set_xlabel(r"largest $-P/d\ [\omega_A^{-2}]$; $\times$: none is positive")
    axes.legend(loc="upper right", fontsize=7)


def label(choice: xr.Dataset) -> str:
    """What a choice changes."""
    phase = float(choice["hot_B_phase"]) / np.pi
    parts = [] if np.isclose(phase, 1.0) else [rf"$\varphi = {phase:g}\,\pi$" if phase else r"$\varphi = 0$"]
    for name, symbol in SYMBOLS.items():
        if not np.isclose(float(choice[name]), BASE[name]):
            parts.append(f"${symbol} = {float(choice[name]):g}$")
    return ", ".join(parts) or "as (a, b)"


def in_words(choice: xr.Dataset) -> str:
    """What a choice changes, in plain letters."""
    text = label(choice)
    for symbol, written in ((r"\varphi", "φ"), (r"\,\pi", " π"), (r"\gamma", "γ"), ("$", "")):
        text = text.replace(symbol, written)
    return text


def numbers(datasets: Datasets) -> list[str]:
    """Largest output, extent of the engine, saturation, and what other choices change."""
    output = output_of(datasets["map"])
    best = datasets["best_choices"]
    base = best.isel(choice=0)
    joint, independent = (output.sel(wiring=wiring) for wiring in WIRINGS)
    line, drive = (float(base[name].sel(wiring="joint")) for name in ("best_line", "best_drive"))
    top = float(base["output"].sel(wiring="joint"))
    near = {"hot_frequency": line, "drive_frequency": drive}
    peak = datasets["map"].sel(wiring="joint").sel(near, method="nearest")
    sentences = [
        f"Largest joint output -P/d = {top:.2f} at Ω = {drive:.2f}, w_1 = {line:.2f}; "
        f"efficiency there {float(peak['efficiency']):.2f}, Carnot {1 - BASE['cold_temperature']:.1f}.",
        f"Engine at {int((joint > 0).sum())} of {joint.size} points of the joint map and at "
        f"{int((independent > 0).sum())} of the independent one.",
    ]
    return [*sentences, *saturation(datasets), *robustness(best)]


def saturation(datasets: Datasets) -> list[str]:
    """Exact over second-order output along the cut, where the exact grid is highest."""
    exact = output_of(datasets["cut"])
    drive = float(exact["drive_frequency"][int(exact.sel(hot_strength=1e-5).values.argmax())])
    weak = output_of(datasets["cut_joint"]).sel(drive_frequency=drive, method="nearest")
    parts = ", ".join(
        f"{float(exact.sel(hot_strength=d, drive_frequency=drive) / weak):.2f} at d = {d:.0e}"
        for d in STRENGTHS
    )
    return [f"Exact over second-order output at w_1 = {CUT}, Ω = {drive:.2f}: {parts}."]


def robustness(best: xr.Dataset) -> list[str]:
    """Choices in which one of the machines is dead or alive, and the smallest advantage."""
    joint, independent = (best["output"].sel(wiring=wiring) for wiring in WIRINGS)
    names = [in_words(best.isel(choice=i)) for i in range(best.sizes["choice"])]
    dead = [name for name, value in zip(names, joint.values, strict=True) if value <= 0]
    sentences = [f"No joint engine with: {'; '.join(dead)}."]
    for i, value in enumerate(independent.values):
        if value > 0:
            one = best.isel(choice=i).sel(wiring="independent")
            sentences.append(
                f"Independent engine with {names[i]}: -P/d = {value:.3f} at "
                f"Ω = {float(one['best_drive']):.3f}, w_1 = {float(one['best_line']):.3f}; "
                f"joint over independent {float(joint[i]) / value:.0f}."
            )
    return sentences


SCRIPT = Script(
    name="engine_map",
    exact=("map", "choices", "cut"),
    sampled=("points",),
    compared={"power": "$P$", "local_power": "$P_A$"},
    draw=draw,
    numbers=numbers,
    quick=QUICK,
    derive=derive,
)


if __name__ == "__main__":
    make_figure(SCRIPT)

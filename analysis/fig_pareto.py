"""Pareto fronts of heat engines over all periodic drives: power and entropy production against efficiency.

    python analysis/fig_pareto.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/pareto/<file>.toml -o <file>.nc`. The fronts are computed for the machines of
fronts.toml, whose axis of drive frequencies is the mesh of frequencies that a drive may contain (two minutes;
`--quick`: coarser). Sampled points are drawn if given or kept in `analysis/data`. Writes `fig_pareto.pdf` and
`.png`.

What to see: (a–d) at γ_2 = 0.1 sharing the reservoirs makes no difference; at γ_2 = 100 only joint
oscillators make an engine worth the name, with any drive. One front for each line w_1 of the hot reservoir,
from left to right 0.97, 1.29 (thick), 2 and 3. Crosses: a generic optimizer; gray: cosines in antiphase;
circles: sampled at finite strength d; dotted: equal entropy production (Ṡ/d = 0.3 to
100 from right to left). (e–h) The same fronts: at given power the most efficient drive also produces the
least entropy. (i) Drives of the largest power, and a superposition of harmonics. (j) Sampled against exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pareto import LINE, machines, name_of, with_fronts
from published import CIRCLE, GRAY, Datasets, Script, draw_deviations, each, letter, make_figure

from langevin_qtm import Machine, pareto_front

WIDTH, HEIGHT = 7.0, 6.4  # inches
COLORS = {"joint": "C0", "independent": "C1"}
STYLES = {"joint": "-", "independent": "--"}
ISOLINES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of Ṡ/d
BASE = 0.23  # Ω of the superposition
SAMPLED = ("points", "superposition")
RELATIVE = r"efficiency $\eta/\eta_C$"
QUICK = {
    "fronts": {
        "sweep.drive.frequency": {"start": 0.02, "stop": 3.0, "num": 100},
        "sweep.reservoir.hot.spectral_density.frequency": [LINE],
    }
}


def draw(datasets: Datasets) -> Figure:
    """Fronts and entropy production of four pairs of machines, best drives, deviations."""
    dataset = datasets["fronts"]
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    rows = figure.add_gridspec(2, 1, height_ratios=(2.0, 0.95))
    grid = rows[0].subgridspec(2, 4).subplots(sharex="col")
    for (power, entropy), (gamma, detuned) in zip(grid.T, panels(dataset), strict=True):
        draw_fronts(power, entropy, datasets, gamma, detuned)
        draw_cosines(power, dataset, gamma, detuned)
        draw_isolines(power, dataset)
        draw_optimizer(power, datasets["optimizer"], gamma, detuned, carnot(dataset))
        for points in sampled(datasets):
            draw_points(power, points, gamma, detuned, carnot(dataset))
        power.set_title(rf"$\omega_B = {detuned:g},\ \gamma_2 = {gamma:g}$", fontsize=8, loc="right", pad=4)
        entropy.set_xlabel(RELATIVE)
    grid[0, 0].set_ylabel(r"power $-P/d\ [\omega_A^{-2}]$")
    grid[1, 0].set_ylabel(r"entropy production $\dot S/d\ [\omega_A^{-3}]$")
    draw_legend(figure)
    *drives, scores = (
        figure.add_subplot(cell) for cell in rows[1].subgridspec(1, 4, width_ratios=(1, 1, 1, 1.9))
    )
    draw_drives(drives, datasets)
    draw_deviations(scores, SCRIPT, datasets)
    letter(*grid[0], *grid[1])
    for name, axes in zip("ij", (drives[0], scores), strict=True):
        axes.set_title(rf"$\mathbf{{({name})}}$", loc="left", pad=4)
    return figure


def panels(dataset: xr.Dataset) -> list[tuple[float, float]]:
    """γ_2 and w_B of the columns."""
    return [(g, w) for g in dataset["cold_gamma"].values for w in dataset["frequency_B"].values]


def carnot(dataset: xr.Dataset) -> float:
    """Largest efficiency allowed, 1 - T_2/T_1."""
    hot, cold = next(iter(machines(dataset).values())).temperatures
    return 1 - cold / hot


def sampled(datasets: Datasets) -> list[xr.Dataset]:
    """Sampled datasets that are there."""
    return [datasets[stem] for stem in SAMPLED if stem in datasets]


def draw_fronts(power: Axes, entropy: Axes, datasets: Datasets, gamma: float, detuned: float) -> None:
    """Fronts of both wirings for all lines, and their entropy production."""
    limit = carnot(datasets["fronts"])
    for line in datasets["fronts"]["hot_frequency"].values:
        for wiring, color in COLORS.items():
            front = datasets[name_of(wiring, gamma, detuned, line)]
            style = {"color": color, "ls": STYLES[wiring], "lw": 1.4 if line == LINE else 0.7}
            power.plot(front["efficiency"] / limit, -front["power"], **style)
            entropy.plot(front["efficiency"] / limit, front["entropy_production"], **style)
    power.set(xlim=(0.0, 1.0), ylim=(0.0, None))
    entropy.set(yscale="log")
    if not datasets[name_of("independent", gamma, detuned, LINE)].sizes["point"]:
        box = {"facecolor": "w", "edgecolor": "none", "pad": 1.0}
        place = {"ha": "right", "va": "top", "transform": power.transAxes, "fontsize": 7, "bbox": box}
        power.text(0.98, 0.97, "independent:\nno engine", color=COLORS["independent"], **place)


def draw_cosines(axes: Axes, dataset: xr.Dataset, gamma: float, detuned: float) -> None:
    """Cosines of equal amplitude in antiphase, joint, for the line of the sampled points."""
    chosen = {"cold_gamma": gamma, "frequency_B": detuned, "wiring": "joint", "hot_frequency": LINE}
    one = dataset.sel(chosen)
    axes.plot(one["efficiency"] / carnot(dataset), -one["power"], color="0.65", lw=0.7, zorder=1)


def draw_isolines(axes: Axes, dataset: xr.Dataset) -> None:
    """Lines of equal entropy production, -P = T_2 Ṡ/(η_C/η - 1)."""
    cold = next(iter(machines(dataset).values())).temperatures.min()
    x = np.linspace(0.0, 0.995, 200)
    top = axes.get_ylim()[1]
    for level in ISOLINES:
        axes.plot(x, cold * level * x / (1 - x), color=GRAY, ls=":", lw=0.6, zorder=0)
    axes.set_ylim(0.0, top)


def draw_optimizer(axes: Axes, found: xr.Dataset, gamma: float, detuned: float, limit: float) -> None:
    """What the optimizer finds for one pair of machines."""
    for index in np.flatnonzero((found["cold_gamma"] == gamma) & (found["frequency_B"] == detuned)):
        one = found.isel(trial=index)
        style = {"color": COLORS[one["wiring"].item()], "ms": 4.5, "mew": 1.0, "zorder": 3}
        axes.plot(one["efficiency"] / limit, -one["power"], "x", **style)


def draw_points(axes: Axes, points: xr.Dataset, gamma: float, detuned: float, limit: float) -> None:
    """Sampled power and efficiency of the engines of one panel, over the strength."""
    machine = Machine.model_validate_json(points.attrs["machine"])  # for what all points share
    shared = {
        "wiring": machine.wiring,
        "frequency_B": machine.omega[1],
        "cold_gamma": machine.reservoirs[1].spectral_density.gamma,
    }
    for one in each(points):
        own = shared | {name: one[name].item() for name in shared if name in one.coords}
        is_engine = float(one["power"]) < -2 * float(one["power_se"])
        if (own["cold_gamma"], own["frequency_B"]) == (gamma, detuned) and is_engine:
            strength = float(one["hot_strength"])
            x, y = float(one["efficiency"]) / limit, -float(one["power"]) / strength
            errors = float(one["power_se"]) / strength, float(one["efficiency_se"]) / limit
            axes.errorbar(x, y, *errors, color=COLORS[own["wiring"]], mfc="w", **CIRCLE)


def draw_legend(figure: Figure) -> None:
    """What lines and markers mean."""
    handles = {wiring: Line2D([], [], color=COLORS[wiring], ls=STYLES[wiring]) for wiring in COLORS}
    handles["antiphase cosines"] = Line2D([], [], color="0.65", lw=0.7)
    handles[r"equal $\dot S$"] = Line2D([], [], color=GRAY, ls=":", lw=0.6)
    handles["optimizer"] = Line2D([], [], color=GRAY, marker="x", ls="", ms=4.5)
    handles["sampled"] = Line2D([], [], color=GRAY, marker="o", mfc="w", ls="")
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=len(handles))


def draw_drives(cells: Sequence[Axes], datasets: Datasets) -> None:
    """Drives of largest output power, joint, and a superposition of harmonics of one frequency."""
    shown = [best_drive(datasets, 0.1), best_drive(datasets, 100.0), superposition(datasets["fronts"])]
    for axes, (name, base, one) in zip(cells, shown, strict=True):
        phase = np.linspace(0.0, 1.0, 301)
        angle = 2 * np.pi * phase[:, None] / base * one["frequency"].values
        for oscillator, style in zip(one["oscillator"].values, ("-", "--"), strict=True):
            own = one.sel(oscillator=oscillator)
            g = own["coupling_amplitude"].values * np.cos(angle + own["coupling_phase"].values)
            axes.plot(
                phase,
                g.sum(axis=1),
                color="C2" if style == "-" else "C3",
                ls=style,
                label=f"$g_{oscillator}$",
            )
        axes.axhline(0.0, color="k", lw=0.5, zorder=0)
        axes.set(xlim=(0.0, 1.0), ylim=(-2.1, 2.9), xlabel=r"$\Omega t/2\pi$")
        axes.set_title(name, fontsize=8, loc="right", pad=4)
        axes.tick_params(labelleft=axes is cells[0])
    cells[0].set_ylabel("best drive")
    cells[2].legend(loc="upper center", ncols=2)


def best_drive(datasets: Datasets, gamma: float) -> tuple[str, float, xr.Dataset]:
    """Title, frequency and drive of the largest output power."""
    one = datasets[name_of("joint", gamma, 0.6, LINE)].isel(point=0)
    one = one.isel(frequency=np.any(one["coupling_amplitude"].values, axis=1))
    base = float(one["frequency"][0])
    return rf"$\gamma_2 = {gamma:g},\ \Omega = {base:.2f}$", base, one


def superposition(dataset: xr.Dataset) -> tuple[str, float, xr.Dataset]:
    """The point half way in power along the front over the harmonics of one frequency."""
    machine = machines(dataset)["joint", 0.1, 0.6, LINE]
    one = pareto_front(machine, BASE * np.arange(1, 9), points=21).isel(point=10)
    return rf"$\gamma_2 = 0.1,\ n \times {BASE:g}$", BASE, one


def numbers(datasets: Datasets) -> list[str]:
    """Sentences about fronts, and about the optimizer."""
    limit, lines = carnot(datasets["fronts"]), []
    found = {key: datasets[name_of(*key)] for key in machines(datasets["fronts"])}
    for key, front in found.items():
        if key[-1] != LINE:
            continue
        if not front.sizes["point"]:
            lines.append(f"{name_of(*key)}: no drive makes an engine.")
            continue
        ends = front.isel(point=[0, -1])
        power, efficiency = -ends["power"].values, ends["efficiency"].values / limit
        span = [f"{p:.3g} at η/η_C = {eta:.3f}" for p, eta in zip(power, efficiency, strict=True)]
        lines.append(f"{name_of(*key)}: from -P/d = {span[0]} to {span[1]}.")
    strongest = max(key[1] for key in found)
    outputs = {
        wiring: [
            front.attrs["largest_output"] for key, front in found.items() if key[:2] == (wiring, strongest)
        ]
        for wiring in COLORS
    }
    lines.append(
        f"All lines, γ_2 = {strongest:g}: largest -P/d joint {min(outputs['joint']):.2g} to "
        f"{max(outputs['joint']):.2g}, independent at most {max(outputs['independent']):.1g}."
    )
    shortfall = 100 * datasets["optimizer"]["shortfall"]
    gain = 100 * np.nanmax([front.attrs["mesh_gain"] for front in found.values()])
    below, above = float(shortfall.max()), max(0.0, -float(shortfall.min()))
    lines.append(
        f"{shortfall.size} trials of the optimizer end at most {below:.2f} % below the bound, "
        f"and at most {above:.2f} % above it."
    )
    lines.append(f"The last refinement of the mesh gains at most {gain:.2f} % in power.")
    return lines


SCRIPT = Script(
    name="pareto",
    exact=("fronts",),
    sampled=SAMPLED,
    compared={"power": "$P$", "efficiency": r"$\eta$"},
    draw=draw,
    numbers=numbers,
    quick=QUICK,
    derive=with_fronts,
)


if __name__ == "__main__":
    make_figure(SCRIPT)

"""Largest output power of a heat engine from weak to strong static coupling, joint and independent.

    python analysis/fig_maximum_power.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/maximum_power/<file>.toml -o <file>.nc`. Exact ones and maps that are
not given are computed (two minutes; `--quick`: coarser). Sampled ones are drawn if given or kept in
`analysis/data`. Writes `fig_maximum_power.pdf` and `.png`.

What to see: (a) maximized over Ω and w_1, joint and independent engines deliver the same at weak coupling;
towards γ_2 = 100 the joint one recovers and the independent one dies. Dots (joint) and crosses: exact at
finite strength d of the hot reservoir, at the same Ω and w_1; circles and squares: sampled. (b) Their
ratio. (c) The optimal Ω and w_1. (d) Other phases, temperatures and line widths, in units of the output at
γ_2 = 1e-4. (e) Sampled against exact.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from engine_optima import COUPLING_B, DRIVE, LINE, changes_at, machine_of, optima, output_of
from fig_engine_map import OUTPUT, STRENGTHS, WIRINGS, draw_point, handles, in_words, label
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from published import Datasets, Script, draw_deviations, each, letter, make_figure

from langevin_qtm.exact.second_order import second_order_averages

WIDTH, HEIGHT = 7.0, 5.6  # inches
GAMMA = r"static coupling $\gamma_2\ [\omega_A]$"
STYLES = {"joint": "-", "independent": "--"}
MARKS = {"joint": ".", "independent": "x"}
VARIANT_COLORS = ("C1", "C4", "C2", "C5", "C3")
FEWER = {"start": 1e-4, "stop": 100.0, "scale": "log"}
STATIC_AXIS = "sweep.reservoir.cold.spectral_density.gamma"
COARSE = {"sweep.reservoir.hot.spectral_density.frequency.num": 12, "sweep.drive.frequency.num": 10}
QUICK = {
    "curves": {STATIC_AXIS: FEWER | {"num": 7}, **COARSE},
    "variants": {STATIC_AXIS: [1e-4, 10.0], **COARSE},
}


def derive(datasets: Datasets) -> Datasets:
    """With the largest outputs, and what another phase would add."""
    best = optima(datasets["curves"])
    phases = best_phases(datasets["curves"], best.sel(wiring="joint"))
    return {**datasets, "best": best.merge(phases), "best_variants": optima(datasets["variants"])}


def best_phases(maps: xr.Dataset, best: xr.Dataset) -> xr.Dataset:
    """Best phase φ of the joint engine at its Ω and w_1, and the output there.

    Second-order power is a + b cos φ + c sin φ, since the phase enters the products of two couplings alone.
    """
    machines = []
    for index in range(best.sizes["cold_gamma"]):
        one = best.isel(cold_gamma=index)
        at = {**changes_at(one), LINE: float(one["best_line"]), DRIVE: float(one["best_drive"])}
        machines += [
            machine_of(maps, {**at, COUPLING_B: {"amplitude": 1.0, "phase": phase}})
            for phase in (0.0, np.pi / 2, np.pi)
        ]
    zero, quarter, half = -second_order_averages(machines)[0]["power"].reshape(-1, 3).T
    mean, cosine = (zero + half) / 2, (zero - half) / 2
    sine = quarter - mean
    variables = {
        "best_phase": ("cold_gamma", np.arctan2(sine, cosine) % (2 * np.pi)),
        "best_phase_output": ("cold_gamma", mean + np.hypot(cosine, sine)),
    }
    return xr.Dataset(variables)


def draw(datasets: Datasets) -> Figure:
    """Output, ratio, optimal frequencies, other choices, deviations."""
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    rows = figure.add_gridspec(2, 1, height_ratios=(1.25, 1.0))
    power, ratio = (figure.add_subplot(cell) for cell in rows[0].subgridspec(1, 2, width_ratios=(1.7, 1.0)))
    at, others, scores = (figure.add_subplot(cell) for cell in rows[1].subgridspec(1, 3))
    draw_output(power, datasets)
    draw_ratio(ratio, datasets)
    draw_optima(at, datasets["best"])
    draw_variants(others, datasets["best_variants"])
    draw_deviations(scores, SCRIPT, datasets)
    letter(power, ratio, at, others, scores)
    return figure


def draw_output(axes: Axes, datasets: Datasets) -> None:
    """Largest -P/d: second order; exact and sampled at the same Ω and w_1."""
    for (wiring, color), width in zip(WIRINGS.items(), (2.4, 1.1), strict=True):
        best = datasets["best"]["output"].sel(wiring=wiring)
        axes.plot(best["cold_gamma"], best, color=color, lw=width, zorder=1.5)
        exact = of_wiring(datasets["exact"], wiring)
        for strength, shade in STRENGTHS.items():
            style = {"color": shade, "ls": STYLES[wiring], "lw": 0.6, "marker": MARKS[wiring], "ms": 3}
            axes.plot(exact["cold_gamma"], output_of(exact).sel(hot_strength=strength), **style)
    if "points" in datasets:
        for one in each(datasets["points"]):
            draw_point(axes, one, "cold_gamma")
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xscale="log", ylim=(-0.1, 2.15), xlabel=GAMMA, ylabel=f"largest {OUTPUT}")
    shown = handles()
    style = {"color": "0.4", "ls": STYLES["independent"], "lw": 0.6, "marker": MARKS["independent"], "ms": 3}
    shown.insert(-len(WIRINGS), Line2D([], [], label="exact, independent", **style))
    axes.legend(handles=shown, loc="upper center", bbox_to_anchor=(0.565, 1.0), fontsize=7)


def of_wiring(exact: xr.Dataset, wiring: str) -> xr.Dataset:
    """Engines of one wiring."""
    return exact.isel(engine=exact["wiring"].values == wiring)


def draw_ratio(axes: Axes, datasets: Datasets) -> None:
    """Joint over independent output, where both deliver."""
    ratio = advantage(datasets["best"])
    axes.loglog(ratio["cold_gamma"], ratio, color="k", label=r"$d\to0$")
    joint, independent = (output_of(of_wiring(datasets["exact"], wiring)) for wiring in WIRINGS)
    for strength, shade in STRENGTHS.items():
        one, other = (each.sel(hot_strength=strength).values for each in (joint, independent))
        values = np.where(other > 0, one / other, np.nan)
        axes.plot(joint["cold_gamma"], values, ".-", color=shade, lw=0.6, ms=3)
    last = datasets["best"].isel(cold_gamma=-1)
    if float(last["output"].sel(wiring="independent")) <= 0:
        text = "no independent engine\n" + rf"at $\gamma_2 = {float(last['cold_gamma']):g}\,\omega_A$"
        style = {"ha": "right", "va": "top", "fontsize": 7, "linespacing": 1.2}
        axes.text(0.97, 0.97, text, transform=axes.transAxes, **style)
    axes.axhline(1.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=datasets["best"]["cold_gamma"].values[[0, -1]], ylim=(0.5, 2e3))
    axes.set(xlabel=GAMMA, ylabel="joint over independent")


def advantage(best: xr.Dataset) -> xr.DataArray:
    """Ratio of joint to independent output, NaN where the independent engine is dead."""
    joint, independent = (best["output"].sel(wiring=wiring) for wiring in WIRINGS)
    return (joint / independent).where(independent > 0)


def draw_optima(axes: Axes, best: xr.Dataset) -> None:
    """Where the output is largest."""
    for wiring, color in WIRINGS.items():
        one = best.sel(wiring=wiring)
        axes.semilogx(one["cold_gamma"], one["best_drive"], color=color, ls="--")
        axes.semilogx(one["cold_gamma"], one["best_line"], color=color)
    lines = [Line2D([], [], color="0.4", ls=style) for style in ("-", "--")]
    axes.legend(lines, [r"$\omega_1$", r"$\Omega$"], loc="lower left")
    axes.set(ylim=(0.0, 1.5), xlabel=GAMMA, ylabel=r"optimum $[\omega_A]$")


def draw_variants(axes: Axes, best: xr.Dataset) -> None:
    """Largest outputs of other choices over their values at the weakest coupling."""
    for index, color in enumerate(VARIANT_COLORS):
        one = best.isel(choice=index)
        unit = one["output"].sel(wiring="joint").isel(cold_gamma=0)
        for wiring, style in STYLES.items():
            values = (one["output"] / unit).sel(wiring=wiring)
            name = label(one) if wiring == "joint" else None
            axes.semilogx(values["cold_gamma"], values, color=color, ls=style, label=name)
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(ylim=(-0.05, 2.0), xlabel=GAMMA, ylabel=r"output over that at $\gamma_2 = 10^{-4}$")
    axes.legend(
        loc="upper left", fontsize=7, ncols=2, title="solid: joint; dashed: independent", title_fontsize=7
    )


def numbers(datasets: Datasets) -> list[str]:
    """Ends, minimum, ratios, best phase, and the exact output at γ_2 = 100."""
    best = datasets["best"]
    joint, independent = (best["output"].sel(wiring=wiring) for wiring in WIRINGS)
    ratio = advantage(best)
    alive = ratio.dropna("cold_gamma")
    weak, strong = (float(joint.isel(cold_gamma=i)) for i in (0, -1))
    dip = int(joint.values.argmin())
    sentences = [
        f"Joint -P/d = {weak:.2f} at γ_2 = {float(joint['cold_gamma'][0]):.0e}, least "
        f"{float(joint[dip]):.2f} at {float(joint['cold_gamma'][dip]):.2g}, and {strong:.2f} at "
        f"{float(joint['cold_gamma'][-1]):.0f}: {strong / weak:.0%} of the first.",
        f"Joint over independent: {float(alive[0]):.4f} at γ_2 = {float(alive['cold_gamma'][0]):.0e}, "
        f"{at_coupling(ratio, 1.0):.1f} at 1, {at_coupling(ratio, 10.0):.0f} at 10, "
        f"{float(alive[-1]):.0f} at {float(alive['cold_gamma'][-1]):.0f}.",
    ]
    dead = independent["cold_gamma"].values[independent.values <= 0]
    if len(dead):
        sentences.append(f"No independent engine at γ_2 = {', '.join(f'{value:.0f}' for value in dead)}.")
    phase = float(best["best_phase"].isel(cold_gamma=-1)) / np.pi
    gain = float((best["best_phase_output"] / joint - 1).max())
    sentences.append(
        f"At γ_2 = 100 the best phase is {phase:.3f} π; at any γ_2 the best one adds less than "
        f"{gain + 1e-3:.1%} to what phase π delivers."
    )
    return [
        *sentences,
        *exact_numbers(datasets["exact"], strong),
        *variant_numbers(datasets["best_variants"]),
    ]


def at_coupling(values: xr.DataArray, gamma: float) -> float:
    """Value at one γ_2."""
    return float(values.sel(cold_gamma=gamma, method="nearest"))


def exact_numbers(exact: xr.Dataset, strong: float) -> list[str]:
    """Exact over second-order output of the joint engine at the strongest coupling; where it is largest."""
    joint = of_wiring(exact, "joint")
    sentences = []
    for strength in STRENGTHS:
        output = output_of(joint).sel(hot_strength=strength)
        where = float(output["cold_gamma"][int(output.values.argmax())])
        sentences.append(
            f"Exact joint output at d = {strength:.0e}: {float(output[-1]) / strong:.2f} of second order "
            f"at γ_2 = 100; largest, {float(output.max()):.2f}, at γ_2 = {where:.3g}."
        )
    return sentences


def variant_numbers(best: xr.Dataset) -> list[str]:
    """Joint output at both ends, and the advantage at γ_2 = 10, for other choices."""
    sentences = []
    for index in range(best.sizes["choice"]):
        one = best.isel(choice=index)
        joint = one["output"].sel(wiring="joint")
        share = float(joint[-1] / joint[0])
        ratio = at_coupling(advantage(one), 10.0)
        name = in_words(one)
        sentences.append(
            f"{name}: joint at 100 over joint at 1e-4 {share:.2f}; joint over independent at 10 {ratio:.0f}."
        )
    return sentences


SCRIPT = Script(
    name="maximum_power",
    exact=("curves", "variants", "exact"),
    sampled=("points",),
    compared={"power": "$P$", "local_power": "$P_A$"},
    draw=draw,
    numbers=numbers,
    quick=QUICK,
    derive=derive,
)


if __name__ == "__main__":
    make_figure(SCRIPT)

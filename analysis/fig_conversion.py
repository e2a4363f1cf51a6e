"""Conversion efficiency -P_A/P_B of the isothermal converter over drive frequency, weak against strong coupling.

    python analysis/fig_conversion.py [datasets] [--quick] [-o analysis/figures]

Datasets: `langevin-qtm run runs/conversion/<file>.toml -o <file>.nc`. Exact ones that are not given are computed
(half a minute; `--quick`: coarser). Sampled ones are drawn if given or kept in `analysis/data`. Writes
`fig_conversion.pdf` and `.png`.

What to see: (a) at γ_2 = 100 most of the work put in at B comes out at A, below the frequencies of the oscillators
and again above the cut-off; at γ_2 = 0.01 only a slow drive converts. Shades: w_B from 0.3 to 0.9. Dots: exact, at
finite γ_1; circles: sampled, filled where γ_1 is 1e-3 or less. (b) At γ_2 = 0.01 the power that is extracted is
hundreds of times smaller. (c) At other temperatures strong coupling wins, too. (d) Sampled against exact.

The first half of this file is what the four figures of the converter share.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from paths import ANALYSIS, DATA, FIGURES, STYLE
from transients import save

from langevin_qtm import load_sweep, open_dataset, run_sweep

RUNS = ANALYSIS.parent / "runs"
EXACT = {"solver": {"method": "periodic_steady_state", "tolerance": 1e-7, "phases": 4}}
GRAY = "0.4"
CIRCLE = {"fmt": "o", "ms": 4.0, "mew": 0.9, "elinewidth": 0.9, "zorder": 4}
STATIC = "static_gamma"
OMEGA = r"drive frequency $\Omega\ [\omega_A]$"
GAMMA = r"static coupling $\gamma_2\ [\omega_A]$"

Datasets = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class Script:
    """What tells the scripts apart.

    Parameters
    ----------
    name : str
        Folder of the run files, and of the figure `fig_<name>`.
    exact, sampled : sequences of str
        Run files without suffix.
    quick : mapping
        Coarser axes of exact run files, for `--quick`.
    draw : callable
        Figure from the datasets by run file; sampled ones may be absent.
    """

    name: str
    exact: Sequence[str]
    sampled: Sequence[str]
    quick: Mapping[str, Mapping[str, object]]
    draw: Callable[[Datasets], Figure]


def make_figure(script: Script, argv: Sequence[str] | None = None) -> None:
    """Read or compute the datasets, draw, write PDF and PNG, print how sampled numbers deviate."""
    parser = argparse.ArgumentParser(description=f"Figure of runs/{script.name}.")
    parser.add_argument("datasets", nargs="*", type=Path, help=f"datasets of runs/{script.name}/*.toml")
    parser.add_argument("--quick", action="store_true", help="exact curves and maps on coarse axes")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    datasets = collect(script, [open_dataset(path) for path in arguments.datasets], arguments.quick)
    arguments.output.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(fname=STYLE):
        figure = script.draw(datasets)
        save(figure, arguments.output, f"fig_{script.name}")
        plt.close(figure)
    for stem in script.sampled:
        if stem in datasets:
            print("\n".join(table(datasets[stem])))


def collect(script: Script, given: Sequence[xr.Dataset], quick: bool = False) -> dict[str, xr.Dataset]:
    """Datasets by run file: given, kept in `analysis/data`, or computed. Sampled ones carry exact numbers."""
    found = {}
    for stem in (*script.exact, *script.sampled):
        path = RUNS / script.name / f"{stem}.toml"
        sweep = load_sweep(path, script.quick.get(stem) if quick else None)
        kept = DATA / f"{script.name}_{stem}.nc"
        candidates = [*given, *([open_dataset(kept)] if kept.exists() else [])]
        same = [each for each in candidates if each.attrs["config_sha256"] == sweep.config_sha256]
        if same:
            found[stem] = same[0]
        elif stem in script.exact:
            found[stem] = run_sweep(sweep)
        else:
            print(f"no points: langevin-qtm run {path.relative_to(ANALYSIS.parent)} -o {kept}")
            continue
        if stem in script.sampled:
            found[stem] = with_exact(found[stem], run_sweep(load_sweep(path, EXACT)))
    return found


def with_exact(sampled: xr.Dataset, exact: xr.Dataset) -> xr.Dataset:
    """The sampled dataset with the exact numbers of the same machines as `exact_<name>`, and what is derived."""
    wanted = ("local_power", "pearson", "tur_ratio", "conversion_efficiency")
    return sampled.assign(
        {f"exact_{name}": (exact[name].dims, exact[name].values) for name in wanted}
        | {
            f"exact_{name}_error": (exact[name].dims, np.nan_to_num(exact[f"{name}_error"].values))
            for name in wanted
        }
    )


def deviation(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """Sampled minus exact in standard errors."""
    difference = dataset[name] - dataset[f"exact_{name}"]
    return difference / np.hypot(dataset[f"{name}_se"], dataset[f"exact_{name}_error"])


def table(dataset: xr.Dataset) -> list[str]:
    """Markdown rows: sampled, exact and deviation of the numbers that the figures show."""
    keys = [name for name in dataset.coords if dataset[name].dims == ("point",) and name != "point"]
    rows = [f"| {', '.join(map(str, keys))} | number | sampled | exact | z |", "| --- " * 5 + "|"]
    a = dataset.sel(oscillator="A")
    for point in range(dataset.sizes["point"]):
        where = ", ".join(f"{dataset[key].values[point]:.3g}" for key in keys)
        for name in ("local_power", "pearson", "tur_ratio", "conversion_efficiency"):
            value, error, exact, z = (
                float(each[point])
                for each in (a[name], a[f"{name}_se"], a[f"exact_{name}"], deviation(a, name))
            )
            if np.isfinite(z):
                rows.append(f"| {where} | {name} | {value:.5g} ± {error:.1g} | {exact:.5g} | {z:+.1f} |")
    return rows


def draw_deviations(axes: Axes, points: Sequence[xr.Dataset], names: Mapping[str, str]) -> None:
    """Deviations of all points in standard errors, one after the other; ±2 shaded.

    Parameters
    ----------
    axes : Axes
    points : sequence of datasets
        Of `with_exact`.
    names : mapping
        Symbols by variable; of the local power that of the first oscillator.
    """
    axes.axhspan(-2, 2, color="0.92", zorder=0, lw=0)
    axes.axhline(0.0, color="k", lw=0.5, zorder=1)
    for (name, symbol), marker, color in zip(names.items(), "osD^", ("C0", "C1", "C2", "C3"), strict=False):
        z = np.concatenate([deviation(each.sel(oscillator="A"), name).values for each in points])
        axes.plot(np.arange(1, len(z) + 1), z, marker, color=color, mfc="w", mew=0.9, ls="", label=symbol)
    axes.set(xlabel="sampled point", ylabel=r"deviation $[\sigma]$", ylim=(-4.2, 5.2))
    axes.set_yticks((-4, -2, 0, 2, 4))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right", ncols=len(names))


def letter(*cells: Axes) -> None:
    """Panel letters."""
    for name, axes in zip("abcdefgh", cells, strict=False):
        axes.set_title(rf"$\mathbf{{({name})}}$", loc="left", pad=4)


def envelope(values: xr.DataArray, along: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Abscissa, lowest and highest over all dims but one."""
    others = [dim for dim in values.dims if dim != along]
    return values[along].values, values.min(others).values, values.max(others).values


def ratio(dataset: xr.Dataset) -> xr.DataArray:
    """-P_A/P_B, whatever its sign."""
    power = dataset["local_power"]
    return -power.sel(oscillator="A", drop=True) / power.sel(oscillator="B", drop=True)


# What follows is this figure's own.

WIDTH, HEIGHT = 7.0, 4.6  # inches
CHOSEN = {"frequency_B": 0.6, "temperature": 0.1}
COLORS = {100.0: "C1", 1.0: "C2", 0.01: "C0"}
WEAK_DRIVE = 1e-3  # largest γ_1 of filled circles
AXIS = {"start": 0.01, "stop": 1000.0, "scale": "log"}
GAMMA_1 = 0.01  # of curves.toml
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
    if "points" in datasets:
        symbols = {"local_power": "$P_A$", "conversion_efficiency": "$-P_A/P_B$"}
        draw_deviations(scores, [datasets["points"]], symbols)
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
    handles.append(Line2D([], [], color=GRAY, marker="o", mfc="w", ls=""))
    axes.legend([*lines[0], *handles], [*lines[1], *extra, "sampled"], loc="center", bbox_to_anchor=(0.52, 0.62))


def draw_exact(axes: Axes, dataset: xr.Dataset) -> None:
    """Exact efficiencies at finite γ_1."""
    values = ratio(dataset)
    for gamma in dataset[STATIC].values:
        for driven, style in zip(dataset["driven_gamma"].values, ("-", ":"), strict=False):
            curve = values.sel({STATIC: gamma, "driven_gamma": driven})
            axes.plot(curve["drive_frequency"], curve, ".", color=COLORS[gamma], ls=style, lw=0.6, ms=3)


def draw_points(axes: Axes, points: xr.Dataset) -> None:
    """Sampled efficiencies, filled where the drive is weak."""
    for index in range(points.sizes["point"]):
        one = points.isel(point=index)
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


def main(argv: Sequence[str] | None = None) -> None:
    """Make the figure."""
    make_figure(Script("conversion", ("curves", "exact"), ("points",), QUICK, draw), argv)


if __name__ == "__main__":
    main()

"""An engine driven harder: exact output power against the strength of its structured reservoir.

    python analysis/fig_engine_saturation.py analysis/data/engine_saturation.nc [-o analysis/figures]

Dataset: `python analysis/engine_saturation.py`. Writes `fig_engine_saturation.pdf` and `.png`.

What to see: (a) the exact output power leaves the line of second order, saturates and turns over; (b) the
efficiency falls with it; (c) the largest power against the static coupling: it follows the slower of two
rates in series, and is smallest where second order promises most for a given strength.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from paths import FIGURES, STYLE
from saving import save

from langevin_qtm import open_dataset

NAME = "fig_engine_saturation"
WIDTH, HEIGHT = 7.0, 3.1  # inches
SHOWN_GAMMAS = (0.01, 0.1, 1.0, 10.0, 100.0)  # panels (a) and (b)
GIVEN_STRENGTH = 1e-3  # panel (c)
GRAY = "0.4"


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    parser = argparse.ArgumentParser(description="Output power of an engine against the strength d.")
    parser.add_argument("dataset", type=Path, help="dataset of engine_saturation.py")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    dataset = open_dataset(arguments.dataset)
    with mpl.rc_context(fname=STYLE):
        figure = draw(dataset)
        save(figure, arguments.output, NAME)
        plt.close(figure)
    for line in numbers(dataset):
        print(line)


def numbers(dataset: xr.Dataset) -> list[str]:
    """The rows of the table in the text: the optimum at the tuned Ω and ω_1, then the free one."""
    rows = ["| γ_2 | Ω, ω_1 | d* | −P* | η | second order at d* | free: Ω, ω_1 | d* | −P* | η |"]
    rows.append("| --- " * 10 + "|")
    for one in (dataset.sel(static_gamma=gamma) for gamma in dataset["static_gamma"].values):
        value = {name: one[name].item() for name in one.data_vars if one[name].ndim == 0}
        weak = value["second_order_slope"] * value["optimum_strength"]
        cells = [f"{one['static_gamma'].item():.3g}", at(value, "tuned"), *best(value, "optimum")]
        cells.append(f"{weak:.1e} ({weak / value['optimum_power']:.0f} ×)")
        if "free_power" in value:
            cells += [at(value, "free"), *best(value, "free")]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def at(value: dict[str, float], prefix: str) -> str:
    """Drive and line frequency."""
    return f"{value[f'{prefix}_drive_frequency']:.2f}, {value[f'{prefix}_line_frequency']:.2f}"


def best(value: dict[str, float], prefix: str) -> list[str]:
    """Strength, power and efficiency of an optimum."""
    strength, power = value[f"{prefix}_strength"], value[f"{prefix}_power"]
    return [f"{strength:.1e}", f"{power:.2e}", f"{value[f'{prefix}_efficiency']:.2f}"]


def draw(dataset: xr.Dataset) -> Figure:
    """Power and efficiency against strength, largest power against static coupling."""
    figure, panels = plt.subplots(1, 3, figsize=(WIDTH, HEIGHT))
    draw_power(panels[0], shown(dataset))
    draw_efficiency(panels[1], shown(dataset))
    draw_optimum(panels[2], dataset)
    for letter, axes in zip("abc", panels, strict=True):
        axes.set_title(rf"$\mathbf{{({letter})}}$", loc="left", pad=4)
    return figure


def shown(dataset: xr.Dataset) -> xr.Dataset:
    """The static couplings of panels (a) and (b), as far as they are there."""
    there = [g for g in dataset["static_gamma"].values if np.isclose(g, SHOWN_GAMMAS, rtol=1e-6).any()]
    return dataset.sel(static_gamma=there)


def colors(dataset: xr.Dataset) -> np.ndarray:
    """One color for each static coupling, from dark to light."""
    return mpl.colormaps["viridis"](np.linspace(0.0, 0.88, dataset.sizes["static_gamma"]))


def draw_power(axes: Axes, dataset: xr.Dataset) -> None:
    """Exact, second-order and series power against strength; the optimum as a point."""
    for static_gamma, color in zip(dataset["static_gamma"].values, colors(dataset), strict=True):
        one = dataset.sel(static_gamma=static_gamma)
        engine = one["power"].where(one["power"] > 0)
        axes.loglog(one["strength"], engine, color=color, label=rf"${static_gamma:g}$")
        axes.loglog(one["strength"], one["second_order_power"], "--", color=color, lw=0.8)
        axes.loglog(one["strength"], one["series_power"], ":", color=color, lw=0.8)
        axes.plot(one["optimum_strength"], one["optimum_power"], "o", color=color, mec="k", mew=0.6, ms=4)
    limits = dataset["strength"].values[[0, -1]]
    axes.set(xlim=limits, ylim=(5e-6, 6e-2), xlabel=r"strength $d\ [\omega_A^4]$")
    axes.set_ylabel(r"output power $-P\ [\omega_A^2]$")
    handles = [Line2D([], [], color=GRAY, ls=style) for style in ("-", "--", ":")]
    axes.legend(handles, ["exact", "second order", "rates in series"], loc="upper left")


def draw_efficiency(axes: Axes, dataset: xr.Dataset) -> None:
    """Exact efficiency against strength, where the machine is an engine."""
    for static_gamma, color in zip(dataset["static_gamma"].values, colors(dataset), strict=True):
        one = dataset.sel(static_gamma=static_gamma)
        axes.semilogx(one["strength"], one["efficiency"], color=color, label=rf"${static_gamma:g}$")
        axes.plot(
            one["optimum_strength"], one["optimum_efficiency"], "o", color=color, mec="k", mew=0.6, ms=4
        )
    limits = dataset["strength"].values[[0, -1]]
    axes.set(xlim=limits, xlabel=r"strength $d\ [\omega_A^4]$", ylabel=r"efficiency $\eta$")
    axes.set_ylim(bottom=0.0)
    axes.legend(title=r"$\gamma_2/\omega_A$", loc="lower left")


def draw_optimum(axes: Axes, dataset: xr.Dataset) -> None:
    """Largest exact power against static coupling, and what second order says at one strength."""
    gamma = dataset["static_gamma"]
    axes.loglog(gamma, dataset["optimum_power"], "o-", color="C0", label=r"exact, best $d$")
    if "free_power" in dataset:
        label = r"exact, best $d$, $\Omega$, $\omega_1$"
        axes.loglog(gamma, dataset["free_power"], "s-", color="C0", mfc="w", label=label)
    axes.loglog(gamma, dataset["bottleneck"], ":", color="C3", label=r"$P_\mathrm{sat}$")
    given = dataset.sel(strength=GIVEN_STRENGTH, method="nearest")
    exponent = np.log10(given["strength"].item())
    second = rf"second order, $d = 10^{{{exponent:.0f}}}\,\omega_A^4$"
    axes.loglog(gamma, given["second_order_power"], "--", color="C1", label=second)
    axes.loglog(gamma, given["power"], "^-", color="C1", label="exact, same $d$")
    axes.set_ylim(8e-6, 1.3e-2)
    axes.set(xlabel=r"static coupling $\gamma_2\ [\omega_A]$", ylabel=r"output power $-P\ [\omega_A^2]$")
    axes.legend(loc="lower left")


if __name__ == "__main__":
    main()

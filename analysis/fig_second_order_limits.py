"""Where second order ends: maps of its deviation from the exact powers of the work converter.

    python analysis/fig_second_order_limits.py analysis/data/second_order_limits.nc [-o analysis/figures]

Dataset: `python analysis/second_order_limits.py`. Writes `fig_second_order_limits.pdf` and `.png`.

What to see: (a-c) the coupling γ_1 up to which published second-order powers hold, over drive frequency and
for weak, intermediate and strong static damping, and the golden-rule scale γ_1* at which the drive pumps a
mode as much as the static reservoir damps it; (d) above the pair-creation threshold, Ω > w, the deviation is
about γ_1/γ_1* whatever the static damping; (e) at γ_2 = 100 the exact power over γ_1; second order has one
curve.
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
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter
from paths import FIGURES, STYLE
from saving import save

from langevin_qtm import open_dataset

NAME = "fig_second_order_limits"
WIDTH, HEIGHT = 7.0, 5.2  # inches
LEVELS = (0.01, 0.1, 1.0)
LINE_STYLES = ("-", "--", ":")
NORM = LogNorm(1e-4, 1e2)
COLORMAP = "cividis_r"
UNSTABLE_COLOR, SCALE_COLOR = "0.8", "C1"
THRESHOLD = 1.0  # Ω above the frequency of every mode: filled points of panel (d)
CUT_GAMMAS = (1e-5, 1e-4, 1e-3, 1e-2)  # panel (e)
LABEL_GAMMA = 0.3  # where the line γ_1* is named
MARKERS = ("o", "s", "^")
PDF_DPI = 450


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    parser = argparse.ArgumentParser(description="Maps of the deviation of second order.")
    parser.add_argument("dataset", type=Path, help="dataset of second_order_limits.py")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    dataset = open_dataset(arguments.dataset)
    with mpl.rc_context(fname=STYLE):
        figure = draw(dataset)
        save(figure, arguments.output, NAME, PDF_DPI)
        plt.close(figure)
    for line in numbers(dataset):
        print(line)


def numbers(dataset: xr.Dataset) -> list[str]:
    """What the text quotes: where the deviation reaches each level, for the drive frequency of the first."""
    lines = []
    for static_gamma in dataset["static_gamma"].values:
        one = dataset.sel(static_gamma=static_gamma)
        for level in LEVELS:
            coupling = reach(one, level)
            if coupling.notnull().any():
                first = coupling.isel(drive_frequency=int(np.nanargmin(coupling.values)))
                below = first.item() <= dataset["driven_gamma"].min().item()
                coupling_at = f"γ_1 {'<' if below else '='} {first.item():.2g}"
                where = f"Ω = {first['drive_frequency'].item():.3g}"
                lines.append(f"γ_2 = {static_gamma:g}: {100 * level:g} % first at {coupling_at}, {where}")
        reached = one["deviation_error"].where(one["deviation"] > LEVELS[0]) / one["deviation"]
        lines.append(f"γ_2 = {static_gamma:g}: numerical error below {reached.max().item():.1e} of Δ > 1 %")
    return lines


def reach(dataset: xr.Dataset, level: float) -> xr.DataArray:
    """Smallest γ_1 at which the deviation is `level`, by drive frequency.

    NaN where it is beyond the grid; the first γ_1 of the grid where that is over the level already.
    """
    gamma, rows = np.log(dataset["driven_gamma"].values), []
    for values in dataset["deviation"].transpose("drive_frequency", "driven_gamma").values:
        over = np.flatnonzero(values >= level)
        if over.size == 0 or over[0] == 0:
            rows.append(np.exp(gamma[0]) if over.size else np.nan)
            continue
        pair = slice(over[0] - 1, over[0] + 1)
        rows.append(np.exp(np.interp(np.log(level), np.log(values[pair]), gamma[pair])))
    return xr.DataArray(rows, {"drive_frequency": dataset["drive_frequency"]}, name="reach")


def draw(dataset: xr.Dataset) -> Figure:
    """A map for each static coupling, the collapse on the golden-rule scale, and a cut."""
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    rows = figure.add_gridspec(2, 1, height_ratios=(1.15, 1.0))
    count = dataset.sizes["static_gamma"]
    top = rows[0].subgridspec(1, count)
    bottom = rows[1].subgridspec(1, 2, width_ratios=(1.0, 1.25))
    maps = [figure.add_subplot(top[index]) for index in range(count)]
    for axes, static_gamma in zip(maps, dataset["static_gamma"].values, strict=True):
        mesh = draw_map(axes, dataset.sel(static_gamma=static_gamma))
        axes.set_title(rf"$\gamma_2 = {static_gamma:g}\,\omega_A$", pad=4)
        axes.tick_params(labelleft=axes is maps[0])
    maps[0].set_ylabel(r"driven coupling $\gamma_1\ [\omega_A]$")
    bar = figure.colorbar(mesh, ax=maps, pad=0.015, aspect=18, extend="both")
    bar.set_label(r"deviation $\Delta$")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    for level, style in zip(LEVELS, LINE_STYLES, strict=True):
        bar.ax.axhline(level, color="k", lw=0.9, ls=style)
    collapse, cut = figure.add_subplot(bottom[0]), figure.add_subplot(bottom[1])
    draw_collapse(collapse, dataset)
    draw_cut(cut, dataset.isel(static_gamma=-1))
    for letter, axes in zip("abcdefgh", (*maps, collapse, cut), strict=False):
        axes.set_title(rf"$\mathbf{{({letter})}}$", loc="left", pad=4)
    return figure


def draw_map(axes: Axes, dataset: xr.Dataset) -> QuadMesh:
    """Deviation over drive frequency and driven coupling, with what is expected."""
    x, y = dataset["drive_frequency"].values, dataset["driven_gamma"].values
    deviation = dataset["deviation"].transpose("driven_gamma", "drive_frequency").values
    axes.set(xscale="log", yscale="log", facecolor=UNSTABLE_COLOR)
    mesh = axes.pcolormesh(x, y, deviation, norm=NORM, cmap=COLORMAP, shading="nearest", rasterized=True)
    lines = axes.contour(x, y, np.log(deviation), np.log(LEVELS), colors="k", linewidths=0.9)
    lines.set_linestyles(LINE_STYLES)
    growth = dataset["growth_rate"].transpose("stability_gamma", "stability_frequency")
    axes.contour(
        growth["stability_frequency"], growth["stability_gamma"], growth, [0.0], colors="0.35", linewidths=0.9
    )
    scale = dataset["pumping_gamma_fine"]
    axes.plot(scale["theory_frequency"], scale, color=SCALE_COLOR, lw=1.6)
    label_scale(axes, scale)
    axes.text(45.0, 0.55, "unstable", ha="center", va="center", fontsize=8)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), xlabel=r"drive frequency $\Omega\ [\omega_A]$")
    return mesh


def label_scale(axes: Axes, scale: xr.DataArray) -> None:
    """Name of the golden-rule scale, beside its steep part."""
    start = int(np.argmax(scale.values < LABEL_GAMMA))
    point = (float(scale["theory_frequency"][start]), float(scale[start]))
    text = {"textcoords": "offset points", "color": SCALE_COLOR, "ha": "right", "va": "center"}
    halo = [withStroke(linewidth=2, foreground="w")]
    axes.annotate(r"$\gamma_1^*$", point, (-5, 0), path_effects=halo, **text)


def draw_collapse(axes: Axes, dataset: xr.Dataset) -> None:
    """Deviation against the coupling in units of the golden-rule scale."""
    for index, marker in zip(range(dataset.sizes["static_gamma"]), MARKERS, strict=False):
        one = dataset.isel(static_gamma=index)
        ratio = one["driven_gamma"] / one["pumping_gamma"]
        above = one["drive_frequency"] > THRESHOLD
        style = {"ls": "", "marker": marker, "ms": 2.4, "mew": 0.5, "rasterized": True}
        label = rf"$\gamma_2 = {float(one['static_gamma']):g}\,\omega_A$"
        x, y = (array.where(above).values.ravel() for array in xr.broadcast(ratio, one["deviation"]))
        axes.loglog(x, y, color=f"C{(0, 2, 3)[index % 3]}", mfc="none", label=label, **style)
    ends = np.array([1e-4, 1e2])
    axes.loglog(ends, ends, color=SCALE_COLOR, label=r"$\Delta = \gamma_1/\gamma_1^*$")
    axes.set(xlim=(1e-4, 1e3), ylim=(3e-5, 3e4))
    axes.set(xlabel=r"coupling $\gamma_1/\gamma_1^*(\Omega)$", ylabel=r"deviation $\Delta$")
    axes.legend(loc="upper left")


def draw_cut(axes: Axes, dataset: xr.Dataset) -> None:
    """Exact power of the first oscillator over γ_1, and second order, which is one curve."""
    name = dataset["oscillator"].values[0]
    colors = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(CUT_GAMMAS)))
    exact = dataset["local_power"].sel(oscillator=name) / dataset["driven_gamma"]
    for gamma, color in zip(CUT_GAMMAS, colors, strict=True):
        curve = exact.sel(driven_gamma=gamma, method="nearest")
        label = rf"$10^{{{np.log10(gamma):.0f}}}$"
        axes.plot(curve["drive_frequency"], curve, ".-", color=color, ms=3.5, label=label)
    weak = dataset["second_order_power"].sel(oscillator=name) / dataset["driven_gamma"]
    axes.plot(weak["drive_frequency"], weak.isel(driven_gamma=0), "k--", label="second order")
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1e-2, linscale=0.6)
    axes.set_xlabel(r"drive frequency $\Omega\ [\omega_A]$")
    axes.set_ylabel(rf"power over coupling $P_{{{name}}}/\gamma_1\ [\omega_A]$")
    axes.legend(title=r"$\gamma_1/\omega_A$", loc="lower left", ncols=2)


if __name__ == "__main__":
    main()

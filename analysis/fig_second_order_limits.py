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
import io
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
from paths import FIGURES, STYLE
from PIL import Image

from langevin_qtm import open_dataset

NAME = "fig_second_order_limits"
WIDTH, HEIGHT = 7.0, 5.2  # inches
LEVELS = {0.01: "1 %", 0.1: "10 %", 1.0: "100 %"}
NORM = LogNorm(1e-4, 1e2)
COLORMAP = "cividis_r"
UNSTABLE_COLOR, SCALE_COLOR = "0.8", "C1"
THRESHOLD = 1.0  # Ω above the frequency of every mode: filled points of panel (d)
CUT_GAMMAS = (1e-5, 1e-4, 1e-3, 1e-2)  # panel (e)
MARKERS = ("o", "s", "^")
PDF_DPI = 450
PNG_COLORS = 128


def main(argv: Sequence[str] | None = None) -> None:
    """Read the dataset, draw, write PDF and PNG."""
    parser = argparse.ArgumentParser(description="Maps of the deviation of second order.")
    parser.add_argument("dataset", type=Path, help="dataset of second_order_limits.py")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    dataset = open_dataset(arguments.dataset)
    with mpl.rc_context(fname=STYLE):
        figure = draw(dataset)
        save(figure, arguments.output, NAME)
        plt.close(figure)


def save(figure: Figure, folder: Path, name: str) -> None:
    """PDF for print, PNG with few colors for the screen."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", dpi=PDF_DPI, metadata={"CreationDate": None})
    image = io.BytesIO()
    figure.savefig(image, format="png")
    Image.open(image).convert("RGB").quantize(PNG_COLORS).save(folder / f"{name}.png", optimize=True)


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
    bar = figure.colorbar(mesh, ax=maps, pad=0.015, aspect=25, extend="both")
    bar.set_label(r"deviation $\Delta$")
    for level in LEVELS:
        bar.ax.axhline(level, color="k", lw=0.8)
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
    lines = axes.contour(x, y, np.log(deviation), np.log(list(LEVELS)), colors="k", linewidths=0.9)
    lines.set_linestyles(["-", "--", ":"])
    axes.clabel(
        lines, fmt=dict(zip(lines.levels, LEVELS.values(), strict=True)), fontsize=8, inline_spacing=3
    )
    growth = dataset["growth_rate"].transpose("stability_gamma", "stability_frequency")
    axes.contour(
        growth["stability_frequency"], growth["stability_gamma"], growth, [0.0], colors="0.35", linewidths=0.9
    )
    scale = dataset["pumping_gamma_fine"]
    axes.plot(scale["theory_frequency"], scale, color=SCALE_COLOR, lw=1.6)
    axes.text(0.97, 0.955, "unstable", transform=axes.transAxes, ha="right", va="top", fontsize=8)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), xlabel=r"drive frequency $\Omega\ [\omega_A]$")
    return mesh


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
    axes.set(xlim=(1e-4, 1e3), ylim=(1e-4, 1e4))
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
    axes.legend(title=r"$\gamma_1/\omega_A$", loc="lower left")


if __name__ == "__main__":
    main()

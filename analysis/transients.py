"""What the figures of transients share: sampled means with errors on the exact curve of the same machine.

The exact curve is computed anew for the machine and the start that the dataset stores, at the sampled times
and some between them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
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

from langevin_qtm import Machine, open_dataset, transient
from langevin_qtm.data.files import stored_machine
from langevin_qtm.inspection.panels import over_time
from langevin_qtm.inspection.panels.over_time import series, standardized

WIDTH, HEIGHT = 7.0, 6.4  # inches
FINER = 8  # exact times for each sampled one
COLORS = {"A": "C0", "B": "C1", "AA": "C0", "BB": "C1", "AB": "C5"}
RESERVOIR_COLORS = ("C2", "C3")
GRAY = "0.4"
TIME = r"time $t\ [\omega_A^{-1}]$"
POWER = r"$[\omega_A^2]$"
SQUARE = r"$[\omega_A^{-1}]$"
ENERGY = r"$[\omega_A]$"

Draw = Callable[[xr.Dataset, xr.Dataset], Figure]


def make_figure(argv: Sequence[str] | None, name: str, description: str, draw: Draw) -> None:
    """Read the dataset that the command line names, draw, write PDF and PNG.

    Parameters
    ----------
    argv : sequence of str, optional
        Command line without the program.
    name : str
        Of the figure and, without `fig_`, of its run file.
    description : str
    draw : callable
        Makes the figure from the dataset and its exact curve.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("dataset", type=Path, help=f"dataset of runs/{name.removeprefix('fig_')}.toml")
    parser.add_argument("-o", "--output", type=Path, default=FIGURES, help="folder of the figure")
    arguments = parser.parse_args(argv)
    dataset = open_dataset(arguments.dataset)
    with mpl.rc_context(fname=STYLE):
        figure = draw(dataset, exact_curve(dataset))
        save(figure, arguments.output, name)
        plt.close(figure)


def exact_curve(dataset: xr.Dataset, finer: int = FINER) -> xr.Dataset:
    """`transient` for the machine and the start of the dataset, at its times and `finer` - 1 between two."""
    sampled = dataset["time"].values
    places = np.arange(finer * (len(sampled) - 1) + 1) / finer
    times = np.interp(places, np.arange(len(sampled)), sampled)
    start = json.loads(dataset.attrs["start"])
    return transient(stored_machine(dataset), times, start, dataset.attrs["start_time"])


def panels(count: int = 5) -> tuple[Figure, list[Axes], Axes]:
    """Figure with lettered panels over one axis of time, two in a row, and one for deviations at the end."""
    figure, grid = plt.subplots(3, 2, figsize=(WIDTH, HEIGHT), sharex=True)
    cells = list(grid.flat)
    for letter, axes in zip("abcdef", cells, strict=True):
        axes.set_title(rf"$\mathbf{{({letter})}}$", loc="left", pad=4)
    for axes in grid[-1]:
        axes.set_xlabel(TIME)
    return figure, cells[:count], cells[count]


def color_of(dataset: xr.Dataset, name: str, label: str) -> str:
    """Colors of oscillators A and B, their covariance, and reservoirs; black for what has no name."""
    if "reservoir" in dataset[name].dims:
        return RESERVOIR_COLORS[list(dataset["reservoir"].values).index(label)]
    return COLORS.get(label, "k")


def draw_on_exact(
    axes: Axes,
    dataset: xr.Dataset,
    exact: xr.Dataset,
    name: str,
    symbol: str,
    alpha: float = 1.0,
    labels: Sequence[str] | None = None,
) -> None:
    """Sampled means with standard errors on exact curves, one for each oscillator, pair or reservoir.

    Parameters
    ----------
    axes : Axes
    dataset, exact : xarray.Dataset
    name : str
        Variable of both.
    symbol : str
        For the legend; `{}` stands for the oscillator, pair or reservoir.
    alpha : float
        Of the curves.
    labels : sequence of str, optional
        Which oscillators, pairs or reservoirs; by default all.
    """
    errors = dict(series(dataset, f"{name}_se"))
    curves = dict(series(exact, name))
    for label, points in series(dataset, name):
        if labels is not None and label not in labels:
            continue
        color, text = color_of(dataset, name, label), symbol.format(label)
        axes.plot(curves[label]["time"], curves[label], color=color, lw=0.9, alpha=alpha, zorder=2)
        bars = axes.errorbar(points["time"], points, errors[label], fmt="o", ms=2.0, mfc="w", mew=0.6)
        bars[0].set(color=color, label=text, zorder=3)
        bars[2][0].set(color=color, linewidth=0.6, zorder=2.5)
    axes.set_xlim(float(exact["time"][0]), float(exact["time"][-1]))


def draw_energies(axes: Axes, exact: xr.Dataset) -> None:
    """First law over time, exact: work done, and where it went, all since the start."""
    shared = axes.get_xlabel()  # of the lowest panels alone
    over_time.draw_energies(axes, exact)
    axes.set(xlabel=shared, ylabel=rf"energy since the start {ENERGY}")


def after_start(dataset: xr.Dataset) -> xr.Dataset:
    """All but the first time, at which the currents of stiff reservoirs scatter with all of their noise."""
    return dataset.isel(time=slice(1, None))


def draw_deviations(axes: Axes, dataset: xr.Dataset, exact: xr.Dataset, names: Sequence[str]) -> None:
    """All that the other panels show as points, in standard errors from the exact curve."""
    axes.axhspan(-2, 2, color="0.92", lw=0, zorder=0)
    axes.axhline(0.0, color="k", lw=0.5, zorder=1)
    everything = []
    for name in names:
        for label, score in standardized(dataset, exact, name).items():
            axes.plot(dataset["time"], score, ".", ms=2.5, color=color_of(dataset, name, label))
            everything.append(score)
    scores = np.concatenate(everything)
    scores = scores[np.isfinite(scores)]
    reach = max(4.6, 1.25 * float(np.abs(scores).max()))
    axes.set(ylim=(-reach, reach), ylabel="deviation [standard errors]")
    text = f"{len(scores)} numbers, rms {np.sqrt(np.mean(scores**2)):.2f}, largest {np.abs(scores).max():.1f}"
    axes.text(0.03, 0.96, text, transform=axes.transAxes, ha="left", va="top", fontsize=8)


def draw_couplings(axes: Axes, machine: Machine, times: np.ndarray, contact: int = 0) -> None:
    """Couplings of all oscillators to one reservoir over time; later ones dashed where they coincide."""
    values = machine.contacts[contact].couplings(times)
    for name, value, style in zip(machine.oscillators, values.T, ("-", "--"), strict=False):
        axes.plot(times, value, style, color=COLORS.get(name, GRAY), label=rf"$g_{{{name}}}$")
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)


def make_room(axes: Axes, above: float = 0.0, below: float = 0.0) -> None:
    """Leave shares of the height free above and below the data."""
    low, high = axes.get_ylim()
    axes.set_ylim(low - below * (high - low), high + above * (high - low))


def add_exact_to_legend(axes: Axes, **options) -> None:
    """Legend whose last entry says what the lines are."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend([*handles, Line2D([], [], color=GRAY, lw=0.9)], [*labels, "exact"], **options)


def levels(values: xr.DataArray) -> dict[str, float]:
    """Numbers by the name of oscillator or reservoir."""
    (dim,) = values.dims
    return {str(name): float(value) for name, value in zip(values[dim].values, values.values, strict=True)}

"""One figure of `langevin-qtm inspect`, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langevin_qtm.data.files import stored_machine
from langevin_qtm.inspection.contents import kind_of, require
from langevin_qtm.inspection.labels import letter_panels
from langevin_qtm.inspection.panels.trajectories import draw_ensemble

WIDTH = 7.0  # inches
SHOWN_PERIODS = 8


@dataclass(frozen=True)
class Look:
    """One figure.

    Attributes
    ----------
    name : str
        Of the file.
    caption : str
        What it shows, in one line.
    draw : callable
        Makes the figure; raises `InputError` when the dataset lacks what it needs.
    """

    name: str
    caption: str
    draw: Callable[[], Figure]


def grid_of(rows: int, columns: int, height: float, **options) -> tuple[Figure, list[Axes]]:
    """Figure with lettered panels."""
    figure, grid = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **options)
    cells = list(grid.flat)
    letter_panels(cells)
    return figure, cells


def draw_trajectories(dataset: xr.Dataset, names: list[str], numbers: Sequence[int] | None) -> Figure:
    require(dataset, "position")
    figure, cells = grid_of(len(names), 1, 0.8 + 1.7 * len(names), sharex=True)
    for axes, name in zip(cells, names, strict=True):
        draw_ensemble(axes, dataset, name, numbers)
        axes.label_outer()
    if kind_of(dataset) == "steady":
        stop = min(SHOWN_PERIODS * stored_machine(dataset).period, float(dataset["time"].values[-1]))
        cells[-1].set_xlim(0.0, stop)
        cells[-1].set_xlabel(r"time $t\ [\omega_A^{-1}]$; gray: every other drive period")
    return figure

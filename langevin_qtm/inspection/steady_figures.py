"""Figures of the periodic steady state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import is_driven, is_finite, require
from langevin_qtm.inspection.labels import letter_panels
from langevin_qtm.inspection.look import WIDTH, Look, draw_trajectories, grid_of
from langevin_qtm.inspection.panels import convergence, energies, locking, powers, spectra, works
from langevin_qtm.inspection.panels.trajectories import draw_phase_portrait
from langevin_qtm.inspection.reference import exact_steady
from langevin_qtm.validation import validate


def steady_looks(dataset: xr.Dataset, numbers: Sequence[int] | None) -> Iterator[Look]:
    names = [str(name) for name in dataset["oscillator"].values]
    if dataset.attrs["method"] == "simulate":
        first = 0 if not numbers else numbers[0]
        yield Look(
            "trajectories",
            "positions over the first drive periods, their mean, and the exact mean ± σ",
            lambda: draw_trajectories(dataset, names, numbers),
        )
        if len(names) > 1:
            yield Look(
                "locking",
                "antiphase locking: density of positions, windowed Pearson coefficient, phase difference",
                lambda: _draw_locking(dataset, first),
            )
        yield Look(
            "phase_portraits",
            "density of position and velocity with covariance ellipses",
            lambda: _draw_portraits(dataset, names, first),
        )
        yield Look(
            "position_spectrum",
            "measured power spectrum of the positions on the exact one, and their ratio",
            lambda: _draw_spectra(dataset, "position"),
        )
        yield Look(
            "noise_spectrum",
            "noise: generated on J coth(w/2T), and measured on what sampling at steps makes of it",
            lambda: _draw_noise(dataset),
        )
    if dataset.attrs["method"] != "second_order":
        yield Look(
            "powers",
            "local powers over the drive period, sampled on exact",
            lambda: _draw_powers(dataset, names),
        )
    yield Look(
        "first_law",
        "work and heat over a period, period averages and their sum",
        lambda: _draw_first_law(dataset),
    )
    if dataset.attrs["method"] == "simulate":
        yield Look(
            "work_distribution",
            "work per n drive periods: histogram, and cumulative along trajectories",
            lambda: _draw_works(dataset),
        )
        yield Look(
            "convergence",
            "block and running means on exact bands, and the run-in",
            lambda: _draw_convergence(dataset),
        )
    yield Look(
        "deviations", "every number against its exact value, in its own error", lambda: _draw_scores(dataset)
    )


def _draw_locking(dataset: xr.Dataset, number: int) -> Figure:
    require(dataset, "position")
    figure = plt.figure(figsize=(WIDTH, 5.4))
    rows = figure.add_gridspec(2, 1, height_ratios=(1.25, 1.0))
    top = rows[0].subgridspec(1, 2, width_ratios=(1.0, 1.15))
    plane, phase = figure.add_subplot(top[0]), figure.add_subplot(top[1])
    pearson = figure.add_subplot(rows[1])
    locking.draw_plane(plane, dataset)
    locking.draw_phase_difference(phase, dataset)
    locking.draw_windowed_pearson(pearson, dataset, number=number)
    letter_panels([plane, phase, pearson])
    return figure


def _draw_portraits(dataset: xr.Dataset, names: list[str], number: int) -> Figure:
    require(dataset, "velocity")
    columns = min(len(names), 2)
    figure, cells = grid_of(-(-len(names) // columns), columns, 3.4 * -(-len(names) // columns))
    for axes, name in zip(cells, names, strict=False):
        draw_phase_portrait(axes, dataset, name, number)
    for axes in cells[len(names) :]:
        axes.remove()
    return figure


def _draw_spectra(dataset: xr.Dataset, variable: str) -> Figure:
    spectra.measured(dataset, variable)
    names = [str(name) for name in dataset["oscillator"].values]
    figure, grid = plt.subplots(
        2, len(names), figsize=(WIDTH, 4.8), squeeze=False, sharex=True, height_ratios=(2.0, 1.0)
    )
    letter_panels(list(grid.flat))
    for (upper, lower), name in zip(grid.T, names, strict=True):
        spectra.draw_spectrum(upper, dataset, variable, names=[name])
        upper.set_xlabel("")
        try:
            spectra.draw_ratio(lower, dataset, variable, name)
        except InputError:
            lower.remove()
    _note_below(figure, list(grid[0]))
    return figure


def _note_below(figure: Figure, panels: Sequence[Axes]) -> None:
    """Move the note on the estimate from the panels to the foot of the figure."""
    notes = [axes.get_title(loc="right") for axes in panels]
    for axes in panels:
        axes.set_title("", loc="right")
    figure.supxlabel(notes[0], fontsize=7.5, color="0.3")


def _draw_noise(dataset: xr.Dataset) -> Figure:
    spectra.measured(dataset, "noise")
    names = [str(name) for name in dataset["reservoir"].values]
    figure = plt.figure(figsize=(WIDTH, 5.2))
    rows = figure.add_gridspec(2, 1, height_ratios=(1.3, 1.0))
    top, bottom = rows[0].subgridspec(1, 2), rows[1].subgridspec(1, len(names))
    audit, measured = figure.add_subplot(top[0]), figure.add_subplot(top[1])
    spectra.draw_noise_audit(audit, dataset)
    spectra.draw_spectrum(measured, dataset, "noise")
    below = [figure.add_subplot(bottom[0, column]) for column in range(len(names))]
    for axes, name in zip(below, names, strict=True):
        spectra.draw_ratio(axes, dataset, "noise", name)
    letter_panels([audit, measured, *below])
    _note_below(figure, [measured])
    return figure


def _draw_powers(dataset: xr.Dataset, names: list[str]) -> Figure:
    has_paths = "instantaneous_power" in dataset and dataset["instantaneous_power"].size
    is_sampled = "local_power_phase_se" in dataset
    rows = 1 + is_sampled + bool(has_paths)
    figure = plt.figure(figsize=(WIDTH, 1.0 + 1.9 * rows))
    ratios = [1.6, *([0.8] if is_sampled else []), *([1.3] if has_paths else [])]
    grid = figure.add_gridspec(rows, len(names), height_ratios=ratios)
    panels = [figure.add_subplot(grid[0, :])]
    powers.draw_folded_power(panels[0], dataset)
    exact = exact_steady(dataset)
    if is_sampled and exact is not None and is_finite(exact["local_power_phase"]):
        panels.append(figure.add_subplot(grid[1, :], sharex=panels[0]))
        powers.draw_power_deviation(panels[1], dataset)
    if has_paths:
        for column, name in enumerate(names):
            panels.append(figure.add_subplot(grid[rows - 1, column]))
            powers.draw_folded_trajectories(panels[-1], dataset, name)
    letter_panels(panels)
    return figure


def _draw_first_law(dataset: xr.Dataset) -> Figure:
    if "heat_current_phase" not in dataset or not is_driven(dataset):
        figure, cells = grid_of(1, 1, 3.0)
        energies.draw_first_law(cells[0], dataset)
        return figure
    figure, cells = grid_of(1, 2, 3.0)
    energies.draw_period_energies(cells[0], dataset)
    energies.draw_first_law(cells[1], dataset)
    return figure


def _draw_works(dataset: xr.Dataset) -> Figure:
    require(dataset, "window_work")
    figure, cells = grid_of(1, 2, 3.0)
    works.draw_work_distribution(cells[0], dataset)
    works.draw_work_paths(cells[1], dataset)
    return figure


def _draw_convergence(dataset: xr.Dataset) -> Figure:
    has_paths, has_works = "position" in dataset, "window_work" in dataset
    figure = plt.figure(figsize=(WIDTH, 2.6 + 2.4 * (has_paths or has_works)))
    grid = figure.add_gridspec(1 + (has_paths or has_works), 2 if has_paths and has_works else 1)
    panels = []
    if has_paths:
        panels.append(figure.add_subplot(grid[0, 0]))
        convergence.draw_block_means(panels[-1], dataset)
    if has_works:
        panels.append(figure.add_subplot(grid[0, -1]))
        convergence.draw_running_powers(panels[-1], dataset)
    panels.append(figure.add_subplot(grid[-1, :]))
    convergence.draw_run_in(panels[-1], dataset)
    letter_panels(panels)
    return figure


def _draw_scores(dataset: xr.Dataset) -> Figure:
    validation = validate(dataset)
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.155 * len(validation.judged)))
    convergence.draw_scores(axes, validation)
    return figure

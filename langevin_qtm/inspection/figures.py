"""The figures that `langevin-qtm inspect` writes, for each kind of dataset, and the order they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib as mpl
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError, NotConvergedError, UnstableMachineError
from langevin_qtm.inspection.contents import is_driven, is_finite, kind_of, require, trajectory_of
from langevin_qtm.inspection.labels import STYLE, letter_panels
from langevin_qtm.inspection.panels import convergence, energies, locking, over_time, powers, spectra, works
from langevin_qtm.inspection.panels import maps as sweeps
from langevin_qtm.inspection.panels.trajectories import draw_ensemble, draw_phase_portrait
from langevin_qtm.inspection.reference import exact_curve, exact_steady
from langevin_qtm.validation import validate

WIDTH = 7.0  # inches
SHOWN_PERIODS = 8
MOST_PANELS = 9  # quantities in a figure of a sweep
MOST_PLACES = 4  # figures of one kind for a sweep of many axes


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


def looks(dataset: xr.Dataset, numbers: Sequence[int] | None = None) -> list[Look]:
    """All figures for a dataset, those included for which it may lack something.

    Parameters
    ----------
    dataset : xarray.Dataset
    numbers : sequence of int, optional
        Trajectories to show; by default the first four.

    Raises
    ------
    InputError
        For a dataset of another program, and for trajectories that are not stored.
    """
    kind = kind_of(dataset)
    if kind == "sweep":
        return list(_sweep_looks(dataset))
    for number in numbers or ():
        trajectory_of(dataset, number)
    return list(_time_looks(dataset, numbers) if kind == "over time" else _steady_looks(dataset, numbers))


def select(found: Sequence[Look], names: Sequence[str] | None) -> list[Look]:
    """Figures by name, in the order of the dataset; all without names.

    Raises
    ------
    InputError
        For a name that this dataset has no figure of.
    """
    known = [look.name for look in found]
    for name in names or ():
        if name not in known:
            raise InputError(
                f"`--only` {name}: there is no such figure; for this dataset there are {', '.join(known)}."
            )
    return [look for look in found if names is None or look.name in names]


def drawn(chosen: Sequence[Look]) -> Iterator[tuple[Look, Figure | None, str]]:
    """Figures one after the other, in the style of the package.

    Yields
    ------
    look : Look
    figure : Figure or None
    reason : str
        Why it could not be drawn; empty when it was.
    """
    with mpl.rc_context(fname=STYLE):
        for look in chosen:
            try:
                yield look, look.draw(), ""
            except (InputError, NotConvergedError, UnstableMachineError) as error:
                plt.close("all")
                yield look, None, str(error)


def write(folder: Path, suffixes: Sequence[str], chosen: Sequence[Look]) -> Iterator[tuple[Look, str]]:
    """Draw and write figures; yields each with the reason why it could not be drawn, else empty."""
    for look, figure, reason in drawn(chosen):
        if figure is not None:
            for suffix in suffixes:
                metadata = {"CreationDate": None} if suffix == "pdf" else None
                figure.savefig(folder / f"{look.name}.{suffix}", metadata=metadata)
            plt.close(figure)
        yield look, reason


def show(chosen: Sequence[Look]) -> Iterator[tuple[Look, str]]:
    """Draw figures and open them in windows at the end; yields as `write`."""
    for look, figure, reason in drawn(chosen):
        if figure is not None and figure.canvas.manager is not None:
            figure.canvas.manager.set_window_title(f"{look.name}: {look.caption}")
        yield look, reason
    plt.show()


def _grid(rows: int, columns: int, height: float, **options) -> tuple[Figure, list[Axes]]:
    """Figure with lettered panels."""
    figure, grid = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **options)
    cells = list(grid.flat)
    letter_panels(cells)
    return figure, cells


# ------------------------------------------------------------------------------------ periodic steady state


def _steady_looks(dataset: xr.Dataset, numbers: Sequence[int] | None) -> Iterator[Look]:
    names = [str(name) for name in dataset["oscillator"].values]
    if dataset.attrs["method"] == "simulate":
        first = 0 if not numbers else numbers[0]
        yield Look(
            "trajectories",
            "positions over the first drive periods, their mean, and the exact mean ± σ",
            lambda: _draw_trajectories(dataset, names, numbers),
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


def _draw_trajectories(dataset: xr.Dataset, names: list[str], numbers: Sequence[int] | None) -> Figure:
    require(dataset, "position")
    figure, cells = _grid(len(names), 1, 0.8 + 1.7 * len(names), sharex=True)
    for axes, name in zip(cells, names, strict=True):
        draw_ensemble(axes, dataset, name, numbers)
        axes.label_outer()
    if kind_of(dataset) == "steady":
        stop = min(SHOWN_PERIODS * stored_machine(dataset).period, float(dataset["time"].values[-1]))
        cells[-1].set_xlim(0.0, stop)
        cells[-1].set_xlabel(r"time $t\ [\omega_A^{-1}]$; gray: every other drive period")
    return figure


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
    figure, cells = _grid(-(-len(names) // columns), columns, 3.4 * -(-len(names) // columns))
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
        figure, cells = _grid(1, 1, 3.0)
        energies.draw_first_law(cells[0], dataset)
        return figure
    figure, cells = _grid(1, 2, 3.0)
    energies.draw_period_energies(cells[0], dataset)
    energies.draw_first_law(cells[1], dataset)
    return figure


def _draw_works(dataset: xr.Dataset) -> Figure:
    require(dataset, "window_work")
    figure, cells = _grid(1, 2, 3.0)
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


# ------------------------------------------------------------------------------------------------ over time


def _time_looks(dataset: xr.Dataset, numbers: Sequence[int] | None) -> Iterator[Look]:
    names = [str(name) for name in dataset["oscillator"].values]
    kind = "sampled on exact" if dataset.attrs["method"] == "simulate" else "exact"
    if "position" in dataset:
        yield Look(
            "trajectories",
            "positions over time, the ensemble mean, and the exact mean ± σ",
            lambda: _draw_trajectories(dataset, names, numbers),
        )
    yield Look(
        "moments",
        f"couplings, means, covariances and Pearson coefficient, {kind}",
        lambda: _draw_moments(dataset),
    )
    yield Look("powers", f"local powers and heat currents over time, {kind}", lambda: _draw_rates(dataset))
    yield Look(
        "energies",
        f"work and heat since the start, {kind}, and the first-law residual",
        lambda: _draw_energies(dataset),
    )
    if dataset.attrs["method"] == "simulate":
        yield Look(
            "deviations",
            "every sampled number against the exact curve, in standard errors",
            lambda: _draw_deviations(dataset),
        )


def _draw_moments(dataset: xr.Dataset) -> Figure:
    exact = exact_curve(dataset)
    names = ["position_mean", "position_covariance", "pearson"]
    if dataset.sizes["oscillator"] == 1:
        names.remove("pearson")
    means = dataset if exact is None else exact
    if not bool((abs(means["position_mean"]) > 1e-9).any()):
        names[0] = "system_energy"
    figure, cells = _grid(len(names) + 1, 1, 1.0 + 1.5 * (len(names) + 1), sharex=True)
    over_time.draw_couplings(cells[0], dataset)
    for axes, name in zip(cells[1:], names, strict=True):
        over_time.draw_over_time(axes, dataset, exact, name)
    for axes in cells:
        axes.label_outer()
    return figure


def _draw_rates(dataset: xr.Dataset) -> Figure:
    exact = exact_curve(dataset)
    names = ["local_power", "heat_current"]
    names += [n for n in ("modulation_power", "force_power") if bool((abs(dataset[n]) > 1e-12).any())]
    figure, cells = _grid(len(names), 1, 1.0 + 1.8 * len(names), sharex=True)
    for axes, name in zip(cells, names, strict=True):
        over_time.draw_over_time(axes, dataset, exact, name)
        axes.label_outer()
    return figure


def _draw_energies(dataset: xr.Dataset) -> Figure:
    exact = exact_curve(dataset)
    figure, cells = _grid(2 + (exact is not None), 1, 1.0 + 1.8 * (2 + (exact is not None)), sharex=True)
    energies.draw_cumulative(cells[0], dataset)
    if exact is not None:
        over_time.draw_energies(cells[1], exact)
    energies.draw_energy_residual(cells[-1], dataset)
    for axes in cells:
        axes.label_outer()
    return figure


def _draw_deviations(dataset: xr.Dataset) -> Figure:
    exact = exact_curve(dataset)
    if exact is None:
        raise InputError(
            "The dataset continues another; only ensembles with a start of their own are compared."
        )
    figure, cells = _grid(1, 1, 2.6)
    over_time.draw_deviations(cells[0], dataset, exact)
    return figure


# --------------------------------------------------------------------------------------------------- sweeps


def _sweep_looks(dataset: xr.Dataset) -> Iterator[Look]:
    main = sweeps.main_dims(dataset)
    if not main:
        raise InputError(
            "The sweep has no axis of numbers with two points or more; there is nothing to draw over."
        )
    x = main[0]
    y = main[1] if len(main) > 1 else None
    shown = (x,) if y is None else (x, y)
    places = list(sweeps.rest_dims(dataset, shown))
    for index, place in enumerate(places[:MOST_PLACES]):
        ending = f"_{index + 1}" if len(places) > 1 else ""
        text = sweeps.place_text(dataset, place)
        where = f", at {text}" if text else ""
        if y is not None:
            yield Look(
                f"maps{ending}",
                f"maps over {x} and {y}{where}",
                partial(_draw_maps, dataset, place, x, y, text),
            )
        yield Look(
            f"cuts{ending}",
            f"curves over {x}{f' at some {y}' if y else ''}{where}",
            partial(_draw_cuts, dataset, place, x, y, text),
        )


def _at_place(dataset: xr.Dataset, place: dict[str, int]) -> list[tuple[str, xr.DataArray]]:
    found = [(label, values.isel(place)) for label, values in sweeps.quantities(dataset)]
    return [(label, values) for label, values in found if sweeps.varies(values)][:MOST_PANELS]


def _draw_maps(dataset: xr.Dataset, place: dict[str, int], x: str, y: str, text: str) -> Figure:
    shown = _at_place(dataset, place)
    figure, cells = _grid(-(-len(shown) // 2), 2, 2.4 * -(-len(shown) // 2))
    for axes, (label, values) in zip(cells, shown, strict=False):
        sweeps.draw_map(axes, values, label, x, y)
    return _finished(figure, cells, len(shown), text)


def _draw_cuts(dataset: xr.Dataset, place: dict[str, int], x: str, y: str | None, text: str) -> Figure:
    shown = _at_place(dataset, place)
    figure, cells = _grid(-(-len(shown) // 2), 2, 2.2 * -(-len(shown) // 2))
    for axes, (label, values) in zip(cells, shown, strict=False):
        sweeps.draw_cuts(axes, dataset, values, label, x, y)
    return _finished(figure, cells, len(shown), text)


def _finished(figure: Figure, cells: list[Axes], used: int, text: str) -> Figure:
    for axes in cells[used:]:
        axes.remove()
    if text:
        figure.suptitle(text, fontsize=9)
    return figure

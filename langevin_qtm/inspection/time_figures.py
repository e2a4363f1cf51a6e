"""Figures of ensembles and exact moments over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import xarray as xr
from matplotlib.figure import Figure

from langevin_qtm.errors import InputError
from langevin_qtm.inspection.look import Look, draw_trajectories, grid_of
from langevin_qtm.inspection.panels import energies, over_time
from langevin_qtm.inspection.reference import exact_curve


def time_looks(dataset: xr.Dataset, numbers: Sequence[int] | None) -> Iterator[Look]:
    names = [str(name) for name in dataset["oscillator"].values]
    kind = "sampled on exact" if dataset.attrs["method"] == "simulate" else "exact"
    if "position" in dataset:
        yield Look(
            "trajectories",
            "positions over time, the ensemble mean, and the exact mean ± σ",
            lambda: draw_trajectories(dataset, names, numbers),
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
    figure, cells = grid_of(len(names) + 1, 1, 1.0 + 1.5 * (len(names) + 1), sharex=True)
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
    figure, cells = grid_of(len(names), 1, 1.0 + 1.8 * len(names), sharex=True)
    for axes, name in zip(cells, names, strict=True):
        over_time.draw_over_time(axes, dataset, exact, name)
        axes.label_outer()
    return figure


def _draw_energies(dataset: xr.Dataset) -> Figure:
    exact = exact_curve(dataset)
    figure, cells = grid_of(2 + (exact is not None), 1, 1.0 + 1.8 * (2 + (exact is not None)), sharex=True)
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
    figure, cells = grid_of(1, 1, 2.6)
    over_time.draw_deviations(cells[0], dataset, exact)
    return figure

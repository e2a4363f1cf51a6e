"""Ensembles and exact moments over time: sampled means with standard errors on exact curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import is_finite
from langevin_qtm.inspection.labels import GRAY, LIGHT, TIME, axis_label, color_of, make_room, symbol
from langevin_qtm.inspection.reference import at_times
from langevin_qtm.physics.conventions import FloatArray

TINY = 1e-12
JUDGED = ("position_mean", "velocity_mean", "position_covariance", "pearson", "local_power", "heat_current")


def series(dataset: xr.Dataset, name: str) -> Iterator[tuple[str, xr.DataArray]]:
    """A variable over time, one oscillator, pair or reservoir after the other; symmetric pairs once."""
    variable = dataset[name]
    if "oscillator_prime" in variable.dims:
        names = [str(n) for n in variable["oscillator"].values]
        for place, first in enumerate(names):
            for second in names[place:]:
                yield first + second, variable.sel(oscillator=first, oscillator_prime=second)
    elif len(variable.dims) > 1:
        (dim,) = set(variable.dims) - {"time"}
        for label in variable[dim].values:
            yield str(label), variable.sel({dim: label})
    else:
        yield "", variable


def own_dim(dataset: xr.Dataset, name: str) -> str:
    """The dim whose colors a variable has."""
    return "reservoir" if "reservoir" in dataset[name].dims else "oscillator"


def draw_over_time(axes: Axes, dataset: xr.Dataset, exact: xr.Dataset | None, name: str) -> Axes:
    """One variable over time: points with standard errors where it is sampled, lines where it is exact.

    Raises
    ------
    InputError
        When the dataset has no such variable over time.
    """
    if name not in dataset or "time" not in dataset[name].dims:
        raise InputError(f"The dataset has no `{name}` over time; set `solver.duration` and run again.")
    is_sampled = f"{name}_se" in dataset
    errors = dict(series(dataset, f"{name}_se")) if is_sampled else {}
    curves = dict(series(exact, name)) if exact is not None and name in exact else {}
    for label, points in series(dataset, name):
        color = color_of(dataset, own_dim(dataset, name), label)
        text = symbol(name, label)
        if label in curves:
            style = {"lw": 0.9} if is_sampled else {"label": text}
            axes.plot(curves[label]["time"], curves[label], color=color, zorder=2, **style)
        if is_sampled:
            shown = (
                slice(1, None) if name == "heat_current" else slice(None)
            )  # stiff reservoirs jump at first
            bars = axes.errorbar(points["time"][shown], points[shown], errors[label][shown], fmt="o", ms=2.0)
            bars[0].set(color=color, label=text, mfc="w", mew=0.6, zorder=3)
            bars[2][0].set(color=color, linewidth=0.6, zorder=2.5)
        elif label not in curves:
            axes.plot(points["time"], points, color=color, label=text)
    axes.axhline(0.0, color="k", lw=0.4, zorder=0)
    axes.set(xlabel=TIME, ylabel=axis_label(dataset[name]))
    axes.set_xlim(float(dataset["time"][0]), float(dataset["time"][-1]))
    make_room(axes, above=0.2)
    handles, labels = axes.get_legend_handles_labels()
    if curves and is_sampled:
        handles, labels = [*handles, Line2D([], [], color=GRAY, lw=0.9)], [*labels, "exact"]
    axes.legend(handles, labels, loc="upper right", ncols=len(labels) if len(labels) < 5 else 3)
    return axes


def standardized(dataset: xr.Dataset, exact: xr.Dataset, name: str) -> dict[str, FloatArray]:
    """(sampled - exact)/standard error over time, by name; NaN where nothing scatters."""
    curves = dict(series(at_times(exact, dataset), name))
    errors, scores = dict(series(dataset, f"{name}_se")), {}
    for label, points in series(dataset, name):
        error = np.where(errors[label] > TINY, errors[label], np.nan)
        scores[label] = (points.values - curves[label].values) / error
    return scores


def draw_deviations(
    axes: Axes, dataset: xr.Dataset, exact: xr.Dataset, names: Sequence[str] = JUDGED
) -> Axes:
    """Sampled minus exact averages over time, in standard errors."""
    axes.axhspan(-2, 2, color=LIGHT, lw=0, zorder=0)
    axes.axhline(0.0, color="k", lw=0.5, zorder=1)
    everything = []
    for name in names:
        if name not in dataset or f"{name}_se" not in dataset or "uv_sensitive" in dataset[name].attrs:
            continue
        for label, score in standardized(dataset, exact, name).items():
            color = color_of(dataset, own_dim(dataset, name), label)
            axes.plot(dataset["time"], score, ".", ms=2.5, color=color)
            everything.append(score)
    scores = np.concatenate(everything)
    scores = scores[np.isfinite(scores)]
    reach = max(4.6, 1.25 * float(np.abs(scores).max(initial=0.0)))
    axes.set(ylim=(-reach, reach), xlabel=TIME, ylabel="deviation from exact\n[standard errors]")
    axes.set_xlim(float(dataset["time"][0]), float(dataset["time"][-1]))
    rms = np.sqrt(np.mean(scores**2))
    text = f"{len(scores)} numbers, rms {rms:.2f}, largest {np.abs(scores).max():.1f}"
    axes.text(0.03, 0.96, text, transform=axes.transAxes, va="top", fontsize=8)
    return axes


def draw_couplings(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Couplings of all oscillators to the reservoirs whose couplings depend on time."""
    machine = stored_machine(dataset)
    start, stop = (float(dataset["time"].values[place]) for place in (0, -1))
    times = np.linspace(start, stop, 2001)
    styles = ("-", "--", ":", "-.")
    for contact in [c for c in machine.contacts if c.is_driven] or machine.contacts[:1]:
        values = contact.couplings(times)
        reservoir = machine.reservoirs[contact.reservoir].name
        for place, (name, value) in enumerate(zip(machine.oscillators, values.T, strict=True)):
            if np.any(value):
                color = color_of(dataset, "oscillator", name)
                text = rf"$g_{{\rm {reservoir},{name}}}$"
                axes.plot(times, value, styles[place % 4], color=color, label=text)
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=(start, stop), xlabel=TIME, ylabel=r"coupling $g_{\nu l}(t)$")
    make_room(axes, above=0.2)
    axes.legend(loc="upper right", ncols=2)
    return axes


def draw_energies(axes: Axes, exact: xr.Dataset) -> Axes:
    """First law over time, exact: work done, and where it went, all since the start."""
    time = exact["time"]
    work = sum(exact[name].sum("oscillator") for name in ("work", "modulation_work", "force_work"))
    system, interaction = (
        exact["system_energy"].sum("oscillator"),
        exact["interaction_energy"].sum("reservoir"),
    )
    axes.plot(time, work, "k", lw=1.4, label="work $W$")
    axes.plot(time, system - system[0], color="C0", label="oscillators")
    axes.plot(time, interaction - interaction[0], color="C4", ls="--", label="interaction")
    for name in exact["reservoir"].values:
        energy = exact["reservoir_energy"].sel(reservoir=name)
        if is_finite(energy):
            color = color_of(exact, "reservoir", str(name))
            axes.plot(time, energy, color=color, label=f"{name} reservoir")
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlabel=TIME, ylabel="exact energies\n" r"since the start $[\omega_A]$")
    axes.set_xlim(float(time[0]), float(time[-1]))
    make_room(axes, above=0.4)
    axes.legend(loc="upper left", ncols=2)
    return axes

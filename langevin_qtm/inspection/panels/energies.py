"""Work and heat added up, and the first law."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.inspection.contents import is_finite, kind_of, require
from langevin_qtm.inspection.labels import GRAY, LIGHT, PHASE, TIME, color_of, make_room, symbol
from langevin_qtm.inspection.panels.powers import closed
from langevin_qtm.inspection.reference import at_times, exact_curve, exact_steady
from langevin_qtm.physics.conventions import FloatArray

RATES = {"oscillator": ("local_power", "work"), "reservoir": ("heat_current", "heat")}
ENERGY = r"energy since $t = 0\ [\omega_A]$"
POINTS = 16
RESOLVED = 0.05  # of the range of an energy: largest error of the rule


def integrated(curve: xr.DataArray, period: float) -> FloatArray:
    """Integral from 0 over one period of a rate known at equidistant phases, both ends included.

    Each harmonic is integrated by itself: exact for a rate of fewer harmonics than half its points.
    """
    count = len(curve)
    waves = np.fft.rfft(curve.values) / count
    order = np.arange(1, (count + 1) // 2)
    phase = np.arange(count + 1) / count
    turns = np.exp(2j * np.pi * np.outer(phase, order)) - 1
    oscillating = 2 * (turns @ (waves[order] / (2j * np.pi * order))).real
    return period * (waves[0].real * phase + oscillating)


def draw_period_energies(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Work and heat added up over one drive period, sampled on exact, and their sum.

    The sum is the energy of the oscillators, the interaction counted with the reservoirs: it returns to
    where it was, which is the first law of the period.
    """
    require(dataset, "local_power_phase", "heat_current_phase")
    exact, period = exact_steady(dataset), stored_machine(dataset).period
    totals = {"exact": np.zeros(1), "sampled": np.zeros(1)}
    for dim, (rate, energy) in RATES.items():
        for name in dataset[dim].values:
            color = color_of(dataset, dim, str(name))
            own = dataset[f"{rate}_phase"].sel({dim: name})
            if exact is not None and is_finite(exact[f"{rate}_phase"].sel({dim: name})):
                curve = exact[f"{rate}_phase"].sel({dim: name})
                values = integrated(curve, period)
                axes.plot(closed(curve)[0], values, color=color)
                totals["exact"] = totals["exact"] + values
            if is_finite(own):
                values = integrated(own, period)
                thin = max(1, len(own) // POINTS)
                points: dict[str, Any] = {
                    "ls": "",
                    "marker": "o",
                    "ms": 3,
                    "mfc": "w",
                    "mew": 0.8,
                    "color": color,
                }
                axes.plot(closed(own)[0][::thin], values[::thin], label=symbol(energy, str(name)), **points)
                totals["sampled"] = totals["sampled"] + values
    if totals["exact"].size > 1:
        axes.plot(
            np.linspace(0, 1, totals["exact"].size), totals["exact"], "k", label=r"sum, exact: $\Delta E_S$"
        )
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlim=(0, 1), xlabel=PHASE, ylabel="work and heat since\n" r"phase 0 $[\omega_A]$")
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    make_room(axes, above=0.3)
    axes.legend(loc="upper left", ncols=3)
    return axes


def draw_first_law(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Period averages of all powers and currents as bars, and what is left of their sum."""
    require(dataset, "local_power", "heat_current", "balance_residual")
    exact = exact_steady(dataset)
    labels, values, errors, truth, colors = [], [], [], [], []
    suffix = "_se" if "local_power_se" in dataset else "_error"
    for dim, (rate, _) in RATES.items():
        for name in dataset[dim].values:
            labels.append(symbol(rate, str(name)))
            values.append(float(dataset[rate].sel({dim: name})))
            errors.append(float(dataset[rate + suffix].sel({dim: name})))
            truth.append(np.nan if exact is None else float(exact[rate].sel({dim: name})))
            colors.append(color_of(dataset, dim, str(name)))
    labels.append("sum")
    values.append(float(dataset["balance_residual"]))
    errors.append(float(dataset["balance_residual" + suffix]))
    truth.append(0.0)
    colors.append("0.6")
    places = np.arange(len(labels))
    axes.bar(places, values, 0.6, color=colors, alpha=0.5)
    axes.errorbar(
        places, values, errors, fmt="none", ecolor="k", elinewidth=1.2, label="sampled ± std. error"
    )
    axes.plot(places, truth, "k_", ms=14, mew=1.2, label="exact")
    axes.axhline(0.0, color="k", lw=0.5)
    axes.set_xticks(places, labels)
    axes.tick_params(axis="x", which="both", length=0)
    axes.set_ylabel(r"period average $[\omega_A^2]$")
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    make_room(axes, above=0.42)
    score = values[-1] / errors[-1] if errors[-1] else np.nan
    text = f"sum: {values[-1]:.1e} ± {errors[-1]:.0e}, {score:+.1f} std. errors from 0"
    axes.text(0.5, 0.8, text, transform=axes.transAxes, ha="center", fontsize=8)
    axes.legend(loc="upper center", ncols=2)
    return axes


def cumulative(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """Work or heat since the start: stored, or the sampled rate integrated by the trapezoidal rule."""
    if name in dataset:
        return dataset[name]
    rate = {"work": "local_power", "heat": "heat_current"}[name]
    return dataset[rate].fillna(0.0).cumulative_integrate("time")


def draw_cumulative(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Work and heat since the start over time, sampled on exact.

    Sampled ones are left out where output times miss what happens between them, as at a jump of a coupling.

    Raises
    ------
    InputError
        For a dataset that is not over time.
    """
    _require_time(dataset)
    exact = exact_curve(dataset)
    is_sampled = dataset.attrs["method"] == "simulate" and (exact is None or is_resolved(dataset, exact))
    for dim, (_, energy) in RATES.items():
        for name in dataset[dim].values:
            color, text = color_of(dataset, dim, str(name)), symbol(energy, str(name))
            if exact is not None:
                curve = exact[energy].sel({dim: name})
                axes.plot(curve["time"], curve, color=color, lw=1.0, label=None if is_sampled else text)
            if is_sampled:
                own = cumulative(dataset, energy).sel({dim: name})
                axes.plot(own["time"], own, "o", ms=2.2, mfc="w", mew=0.6, color=color, label=text)
    axes.axhline(0.0, color="k", lw=0.5, zorder=0)
    axes.set(xlabel=TIME, ylabel="work and heat\n" r"since the start $[\omega_A]$")
    axes.set_xlim(float(dataset["time"][0]), float(dataset["time"][-1]))
    make_room(axes, above=0.25)
    if is_sampled and exact is not None:
        axes.plot([], [], color=GRAY, lw=1.0, label="exact")
    axes.legend(loc="upper left", ncols=5)
    return axes


def is_resolved(dataset: xr.Dataset, exact: xr.Dataset) -> bool:
    """Whether the output times are close enough for the trapezoidal rule: tried with the exact rates."""
    there = at_times(exact, dataset)
    for rate, energy in RATES.values():
        rule = there[rate].fillna(0.0).cumulative_integrate("time")
        off = float(np.abs(rule - there[energy]).max())
        if off > RESOLVED * float(np.ptp(exact[energy].values)):
            return False
    return True


def draw_energy_residual(axes: Axes, dataset: xr.Dataset) -> Axes:
    """What the first law leaves over time: of the exact moments, and of the sampled ones.

    Sampled: the change of the oscillators' energy minus work and heat; powers and currents are integrated by
    the trapezoidal rule over the output times, which leaves a residual of its own, that of the exact ones.
    """
    _require_time(dataset)
    exact = exact_curve(dataset)
    if dataset.attrs["method"] == "simulate" and (exact is None or is_resolved(dataset, exact)):
        rest = residual(dataset)
        axes.plot(rest["time"], rest, "o-", ms=2.2, lw=0.5, color="C3", label="sampled, trapezoidal rule")
        if exact is not None:
            rule = residual(at_times(exact, dataset))
            axes.plot(rule["time"], rule, color="0.5", lw=1.0, label="exact, same rule")
    if exact is not None:
        axes.plot(exact["time"], exact["energy_residual"], "k", lw=0.9, label="exact")
        worst = float(np.abs(exact["energy_residual"]).max())
        axes.set_title(f"of the exact moments at most {worst:.0e}", loc="right")
    axes.axhline(0.0, color=LIGHT, lw=0.5, zorder=0)
    axes.set(xlabel=TIME, ylabel="first-law residual\n" r"$\Delta E_S - Q - W\ [\omega_A]$")
    axes.set_xlim(float(dataset["time"][0]), float(dataset["time"][-1]))
    make_room(axes, above=0.2)
    axes.legend(loc="upper left", ncols=3)
    return axes


def residual(dataset: xr.Dataset) -> xr.DataArray:
    """Change of the oscillators' energy minus all rates integrated by the trapezoidal rule, (time,).

    From the second time on: at the first, currents of stiff reservoirs scatter with all of their noise.
    """
    own = dataset.isel(time=slice(1, None))
    energy = own["system_energy"].sum("oscillator")
    rest = energy - energy.isel(time=0)
    for name in ("local_power", "heat_current", "modulation_power", "force_power"):
        (dim,) = set(own[name].dims) - {"time"}
        rest = rest - own[name].sum(str(dim)).cumulative_integrate("time")
    return rest


def _require_time(dataset: xr.Dataset) -> None:
    if kind_of(dataset) != "over time":
        raise InputError("The dataset is not one over time; set `solver.duration` and run again.")

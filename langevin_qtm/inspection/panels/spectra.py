"""Spectra of stored trajectories on what is expected of them, and on the exact ones."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError
from langevin_qtm.exact.position_spectrum import position_spectrum
from langevin_qtm.inspection.contents import kind_of, require, step_of
from langevin_qtm.inspection.labels import color_of, make_room, styled, symbol
from langevin_qtm.inspection.reference import (
    exact_spectrum,
    exact_steady,
    noise_correlation,
    noise_target,
    position_correlation,
)
from langevin_qtm.inspection.spectra import Spectrum, band, expected, welch
from langevin_qtm.physics.conventions import FloatArray

FREQUENCY = r"frequency $\omega\ [\omega_A]$"
UNITS = {"position": r"[\omega_A^{-2}]", "noise": r"[\omega_A^2]", "velocity": r"[1]"}
EXPECTED = {"position": "expected, 95 %", "noise": "expected of samples, 95 %"}
CURVE = 800  # frequencies of exact curves
RATIO_POINTS = 80


def measured(dataset: xr.Dataset, variable: str, segment: int | None = None) -> Spectrum:
    """Welch's estimate for all stored trajectories, (frequency, oscillator or reservoir)."""
    require(dataset, variable)
    if variable not in UNITS:
        raise InputError(f"`variable` = {variable!r} has no spectrum here; it must be one of {list(UNITS)}.")
    values = dataset[variable].astype(float)
    if kind_of(dataset) == "over time" and variable in ("position", "velocity"):
        values = values - dataset[f"{variable}_mean"]
    dim = {"noise": "reservoir"}.get(variable, "oscillator")
    return welch(values.transpose("trajectory", "time", dim).values, step_of(dataset), segment)


def expectation(dataset: xr.Dataset, variable: str, spectrum: Spectrum, place: int) -> FloatArray | None:
    """Exact autocorrelation of one oscillator or reservoir at the lags of the estimate; None without one."""
    if variable == "noise":
        return noise_correlation(dataset, place, spectrum)
    if variable != "position":
        return None
    exact = position_correlation(dataset, spectrum.step, spectrum.lags)
    return None if exact is None else exact[:, place, place]


def draw_spectrum(
    axes: Axes,
    dataset: xr.Dataset,
    variable: str = "position",
    segment: int | None = None,
    names: list[str] | None = None,
    **style,
) -> Axes:
    """Measured power spectrum, its exact expectation with a 95 % band, and the exact spectrum.

    Parameters
    ----------
    axes : Axes
    dataset : xarray.Dataset
    variable : {"position", "noise", "velocity"}
    segment : int, optional
        Samples in a segment.
    names : list of str, optional
        Which oscillators or reservoirs; by default all.
    **style
        For the points.
    """
    spectrum = measured(dataset, variable, segment)
    dim = "reservoir" if variable == "noise" else "oscillator"
    kept = slice(1, None)  # a logarithmic axis has no zero
    omega, freedom = spectrum.omega[kept], None
    for place, name in enumerate(str(n) for n in dataset[dim].values):
        if names is not None and name not in names:
            continue
        color = color_of(dataset, dim, name)
        correlation = expectation(dataset, variable, spectrum, place)
        if correlation is not None:
            mean, freedom = expected(spectrum, correlation)
            lower, upper = band(mean, freedom)
            axes.fill_between(omega, lower[kept], upper[kept], color=color, alpha=0.2, lw=0)
            axes.plot(omega, mean[kept], color=color, lw=0.9, label=EXPECTED[variable])
        curve = exact_line(dataset, variable, place, omega)
        if curve is not None:
            axes.plot(
                *curve,
                "--",
                color="k",
                lw=0.8,
                label="exact" if variable == "position" else r"$J\coth(\omega/2T)$",
            )
        points: dict[str, Any] = {
            "ls": "",
            "marker": "o",
            "ms": 1.8,
            "mew": 0,
            "color": color,
            "label": symbol(variable, name),
        }
        axes.plot(omega, spectrum.values[kept, place], **styled(style, **points))
    axes.set(xscale="log", yscale="log", xlabel=FREQUENCY)
    axes.set_ylabel(rf"{variable} spectrum $S(\omega)\ {UNITS[variable]}$")
    make_room(axes, above=0.08 if variable == "position" else 0.45)
    _legend_once(axes, "lower left" if variable == "position" else "upper left")
    shown = None if freedom is None else float(np.median(freedom))
    axes.set_title(spectrum.note(shown), fontsize=6.5, loc="right", pad=3)
    return axes


def exact_line(
    dataset: xr.Dataset, variable: str, place: int, omega: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Frequencies and spectrum without sampling: of the position exact, of the noise J coth(w/2T)."""
    fine = np.unique(np.concatenate([np.geomspace(omega[0], omega[-1], CURVE), omega]))
    if variable == "noise":
        return fine, noise_target(dataset, place, fine)
    exact, steady = exact_spectrum(dataset), exact_steady(dataset)
    if variable != "position" or exact is None or steady is None:
        return None
    inside = exact.omega[(exact.omega > omega[0]) & (exact.omega < omega[-1])][::8]
    fine = np.unique(np.concatenate([np.geomspace(omega[0], omega[-1], CURVE // 4), inside]))
    values = position_spectrum(stored_machine(dataset), fine, int(steady.attrs["harmonics"]))
    return fine, values[:, place, place].real


def draw_ratio(axes: Axes, dataset: xr.Dataset, variable: str, name: str) -> Axes:
    """Measured over expected spectrum of one oscillator or reservoir, and its 95 % band."""
    spectrum = measured(dataset, variable)
    dim = "reservoir" if variable == "noise" else "oscillator"
    place = [str(n) for n in dataset[dim].values].index(name)
    correlation = expectation(dataset, variable, spectrum, place)
    if correlation is None:
        raise InputError("There is no exact autocorrelation of this process to compare with.")
    mean, freedom = expected(spectrum, correlation)
    omega, ratio = spectrum.omega[1:-1], (spectrum.values[:, place] / mean)[1:-1]
    lower, upper = (edge[1:-1] / mean[1:-1] for edge in band(mean, freedom))
    color = color_of(dataset, dim, name)
    axes.fill_between(omega, lower, upper, color="0.9", lw=0, label="exact 95 %")
    axes.axhline(1.0, color="k", lw=0.6)
    axes.plot(omega, ratio, "o", ms=1.8, mew=0, color=color, label=symbol(variable, name))
    inside = float(np.mean((ratio > lower) & (ratio < upper)))
    axes.text(0.03, 0.05, f"{100 * inside:.0f} % inside", transform=axes.transAxes, fontsize=8)
    reach = max(2.2 * float(np.median(upper - 1)), 1.15 * float(np.abs(ratio - 1).max()))
    axes.set(
        xscale="log", xlabel=FREQUENCY, ylabel="measured / expected", ylim=(1 - min(reach, 1.0), 1 + reach)
    )
    axes.legend(loc="upper right", ncols=2)
    return axes


def draw_noise_audit(axes: Axes, dataset: xr.Dataset) -> Axes:
    """Power spectrum of the noise that is generated, on J coth(w/2T), over the whole band."""
    require(dataset, "noise_spectrum_target", "noise_spectrum_filter")
    omega = dataset["frequency"].values
    for name in dataset["reservoir"].values:
        color, own = color_of(dataset, "reservoir", str(name)), dataset.sel(reservoir=name)
        axes.plot(omega, own["noise_spectrum_target"], color=color, label=rf"{name}: $J\coth(\omega/2T)$")
        generated = own["noise_spectrum_filter"]
        points: dict[str, Any] = {
            "ls": "",
            "marker": "o",
            "mfc": "w",
            "ms": 3,
            "mew": 0.8,
            "color": color,
            "label": "generated",
        }
        axes.plot(omega[::12], generated[::12], **points)
    axes.set(xscale="log", yscale="log", xlabel=FREQUENCY)
    axes.set_ylabel(r"noise spectrum $S_\nu(\omega)\ [\omega_A^2]$")
    if "time" in dataset.coords:
        axes.axvline(np.pi / step_of(dataset), color="k", lw=0.6, ls=":")
        axes.annotate(
            r"$\pi/\Delta t$",
            (np.pi / step_of(dataset), 0.92),
            (3, 0),
            axes.get_xaxis_transform(),
            "offset points",
        )
    worst = float(np.abs(dataset["noise_spectrum_filter"] / dataset["noise_spectrum_target"] - 1).max())
    text = f"largest relative\ndeviation {worst:.0e}"
    axes.text(0.03, 0.12, text, transform=axes.transAxes, fontsize=8)
    axes.legend(loc="upper left")
    return axes


def _legend_once(axes: Axes, place: Literal["lower left", "upper left"]) -> None:
    """Legend in which equal labels appear once."""
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(list(found.values()), list(found), loc=place)

"""Exact values that belong to a dataset, recomputed for its machine and kept for the session."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import xarray as xr
from scipy.interpolate import CubicSpline

from langevin_qtm.data.contents import start_of
from langevin_qtm.data.files import stored_machine
from langevin_qtm.errors import InputError, NotConvergedError, UnstableMachineError
from langevin_qtm.exact.periodic_steady_state import periodic_steady_state
from langevin_qtm.exact.position_spectrum import PositionSpectrum
from langevin_qtm.inspection.contents import kind_of
from langevin_qtm.inspection.spectra import Spectrum
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Contact, Machine
from langevin_qtm.sampling.noise_filter import NoiseFilter, fit_noise_filter
from langevin_qtm.transients.transient import transient

PHASES = 256
FINER = 8  # exact times for each sampled one
MOST_TIMES = 4001
ALIASES = 65  # points between 0 and the Nyquist frequency at which aliases are summed
ALIAS_BANDS = 25.0  # noise bands up to which they are
TAIL = 4  # aliases from which the rest is extrapolated
GRID = 2**15  # frequencies of the transform to lags


@lru_cache(maxsize=4)
def _steady(text: str) -> xr.Dataset | None:
    try:
        return periodic_steady_state(Machine.model_validate_json(text), phases=PHASES)
    except (InputError, NotConvergedError, UnstableMachineError):
        return None


@lru_cache(maxsize=4)
def _spectrum(text: str) -> PositionSpectrum | None:
    steady = _steady(text)
    if steady is None:
        return None
    return PositionSpectrum.of(Machine.model_validate_json(text), int(steady.attrs["harmonics"]))


@lru_cache(maxsize=4)
def _transient(text: str, times: tuple[float, ...], start: str, start_time: float) -> xr.Dataset | None:
    try:
        return transient(Machine.model_validate_json(text), np.array(times), json.loads(start), start_time)
    except (InputError, NotConvergedError, UnstableMachineError):
        return None


def exact_steady(dataset: xr.Dataset) -> xr.Dataset | None:
    """Exact periodic steady state on 256 phases; None where there is none, as for a protocol."""
    return _steady(dataset.attrs["machine"]) if kind_of(dataset) == "steady" else None


def exact_spectrum(dataset: xr.Dataset) -> PositionSpectrum | None:
    """Exact spectral matrix of the positions; None where there is no periodic steady state."""
    return _spectrum(dataset.attrs["machine"]) if kind_of(dataset) == "steady" else None


def exact_curve(dataset: xr.Dataset) -> xr.Dataset | None:
    """Exact moments at the times of a dataset over time and some between them.

    None when the dataset continues another, whose end it does not hold, or the machine was no file's.
    """
    if kind_of(dataset) != "over time":
        return None
    if start_of(dataset)["kind"] == "continued":
        return dataset if dataset.attrs["method"] == "transient" else None
    own = dataset["time"].values
    finer = max(1, min(FINER, MOST_TIMES // len(own)))
    places = np.arange(finer * (len(own) - 1) + 1) / finer
    times = np.interp(places, np.arange(len(own)), own)
    start_time = float(dataset.attrs["start_time"])
    return _transient(dataset.attrs["machine"], tuple(times), dataset.attrs["start"], start_time)


def at_times(exact: xr.Dataset, dataset: xr.Dataset) -> xr.Dataset:
    """Exact moments at the times of the dataset."""
    return exact.sel(time=dataset["time"], method="nearest").assign_coords(time=dataset["time"])


@lru_cache(maxsize=16)
def _position_correlation(text: str, step: float, count: int) -> FloatArray:
    spectrum = _spectrum(text)
    assert spectrum is not None
    return spectrum.correlation(step, count)


def position_correlation(dataset: xr.Dataset, step: float, count: int) -> FloatArray | None:
    """Exact two-time correlations R_lm at lags 0, step, …, (lag, oscillator, oscillator_prime); or None."""
    if exact_spectrum(dataset) is None:
        return None
    return _position_correlation(dataset.attrs["machine"], step, count)


def noise_correlation(dataset: xr.Dataset, reservoir: int, spectrum: Spectrum) -> FloatArray:
    """Exact autocorrelation of the stored noise of one reservoir, at lags 0, 1, … samples.

    The stored noise is that of the filter, at instants, or, for a reservoir without memory, averaged over
    the step before; its spectrum beyond the Nyquist frequency is folded back.

    Returns
    -------
    (lag,) array
    """
    numbers = ("time_step", "noise_band", "relaxation_time", "noise_fit_error")
    settings = tuple(float(dataset.attrs[name]) for name in numbers)
    return _noise_correlation(dataset.attrs["machine"], reservoir, spectrum.step, settings)[: spectrum.lags]


@lru_cache(maxsize=16)
def _noise_correlation(text: str, reservoir: int, step: float, settings: tuple[float, ...]) -> FloatArray:
    box, band, relaxation, error = settings
    contacts = [c for c in Machine.model_validate_json(text).contacts if c.reservoir == reservoir]
    fitted = fit_noise_filter(contacts[0].temperature, band, 1e-2 / relaxation, 2 * error)

    def generated(omega: FloatArray) -> FloatArray:
        return sum((_generated(contact, fitted, omega, box) for contact in contacts), np.zeros(omega.shape))

    nyquist = np.pi / step
    coarse = np.linspace(0.0, nyquist, ALIASES)
    stride = max(1, round(step / box))
    last = max(TAIL * stride, int(np.ceil(ALIAS_BANDS * band * step / (2 * np.pi))))
    aliases = 2 * nyquist * np.arange(1, last + 1)[:, None] + np.array([1.0, -1.0])[:, None, None] * coarse
    values = generated(aliases)
    slow = np.mean((aliases**2 * values)[:, -TAIL * stride :], axis=(0, 1))  # the rest falls as w^-2
    folded = values.sum(axis=(0, 1)) + 2 * slow / (2 * nyquist) ** 2 / (last + 0.5)
    omega = np.linspace(0.0, nyquist, GRID // 2 + 1)
    return np.fft.irfft(generated(omega) + CubicSpline(coarse, folded)(omega), GRID) / step


def _generated(contact: Contact, fitted: NoiseFilter, omega: FloatArray, box: float) -> FloatArray:
    """Power spectrum of the noise of one contact as it is stored, before sampling."""
    values = contact.density.friction(omega) * fitted.power_spectrum(omega)
    if not contact.density.memory().size:
        values = values * np.sinc(omega * box / (2 * np.pi)) ** 2
    return values


def noise_target(dataset: xr.Dataset, reservoir: int, omega: FloatArray) -> FloatArray:
    """S(w) = J coth(w/2T) of one reservoir, its copies summed."""
    contacts = [c for c in stored_machine(dataset).contacts if c.reservoir == reservoir]
    return sum((contact.noise_power_spectrum(omega) for contact in contacts), np.zeros(len(omega)))

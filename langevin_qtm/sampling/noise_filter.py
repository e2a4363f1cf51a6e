"""Quantum noise as filtered white noise: the thermal factor w coth(w/2T) by a few real poles.

On the band [0, W] the thermal factor is fitted by

    f(w) = c_0 + Σ_j a_j w²/(w² + b_j²),   a_j > 0,  c_0 = 2T,

whose shape is that of w coth(w/2T) itself (a Stieltjes function of w²), for least *relative* error. The
start is the exact representation |w| = (2/π) ∫ db w²/(w² + b²) on log-spaced b; log a and log b are then
polished, so positivity holds by construction. f is |H|² of the stable minimum-phase filter

    H(s) = h + Σ_j r_j / (s + b_j):   u = h W + Σ_j r_j q_j,   q̇_j = -b_j q_j + W,  W unit white noise.

The zeros of f in w² lie on the negative axis, one between neighbouring poles, and are found by bracketing
(polynomial roots lose digits over so many decades). What is audited and stored is |H|² itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq, least_squares

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.physics.conventions import FloatArray, omega_coth

POLES = range(2, 41, 2)


@dataclass(frozen=True)
class NoiseFilter:
    """Filter from white noise to the unit thermal noise u of one temperature.

    Attributes
    ----------
    rates, residues : (pole,) arrays
        b_j > 0 and r_j.
    white : float
        Direct part h.
    error : float
        Largest relative error of |H|² against w coth(w/2T) on [bottom, band].
    bottom, band : float
        Ends of the audited band; `bottom` is 0 at T > 0 unless T lies below the resolution asked for.
    """

    rates: FloatArray
    residues: FloatArray
    white: float
    error: float
    bottom: float
    band: float

    def power_spectrum(self, omega: FloatArray) -> FloatArray:
        """|H(iw)|², the thermal factor as generated."""
        return _squared(self.rates, self.residues, self.white, omega)


def fit_noise_filter(temperature: float, band: float, bottom: float, tolerance: float) -> NoiseFilter:
    """Filter with the fewest poles whose audited relative error is within tolerance.

    Parameters
    ----------
    temperature : float
        T >= 0.
    band : float
        Largest frequency W at which the spectrum must be right; beyond, it stays flat.
    bottom : float
        Smallest frequency that matters; used when T is so low that |w| must be followed down to it.
    tolerance : float
        Relative error of the power spectrum.

    Raises
    ------
    NotConvergedError
        When 40 poles do not reach the tolerance.
    """
    lowest = max(min(0.3 * temperature, 1e-2 * band), min(bottom, 1e-2 * band))
    omega = np.geomspace(lowest, band, 40 * int(np.log10(band / lowest) + 1))
    audit = np.geomspace(lowest, band, 16 * len(omega))
    if temperature > lowest:
        audit = np.append(audit, 0.0)
    target = omega_coth(audit, temperature)
    error = np.inf
    for poles in POLES:
        rates, weights = _fit(temperature, omega, poles)
        residues, white = _spectral_factor(2 * temperature, rates, weights)
        generated = _squared(rates, residues, white, audit)
        error = float(np.max(np.abs(generated / target - 1)))
        if error <= tolerance:
            return NoiseFilter(rates, residues, white, error, audit.min(), band)
    raise NotConvergedError("Noise filter", error, tolerance, "loosen `solver.noise_tolerance`")


def _fit(temperature: float, omega: FloatArray, poles: int) -> tuple[FloatArray, FloatArray]:
    """b_j (ascending) and a_j of least relative square error on the grid."""
    square = omega**2
    target = omega_coth(omega, temperature)
    # in a classical band the poles lie beyond it, at 2πT, 4πT, …
    top = max(1.5 * omega[-1], 20 * temperature)
    lowest = min(max(5 * temperature, omega[0] / 3), top / 4)
    log_rates = np.linspace(np.log(lowest), np.log(top), poles)
    log_weights = np.log(2 / np.pi * np.exp(log_rates) * (log_rates[1] - log_rates[0]))

    def parts(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        rates_square, weights = np.exp(2 * x[:poles]), np.exp(x[poles:])
        return weights, rates_square, square[:, None] / (square[:, None] + rates_square)

    def residual(x: FloatArray) -> FloatArray:
        weights, _, shape = parts(x)
        return (2 * temperature + shape @ weights) / target - 1

    def jacobian(x: FloatArray) -> FloatArray:
        weights, rates_square, shape = parts(x)
        by_rate = -2 * weights * shape * rates_square / (square[:, None] + rates_square)
        return np.concatenate([by_rate, weights * shape], axis=1) / target[:, None]

    start = np.concatenate([log_rates, log_weights])
    found = least_squares(residual, start, jac=jacobian, x_scale="jac", ftol=1e-12, xtol=1e-12, max_nfev=300)
    order = np.argsort(found.x[:poles])
    return np.exp(found.x[:poles][order]), np.exp(found.x[poles:][order])


def _spectral_factor(offset: float, rates: FloatArray, weights: FloatArray) -> tuple[FloatArray, float]:
    """Residues r_j and direct part h of the minimum-phase H with |H|² = f."""
    squares = rates**2

    def value(log_z: float) -> float:
        # f at w² = -z, multiplied by (z - b²) of both ends' signs only: monotone between poles
        z = np.exp(log_z)
        return offset + float(np.sum(weights * z / (z - squares)))

    zeros = np.zeros(len(rates))
    floor = np.log(squares[0]) - 200.0
    edges = np.concatenate([[floor], np.log(squares)])
    for index, (low, high) in enumerate(pairwise(edges)):
        if index == 0 and (offset == 0.0 or value(low) <= 0.0):
            continue  # T = 0: the zero sits at w = 0
        margin = 1e-13 * max(abs(low), abs(high), 1.0)
        low, high = low + margin, high - margin
        if value(low) > 0.0 > value(high):
            zero = brentq(value, low, high, xtol=1e-15, rtol=8.9e-16)
        else:  # a weight so small that zero and pole coincide
            zero = low if value(low) <= 0.0 else high
        zeros[index] = np.exp(zero / 2)
    white = float(np.sqrt(offset + weights.sum()))
    gaps = rates[None, :] - rates[:, None] + np.eye(len(rates))
    residues = white * np.prod((zeros[None, :] - rates[:, None]) / gaps, axis=1)
    return residues, white


def _squared(rates: FloatArray, residues: FloatArray, white: float, omega: FloatArray) -> FloatArray:
    response = white + (residues / (rates - 1j * np.asarray(omega)[..., None])).sum(axis=-1)
    return np.abs(response) ** 2

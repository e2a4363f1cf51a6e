"""Correlation function of the unit thermal noise u as white noise minus exponentials.

On the band [0, W] the thermal factor is written as

    w coth(w/2T) = 2T + Σ_j a_j w²/(w² + b_j²),

which is the correlation <u(t) u(t')> = D δ(t - t') - Σ_j κ_j e^{-b_j|t - t'|}, D = 2T + Σ_j a_j and
κ_j = a_j b_j / 2. The first rates are the Matsubara frequencies 2πT n, where the exact poles are; from there
on their spacing grows to a constant ratio, with which the error falls exponentially. With the rates fixed,
the weights follow from linear least squares of the relative deviation. They need not be positive: nothing is
factorised, and no process is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.physics.conventions import FloatArray, omega_coth

RATIO = 1.42  # of neighbouring rates, far from the Matsubara frequencies
EXACT_RATES = 6  # Matsubara frequencies that are rates themselves
GROWTH = 1.1  # of the relative spacing beyond them
REACH = 4.0  # largest rate over the band
NODES_PER_RATE = 20
TOLERANCE = 1e-8


@dataclass(frozen=True)
class ThermalKernel:
    """White noise minus exponentials.

    Attributes
    ----------
    classical : float
        2T, the value at w = 0.
    rates, weights : (pole,) arrays
        b_j > 0 and a_j.
    error : float
        Largest relative error of the thermal factor between `bottom` and the band.
    bottom, band : float
    """

    classical: float
    rates: FloatArray
    weights: FloatArray
    error: float
    bottom: float
    band: float

    @property
    def white(self) -> float:
        """D."""
        return self.classical + float(self.weights.sum())

    @property
    def amplitudes(self) -> FloatArray:
        """κ_j."""
        return 0.5 * self.weights * self.rates

    def power_spectrum(self, omega: FloatArray) -> FloatArray:
        """The thermal factor as represented."""
        return self.classical + _shapes(omega, self.rates) @ self.weights


def fit_thermal_kernel(temperature: float, band: float, bottom: float) -> ThermalKernel:
    """Kernel of one temperature.

    Parameters
    ----------
    temperature : float
        T >= 0.
    band : float
        Largest frequency W that matters; beyond, the spectrum stays flat.
    bottom : float
        Smallest frequency that matters, for temperatures below it.

    Raises
    ------
    NotConvergedError
        When the relative error exceeds 1e-8.
    """
    rates = _rates(temperature, band, bottom)
    start = bottom if rates[0] < bottom else min(bottom, temperature)
    omega = np.geomspace(start, band, NODES_PER_RATE * (len(rates) + 10))
    target = omega_coth(omega, temperature)
    shapes = _shapes(omega, rates) / target[:, None]
    scale = np.linalg.norm(shapes, axis=0)
    weights, *_ = np.linalg.lstsq(shapes / scale, 1 - 2 * temperature / target, rcond=1e-15)
    weights /= scale
    audit = np.geomspace(start, band, 4 * len(omega))
    represented = 2 * temperature + _shapes(audit, rates) @ weights
    error = float(np.max(np.abs(represented / omega_coth(audit, temperature) - 1)))
    if not error <= TOLERANCE:
        raise NotConvergedError("Thermal kernel", error, TOLERANCE, "raise the temperature")
    return ThermalKernel(2 * temperature, rates, weights, error, start, band)


def _rates(temperature: float, band: float, bottom: float) -> FloatArray:
    top = REACH * band
    first = 2 * np.pi * temperature
    if first * EXACT_RATES < bottom:
        lowest = 0.1 * bottom
        return np.geomspace(lowest, top, int(np.ceil(np.log(top / lowest) / np.log(1.35))) + 1)
    rates = list(first * np.arange(1, EXACT_RATES + 1))
    spacing = 1 / EXACT_RATES
    while rates[-1] < top:
        rates.append(rates[-1] * (1 + spacing))
        spacing = min(RATIO - 1, GROWTH * spacing)
    return np.array(rates)


def _shapes(omega: FloatArray, rates: FloatArray) -> FloatArray:
    """w²/(w² + b²), dims (frequency, pole)."""
    square = np.asarray(omega)[:, None] ** 2
    return square / (square + rates**2)

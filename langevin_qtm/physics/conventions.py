"""Units, Fourier signs and the thermal factor: the contract that every formula of the package obeys.

Units
    hbar = k_B = 1 and unit mass (a mass m is absorbed by x -> x sqrt(m), c -> c / sqrt(m)).
    Frequencies, temperatures and energies share one unit, by habit the first oscillator frequency w_A.
Fourier transform
    f(w) = ∫ dt f(t) e^{iwt};  periodic functions g(t) = Σ_n g_n e^{-inΩt}.
Spectral density
    J(w) = (π/2) Σ_k c_k² / (m_k w_k) δ(w - w_k), odd in w.  Ohmic: J = γ w.
Response of a reservoir, counterterm included
    K(w) = i w γ(w), with γ(w) = ∫_0^∞ γ(t) e^{iwt} dt and Im K = J.
Noise
    <ξ ξ'>_sym = ∫ dw/2π S(w) e^{-iw(t-t')}, S(w) = J(w) coth(w/2T), two-sided and even.
Signs
    power > 0: work is done on the machine; heat current > 0: heat leaves the reservoir; Σ_ν J_ν + P = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def omega_coth(omega: ArrayLike, temperature: float) -> FloatArray:
    """Thermal factor w coth(w/2T): even, 2T at w = 0, |w| at T = 0.

    Parameters
    ----------
    omega : array_like
        Angular frequencies, any sign.
    temperature : float
        T >= 0.
    """
    magnitude = np.abs(np.asarray(omega, dtype=float))
    if temperature == 0.0:
        return magnitude
    # x coth x = x + 2x / (e^{2x} - 1), with 2x = |w|/T: no cancellation at either end
    two_x = magnitude / temperature
    safe = np.where(two_x > 0, np.minimum(two_x, 700.0), 1.0)
    occupation = np.where(two_x > 0, safe / np.expm1(safe), 1.0)
    return magnitude + 2.0 * temperature * occupation

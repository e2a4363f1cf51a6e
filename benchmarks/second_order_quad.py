"""Second order by `scipy.integrate.quad`, as a good physicist would write it: the integrals of the main job.

Formulas of `langevin_qtm.exact.second_order` for two oscillators in joint wiring, driven by cos Ωt and
cos(Ωt + φ) through a Drude reservoir and damped by a static Ohmic one, written out for one frequency; no code
is shared with the package. The integrand is a compiled function that QUADPACK calls without passing through
Python; lines of the machine are break points, and the tail is an integral of its own.
"""

from __future__ import annotations

import cmath
import math
import warnings

import numpy as np
from numba import carray, cfunc, njit, types
from scipy import LowLevelCallable
from scipy.integrate import IntegrationWarning, quad

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.machine import Machine
from langevin_qtm.physics.reservoir import DrudeLorentz, Ohmic

POWER, HEAT, QUANTUM, COMMUTATOR, COVARIANCE = range(5)
# Every number: power of l, heat into the medium, D_lk with its commutator part, <x_l x_k>.
NUMBERS = [(POWER, 0, 0), (POWER, 1, 0), (HEAT, 0, 0)] + [
    (kind, l, k) for kind in (QUANTUM, COMMUTATOR, COVARIANCE) for l, k in ((0, 0), (0, 1), (1, 1))
]

KIND = ("currents", "currents", "fluctuations", "fluctuations", "covariances")  # what errors are relative to

_compiled = njit(error_model="numpy")


@_compiled
def _thermal(w, temperature):
    """w coth(w/2T)."""
    return 2.0 * temperature if w == 0.0 else w / math.tanh(w / (2.0 * temperature))


@_compiled
def _susceptibility(w, first, second, damping):
    """χ: AA, AB, BB at index l + k."""
    mutual = 1j * w * damping
    a, b = first**2 - w**2 - mutual, second**2 - w**2 - mutual
    determinant = a * b - mutual**2
    return b / determinant, mutual / determinant, a / determinant


@_compiled
def _noise(chi, l, k, strength):
    """Position noise: χ_l χ_k* times the noise of the static reservoir, which both oscillators feel alike."""
    return strength * (chi[l] + chi[l + 1]) * (chi[k] + chi[k + 1]).conjugate()


@_compiled
def _integrand(w, kind, l, k, base, temperature, first, second, phase, gamma, cutoff, damping):
    """Integrand of one number on w >= 0, folded, for integration with dw/π."""
    chi = _susceptibility(w, first, second, damping)
    thermal = _thermal(w, temperature)
    if kind == COVARIANCE:
        return _noise(chi, l, k, damping * thermal).real
    total = 0.0
    for n in (-1, 1):
        moved = w + n * base
        drude = gamma / (1.0 + (moved / cutoff) ** 2)
        if kind in (QUANTUM, COMMUTATOR):
            spectra = _thermal(moved, temperature) * thermal if kind == QUANTUM else -moved * w
            pair = 0.25 * cmath.exp(1j * n * phase * (k - l))
            total += base**2 * drude * spectra * (pair * _noise(chi, l, k, damping)).real
            continue
        echo = _susceptibility(moved, first, second, damping)
        kernel = (1j * moved * gamma / (1.0 - 1j * moved / cutoff)).conjugate()
        driven = gamma / (1.0 + (w / cutoff) ** 2) * thermal
        for i in range(2):
            for j in range(2):
                if kind == POWER and i != l:
                    continue
                pair = 0.25 * cmath.exp(1j * n * phase * (j - i))
                struck = driven * echo[i + j].conjugate()
                echoed = _noise(chi, i, j, damping * thermal) * kernel
                if kind == POWER:
                    total += n * base * (1j * pair * (struck + echoed)).real
                else:
                    total += (1j * pair * (moved * struck - w * echoed)).real
    return total


@cfunc(types.float64(types.intc, types.CPointer(types.float64)))
def _called(_count, pointer):
    """The integrand as QUADPACK calls it: frequency and parameters in one array."""
    w, kind, l, k, base, temperature, first, second, phase, gamma, cutoff, damping = carray(pointer, (12,))
    return _integrand(
        w, int(kind), int(l), int(k), base, temperature, first, second, phase, gamma, cutoff, damping
    )


def numbers(machine: Machine, base: float, temperature: float, tolerance: float) -> FloatArray:
    """All `NUMBERS` of the main job at another drive frequency and temperature.

    Parameters
    ----------
    machine : Machine
        The main job.
    base, temperature : float
        Ω, and T of both reservoirs.
    tolerance : float
        Error that `quad` is asked for, relative to the number or to the largest of its kind so far.
    """
    driven, static = (reservoir.spectral_density for reservoir in machine.reservoirs)
    assert isinstance(driven, DrudeLorentz)
    assert isinstance(static, Ohmic)
    first, second = machine.omega
    phase = -float(np.angle(machine.contacts[0].coefficients(1)[1, 2]))
    parameters = (base, temperature, first, second, phase, driven.gamma, driven.cutoff, static.gamma)
    edges = _edges(first, second, static.gamma, driven.cutoff, base, temperature)
    function, results, largest = LowLevelCallable(_called.ctypes), [], {}
    warnings.simplefilter("ignore", IntegrationWarning)  # tails that vanish are "probably divergent"
    for number in NUMBERS:
        kind = KIND[number[0]]
        absolute = tolerance * largest.get(kind, 0.0)
        options = {"args": (*map(float, number), *parameters), "epsrel": tolerance, "limit": 500}
        inner = quad(function, 0.0, edges[-1], points=edges[:-1], epsabs=absolute, **options)[0]
        absolute = max(absolute, tolerance * abs(inner))  # a tail need not be known better than the rest
        results.append(inner + quad(function, edges[-1], np.inf, epsabs=absolute, **options)[0])
        largest[kind] = max(abs(results[-1]), largest.get(kind, 0.0))
    return np.array(results) / math.pi


def _edges(first, second, damping, cutoff, base, temperature) -> FloatArray:
    """Break points: lines of the machine, cut-off and thermal edge, shifted by Ω or not; and the end."""
    static = np.array(
        [
            [0, 0, 1, 0],
            [0, 0, 0, 1],
            [-(first**2), 0, -damping, -damping],
            [0, -(second**2), -damping, -damping],
        ]
    )
    rates = np.linalg.eigvals(static)
    marks = np.concatenate([np.abs(rates.imag), np.abs(rates), [0.0, cutoff, temperature]])
    shifted = np.abs(np.concatenate([marks, marks + base, marks - base]))
    end = 30.0 * max(shifted.max(), temperature)
    return np.append(np.unique(shifted[shifted > 0]), end)

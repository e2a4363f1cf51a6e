"""Power and heat current of second order as Hermitian forms in the Fourier coefficients of the drives.

At second order harmonics do not mix. With g_ν the complex amplitudes g_lν of the harmonic of frequency
ν = nΩ, over the oscillators l, g_l(t) = Σ_ν (g_lν e^{-iνt} + c.c.),

    P = 2 Σ_ν g_ν† A(ν) g_ν,     J = 2 Σ_ν g_ν† B(ν) g_ν,     J the heat current of the driven reservoir,

with Hermitian matrices A and B, diagonal for independent wiring. They follow from the formulas of
`second_order` by polarization.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from langevin_qtm.errors import InputError
from langevin_qtm.exact.second_order import mean_currents
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.drive import Drive
from langevin_qtm.physics.machine import Machine


@dataclass(frozen=True)
class DriveForms:
    """Power and heat current as Hermitian forms g† (…) g of the couplings at each frequency.

    Attributes
    ----------
    frequency : (frequency,) array
        ν > 0.
    power, heat : (frequency, oscillator, oscillator) complex arrays
        A, and B of the driven reservoir.
    power_error, heat_error : (frequency, oscillator, oscillator) arrays
        Bounds on rounding.
    """

    frequency: FloatArray
    power: ComplexArray
    heat: ComplexArray
    power_error: FloatArray
    heat_error: FloatArray

    def __getitem__(self, chosen: NDArray[np.int64]) -> DriveForms:
        """Some of the frequencies."""
        return DriveForms(*(value[chosen] for value in vars(self).values()))


def drive_forms(machine: Machine, frequencies: ArrayLike) -> DriveForms:
    """Forms of power and heat current in the couplings of the driven reservoir.

    Second order in closed form for the drives e_l, e_l + e_k and e_l + i e_k, all frequencies at
    once; polarization gives the matrix elements.

    Parameters
    ----------
    machine : Machine
        With one driven and one static reservoir; its couplings to the driven one are not used.
    frequencies : (frequency,) array
        ν > 0.

    Returns
    -------
    DriveForms

    Raises
    ------
    InputError
        As `second_order`; or when the reservoirs are others, or a frequency is not positive.
    """
    driven, _ = driven_and_static(machine)
    nu = np.atleast_1d(np.asarray(frequencies, dtype=float))
    if nu.ndim != 1 or not nu.size or not np.all(np.isfinite(nu)) or nu.min() <= 0:
        raise InputError(f"`frequencies` = {frequencies!r} is not allowed: it must be a list of numbers > 0.")
    bodies = len(machine.omega)
    upper = [(l, k) for l in range(bodies) for k in range(l + 1, bodies)]
    unit = np.eye(bodies, dtype=complex)
    probes = [*unit, *(unit[l] + factor * unit[k] for l, k in upper for factor in (1, 1j))]
    machines = [driven_at(machine, driven, {1: probe / np.sqrt(2)}, nu[0]) for probe in probes]
    (power, heat), (power_error, heat_error) = mean_currents(
        machines, np.tile(nu, (len(machines), 1)), driven
    )
    return DriveForms(
        nu,
        _matrix(power, upper, bodies),
        _matrix(heat, upper, bodies),
        _error_matrix(power_error, upper, bodies),
        _error_matrix(heat_error, upper, bodies),
    )


def quadratic(form: ComplexArray | FloatArray, g: ComplexArray) -> FloatArray:
    """Σ_n g_n† (…) g_n over harmonics of both signs, of drives (…, frequency, oscillator)."""
    return 2 * np.einsum("...nl,nlk,...nk->...", g.conj(), form, g).real


def joined(one: DriveForms, other: DriveForms) -> DriveForms:
    """Forms of both meshes, ascending."""
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    both = DriveForms(*(np.concatenate(pair) for pair in pairs))
    return both[np.argsort(both.frequency).astype(np.int64)]


def driven_and_static(machine: Machine) -> tuple[int, int]:
    """Index of the driven reservoir and of the static one."""
    driven = sorted(machine.driven_reservoirs)
    if len(driven) != 1 or len(machine.reservoirs) != 2:
        raise InputError("`reservoir`: drives are optimized for one driven and one static reservoir.")
    return driven[0], 1 - driven[0]


def driven_at(machine: Machine, driven: int, g: dict[int, ComplexArray], base: float) -> Machine:
    """The machine with complex amplitudes g_n (oscillator,) by order n > 0, and drive frequency `base`."""
    coupling = {}
    for l, name in enumerate(machine.oscillators):
        harmonics = tuple((int(n), float(x[l].real), float(x[l].imag)) for n, x in g.items() if x[l])
        if harmonics:
            coupling[name] = Drive(harmonics=harmonics)
    reservoirs = list(machine.reservoirs)
    reservoirs[driven] = reservoirs[driven].with_coupling(coupling)
    return Machine(
        frequencies=machine.frequencies,
        reservoirs=tuple(reservoirs),
        drive_frequency=float(base),
        wiring=machine.wiring,
    )


def _matrix(values: FloatArray, upper: list[tuple[int, int]], bodies: int) -> ComplexArray:
    """Hermitian matrices (frequency, l, k) from the form on the probes, (probe, frequency)."""
    form = np.zeros((values.shape[1], bodies, bodies), dtype=complex)
    diagonal = values[:bodies]
    form[:, range(bodies), range(bodies)] = diagonal.T
    for index, (l, k) in enumerate(upper):
        real, imag = values[bodies + 2 * index : bodies + 2 * index + 2] - diagonal[l] - diagonal[k]
        form[:, l, k] = 0.5 * real - 0.5j * imag
        form[:, k, l] = form[:, l, k].conj()
    return form


def _error_matrix(values: FloatArray, upper: list[tuple[int, int]], bodies: int) -> FloatArray:
    """Bounds on |_matrix(…)| from bounds on the values."""
    error = np.zeros((values.shape[1], bodies, bodies))
    diagonal = values[:bodies]
    error[:, range(bodies), range(bodies)] = diagonal.T
    for index, (l, k) in enumerate(upper):
        both = values[bodies + 2 * index : bodies + 2 * index + 2].sum(axis=0)
        error[:, l, k] = error[:, k, l] = 0.5 * both + diagonal[l] + diagonal[k]
    return error

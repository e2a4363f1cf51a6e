"""Response of a machine to one noise frequency: all sidebands, by one matrix inverse.

Noise of contact c at frequency w drives sidebands w_n = w + nΩ of every coordinate,

    (w_l² - w_n²) u_{l,n} - Σ_d [g_{d,l} K_d(w_·) (Σ_l' g_{d,l'} u_l')]_n = (g_{c,l})_n,

with (g u)_n = Σ_m g_{n-m} u_m. Then y_d = Σ_l g_{d,l} x_l and F_{d,n} = δ_dc δ_n0 + K_d(w_n) y_{d,n}.
Solving for sources at every sideband at once also gives the responses to noise at w_n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy.linalg import toeplitz
from threadpoolctl import threadpool_limits

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.exact.lines import frequency_mesh
from langevin_qtm.exact.quadrature import MAX_NODES_PER_CALL, Layout, integrate
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.machine import Machine

MAX_HARMONICS = 80


class Responses:
    """Linear responses with sidebands |n| <= harmonics.

    Attributes
    ----------
    coupling : (contact, oscillator, n, m) array
        Matrix of x_m -> (g x)_n.
    coupling_rate : (contact, oscillator, n, m) array
        Matrix of x_m -> (ġ x)_n.
    driven : list of int
        Contacts with a coupling that depends on time.
    """

    def __init__(self, machine: Machine, harmonics: int):
        self.machine, self.harmonics = machine, harmonics
        self.count = 2 * harmonics + 1
        self.bodies = len(machine.omega)
        contacts = machine.contacts
        orders = np.arange(-harmonics, harmonics + 1)
        self.shifts = machine.angular_frequency * orders
        self.coupling = np.array(
            [self._toeplitz(contact.coefficients(contact.order)) for contact in contacts]
        )
        self.coupling_rate = self.coupling * (self.shifts[:, None] - self.shifts[None, :]) * -1j
        self.driven = [index for index, contact in enumerate(contacts) if contact.is_driven]

    def _toeplitz(self, coefficients: ComplexArray) -> ComplexArray:
        """(oscillator, n, m) matrices of x_m -> (g x)_n."""
        order = (coefficients.shape[1] - 1) // 2
        padded = np.zeros((self.bodies, 2 * self.count - 1), dtype=complex)
        middle = self.count - 1
        reach = min(order, middle)
        padded[:, middle - reach : middle + reach + 1] = coefficients[:, order - reach : order + reach + 1]
        return np.array([toeplitz(row[middle:], row[middle::-1]) for row in padded])

    def solve(self, omega: FloatArray) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        """Positions, coordinates y and forces F in response to every source.

        Returns
        -------
        x : (node, contact, oscillator, n, source sideband)
        y, force : (node, contact source, contact, n, source sideband)
        """
        sidebands = omega[:, None] + self.shifts
        contacts, bodies, count = self.machine.contacts, self.bodies, self.count
        gain = np.array([contact.density.response(sidebands) for contact in contacts])  # (contact, node, n)
        collect = self.coupling.transpose(0, 2, 1, 3).reshape(len(contacts), count, bodies * count)
        spread = self.coupling.reshape(len(contacts), bodies * count, count)
        matrix = np.zeros((len(omega), bodies * count, bodies * count), dtype=complex)
        diagonal = np.arange(bodies * count)
        stiffness = self.machine.omega[None, :, None] ** 2 - sidebands[:, None, :] ** 2
        matrix[:, diagonal, diagonal] = stiffness.reshape(len(omega), -1)
        for index in range(len(contacts)):
            matrix -= (spread[index] * gain[index][:, None, :]) @ collect[index]
        inverse = np.linalg.inv(matrix)
        x = np.stack([inverse @ spread[index] for index in range(len(contacts))], axis=1)
        y = np.stack([collect[index] @ x for index in range(len(contacts))], axis=2)
        force = y * gain.transpose(1, 0, 2)[:, None, :, :, None]
        for index in range(len(contacts)):
            force[:, index, index] += np.eye(count)
        return x.reshape(len(omega), len(contacts), bodies, count, count), y, force

    def noise(self, sidebands: FloatArray) -> FloatArray:
        """S_c(w_n), dims (contact, node, n)."""
        return np.array([contact.noise_power_spectrum(sidebands) for contact in self.machine.contacts])

    def loss(self, sidebands: FloatArray) -> FloatArray:
        """J_c(w_n), dims (contact, node, n)."""
        return np.array([contact.spectral_density(sidebands) for contact in self.machine.contacts])


class Problem(Protocol):
    """A vector of frequency integrals for a given number of harmonics."""

    layout: Layout

    def integrand(self, omega: FloatArray) -> FloatArray:
        """Values (node, output) on w >= 0, folded with w < 0."""


def solve_integrals(
    machine: Machine,
    rates: ComplexArray,
    problem_at: Callable[[int], Problem],
    judged: tuple[str, ...],
    tolerance: float,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray], int]:
    """Integrals converged in harmonics and in quadrature.

    Parameters
    ----------
    rates : (rate,) array
        Rates of the deterministic dynamics, for the mesh.
    problem_at : callable
        Problem with a given number of harmonics.
    judged : tuple of str
        Outputs that decide on the number of harmonics.
    tolerance : float
        Relative to the largest of each kind.

    Returns
    -------
    values, errors : dict
    harmonics : int

    Raises
    ------
    NotConvergedError
    """
    with threadpool_limits(1):  # matrices too small to share, and results that do not depend on threads
        harmonics, truncation = _enough_harmonics(machine, rates, problem_at, judged, tolerance)
        problem = problem_at(harmonics)
        result = integrate(
            problem.integrand, frequency_mesh(machine, rates, harmonics), problem.layout.scale, tolerance
        )
    values, errors = problem.layout.unpack(result)
    scales = problem.layout.split(problem.layout.scale(result.value))
    return values, {name: errors[name] + truncation * scales[name] for name in errors}, harmonics


def _enough_harmonics(
    machine: Machine,
    rates: ComplexArray,
    problem_at: Callable[[int], Problem],
    judged: tuple[str, ...],
    tolerance: float,
) -> tuple[int, float]:
    """Sidebands that suffice, and the error left, both from one node in each interval of the mesh."""
    harmonics, error = 2 * machine.order, np.inf
    mesh = frequency_mesh(machine, rates, harmonics)
    nodes, weights = 0.5 * (mesh[1:] + mesh[:-1]), np.diff(mesh)
    previous = None
    while error > tolerance:
        harmonics += machine.order
        if harmonics > MAX_HARMONICS * machine.order:
            raise NotConvergedError("Harmonics", error, tolerance, "raise `drive.frequency`")
        problem = problem_at(harmonics)
        total = np.zeros(problem.layout.size)
        for start in range(0, len(nodes), MAX_NODES_PER_CALL):
            part = slice(start, start + MAX_NODES_PER_CALL)
            total += weights[part] @ problem.integrand(nodes[part])
        sums = problem.layout.split(total)
        if previous is not None:
            error = max(_relative_change(previous[name], sums[name]) for name in judged)
        previous = sums
    return harmonics, error


def _relative_change(old: FloatArray, new: FloatArray) -> float:
    """Largest change relative to the largest entry; harmonics that `old` lacks count as zero."""
    padded = np.pad(old, [(0, b - a) for a, b in zip(old.shape, new.shape, strict=True)])
    return float(np.abs(new - padded).max() / max(np.abs(new).max(), 1e-290))

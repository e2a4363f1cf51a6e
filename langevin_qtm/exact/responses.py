"""Response of a machine to one noise frequency: all sidebands, by one matrix inverse.

Noise of contact c at frequency w drives sidebands w_n = w + nΩ of every coordinate,

    (w_l² - w_n²) u_{l,n} - Σ_d [g_{d,l} K_d(w_·) (Σ_l' g_{d,l'} u_l')]_n = (g_{c,l})_n,

with (g u)_n = Σ_m g_{n-m} u_m. Then y_d = Σ_l g_{d,l} x_l and F_{d,n} = δ_dc δ_n0 + K_d(w_n) y_{d,n}.
Solving for sources at every sideband at once also gives the responses to noise at w_n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.exact.lines import frequency_mesh
from langevin_qtm.exact.quadrature import MAX_NODES_PER_CALL, Layout, integrate
from langevin_qtm.exact.sidebands import couplings_of, factors_of, respond_to_all
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.machine import Contact, Machine

MAX_HARMONICS = 80


class Responses:
    """Linear responses with sidebands |n| <= harmonics.

    Attributes
    ----------
    couplings : Couplings
    factors : Factors
        Storage.
    """

    def __init__(self, machine: Machine, harmonics: int):
        self.machine, self.harmonics = machine, harmonics
        self.count, self.bodies = 2 * harmonics + 1, len(machine.omega)
        self.shifts = machine.angular_frequency * np.arange(-harmonics, harmonics + 1)
        self.couplings = couplings_of(machine, harmonics)
        self.factors = factors_of(machine, self.couplings)

    def sidebands(self, omega: FloatArray) -> FloatArray:
        """w_n, dims (node, n)."""
        return omega[:, None] + self.shifts

    def gain(self, omega: FloatArray) -> ComplexArray:
        """K_c(w_n), dims (node, contact n)."""
        return self._by_contact(lambda contact, w: contact.density.response(w), omega)

    def noise(self, omega: FloatArray) -> FloatArray:
        """S_c(w_n), dims (node, contact n)."""
        return self._by_contact(Contact.noise_power_spectrum, omega)

    def loss(self, omega: FloatArray) -> FloatArray:
        """J_c(w_n), dims (node, contact n)."""
        return self._by_contact(Contact.spectral_density, omega)

    def _by_contact(self, spectrum: Callable[[Contact, FloatArray], Any], omega: FloatArray) -> Any:
        sidebands = self.sidebands(omega)
        copies = {contact.reservoir: contact for contact in self.machine.contacts}  # all of them are alike
        values = {reservoir: spectrum(contact, sidebands) for reservoir, contact in copies.items()}
        return np.concatenate([values[contact.reservoir] for contact in self.machine.contacts], axis=1)

    def solve(self, omega: FloatArray) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        """Positions, coordinates y and forces F in response to every source.

        Returns
        -------
        x : (node, contact, oscillator, n, source sideband)
        y, force : (node, contact source, contact, n, source sideband)
        """
        nodes, contacts, count = len(omega), len(self.machine.contacts), self.count
        gain, size = self.gain(omega), contacts * count
        x = np.empty((nodes, size, count * self.bodies), dtype=complex)
        respond_to_all(self.machine.omega, self.sidebands(omega), gain, self.couplings, self.factors, x)
        c = self.couplings
        spread = csr_array((c.value, c.position, c.start), shape=(size, count * self.bodies))
        y = (spread @ x.reshape(-1, count * self.bodies).T).T.reshape(nodes, size, size)
        force = gain[:, None, :] * y + np.eye(size)
        dims = (nodes, contacts, count, contacts, count)
        y, force = (np.moveaxis(array.reshape(dims), 2, 4) for array in (y, force))
        x = x.reshape(nodes, contacts, count, count, self.bodies)[:, :, :, np.argsort(c.sideband)]
        return np.moveaxis(x, (2, 4), (4, 2)), y, force


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
    harmonics, truncation = _enough_harmonics(machine, rates, problem_at, judged, tolerance)
    problem = problem_at(harmonics)
    mesh = frequency_mesh(machine, rates, harmonics)
    result = integrate(problem.integrand, mesh, problem.layout.scale, tolerance)
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

"""Response of a machine to one noise frequency, in all sidebands (solved in `sidebands`).

Noise of contact c at frequency w drives sidebands w_n = w + nΩ of every coordinate,

    (w_l² - w_n²) u_{l,n} - Σ_d [g_{d,l} K_d(w_·) (Σ_l' g_{d,l'} u_l')]_n = (g_{c,l})_n,

with (g u)_n = Σ_m g_{n-m} u_m. Then y_d = Σ_l g_{d,l} x_l and F_{d,n} = δ_dc δ_n0 + K_d(w_n) y_{d,n}.
Solving for sources at every sideband at once also gives the responses to noise at w_n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from langevin_qtm.exact.sidebands import couplings_of, factors_of, respond_to_all
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.machine import Contact, Machine


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

    def matrix(self, omega: complex) -> ComplexArray:
        """A at one frequency, which may be complex; dims (position, position)."""
        sidebands = omega + self.shifts[self.couplings.sideband]
        stiffness = np.tile(self.machine.omega, self.count) ** 2 - np.repeat(sidebands, self.bodies) ** 2
        collect, gain = self._collect.toarray(), self.gain(np.array([omega]))[0]
        return np.diag(stiffness) - (collect.conj().T * gain) @ collect

    def by_sideband(self, x: ComplexArray) -> FloatArray:
        """Largest |x_{l,n}|² of the oscillators, dim (n,)."""
        strength = np.abs(x.reshape(self.count, self.bodies)) ** 2
        return strength.max(axis=1)[np.argsort(self.couplings.sideband)]

    @property
    def _collect(self) -> csr_array:
        """C, dims (contact n, position)."""
        c = self.couplings
        return csr_array((c.value, c.position, c.start), shape=(len(c.start) - 1, self.bodies * self.count))

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
        y = (self._collect @ x.reshape(-1, count * self.bodies).T).T.reshape(nodes, size, size)
        force = gain[:, None, :] * y + np.eye(size)
        dims = (nodes, contacts, count, contacts, count)
        y, force = (np.moveaxis(array.reshape(dims), 2, 4) for array in (y, force))
        x = x.reshape(nodes, contacts, count, count, self.bodies)[
            :, :, :, np.argsort(self.couplings.sideband)
        ]
        return np.moveaxis(x, (2, 4), (4, 2)), y, force

"""The published second-order formulas by adaptive quadrature on a mesh graded towards the lines.

Shares no step with the closed form: χ by inversion at each frequency, everything integrated. Slower than
`published`, but sure of needle-sharp lines.
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.exact.lines import frequency_mesh
from langevin_qtm.exact.quadrature import Layout, integrate
from langevin_qtm.physics.embedding import Embedding


class Quadrature:
    """Integrals of one machine.

    Attributes
    ----------
    averages : dict
        Base averages by name of the schema; with several static reservoirs their currents are NaN.
    errors : dict
        Gauss-Kronrod differences of the same.
    """

    def __init__(self, machine, tolerance=1e-10):
        self.machine, self.undriven = machine, machine.undriven()
        self.driven = [c for c in machine.contacts if c.reservoir in machine.driven_reservoirs]
        reservoirs, bodies = len(machine.reservoirs), len(machine.omega)
        shapes = {
            "power": (reservoirs, bodies),
            "into_medium": (reservoirs,),
            "cnumber": (bodies, bodies),
            "commutator": (bodies, bodies),
            "covariance": (bodies, bodies),
        }
        kinds = [("power", "into_medium"), ("cnumber", "commutator"), ("covariance",)]
        self.layout = Layout(shapes, kinds)
        rates = Embedding(self.undriven).characteristic_rates()
        mesh = frequency_mesh(machine, rates, machine.order)
        values, errors = self.layout.unpack(integrate(self.integrand, mesh, self.layout.scale, tolerance))
        self.averages, self.errors = self._averages(values, -1.0), self._averages(errors, 1.0)

    def susceptibility(self, omega):
        """χ(w), dims (node, oscillator, oscillator)."""
        inverse = np.zeros((len(omega), *2 * [len(self.machine.omega)]), dtype=complex)
        diagonal = np.arange(len(self.machine.omega))
        inverse[:, diagonal, diagonal] = self.machine.omega**2 - omega[:, None] ** 2
        for contact in self.undriven.contacts:
            g = contact.couplings(np.zeros(1))[0]
            inverse -= contact.density.response(omega)[:, None, None] * np.outer(g, g)
        return np.linalg.inv(inverse)

    def spectra(self, omega):
        """Position noise and χ''."""
        chi = self.susceptibility(omega)
        noise, dissipation = np.zeros((2, *chi.shape), dtype=complex)
        for contact in self.undriven.contacts:
            reach = chi @ contact.couplings(np.zeros(1))[0]
            pair = reach[:, :, None] * reach[:, None, :].conj()
            noise += contact.noise_power_spectrum(omega)[:, None, None] * pair
            dissipation += contact.spectral_density(omega)[:, None, None] * pair
        return noise, dissipation

    def integrand(self, omega):
        """All integrands on w >= 0, folded with w < 0, over 2π."""
        nodes, bodies, order = len(omega), len(self.machine.omega), self.machine.order
        noise, dissipation = self.spectra(omega)
        power = np.zeros((nodes, len(self.machine.reservoirs), bodies))
        into_medium = np.zeros((nodes, len(self.machine.reservoirs)))
        cnumber, commutator = np.zeros((2, nodes, bodies, bodies))
        for n in range(-order, order + 1):
            shift = n * self.machine.angular_frequency
            shifted = omega + shift
            chi = self.susceptibility(shifted).conj()
            for contact in self.driven:
                g = contact.coefficients(order)[:, order + n]
                pair = np.outer(g, g.conj())
                struck = contact.noise_power_spectrum(omega)[:, None, None] * chi
                echoed = noise * contact.density.response(shifted).conj()[:, None, None]
                heat = 1j * (shifted[:, None, None] * struck - omega[:, None, None] * echoed)
                power[:, contact.reservoir] += (1j * shift * pair * (struck + echoed)).real.sum(axis=2)
                into_medium[:, contact.reservoir] += (pair * heat).real.sum(axis=(1, 2))
                weight = shift**2 * pair
                spectrum = contact.noise_power_spectrum(shifted)[:, None, None]
                cnumber += (weight * spectrum * noise).real
                commutator -= (weight * contact.spectral_density(shifted)[:, None, None] * dissipation).real
        packed = self.layout.pack(
            nodes,
            power=power,
            into_medium=into_medium,
            cnumber=cnumber,
            commutator=commutator,
            covariance=noise.real,
        )
        return packed / np.pi

    def _averages(self, integrals, sign):
        """Base averages from integrals (sign -1), or their error bounds from errors (sign +1)."""
        power, into_medium = integrals["power"], integrals["into_medium"]
        static = [i for i in range(len(into_medium)) if i not in self.machine.driven_reservoirs]
        heat = into_medium + sign * power.sum(axis=1)
        heat[static] = sign * into_medium.sum() if len(static) == 1 else np.nan
        quantum = integrals["cnumber"] + integrals["commutator"]
        return {
            "local_power": power.sum(axis=0),
            "heat_current": heat,
            "position_covariance": integrals["covariance"],
            "fluctuation_cnumber": np.diag(integrals["cnumber"]),
            "fluctuation_quantum": np.diag(quantum),
            "power_fluctuation_cnumber": integrals["cnumber"].sum(),
            "power_fluctuation_quantum": quantum.sum(),
        }

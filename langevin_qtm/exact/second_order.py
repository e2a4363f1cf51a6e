"""Second order in the driven couplings, static reservoirs exact: the formulas of the published figures.

With χ(w) the susceptibility of the medium damped by the static reservoirs, Sx its position noise and
A = χ'' (both as χ Σ_c (…) g_c g_cᵀ χ†, which keeps every digit), for each driven contact:

    P_l   = Re Σ_l'n  i nΩ g_ln g*_l'n ∫dw/2π [S(w) χ*_ll'(w+nΩ) + Sx_ll'(w) K*(w+nΩ)]
    J + P = Re Σ_ll'n g_ln g*_l'n ∫dw/2π [i(w+nΩ) S(w) χ*_ll'(w+nΩ) - i w Sx_ll'(w) K*(w+nΩ)]
    D_ll' = Re Σ_n n²Ω² g_ln g*_l'n ∫dw/2π [S(w+nΩ) Sx_ll'(w) - J(w+nΩ) A_ll'(w)]

D_l = D_ll, the total power has Σ_ll' D_ll'; without the last term they are the c-number parts.
Covariances and Pearson coefficient are of zeroth order. Source: Cavaliere et al., Phys. Rev. Research 4,
033233 (2022); Razzoli et al., Quantum Sci. Technol. 9, 045032 (2024).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from langevin_qtm.errors import InputError, UnstableMachineError
from langevin_qtm.exact.lines import frequency_mesh
from langevin_qtm.exact.quadrature import Layout, integrate
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Contact, Machine
from langevin_qtm.schema import assemble, exact_averages


def second_order(machine: Machine, tolerance: float = 1e-9) -> xr.Dataset:
    """Period averages to second order in the driven couplings.

    Parameters
    ----------
    machine : Machine
        Needs a static reservoir that damps every mode.
    tolerance : float
        Error of the frequency integrals, relative to the largest number of each kind (powers and
        currents; fluctuations; covariances).

    Returns
    -------
    xarray.Dataset
        Every period average of the schema, dims `oscillator`, `oscillator_prime`, `reservoir`; each
        integrated number has a companion `<name>_error` (Gauss-Kronrod difference). NaN, with the
        reason as attribute, where second order does not define a number.

    Raises
    ------
    InputError
        When no reservoir is static, a mode is not damped by the static ones, or the machine has
        envelopes, chirp, frequency modulation or forces.
    NotConvergedError
        When an integral misses its tolerance.
    """
    machine.require_bare_period("second_order")
    problem = _SecondOrder(machine)
    layout = problem.layout
    result = integrate(problem.integrand, problem.mesh(), layout.scale, tolerance)
    values, errors = layout.unpack(result)
    return problem.assemble(values, errors)


class _SecondOrder:
    """The integrands for one machine."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.undriven = machine.undriven()
        self.embedding = Embedding(self.undriven)
        try:
            self.embedding.require_stable()
        except UnstableMachineError:
            raise InputError(
                "Second order needs static reservoirs that damp every mode of the oscillators; "
                "couple them differently, or use `periodic_steady_state`."
            ) from None
        self.driven = [c for c in machine.contacts if c.reservoir in machine.driven_reservoirs]
        bodies = len(machine.omega)
        self.layout = Layout(
            {
                "power": (len(machine.reservoirs), bodies),
                "into_medium": (len(machine.reservoirs),),
                "cnumber": (bodies, bodies),
                "commutator": (bodies, bodies),
                "covariance": (bodies, bodies),
            },
            [("power", "into_medium"), ("cnumber", "commutator"), ("covariance",)],
        )

    def mesh(self) -> FloatArray:
        return frequency_mesh(self.machine, self.embedding.characteristic_rates(), self.machine.order)

    def susceptibility(self, omega: FloatArray) -> ComplexArray:
        """χ(w), dims (node, oscillator, oscillator)."""
        inverse: ComplexArray = np.zeros((len(omega), *2 * [len(self.machine.omega)]), dtype=np.complex128)
        diagonal = np.arange(len(self.machine.omega))
        inverse[:, diagonal, diagonal] = self.machine.omega**2 - omega[:, None] ** 2
        for contact in self.undriven.contacts:
            g = contact.couplings(np.zeros(1))[0]
            inverse -= contact.density.response(omega)[:, None, None] * np.outer(g, g)
        return np.asarray(np.linalg.inv(inverse), dtype=np.complex128)

    def spectra(self, omega: FloatArray) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        """χ(w), position noise Sx(w) and χ''(w)."""
        chi = self.susceptibility(omega)
        noise = np.zeros(chi.shape, dtype=np.complex128)
        dissipation = noise.copy()
        for contact in self.undriven.contacts:
            reach = chi @ contact.couplings(np.zeros(1))[0]
            pair = reach[:, :, None] * reach[:, None, :].conj()
            noise += contact.noise_power_spectrum(omega)[:, None, None] * pair
            dissipation += contact.spectral_density(omega)[:, None, None] * pair
        return chi, noise, dissipation

    def integrand(self, omega: FloatArray) -> FloatArray:
        """All integrands on w >= 0, folded with w < 0, over 2π."""
        nodes, bodies = len(omega), len(self.machine.omega)
        order, base = self.machine.order, self.machine.angular_frequency
        _, position_noise, dissipation = self.spectra(omega)
        power = np.zeros((nodes, len(self.machine.reservoirs), bodies))
        into_medium = np.zeros((nodes, len(self.machine.reservoirs)))
        cnumber, commutator = np.zeros((2, nodes, bodies, bodies))
        coefficients = [contact.coefficients(order) for contact in self.driven]
        for n in range(-order, order + 1):
            shifted = omega + n * base
            chi_shifted = self.susceptibility(shifted).conj()
            for contact, g in zip(self.driven, coefficients, strict=True):
                pair = np.outer(g[:, order + n], g[:, order + n].conj())
                if not pair.any():
                    continue
                work, heat = self._flows(contact, omega, shifted, chi_shifted, position_noise)
                power[:, contact.reservoir] += (1j * n * base * pair * work).real.sum(axis=2)
                into_medium[:, contact.reservoir] += (pair * heat).real.sum(axis=(1, 2))
                weight = (n * base) ** 2 * pair
                noise = contact.noise_power_spectrum(shifted)[:, None, None]
                cnumber += (weight * noise * position_noise).real
                loss = contact.spectral_density(shifted)[:, None, None]
                commutator -= (weight * loss * dissipation).real
        packed = self.layout.pack(
            nodes,
            power=power,
            into_medium=into_medium,
            cnumber=cnumber,
            commutator=commutator,
            covariance=position_noise.real,
        )
        return packed / np.pi

    @staticmethod
    def _flows(
        contact: Contact,
        omega: FloatArray,
        shifted: FloatArray,
        chi_shifted: ComplexArray,
        position_noise: ComplexArray,
    ) -> tuple[ComplexArray, ComplexArray]:
        """Kernels of P_l and of J + P, dims (node, oscillator, oscillator)."""
        struck = contact.noise_power_spectrum(omega)[:, None, None] * chi_shifted
        echoed = position_noise * contact.density.response(shifted).conj()[:, None, None]
        return struck + echoed, 1j * (shifted[:, None, None] * struck - omega[:, None, None] * echoed)

    def assemble(self, values: dict[str, FloatArray], errors: dict[str, FloatArray]) -> xr.Dataset:
        """Dataset of the schema from the integrals."""
        machine = self.machine
        base, base_errors = self._averages(values, -1.0), self._averages(errors, 1.0)
        static = self._static_reservoirs()
        reason = {}
        if len(static) > 1:
            base["heat_current"][static] = np.nan
            reason["heat_current"] = "second order gives only the sum over several static reservoirs"
        variables, undefined = exact_averages(machine, base, base_errors)
        attrs = {
            "method": "second_order",
            "comment": "Limit of weak driven coupling; covariances and Pearson coefficient of zeroth order.",
            "max_multiplier": self.embedding.max_multiplier,
            "relaxation_time": self.embedding.relaxation_time,
        }
        return assemble(machine, variables, attrs, undefined={**undefined, **reason})

    def _static_reservoirs(self) -> list[int]:
        return [i for i in range(len(self.machine.reservoirs)) if i not in self.machine.driven_reservoirs]

    def _averages(self, integrals: dict[str, FloatArray], sign: float) -> dict[str, FloatArray]:
        """Base observables from integrals (sign -1), or their error bounds from errors (sign +1)."""
        power, into_medium = integrals["power"], integrals["into_medium"]
        heat = into_medium + sign * power.sum(axis=1)
        heat[self._static_reservoirs()] = sign * into_medium.sum()
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

"""Periodic steady state at any driven coupling: second moments from the responses at every noise frequency.

With the responses of `responses`, every second moment is Σ_c ∫dw/2π S_c(w) (…)(…)*. Heat currents are
written as exchange between reservoirs,

    J_d = Σ_e Σ_n ∫dw/2π [w S_d(w) J_e(w_n) |y_{e,n}^{(d)}|² - w_n S_e(w) J_d(w_n) |y_{d,n}^{(e)}|²],

in which the exchange of a reservoir with itself at n = 0 is absent instead of cancelling to many digits; it
follows from <ẏ F> by conservation of the commutators. Powers do not enter, so Σ J + P = 0 is a check.
Derivations are in docs/theory.md; the model is that of Razzoli et al., Quantum Sci. Technol. 9, 045032
(2024).
"""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr

from langevin_qtm.exact.fluctuations import fluctuation_integrands
from langevin_qtm.exact.quadrature import Layout
from langevin_qtm.exact.responses import Responses, solve_integrals
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.schema import assemble, exact_averages

UV_REASON = "diverges with the logarithm of the band: a strictly Ohmic reservoir; give it a cutoff"


def periodic_steady_state(machine: Machine, tolerance: float = 1e-9, phases: int = 64) -> xr.Dataset:
    """Exact period averages and phase-resolved means of the periodic steady state.

    Parameters
    ----------
    machine : Machine
    tolerance : float
        Error of frequency integrals and of the truncation in harmonics, relative to the largest number
        of each kind (powers and currents; fluctuations; covariances).
    phases : int
        Points over the drive period of the phase-resolved variables.

    Returns
    -------
    xarray.Dataset
        Every variable of the schema but trajectories, dims `oscillator`, `oscillator_prime`,
        `reservoir`, `phase`. Each average has a companion `<name>_error`: Gauss-Kronrod difference plus
        the change when harmonics were last added.

    Raises
    ------
    InputError
        For a machine with envelopes, chirp, frequency modulation or forces.
    UnstableMachineError
        When a Floquet multiplier is not inside the unit circle.
    NotConvergedError
        When quadrature or harmonics do not converge.

    References
    ----------
    Razzoli et al., Quantum Sci. Technol. 9, 045032 (2024); Koyuk, Seifert, PRL 122, 230601 (2019).
    """
    machine.require_bare_period("periodic_steady_state")
    embedding = Embedding(machine)
    embedding.require_stable()
    rates = embedding.characteristic_rates()
    values, errors, harmonics = solve_integrals(
        machine,
        rates,
        lambda n: _SteadyState(machine, n),
        ("power", "heat", "cnumber", "covariance"),
        tolerance,
    )
    return _to_dataset(machine, embedding, values, errors, harmonics, phases)


class _SteadyState:
    """Integrands of one machine with sidebands |n| <= harmonics."""

    def __init__(self, machine: Machine, harmonics: int):
        self.machine, self.harmonics = machine, harmonics
        self.responses = Responses(machine, harmonics)
        self.bodies, contacts = len(machine.omega), machine.contacts
        self.diverging = not all(contact.density.memory().size for contact in contacts)
        k, reservoirs = harmonics + 1, len(machine.reservoirs)
        shapes = {
            "power": (2, k, self.bodies),
            "heat": (reservoirs,),
            "heat_waves": (2, k, reservoirs),
            "cnumber": (self.bodies + 1,),
            "commutator": (self.bodies + 1,),
            "covariance": (2, k, self.bodies, self.bodies),
            "position_velocity": (self.bodies, self.bodies),
        }
        if not self.diverging:
            shapes["velocity"] = (self.bodies, self.bodies)
        groups = [
            ("power", "heat", "heat_waves"),
            ("cnumber", "commutator"),
            ("covariance", "position_velocity"),
        ]
        self.layout = Layout(shapes, groups if self.diverging else [*groups, ("velocity",)])

    def integrand(self, omega: FloatArray) -> FloatArray:
        """All integrands on w >= 0, folded with w < 0, over 2π."""
        sidebands = omega[:, None] + self.responses.shifts
        x, y, force = self.responses.solve(omega)
        noise, loss = self.responses.noise(sidebands), self.responses.loss(sidebands)
        center = self.harmonics
        source = noise[:, :, center].T  # (node, contact)
        own_x, own_y, own_force = x[..., center], y[..., center], force[..., center]
        velocity = -1j * sidebands[:, None, None, :] * own_x
        arrays = {
            "power": self._power(source, own_x, own_force),
            "heat": self._heat(omega, sidebands, noise, loss, own_y),
            "heat_waves": self._heat_waves(source, sidebands, own_y, own_force),
            "covariance": self._waves(source, own_x[:, :, :, None], own_x[:, :, None, :]),
            "position_velocity": _mean(source, own_x[:, :, :, None], velocity[:, :, None, :]),
        }
        arrays["cnumber"], arrays["commutator"] = fluctuation_integrands(
            self.responses, noise, loss, x, force
        )
        if not self.diverging:
            arrays["velocity"] = _mean(source, velocity[:, :, :, None], velocity[:, :, None, :])
        return self.layout.pack(len(omega), **arrays) / (2 * np.pi)

    def _waves(self, source: FloatArray, a: ComplexArray, b: ComplexArray) -> FloatArray:
        """Fourier coefficients k >= 0 of <a(t) b(t)>, folded: (node, re/im, k, …)."""
        waves = []
        for k in range(self.harmonics + 1):
            stop = self.responses.count - k
            up = (a[..., k:] * b[..., :stop].conj()).sum(axis=-1)
            down = (a[..., :stop] * b[..., k:].conj()).sum(axis=-1)
            waves.append(np.einsum("bc,bc...->b...", source, up + down.conj()))
        stacked = np.stack(waves, axis=1)
        return np.stack([stacked.real, stacked.imag], axis=1)

    def _power(self, source: FloatArray, own_x: ComplexArray, own_force: ComplexArray) -> FloatArray:
        """-ġ_l <x_l F> summed over driven contacts: (node, re/im, k, oscillator)."""
        total = np.zeros((len(source), 2, self.harmonics + 1, self.bodies))
        for index in self.responses.driven:
            moved = np.einsum("lnm,bclm->bcln", self.responses.coupling_rate[index], own_x)
            waves = self._waves(source, moved, own_force[:, :, index, None, :])
            if self._diverges(index):
                waves[:, :, 1:] = 0.0
            total -= waves
        return total

    def _heat(
        self,
        omega: FloatArray,
        sidebands: FloatArray,
        noise: FloatArray,
        loss: FloatArray,
        own_y: ComplexArray,
    ) -> FloatArray:
        """Exchange form of the heat currents: (node, reservoir)."""
        heat = np.zeros((len(omega), len(self.machine.reservoirs)))
        pairs = product(enumerate(self.machine.contacts), repeat=2)
        for (d, giver), (e, other) in pairs:
            if not self.responses.driven and giver.temperature == other.temperature:
                continue  # in equilibrium: absent, too, instead of cancelling
            given = noise[d][:, self.harmonics, None] * loss[e] * np.abs(own_y[:, d, e]) ** 2
            # weight 2: fold of w < 0
            if d == e:
                heat[:, giver.reservoir] += 2 * ((omega[:, None] - sidebands) * given).sum(axis=1)
            else:
                taker = self.machine.contacts[e].reservoir
                heat[:, giver.reservoir] += 2 * (omega[:, None] * given).sum(axis=1)
                heat[:, taker] -= 2 * (sidebands * given).sum(axis=1)
        return heat

    def _heat_waves(
        self, source: FloatArray, sidebands: FloatArray, own_y: ComplexArray, own_force: ComplexArray
    ) -> FloatArray:
        """Fourier coefficients k >= 1 of <ẏ F>: (node, re/im, k, reservoir); k = 0 is left to `_heat`."""
        speed = -1j * sidebands[:, None, None, :] * own_y
        waves = self._waves(source, speed, own_force)
        waves[:, :, 0] = 0.0
        total = np.zeros((*waves.shape[:3], len(self.machine.reservoirs)))
        for index, contact in enumerate(self.machine.contacts):
            if not self._diverges(index):
                total[..., contact.reservoir] += waves[..., index]
        return total

    def _diverges(self, index: int) -> bool:
        """Whether the instantaneous power and heat current of a contact depend on the band."""
        contact = self.machine.contacts[index]
        return contact.is_driven and not contact.density.memory().size


def _mean(source: FloatArray, a: ComplexArray, b: ComplexArray) -> FloatArray:
    """Period average of <a b>, folded: (node, …)."""
    return 2 * np.einsum("bc,bc...->b...", source, (a * b.conj()).sum(axis=-1)).real


def _averages(integrals: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Base observables from integrals or from their errors."""
    quantum = integrals["cnumber"] + integrals["commutator"]
    return {
        "local_power": integrals["power"][0, 0],
        "heat_current": integrals["heat"],
        "position_covariance": integrals["covariance"][0, 0],
        "fluctuation_cnumber": integrals["cnumber"][:-1],
        "fluctuation_quantum": quantum[:-1],
        "power_fluctuation_cnumber": integrals["cnumber"][-1],
        "power_fluctuation_quantum": quantum[-1],
    }


def _to_dataset(
    machine: Machine,
    embedding: Embedding,
    values: dict[str, FloatArray],
    errors: dict[str, FloatArray],
    harmonics: int,
    phases: int,
) -> xr.Dataset:
    variables, undefined = exact_averages(machine, _averages(values), _averages(errors))
    missing = np.full((len(machine.omega),) * 2, np.nan)
    for name, key in (
        ("velocity_covariance", "velocity"),
        ("position_velocity_covariance", "position_velocity"),
    ):
        variables[name], variables[f"{name}_error"] = values.get(key, missing), errors.get(key, missing)
    if "velocity" not in values:
        undefined["velocity_covariance"] = UV_REASON
    phase = np.arange(phases) / phases
    local_power = _synthesize(values["power"], phase)
    covariance = _synthesize(values["covariance"], phase)
    heat = _synthesize(values["heat_waves"], phase) + values["heat"][:, None]
    for contact in machine.contacts:
        if contact.is_driven and not contact.density.memory().size:
            heat[contact.reservoir] = np.nan
            local_power[[not drive.is_static for drive in contact.drives]] = np.nan
            undefined |= dict.fromkeys(("heat_current_phase", "local_power_phase", "power_phase"), UV_REASON)
    if "pearson" in undefined:
        undefined["pearson_phase"] = undefined["pearson"]
    variables |= {
        "local_power_phase": local_power,
        "power_phase": local_power.sum(axis=0),
        "heat_current_phase": heat,
        "position_covariance_phase": covariance,
        "pearson_phase": thermodynamics.pearson(np.moveaxis(covariance, -1, 0)),
    }
    attrs = {
        "method": "periodic_steady_state",
        "harmonics": harmonics,
        "max_multiplier": embedding.max_multiplier,
        "relaxation_time": embedding.relaxation_time,
    }
    return assemble(machine, variables, attrs, {"phase": phase}, undefined)


def _synthesize(waves: FloatArray, phase: FloatArray) -> FloatArray:
    """Periodic function from (re/im, k, …) coefficients of e^{-ikΩt}: dims (…, phase)."""
    coefficients = waves[0] + 1j * waves[1]
    angle = 2 * np.pi * np.outer(np.arange(len(coefficients)), phase)
    weight = np.where(np.arange(len(coefficients)) == 0, 1.0, 2.0)[:, None]
    return np.einsum("k...,kp->...p", coefficients, weight * np.exp(-1j * angle)).real

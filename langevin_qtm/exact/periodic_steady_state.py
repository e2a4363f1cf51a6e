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

import numpy as np
import xarray as xr

from langevin_qtm.compiled import compiled
from langevin_qtm.exact.convergence import solve_integrals
from langevin_qtm.exact.fluctuations import add_fluctuations
from langevin_qtm.exact.quadrature import Layout
from langevin_qtm.exact.responses import Responses
from langevin_qtm.exact.second_moments import (
    FORCE,
    MOVED,
    SPEED,
    Products,
    add_heat,
    add_products,
    fill_signals,
    signal_of,
)
from langevin_qtm.exact.sidebands import decompose
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Contact, Machine
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
    values, errors, harmonics = solve_integrals(
        embedding,
        lambda n: _SteadyState(machine, n),
        ("power", "heat", "cnumber", "covariance", "heat_waves"),
        tolerance,
    )
    return _to_dataset(machine, embedding, values, errors, harmonics, phases)


@compiled
def _integrands(
    omega, sidebands, gain, noise, loss, couplings, factors, products, reservoir, exchanging, out
):
    """Integrands on w >= 0, folded, for integration with dw/2π.

    Parameters
    ----------
    omega : (oscillator,) array
    sidebands : (node, n) array
    gain, noise, loss : (node, contact n) arrays
    couplings, factors, products : Couplings, Factors, Products
    reservoir, exchanging : (contact,) and (contact, contact) arrays
        See `add_heat`.
    out : (node, output) array, out
        Fluctuations, heat currents, then the products.
    """
    bodies, contacts, count = len(omega), len(reservoir), sidebands.shape[1]
    signals = np.empty((2 * bodies + contacts * (MOVED + bodies), count), dtype=np.complex128)
    currents = np.empty((bodies, bodies * count), dtype=np.complex128)
    x = np.empty(bodies * count, dtype=np.complex128)
    waves = np.empty((4, 2 * count))
    for node in range(len(out)):
        w, k, s, j, values = sidebands[node], gain[node], noise[node], loss[node], out[node]
        values[:] = 0.0
        fluctuations, rest = values[: 2 * bodies + 2].reshape((2, bodies + 1)), values[2 * bodies + 2 :]
        decompose(omega, w, k, couplings, factors)
        for source in range(contacts):
            own = source * count + count // 2
            fill_signals(source, w, k, couplings, factors, x, signals)
            add_products(products, s[own], couplings.spacing, signals, waves, values)
            add_heat(source, w, s, j, reservoir, exchanging, signals, rest)
            add_fluctuations(source, k, s, j, couplings, factors, signals, currents, fluctuations)


class _SteadyState:
    """Integrands of one machine with sidebands |n| <= harmonics."""

    def __init__(self, machine: Machine, harmonics: int):
        self.machine = machine
        self.responses = Responses(machine, harmonics)
        self.has_velocities = all(contact.density.memory().size for contact in machine.contacts)
        self.layout = self._layout(harmonics + 1)
        self.products = self._products(harmonics)
        temperatures = np.array([contact.temperature for contact in machine.contacts])
        is_driven = any(contact.is_driven for contact in machine.contacts)
        # without drive and at one temperature heat is absent, too, instead of cancelling
        self.exchanging = is_driven | (temperatures[:, None] != temperatures)
        self.reservoir = np.array([contact.reservoir for contact in machine.contacts])

    def _layout(self, waves: int) -> Layout:
        """Outputs; of harmonics, k = 0 … waves - 1, each a pair (re, im)."""
        bodies, reservoirs = len(self.machine.omega), len(self.machine.reservoirs)
        shapes: dict[str, tuple[int, ...]] = {
            "cnumber": (bodies + 1,),
            "commutator": (bodies + 1,),
            "heat": (reservoirs,),
            "power": (waves, bodies, 2),
            "heat_waves": (waves, reservoirs, 2),
            "covariance": (waves, bodies, bodies, 2),
            "position_velocity": (bodies, bodies),
        }
        groups: list[tuple[str, ...]] = [
            ("power", "heat", "heat_waves"),
            ("cnumber", "commutator"),
            ("covariance", "position_velocity"),
        ]
        if self.has_velocities:
            return Layout({**shapes, "velocity": (bodies, bodies)}, [*groups, ("velocity",)])
        return Layout(shapes, groups)

    def _products(self, harmonics: int) -> Products:
        """The second moments: -ġ_l <x_l F>; <ẏ F> but for k = 0, left to the exchange form; covariances."""
        bodies, reservoirs = len(self.machine.omega), len(self.machine.reservoirs)
        start = {name: part.start for name, part in self.layout.slices.items()}
        rows = []
        for index, contact in enumerate(self.machine.contacts):
            signal = signal_of(bodies, index, 0)
            power, heat = start["power"], start["heat_waves"] + 2 * contact.reservoir
            highest = 0 if diverges(contact) else harmonics
            for l in range(bodies) if contact.is_driven else ():
                moved = signal + MOVED + l
                rows.append((moved, signal + FORCE, -1, 0, highest, power + 2 * l, 2 * bodies))
            if not diverges(contact):
                rows.append((signal + SPEED, signal + FORCE, 1, 1, harmonics, heat, 2 * reservoirs))
        for l, k in np.ndindex(bodies, bodies):
            pair = l * bodies + k
            if l <= k:  # the rest by symmetry
                rows.append((l, k, 1, 0, harmonics, start["covariance"] + 2 * pair, 2 * bodies**2))
            rows.append((l, bodies + k, 1, 0, 0, start["position_velocity"] + pair, 0))
            if self.has_velocities:
                rows.append((bodies + l, bodies + k, 1, 0, 0, start["velocity"] + pair, 0))
        return Products(*np.array(rows).T)

    def integrand(self, omega: FloatArray) -> FloatArray:
        """All integrands on w >= 0, folded with w < 0, over 2π."""
        responses, bodies = self.responses, len(self.machine.omega)
        lower, upper = np.tril_indices(bodies, -1)
        out = np.empty((len(omega), self.layout.size))
        _integrands(
            self.machine.omega,
            responses.sidebands(omega),
            responses.gain(omega),
            responses.noise(omega),
            responses.loss(omega),
            responses.couplings,
            responses.factors,
            self.products,
            self.reservoir,
            self.exchanging,
            out,
        )
        covariance = out[:, self.layout.slices["covariance"]].reshape(len(out), -1, bodies, bodies, 2)
        covariance[:, :, lower, upper] = covariance[:, :, upper, lower]
        out /= 2 * np.pi
        return out


def diverges(contact: Contact) -> bool:
    """Whether the instantaneous power and heat current of a contact depend on the band."""
    return contact.is_driven and not contact.density.memory().size


def _averages(integrals: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Base observables from integrals or from their errors."""
    quantum = integrals["cnumber"] + integrals["commutator"]
    return {
        "local_power": integrals["power"][0, :, 0],
        "heat_current": integrals["heat"],
        "position_covariance": integrals["covariance"][0, :, :, 0],
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
        if diverges(contact):
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
    """Periodic function from (k, …, re/im) coefficients of e^{-ikΩt}: dims (…, phase)."""
    coefficients = waves[..., 0] + 1j * waves[..., 1]
    angle = 2 * np.pi * np.outer(np.arange(len(coefficients)), phase)
    weight = np.where(np.arange(len(coefficients)) == 0, 1.0, 2.0)[:, None]
    return np.einsum("k...,kp->...p", coefficients, weight * np.exp(-1j * angle)).real

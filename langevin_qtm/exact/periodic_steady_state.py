"""Periodic steady state at any driven coupling: one linear solve over harmonics per noise frequency.

Noise of contact c at frequency w drives sidebands w_n = w + nΩ of every coordinate,

    (w_l² - w_n²) u_{l,n} - Σ_d [g_{d,l} K_d(w_·) (Σ_l' g_{d,l'} u_l')]_n = (g_{c,l})_n,

with (g u)_n = Σ_m g_{n-m} u_m. Solving for sources at every sideband at once (one matrix inverse)
also gives the responses at w_n, which fluctuations need. With y_d = Σ_l g_{d,l} x_l and
F_{d,n} = δ_dc δ_n0 + K_d(w_n) y_{d,n}, second moments are Σ_c ∫dw/2π S_c(w) (…)(…)*.

Heat currents are written as exchange between reservoirs,

    J_d = Σ_e Σ_n ∫dw/2π [w S_d(w) J_e(w_n) |y_{e,n}^{(d)}|² - w_n S_e(w) J_d(w_n) |y_{d,n}^{(e)}|²],

in which the reservoir's dialogue with itself at n = 0 is absent instead of cancelling to many digits; it
follows from <ẏ F> by conservation of the commutators. Powers do not enter, so Σ J + P = 0 is a check.

Fluctuations: O = -ġ x F is quadratic in the noise; the long-time variance keeps pairs of frequencies w and
-w_n, with amplitude o_n = -Σ_j [(ġx)_j^{(c,0)} F_j^{(d,n)*} + F_j^{(c,0)} (ġx)_j^{(d,n)*}]:

    D_O = ½ Σ_cd Σ_n ∫dw/2π [S_c(w) S_d(w_n) - J_c(w) J_d(w_n)] |o_n|².

The second product is the commutator part. Source: Razzoli et al., Quantum Sci. Technol. 9, 045032 (2024)
for the model; derivations in docs/theory.md.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr
from scipy.linalg import toeplitz
from threadpoolctl import threadpool_limits

from langevin_qtm.data.schema import assemble, exact_averages
from langevin_qtm.errors import NotConvergedError
from langevin_qtm.exact.lines import frequency_mesh
from langevin_qtm.exact.quadrature import MAX_NODES_PER_CALL, Layout, integrate
from langevin_qtm.physics import thermodynamics
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine

MAX_HARMONICS = 80
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
    UnstableMachineError
        When a Floquet multiplier is not inside the unit circle.
    NotConvergedError
        When quadrature or harmonics do not converge.

    References
    ----------
    Razzoli et al., Quantum Sci. Technol. 9, 045032 (2024); Koyuk, Seifert, PRL 122, 230601 (2019).
    """
    embedding = Embedding(machine)
    embedding.require_stable()
    rates = embedding.characteristic_rates()
    with threadpool_limits(1):  # matrices too small to share, and results that do not depend on threads
        harmonics, truncation = _enough_harmonics(machine, rates, tolerance)
        problem = _Harmonics(machine, harmonics)
        mesh = frequency_mesh(machine, rates, harmonics)
        result = integrate(problem.integrand, mesh, problem.layout.scale, tolerance)
    values, errors = problem.layout.unpack(result)
    scales = problem.layout.split(problem.layout.scale(result.value))
    errors = {name: errors[name] + truncation * scales[name] for name in errors}
    return _to_dataset(machine, embedding, values, errors, harmonics, phases)


def _enough_harmonics(machine: Machine, rates: ComplexArray, tolerance: float) -> tuple[int, float]:
    """Sidebands that suffice, and the error left, both from one node in each interval of the mesh."""
    harmonics, error = 2 * machine.order, np.inf
    mesh = frequency_mesh(machine, rates, harmonics)
    nodes, weights = 0.5 * (mesh[1:] + mesh[:-1]), np.diff(mesh)
    previous = None
    while error > tolerance:
        harmonics += machine.order
        if harmonics > MAX_HARMONICS * machine.order:
            raise NotConvergedError("Harmonics", error, tolerance, "loosen `tolerance` or raise `drive.frequency`")
        problem = _Harmonics(machine, harmonics)
        sums = np.concatenate([weights[part] @ problem.integrand(nodes[part]) for part in _parts(len(nodes))])
        sums = problem.layout.split(sums.reshape(-1, problem.layout.size).sum(axis=0))
        if previous is not None:
            error = max(_relative_change(previous[name], sums[name]) for name in _JUDGED)
        previous = sums
    return harmonics, error


_JUDGED = ("power", "heat", "cnumber", "covariance")


def _parts(nodes: int) -> list[slice]:
    return [slice(start, start + MAX_NODES_PER_CALL) for start in range(0, nodes, MAX_NODES_PER_CALL)]


def _relative_change(old: FloatArray, new: FloatArray) -> float:
    """Largest change relative to the largest entry; harmonics that `old` lacks count as zero."""
    padded = np.pad(old, [(0, b - a) for a, b in zip(old.shape, new.shape, strict=True)])
    return float(np.abs(new - padded).max() / max(np.abs(new).max(), 1e-290))


class _Harmonics:
    """Integrands of one machine with sidebands |n| <= harmonics."""

    def __init__(self, machine: Machine, harmonics: int):
        self.machine, self.harmonics = machine, harmonics
        self.count = 2 * harmonics + 1
        self.bodies = len(machine.omega)
        self.shifts = machine.angular_frequency * np.arange(-harmonics, harmonics + 1)
        contacts = machine.contacts
        self.coupling = np.array([self._toeplitz(contact.coefficients(contact.order)) for contact in contacts])
        orders = np.arange(-harmonics, harmonics + 1)
        rate = -1j * machine.angular_frequency * (orders[:, None] - orders[None, :])
        self.coupling_rate = self.coupling * rate  # (contact, oscillator, n, m): (ġ x)_n
        self.driven = [index for index, contact in enumerate(contacts) if contact.is_driven]
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
        groups = [("power", "heat", "heat_waves"), ("cnumber", "commutator"), ("covariance", "position_velocity")]
        self.layout = Layout(shapes, groups if self.diverging else [*groups, ("velocity",)])

    def _toeplitz(self, coefficients: ComplexArray) -> ComplexArray:
        """(oscillator, n, m) matrices of x_m -> (g x)_n."""
        order = (coefficients.shape[1] - 1) // 2
        padded = np.zeros((self.bodies, 2 * self.count - 1), dtype=complex)
        middle = self.count - 1
        reach = min(order, middle)
        padded[:, middle - reach : middle + reach + 1] = coefficients[:, order - reach : order + reach + 1]
        return np.array([toeplitz(row[middle:], row[middle::-1]) for row in padded])

    def responses(self, omega: FloatArray) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
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

    def integrand(self, omega: FloatArray) -> FloatArray:
        """All integrands on w >= 0, folded with w < 0, over 2π."""
        contacts = self.machine.contacts
        sidebands = omega[:, None] + self.shifts
        x, y, force = self.responses(omega)
        noise = np.array([contact.noise_power_spectrum(sidebands) for contact in contacts])
        loss = np.array([contact.spectral_density(sidebands) for contact in contacts])
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
        arrays["cnumber"], arrays["commutator"] = self._fluctuations(noise, loss, x, force)
        if not self.diverging:
            arrays["velocity"] = _mean(source, velocity[:, :, :, None], velocity[:, :, None, :])
        return self.layout.pack(len(omega), **arrays) / (2 * np.pi)

    def _waves(self, source: FloatArray, a: ComplexArray, b: ComplexArray) -> FloatArray:
        """Fourier coefficients k >= 0 of <a(t) b(t)>, folded: (node, re/im, k, …)."""
        waves = []
        for k in range(self.harmonics + 1):
            stop = self.count - k
            up = (a[..., k:] * b[..., :stop].conj()).sum(axis=-1)
            down = (a[..., :stop] * b[..., k:].conj()).sum(axis=-1)
            waves.append(np.einsum("bc,bc...->b...", source, up + down.conj()))
        stacked = np.stack(waves, axis=1)
        return np.stack([stacked.real, stacked.imag], axis=1)

    def _power(self, source: FloatArray, own_x: ComplexArray, own_force: ComplexArray) -> FloatArray:
        """-ġ_l <x_l F> summed over driven contacts: (node, re/im, k, oscillator)."""
        total = np.zeros((len(source), 2, self.harmonics + 1, self.bodies))
        for index in self.driven:
            moved = np.einsum("lnm,bclm->bcln", self.coupling_rate[index], own_x)
            total -= self._waves(source, moved, own_force[:, :, index, None, :])
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
        for (d, giver), (e, _) in pairs:
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
        """Whether the instantaneous heat current of a contact depends on the band."""
        contact = self.machine.contacts[index]
        return contact.is_driven and not contact.density.memory().size

    def _fluctuations(
        self, noise: FloatArray, loss: FloatArray, x: ComplexArray, force: ComplexArray
    ) -> tuple[FloatArray, FloatArray]:
        """c-number and commutator integrands of D for each oscillator and for their sum."""
        center = self.harmonics
        sources = range(len(self.machine.contacts))
        cnumber, commutator = np.zeros((2, len(x), self.bodies + 1))
        moved = [np.einsum("lnm,bclms->bclns", self.coupling_rate[e], x) for e in self.driven]
        for c, d in product(sources, repeat=2):
            amplitude = np.zeros((len(x), self.bodies + 1, self.count), dtype=complex)
            for e, shifted in zip(self.driven, moved, strict=True):
                struck = np.einsum("blj,bjn->bln", shifted[:, c, :, :, center], force[:, d, e].conj())
                echoed = np.einsum("bj,bljn->bln", force[:, c, e, :, center], shifted[:, d].conj())
                amplitude[:, :-1] -= struck + echoed
            amplitude[:, -1] = amplitude[:, :-1].sum(axis=1)
            strength = np.abs(amplitude) ** 2
            cnumber += (strength * (noise[c][:, center, None] * noise[d])[:, None, :]).sum(axis=2)
            commutator -= (strength * (loss[c][:, center, None] * loss[d])[:, None, :]).sum(axis=2)
        return cnumber, commutator


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
    for name, key in (("velocity_covariance", "velocity"), ("position_velocity_covariance", "position_velocity")):
        variables[name], variables[f"{name}_error"] = values.get(key, missing), errors.get(key, missing)
    if "velocity" not in values:
        undefined["velocity_covariance"] = UV_REASON
    phase = np.arange(phases) / phases
    local_power = _synthesize(values["power"], phase)
    covariance = _synthesize(values["covariance"], phase)
    heat = _synthesize(values["heat_waves"], phase) + values["heat"][:, None]
    for index, contact in enumerate(machine.contacts):
        if contact.is_driven and not contact.density.memory().size:
            heat[contact.reservoir] = np.nan
            undefined["heat_current_phase"] = UV_REASON
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

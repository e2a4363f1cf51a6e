"""Responses and integrands of the periodic steady state by dense inverses and array expressions.

The reference for the compiled kernels of `langevin_qtm.exact`: the same truncated equations, every source at
once, in plain numpy.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.linalg import toeplitz


class DenseResponses:
    """Responses to noise at every sideband |n| <= harmonics of one noise frequency."""

    def __init__(self, machine, harmonics):
        self.machine, self.harmonics = machine, harmonics
        self.count, self.bodies = 2 * harmonics + 1, len(machine.omega)
        orders = np.arange(-harmonics, harmonics + 1)
        self.shifts = machine.angular_frequency * orders
        reach = 2 * harmonics
        self.coupling = np.array(
            [[self._matrix(row, reach) for row in c.coefficients(reach)] for c in machine.contacts]
        )  # (contact, oscillator, n, m)
        self.coupling_rate = self.coupling * (self.shifts[:, None] - self.shifts[None, :]) * -1j
        self.driven = [index for index, contact in enumerate(machine.contacts) if contact.is_driven]

    @staticmethod
    def _matrix(series, reach):
        """Matrix of x_m -> (g x)_n."""
        return toeplitz(series[reach:], series[reach::-1])

    def solve(self, omega):
        """x (node, source, oscillator, n, m); y, force (node, source, contact, n, m); noise at sideband m."""
        sidebands = omega[:, None] + self.shifts
        contacts, bodies, count = self.machine.contacts, self.bodies, self.count
        gain = np.array([contact.density.response(sidebands) for contact in contacts])
        collect = self.coupling.transpose(0, 2, 1, 3).reshape(len(contacts), count, bodies * count)
        spread = self.coupling.reshape(len(contacts), bodies * count, count)
        matrix = np.zeros((len(omega), bodies * count, bodies * count), dtype=complex)
        diagonal = np.arange(bodies * count)
        stiffness = self.machine.omega[None, :, None] ** 2 - sidebands[:, None, :] ** 2
        matrix[:, diagonal, diagonal] = stiffness.reshape(len(omega), -1)
        for index in range(len(contacts)):
            matrix -= (spread[index] * gain[index][:, None, :]) @ collect[index]
        inverse = np.linalg.inv(matrix)
        x = np.stack([inverse @ block for block in spread], axis=1)
        y = np.stack([block @ x for block in collect], axis=2)
        force = y * gain.transpose(1, 0, 2)[:, None, :, :, None]
        for index in range(len(contacts)):
            force[:, index, index] += np.eye(count)
        return x.reshape(len(omega), len(contacts), bodies, count, count), y, force


def dense_integrands(machine, harmonics, omega):
    """Integrands of `periodic_steady_state` by name, over 2π, complex where they are Fourier coefficients."""
    responses = DenseResponses(machine, harmonics)
    sidebands = omega[:, None] + responses.shifts
    x, y, force = responses.solve(omega)
    noise = np.array([contact.noise_power_spectrum(sidebands) for contact in machine.contacts])
    loss = np.array([contact.spectral_density(sidebands) for contact in machine.contacts])
    source = noise[:, :, harmonics].T
    own_x, own_y, own_force = x[..., harmonics], y[..., harmonics], force[..., harmonics]
    velocity = -1j * sidebands[:, None, None, :] * own_x
    cnumber, commutator = _fluctuations(responses, noise, loss, x, force)
    values = {
        "power": _power(responses, source, own_x, own_force),
        "heat": _heat(responses, sidebands, noise, loss, own_y),
        "heat_waves": _heat_waves(responses, source, sidebands, own_y, own_force),
        "cnumber": cnumber,
        "commutator": commutator,
        "covariance": _waves(source, own_x[:, :, :, None], own_x[:, :, None, :]),
        "position_velocity": _waves(source, own_x[:, :, :, None], velocity[:, :, None, :])[:, 0].real,
        "velocity": _waves(source, velocity[:, :, :, None], velocity[:, :, None, :])[:, 0].real,
    }
    return {name: value / (2 * np.pi) for name, value in values.items()}


def _waves(source, a, b):
    """Fourier coefficients 0 <= k <= harmonics of <a(t) b(t)>, folded: (node, k, …)."""
    count, waves = a.shape[-1], []
    for k in range(count // 2 + 1):
        up = (a[..., k:] * b[..., : count - k].conj()).sum(axis=-1)
        down = (a[..., : count - k] * b[..., k:].conj()).sum(axis=-1)
        waves.append(np.einsum("bc,bc...->b...", source, up + down.conj()))
    return np.stack(waves, axis=1)


def _diverges(contact):
    return contact.is_driven and not contact.density.memory().size


def _power(responses, source, own_x, own_force):
    """-ġ_l <x_l F> summed over driven contacts: (node, k, oscillator)."""
    total = 0.0
    for index in responses.driven:
        moved = np.einsum("lnm,bclm->bcln", responses.coupling_rate[index], own_x)
        waves = _waves(source, moved, own_force[:, :, index, None, :])
        if _diverges(responses.machine.contacts[index]):
            waves[:, 1:] = 0.0
        total = total - waves
    return total


def _heat(responses, sidebands, noise, loss, own_y):
    """Exchange form of the heat currents: (node, reservoir)."""
    machine, center = responses.machine, responses.harmonics
    heat = np.zeros((len(sidebands), len(machine.reservoirs)))
    own = sidebands[:, center, None]
    for (d, giver), (e, taker) in product(enumerate(machine.contacts), repeat=2):
        given = noise[d][:, center, None] * loss[e] * np.abs(own_y[:, d, e]) ** 2
        if d == e:
            heat[:, giver.reservoir] += 2 * ((own - sidebands) * given).sum(axis=1)
        else:
            heat[:, giver.reservoir] += 2 * (own * given).sum(axis=1)
            heat[:, taker.reservoir] -= 2 * (sidebands * given).sum(axis=1)
    return heat


def _heat_waves(responses, source, sidebands, own_y, own_force):
    """Fourier coefficients k >= 1 of <ẏ F>: (node, k, reservoir)."""
    waves = _waves(source, -1j * sidebands[:, None, None, :] * own_y, own_force)
    total = np.zeros((*waves.shape[:2], len(responses.machine.reservoirs)), dtype=complex)
    for index, contact in enumerate(responses.machine.contacts):
        if not _diverges(contact):
            total[:, 1:, contact.reservoir] += waves[:, 1:, index]
    return total


def _fluctuations(responses, noise, loss, x, force):
    """Integrands of D, c-number and commutator part, from the responses to noise at every sideband."""
    center, bodies = responses.harmonics, responses.bodies
    cnumber, commutator = np.zeros((2, len(x), bodies + 1))
    moved = {e: np.einsum("lnm,bclms->bclns", responses.coupling_rate[e], x) for e in responses.driven}
    for c, d in product(range(len(noise)), repeat=2):
        amplitude = np.zeros((len(x), bodies + 1, responses.count), dtype=complex)
        for e, shifted in moved.items():
            struck = np.einsum("blj,bjn->bln", shifted[:, c, :, :, center], force[:, d, e].conj())
            echoed = np.einsum("bj,bljn->bln", force[:, c, e, :, center], shifted[:, d].conj())
            amplitude[:, :-1] -= struck + echoed
        amplitude[:, -1] = amplitude[:, :-1].sum(axis=1)
        strength = np.abs(amplitude) ** 2
        cnumber += (strength * (noise[c][:, center, None] * noise[d])[:, None, :]).sum(axis=2)
        commutator -= (strength * (loss[c][:, center, None] * loss[d])[:, None, :]).sum(axis=2)
    return cnumber, commutator

"""A machine as an ordinary differential equation in time, written from its Hamiltonian and nothing else.

Shares no code with the package: memory enters through filtered *positions* q (the package carries the force),

    Drude        q̇ = -w_c q + γ w_c² y + √γ w_c u,          F = q - γ w_c y
    Lorentzian   q̈ = -γ q̇ - w_1² q + d y + √(dγ) u,         F = q - (d/w_1²) y
    Ohmic        F = √γ u - γ ẏ

with y = Σ_l g_l x_l and u white of power spectrum 2T in the classical limit. State: x, v, then q of each
contact.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp


class TimeDomain:
    """Linear periodic system of a machine; contacts follow reservoirs, copies follow oscillators."""

    def __init__(self, machine):
        self.omega = np.array(list(machine.frequencies.values()))
        self.drive_frequency = machine.angular_frequency
        self.period = 2 * np.pi / self.drive_frequency
        self.bodies = len(self.omega)
        self.contacts, self.starts, size = [], [], 2 * self.bodies
        for reservoir in machine.reservoirs:
            series = [self._series(reservoir, name) for name in machine.frequencies]
            alone = [{l: terms} for l, terms in enumerate(series)]
            joint = [dict(enumerate(series))]
            for couplings in alone if machine.wiring == "independent" else joint:
                if any(couplings.values()):
                    self.contacts.append((reservoir.spectral_density, couplings, reservoir.temperature))
                    self.starts.append(size)
                    size += {"ohmic": 0, "drude": 1, "lorentzian": 2}[reservoir.spectral_density.kind]
        self.size = size

    @staticmethod
    def _series(reservoir, name):
        if reservoir.coupling is None:
            return ((0, 1.0, 0.0),)
        drive = reservoir.coupling.get(name)
        return () if drive is None else drive.harmonics

    def couplings(self, contact, t):
        """g_l(t) and ġ_l(t) of a contact."""
        g, rate = np.zeros((2, self.bodies))
        for l, terms in self.contacts[contact][1].items():
            for n, re, im in terms:
                turn = n * self.drive_frequency
                wave = (2 if n else 1) * (re + 1j * im) * np.exp(-1j * turn * t)
                g[l] += wave.real
                rate[l] += (-1j * turn * wave).real
        return g, rate

    def y_row(self, contact, t):
        """Row of y on the state."""
        row = np.zeros(self.size)
        row[: self.bodies] = self.couplings(contact, t)[0]
        return row

    def y_rate_row(self, contact, t):
        """Row of ẏ on the state."""
        row = np.zeros(self.size)
        row[self.bodies : 2 * self.bodies], row[: self.bodies] = self.couplings(contact, t)
        return row

    def force_row(self, contact, t):
        """Row of F on the state, the white part of an Ohmic reservoir left out."""
        density, start = self.contacts[contact][0], self.starts[contact]
        if density.kind == "ohmic":
            return -density.gamma * self.y_rate_row(contact, t)
        slip = (
            density.gamma * density.cutoff
            if density.kind == "drude"
            else density.strength / density.frequency**2
        )
        row = -slip * self.y_row(contact, t)
        row[start] += 1.0
        return row

    def generator(self, t):
        """Matrix of ż = G(t) z."""
        n = self.bodies
        matrix = np.zeros((self.size, self.size))
        matrix[:n, n : 2 * n] = np.eye(n)
        matrix[n : 2 * n, :n] = -np.diag(self.omega**2)
        for index, ((density, _, _), q) in enumerate(zip(self.contacts, self.starts, strict=True)):
            matrix[n : 2 * n] += np.outer(self.couplings(index, t)[0], self.force_row(index, t))
            y = self.y_row(index, t)
            if density.kind == "drude":
                matrix[q] += density.gamma * density.cutoff**2 * y
                matrix[q, q] -= density.cutoff
            elif density.kind == "lorentzian":
                matrix[q, q + 1] = 1.0
                matrix[q + 1] += density.strength * y
                matrix[q + 1, q] -= density.frequency**2
                matrix[q + 1, q + 1] -= density.gamma
        return matrix

    def noise_gain(self, contact, t):
        """Vector of u on the state."""
        density, q = self.contacts[contact][0], self.starts[contact]
        gain = np.zeros(self.size)
        if density.kind == "ohmic":
            gain[self.bodies : 2 * self.bodies] = np.sqrt(density.gamma) * self.couplings(contact, t)[0]
        elif density.kind == "drude":
            gain[q] = np.sqrt(density.gamma) * density.cutoff
        else:
            gain[q + 1] = np.sqrt(density.strength * density.gamma)
        return gain

    def propagators(self, times, rtol=1e-12):
        """Φ(t, 0) at the given times, dims (time, state, state)."""
        solution = solve_ivp(
            lambda t, z: (self.generator(t) @ z.reshape(self.size, self.size)).ravel(),
            (0.0, times[-1]),
            np.eye(self.size).ravel(),
            method="DOP853",
            t_eval=times,
            rtol=rtol,
            atol=1e-14,
        )
        return solution.y.T.reshape(-1, self.size, self.size)

    def sidebands(self, omegas, orders, points=64):
        """Amplitudes of x_l, y_d and F_d at omega + nΩ for noise ξ_c = e^{-i omega t} of each contact c.

        From the solution that obeys z(t + 𝒯) = e^{-i omega 𝒯} z(t), integrated over one period.
        Returns arrays (omega, source, oscillator, n), (omega, source, contact, n) and the same for F.
        """
        omegas, pairs = np.asarray(omegas, dtype=float), range(len(self.contacts))
        sources = len(pairs)

        def struck(t, flat):
            z = flat.reshape(self.size, sources, len(omegas))
            rate = np.tensordot(self.generator(t), z, axes=1)
            push = np.array([self.couplings(c, t)[0] for c in pairs])
            rate[self.bodies : 2 * self.bodies] += push.T[:, :, None] * np.exp(-1j * omegas * t)
            return rate.ravel()

        times = self.period * np.arange(points + 1) / points
        start = np.zeros(self.size * sources * len(omegas), dtype=complex)
        forced = solve_ivp(
            struck, (0, self.period), start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-13
        ).y.T.reshape(points + 1, self.size, sources, len(omegas))
        free = self.propagators(times)
        results = []
        for k, omega in enumerate(omegas):
            turn = np.exp(-1j * omega * self.period) * np.eye(self.size)
            begin = np.linalg.solve(turn - free[-1], forced[-1, :, :, k])
            z = (free @ begin + forced[..., k])[:-1]  # (time, state, source)
            y = np.array([[self.y_row(d, t) @ z[i] for d in pairs] for i, t in enumerate(times[:-1])])
            force = np.array([[self.force_row(d, t) @ z[i] for d in pairs] for i, t in enumerate(times[:-1])])
            force += np.exp(-1j * omega * times[:-1])[:, None, None] * np.eye(sources)
            waves = (
                np.exp(1j * np.outer(times[:-1], omega + self.drive_frequency * np.asarray(orders))) / points
            )
            results.append([np.einsum("tas,tn->san", a, waves) for a in (z[:, : self.bodies], y, force)])
        return [np.array(kind) for kind in zip(*results, strict=True)]


class ClassicalMoments:
    """Periodic covariance of the classical limit, S = 2T J/w, from the moment equations; no Ohmic reservoirs.

    Attributes
    ----------
    times : (phase,) array
    covariance : (phase, state, state) array
    """

    def __init__(self, machine, phases=64):
        self.system = system = TimeDomain(machine)
        n, self.phases = system.size, phases
        self.times = system.period * np.arange(phases) / phases
        grid = np.append(self.times, system.period)
        self.propagators = system.propagators(grid)
        source = solve_ivp(
            self._rate,
            (0.0, system.period),
            np.zeros(n * n),
            method="DOP853",
            t_eval=grid,
            rtol=1e-12,
            atol=1e-13,
        ).y.T.reshape(-1, n, n)
        period_map = self.propagators[-1]
        whole = np.eye(n * n) - np.kron(period_map, period_map)
        start = np.linalg.solve(whole, source[-1].ravel()).reshape(n, n)
        phi = self.propagators
        self.covariance = (phi @ start @ phi.transpose(0, 2, 1) + source)[:-1]

    def _rate(self, t, flat):
        system = self.system
        covariance = flat.reshape(system.size, system.size)
        drift = system.generator(t) @ covariance
        rate = drift + drift.T
        for index, (_, _, temperature) in enumerate(system.contacts):
            gain = system.noise_gain(index, t)
            rate += 2 * temperature * np.outer(gain, gain)
        return rate.ravel()

    def mean(self, left, right):
        """<a b> at every phase for rows a(t) and b(t) on the state."""
        pairs = zip(self.times, self.covariance, strict=True)
        return np.array([left(t) @ covariance @ right(t) for t, covariance in pairs])

    def positions(self):
        """<x_l x_l'>, dims (phase, l, l')."""
        return self.covariance[:, : self.system.bodies, : self.system.bodies]

    def moved(self, contact, body):
        """Row function of ġ_l x_l."""

        def row(t):
            out = np.zeros(self.system.size)
            out[body] = self.system.couplings(contact, t)[1][body]
            return out

        return row

    def local_power(self):
        """-Σ ġ_l <x_l F>, dims (oscillator, phase)."""
        contacts = range(len(self.system.contacts))
        return np.array(
            [
                -sum(
                    self.mean(self.moved(c, l), lambda t, c=c: self.system.force_row(c, t)) for c in contacts
                )
                for l in range(self.system.bodies)
            ]
        )

    def heat_current(self):
        """<ẏ F> of each contact, dims (contact, phase)."""
        return np.array(
            [
                self.mean(
                    lambda t, c=c: self.system.y_rate_row(c, t), lambda t, c=c: self.system.force_row(c, t)
                )
                for c in range(len(self.system.contacts))
            ]
        )

    def fluctuations(self, periods):
        """D of each local power and, last, of the total, from the two-time correlations of O = -ġ x F.

        By Wick's theorem cov(O(t), O(s)) = 2 tr(M(t) C M(s) Cᵀ) with O = zᵀ M z and C = <z(t) z(s)>;
        Simpson's rule over the delay, up to the given number of periods.
        """
        system, n, step = self.system, self.system.size, self.times[1]
        links = np.array([self._link(t, step) for t in self.times])
        weights = np.zeros((system.bodies + 1, self.phases, n, n))
        for l in range(system.bodies):
            for contact in range(len(system.contacts)):
                moved, force = self.moved(contact, l), lambda t, c=contact: system.force_row(c, t)
                outer = np.array([-np.outer(moved(t), force(t)) for t in self.times])
                weights[l] += (outer + outer.transpose(0, 2, 1)) / 2
        weights[-1] = weights[:-1].sum(axis=0)
        correlation, phase = self.covariance.copy(), np.arange(self.phases)
        count = periods * self.phases
        total = np.zeros(system.bodies + 1)
        for delay in range(count + 1):
            now = (phase + delay) % self.phases
            simpson = 1 if delay in (0, count) else 4 if delay % 2 else 2
            pair = np.einsum(
                "oqab,qbc,oqcd,qad->o", weights[:, now], correlation, weights[:, phase], correlation
            )
            total += simpson * 2 * pair / self.phases
            correlation = links[now] @ correlation
        return 2 * total * step / 3

    def _link(self, start, span):
        """Φ(start + span, start)."""
        n = self.system.size
        return (
            solve_ivp(
                lambda t, z: (self.system.generator(t) @ z.reshape(n, n)).ravel(),
                (start, start + span),
                np.eye(n).ravel(),
                method="DOP853",
                rtol=1e-11,
                atol=1e-13,
            )
            .y[:, -1]
            .reshape(n, n)
        )

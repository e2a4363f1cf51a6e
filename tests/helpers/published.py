"""The published second-order formulas in plain form, integrated blindly by scipy between known lines.

Shares no code with the package: parameters are read from the machine, the rest is written out.
"""

from __future__ import annotations

import numpy as np
from helpers.time_domain import TimeDomain
from scipy.integrate import quad_vec


def loss(density, w):
    """J(w)."""
    if density.kind == "ohmic":
        return density.gamma * w
    if density.kind == "drude":
        return density.gamma * w / (1 + w**2 / density.cutoff**2)
    broad = (w**2 - density.frequency**2) ** 2 + density.gamma**2 * w**2
    return density.strength * density.gamma * w / broad


def kernel(density, w):
    """K(w), counterterm included."""
    if density.kind == "ohmic":
        return 1j * w * density.gamma
    if density.kind == "drude":
        return 1j * w * density.gamma / (1 - 1j * w / density.cutoff)
    d, w1 = density.strength, density.frequency
    return d * (1 / (w1**2 - w**2 - 1j * w * density.gamma) - 1 / w1**2)


def coth(w, temperature):
    """coth(w/2T); the sign of w at T = 0."""
    return np.sign(w) if temperature == 0 else 1 / np.tanh(w / (2 * temperature))


def susceptibility(omega, contacts, w):
    """χ(w) of oscillators with static contacts (density, couplings g)."""
    inverse = np.diag(omega**2 - w**2).astype(complex)
    for density, g in contacts:
        inverse -= kernel(density, w) * np.outer(g, g)
    return np.linalg.inv(inverse)


def static_contacts(machine):
    """(density, g, T) of every contact of an undriven machine."""
    system = TimeDomain(machine)
    return [(d, system.couplings(c, 0.0)[0], T) for c, (d, _, T) in enumerate(system.contacts)]


def line_points(machine, shifts=(0.0,)):
    """Where integrands of an undriven machine, shifted, have lines and kinks; both signs."""
    rates, points = np.linalg.eigvals(TimeDomain(machine).generator(0.0)), set()
    for shift in shifts:
        points.add(-shift)
        for rate in rates:
            for reach in (0.0, 1.0, 10.0, 100.0):
                for center in (rate.imag, -rate.imag):
                    points |= {center - shift + side * reach * abs(rate.real) for side in (-1, 1)}
    return sorted(points)


def whole_line(function, points):
    """∫ dw function(w) over both signs."""
    return quad_vec(function, -np.inf, np.inf, points=points, epsabs=1e-14, epsrel=1e-10, limit=20000)[0]


def equilibrium(machine):
    """<x x'> and <v v'> at one temperature: ∫ dw/2π coth(w/2T) χ'', and with w²; dims (2, l, l')."""
    contacts, omega = static_contacts(machine), np.array(list(machine.frequencies.values()))
    pairs, temperature = [(d, g) for d, g, _ in contacts], contacts[0][2]

    def integrand(w):
        line = coth(w, temperature) * susceptibility(omega, pairs, w).imag / (2 * np.pi)
        return np.array([line, w**2 * line])

    return whole_line(integrand, line_points(machine))


def landauer(machine):
    """Heat out of each reservoir of an undriven machine, ∫dw/2π w J_c J_d |g_c χ g_d|² (coth_c - coth_d)."""
    contacts, omega = static_contacts(machine), np.array(list(machine.frequencies.values()))
    pairs = [(d, g) for d, g, _ in contacts]

    def integrand(w):
        chi, heat = susceptibility(omega, pairs, w), np.zeros(len(contacts))
        for c, (density, g, temperature) in enumerate(contacts):
            for other, h, cold in contacts:
                passage = loss(density, w) * loss(other, w) * abs(g @ chi @ h) ** 2
                heat[c] += w * passage * (coth(w, temperature) - coth(w, cold)) / (2 * np.pi)
        return heat

    return whole_line(integrand, line_points(machine))


class Published:
    """Integrals of a machine whose driven reservoirs are weak.

    Attributes
    ----------
    local_power, d_quantum, d_cnumber : (oscillator,) arrays
    heat_into_medium : float
        J_1 + P of each driven reservoir.
    total_quantum, total_cnumber : float
        D of the total power.
    covariance : (oscillator, oscillator) array
    """

    def __init__(self, machine):
        self.omega, self.size = np.array(list(machine.frequencies.values())), len(machine.frequencies)
        self.base = machine.drive_frequency
        copies = TimeDomain(machine).contacts
        self.driven, self.static = [], []
        for density, couplings, temperature in copies:
            harmonics = {}
            for l in range(self.size):
                for n, re, im in couplings.get(l, ()):
                    harmonics.setdefault(n, np.zeros(self.size, complex))[l] = re + 1j * im
                    if n:
                        harmonics.setdefault(-n, np.zeros(self.size, complex))[l] = re - 1j * im
            moving = any(n for n, g in harmonics.items() if np.any(g))
            (self.driven if moving else self.static).append((density, harmonics, temperature))
        self.isothermal = len({temperature for _, _, temperature in self.static}) == 1
        orders = {n for _, harmonics, _ in self.driven for n in harmonics} | {0}
        points = line_points(machine.undriven(), [n * self.base for n in orders])
        total = quad_vec(
            self.integrand, -np.inf, np.inf, points=points, epsabs=1e-14, epsrel=1e-9, limit=20000
        )[0]
        parts = np.split(total.real, np.cumsum([self.size, len(self.driven), self.size, self.size, 1, 1]))
        self.local_power, self.heat_into_medium, self.d_quantum, self.d_cnumber = parts[:4]
        self.total_quantum, self.total_cnumber = parts[4][0], parts[5][0]
        self.covariance = parts[6].reshape(self.size, self.size)

    def susceptibility(self, w):
        """χ(w), damped by the static reservoirs."""
        return susceptibility(self.omega, [(d, g[0].real) for d, g, _ in self.static], w)

    def position_noise(self, w, chi):
        """Sx(w) = χ S_2 g gᵀ χ†, which is coth(w/2T_2) χ'' at one temperature."""
        if self.isothermal:
            return coth(w, self.static[0][2]) * chi.imag
        noise = np.zeros_like(chi)
        for density, harmonics, temperature in self.static:
            reach = chi @ harmonics[0]
            noise += loss(density, w) * coth(w, temperature) * np.outer(reach, reach.conj())
        return noise

    def integrand(self, w):
        """Everything at one frequency, over 2π; w runs over both signs."""
        size, chi = self.size, self.susceptibility(w)
        sx = self.position_noise(w, chi)
        power, into = np.zeros(size, complex), np.zeros(len(self.driven), complex)
        quantum, cnumber = np.zeros((2, size, size), complex)
        for which, (density, harmonics, temperature) in enumerate(self.driven):
            noise = loss(density, w) * coth(w, temperature)
            for n, g in harmonics.items():
                step, up = n * self.base, w + n * self.base
                chi_up, kernel_up = self.susceptibility(up).conj(), np.conj(kernel(density, up))
                loss_up = loss(density, up)
                hot = coth(up, temperature) * loss_up
                for l in range(size):
                    for k in range(size):
                        pair = g[l] * np.conj(g[k])
                        power[l] += 1j * step * pair * (noise * chi_up[l, k] + sx[l, k] * kernel_up)
                        into[which] += pair * (1j * up * noise * chi_up[l, k] - 1j * w * sx[l, k] * kernel_up)
                        quantum[l, k] += step**2 * pair * (hot * sx[l, k] - loss_up * chi[l, k].imag)
                        cnumber[l, k] += step**2 * pair * hot * sx[l, k]
        totals = [quantum.sum().real, cnumber.sum().real]
        local = [np.diag(quantum).real, np.diag(cnumber).real]
        return np.concatenate([power.real, into.real, *local, totals, sx.real.ravel()]) / (2 * np.pi)

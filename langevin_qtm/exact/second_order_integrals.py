"""The integrals of second order in closed form, for stacks of machines and of drive frequencies.

For each driven reservoir, with β_m, φ_m, c_m, f of `PartialFractions`, a_p = α_p + inΩ, b_m = β_m +
inΩ, Ŝ the half spectrum of its noise, Ĉ⁽ʲ⁾ that of x⁽ʲ⁾ and x, <…> equal-time values:

    I  = ∫dw/2π S(w) χ*(w_n)        = Σ_p R_p Ŝ(a_p)
    I' = ∫dw/2π w_n S(w) χ*(w_n)    = Σ_p iα_p R_p Ŝ(a_p)
    E  = ∫dw/2π Sx(w) K*(w_n)       = Σ_m c_m [Ĉ⁽¹⁾ - inΩ Ĉ](b_m) + f (<x⁽¹⁾x> - inΩ <xx>)
    E' = ∫dw/2π w Sx(w) K*(w_n)     = i Σ_m c_m [Ĉ⁽²⁾ - inΩ Ĉ⁽¹⁾](b_m) + i f (<x⁽²⁾x> - inΩ <x⁽¹⁾x>)

    P_l = Re Σ_l'n inΩ g_ln g*_l'n (I + E)_ll',     J + P = Re Σ_ll'n g_ln g*_l'n (iI' - iE')_ll'.

Fluctuations need, for each static reservoir r, with A_r = J_r part of χ'',

    F_r = ∫dw/2π J(w_n) Sx_r(w) = -(E_r - E_r†)/2i,
    H_r = ∫dw/2π S(w_n) A_r(w)  = U + U†,   U = -i Σ_p α_p A_rp Ŝ(a_p),
    M_r = ∫dw/2π J(w_n) A_r(w)  = Z + Z†,   Z = ½ Σ_p α_p A_rp K(a_p),

and the product of two thermal factors. At one temperature coth a coth b - 1 = coth(a - b) (coth b -
coth a) gives

    ∫dw/2π [S(w_n) Sx_r(w) - J(w_n) A_r(w)] = coth(nΩ/2T)(F_r - H_r);

at two, S is taken at the temperature of r, and what is left of it goes through the last formula of
`thermal_halves`. Orders n and -n are complex conjugates: n >= 0 are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.exact.partial_fractions import DrivenReservoir, PartialFractions
from langevin_qtm.exact.thermal_halves import (
    difference_quotient,
    frequency_rule,
    half_kernels,
    matsubara_rule,
    tail_of_thermal_factor,
    thermal_half,
)
from langevin_qtm.physics.conventions import ComplexArray, FloatArray

ELEMENTS = 2_000_000  # of the largest intermediate array of a sum over Matsubara frequencies


@dataclass(frozen=True)
class Terms:
    """A sum, and the sum of the magnitudes of its terms, which rounding errors are proportional to."""

    value: NDArray[Any]
    size: NDArray[Any]

    def __add__(self, other: Terms) -> Terms:
        return Terms(self.value + other.value, self.size + other.size)

    def __sub__(self, other: Terms) -> Terms:
        return Terms(self.value - other.value, self.size + other.size)

    def times(self, factor: ComplexArray | FloatArray | complex) -> Terms:
        return Terms(self.value * factor, self.size * np.abs(factor))

    def sum(self, axis: int | tuple[int, ...]) -> Terms:
        return Terms(self.value.sum(axis=axis), self.size.sum(axis=axis))

    @property
    def adjoint(self) -> Terms:
        """Conjugate transpose of the last two dims."""
        return Terms(self.value.conj().swapaxes(-1, -2), self.size.swapaxes(-1, -2))

    @property
    def real(self) -> Terms:
        return Terms(self.value.real, self.size)


def simple(value: ComplexArray) -> Terms:
    """A single term."""
    return Terms(value, np.abs(value))


def kernels(a: ComplexArray, rates: ComplexArray, temperature: FloatArray) -> tuple[Terms, Terms]:
    """`half_kernels` with the sizes of their terms."""
    forward, backward, forward_size, backward_size = half_kernels(a, rates, temperature)
    return Terms(forward, forward_size), Terms(backward, backward_size)


def over_poles(weights: ComplexArray, values: Terms) -> Terms:
    """Σ_p of weights (machine, p, oscillator, oscillator) and values (machine, frequency, harmonic, p)."""
    return Terms(_contract(weights, values.value), _contract(np.abs(weights), values.size))


def _contract(weights, values):
    machines, poles, bodies, _ = weights.shape
    flat = values.reshape(machines, -1, poles) @ weights.reshape(machines, poles, -1)
    return flat.reshape(*values.shape[:-1], bodies, bodies)


def noise_half(
    driven: DrivenReservoir, a: ComplexArray, temperature: FloatArray, machine: slice | NDArray = slice(None)
) -> Terms:
    """Ŝ(a) of a driven reservoir as if at `temperature` (first dim of a); that dim runs over `machine`."""

    def spread(values):
        return values.reshape(len(a), *(a.ndim - 1) * [1], *values.shape[1:])

    kelvin = spread(temperature)
    forward, backward = kernels(a, spread(driven.rates[machine]), kelvin)
    half = (forward + backward).times(spread(driven.noise[machine])).sum(-1)
    if np.any(driven.friction):
        half = half + simple(thermal_half(a, kelvin)).times(spread(driven.friction[machine]))
    return half


class SecondOrderIntegrals:
    """All integrals of a stack of machines.

    Parameters
    ----------
    fractions : PartialFractions
    base : (machine, frequency) array
        Drive frequencies Ω.
    fluctuations : bool
        Whether `quantum` and `commutator` are wanted, which cost most at two temperatures.

    Attributes
    ----------
    power : Terms (machine, frequency, reservoir, oscillator)
        P_l through the couplings to each driven reservoir.
    into_medium : Terms (machine, frequency, reservoir)
        J + P of each driven reservoir.
    quantum, commutator : Terms (machine, frequency, oscillator, oscillator)
        D_ll', and the commutator part of it.
    covariance : Terms (machine, 1, oscillator, oscillator)
    """

    def __init__(self, fractions: PartialFractions, base: FloatArray, fluctuations: bool = True):
        self.fractions, self.base, self.fluctuations = fractions, base, fluctuations
        reservoirs = len(fractions.static) + len(fractions.driven)
        shape, bodies = base.shape, fractions.response.shape[-1]
        self.power = _zeros(*shape, reservoirs, bodies)
        self.into_medium = _zeros(*shape, reservoirs)
        self.quantum = _zeros(*shape, bodies, bodies)
        self.commutator = _zeros(*shape, bodies, bodies)
        self.covariances = [self._covariance(r) for r in range(len(fractions.static))]
        self.covariance = _zeros(len(base), 1, bodies, bodies)
        for part in self.covariances:
            self.covariance = self.covariance + part.sum(axis=2).real
        for driven in fractions.driven:
            if len(driven.harmonics):
                self._add(driven)

    def _covariance(self, r: int) -> Terms:
        """<x x'> of static reservoir r: Σ_p (A_rp + A_rpᵀ) λ_r(α_p)."""
        halves = thermal_half(self.fractions.rates, self.fractions.temperatures[:, r, None])
        half = over_poles(self.fractions.spectra[:, r], simple(halves[:, None, None]))
        return half + half.adjoint

    def _add(self, driven: DrivenReservoir) -> None:
        """What one driven reservoir contributes."""
        fractions, rates = self.fractions, self.fractions.rates[:, None, None]
        shift = self.base[:, :, None] * driven.harmonics
        points = rates + 1j * shift[..., None]
        noise = noise_half(driven, points, driven.temperature)
        flow = over_poles(fractions.response, noise)
        heat = over_poles(fractions.response, noise.times(1j * rates))
        for r in range(len(fractions.static)):
            echo, echo_heat, constant = self._echo(driven, shift, r)
            flow = flow + echo + self.covariances[r].times(constant[..., None, None])
            heat = heat - echo_heat
            if not self.fluctuations:
                continue
            quantum, commutator = self._fluctuation(driven, shift, points, noise, echo, r)
            # both signs of n
            weight = 2 * (shift**2)[..., None, None] * driven.pairs[:, None]
            self.quantum = self.quantum + quantum.times(weight).real.sum(axis=2)
            self.commutator = self.commutator - commutator.times(weight).real.sum(axis=2)
        both = np.where(driven.harmonics > 0, 2.0, 1.0)[:, None, None] * driven.pairs[:, None]
        power = flow.times(1j * shift[..., None, None] * both).real.sum(axis=(2, 4))
        into = heat.times(1j * both).real.sum(axis=(2, 3, 4))
        for total, part in ((self.power, power), (self.into_medium, into)):
            total.value[:, :, driven.reservoir] += part.value
            total.size[:, :, driven.reservoir] += part.size

    def _echo(self, driven: DrivenReservoir, shift: FloatArray, r: int) -> tuple[Terms, Terms, FloatArray]:
        """E without k<xx>, and E', of one static reservoir; and k, (machine, frequency, harmonic).

        [Ĉ⁽¹⁾ - inΩ Ĉ](b_m) = β_m Ĉ(b_m) - <xx>, whose last term is Hermitian and drops out of F_r, but would
        drown it where nΩ is beyond β_m. Where it is below, the left side is the better one.
        """
        rates, temperature = self.fractions.rates, self.fractions.temperatures[:, r]
        spectra, alpha = self.fractions.spectra[:, r], rates[:, None, None]
        outward, inward = -(alpha + 1j * shift[..., None]), alpha - 1j * shift[..., None]
        friction = simple(
            (driven.friction[:, None] * thermal_half(rates, temperature[:, None]))[:, None, None]
        )
        heat_forward, heat_backward = friction.times(outward), friction.times(inward)
        forward, backward, constant = heat_forward, heat_backward, np.zeros(shift.shape)
        if driven.rates.size:
            beta, memory = (x[:, None, None, :, None] for x in (driven.rates, driven.memory))
            points = driven.rates[:, None, None] + 1j * shift[..., None]
            parts = kernels(points, rates[:, None, None, None], temperature[:, None, None, None])
            far = shift[..., None, None] > np.abs(beta)
            sums, beyond, within = (
                [part.times(memory * factor).sum(3) for part in parts] for factor in (1, far * beta, ~far)
            )
            forward = forward + within[0].times(outward) + beyond[0]
            backward = backward + within[1].times(inward) + beyond[1]
            heat_forward = heat_forward + sums[0].times(outward)
            heat_backward = heat_backward + sums[1].times(inward)
            constant = -(memory * far).sum(axis=(3, 4)).real
        mirrored = spectra.swapaxes(-1, -2)
        echo = over_poles(spectra, forward) + over_poles(mirrored, backward)
        heat = over_poles(spectra, heat_forward.times(-alpha)) + over_poles(
            mirrored, heat_backward.times(alpha)
        )
        return echo, heat.times(1j), constant

    def _fluctuation(self, driven, shift, points, noise, echo, r) -> tuple[Terms, Terms]:
        """∫dw/2π [S(w_n) Sx_r(w) - J(w_n) A_r(w)], and its last term without the sign."""
        rates, spectra = self.fractions.rates[:, None, None], self.fractions.spectra[:, r]
        response = driven.friction[:, None, None, None] + (
            driven.memory[:, None, None, None] / (points[..., None] + driven.rates[:, None, None, None])
        ).sum(axis=-1)
        lost = over_poles(spectra, simple(-0.5 * rates * points * response))
        commutator = lost + lost.adjoint
        temperature = self.fractions.temperatures[:, r]
        unequal = np.flatnonzero(temperature != driven.temperature)
        reference = Terms(noise.value.copy(), noise.size.copy())  # at the temperature of r
        if len(unequal):
            own = noise_half(driven, points[unequal], temperature[unequal], unequal)
            reference.value[unequal], reference.size[unequal] = own.value, own.size
        excess = noise - reference
        struck = over_poles(spectra, reference.times(-1j * rates))
        difference = (echo - echo.adjoint).times(0.5j) - struck - struck.adjoint
        quantum = difference.times(_coth(shift, temperature)[..., None, None])
        for chosen in (unequal[temperature[unequal] > 0], unequal[temperature[unequal] == 0]):
            if len(chosen):
                more = self._product(driven, shift, excess, r, chosen)
                quantum.value[chosen] += more.value
                quantum.size[chosen] += more.size
        return quantum, commutator

    def _product(self, driven, shift, excess, r, machines) -> Terms:
        """∫dw/2π [S(w_n) - S_r(w_n)] Sx_r(w), S_r at the temperature of r, for some of the machines."""
        rates, temperature = self.fractions.rates[machines], self.fractions.temperatures[machines, r]
        reach = np.abs(rates).max(axis=1)
        if temperature[0] > 0:
            rule = matsubara_rule(float((reach / (2 * np.pi * temperature)).max()))
        else:
            rule = frequency_rule(float(reach.max()))
        step = max(1, ELEMENTS // (shift[0].size * len(rule[0]) * rates.shape[1]))
        forward, backward = [], []
        for start in range(0, len(machines), step):
            part = slice(start, start + step)
            chosen = machines[part]
            sums = _two_temperatures(
                driven, chosen, shift[chosen], excess.value[chosen], rates[part], temperature[part], rule
            )
            forward.append(sums[0])
            backward.append(sums[1])
        kept = excess.value[machines] * tail_of_thermal_factor(rates, temperature, rule[3])[:, None, None]
        spectra = self.fractions.spectra[machines, r]
        half = over_poles(spectra, simple(np.concatenate(forward) + kept))
        half = half + over_poles(spectra.swapaxes(-1, -2), simple(np.concatenate(backward)))
        # G enters linearly, and is itself a difference
        terms, left = excess.size[machines].max(axis=-1), np.abs(excess.value[machines]).max(axis=-1)
        lost = terms / np.where(left > 0, left, terms)
        half = Terms(half.value, half.size * lost[..., None, None])
        return half + half.adjoint


def _two_temperatures(driven, machines, shift, excess, rates, temperature, rule):
    """Sums over ν_k that multiply A_p and A_pᵀ, dims (machine, frequency, harmonic, p)."""
    nodes, weights, inner, _ = rule
    scale = 2 * np.pi * np.where(temperature > 0, temperature, 0.5 / np.pi)[:, None]
    nu = (scale * nodes)[:, None, None, :, None].astype(complex)
    measure = (scale * weights / np.pi)[:, None, None, :, None]
    alpha, at_rates = rates[:, None, None, None], excess[:, :, :, None]

    def excess_at(a, machine, own):
        hot = noise_half(driven, a, driven.temperature[machine], machine)
        return (hot - noise_half(driven, a, own, machine)).value

    def again(z, index):
        which, frequency, harmonic = index[:3]
        a = z + 1j * shift[which, frequency, harmonic][:, None]
        return excess_at(a, machines[which], temperature[which])

    at_nodes = excess_at(nu[..., 0] + 1j * shift[..., None], machines, temperature)[..., None]
    low, high = nu[:, :, :, :inner], nu[:, :, :, inner:]
    low_nodes, high_nodes = at_nodes[..., :inner, :], at_nodes[..., inner:, :]
    joined = difference_quotient(again, low, alpha, low_nodes, at_rates) + at_rates / (low + alpha)
    forward = (measure[..., :inner, :] * alpha * joined).sum(axis=3)
    backward = (measure[..., :inner, :] * alpha * low_nodes / (low + alpha)).sum(axis=3)
    far = measure[..., inner:, :] * alpha * high_nodes
    return forward + (far / (high - alpha)).sum(axis=3), backward + (far / (high + alpha)).sum(axis=3)


def _coth(shift: FloatArray, temperature: FloatArray) -> FloatArray:
    """coth(nΩ/2T); 0 at n = 0, which has no weight."""
    kelvin = temperature[:, None, None]
    argument = shift / (2 * np.where(kelvin > 0, kelvin, 1.0))
    hot = 1 / np.tanh(np.where(shift > 0, argument, 1.0))
    return np.where(shift > 0, np.where(kelvin > 0, hot, 1.0), 0.0)


def _zeros(*shape: int) -> Terms:
    return Terms(np.zeros(shape), np.zeros(shape))

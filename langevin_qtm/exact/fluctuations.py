"""Fluctuations of work currents: c-number and commutator parts of D.

The current O = -ġ x F is quadratic in the noise. Its long-time variance keeps pairs of noise frequencies w
and -w_n, w_n = w + nΩ, whose sum is a multiple of Ω that the drive brings to zero, with amplitude

    o_n = -Σ_j [(ġx)_j^{(c,0)} F_j^{(d,n)*} + F_j^{(c,0)} (ġx)_j^{(d,n)*}],
    D_O = ½ Σ_cd Σ_n ∫dw/2π [S_c(w) S_d(w_n) - J_c(w) J_d(w_n)] |o_n|²,

where (c, n) labels the response to noise of contact c at w_n. The product of J is the commutator part, which
sampled c-number trajectories do not contain. Second moments by Wick's theorem; definition of D as in Koyuk,
Seifert, PRL 122, 230601 (2019), lim Var(∫O dt)/t.

Responses to noise at all w_n are not needed one by one. In the notation of `sidebands`, the response to unit
noise e_s, s = (d, n), is x = A^{-1} C† e_s, ġx = Ċ_l x, F = e_s + K C x, so that o_s* is linear in it:

    -o_s* = (ġx)_s* + z·x = (ġx)_s* + (C† e_s)·A^{-T} z,   z = Σ_s' [(ġx)_s'* K_s' C_s' + F_s'* Ċ_l,s'],

with the current's own ġx and F in response to (c, 0) on the right: one solution with the transposed matrix
for each contact and oscillator.
"""

from __future__ import annotations

import numpy as np

from langevin_qtm.compiled import compiled
from langevin_qtm.exact.banded import solve_transposed
from langevin_qtm.exact.convergence import solve_integrals
from langevin_qtm.exact.quadrature import Layout
from langevin_qtm.exact.responses import Responses
from langevin_qtm.exact.second_moments import FORCE, MOVED, fill_signals, signal_of
from langevin_qtm.exact.sidebands import decompose
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine


@compiled
def add_fluctuations(source, gain, noise, loss, couplings, factors, signals, currents, out):
    """Add integrands of D of pairs with one source contact; on w >= 0, folded, for integration with dw/2π.

    Parameters
    ----------
    source : int
        Contact c.
    gain, noise, loss : (contact n,) arrays
        K_d(w_n), S_d(w_n) and J_d(w_n).
    couplings, factors : Couplings, Factors
        From `decompose`.
    signals : (signal, n) complex array
        Of this source, from `fill_signals`.
    currents : (oscillator, position) complex array
        Workspace.
    out : (2, oscillator + 1) array, out
        c-number and commutator part, for each oscillator and, last, for the total power.
    """
    bodies, count = len(currents), signals.shape[1]
    own = source * count + count // 2
    first, stop, lowest, spacing = (
        couplings.first[own],
        couplings.stop[own],
        couplings.lowest,
        couplings.spacing,
    )
    start, position, value = couplings.start, couplings.position, couplings.value
    for l in range(bodies):
        _fill_current(l, source, gain, couplings, signals, currents[l])
        solve_transposed(factors.band, factors.width, factors.pivots, factors.reach, currents[l], first, stop)
    for contact in range(len(lowest)):
        moved = 2 * bodies + contact * (MOVED + bodies) + MOVED
        for n in range(lowest[contact, source], count, spacing):
            s, total = contact * count + n, 0.0j
            quantum, lost = noise[own] * noise[s], loss[own] * loss[s]
            for l in range(bodies + 1):
                amplitude = total
                if l < bodies:
                    amplitude = signals[moved + l, n].conjugate()
                    for i in range(start[s], start[s + 1]):
                        amplitude += currents[l, position[i]] * value[i].conjugate()
                    total += amplitude
                strength = amplitude.real**2 + amplitude.imag**2
                out[0, l] += quantum * strength
                out[1, l] -= lost * strength


@compiled
def _fill_current(l, source, gain, couplings, signals, current):
    """z of the power of one oscillator."""
    count = signals.shape[1]
    bodies = len(current) // count
    start, position, oscillator = couplings.start, couplings.position, couplings.oscillator
    value, rate = couplings.value, couplings.rate
    current[:] = 0.0
    for contact in range(len(couplings.lowest)):
        if not couplings.is_driven[contact]:
            continue
        first = 2 * bodies + contact * (MOVED + bodies)
        for n in range(couplings.lowest[contact, source], count, couplings.spacing):
            s = contact * count + n
            struck = signals[first + MOVED + l, n].conjugate() * gain[s]
            echoed = signals[first + FORCE, n].conjugate()
            for i in range(start[s], start[s + 1]):
                current[position[i]] += struck * value[i]
                if oscillator[i] == l:
                    current[position[i]] += echoed * rate[i]


@compiled
def _commutator_integrands(omega, sidebands, gain, loss, couplings, factors, signals, out):
    """Commutator parts alone: out (node, 2, oscillator + 1), the first ignored."""
    bodies, count = len(omega), sidebands.shape[1]
    currents = np.empty((bodies, bodies * count), dtype=np.complex128)
    x = np.empty(bodies * count, dtype=np.complex128)
    for node in range(len(out)):
        k, j = gain[node], loss[node]
        decompose(omega, sidebands[node], k, couplings, factors)
        for source in range(len(k) // count):
            fill_signals(source, sidebands[node], k, couplings, factors, x, signals)
            add_fluctuations(source, k, j, j, couplings, factors, signals, currents, out[node])


class _Commutator:
    """Commutator parts alone."""

    def __init__(self, machine: Machine, harmonics: int):
        self.machine, self.responses = machine, Responses(machine, harmonics)
        self.layout = Layout({"commutator": (self.responses.bodies + 1,)}, [("commutator",)])

    def integrand(self, omega: FloatArray) -> FloatArray:
        """Values (node, output) on w >= 0, folded with w < 0."""
        responses, bodies, count = self.responses, self.responses.bodies, self.responses.count
        signals = np.empty((signal_of(bodies, len(self.machine.contacts), 0), count), dtype=complex)
        out = np.zeros((len(omega), 2, bodies + 1))
        _commutator_integrands(
            self.machine.omega,
            responses.sidebands(omega),
            responses.gain(omega),
            responses.loss(omega),
            responses.couplings,
            responses.factors,
            signals,
            out,
        )
        return out[:, 1] / (2 * np.pi)


def commutator_fluctuation(machine: Machine, tolerance: float = 1e-7) -> tuple[FloatArray, float]:
    """Commutator part of D, from the response functions alone.

    Parameters
    ----------
    machine : Machine
    tolerance : float
        Error relative to the largest.

    Returns
    -------
    local : (oscillator,) array
        To be added to the c-number part of the local powers.
    total : float
        The same for the total power.

    Raises
    ------
    UnstableMachineError, NotConvergedError
        As `periodic_steady_state`.
    """
    machine.require_bare_period("the commutator part of fluctuations")
    embedding = Embedding(machine)
    embedding.require_stable()
    values, _, _ = solve_integrals(embedding, lambda n: _Commutator(machine, n), ("commutator",), tolerance)
    return values["commutator"][:-1], float(values["commutator"][-1])

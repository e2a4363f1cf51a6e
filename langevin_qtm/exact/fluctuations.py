"""Fluctuations of work currents: c-number and commutator parts of D.

The current O = -ġ x F is quadratic in the noise. Its long-time variance keeps pairs of noise frequencies w
and -w_n, w_n = w + nΩ, whose sum is a multiple of Ω that the drive brings to zero, with amplitude

    o_n = -Σ_j [(ġx)_j^{(c,0)} F_j^{(d,n)*} + F_j^{(c,0)} (ġx)_j^{(d,n)*}],
    D_O = ½ Σ_cd Σ_n ∫dw/2π [S_c(w) S_d(w_n) - J_c(w) J_d(w_n)] |o_n|²,

where (c, n) labels the response to noise of contact c at w_n. The product of J is the commutator part, which
sampled c-number trajectories do not contain. Second moments by Wick's theorem; definition of D as in Koyuk,
Seifert, PRL 122, 230601 (2019), lim Var(∫O dt)/t.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from langevin_qtm.exact.quadrature import Layout
from langevin_qtm.exact.responses import Responses, solve_integrals
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import Embedding
from langevin_qtm.physics.machine import Machine


def fluctuation_integrands(
    responses: Responses, noise: FloatArray, loss: FloatArray, x: ComplexArray, force: ComplexArray
) -> tuple[FloatArray, FloatArray]:
    """Integrands of D for each oscillator and, last, for the total power: c-number and commutator part.

    Parameters
    ----------
    responses : Responses
    noise, loss : (contact, node, n) arrays
        S_c(w_n) and J_c(w_n).
    x : (node, contact, oscillator, n, source sideband) array
    force : (node, contact source, contact, n, source sideband) array

    Returns
    -------
    cnumber, commutator : (node, oscillator + 1) arrays
        On w >= 0, folded, to be integrated with dw/2π.
    """
    center, bodies = responses.harmonics, responses.bodies
    sources = range(len(noise))
    cnumber, commutator = np.zeros((2, len(x), bodies + 1))
    moved = [np.einsum("lnm,bclms->bclns", responses.coupling_rate[e], x) for e in responses.driven]
    for c, d in product(sources, repeat=2):
        amplitude = np.zeros((len(x), bodies + 1, responses.count), dtype=complex)
        for e, shifted in zip(responses.driven, moved, strict=True):
            struck = np.einsum("blj,bjn->bln", shifted[:, c, :, :, center], force[:, d, e].conj())
            echoed = np.einsum("bj,bljn->bln", force[:, c, e, :, center], shifted[:, d].conj())
            amplitude[:, :-1] -= struck + echoed
        amplitude[:, -1] = amplitude[:, :-1].sum(axis=1)
        strength = np.abs(amplitude) ** 2
        cnumber += (strength * (noise[c][:, center, None] * noise[d])[:, None, :]).sum(axis=2)
        commutator -= (strength * (loss[c][:, center, None] * loss[d])[:, None, :]).sum(axis=2)
    return cnumber, commutator


class _Commutator:
    """Commutator parts alone."""

    def __init__(self, machine: Machine, harmonics: int):
        self.responses = Responses(machine, harmonics)
        self.layout = Layout({"commutator": (self.responses.bodies + 1,)}, [("commutator",)])

    def integrand(self, omega: FloatArray) -> FloatArray:
        sidebands = omega[:, None] + self.responses.shifts
        x, _, force = self.responses.solve(omega)
        loss = self.responses.loss(sidebands)
        _, commutator = fluctuation_integrands(self.responses, np.zeros_like(loss), loss, x, force)
        return commutator / (2 * np.pi)


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
    rates = embedding.characteristic_rates()
    values, _, _ = solve_integrals(
        machine, rates, lambda n: _Commutator(machine, n), ("commutator",), tolerance
    )
    return values["commutator"][:-1], float(values["commutator"][-1])

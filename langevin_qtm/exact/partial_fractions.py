"""Machines as poles and residues: the medium damped by its static reservoirs, and the driven
reservoirs.

With s = -iw and the generator G = V diag(-α) V⁻¹ of the undriven machine (`Embedding`),

    χ(s) = Σ_p R_p/(s + α_p),   Sx(s) = Σ_r N_r(s) Q_r(s),   Q_r(s) = Σ_p [A_rp/(s + α_p) + A_rpᵀ/(α_p - s)],

N_r(w) = w coth(w/2T_r), A_rp = Σ_c x_cp X_c(α_p)ᵀ over the contacts c of static reservoir r, and X_c(s)
= Σ_p x_cp/(s + α_p) the response of the positions to the unit noise of c. For a driven reservoir, with
poles -β_m of its memory,

    J(w)/w = f + Σ_m φ_m [1/(s + β_m) + 1/(β_m - s)],    K(s) = -s [f + Σ_m c_m/(s + β_m)].

Machines of one structure (same oscillators, reservoirs, kinds of spectral densities) are stacked along
a first dim, `machine`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.errors import InputError
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.embedding import STABILITY_MARGIN, Embedding
from langevin_qtm.physics.machine import Machine

PARALLEL, CLOSE, NUDGE = 1e-12, 1e-4, 1e-11  # eigenvectors, eigenvalues that coincide; relative change
MARGIN = 10  # of the estimate: residues err by more than the generator that they add up to


@dataclass(frozen=True)
class DrivenReservoir:
    """A driven reservoir of each machine.

    Attributes
    ----------
    reservoir : int
    temperature : (machine,) array
    friction : (machine,) array
        f, of a strictly Ohmic reservoir.
    rates : (machine, m) complex array
        β_m.
    noise, memory : (machine, m) complex arrays
        φ_m and c_m.
    harmonics : (harmonic,) array
        Orders n >= 0 of the couplings.
    pairs : (machine, harmonic, oscillator, oscillator) complex array
        Σ_c g_ln g*_l'n over its contacts.
    """

    reservoir: int
    temperature: FloatArray
    friction: FloatArray
    rates: ComplexArray
    noise: ComplexArray
    memory: ComplexArray
    harmonics: NDArray[np.int64]
    pairs: ComplexArray


class PartialFractions:
    """Poles and residues of a stack of machines.

    Parameters
    ----------
    machines : sequence of Machine
        All of one `structure`.

    Attributes
    ----------
    static : list of int
        Static reservoirs r.
    temperatures : (machine, r) array
    rates : (machine, p) complex array
        α_p.
    response : (machine, p, oscillator, oscillator) complex array
        R_p.
    spectra : (machine, r, p, oscillator, oscillator) complex array
        A_rp.
    driven : list of DrivenReservoir
    rounding : (machine,) array
        Relative error that sums over the poles inherit: |G - V diag(-α) V⁻¹| over the smallest damping, in
        units of the state in which G is balanced.

    Raises
    ------
    InputError
        When no reservoir is static, or a mode is not damped.
    """

    def __init__(self, machines: Sequence[Machine]):
        first = machines[0]
        self.static = [r for r in range(len(first.reservoirs)) if r not in first.driven_reservoirs]
        if not self.static:
            raise InputError("`reservoir`: all are driven; add a static one that damps the oscillators.")
        self.temperatures = np.array([machine.temperatures[self.static] for machine in machines])
        systems = [_undriven(machine) for machine in machines]
        generators = np.array([generator for generator, _ in systems])
        inputs, bodies = np.array([noise for _, noise in systems]), len(first.omega)
        eigenvalues, vectors, inverse, self.rounding = _eigensystem(generators)
        _require_damped(machines, eigenvalues)
        self.rounding /= -eigenvalues.real.max(axis=1)
        positions, rates = vectors[:, :bodies], -eigenvalues
        self.rates = rates.astype(complex)
        self.response = np.einsum("mlp,mpk->mplk", positions, inverse[:, :, bodies : 2 * bodies]).astype(
            complex
        )
        reached = positions[..., None] * (inverse @ inputs)[:, None]
        mirrored = np.einsum("mlqc,mpq->mlpc", reached, 1 / (rates[:, :, None] + rates[:, None]))
        contacts = [contact.reservoir for contact in first.contacts if contact.reservoir in self.static]
        self.spectra = np.stack(
            [
                np.einsum("mlpc,mkpc->mplk", reached[..., own], mirrored[..., own])
                for own in (np.equal(contacts, r) for r in self.static)
            ],
            axis=1,
        ).astype(complex)
        self.driven = [_driven(machines, r) for r in sorted(first.driven_reservoirs)]


def structure(machine: Machine) -> Hashable:
    """Machines with equal ones stack."""
    contacts = [
        (c.reservoir, c.density.kind, c.reservoir in machine.driven_reservoirs) for c in machine.contacts
    ]
    return machine.oscillators, len(machine.reservoirs), tuple(contacts)


def _undriven(machine: Machine) -> tuple[FloatArray, FloatArray]:
    """Generator (state, state) without the driven reservoirs, and noise inputs (state, contact)."""
    embedding, nothing = Embedding(machine), np.zeros((1, len(machine.omega)))
    is_static = [contact.reservoir not in machine.driven_reservoirs for contact in machine.contacts]
    couplings = [
        contact.coefficients(0).real.T if static else nothing
        for contact, static in zip(machine.contacts, is_static, strict=True)
    ]
    kept = np.ones(embedding.size, dtype=bool)
    for block, static in zip(embedding.memory_slices, is_static, strict=True):
        kept[block] = static
    generator = embedding.generator_of(machine.omega[None] ** 2, couplings, [nothing] * len(couplings))[0]
    inputs = [
        embedding.noise_input_of(index, g)[0][kept] for index, g in enumerate(couplings) if is_static[index]
    ]
    return generator[np.ix_(kept, kept)], np.array(inputs).T


def _eigensystem(generators: FloatArray) -> tuple[NDArray, NDArray, NDArray, FloatArray]:
    """Eigenvalues, right and left eigenvectors in extended precision, and what they miss of the generators.

    In doubles, eigenvalues err by ε |G|: at strong damping that is 1e-10 of the width of the slowest line. A
    step of perturbation theory in extended precision squares the error, but for eigenvalues that (nearly)
    coincide. Where eigenvectors do too (critical damping), the generator is nudged first.
    """
    rough, right = np.linalg.eig(generators)
    parallel = np.abs(right.conj().swapaxes(1, 2) @ right) > 1 - PARALLEL
    close = np.abs(rough[:, None] - rough[:, :, None]) < CLOSE * np.abs(rough[:, None])
    nudged = np.any(parallel & close & ~np.eye(rough.shape[1], dtype=bool), axis=(1, 2))
    if nudged.any():
        pattern = np.cos(np.arange(generators[0].size)).reshape(generators[0].shape)
        moved = np.where(nudged[:, None, None], generators * (1 + NUDGE * pattern), generators)
        rough, right = np.linalg.eig(moved)
    else:
        moved = generators
    values, vectors = rough.astype(np.clongdouble), right.astype(np.clongdouble)
    inverse = np.linalg.inv(right).astype(np.clongdouble)
    one = np.eye(generators.shape[1])
    for _ in range(2):
        inverse = inverse @ (2 * one - vectors @ inverse)
        matrix = inverse @ (moved @ vectors)
        values = np.diagonal(matrix, axis1=1, axis2=2)
        gap = values[:, None, :] - values[:, :, None]
        is_apart = (np.abs(gap) > 1e3 * np.abs(matrix)) & (one == 0)
        mixing = np.where(is_apart, matrix, 0) / np.where(is_apart, gap, 1)
        vectors = vectors @ (one + mixing)
        inverse = (one - mixing + mixing @ mixing) @ inverse
    missed = (vectors * values[:, None]) @ inverse - generators
    return values, vectors, inverse, _balanced_norm(missed, generators)


def _balanced_norm(missed: NDArray, generators: FloatArray) -> FloatArray:
    """Norm of what is missed, plus rounding of the generators, in units that balance the latter."""
    units = np.ones(generators.shape[:2])
    for _ in range(6):
        scaled = generators * units[:, :, None] / units[:, None, :]
        units *= np.sqrt(np.linalg.norm(scaled, axis=1) / np.linalg.norm(scaled, axis=2))
    change = units[:, :, None] / units[:, None, :]
    rounding = np.finfo(float).eps * np.linalg.norm(generators * change, axis=(1, 2))
    return MARGIN * np.linalg.norm((missed * change).astype(complex), axis=(1, 2)) + rounding


def _require_damped(machines: Sequence[Machine], eigenvalues: NDArray) -> None:
    """Raise unless every mode decays noticeably over a period."""
    periods = np.array([machine.period for machine in machines])
    if np.any(eigenvalues.real.max(axis=1) * periods >= -STABILITY_MARGIN):
        raise InputError(
            "Second order needs static reservoirs that damp every mode of the oscillators; "
            "couple them differently, or use `periodic_steady_state`."
        )


def _driven(machines: Sequence[Machine], reservoir: int) -> DrivenReservoir:
    """Driven reservoir number `reservoir` of every machine."""
    memories = [machine.reservoirs[reservoir].spectral_density.memory() for machine in machines]
    order = max(machine.order for machine in machines)
    g = np.array(
        [
            [c.coefficients(order)[:, order:] for c in machine.contacts if c.reservoir == reservoir]
            for machine in machines
        ]
    )
    pairs = np.einsum("mcln,mckn->mnlk", g, g.conj())
    used = np.flatnonzero(np.any(pairs, axis=(0, 2, 3)))
    drift = np.array([memory.drift for memory in memories])
    eigenvalues, vectors = np.linalg.eig(drift)
    inverse, rates = np.linalg.inv(vectors), -eigenvalues.astype(complex)
    read = vectors[:, :1].sum(axis=1)
    noise = read * _applied(inverse, [memory.noise_gain for memory in memories])
    mirrored = np.einsum("mq,mpq->mp", noise, 1 / (rates[:, :, None] + rates[:, None]))
    return DrivenReservoir(
        reservoir=reservoir,
        temperature=np.array([machine.reservoirs[reservoir].temperature for machine in machines]),
        friction=np.array([memory.friction for memory in memories]),
        rates=rates,
        noise=noise * mirrored,
        memory=-read * _applied(inverse, [memory.velocity_gain for memory in memories]),
        harmonics=used,
        pairs=pairs[:, used],
    )


def _applied(matrices: ComplexArray, vectors: Sequence[FloatArray]) -> ComplexArray:
    """One matrix times one vector for each machine."""
    return np.einsum("mij,mj->mi", matrices, np.array(vectors)).astype(complex)

"""Law of the embedded process over one step: propagators and noise covariances of a whole drive period.

The embedded state is s = (z, q): z = (x_l, v_l, memories, noises) and the filter states q_c of each contact
(see `noise_filter`). A reservoir with memory carries two copies of its linear system, driven by ẏ (friction
force f) and by u (noise ξ), with F = f + ξ; a memoryless one has F = ξ - γ ẏ. To these are added, once per
contact, the integral of F over the step, from which work is accumulated.

Within a step the generator is advanced by the commutator-free fourth-order exponential integrator (two
exponentials, weights (3 ∓ 2√3)/12 on the Gauss nodes); the covariance of the noise is that of the same two
half steps, exactly (`increment`). So γ_2 = 100 or w_c = 1000 cost no smaller steps: the step resolves the
drive alone, and the discretization is of fourth order in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.errors import NotConvergedError
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.physics.embedding import GAUSS_NODES, MAJOR, MINOR, Embedding
from langevin_qtm.physics.machine import Machine
from langevin_qtm.sampling.increment import Increment, increment
from langevin_qtm.sampling.noise_filter import NoiseFilter


@dataclass(frozen=True)
class Layout:
    """Where each variable sits in the embedded state.

    Order: positions, velocities, friction forces f, noises ξ, force integrals, filter states, and, if asked
    for, the constant 1 through which deterministic forces and means enter.
    """

    embedding: Embedding
    filters: tuple[NoiseFilter, ...]
    has_constant: bool = False

    @property
    def bodies(self) -> int:
        """Number of oscillators."""
        return len(self.embedding.machine.omega)

    @property
    def contacts(self) -> int:
        """Number of contacts."""
        return len(self.filters)

    @cached_property
    def friction(self) -> tuple[slice, ...]:
        """Friction-force memory of each contact."""
        return self.embedding.memory_slices

    @cached_property
    def noise(self) -> tuple[slice, ...]:
        """Noise of each contact with memory (empty for a memoryless one)."""
        shift = self.embedding.size - 2 * self.bodies
        return tuple(slice(part.start + shift, part.stop + shift) for part in self.friction)

    @property
    def dynamic(self) -> int:
        """Number of variables z that carry over from step to step, filters aside."""
        return 2 * self.embedding.size - 2 * self.bodies

    @property
    def dense(self) -> int:
        """z and the force integrals: the variables that everything couples to."""
        return self.dynamic + self.contacts

    @cached_property
    def filter(self) -> tuple[slice, ...]:
        """Filter states of each contact."""
        ends = self.dense + np.cumsum([0, *(len(f.rates) for f in self.filters)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @cached_property
    def carried(self) -> NDArray[np.intp]:
        """Variables that carry over from step to step: all but the force integrals."""
        return np.r_[0 : self.dynamic, self.dense : self.size]

    @property
    def size(self) -> int:
        """All variables."""
        return self.filter[-1].stop + self.has_constant

    def thermal_noise_row(self, contact: int) -> FloatArray:
        """Row of the coloured part of u_c on the state."""
        row = np.zeros(self.size)
        row[self.filter[contact]] = self.filters[contact].residues
        return row

    def velocity_row(self, contact: int, t: FloatArray) -> FloatArray:
        """Row of ẏ_c, dims (time, state)."""
        row = np.zeros((len(t), self.size))
        row[:, : self.embedding.size] = self.embedding.velocity_row(contact, t)
        return row

    def force_row(self, contact: int, t: FloatArray) -> FloatArray:
        """Row of F_c without its white part, dims (time, state)."""
        memory = self.embedding.memories[contact]
        row = memory.white_gain * self.thermal_noise_row(contact) - memory.friction * self.velocity_row(
            contact, t
        )
        if memory.size:
            row[:, [self.friction[contact].start, self.noise[contact].start]] += 1.0
        return row

    def kicks(self, contact: int, t: FloatArray) -> FloatArray:
        """<v_l times the white part of F_c>, ½ gain² g_l (midpoint sense), dims (time, oscillator)."""
        gain = self.embedding.memories[contact].white_gain * self.filters[contact].white
        return 0.5 * gain**2 * self.embedding.machine.contacts[contact].couplings(t)

    def jump(self, changes: list[FloatArray], later: list[FloatArray]) -> FloatArray:
        """What a sudden change of couplings does to the state, see `Embedding.jump`."""
        jump, own = np.eye(self.size), self.embedding.size
        jump[:own, :own] = self.embedding.jump(changes, later)
        return jump

    def generator(self, t: FloatArray) -> FloatArray:
        """Drift of the embedded state, dims (time, state, state)."""
        bodies, machine = self.bodies, self.embedding.machine
        drift = np.zeros((len(t), self.size, self.size))
        body = np.arange(bodies)
        drift[:, body, bodies + body] = 1.0
        drift[:, bodies + body, body] = -machine.squared_frequencies(t)
        for index, (contact, memory) in enumerate(
            zip(machine.contacts, self.embedding.memories, strict=True)
        ):
            force, velocity = self.force_row(index, t), self.velocity_row(index, t)
            drift[:, bodies : 2 * bodies] += contact.couplings(t)[:, :, None] * force[:, None, :]
            drift[:, self.friction[index]] += memory.velocity_gain[:, None] * velocity[:, None, :]
            drift[:, self.friction[index], self.friction[index]] += memory.drift
            drift[:, self.noise[index]] += memory.noise_gain[:, None] * self.thermal_noise_row(index)
            drift[:, self.noise[index], self.noise[index]] += memory.drift
            drift[:, self.dynamic + index] = force
            part = np.arange(self.filter[index].start, self.filter[index].stop)
            drift[:, part, part] = -self.filters[index].rates
        if self.has_constant:
            drift[:, bodies : 2 * bodies, -1] = machine.forces(t)
        return drift

    def white_input(self, contact: int, t: FloatArray) -> FloatArray:
        """Gain of the white noise of one contact on the state, dims (time, state)."""
        memory, white = self.embedding.memories[contact], self.filters[contact].white
        gain = np.zeros((len(t), self.size))
        couplings = self.embedding.machine.contacts[contact].couplings(t)
        gain[:, self.bodies : 2 * self.bodies] = memory.white_gain * white * couplings
        gain[:, self.noise[contact]] = memory.noise_gain * white
        gain[:, self.dynamic + contact] = memory.white_gain * white
        gain[:, self.filter[contact]] = 1.0
        return gain


@dataclass(frozen=True)
class StepLaw:
    """s(t_{k+1}) = propagator[k] s(t_k) + Gaussian noise, for the steps k of a drive period.

    Attributes
    ----------
    layout : Layout
    propagator : (phase, state, state) array
        Columns of the force integrals are zero: every step starts them anew.
    covariance : (contact, phase, state, state) array
        Noise of the step, by the contact it comes from.
    """

    layout: Layout
    propagator: FloatArray
    covariance: FloatArray

    @property
    def steps(self) -> int:
        """Steps in a period."""
        return len(self.propagator)

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.layout.embedding.machine

    @cached_property
    def periodic_covariance(self) -> FloatArray:
        """Covariance of s at the start of each step in the periodic steady state, (phase, state, state)."""
        return periodic_covariance(self.propagator, self.covariance.sum(axis=0))

    @cached_property
    def steady_power(self) -> FloatArray:
        """Local powers in the periodic steady state, dim (oscillator,)."""
        bodies, machine = self.layout.bodies, self.machine
        times = machine.period * np.arange(self.steps) / self.steps
        power = np.zeros(bodies)
        for index, contact in enumerate(machine.contacts):
            slope = contact.coupling_rates(times)
            force = self.layout.force_row(index, times)
            moment = np.einsum("kls,ks->kl", self.periodic_covariance[:, :bodies], force)
            power -= (slope * moment).mean(axis=0)
        return power

    @property
    def steady_covariance(self) -> FloatArray:
        """Period average of the position covariance, (oscillator, oscillator)."""
        bodies = self.layout.bodies
        return self.periodic_covariance[:, :bodies, :bodies].mean(axis=0)


def periodic_covariance(transition: FloatArray, noise: FloatArray) -> FloatArray:
    """Periodic solution of C_{k+1} = Φ_k C_k Φ_kᵀ + Q_k for all phases k, dims (phase, n, n)."""
    size = transition.shape[-1]
    product, added = np.eye(size), np.zeros((size, size))
    for step, kick in zip(transition, noise, strict=True):
        product, added = step @ product, step @ added @ step.T + kick
    phases = [_sum_of_powers(product, added)]
    for step, kick in zip(transition[:-1], noise[:-1], strict=True):
        phases.append(step @ phases[-1] @ step.T + kick)
    return np.array(phases)


def _sum_of_powers(transition: FloatArray, covariance: FloatArray) -> FloatArray:
    """Σ_j M^j C M^jᵀ by doubling."""
    total = covariance
    for _ in range(64):
        added = transition @ total @ transition.T
        total = total + added
        if np.all(np.abs(added) <= 1e-15 * np.sqrt(np.outer(np.diag(total), np.diag(total)))):
            break
        transition = transition @ transition
    return 0.5 * (total + total.T)


def step_law(
    embedding: Embedding, filters: tuple[NoiseFilter, ...], steps: int, edges: FloatArray | None = None
) -> StepLaw:
    """Propagators and noise covariances of every step of a period.

    Parameters
    ----------
    embedding : Embedding
    filters : tuple of NoiseFilter
        One for each contact.
    steps : int
        Steps per drive period.
    edges : (substep + 1,) array, optional
        Each step is composed of substeps between these fractions of it, 0 to 1; by default it is one.
    """
    step = embedding.machine.period / steps
    starts = step * np.arange(steps, dtype=float)
    return law_of_steps(Layout(embedding, filters), starts, step, edges)


def law_of_steps(layout: Layout, starts: FloatArray, step: float, edges: FloatArray | None = None) -> StepLaw:
    """Propagators and noise covariances of steps of one length from the given times on, dim (phase,)."""
    edges = np.array([0.0, 1.0]) if edges is None else edges
    whole: Increment | None = None
    for begin, end in pairwise(edges):
        part = _advance(layout, starts + begin * step, (end - begin) * step, layout.contacts)
        whole = part if whole is None else whole.then(part)
    assert whole is not None
    propagator = whole.propagator()
    propagator[:, :, layout.dynamic : layout.dense] = 0.0  # force integrals start anew
    return StepLaw(layout, propagator, whole.covariance())


def flow(layout: Layout, t: FloatArray, duration: float) -> FloatArray:
    """Propagators from times t on, (time, state, state); force integrals go on."""
    return _advance(layout, t, duration, 0).propagator()


def _advance(layout: Layout, t: FloatArray, duration: float, contacts: int) -> Increment:
    """Increment over a duration, with the noise of the first contacts."""
    nodes = [t + duration * node for node in GAUSS_NODES]
    first, second = (layout.generator(node) for node in nodes)
    inputs = np.zeros((contacts, 2, len(t), layout.size))
    for c in range(contacts):
        inputs[c] = [layout.white_input(c, node) for node in nodes]
    halves = [
        increment(
            2 * (before * first + after * second),
            2 * (before * inputs[:, 0] + after * inputs[:, 1]),
            layout.dense,
            duration / 2,
        )
        for before, after in ((MAJOR, MINOR), (MINOR, MAJOR))
    ]
    return halves[0].then(halves[1])


def resolved_step_law(
    embedding: Embedding, filters: tuple[NoiseFilter, ...], steps: int, tolerance: float
) -> tuple[StepLaw, float]:
    """Law of steps composed of substeps, ever more of them until moments settle.

    Substeps shrink towards the end of the step down to the fastest rate of the machine: what is slaved
    to the drive on that scale (velocities at strong friction, forces at a high cut-off) is then right at
    the very end of the step, where moments are taken. Substeps cost the run nothing.

    Returns
    -------
    law : StepLaw
        With `steps` steps per period.
    error : float
        Change when the number of substeps was last doubled, of local powers relative to the largest,
        and of covariances relative to the largest: an upper estimate, since the order is at least two.

    Raises
    ------
    NotConvergedError
        When 64-fold subdivision is not enough.
    """
    fastest = float(np.abs(embedding.characteristic_rates()).max())
    turns = embedding.machine.period / steps * fastest
    pieces, error = 1, np.inf
    law = step_law(embedding, filters, steps, substep_edges(turns, pieces))
    while error > tolerance:
        pieces *= 2
        if pieces > 64:
            raise NotConvergedError("Step law", error, tolerance, "loosen `solver.step_tolerance`")
        finer = step_law(embedding, filters, steps, substep_edges(turns, pieces))
        error = max(
            _relative_change(law.steady_power, finer.steady_power),
            _relative_change(law.steady_covariance, finer.steady_covariance),
        )
        law = finer
    return law, error


def _relative_change(old: FloatArray, new: FloatArray) -> float:
    return float(np.abs(new - old).max() / max(np.abs(new).max(), 1e-290))


def substep_edges(turns: float, pieces: int) -> FloatArray:
    """Fractions of a step: 1/2, 3/4, 7/8, … until the fastest rate is resolved, each cut into pieces.

    Parameters
    ----------
    turns : float
        Step length times the fastest rate.
    pieces : int
    """
    levels = max(0, int(np.ceil(np.log2(max(turns, 1.0)))))
    dyadic = np.append(1 - 0.5 ** np.arange(levels + 1), 1.0)
    inner = dyadic[:-1, None] + np.diff(dyadic)[:, None] * np.arange(pieces) / pieces
    return np.append(inner.ravel(), 1.0)

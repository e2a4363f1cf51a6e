"""The machine as one linear system: generator and noise inputs over time, Floquet multipliers of a period.

State z = (x_l, v_l, memory of contact 1, memory of contact 2, …), dim `state`. The memory state is the
reservoir force itself, noise included (see `reservoir.Memory`):

    ẋ_l = v_l,   v̇_l = -w_l² x_l + Σ_c g_{c,l}(t) F_c,   ẏ_c = Σ_l (ġ_{c,l} x_l + g_{c,l} v_l).

The unit thermal noise u_c of contact c enters linearly; everything that multiplies it is `noise_input`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from langevin_qtm.errors import InputError, NotConvergedError, UnstableMachineError
from langevin_qtm.physics.conventions import ComplexArray, FloatArray
from langevin_qtm.physics.machine import Machine

# Commutator-free fourth-order exponential integrator: weights of the two Gauss nodes in each half step.
GAUSS_NODES = 0.5 + np.array([-1.0, 1.0]) * np.sqrt(3.0) / 6.0
MAJOR, MINOR = (3 + 2 * np.sqrt(3.0)) / 12, (3 - 2 * np.sqrt(3.0)) / 12

STABILITY_MARGIN = 1e-12


@dataclass(frozen=True)
class Embedding:
    """Linear system of a machine, without the noise filters.

    Attributes
    ----------
    machine : Machine
    """

    machine: Machine

    @cached_property
    def memories(self):
        """`Memory` of each contact."""
        return tuple(contact.density.memory() for contact in self.machine.contacts)

    @cached_property
    def memory_slices(self) -> tuple[slice, ...]:
        """Where the memory of each contact sits in the state."""
        ends = 2 * len(self.machine.omega) + np.cumsum([0, *(memory.size for memory in self.memories)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @property
    def size(self) -> int:
        """Number of state variables."""
        return 2 * len(self.machine.omega) + sum(memory.size for memory in self.memories)

    def velocity_row(self, contact: int, t: FloatArray) -> FloatArray:
        """Row of ẏ_c on the state at times t, dims (time, state)."""
        chosen = self.machine.contacts[contact]
        return self._velocity_row(chosen.couplings(t), chosen.coupling_rates(t))

    def _velocity_row(self, couplings: FloatArray, rates: FloatArray) -> FloatArray:
        bodies = len(self.machine.omega)
        row = np.zeros((len(couplings), self.size))
        row[:, :bodies] = rates
        row[:, bodies : 2 * bodies] = couplings
        return row

    def force_row(self, contact: int, t: FloatArray) -> FloatArray:
        """Row of F_c on the state, without the white part of a memoryless reservoir; (time, state)."""
        return self._force_row(contact, self.velocity_row(contact, t))

    def _force_row(self, contact: int, velocity: FloatArray) -> FloatArray:
        memory = self.memories[contact]
        row = -memory.friction * velocity
        if memory.size:
            row[:, self.memory_slices[contact].start] += 1.0
        return row

    def generator(self, t: FloatArray) -> FloatArray:
        """G(t) of ż = G z + Σ_c noise_input_c u_c; dims (time, state, state)."""
        contacts = self.machine.contacts
        return self.generator_of(
            self.machine.squared_frequencies(t),
            [contact.couplings(t) for contact in contacts],
            [contact.coupling_rates(t) for contact in contacts],
        )

    def rates(self, t: FloatArray) -> FloatArray:
        """|s| of every rate s of the generators at times t.

        Raises
        ------
        InputError
            When a coupling, frequency or force is not finite at one of them.
        """
        with np.errstate(all="ignore"):
            generators, forces = self.generator(t), self.machine.forces(t)
        finite = np.isfinite(generators).all(axis=(1, 2)) & np.isfinite(forces).all(axis=1)
        if not np.all(finite):
            raise InputError(
                f"A coupling, frequency or force is not finite at t = {float(t[~finite][0]):g}; "
                "correct its envelope."
            )
        return np.abs(np.linalg.eigvals(generators)).ravel()

    def generator_of(
        self, squared_frequencies: FloatArray, couplings: list[FloatArray], rates: list[FloatArray]
    ) -> FloatArray:
        """G for given w_l², and g_l and ġ_l of each contact: (time, oscillator) each."""
        bodies = len(self.machine.omega)
        generator = np.zeros((len(squared_frequencies), self.size, self.size))
        oscillator = np.arange(bodies)
        generator[:, oscillator, bodies + oscillator] = 1.0
        generator[:, bodies + oscillator, oscillator] = -squared_frequencies
        for index, (memory, g, rate) in enumerate(zip(self.memories, couplings, rates, strict=True)):
            velocity = self._velocity_row(g, rate)
            force = self._force_row(index, velocity)
            generator[:, bodies : 2 * bodies] += g[:, :, None] * force[:, None, :]
            block = self.memory_slices[index]
            generator[:, block] += memory.velocity_gain[:, None] * velocity[:, None, :]
            generator[:, block, block] += memory.drift
        return generator

    def noise_input(self, contact: int, t: FloatArray) -> FloatArray:
        """Gain of the unit thermal noise u_c on the state, dims (time, state)."""
        return self.noise_input_of(contact, self.machine.contacts[contact].couplings(t))

    def noise_input_of(self, contact: int, couplings: FloatArray) -> FloatArray:
        """The same for given g_l, (time, oscillator)."""
        bodies = len(self.machine.omega)
        memory = self.memories[contact]
        gain = np.zeros((len(couplings), self.size))
        gain[:, bodies : 2 * bodies] = memory.white_gain * couplings
        gain[:, self.memory_slices[contact]] = memory.noise_gain
        return gain

    def jump(self, changes: list[FloatArray], later: list[FloatArray]) -> FloatArray:
        """What a sudden change of couplings does to the state: z -> jump z, dims (state, state).

        The reservoir force slips by -γ(0) Δy; for a memoryless reservoir that is an impulse, and momenta
        jump by -γ g_l Δy with the later couplings g_l (the limit of a short memory after a jump).

        Parameters
        ----------
        changes, later : list of (oscillator,) arrays
            Δg_l and g_l after the jump, of each contact.
        """
        bodies = len(self.machine.omega)
        jump = np.eye(self.size)
        for memory, block, change, g in zip(self.memories, self.memory_slices, changes, later, strict=True):
            if memory.size:
                jump[block.start, :bodies] -= memory.slip * change
            jump[bodies : 2 * bodies, :bodies] -= memory.friction * np.outer(g, change)
        return jump

    def step_propagators(self, steps: int) -> FloatArray:
        """Maps of the state over each of `steps` equal parts of the period, dims (step, state, state).

        Commutator-free exponential integrator of fourth order.
        """
        step = self.machine.period / steps
        first, second = (self.generator(step * (np.arange(steps) + node)) for node in GAUSS_NODES)
        early = exponentials(step * (MAJOR * first + MINOR * second))
        late = exponentials(step * (MINOR * first + MAJOR * second))
        return late @ early

    def monodromy(self, steps: int) -> FloatArray:
        """Period map z(0) -> z(𝒯), the product of the step propagators."""
        factors = self.step_propagators(steps)
        while len(factors) > 1:  # in pairs, so that few calls multiply many matrices
            rest = factors[2 * (len(factors) // 2) :]
            factors = np.concatenate([factors[1::2] @ factors[: len(factors) - len(rest) : 2], rest])
        return np.asarray(factors[0])

    @cached_property
    def floquet_multipliers(self) -> ComplexArray:
        """Eigenvalues of the period map, largest modulus first; steps doubled until they settle."""
        steps, error, target = 32 * self.machine.order, np.inf, 1e-7
        previous = self._sorted_multipliers(steps)
        while error > target and steps <= 16384:
            steps *= 2
            current = self._sorted_multipliers(steps)
            gap = abs(abs(current[0]) - abs(previous[0]))
            error = float(gap / max(abs(1 - abs(current[0])), 1e-6))
            previous = current
        if error > target:
            raise NotConvergedError(
                "Largest Floquet multiplier", error, target, "weaken or speed up the drive"
            )
        return previous

    def _sorted_multipliers(self, steps: int) -> ComplexArray:
        values = np.linalg.eigvals(self.monodromy(steps)).astype(complex)
        return values[np.argsort(-np.abs(values))]

    @property
    def max_multiplier(self) -> float:
        """Largest modulus of the Floquet multipliers."""
        return float(abs(self.floquet_multipliers[0]))

    @property
    def relaxation_time(self) -> float:
        """-𝒯 / ln max|μ|; an upper bound, 𝒯/708, where max|μ| underflows."""
        return -self.machine.period / float(np.log(max(self.max_multiplier, np.finfo(float).tiny)))

    def require_stable(self) -> None:
        """Raise `UnstableMachineError` unless every Floquet multiplier is inside the unit circle."""
        if self.max_multiplier >= 1 - STABILITY_MARGIN:
            raise UnstableMachineError(self.max_multiplier)

    def characteristic_rates(self) -> ComplexArray:
        """Complex rates s (Re s < 0) of the period-averaged and of the Floquet dynamics.

        The imaginary parts of the latter are known modulo Ω. Used to place quadrature nodes, no more.
        """
        times = self.machine.period * np.arange(16 * self.machine.order) / (16 * self.machine.order)
        mean = np.linalg.eigvals(self.generator(times).mean(axis=0))
        mean.real = np.minimum(
            mean.real, -1 / self.relaxation_time
        )  # no line is sharper than the slowest mode
        slow = self.floquet_multipliers[np.abs(self.floquet_multipliers) > 1e-6]
        return np.concatenate([mean, np.log(slow) / self.machine.period])


def exponentials(matrices: FloatArray) -> FloatArray:
    """Exponentials of a stack of small matrices, (…, n, n), several times faster than one by one.

    Scaling and squaring: a Taylor series of order 12 where the norm is at most 1/2, exact to rounding.
    """
    norm = float(np.abs(matrices).sum(axis=-1).max(initial=0.0))
    squarings = max(0, int(np.ceil(np.log2(2 * norm)))) if norm > 0 else 0
    small = matrices / 2**squarings
    result = np.eye(matrices.shape[-1]) + small / 12
    for order in range(11, 0, -1):
        result = np.eye(matrices.shape[-1]) + small @ result / order
    for _ in range(squarings):
        result = result @ result
    return result

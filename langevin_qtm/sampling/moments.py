"""Second moments from conditional means, some steps ahead (Rao-Blackwell).

From the state s at a step, the mean and covariance of the state `ahead` steps later are known exactly from
the law of the steps. So instead of products of what is sampled there, products of conditional means
m = E[· | s] are accumulated,

    E[a b] = E[m_a m_b] + Q_ab,

and the known Q is added once at the end. The estimate stays unbiased. What fast noise does within the look
ahead (a fraction of an oscillation) never enters the average; that is most of the scatter of local powers
and heat currents, which are small differences in large noise.

What is sampled is r̃, the part of the state that shows in these means (see `reduction`). So m = E[· | r̃], and
the covariance of s that r̃ leaves open is part of Q.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.reduction import Outputs, ReducedLaw, reduced_law, whole_law
from langevin_qtm.sampling.step_law import StepLaw

PHASES_PER_HARMONIC = 32

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class MomentPlan:
    """Which products are accumulated, where in the period, and what is added to them.

    The rows of a sample are positions, velocities and forces F_c: `2 oscillator + contact` of them.

    Attributes
    ----------
    law : StepLaw
    longest : int
        Steps that the moments may look ahead, at least one.
    is_steady : bool
        Whether the periodic steady state is measured; else the law is not reduced.
    """

    law: StepLaw
    longest: int
    is_steady: bool = True

    @property
    def bodies(self) -> int:
        """Number of oscillators."""
        return self.law.layout.bodies

    @property
    def ahead(self) -> int:
        """Steps between the state and the moments derived from it."""
        return self.longest - self.longest % self.stride

    @cached_property
    def stride(self) -> int:
        """Steps between samples, at most half the look ahead, that leave 32 phases for each harmonic."""
        steps, fewest = self.law.steps, PHASES_PER_HARMONIC * self.law.machine.order
        fitting = (s for s in range(self.longest // 2, 1, -1) if steps % s == 0 and steps // s >= fewest)
        return next(fitting, 1)

    @cached_property
    def times(self) -> FloatArray:
        """Times in the period at which moments are kept, dim (phase,)."""
        return self.law.machine.period * np.arange(0, self.law.steps, self.stride) / self.law.steps

    @cached_property
    def slots(self) -> NDArray[np.intp]:
        """Phase that the sample taken at each kept step belongs to, dim (phase,)."""
        starts = np.arange(0, self.law.steps, self.stride)
        return (starts + self.ahead) % self.law.steps // self.stride

    @cached_property
    def position_pairs(self) -> Pairs:
        """Oscillator pairs a <= b."""
        return [(a, b) for a in range(self.bodies) for b in range(a, self.bodies)]

    @cached_property
    def contact_pairs(self) -> Pairs:
        """(oscillator, contact) joined by a coupling: x F and v F."""
        contacts = range(self.law.layout.contacts)
        return [(l, c) for c in contacts for l in range(self.bodies) if self._drive(l, c).harmonics]

    def _drive(self, body: int, contact: int):
        return self.law.machine.contacts[contact].drives[body]

    @cached_property
    def phase_pairs(self) -> NDArray[np.intp]:
        """Rows of the products kept at every phase: x x, x F, v F in the order of the three lists."""
        bodies = self.bodies
        rows = [*self.position_pairs, *((l, 2 * bodies + c) for l, c in self.contact_pairs)]
        return np.array(rows + [(bodies + l, 2 * bodies + c) for l, c in self.contact_pairs])

    @cached_property
    def mean_pairs(self) -> NDArray[np.intp]:
        """Rows of the products of which only the period average is kept: x v, then v v."""
        bodies = self.bodies
        crossed = [(a, bodies + b) for a in range(bodies) for b in range(bodies)]
        return np.array(crossed + [(bodies + a, bodies + b) for a, b in self.position_pairs])

    @cached_property
    def _later(self) -> tuple[FloatArray, FloatArray]:
        """Propagator over the look ahead, (sample, n, n), and its noise; carried variables."""
        carried = self.law.layout.carried
        power = (
            self.law.propagator[:, carried][:, :, carried],
            self.law.covariance.sum(axis=0)[:, carried][:, :, carried],
        )
        nothing = np.zeros_like(power[1])
        whole, reached, length = (nothing + np.eye(len(carried)), nothing), 0, 1
        while reached < self.ahead:  # binary powers
            if self.ahead // length % 2:
                whole, reached = _together(whole, power, reached), reached + length
            power, length = _together(power, power, length), 2 * length
        return whole[0][:: self.stride], whole[1][:: self.stride]

    def outputs(self, t: FloatArray) -> FloatArray:
        """Positions, velocities and forces on the carried variables, (time, row, n)."""
        layout = self.law.layout
        rows = np.zeros((len(t), 2 * self.bodies + layout.contacts, layout.size))
        body = np.arange(2 * self.bodies)
        rows[:, body, body] = 1.0
        for c in range(layout.contacts):
            rows[:, 2 * self.bodies + c] = layout.force_row(c, t)
        return rows[:, :, layout.carried]

    @cached_property
    def rows(self) -> FloatArray:
        """Conditional means on the carried variables at each kept step, (sample, row, n)."""
        return np.ascontiguousarray(self.outputs(self.times[self.slots]) @ self._later[0])

    @cached_property
    def driven(self) -> list[int]:
        """Contacts that do work."""
        return [c for c, contact in enumerate(self.law.machine.contacts) if contact.is_driven]

    @cached_property
    def reduced(self) -> ReducedLaw:
        """The part of the law that is sampled."""
        outputs = Outputs(self.rows, self.stride, self.driven)
        return reduced_law(self.law, outputs) if self.is_steady else whole_law(self.law, outputs)

    @cached_property
    def reduced_rows(self) -> FloatArray:
        """Conditional means on r̃ at each kept step, (sample, row, r)."""
        return np.ascontiguousarray(self.rows @ self.reduced.lift[:: self.stride])

    @cached_property
    def offsets(self) -> tuple[FloatArray, FloatArray]:
        """Q_ab: (phase, pair) for `phase_pairs`, and (pair,) period averages for `mean_pairs`."""
        outputs = self.outputs(self.times[self.slots])
        noise = outputs @ self._later[1] @ outputs.swapaxes(1, 2) + self._open()
        by_phase = np.empty((len(self.times), len(self.phase_pairs)))
        by_phase[self.slots] = noise[:, self.phase_pairs[:, 0], self.phase_pairs[:, 1]]
        kicked = by_phase[:, -len(self.contact_pairs) :]
        for index, (l, c) in enumerate(self.contact_pairs):
            kicked[:, index] += self.law.layout.kicks(c, self.times)[:, l]
        return by_phase, noise[:, self.mean_pairs[:, 0], self.mean_pairs[:, 1]].mean(axis=0)

    def _open(self) -> FloatArray:
        """Covariance of the conditional means that r̃ leaves open, (sample, row, row)."""
        carried, kept = self.law.layout.carried, slice(None, None, self.stride)
        covariance = self.law.periodic_covariance[kept][:, carried][:, :, carried]
        seen = self.reduced_rows @ self.reduced.drawn[kept] @ self.reduced_rows.swapaxes(1, 2)
        return np.asarray(self.rows @ covariance @ self.rows.swapaxes(1, 2) - seen)


def _together(
    first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray], length: int
) -> tuple[FloatArray, FloatArray]:
    """Propagators and noises of two stretches, the first of the given length, from every phase on."""
    flow, noise = (np.roll(array, -length, axis=0) for array in second)
    return flow @ first[0], flow @ first[1] @ flow.swapaxes(1, 2) + noise

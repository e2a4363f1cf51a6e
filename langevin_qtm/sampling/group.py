"""One group of 64 trajectories: its arrays, and what has been accumulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.factors import StepFactors, step_factors
from langevin_qtm.sampling.kernel import run_periods
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
from langevin_qtm.sampling.step_law import StepLaw


@dataclass(frozen=True)
class Plan:
    """What all groups share: the law of the steps in kernel form, and which products are accumulated.

    Attributes
    ----------
    law : StepLaw
    window : int
        Periods over which work is summed for the fluctuations D.
    """

    law: StepLaw
    window: int

    @cached_property
    def factors(self) -> StepFactors:
        """Kernel form of the law."""
        return step_factors(self.law)

    @property
    def bodies(self) -> int:
        """Number of oscillators."""
        return self.law.layout.bodies

    @property
    def contacts(self) -> int:
        """Number of contacts."""
        return self.law.layout.contacts

    @property
    def step(self) -> float:
        """Duration of a step."""
        return self.law.machine.period / self.law.steps

    @cached_property
    def position_pairs(self) -> list[tuple[int, int]]:
        """Oscillator pairs a <= b of the covariance."""
        return [(a, b) for a in range(self.bodies) for b in range(a, self.bodies)]

    @cached_property
    def work_pairs(self) -> list[tuple[int, int]]:
        """(oscillator, contact) pairs joined by a driven coupling."""
        return [
            (l, c)
            for c, contact in enumerate(self.law.machine.contacts)
            for l, drive in enumerate(contact.drives)
            if not drive.is_static
        ]

    @cached_property
    def contact_pairs(self) -> list[tuple[int, int]]:
        """(oscillator, contact) pairs joined by any coupling."""
        return [
            (l, c)
            for c, contact in enumerate(self.law.machine.contacts)
            for l, drive in enumerate(contact.drives)
            if drive.harmonics
        ]

    @cached_property
    def pairs(self) -> np.ndarray:
        """Products accumulated at each phase, as the kernel wants them."""
        rows = [(0, a, b) for a, b in self.position_pairs]
        rows += [(1, l, c) for l, c in self.work_pairs]
        rows += [(2, l, c) for l, c in self.contact_pairs]
        return np.array(rows)

    @cached_property
    def angles(self) -> FloatArray:
        """Drive angle at the start of each step."""
        return 2 * np.pi * np.arange(self.law.steps) / self.law.steps

    @cached_property
    def slopes(self) -> FloatArray:
        """ġ in the middle of each step, (phase, contact, oscillator)."""
        middle = self.angles + np.pi / self.law.steps
        contacts = self.law.machine.contacts
        return self.law.machine.angular_frequency * np.stack(
            [c.coupling_slopes(middle) for c in contacts], axis=1
        )

    @cached_property
    def velocity_gain(self) -> FloatArray:
        """ẏ_c on positions and velocities at the end of each step, (phase, contact, 2 oscillator)."""
        ends = np.roll(self.angles, -1)
        rows = [self.law.layout.embedding.velocity_row(c, ends) for c in range(self.contacts)]
        return np.ascontiguousarray(np.stack(rows, axis=1)[:, :, : 2 * self.bodies])

    @cached_property
    def memory_rows(self) -> np.ndarray:
        """Rows of f and ξ, (contact, 2), negative for a memoryless contact."""
        layout = self.law.layout
        return np.array(
            [
                (f.start, n.start) if f.start < f.stop else (-1, -1)
                for f, n in zip(layout.friction, layout.noise, strict=True)
            ]
        )

    @cached_property
    def friction(self) -> FloatArray:
        """-γ of memoryless contacts, (contact, 1)."""
        return -np.array([[memory.friction] for memory in self.law.layout.embedding.memories])

    @cached_property
    def force_filter(self) -> FloatArray:
        """Filter states before the step on F of memoryless contacts, (filter,)."""
        layout = self.law.layout
        gains = [
            memory.white_gain * noise_filter.residues
            for memory, noise_filter in zip(layout.embedding.memories, layout.filters, strict=True)
        ]
        return np.concatenate(gains) * self.factors.decay

    @cached_property
    def law_residual(self) -> FloatArray:
        """Σ_ν heat_l,ν + P_l under the periodic law: zero but for discretization and rounding; (oscillator,)."""
        law, layout, bodies = self.law, self.law.layout, self.bodies
        velocities = law.periodic_covariance[:, bodies : 2 * bodies]
        residual = np.zeros(bodies)
        for c, contact in enumerate(law.machine.contacts):
            moment = np.einsum("kls,ks->kl", velocities, layout.force_row(c, self.angles))
            moment += layout.kicks(c, self.angles)
            residual += (contact.couplings(self.angles) * moment).mean(axis=0)
        return residual

    @cached_property
    def noise_moments(self) -> tuple[FloatArray, FloatArray]:
        """What conditional means leave out of the products.

        Returns
        -------
        by_phase : (phase, pair) array
            For `pairs`, at the phase where they are accumulated.
        means : (velocity pair,) array
            For the x v and v v products, averaged over the period.
        """
        layout = self.law.layout
        noise = self.law.covariance.sum(axis=0)
        ends = np.roll(self.angles, -1)
        bodies = self.bodies
        by_phase = np.zeros((self.law.steps, len(self.pairs)))
        for index, (kind, a, b) in enumerate(self.pairs):
            if kind == 0:
                by_phase[:, index] = noise[:, a, b]
            elif kind == 1:
                by_phase[:, index] = np.einsum("ks,ks->k", noise[:, a], layout.force_row(b, ends))
            else:
                moment = np.einsum("ks,ks->k", noise[:, bodies + a], layout.force_row(b, ends))
                by_phase[:, index] = moment + layout.kicks(b, ends)[:, a]
        mean = noise.mean(axis=0)
        crossed = mean[:bodies, bodies : 2 * bodies].ravel()
        kinetic = [mean[bodies + a, bodies + b] for a, b in self.position_pairs]
        return np.roll(by_phase, 1, axis=0), np.concatenate([crossed, kinetic])


@dataclass
class Totals:
    """Sums of one group over whole periods, trajectories on the last axis."""

    phase: FloatArray
    mean: FloatArray
    periods: int = 0

    @classmethod
    def empty(cls, plan: Plan) -> Totals:
        """Zeros."""
        velocity_pairs = plan.bodies**2 + len(plan.position_pairs)
        return cls(np.zeros((plan.law.steps, len(plan.pairs), LANES)), np.zeros((velocity_pairs, LANES)))


@dataclass
class Group:
    """State of 64 trajectories in the course of a run."""

    plan: Plan
    rng: np.ndarray
    state: FloatArray
    record: FloatArray
    record_stride: int = 1
    totals: Totals = field(init=False)

    def __post_init__(self) -> None:
        plan, factors = self.plan, self.plan.factors
        dense = factors.drift.shape[1]
        self.scratch = np.zeros((dense + 2 * plan.contacts + plan.bodies) * LANES)
        positions = self.state[: plan.bodies * LANES]
        self.history = np.concatenate([*[positions] * 4, np.zeros(plan.contacts * LANES)])
        self.recorded = np.array([len(self.record), 0, self.record.shape[2]])
        self.reset()

    def reset(self) -> None:
        """Forget what was accumulated."""
        self.totals = Totals.empty(self.plan)
        channels = self.plan.bodies + 1
        self.window = np.zeros(2 * channels * LANES)
        self.window_periods = np.array([self.plan.window, 0, 0])
        self.window_sums = np.zeros(3 * channels * LANES)

    def start_recording(self) -> None:
        """Store samples from now on, until the record is full."""
        self.recorded[:2] = 0

    def take_totals(self) -> Totals:
        """Hand over the sums of moments since the last call, and start new ones."""
        taken, self.totals = self.totals, Totals.empty(self.plan)
        return taken

    def advance(self, periods: int) -> None:
        """Run whole periods; releases the interpreter lock."""
        plan, factors = self.plan, self.plan.factors
        run_periods(
            periods,
            self.rng,
            self.state,
            self.scratch,
            self.history,
            factors.drift,
            factors.noise,
            factors.decay,
            factors.filter_noise,
            factors.blocks,
            plan.memory_rows,
            plan.friction,
            plan.force_filter,
            plan.velocity_gain,
            plan.slopes,
            plan.pairs,
            self.totals.phase.reshape(-1),
            self.totals.mean.reshape(-1),
            self.window,
            self.window_periods,
            self.window_sums,
            self.record,
            self.record_stride,
            self.recorded,
        )
        self.totals.periods += periods


def new_group(
    plan: Plan, seed: int, index: int, covariance: FloatArray, record: FloatArray, stride: int
) -> Group:
    """Group whose trajectories start from independent draws of a Gaussian law.

    Parameters
    ----------
    plan : Plan
    seed, index : int
        Key of the random stream.
    covariance : (carried, carried) array
        Covariance of z and q at the start.
    record : (sample, row, lane) array
        Room for stored samples; length 0 for none.
    stride : int
        Steps between stored samples.
    """
    rng = seed_lanes(seed, index)
    normals = plan.factors.normals
    carried = len(covariance)
    scale = np.sqrt(np.maximum(covariance.diagonal(), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    draws = np.empty(carried * LANES)
    fill_normals(rng, draws)
    state = np.zeros((carried + normals) * LANES)
    state[: carried * LANES] = (root @ draws.reshape(carried, LANES)).ravel()
    return Group(plan, rng, state, record, stride)

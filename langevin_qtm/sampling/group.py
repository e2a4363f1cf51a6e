"""One group of 64 trajectories: its arrays, and what has been accumulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.factors import StepFactors, step_factors
from langevin_qtm.sampling.kernel import run_periods
from langevin_qtm.sampling.moments import MomentPlan
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
from langevin_qtm.sampling.step_law import StepLaw


@dataclass(frozen=True)
class Plan:
    """What all groups share: the law of the steps in kernel form, and which moments are taken.

    Attributes
    ----------
    moments : MomentPlan
    window : int
        Periods over which work is summed for the fluctuations D.
    """

    moments: MomentPlan
    window: int

    @property
    def law(self) -> StepLaw:
        """Law of the steps."""
        return self.moments.law

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
    def times(self) -> FloatArray:
        """Time at the start of each step."""
        return self.step * np.arange(self.law.steps, dtype=float)

    @cached_property
    def slopes(self) -> FloatArray:
        """ġ in the middle of each step, (phase, contact, oscillator)."""
        middle = self.times + self.step / 2
        return np.stack([c.coupling_rates(middle) for c in self.law.machine.contacts], axis=1)


@dataclass
class Totals:
    """Sums of one group over whole periods, trajectories on the last axis."""

    phase: FloatArray
    mean: FloatArray
    periods: int = 0

    @classmethod
    def empty(cls, plan: Plan) -> Totals:
        """Zeros."""
        moments = plan.moments
        phase = np.zeros((len(moments.times), len(moments.phase_pairs), LANES))
        return cls(phase, np.zeros((len(moments.mean_pairs), LANES)))


@dataclass
class Group:
    """State of 64 trajectories in the course of a run."""

    plan: Plan
    rng: np.ndarray
    state: FloatArray
    record: FloatArray
    record_stride: int = 1
    work_periods: int | None = None
    totals: Totals = field(init=False)

    def __post_init__(self) -> None:
        plan, factors = self.plan, self.plan.factors
        rows = factors.drift.shape[1] + plan.moments.rows.shape[1] + plan.bodies
        self.scratch = np.zeros(rows * LANES)
        positions = self.state[: plan.bodies * LANES]
        self.history = np.concatenate([*[positions] * 4, np.zeros(plan.contacts * LANES)])
        self.recorded = np.array([len(self.record), 0, self.record.shape[2]])
        self.works: list[FloatArray] = []
        self.until_work = self.work_periods or 0
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

    def work_done(self) -> FloatArray:
        """Work since the start, (oscillator, lane): that of finished windows, and of the current one."""
        rows = self.plan.bodies * LANES
        return (self.window_sums[:rows] + self.window[:rows]).reshape(self.plan.bodies, LANES)

    def window_works(self) -> FloatArray:
        """Work in each window of `work_periods` periods, (lane, window, oscillator)."""
        return np.diff(self.works, axis=0, prepend=0.0 * self.works[0][None]).transpose(2, 0, 1)

    def advance(self, periods: int) -> None:
        """Run whole periods, and note the work where that is wanted; releases the interpreter lock."""
        if self.work_periods is None:
            self._run(periods)
            return
        while periods:
            piece = min(periods, self.until_work)
            self._run(piece)
            periods, self.until_work = periods - piece, self.until_work - piece
            if not self.until_work:
                self.works.append(self.work_done())
                self.until_work = self.work_periods

    def _run(self, periods: int) -> None:
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
            plan.slopes,
            plan.moments.rows,
            plan.moments.slots,
            plan.moments.phase_pairs,
            plan.moments.mean_pairs,
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
    plan: Plan,
    seed: int,
    index: int,
    covariance: FloatArray,
    record: FloatArray,
    stride: int,
    work_periods: int | None = None,
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
    work_periods : int, optional
        Periods in a window whose work is kept.
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
    return Group(plan, rng, state, record, stride, work_periods)

"""One group of 64 trajectories: its arrays, and what has been accumulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.kernel import run_periods
from langevin_qtm.sampling.moments import MomentPlan
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
from langevin_qtm.sampling.reduction import ReducedLaw
from langevin_qtm.sampling.row_maps import BandedMaps, banded, whole_blocks, zero_rows
from langevin_qtm.sampling.step_law import StepLaw


@dataclass(frozen=True)
class Plan:
    """What all groups share: the reduced law of the steps in kernel form, and which moments are taken.

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

    @property
    def reduced(self) -> ReducedLaw:
        """What of it is sampled."""
        return self.moments.reduced

    @property
    def bodies(self) -> int:
        """Number of oscillators."""
        return self.law.layout.bodies

    @property
    def contacts(self) -> int:
        """Number of contacts."""
        return self.law.layout.contacts

    @property
    def driven_oscillators(self) -> list[int]:
        """Oscillators with a coupling that depends on time."""
        contacts = self.law.machine.contacts
        return [l for l in range(self.bodies) if any(not c.drives[l].is_static for c in contacts)]

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
        """ġ of the driven contacts in the middle of each step, (phase, driven, oscillator)."""
        contacts, middle = self.law.machine.contacts, self.times + self.step / 2
        slopes = np.zeros((self.law.steps, len(self.moments.driven), self.bodies))
        for index, contact in enumerate(self.moments.driven):
            slopes[:, index] = contacts[contact].coupling_rates(middle)
        return slopes

    @cached_property
    def maps(self) -> BandedMaps:
        """From normals and r̃ to the next r̃."""
        return banded(np.concatenate([self.reduced.noise, self.reduced.transition], axis=2), self.sources)

    @cached_property
    def look_maps(self) -> BandedMaps:
        """From normals and r̃ to positions in the middle of the step and to force integrals."""
        reduced, looks = self.reduced, self.reduced.ends
        onward = np.concatenate([reduced.noise, reduced.transition], axis=2)
        seen = looks[:, :, reduced.size :] @ onward
        seen[:, :, reduced.normals :] += looks[:, :, : reduced.size]
        return banded(seen, self.sources)

    @cached_property
    def moment_maps(self) -> BandedMaps:
        """From r̃ to conditional means."""
        return banded(self.moments.reduced_rows, whole_blocks(self.reduced.size))

    @property
    def sources(self) -> int:
        """Rows of normals, r̃ and zeros that maps are applied to."""
        size, normals = self.reduced.size, self.reduced.normals
        return max(whole_blocks(normals + size), normals + whole_blocks(size))


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
        phases, pairs = len(moments.times), len(moments.phase_pairs)
        by_phase = zero_rows(phases * pairs).reshape(phases, pairs, LANES)
        return cls(by_phase, zero_rows(len(moments.mean_pairs)).reshape(-1, LANES))


@dataclass
class Group:
    """State of 64 trajectories in the course of a run."""

    plan: Plan
    rng: np.ndarray
    state: FloatArray
    work_periods: int | None = None
    totals: Totals = field(init=False)

    def __post_init__(self) -> None:
        self.works: list[FloatArray] = []
        self.until_work = self.work_periods or 0
        self.reset()

    def reset(self) -> None:
        """Forget what was accumulated."""
        self.totals = Totals.empty(self.plan)
        channels = self.plan.bodies + 1
        self.window = zero_rows(2 * channels)
        self.window_periods = np.array([self.plan.window, 0, 0])
        self.window_sums = zero_rows(3 * channels)

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
        plan, moments = self.plan, self.plan.moments
        run_periods(
            periods,
            self.rng,
            self.state,
            plan.reduced.normals,
            plan.maps.matrices,
            plan.maps.bands,
            plan.look_maps.matrices,
            plan.look_maps.bands,
            plan.slopes,
            plan.moment_maps.matrices,
            plan.moment_maps.bands,
            moments.slots,
            moments.phase_pairs,
            moments.mean_pairs,
            self.totals.phase.reshape(-1),
            self.totals.mean.reshape(-1),
            self.window,
            self.window_periods,
            self.window_sums,
        )
        self.totals.periods += periods


def new_group(
    plan: Plan, seed: int, index: int, covariance: FloatArray, work_periods: int | None = None
) -> Group:
    """Group whose trajectories start from independent draws of a Gaussian law.

    Parameters
    ----------
    plan : Plan
    seed, index : int
        Key of the random stream.
    covariance : (carried, carried) array
        Covariance of z and q at the start.
    work_periods : int, optional
        Periods in a window whose work is kept.
    """
    rng, reduced = seed_lanes(seed, index), plan.reduced
    project = reduced.project[0]
    drawn = project @ covariance @ project.T - reduced.waiting[0]
    sources, seen = plan.sources, max(plan.moments.rows.shape[1], reduced.ends.shape[1])
    state = zero_rows(2 * sources + seen)
    first = reduced.normals * LANES
    state[first : first + reduced.size * LANES] = gaussian_draws(rng, drawn).ravel()
    return Group(plan, rng, state, work_periods)


def gaussian_draws(rng: np.ndarray, covariance: FloatArray) -> FloatArray:
    """64 independent draws, (variable, lane), of a Gaussian law of mean zero."""
    scale = np.sqrt(np.maximum(covariance.diagonal(), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    draws = np.empty(len(covariance) * LANES)
    fill_normals(rng, draws)
    return np.asarray(root @ draws.reshape(len(covariance), LANES))

"""One group of 64 trajectories: its arrays, what has been accumulated, and how it advances."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling import blocks
from langevin_qtm.sampling.kernel import run_periods
from langevin_qtm.sampling.moments import MomentPlan
from langevin_qtm.sampling.normals import LANES, fill_normals, seed_lanes
from langevin_qtm.sampling.reduction import ReducedLaw
from langevin_qtm.sampling.row_maps import BandedMaps, aligned, banded, whole_blocks, zero_rows
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

    @cached_property
    def kernel_steps(self) -> Steps:
        """What trajectories need to advance."""
        moments = self.moments
        return Steps(
            self.reduced.normals,
            self.maps,
            self.look_maps,
            self.moment_maps,
            self.slopes,
            moments.slots,
            moments.phase_pairs,
            moments.mean_pairs,
            watched_weights(self),
        )

    @property
    def sources(self) -> int:
        """Rows of normals, r̃ and zeros that maps are applied to."""
        size, normals = self.reduced.size, self.reduced.normals
        return max(whole_blocks(normals + size), normals + whole_blocks(size))


@dataclass(frozen=True)
class Steps:
    """What trajectories need of a plan to advance: all numbers of the kernel, and nothing that is recomputed.

    Attributes
    ----------
    normals : int
        Drawn in a step.
    maps, look_maps, moment_maps : BandedMaps
        As in `Plan`.
    slopes : (phase, driven, oscillator) array
    slots, phase_pairs, mean_pairs
        As in `MomentPlan`.
    weights : (observable, phase * pair) array
        From sums by phase to the local powers and position covariances that must not drift.
    """

    normals: int
    maps: BandedMaps
    look_maps: BandedMaps
    moment_maps: BandedMaps
    slopes: FloatArray
    slots: NDArray[np.intp]
    phase_pairs: NDArray[np.intp]
    mean_pairs: NDArray[np.intp]
    weights: FloatArray


def watched_weights(plan: Plan) -> FloatArray:
    """`Steps.weights`: known constants are left out, since only changes count."""
    moments, times = plan.moments, plan.moments.times
    first, pairs = len(moments.position_pairs), len(moments.phase_pairs)
    weights = np.zeros((plan.bodies + first, len(times), pairs))
    for index, (body, contact) in enumerate(moments.contact_pairs):
        rates = plan.law.machine.contacts[contact].coupling_rates(times)
        weights[body, :, first + index] = -rates[:, body]
    for index in range(first):
        weights[plan.bodies + index, :, index] = 1.0
    return weights.reshape(len(weights), -1) / len(times)


@dataclass
class Totals:
    """Sums of one group over whole periods, trajectories on the last axis."""

    phase: FloatArray
    mean: FloatArray
    periods: int = 0


@dataclass
class Group:
    """64 trajectories in the course of a run: after so many periods the same bits, however they came there.

    Arrays are changed in place, and begin at a cache line; those that arrive from elsewhere are moved to one.

    Attributes
    ----------
    rng : (4 * LANES,) uint64 array
    state : flat array
        Rows of the kernel.
    totals : Totals
        Since the start.
    window, window_periods, window_sums
        Work in windows, as in the kernel.
    work_periods : int or None
        Periods after which the work since the start is noted, again and again.
    works : list of (oscillator, lane) arrays
        What was noted, until somebody collects it.
    marks : list of (observable, lane) arrays
        Sums since the start at the ends of equal blocks of periods, see `blocks`.
    """

    rng: np.ndarray
    state: FloatArray
    totals: Totals
    window: FloatArray
    window_periods: NDArray[np.int_]
    window_sums: FloatArray
    work_periods: int | None = None
    works: list[FloatArray] = field(default_factory=list)
    marks: list[FloatArray] = field(default_factory=list)

    def __setstate__(self, arrived: dict[str, Any]) -> None:
        self.__dict__ |= arrived
        for name in ("state", "window", "window_sums"):
            setattr(self, name, aligned(getattr(self, name)))
        self.totals = Totals(aligned(self.totals.phase), aligned(self.totals.mean), self.totals.periods)

    @property
    def periods(self) -> int:
        """Periods since the start."""
        return self.totals.periods

    def work_done(self) -> FloatArray:
        """Work since the start, (oscillator, lane): that of finished windows, and of the current one."""
        rows = self.window.size // 2 - LANES
        return (self.window_sums[:rows] + self.window[:rows]).reshape(-1, LANES)

    def advance(self, steps: Steps, periods: int) -> None:
        """Run so many periods more, and note what is due on the way; releases the interpreter lock."""
        end = self.periods + periods
        while self.periods < end:
            stop = min(end, blocks.next_mark(self.periods))
            if self.work_periods is not None:
                stop = min(stop, (self.periods // self.work_periods + 1) * self.work_periods)
            self.run(steps, stop - self.periods)
            if self.work_periods is not None and stop % self.work_periods == 0:
                self.works.append(self.work_done())
            if blocks.is_mark(stop):
                sums = self.totals.phase.reshape(-1, LANES)
                self.marks = blocks.with_mark(self.marks, steps.weights @ sums)

    def run(self, steps: Steps, periods: int) -> None:
        """Run so many periods more and note nothing."""
        run_periods(
            periods,
            self.rng,
            self.state,
            steps.normals,
            steps.maps.matrices,
            steps.maps.bands,
            steps.look_maps.matrices,
            steps.look_maps.bands,
            steps.slopes,
            steps.moment_maps.matrices,
            steps.moment_maps.bands,
            steps.slots,
            steps.phase_pairs,
            steps.mean_pairs,
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
    moments, channels = plan.moments, plan.bodies + 1
    phases, pairs = len(moments.times), len(moments.phase_pairs)
    return Group(
        rng,
        state,
        Totals(
            zero_rows(phases * pairs).reshape(phases, pairs, LANES),
            zero_rows(len(moments.mean_pairs)).reshape(-1, LANES),
        ),
        zero_rows(2 * channels),
        np.array([plan.window, 0, 0]),
        zero_rows(3 * channels),
        work_periods,
    )


def gaussian_draws(rng: np.ndarray, covariance: FloatArray) -> FloatArray:
    """64 independent draws, (variable, lane), of a Gaussian law of mean zero."""
    scale = np.sqrt(np.maximum(covariance.diagonal(), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    draws = np.empty(len(covariance) * LANES)
    fill_normals(rng, draws)
    return np.asarray(root @ draws.reshape(len(covariance), LANES))

"""Groups of an ensemble through the steps of an interval, and the work of each trajectory on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling import paths
from langevin_qtm.sampling.factors import StepFactors
from langevin_qtm.sampling.normals import LANES
from langevin_qtm.sampling.paths import PathSteps, path_steps
from langevin_qtm.sampling.step_law import Layout


class WorkPath:
    """Work of one group since the start, as the kernel sums it: one step late.

    Attributes
    ----------
    history : array
        Positions at four steps and force integrals of the last one, as in `paths`.
    done : array
        Work done by each oscillator.
    slope : (contact, oscillator) array
        ġ in the middle of the last step, whose work is still to be done.
    """

    def __init__(self, layout: Layout, state: FloatArray, step: float, start: float):
        self.bodies, self.contacts = layout.bodies, layout.contacts
        position, velocity = state[: self.bodies], state[self.bodies : 2 * self.bodies]
        rows = [position - (2 - k) * step * velocity for k in range(4)]
        self.history = np.concatenate([*rows, np.zeros((self.contacts, LANES))]).ravel()
        self.done = np.zeros(self.bodies * LANES)
        self.slope = slopes_of(layout, np.array([start]))[0]

    def delay(self, slopes: FloatArray) -> FloatArray:
        """ġ of the step before each step; the last is kept for the next call."""
        delayed = np.concatenate([self.slope[None], slopes[:-1]])
        self.slope = slopes[-1]
        return delayed

    def work(self) -> FloatArray:
        """Work since the start, (lane, oscillator); the next position, not yet known, is extrapolated."""
        rows = self.history.reshape(-1, LANES)
        before, old, new = (rows[k * self.bodies : (k + 1) * self.bodies] for k in range(3))
        after = 3 * new - 3 * old + before
        middle = (7 * (old + new) - (before + after)) / 12
        pending = -np.einsum("cl,la,ca->la", self.slope, middle, rows[4 * self.bodies :])
        return np.asarray((self.done.reshape(self.bodies, LANES) + pending).T)


def slopes_of(layout: Layout, times: FloatArray) -> FloatArray:
    """ġ, (time, contact, oscillator)."""
    return np.stack([c.coupling_rates(times) for c in layout.embedding.machine.contacts], axis=1)


@dataclass(frozen=True)
class Stretch:
    """Some steps of an interval, and ġ in the middle of each."""

    steps: PathSteps
    slopes: FloatArray


@dataclass(frozen=True)
class Leg:
    """An interval as trajectories go through it.

    Attributes
    ----------
    early : Stretch or None
        Steps up to where moments look ahead from.
    late : Stretch
        The rest.
    view : (row, carried) array or None
        From the state between both to conditional means at the end; absent where nothing is observed.
    jump : (carried, carried) array or None
        What an event at the end does to the state.
    """

    early: Stretch | None
    late: Stretch
    view: FloatArray | None
    jump: FloatArray | None


@dataclass(frozen=True)
class Sight:
    """What is seen of a group at an output time.

    Attributes
    ----------
    means : (lane, row) array
        Conditional means of positions, velocities and forces.
    sample : (2 oscillator, stored lane) array
        Positions and velocities of the first trajectories.
    work : (lane, oscillator) array or None
        Since the start, where it is wanted.
    """

    means: FloatArray
    sample: FloatArray
    work: FloatArray | None


@dataclass
class Member:
    """64 trajectories in the course of a run over time.

    Attributes
    ----------
    rng : (4 * LANES,) uint64 array
    state : (carried, lane) array
    path : WorkPath or None
        Where work is wanted.
    stored : int
        Trajectories whose positions and velocities are wanted.
    bodies : int
    """

    rng: np.ndarray
    state: FloatArray
    path: WorkPath | None
    stored: int
    bodies: int

    def see(self, means: FloatArray) -> Sight:
        """The group at an output time, with its conditional means (row, lane)."""
        sample = self.state[: 2 * self.bodies, : self.stored].copy()
        return Sight(means.T, sample, None if self.path is None else self.path.work())

    def travel(self, leg: Leg) -> Sight | None:
        """Go through an interval; what is seen at its end."""
        if leg.early is not None:
            self._advance(leg.early)
        means = None if leg.view is None else leg.view @ self.state
        self._advance(leg.late)
        if leg.jump is not None:
            self.state = leg.jump @ self.state
        return None if means is None else self.see(means)

    def _advance(self, stretch: Stretch) -> None:
        contacts, bodies = stretch.slopes.shape[1:]
        if self.path is not None:
            history, done, slopes = self.path.history, self.path.done, self.path.delay(stretch.slopes)
        else:
            history, done = np.zeros((4 * bodies + contacts) * LANES), np.zeros(bodies * LANES)
            slopes = np.zeros_like(stretch.slopes)
        self.state = paths.advance(stretch.steps, self.state, self.rng, slopes, history, done)


def travel(members: Sequence[Member], legs: Sequence[Leg]) -> list[tuple[Member, list[Sight]]]:
    """Groups through intervals, and what is seen on the way: a task of the engine."""
    found = [(member, [member.travel(leg) for leg in legs]) for member in members]
    return [(member, [sight for sight in seen if sight is not None]) for member, seen in found]


def split(factors: StepFactors, slopes: FloatArray, place: int) -> tuple[Stretch | None, Stretch]:
    """The steps before a place, if there are any, and those from it on."""
    early, late = (
        Stretch(
            path_steps(replace(factors, drift=factors.drift[part], noise=factors.noise[part])), slopes[part]
        )
        if len(slopes[part])
        else None
        for part in (slice(0, place), slice(place, None))
    )
    assert late is not None
    return early, late

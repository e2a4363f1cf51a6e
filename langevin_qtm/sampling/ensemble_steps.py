"""Groups of an ensemble through the steps of an interval, and the work of each trajectory on the way."""

from __future__ import annotations

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling import paths
from langevin_qtm.sampling.factors import StepFactors
from langevin_qtm.sampling.normals import LANES
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


def advance(
    factors: StepFactors, state: FloatArray, rng: np.ndarray, slopes: FloatArray, path: WorkPath | None
) -> FloatArray:
    """One group, (carried, lane), through all steps; its work is added to `path`, if any."""
    if not len(factors.drift):
        return state
    contacts, bodies = slopes.shape[1:]
    if path is not None:
        history, done, delayed = path.history, path.done, path.delay(slopes)
    else:
        history, done = np.zeros((4 * bodies + contacts) * LANES), np.zeros(bodies * LANES)
        delayed = np.zeros_like(slopes)
    return paths.advance(factors, state, rng, delayed, history, done)


def split(factors: StepFactors, place: int) -> tuple[StepFactors, StepFactors]:
    """The steps before a place, and those from it on."""
    shared = factors.decay, factors.filter_noise, factors.blocks
    return tuple(  # type: ignore[return-value]
        StepFactors(
            np.ascontiguousarray(factors.drift[part]), np.ascontiguousarray(factors.noise[part]), *shared
        )
        for part in (slice(0, place), slice(place, None))
    )

"""Law of the steps of an ensemble, interval by interval, and what it does to the exact law of the ensemble.

Where nothing repeats, this is much of the work. Intervals do not need one another, so they are tasks; only
their maps, applied one after another, carry the law of the ensemble on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.step_law import Layout, StepLaw, law_of_steps

PIECES = 2  # of each substep; the error estimate compares with 1


@dataclass(frozen=True)
class Grid:
    """Times of the run.

    Attributes
    ----------
    outputs : (time,) array
        Where moments are taken, the start among them.
    edges : (edge,) array
        These and the events between them.
    longest : float
        Longest step.
    substeps : (substep + 1,) array
        Cut of every step.
    look_ahead : float
        Time over which moments look ahead, at most an interval.
    """

    outputs: FloatArray
    edges: FloatArray
    longest: float
    substeps: FloatArray
    look_ahead: float

    def steps(self, start: float, stop: float) -> int:
        """Steps between two edges."""
        return max(1, int(np.ceil((stop - start) / self.longest - 1e-9)))


@dataclass(frozen=True)
class GaussianMap:
    """s becomes flow s + noise, on the carried variables; of the noise its covariance."""

    flow: FloatArray
    noise: FloatArray

    def mean(self, mean: FloatArray) -> FloatArray:
        """Mean afterwards."""
        return self.flow @ mean

    def covariance(self, covariance: FloatArray) -> FloatArray:
        """Covariance afterwards."""
        return self.flow @ covariance @ self.flow.T + self.noise

    def then(self, jump: FloatArray) -> GaussianMap:
        """This and a sudden change of the state."""
        return GaussianMap(jump @ self.flow, jump @ self.noise @ jump.T)


@dataclass(frozen=True)
class IntervalLaw:
    """Law of all steps between two edges; at a jump, couplings of the last step are those before it.

    Attributes
    ----------
    start, stop, step : float
    law : StepLaw
        Of each step.
    whole, coarse : GaussianMap
        Of all steps together, with the substeps of the grid and with half as many.
    late : GaussianMap
        Of the last `ahead` steps.
    ahead : int
        Steps that moments look ahead.
    """

    start: float
    stop: float
    step: float
    law: StepLaw
    whole: GaussianMap
    coarse: GaussianMap
    late: GaussianMap
    ahead: int

    @property
    def starts(self) -> FloatArray:
        """Times at which steps start."""
        return self.start + self.step * np.arange(self.law.steps, dtype=float)


def interval_laws(intervals: Sequence[tuple[float, float]], shared: tuple[Layout, Grid]) -> list[IntervalLaw]:
    """Laws of intervals: a task of the engine."""
    return [_interval_law(*interval, *shared) for interval in intervals]


def _interval_law(start: float, stop: float, layout: Layout, grid: Grid) -> IntervalLaw:
    steps = grid.steps(start, stop)
    step = (stop - start) / steps
    starts = start + step * np.arange(steps, dtype=float)
    law = law_of_steps(layout, starts, step, grid.substeps)  # Gauss nodes never touch a jump at the ends
    rough = law_of_steps(layout, starts, step, grid.substeps[::PIECES])
    ahead = min(steps, max(1, int(grid.look_ahead / step)))
    maps = _composed(law, 0), _composed(rough, 0), _composed(law, steps - ahead)
    return IntervalLaw(start, stop, step, law, *maps, ahead)


def _composed(law: StepLaw, first: int) -> GaussianMap:
    """The steps from one on as a single map."""
    kept = law.layout.carried
    flow, noise = np.eye(len(kept)), np.zeros((len(kept),) * 2)
    for k in range(first, law.steps):
        one, added = law.propagator[k][np.ix_(kept, kept)], law.covariance[:, k].sum(axis=0)
        flow, noise = one @ flow, one @ noise @ one.T + added[np.ix_(kept, kept)]
    return GaussianMap(flow, noise)

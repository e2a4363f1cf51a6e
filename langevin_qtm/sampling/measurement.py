"""The measurement of a periodic run: rounds of whole periods until a stopping rule strikes.

Looks at the result come after fixed numbers of periods, so that where a run stops by its error depends on
neither the engine nor the clock; rounds between them end by the clock, and the state may be kept after each.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.progress import Progress, Report
from langevin_qtm.sampling.blocks import block_length, block_sums
from langevin_qtm.sampling.checkpoint import (
    Keeper,
    State,
    fingerprint,
    groups_state,
    require_no_less,
    require_same_steps,
    restore_groups,
)
from langevin_qtm.sampling.group import Group, Steps
from langevin_qtm.sampling.normals import LANES
from langevin_qtm.sampling.observables import balanced, period_averages
from langevin_qtm.sampling.preparation import Preparation
from langevin_qtm.sampling.rounds import Pace, map_chunks
from langevin_qtm.sampling.settings import SimulateSettings
from langevin_qtm.sampling.statistics import drift_scores, mean_and_error
from langevin_qtm.tasks import Engine

LOOK_STEPS = 5_000_000  # of each group between looks at the result, at first
FEWEST_BLOCKS = 4  # that show a drift
DEFAULT_TARGET_ERROR = 0.01
DEFAULT_TIME_LIMIT = 600.0


def _advance(arrivals: Sequence[tuple[Group, int]], steps: Steps) -> list[Group]:
    """Groups after so many periods since their start each: a task of the engine."""
    for group, periods in arrivals:
        group.advance(steps, periods - group.periods)
    return [group for group, _ in arrivals]


class Measurement:
    """Groups from the start of the measurement until a stopping rule strikes.

    Parameters
    ----------
    preparation : Preparation
    settings : SimulateSettings
    groups : list of Group
        At the start.
    engine : Engine
    report : callable
        Receives `Progress` after each round.

    Attributes
    ----------
    works : list of lists of (oscillator, lane) arrays
        Of each group, the work since the start after every `work_periods` periods.
    stop_reason : str
        The rule, at the end.
    """

    def __init__(
        self,
        preparation: Preparation,
        settings: SimulateSettings,
        groups: list[Group],
        engine: Engine,
        report: Report,
    ):
        self.preparation, self.settings, self.groups = preparation, settings, groups
        self.engine, self.report, self.plan = engine, report, preparation.plan
        self.works: list[list[FloatArray]] = [[] for _ in groups]
        self.pace = Pace()
        self.look_periods = _power_of_two(LOOK_STEPS // (LANES * self.plan.law.steps))
        self.looked, self.error = 0, np.inf
        self.seconds, self.stop_reason = 0.0, ""

    @property
    def periods(self) -> int:
        """Periods that all groups have done."""
        return min(group.periods for group in self.groups)

    @property
    def target(self) -> float | None:
        """Relative standard error aimed at, if any."""
        free = self.settings.periods is None and self.settings.time_limit is None
        return self.settings.target_error or (DEFAULT_TARGET_ERROR if free else None)

    @property
    def time_limit(self) -> float:
        """Seconds of measurement after which to stop."""
        unlimited = np.inf if self.settings.periods is not None else DEFAULT_TIME_LIMIT
        return self.settings.time_limit or unlimited

    def measure(self, keeper: Keeper) -> None:
        """Advance round by round."""
        steps = self._steps()
        state = keeper.recall()
        if state is not None:
            require_same_steps(state["steps"], steps)
            self._restore(state)
        began = time.perf_counter() - self.seconds
        self.report(Progress("measure", message="first round" if state is None else "resumed"))
        while not self._has_ended():
            self._round()
            self.seconds = time.perf_counter() - began
            keeper.offer(lambda: self._state(steps))
        keeper.close(lambda: self._state(steps))

    def _round(self) -> None:
        """Take the groups that are behind to where others are, or all to where the next look is due."""
        done, ahead = self.periods, max(group.periods for group in self.groups)
        if done < ahead:
            length = self.pace.begin(ahead - done, self.engine.round_seconds)
        else:
            seconds = min(self.engine.round_seconds, self.time_limit - self.seconds)
            length = self.pace.begin(self._next_stop(done) - done, seconds)
        behind = [index for index, group in enumerate(self.groups) if group.periods < done + length]
        arrivals = [(self.groups[index], done + length) for index in behind]
        steps = self.plan.kernel_steps
        for index, group in zip(behind, map_chunks(self.engine, _advance, arrivals, steps), strict=True):
            self.groups[index] = group
            self.works[index] += group.works
            group.works = []
        self.pace.end(length)

    def _spacing(self, periods: int) -> int:
        """Periods between looks: a block at least."""
        return max(self.look_periods, block_length(periods))

    def _next_stop(self, periods: int) -> int:
        """Where a round has to end, however short that makes it."""
        stop: int | None = self.settings.periods
        if self.target is not None:
            spacing = self._spacing(periods)
            look = (periods // spacing + 1) * spacing
            stop = look if stop is None else min(look, stop)
        return sys.maxsize if stop is None else stop

    def _has_ended(self) -> bool:
        """Look where it is due, report, and see whether a stopping rule strikes."""
        periods, spacing = self.periods, self._spacing(self.periods)
        if periods < max(group.periods for group in self.groups):
            self.report(Progress("measure", periods, self.groups[0].periods, "new trajectories"))
            return False
        if not periods:
            return False
        is_last = periods == self.settings.periods
        if is_last or periods // spacing > self.looked // spacing:
            self.looked, self.error = periods, self.power_error()
            if self.target is not None and self.error <= self.target:
                self.stop_reason = "target_error"
        self._report()
        if not self.stop_reason and self.seconds > self.time_limit:
            self.stop_reason = "time_limit"
        elif not self.stop_reason and is_last:
            self.stop_reason = "periods"
        return bool(self.stop_reason)

    def _steps(self) -> np.ndarray:
        """Fingerprint of what the run does in a step, and of where it begins."""
        plan, first = self.plan, self.groups[0]
        maps = (plan.maps, plan.look_maps, plan.moment_maps)
        return fingerprint([*(m.matrices for m in maps), plan.slopes, first.rng, first.state])

    def _state(self, steps: np.ndarray) -> State:
        """All that the rest of the run depends on."""
        return {
            "steps": steps,
            "seconds": np.array(self.seconds),
            **groups_state(self.groups, self.works),
        }

    def _restore(self, state: State) -> None:
        """Go on from a state, of fewer trajectories or periods than are asked for."""
        trajectories, periods = len(state["periods"]) * LANES, int(state["periods"].max())
        require_no_less("periods", self.settings.periods, periods)
        require_no_less("trajectories", self.settings.trajectories, trajectories)
        restore_groups(state, self.groups, self.works)
        self.seconds = float(state["seconds"])
        self.looked = max(0, periods - 1)  # a look that was due then is still due

    def samples(self) -> dict[str, FloatArray]:
        """Averages of every trajectory over the whole measurement."""
        parts = [period_averages(self.plan, group.totals) for group in self.groups]
        averages = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return balanced(averages, self.preparation.is_steady)

    def power_error(self) -> float:
        """Largest relative standard error of a local power that is driven."""
        mean, error = mean_and_error(self.samples()["local_power"])
        driven = self.plan.driven_oscillators
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.max(error[driven] / np.abs(mean[driven]), initial=0.0))

    def drift(self) -> tuple[FloatArray, FloatArray]:
        """Scores of `drift_scores` for local powers and position covariances; zeros with few blocks."""
        blocks = np.concatenate([block_sums(group.marks) for group in self.groups], axis=1)
        return drift_scores(blocks) if len(blocks) >= FEWEST_BLOCKS else (np.zeros(1), np.zeros(1))

    def window_works(self) -> FloatArray:
        """Work in each window of `work_periods` periods, (trajectory, window, oscillator)."""
        noted = [np.diff(own, axis=0, prepend=0.0 * own[0][None]) for own in self.works]
        return np.concatenate([works.transpose(2, 0, 1) for works in noted])

    def _report(self) -> None:
        periods, error = float(self.periods), self.error
        remark = f"{self.periods} periods"
        if self.looked and np.isfinite(error):
            remark += f", error of powers {100 * error:.2g} %"
        if self.settings.periods is not None:
            done, total = periods, float(self.settings.periods)
        elif self.target is not None:
            done, total = periods, periods * max(1.0, (error / self.target) ** 2)
        else:
            done, total = self.seconds, self.time_limit
        self.report(Progress("measure", done, total if np.isfinite(total) else None, remark))


def _power_of_two(number: float) -> int:
    """Largest power of two that is not larger; one at least."""
    return int(1 << max(1, int(number)).bit_length() - 1)

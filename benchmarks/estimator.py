"""What looking ahead buys: standard errors with moments one step ahead against the default look ahead."""

from __future__ import annotations

import numpy as np

from benchmarks.main_job import main_plan, main_run
from benchmarks.rounds import Line
from langevin_qtm.physics.conventions import FloatArray
from langevin_qtm.sampling.group import Plan, new_group
from langevin_qtm.sampling.moments import MomentPlan
from langevin_qtm.sampling.observables import balanced, period_averages
from langevin_qtm.sampling.start import start_covariance
from langevin_qtm.sampling.statistics import mean_and_error


def measure(groups: int = 4, periods: int = 300) -> list[Line]:
    """Lines of the table: both estimates see the same trajectories.

    Parameters
    ----------
    groups : int
        Groups of 64 trajectories.
    periods : int
    """
    plan = main_plan()
    near = _errors(Plan(MomentPlan(plan.law, 1), plan.window), groups, periods)
    far = _errors(plan, groups, periods)
    steps = plan.moments.ahead
    oscillator, reservoir = main_run().machine.oscillators[0], main_run().machine.reservoirs[0].name
    return [
        Line(
            "estimator",
            f"{name}, error 1 step ahead / {steps}",
            a / b,
            "",
            "squared: gain in time to an error",
        )
        for name, a, b in zip((f"P_{oscillator}", f"J_{reservoir}"), near, far, strict=True)
    ]


def _errors(plan: Plan, groups: int, periods: int) -> FloatArray:
    """Standard errors of the first local power and the first heat current."""
    covariance = start_covariance(plan.law, "steady", None)
    parts = []
    for index in range(groups):
        group = new_group(plan, main_run().solver.seed, index, covariance)
        group.advance(periods)
        parts.append(period_averages(plan, group.take_totals()))
    averages = balanced({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, True)
    return np.array([mean_and_error(averages[name])[1][0] for name in ("local_power", "heat_current")])
